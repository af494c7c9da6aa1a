// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A spec file: its module, the function that is meant, and its signature with
// the names that the source text gives the arguments.

#ifndef ATTNC_TOOLS_ATTNC_SPEC_H
#define ATTNC_TOOLS_ATTNC_SPEC_H

#include "attnc/kernel_abi.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/SourceMgr.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// One input or output of a function or a kernel.
struct Argument {
  std::string name;
  attnc_dtype dtype = ATTNC_DTYPE_INVALID;
  std::vector<int64_t> dims; ///< -1 where any size will do
  /// Of an output: the number of the input that is updated in place to give it.
  std::optional<size_t> updates;
  /// Where a spec declares it; kernel files have none.
  std::optional<mlir::Location> loc;
};

struct Signature {
  std::string name;
  std::vector<Argument> inputs, outputs;
};

/// The dtype of a tensor's elements; ATTNC_DTYPE_INVALID where the tools have
/// none.
attnc_dtype elementDtype(mlir::Type elementType);

class Spec {
public:
  /// Reads and parses a file ("-": stdin). Null after an error, which has been
  /// printed. `context` must have the dialects.
  static std::unique_ptr<Spec> load(mlir::MLIRContext &context,
                                    llvm::StringRef path,
                                    llvm::StringRef function);
  /// The same from text that came from elsewhere; `name` stands for the file.
  static std::unique_ptr<Spec> parse(mlir::MLIRContext &context,
                                     std::unique_ptr<llvm::MemoryBuffer> text,
                                     llvm::StringRef function);

  mlir::ModuleOp getModule() { return *module; }
  /// Null for a stage-5 module, which has launches instead; only compiling it
  /// tells its signature.
  mlir::func::FuncOp getFunction() { return function; }
  const Signature &getSignature() const { return signature; }
  llvm::StringRef getText() const;

private:
  explicit Spec(mlir::MLIRContext &context)
      : handler(sourceMgr, &context), context(context) {}

  mlir::LogicalResult parseModule();
  mlir::LogicalResult chooseFunction(llvm::StringRef wanted);
  /// Attaches `attn.name` to arguments and results that have none.
  mlir::LogicalResult readSignature();

  llvm::SourceMgr sourceMgr;
  /// Prints diagnostics with their source lines while the spec lives.
  mlir::SourceMgrDiagnosticHandler handler;
  mlir::MLIRContext &context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  Signature signature;
};

/// Whether the file at `path` is a kernel file, by its first bytes or, when it
/// is too short to tell, by its name.
bool isKernelFile(llvm::StringRef path);

/// Prints "attnc: error: ..." to stderr.
void printError(const llvm::Twine &message);
/// The same for an Error, which it consumes.
void printError(llvm::Error error);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_SPEC_H
