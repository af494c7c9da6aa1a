// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar regions on vectors of lanes.

#include "codegen/cpu/LaneEmitter.h"
#include "codegen/cpu/Exp2.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExprVisitor.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;

Value LaneEmitter::lookup(Value original) {
  auto it = values.find(original);
  if (it != values.end())
    return it->second;
  // A constant from above the launch: made anew here.
  if (Operation *op = original.getDefiningOp();
      op && op->hasTrait<OpTrait::ConstantLike>()) {
    Value clone = e.b.clone(*op)->getResult(0);
    values[original] = clone;
    return clone;
  }
  return outer.scalar(original);
}

LogicalResult LaneEmitter::emit(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emit(op)))
      return failure();
  return success();
}

LogicalResult LaneEmitter::emit(Operation &op) {
  if (isa<tensor::ExtractOp>(op))
    return emitExtract(op);
  if (isa<affine::AffineApplyOp>(op))
    return emitAffineApply(op);
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    auto it = loopIndices.find(index.getDim());
    if (it == loopIndices.end())
      return op.emitError("is not inside a loop that code is made for");
    values[index] = it->second;
    return success();
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    Value memref = outer.tensor(dim.getSource());
    if (!memref)
      return op.emitError("takes the size of a tensor that is not in memory");
    values[dim] =
        memref::DimOp::create(e.b, e.loc, memref, lookup(dim.getIndex()));
    return success();
  }
  return emitElementwise(op);
}

/// exp, exp2 and tanh of f64 have no vector form upstream; they are made of
/// 2^x here. Null for other operations.
static Value emitExpF64(Emitter &e, Value x, bool base2) {
  Type type = x.getType();
  Value y = base2 ? x : e.mulf(x, e.constant(type, M_LOG2E));
  // From 1024 on the exponent field would wrap: infinity, as exp gives.
  Value big = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGE, y,
                                    e.constant(type, 1024.0));
  return e.select(big, e.constant(type, INFINITY), emitExp2(e, y));
}

static Value emitTanhF64(Emitter &e, Value x) {
  Type type = x.getType();
  Value magnitude = math::AbsFOp::create(e.b, e.loc, x);
  // Near 0, Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...)));
  // ten levels are exact to rounding for |x| < 0.6.
  Value square = e.mulf(x, x);
  Value y = e.constant(type, 19.0);
  for (int odd = 17; odd >= 1; odd -= 2)
    y = e.addf(e.constant(type, odd),
               arith::DivFOp::create(e.b, e.loc, square, y));
  Value near = arith::DivFOp::create(e.b, e.loc, x, y);
  // Away from 0, 1 - 2 / (exp(2 |x|) + 1) with x's sign.
  Value one = e.constant(type, 1.0), two = e.constant(type, 2.0);
  Value grown = e.addf(emitExpF64(e, e.mulf(magnitude, two), false), one);
  Value far = e.subf(one, arith::DivFOp::create(e.b, e.loc, two, grown));
  far = math::CopySignOp::create(e.b, e.loc, far, x);
  Value isFar = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT,
                                      magnitude, e.constant(type, 0.55));
  return e.select(isFar, far, near);
}

static Value emitF64Math(Emitter &e, Operation &op, Value x) {
  if (isa<math::ExpOp, math::Exp2Op>(op))
    return emitExpF64(e, x, isa<math::Exp2Op>(op));
  if (isa<math::TanhOp>(op))
    return emitTanhF64(e, x);
  return {};
}

LogicalResult LaneEmitter::emitElementwise(Operation &op) {
  SmallVector<Value> operands;
  bool varying = false;
  for (Value operand : op.getOperands()) {
    operands.push_back(lookup(operand));
    varying |= isVarying(operands.back());
  }
  if (op.getNumRegions() != 0 || op.getNumResults() != 1 ||
      isa<ShapedType>(op.getResult(0).getType()))
    return op.emitError("is not compiled inside a region of attention yet");
  if (op.getResult(0).getType().isF64() && !operands.empty())
    if (Value result = emitF64Math(e, op, operands[0])) {
      values[op.getResult(0)] = result;
      return success();
    }
  if (varying) {
    if (!OpTrait::hasElementwiseMappableTraits(&op))
      return op.emitError("is not elementwise: it cannot be compiled inside a "
                          "region of attention");
    for (Value &operand : operands)
      operand = widen(operand);
  }
  OperationState state(op.getLoc(), op.getName());
  state.addOperands(operands);
  state.attributes = op.getAttrDictionary();
  Type result = op.getResult(0).getType();
  state.addTypes(varying ? e.vec(lanes, result) : result);
  values[op.getResult(0)] = e.b.create(state)->getResult(0);
  return success();
}

Value LaneEmitter::loadElement(Value memref, ArrayRef<Value> indices,
                               Type element) {
  Value x = e.load(element.isInteger(1) ? Type(e.b.getI8Type()) : element,
                   memref, indices);
  if (!element.isInteger(1))
    return x;
  return e.nonZero(x);
}

Value LaneEmitter::gather(Value memref, ArrayRef<Value> indices, Type element) {
  Value result;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    SmallVector<Value> at;
    for (Value i : indices)
      at.push_back(isVarying(i) ? Value(vector::ExtractOp::create(
                                      e.b, e.loc, i, ArrayRef<int64_t>{lane}))
                                : i);
    Value x = loadElement(memref, at, element);
    if (!result)
      result = e.splat(x, lanes);
    else
      result = vector::InsertOp::create(e.b, e.loc, x, result,
                                        ArrayRef<int64_t>{lane});
  }
  return result;
}

/// Indices are clamped to the tensor: lanes whose pair is masked out, or lies
/// in the tail of a tile, may compute any index, and none may read outside.
LogicalResult LaneEmitter::emitExtract(Operation &op) {
  auto extract = cast<tensor::ExtractOp>(op);
  Value memref = outer.tensor(extract.getTensor());
  if (!memref)
    return op.emitError("reads a tensor that is not in memory");
  bool varying = false;
  SmallVector<Value> indices;
  for (auto [d, index] : llvm::enumerate(extract.getIndices())) {
    Value i = lookup(index);
    Value last = e.sub(
        e.b.createOrFold<memref::DimOp>(e.loc, memref, int64_t(d)), e.idx(1));
    Value zero = e.idx(0);
    if (isVarying(i)) {
      varying = true;
      last = widen(last);
      zero = widen(zero);
    }
    indices.push_back(e.max(e.min(i, last), zero));
  }
  Type element = extract.getType();
  values[extract] = varying ? gather(memref, indices, element)
                            : loadElement(memref, indices, element);
  return success();
}

namespace {
/// affine.apply on scalars and vectors of indices.
struct ExprEmitter : public AffineExprVisitor<ExprEmitter, Value> {
  ExprEmitter(Emitter &e, function_ref<Value(Value)> widen, bool varying,
              ArrayRef<Value> dims, ArrayRef<Value> symbols)
      : e(e), widen(widen), varying(varying), dims(dims), symbols(symbols) {}
  Emitter &e;
  function_ref<Value(Value)> widen;
  bool varying;
  ArrayRef<Value> dims, symbols;

  Value operand(Value v) { return varying ? widen(v) : v; }
  Value visitConstantExpr(AffineConstantExpr x) {
    return operand(e.idx(x.getValue()));
  }
  Value visitDimExpr(AffineDimExpr x) { return operand(dims[x.getPosition()]); }
  Value visitSymbolExpr(AffineSymbolExpr x) {
    return operand(symbols[x.getPosition()]);
  }
  Value visitAddExpr(AffineBinaryOpExpr x) {
    return e.add(visit(x.getLHS()), visit(x.getRHS()));
  }
  Value visitMulExpr(AffineBinaryOpExpr x) {
    return e.mul(visit(x.getLHS()), visit(x.getRHS()));
  }
  Value visitFloorDivExpr(AffineBinaryOpExpr x) {
    return arith::FloorDivSIOp::create(e.b, e.loc, visit(x.getLHS()),
                                       visit(x.getRHS()));
  }
  Value visitCeilDivExpr(AffineBinaryOpExpr x) {
    return arith::CeilDivSIOp::create(e.b, e.loc, visit(x.getLHS()),
                                      visit(x.getRHS()));
  }
  Value visitModExpr(AffineBinaryOpExpr x) {
    Value lhs = visit(x.getLHS()), rhs = visit(x.getRHS());
    Value q = arith::FloorDivSIOp::create(e.b, e.loc, lhs, rhs);
    return e.sub(lhs, e.mul(q, rhs));
  }
};
} // namespace

LogicalResult LaneEmitter::emitAffineApply(Operation &op) {
  auto apply = cast<affine::AffineApplyOp>(op);
  SmallVector<Value> operands;
  bool varying = false;
  for (Value operand : apply.getMapOperands()) {
    operands.push_back(lookup(operand));
    varying |= isVarying(operands.back());
  }
  AffineMap map = apply.getAffineMap();
  ArrayRef<Value> all(operands);
  auto widenValue = [&](Value v) { return widen(v); };
  ExprEmitter visitor(e, widenValue, varying, all.take_front(map.getNumDims()),
                      all.drop_front(map.getNumDims()));
  values[apply] = visitor.visit(map.getResult(0));
  return success();
}
