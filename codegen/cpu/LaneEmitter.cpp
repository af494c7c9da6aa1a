// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar regions on vectors of lanes.

#include "codegen/cpu/LaneEmitter.h"
#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/PairOps.h"
#include "dialect/Attn.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExprVisitor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;

Value LaneEmitter::lookup(Value original) {
  auto it = values.find(original);
  if (it != values.end())
    return it->second;
  if (auto ramp = ramps.find(original); ramp != ramps.end()) {
    Value vector =
        e.add(widen(ramp->second.base),
              e.iota(lanes, ramp->second.base.getType(), ramp->second.step));
    values[original] = vector;
    return vector;
  }
  // A constant from above the launch: made anew here.
  if (Operation *op = original.getDefiningOp();
      op && op->hasTrait<OpTrait::ConstantLike>()) {
    Value clone = e.b.clone(*op)->getResult(0);
    values[original] = clone;
    return clone;
  }
  return outer.scalar(original);
}

void LaneEmitter::bindRamp(Value original, Value base, int64_t step) {
  if (step == 0)
    values[original] = base;
  else
    ramps[original] = {base, step};
}

std::optional<LaneEmitter::Ramp> LaneEmitter::rampOf(Value original) {
  if (auto ramp = ramps.find(original); ramp != ramps.end())
    return ramp->second;
  Value value = lookup(original);
  if (isVarying(value))
    return std::nullopt;
  return Ramp{value, 0};
}

/// Sums and casts of ramps and scalars are ramps. Integers wrap, so this is
/// exact.
bool LaneEmitter::emitRamp(Operation &op) {
  if (!isa<arith::AddIOp, arith::SubIOp, arith::IndexCastOp, arith::TruncIOp>(
          op) ||
      llvm::none_of(op.getOperands(),
                    [&](Value operand) { return ramps.contains(operand); }))
    return false;
  Value result = op.getResult(0);
  std::optional<Ramp> x = rampOf(op.getOperand(0));
  if (!x)
    return false;
  if (op.getNumOperands() == 1) {
    // Wider integers would have to know where narrower ones wrap.
    auto width = [](Type type) {
      return type.isIndex() ? 64u : type.getIntOrFloatBitWidth();
    };
    if (width(result.getType()) > width(op.getOperand(0).getType()))
      return false;
    OperationState state(op.getLoc(), op.getName(), x->base, result.getType(),
                         op.getAttrs());
    bindRamp(result, e.b.create(state)->getResult(0), x->step);
    return true;
  }
  std::optional<Ramp> y = rampOf(op.getOperand(1));
  if (!y)
    return false;
  if (isa<arith::AddIOp>(op))
    bindRamp(result, e.add(x->base, y->base), x->step + y->step);
  else
    bindRamp(result, e.sub(x->base, y->base), x->step - y->step);
  return true;
}

LogicalResult LaneEmitter::emit(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emit(op)))
      return failure();
  return success();
}

LogicalResult LaneEmitter::emit(Block &block, ValueRange wanted) {
  SmallPtrSet<Operation *, 16> needed;
  auto need = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (op && op->getBlock() == &block && !values.contains(value))
      needed.insert(op);
  };
  llvm::for_each(wanted, need);
  for (Operation &op : llvm::reverse(block))
    if (needed.contains(&op))
      op.walk([&](Operation *inner) {
        llvm::for_each(inner->getOperands(), need);
      });
  for (Operation &op : block)
    if (needed.contains(&op) && failed(emit(op)))
      return failure();
  return success();
}

LogicalResult LaneEmitter::emit(Operation &op) {
  if (op.getNumResults() == 1 && values.contains(op.getResult(0)))
    return success();
  if (isa<tensor::ExtractOp>(op))
    return emitExtract(op);
  if (isa<affine::AffineApplyOp>(op))
    return emitAffineApply(op);
  if (auto checked = dyn_cast<attn::CheckedOp>(op))
    return emitChecked(checked);
  if (isa<attn::CheckOrderOp, attn::SegmentOp, attn::ListedOp,
          attn::RandomKeyOp, attn::IsRandomKeyOp>(op))
    return emitPairOp(op);
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    auto it = loopIndices.find(index.getDim());
    if (it == loopIndices.end())
      return op.emitError("is not inside a loop that code is made for");
    values[index] = it->second;
    return success();
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    Value memref = tensorOf(op, dim.getSource());
    if (!memref)
      return failure();
    values[dim] =
        memref::DimOp::create(e.b, e.loc, memref, lookup(dim.getIndex()));
    return success();
  }
  return emitElementwise(op);
}

/// Clamps, and reports a value out of range.
LogicalResult LaneEmitter::emitChecked(attn::CheckedOp op) {
  Value x = lookup(op.getValue()), low = lookup(op.getLower()),
        high = lookup(op.getUpper());
  if (isVarying(x) || isVarying(low) || isVarying(high))
    return op.emitError(
        "is checked once for many pairs, which is not compiled");
  Value clamped = e.max(e.min(x, high), low);
  outer.report(e.cmp(arith::CmpIPredicate::ne, x, clamped), op.getStatus());
  values[op.getResult()] = clamped;
  return success();
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

/// Machines trap on integer divisions by 0 and on overflowing ones. Regions run
/// on lanes that no pair needs, and no data may end the process: there the
/// divisor is 1.
Value LaneEmitter::nonZeroDivisor(Operation &op, ArrayRef<Value> operands) {
  APInt constant;
  if (matchPattern(op.getOperand(1), m_ConstantInt(&constant)) &&
      !constant.isZero() && !constant.isAllOnes())
    return operands[1];
  Value x = operands[0], y = operands[1];
  if (isVarying(x) || isVarying(y)) {
    x = widen(x);
    y = widen(y);
  }
  auto like = [&](const APInt &value) -> Value {
    Type type = x.getType();
    TypedAttr attr = e.b.getIntegerAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(e.b, e.loc, attr);
  };
  Type element = getElementTypeOrSelf(x.getType());
  unsigned width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  arith::CmpIPredicate equal = arith::CmpIPredicate::eq;
  Value trap = e.cmp(equal, y, like(APInt::getZero(width)));
  if (isa<arith::DivSIOp, arith::RemSIOp, arith::FloorDivSIOp,
          arith::CeilDivSIOp>(op)) {
    Value wraps =
        e.both(e.cmp(equal, y, like(APInt::getAllOnes(width))),
               e.cmp(equal, x, like(APInt::getSignedMinValue(width))));
    trap = arith::OrIOp::create(e.b, e.loc, trap, wraps);
  }
  return e.select(trap, like(APInt(width, 1)), y);
}

LogicalResult LaneEmitter::emitElementwise(Operation &op) {
  if (emitRamp(op))
    return success();
  SmallVector<Value> operands;
  bool varying = false;
  for (Value operand : op.getOperands()) {
    operands.push_back(lookup(operand));
    varying |= isVarying(operands.back());
  }
  if (op.getNumRegions() != 0 || op.getNumResults() != 1 ||
      isa<ShapedType>(op.getResult(0).getType()))
    return op.emitError("is not compiled inside a region of attention yet");
  if (isa<math::TanhOp>(op) && varying && operands[0] &&
      op.getResult(0).getType().isF32()) {
    values[op.getResult(0)] = emitTanh(e, operands[0]);
    return success();
  }
  if (op.getResult(0) == flushed && isa<arith::TruncFOp>(op))
    if (Value result = e.convertToBf16Flushed(operands[0])) {
      values[op.getResult(0)] = result;
      return success();
    }
  if (op.getResult(0).getType().isF64() && !operands.empty())
    if (Value result = emitF64Math(e, op, operands[0])) {
      values[op.getResult(0)] = result;
      return success();
    }
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
          arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    operands[1] = nonZeroDivisor(op, operands);
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
  Value x = memref::LoadOp::create(e.b, e.loc, memref, indices);
  if (element.isInteger(1))
    return e.nonZero(x);
  if (element.isIndex())
    return arith::IndexCastOp::create(e.b, e.loc, element, x);
  return x;
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

Value LaneEmitter::tensorOf(Operation &op, Value tensor) {
  Value memref = outer.tensor(tensor);
  if (!memref)
    op.emitError("reads a tensor that is not in memory");
  return memref;
}

/// Indices are clamped to the tensor: lanes whose pair is masked out, or lies
/// in the tail of a tile, may compute any index, and none may read outside.
Values LaneEmitter::indicesInside(Value memref, ValueRange originals) {
  Values indices;
  for (auto [d, original] : llvm::enumerate(originals)) {
    Value i = lookup(original);
    Value last = e.sub(
        e.b.createOrFold<memref::DimOp>(e.loc, memref, int64_t(d)), e.idx(1));
    Value zero = e.idx(0);
    if (isVarying(i)) {
      last = widen(last);
      zero = widen(zero);
    }
    indices.push_back(e.max(e.min(i, last), zero));
  }
  return indices;
}

/// Whether a tensor of integers may turn out to have no element: parameters and
/// row pointers come in sizes that nothing else fixes. (Floats and bools have
/// the sizes of q, k and v.)
static bool mayBeEmpty(RankedTensorType type) {
  Type element = type.getElementType();
  return (element.isIndex() || element.isInteger()) && !element.isInteger(1) &&
         !type.hasStaticShape();
}

LogicalResult LaneEmitter::emitExtract(Operation &op) {
  auto extract = cast<tensor::ExtractOp>(op);
  Value memref = tensorOf(op, extract.getTensor());
  if (!memref)
    return failure();
  Values indices = indicesInside(memref, extract.getIndices());
  bool varying = llvm::any_of(indices, [&](Value i) { return isVarying(i); });
  Type element = extract.getType();
  auto read = [&] {
    return varying ? gather(memref, indices, element)
                   : loadElement(memref, indices, element);
  };
  RankedTensorType type = extract.getTensor().getType();
  if (!mayBeEmpty(type)) {
    values[extract] = read();
    return success();
  }
  Value elements = e.idx(1);
  for (int64_t d = 0; d < type.getRank(); ++d)
    elements =
        e.mul(elements, e.b.createOrFold<memref::DimOp>(e.loc, memref, d));
  Value any = e.cmp(arith::CmpIPredicate::ne, elements, e.idx(0));
  auto guarded = scf::IfOp::create(
      e.b, e.loc, any,
      [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, read()); },
      [&](OpBuilder &b, Location loc) {
        Type result = varying ? e.vec(lanes, element) : element;
        Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(result));
        scf::YieldOp::create(b, loc, zero);
      });
  values[extract] = guarded.getResult(0);
  return success();
}

LogicalResult LaneEmitter::emitPairOp(Operation &op) {
  PairOps ops(e, lanes);
  auto rowOf = [&](Value tensor, ValueRange lead) {
    Value memref = tensorOf(op, tensor);
    Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
    return PairOps::Row{memref, element,
                        memref ? indicesInside(memref, lead) : Values()};
  };
  if (auto check = dyn_cast<attn::CheckOrderOp>(op)) {
    PairOps::Row row = rowOf(check.getOffsets(), check.getLead());
    if (!row.memref)
      return failure();
    e.when(lookup(check.getWhen()),
           [&] { outer.report(ops.decreases(row), attn::Status::Order); });
    return success();
  }
  if (auto segment = dyn_cast<attn::SegmentOp>(op)) {
    PairOps::Row row = rowOf(segment.getBoundaries(), segment.getLead());
    if (!row.memref)
      return failure();
    std::array<Value, 3> found = ops.segment(row, lookup(segment.getX()));
    for (auto [result, value] : llvm::zip_equal(op.getResults(), found))
      values[result] = value;
    return success();
  }
  if (auto listed = dyn_cast<attn::ListedOp>(op)) {
    PairOps::Row row = rowOf(listed.getList(), listed.getLead());
    if (!row.memref)
      return failure();
    values[listed] =
        ops.listed(row, lookup(listed.getX()), lookup(listed.getBegin()),
                   lookup(listed.getEnd()));
    return success();
  }
  auto rowOfKeys = [&](auto key) {
    return PairOps::RandomRow{lookup(key.getHead()), lookup(key.getI()),
                              lookup(key.getBegin()), lookup(key.getEnd()),
                              static_cast<int64_t>(key.getSeed())};
  };
  auto emitKey = [&](const PairOps::RandomRow &row, auto make) {
    if (isVarying(row.begin) || isVarying(row.end))
      return LogicalResult(op.emitError("needs the same keys in all lanes"));
    values[op.getResult(0)] = make();
    return success();
  };
  if (auto key = dyn_cast<attn::RandomKeyOp>(op)) {
    PairOps::RandomRow row = rowOfKeys(key);
    return emitKey(row, [&] { return ops.randomKey(row, lookup(key.getT())); });
  }
  auto key = cast<attn::IsRandomKeyOp>(op);
  PairOps::RandomRow row = rowOfKeys(key);
  return emitKey(row, [&] {
    return ops.isRandomKey(row, lookup(key.getJ()), key.getCount());
  });
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
  /// Divisors are positive where the result means anything.
  Value divisor(AffineExpr x) {
    if (isa<AffineConstantExpr>(x))
      return visit(x);
    return e.max(visit(x), operand(e.idx(1)));
  }
  Value visitFloorDivExpr(AffineBinaryOpExpr x) {
    return arith::FloorDivSIOp::create(e.b, e.loc, visit(x.getLHS()),
                                       divisor(x.getRHS()));
  }
  Value visitCeilDivExpr(AffineBinaryOpExpr x) {
    return arith::CeilDivSIOp::create(e.b, e.loc, visit(x.getLHS()),
                                      divisor(x.getRHS()));
  }
  Value visitModExpr(AffineBinaryOpExpr x) {
    Value lhs = visit(x.getLHS()), rhs = divisor(x.getRHS());
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
