// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Between the runtime's workgroup function (attnc_workgroup_fn) and a launch's
// body: what words there are, and the function that loads and passes them.

#ifndef ATTNC_CODEGEN_LLVM_LAUNCHWRAPPER_H
#define ATTNC_CODEGEN_LLVM_LAUNCHWRAPPER_H

#include "codegen/llvm/Stage5.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace attnc {

/// One parameter of a launch, and what is known of its pointer.
struct LaunchParam {
  mlir::Type type; ///< a memref, or index
  int64_t alignment = 0;
  bool noAlias = false;
  int64_t dereferenceable = 0;
};

/// A launch's parameters as stage 5 had them.
struct LaunchParams {
  mlir::StringAttr body;
  size_t number = 0; ///< among the kernel's launches
  /// GPUs: threads of a block that is one workgroup, and how many blocks a
  /// multiprocessor should hold; 0: written for one thread.
  int64_t threads = 0, minBlocks = 0;
  /// The last three are the workgroup's number, scratch and status.
  llvm::SmallVector<LaunchParam> params;
};

/// Notes the parameters of every launch, in order, and removes stage 5's
/// attributes. Launches become private functions: their wrappers are the
/// kernel's only public symbols.
llvm::SmallVector<LaunchParams> takeLaunchParams(mlir::ModuleOp module);

/// Adds `attnc_launch_<k>` for each launch to a module in the LLVM dialect.
mlir::LogicalResult addLaunchWrappers(mlir::ModuleOp module,
                                      llvm::ArrayRef<LaunchParams> launches);

/// Calls a launch's body: its words are loaded from `words`, the other three
/// are given.
mlir::LogicalResult callLaunchBody(mlir::OpBuilder &builder,
                                   mlir::LLVM::LLVMFuncOp body,
                                   const LaunchParams &launch,
                                   mlir::Value words, mlir::Value workgroup,
                                   mlir::Value scratch, mlir::Value status);

/// 64-bit words that the launch takes.
int64_t countWords(const LaunchParams &launch);

/// The symbol of launch `number`.
std::string entryName(size_t number);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_LAUNCHWRAPPER_H
