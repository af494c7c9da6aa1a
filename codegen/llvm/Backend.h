// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the LLVM dialect to LLVM IR, assembly and object code.

#ifndef ATTNC_CODEGEN_LLVM_BACKEND_H
#define ATTNC_CODEGEN_LLVM_BACKEND_H

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CodeGen.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>

namespace llvm {
class TargetMachine;
}

namespace attnc {

struct BackendOptions {
  /// LLVM's IR passes. The code generator writes the loops as they should be,
  /// so more passes cost time and gain nothing (measured).
  std::string passes = "function(early-cse,loop-mssa(licm),dce)";
  llvm::CodeGenOptLevel level = llvm::CodeGenOptLevel::Default;
  /// Run LLVM's own verifier, which costs little.
  bool verify = true;
};

/// An LLVM module and what it lives in.
struct LLVMModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;

  LLVMModule();
  LLVMModule(LLVMModule &&other);
  LLVMModule &operator=(LLVMModule &&other);
  ~LLVMModule();
};

/// Translates a module that lowerToLLVMDialect made.
mlir::FailureOr<LLVMModule> translateToLLVMIR(mlir::ModuleOp module,
                                              const Target &target,
                                              const BackendOptions &options);

/// Runs the IR passes. Errors go to `module`'s location.
mlir::LogicalResult runLLVMPasses(mlir::ModuleOp module, LLVMModule &llvm,
                                  const BackendOptions &options);

/// Generates code; this consumes the IR's form, so print it before.
mlir::LogicalResult emitCode(mlir::ModuleOp module, LLVMModule &llvm,
                             llvm::CodeGenFileType type,
                             llvm::SmallVectorImpl<char> &output);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_BACKEND_H
