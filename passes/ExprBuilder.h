// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Affine expressions as operations of arith.

#ifndef ATTNC_PASSES_EXPRBUILDER_H
#define ATTNC_PASSES_EXPRBUILDER_H

#include "mlir/IR/AffineExprVisitor.h"
#include "passes/IndexBuilder.h"

namespace attnc {

/// An affine expression by arith operations: those of affine promise that
/// nothing overflows, which positions and coefficients from outside may break.
class ExprBuilder : public mlir::AffineExprVisitor<ExprBuilder, mlir::Value>,
                    public IndexBuilder {
public:
  ExprBuilder(mlir::OpBuilder &b, mlir::Location loc,
              llvm::ArrayRef<mlir::Value> dims,
              llvm::ArrayRef<mlir::Value> symbols)
      : IndexBuilder(b, loc), dims(dims), symbols(symbols) {}

  mlir::Value visitConstantExpr(mlir::AffineConstantExpr x) {
    return idx(x.getValue());
  }
  mlir::Value visitDimExpr(mlir::AffineDimExpr x) {
    return dims[x.getPosition()];
  }
  mlir::Value visitSymbolExpr(mlir::AffineSymbolExpr x) {
    return symbols[x.getPosition()];
  }
  mlir::Value visitAddExpr(mlir::AffineBinaryOpExpr x) {
    return add(visit(x.getLHS()), visit(x.getRHS()));
  }
  mlir::Value visitMulExpr(mlir::AffineBinaryOpExpr x) {
    return mul(visit(x.getLHS()), visit(x.getRHS()));
  }
  mlir::Value visitFloorDivExpr(mlir::AffineBinaryOpExpr x) {
    return quotient(visit(x.getLHS()), x.getRHS());
  }
  mlir::Value visitCeilDivExpr(mlir::AffineBinaryOpExpr x) {
    mlir::Value less = sub(visit(x.getLHS()), idx(1));
    return add(quotient(less, x.getRHS()), idx(1));
  }
  mlir::Value visitModExpr(mlir::AffineBinaryOpExpr x) {
    mlir::Value lhs = visit(x.getLHS());
    if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(x.getRHS()))
      return floorMod(lhs, std::max<int64_t>(constant.getValue(), 1));
    mlir::Value divisor = positive(x.getRHS());
    return sub(lhs, mul(floorDiv(lhs, divisor), divisor));
  }

private:
  llvm::ArrayRef<mlir::Value> dims, symbols;

  /// A divisor that depends on lengths: no data may divide by 0.
  mlir::Value positive(mlir::AffineExpr divisor) {
    return max(visit(divisor), idx(1));
  }
  mlir::Value quotient(mlir::Value lhs, mlir::AffineExpr divisor) {
    if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(divisor))
      return floorDiv(lhs, std::max<int64_t>(constant.getValue(), 1));
    return floorDiv(lhs, positive(divisor));
  }
};

} // namespace attnc

#endif // ATTNC_PASSES_EXPRBUILDER_H
