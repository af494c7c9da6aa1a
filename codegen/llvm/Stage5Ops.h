// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which operations and types a stage-5 body may use.

#ifndef ATTNC_CODEGEN_LLVM_STAGE5OPS_H
#define ATTNC_CODEGEN_LLVM_STAGE5OPS_H

#include "mlir/IR/BuiltinOps.h"

namespace attnc {

/// Rejects, each at its location, operations and types that have no lowering to
/// self-contained code, or that LLVM would answer by ending the process.
mlir::LogicalResult verifyStage5Ops(mlir::ModuleOp module);

/// The CPU feature that `intrinsic` ("llvm.x86.avx512bf16.dpbf16ps.512", ...)
/// needs, empty if it needs none; nothing if kernels must not call it.
std::optional<llvm::StringRef> intrinsicFeature(llvm::StringRef intrinsic);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_STAGE5OPS_H
