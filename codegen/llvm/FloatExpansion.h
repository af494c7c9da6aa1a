// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels call nothing: whatever LLVM would turn into a call of the C library
// is expanded to arithmetic before, or refused.

#ifndef ATTNC_CODEGEN_LLVM_FLOATEXPANSION_H
#define ATTNC_CODEGEN_LLVM_FLOATEXPANSION_H

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace attnc {

/// Elementary functions (f32 and f64) as arithmetic. On machines without fused
/// multiply-add `math.fma` on f64 rounds twice, and so does `vector.fma`, which
/// is for speed.
void populateMathExpansionPatterns(mlir::RewritePatternSet &patterns,
                                   const Target &target);

/// f16 and bf16: operations in f32, conversions as integer arithmetic where the
/// machine has no instruction.
void populateSmallFloatPatterns(mlir::RewritePatternSet &patterns,
                                const Target &target);

/// Refuses, at its location, each operation that the patterns left and that
/// would become a call.
mlir::LogicalResult checkNoLibraryCalls(mlir::ModuleOp module,
                                        const Target &target);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_FLOATEXPANSION_H
