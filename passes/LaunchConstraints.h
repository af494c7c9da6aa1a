// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What must hold of dynamic sizes when a kernel is launched. Operations state
// it in their verifiers for static sizes; for dynamic ones it is collected
// here, as formulas over the sizes of the function's arguments.

#ifndef ATTNC_PASSES_LAUNCHCONSTRAINTS_H
#define ATTNC_PASSES_LAUNCHCONSTRAINTS_H

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace attnc {

/// Discardable attribute of a function: [{formula = #attn.formula<...>,
/// message = "..."}], each formula must be 0.
inline constexpr llvm::StringLiteral kConstraintsAttr = "attn.constraints";

/// Attaches the constraints of every attention and linalg operation of `func`.
llvm::LogicalResult recordLaunchConstraints(mlir::func::FuncOp func);

/// An index value as a formula over the sizes of `func`'s arguments (symbol
/// operands of affine.apply, tensor.dim of an argument or of what is computed
/// from arguments, constants, arith). Null where it depends on data.
mlir::attn::FormulaAttr formulaOf(mlir::OpFoldResult value);

/// Size `dim` of a tensor value as a formula; null where underivable.
mlir::attn::FormulaAttr sizeFormula(mlir::Value tensor, int64_t dim);

} // namespace attnc

#endif // ATTNC_PASSES_LAUNCHCONSTRAINTS_H
