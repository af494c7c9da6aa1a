// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Squares of operands, read by rows.

#include "codegen/cpu/TileReads.h"
#include "codegen/cpu/Transpose.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

/// Places of the key among the region's last arguments.
static constexpr unsigned kArguments = 5, kPosition = 2, kRow = 4;

TileReads::TileReads(Emitter &e, int64_t lanes, OuterValues &outer,
                     Block &block, int64_t ahead, Buffer buffer)
    : e(e), lanes(lanes), outer(outer), block(block), ahead(ahead) {
  auto arguments = block.getArguments().take_back(kArguments);
  Values key{arguments[kPosition], arguments[kRow]};
  // What comes before them is a score.
  Values score;
  llvm::append_range(score, block.getArguments().drop_back(kArguments));
  for (auto op : block.getOps<tensor::ExtractOp>()) {
    Type element = op.getType();
    if (!element.isF32() && !element.isF64() && !element.isF16() &&
        !element.isBF16() && !element.isInteger(1))
      continue;
    Value memref = outer.tensor(op.getTensor());
    if (!memref || op.getIndices().empty() || !isKeyRow(op.getIndices().back()))
      continue;
    if (llvm::any_of(op.getIndices().drop_back(),
                     [&](Value x) { return dependsOn(x, key); }) ||
        llvm::any_of(op.getIndices(),
                     [&](Value x) { return dependsOn(x, score); }))
      continue;
    Type stored =
        element.getIntOrFloatBitWidth() < 32 ? Type(e.b.getI32Type()) : element;
    reads.push_back({op, memref, stored, buffer({lanes, lanes}, stored),
                     buffer({lanes, lanes}, stored)});
  }
}

bool TileReads::dependsOn(Value value, ArrayRef<Value> arguments) {
  if (llvm::is_contained(arguments, value))
    return true;
  Operation *op = value.getDefiningOp();
  return op && op->getBlock() == &block &&
         (op->getNumRegions() != 0 ||
          llvm::any_of(op->getOperands(), [&](Value operand) {
            return dependsOn(operand, arguments);
          }));
}

/// The key's row or position, or 0 where a condition that all pairs share says
/// so: operands are broadcast along dimensions of size 1.
bool TileReads::isKeyRow(Value index) {
  auto arguments = block.getArguments().take_back(kArguments);
  Values all;
  llvm::append_range(all, block.getArguments());
  if (auto select = index.getDefiningOp<arith::SelectOp>())
    return !dependsOn(select.getCondition(), all) &&
           ((isKeyRow(select.getFalseValue()) &&
             !dependsOn(select.getTrueValue(), all)) ||
            (isKeyRow(select.getTrueValue()) &&
             !dependsOn(select.getFalseValue(), all)));
  return index == arguments[kPosition] || index == arguments[kRow];
}

void TileReads::bindPair(LaneEmitter &region, const PairIndices &pair,
                         int64_t rowStep) {
  auto arguments = block.getArguments().take_back(kArguments);
  region.bind(arguments[0], pair.head);
  region.bindRamp(arguments[1], pair.i, rowStep);
  region.bind(arguments[kPosition], pair.j);
  region.bindRamp(arguments[3], pair.r, rowStep);
  region.bind(arguments[kRow], pair.c);
}

FailureOr<Value> TileReads::isInside(const PairIndices &first) {
  Value inside;
  PairIndices last = first;
  last.j = e.add(first.j, lanes - 1);
  last.c = e.add(first.c, lanes - 1);
  for (const Read &read : reads) {
    tensor::ExtractOp op = read.op;
    auto at = [&](const PairIndices &pair) -> FailureOr<Value> {
      LaneEmitter region(e, 1, outer);
      bindPair(region, pair, 0);
      Value index = op.getIndices().back();
      if (failed(region.emit(block, index)))
        return failure();
      return region.lookup(index);
    };
    FailureOr<Value> low = at(first), high = at(last);
    if (failed(low) || failed(high))
      return failure();
    int64_t dim = op.getIndices().size() - 1;
    Value size = e.b.createOrFold<memref::DimOp>(e.loc, read.memref, dim);
    Value sideBySide = e.cmp(CmpIPredicate::eq, *high, e.add(*low, lanes - 1));
    Value within = e.both(e.cmp(CmpIPredicate::sge, *low, e.idx(0)),
                          e.cmp(CmpIPredicate::slt, *high, size));
    Value both = e.both(sideBySide, within);
    inside = inside ? e.both(inside, both) : both;
  }
  return inside;
}

LogicalResult TileReads::fill(PairIndices first, int64_t rowStep,
                              bool isContiguous,
                              function_ref<PairIndices(Value)> keyOf) {
  if (!isContiguous)
    return fillByElements(first, rowStep, keyOf);
  FailureOr<Value> inside = isInside(first);
  if (failed(inside))
    return failure();
  LogicalResult rows = success(), elements = success();
  e.when(
      *inside, [&] { rows = fillByRows(first, rowStep); },
      [&] { elements = fillByElements(first, rowStep, keyOf); });
  return success(succeeded(rows) && succeeded(elements));
}

LogicalResult TileReads::fillByRows(const PairIndices &first, int64_t rowStep) {
  LogicalResult result = success();
  e.loop(e.idx(0), e.idx(lanes), 1, [&](Value lane) {
    LaneEmitter region(e, 1, outer);
    PairIndices pair = first;
    Value distance = e.mul(lane, e.idx(rowStep));
    pair.i = e.add(first.i, distance);
    pair.r = e.add(first.r, distance);
    bindPair(region, pair, 0);
    for (const Read &read : reads) {
      tensor::ExtractOp op = read.op;
      if (failed(region.emit(block, op.getIndices()))) {
        result = failure();
        return;
      }
      Values at = region.indicesInside(read.memref, op.getIndices());
      Type element = cast<MemRefType>(read.memref.getType()).getElementType();
      Value row = e.load(e.vec(lanes, element), read.memref, at);
      e.store(toStored(read, row), read.rows, {lane, e.idx(0)});
      at.back() = e.add(at.back(), ahead);
      memref::PrefetchOp::create(e.b, e.loc, read.memref, at, /*isWrite=*/false,
                                 /*localityHint=*/2, /*isDataCache=*/true);
    }
  });
  for (const Read &read : reads) {
    Values square;
    Type type = e.vec(lanes, read.stored);
    for (int64_t i = 0; i < lanes; ++i)
      square.push_back(e.load(type, read.rows, {e.idx(i), e.idx(0)}));
    for (auto [t, column] : llvm::enumerate(transposeVectors(e, square)))
      e.store(column, read.tile, {e.idx(t), e.idx(0)});
  }
  return result;
}

LogicalResult
TileReads::fillByElements(const PairIndices &first, int64_t rowStep,
                          function_ref<PairIndices(Value)> keyOf) {
  LogicalResult result = success();
  e.loop(e.idx(0), e.idx(lanes), 1, [&](Value t) {
    LaneEmitter region(e, lanes, outer);
    PairIndices pair = first, key = keyOf(t);
    pair.j = key.j;
    pair.c = key.c;
    bindPair(region, pair, rowStep);
    for (const Read &read : reads) {
      Value element = tensor::ExtractOp(read.op).getResult();
      if (failed(region.emit(block, element))) {
        result = failure();
        return;
      }
      e.store(toStored(read, region.lookupVector(element)), read.tile,
              {t, e.idx(0)});
    }
  });
  return result;
}

/// Elements as they are kept in squares.
Value TileReads::toStored(const Read &read, Value x) {
  auto type = cast<VectorType>(x.getType());
  if (type.getElementType() == read.stored)
    return x;
  if (isa<FloatType>(type.getElementType()))
    x = arith::BitcastOp::create(
        e.b, e.loc,
        type.clone(e.b.getIntegerType(type.getElementTypeBitWidth())), x);
  return arith::ExtUIOp::create(e.b, e.loc, type.clone(read.stored), x);
}

void TileReads::bind(LaneEmitter &region, Value t) {
  for (const Read &read : reads) {
    Type element = tensor::ExtractOp(read.op).getType();
    Value x = e.load(e.vec(lanes, read.stored), read.tile, {t, e.idx(0)});
    if (element.isInteger(1)) {
      x = e.nonZero(x);
    } else if (element != read.stored) {
      auto type = cast<VectorType>(x.getType());
      x = arith::TruncIOp::create(
          e.b, e.loc,
          type.clone(e.b.getIntegerType(element.getIntOrFloatBitWidth())), x);
      x = arith::BitcastOp::create(e.b, e.loc, type.clone(element), x);
    }
    region.bind(tensor::ExtractOp(read.op).getResult(), x);
  }
}
