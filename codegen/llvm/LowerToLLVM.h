// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From stage 5 to the LLVM dialect, in one step.

#ifndef ATTNC_CODEGEN_LLVM_LOWERTOLLVM_H
#define ATTNC_CODEGEN_LLVM_LOWERTOLLVM_H

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"

namespace attnc {

/// Dialects and translations that lowering and code generation need beyond the
/// input's own.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Rewrites a verified stage-5 module into the LLVM dialect. Its public symbols
/// are then attnc_launch_0, attnc_launch_1, ... of the type attnc_workgroup_fn.
/// What has no lowering without external symbols is an error at its location.
mlir::LogicalResult lowerToLLVMDialect(mlir::ModuleOp module,
                                       const Target &target);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_LOWERTOLLVM_H
