// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tests of the reference evaluator share: a context, IR from strings,
// diagnostics as text, inputs made of hashes.

#ifndef ATTNC_TEST_UNIT_REFERENCE_TESTSUPPORT_H
#define ATTNC_TEST_UNIT_REFERENCE_TESTSUPPORT_H

#include "dialect/Attn.h"
#include "dialect/reference/Evaluator.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "gtest/gtest.h"
#include <string>

namespace attnc::test {

/// A context with the dialects of stages 1 to 4; diagnostics go to `messages`.
class ReferenceTest : public ::testing::Test {
protected:
  ReferenceTest();

  mlir::MLIRContext context;
  std::string messages;

  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef ir);
  /// The only (or the first) function of some IR.
  mlir::func::FuncOp parseFunction(llvm::StringRef ir);
  mlir::attn::AttentionOp attentionOf(mlir::func::FuncOp function);

  /// Results of the first function; a test failure when there are none.
  llvm::SmallVector<HostTensor> run(llvm::StringRef ir,
                                    llvm::ArrayRef<HostTensor> args,
                                    Precision precision = Precision::Exact);
  /// The diagnostics of an evaluation that must fail.
  std::string runFails(llvm::StringRef ir, llvm::ArrayRef<HostTensor> args);

  HostTensor f32(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> values);
  HostTensor i32(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> values);
  HostTensor i1(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> values);
  HostTensor index(int64_t value);
  /// Values in [-scale, scale) that NumPy makes alike (numpy_values.py).
  HostTensor random(llvm::ArrayRef<int64_t> shape, uint64_t seed,
                    mlir::Type element = {}, unsigned bits = 24,
                    double scale = 1.0);

private:
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
};

uint64_t splitMix(uint64_t x);
/// All values as doubles.
std::vector<double> valuesOf(const HostTensor &tensor);
/// Same shape and values, NaN equal to NaN, within an absolute and relative
/// tolerance.
::testing::AssertionResult close(const HostTensor &a, const HostTensor &b,
                                 double tolerance = 1e-12);
::testing::AssertionResult close(const HostTensor &a, llvm::ArrayRef<double> b,
                                 double tolerance = 1e-12);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_REFERENCE_TESTSUPPORT_H
