// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which chips have an NVVM intrinsic: LLVM ends the process over one that the
// chip lacks.

#ifndef ATTNC_CODEGEN_GPU_CHIPCHECK_H
#define ATTNC_CODEGEN_GPU_CHIPCHECK_H

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

namespace attnc::gpu {

/// Why a chip cannot run this intrinsic ("llvm.nvvm...."); empty if it can.
std::string chipProblem(llvm::StringRef intrinsic, const Target &target);

/// Refuses, at the module's location, each intrinsic that the target lacks or
/// that nothing is known of.
mlir::LogicalResult checkChip(mlir::ModuleOp module, const llvm::Module &llvm,
                              const Target &target);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_CHIPCHECK_H
