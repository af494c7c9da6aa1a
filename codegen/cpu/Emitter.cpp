// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms over arith, vector, scf and memref.

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace attnc::cpu;

/// Elements of a vector that is worth it: code generators take shorter ones
/// apart.
static constexpr int64_t kShortest = 4;

Value Emitter::idx(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value Emitter::add(Value x, Value y) {
  return b.createOrFold<arith::AddIOp>(loc, x, y);
}
Value Emitter::sub(Value x, Value y) {
  return b.createOrFold<arith::SubIOp>(loc, x, y);
}
Value Emitter::mul(Value x, Value y) {
  return b.createOrFold<arith::MulIOp>(loc, x, y);
}
Value Emitter::min(Value x, Value y) {
  return b.createOrFold<arith::MinSIOp>(loc, x, y);
}
Value Emitter::max(Value x, Value y) {
  return b.createOrFold<arith::MaxSIOp>(loc, x, y);
}
Value Emitter::clampIndex(Value x, Value size) {
  return max(min(x, sub(size, idx(1))), idx(0));
}
Value Emitter::ceilDiv(Value x, int64_t y) {
  if (y == 1)
    return x;
  return b.createOrFold<arith::DivUIOp>(loc, add(x, y - 1), idx(y));
}
Value Emitter::alignTo(Value x, int64_t y) {
  return y == 1 ? x : mul(ceilDiv(x, y), idx(y));
}
Value Emitter::alignDown(Value x, int64_t y) {
  if (y == 1)
    return x;
  return sub(x, b.createOrFold<arith::RemUIOp>(loc, x, idx(y)));
}
Value Emitter::cmp(arith::CmpIPredicate p, Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, p, x, y);
}
Value Emitter::both(Value x, Value y) {
  return b.createOrFold<arith::AndIOp>(loc, x, y);
}
Value Emitter::toI32(Value x) {
  return b.createOrFold<arith::IndexCastOp>(loc, b.getI32Type(), x);
}

Value Emitter::nonZero(Value bytes) {
  TypedAttr zero = b.getIntegerAttr(getElementTypeOrSelf(bytes.getType()), 0);
  if (auto vector = dyn_cast<VectorType>(bytes.getType()))
    zero = DenseElementsAttr::get(vector, Attribute(zero));
  return cmp(arith::CmpIPredicate::ne, bytes,
             arith::ConstantOp::create(b, loc, zero));
}

Value Emitter::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = b.getFloatAttr(element, value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, attr);
  return arith::ConstantOp::create(b, loc, attr);
}
Value Emitter::addf(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}
Value Emitter::subf(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}
Value Emitter::mulf(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value Emitter::fma(Value x, Value y, Value z) {
  if (!hasFma)
    return addf(mulf(x, y), z);
  if (isa<VectorType>(x.getType()))
    return vector::FMAOp::create(b, loc, x, y, z);
  return math::FmaOp::create(b, loc, x, y, z);
}
Value Emitter::maxIgnoringNaN(Value x, Value m) {
  Value larger = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, m);
  return select(larger, x, m);
}
Value Emitter::select(Value c, Value x, Value y) {
  return arith::SelectOp::create(b, loc, c, x, y);
}
Value Emitter::convert(Value x, Type element) {
  Type from = getElementTypeOrSelf(x.getType());
  if (from == element)
    return x;
  Type type = element;
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    type = vector.clone(element);
  unsigned fromBits = from.getIntOrFloatBitWidth(),
           toBits = element.getIntOrFloatBitWidth();
  if (fromBits == toBits) // f16 and bf16 meet in f32
    return convert(convert(x, b.getF32Type()), element);
  if (fromBits < toBits)
    return arith::ExtFOp::create(b, loc, type, x);
  return arith::TruncFOp::create(b, loc, type, x);
}

Value Emitter::convertToBf16Flushed(Value x) {
  auto type = dyn_cast<VectorType>(x.getType());
  if (!type || !type.getElementType().isF32())
    return {};
  int64_t lanes = type.getNumElements();
  Type narrow = type.clone(b.getBF16Type());
  auto call = [&](StringRef name, ValueRange arguments) -> Value {
    auto full = b.getStringAttr("llvm.x86.avx512bf16." + name);
    return LLVM::CallIntrinsicOp::create(b, loc, narrow, full, arguments)
        .getResult(0);
  };
  auto half = [&](int64_t at) -> Value {
    return vector::ExtractStridedSliceOp::create(
        b, loc, x, ArrayRef<int64_t>{at}, ArrayRef<int64_t>{lanes / 2},
        ArrayRef<int64_t>{1});
  };
  switch (lanes) {
  case 8:
    return call("cvtneps2bf16.256", x);
  case 16:
    return call("cvtneps2bf16.512", x);
  case 32: // the upper half comes first
    return call("cvtne2ps2bf16.512", {half(16), half(0)});
  default:
    return {};
  }
}

Type Emitter::vec(int64_t lanes, Type element) {
  return lanes == 1 ? element : Type(VectorType::get({lanes}, element));
}
Value Emitter::splat(Value scalar, int64_t lanes) {
  if (lanes == 1)
    return scalar;
  return vector::BroadcastOp::create(
      b, loc, VectorType::get({lanes}, scalar.getType()), scalar);
}
Value Emitter::load(Type type, Value memref, ValueRange at) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector::LoadOp::create(b, loc, vector, memref, at);
  return memref::LoadOp::create(b, loc, memref, at);
}
void Emitter::store(Value value, Value memref, ValueRange at) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(b, loc, value, memref, at);
  else
    memref::StoreOp::create(b, loc, value, memref, at);
}
Value Emitter::loadIndex(Value memref, ValueRange at, int64_t lanes) {
  Value x = load(vec(lanes, b.getI64Type()), memref, at);
  return arith::IndexCastOp::create(b, loc, vec(lanes, b.getIndexType()), x);
}
void Emitter::storeIndex(Value value, Value memref, ValueRange at) {
  store(arith::IndexCastOp::create(b, loc, b.getI64Type(), value), memref, at);
}
Value Emitter::iota(int64_t lanes, Type element, int64_t step) {
  unsigned width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  SmallVector<APInt> values;
  for (int64_t i = 0; i < lanes; ++i)
    values.emplace_back(width, i * step, /*isSigned=*/true,
                        /*implicitTrunc=*/true);
  if (lanes == 1)
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(element, 0));
  auto type = VectorType::get({lanes}, element);
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(type, values));
}

void Emitter::loop(Value lo, Value hi, int64_t step,
                   function_ref<void(Value)> body) {
  // A loop of no or one iteration with constant bounds is its body.
  APInt low, high;
  if (matchPattern(lo, m_ConstantInt(&low)) &&
      matchPattern(hi, m_ConstantInt(&high))) {
    if (!low.slt(high))
      return;
    if ((high - low).sle(step)) {
      body(lo);
      return;
    }
  }
  auto op = scf::ForOp::create(b, loc, lo, hi, idx(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.getBody()->getTerminator());
  body(op.getInductionVar());
}
Values Emitter::loop(Value lo, Value hi, int64_t step, ValueRange inits,
                     function_ref<Values(Value, ValueRange)> body) {
  auto op =
      scf::ForOp::create(b, loc, lo, hi, idx(step), inits,
                         [&](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(op.getBody());
  Values yields = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, loc, yields);
  return Values(op.getResults());
}
void Emitter::cover(int64_t length, int64_t lanes,
                    function_ref<void(Value, int64_t)> body) {
  int64_t main = length / lanes * lanes;
  if (main)
    loop(idx(0), idx(main), lanes, [&](Value at) { body(at, lanes); });
  if (main == length)
    return;
  if (main)
    return body(idx(length - lanes), lanes);
  int64_t part = llvm::bit_floor<uint64_t>(length);
  if (part < kShortest)
    return loop(idx(0), idx(length), 1, [&](Value at) { body(at, 1); });
  body(idx(0), part);
  if (part != length)
    body(idx(length - part), part);
}
void Emitter::when(Value condition, function_ref<void()> then,
                   function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, loc, condition,
                              /*withElseRegion=*/static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  then();
  if (!otherwise)
    return;
  b.setInsertionPoint(op.elseBlock()->getTerminator());
  otherwise();
}

Value Emitter::orElse(Value condition, function_ref<Value()> otherwise) {
  auto op = scf::IfOp::create(b, loc, b.getI1Type(), condition,
                              /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  scf::YieldOp::create(b, loc, condition);
  b.setInsertionPointToStart(op.elseBlock());
  scf::YieldOp::create(b, loc, otherwise());
  return op.getResult(0);
}

Value Emitter::row(Value memref, ValueRange indices, int64_t length) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t rank = type.getRank();
  SmallVector<OpFoldResult> offsets(indices.begin(), indices.end());
  offsets.resize(rank, b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1)),
      strides(rank, b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(length);
  auto reduced = memref::SubViewOp::inferRankReducedResultType(
      {length}, type, offsets, sizes, strides);
  return memref::SubViewOp::create(b, loc, reduced, memref, offsets, sizes,
                                   strides);
}
Value Emitter::view(Value scratch, int64_t byteOffset, ArrayRef<int64_t> shape,
                    Type element) {
  return memref::ViewOp::create(b, loc, MemRefType::get(shape, element),
                                scratch, idx(byteOffset), ValueRange());
}
