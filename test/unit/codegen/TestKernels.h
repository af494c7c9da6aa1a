// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage-5 kernels written by hand, and helpers to compile and run them.

#ifndef ATTNC_TEST_UNIT_CODEGEN_TESTKERNELS_H
#define ATTNC_TEST_UNIT_CODEGEN_TESTKERNELS_H

#include "codegen/Compiler.h"

#include "mlir/IR/MLIRContext.h"

#include <memory>
#include <string>
#include <vector>

namespace attnc::test {

/// y = tanh(2 x + offsets) on rows of f32: vectors with a masked tail that goes
/// through scratch, a table of constants, and a status bit for NaN.
extern const char *const kRowsKernel;

/// Two launches with a temporary between them: sums of rows, then each element
/// divided by its row's sum.
extern const char *const kTwoLaunches;

/// A kernel of one input and one output vector whose element i is computed from
/// %x (of `type`) by `body`, which defines %y. `lanes` of 0 computes on
/// scalars. Values are stored as they are.
std::string elementwiseKernel(const std::string &type, unsigned lanes,
                              const std::string &body);

/// One compile: a context of its own, the module, and what was reported.
class Session {
public:
  explicit Session(const std::string &source);
  ~Session();

  mlir::ModuleOp module() { return *parsed; }
  bool isValid() const { return static_cast<bool>(parsed); }
  /// All errors so far, one a line.
  const std::string &errors() const { return text; }
  const std::string &warnings() const { return warningText; }

  KernelHandle jit(const Target &target);
  /// Compiles to a kernel file's bytes and loads the image called `image`
  /// (null: the best).
  KernelHandle aot(llvm::ArrayRef<Target> targets, const char *image = nullptr);

  CompilerOptions options;
  PhaseTimes times;

private:
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> parsed;
  std::string text, warningText;
};

/// The named target; the test program ends if there is none.
Target targetNamed(const char *name);

/// A dense tensor over the caller's memory.
class View {
public:
  View(attnc_dtype dtype, void *data, std::vector<int64_t> shape,
       std::vector<int64_t> strides = {})
      : shape(std::move(shape)), strides(std::move(strides)), dtype(dtype),
        data(data) {}
  attnc_tensor get() const {
    return {sizeof(attnc_tensor),
            dtype,
            static_cast<uint32_t>(shape.size()),
            data,
            shape.data(),
            strides.empty() ? nullptr : strides.data(),
            /*device_type=*/0,
            0};
  }

private:
  std::vector<int64_t> shape, strides;
  attnc_dtype dtype;
  void *data;
};

/// Runs; returns the result and puts the message into `error`.
attnc_result launch(const KernelHandle &kernel, const std::vector<View> &views,
                    std::string *error = nullptr, uint32_t *status = nullptr);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_CODEGEN_TESTKERNELS_H
