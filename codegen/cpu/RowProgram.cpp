// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Row regions as loops along the row.

#include "codegen/cpu/RowProgram.h"
#include "dialect/Attn.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace attnc::cpu;

static bool isRowType(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return false;
  return llvm::count_if(tensor.getShape(), [](int64_t d) { return d != 1; }) <=
         1;
}

Value RowProgram::newRow(int64_t length, Type element) {
  // i1 rows are bytes, as bools in memory are.
  Type stored = element.isInteger(1) ? Type(e.b.getI8Type()) : element;
  int64_t bytes =
      length * ((stored.isIndex() ? 64 : stored.getIntOrFloatBitWidth()) / 8);
  return e.view(env.scratch, env.layout.allocate(bytes), {length}, stored);
}

Value RowProgram::scalarOf(OpFoldResult x) {
  if (auto attr = dyn_cast<Attribute>(x))
    return e.idx(cast<IntegerAttr>(attr).getInt());
  return scalars.lookup(cast<Value>(x));
}

FailureOr<Value> RowProgram::emit(Region &region, Value into) {
  Block &block = region.front();
  yielded = block.getTerminator()->getOperand(0);
  destination = into;
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(op)))
      return failure();
  Value row = rows.lookup(block.getTerminator()->getOperand(0));
  if (!row)
    return block.getTerminator()->emitError(
        "yields a value that is not a row computed here");
  return row;
}

LogicalResult RowProgram::emitOp(Operation &op) {
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return emitSlice(slice);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return emitLinalg(linalgOp);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    if (!isRowType(empty.getType()))
      return op.emitError("is not a single row");
    rows[empty] = newRow(empty.getType().getNumElements(),
                         empty.getType().getElementType());
    return success();
  }
  if (isa<tensor::CastOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op)) {
    Value source = rows.lookup(op.getOperand(0));
    if (!source || !isRowType(op.getResult(0).getType()))
      return op.emitError("does not keep a single row");
    rows[op.getResult(0)] = source;
    return success();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    if (Value row = rows.lookup(extract.getTensor())) {
      Value at = e.idx(0);
      for (auto [d, size] :
           llvm::enumerate(cast<RankedTensorType>(extract.getTensor().getType())
                               .getShape()))
        if (size != 1)
          at = scalars.lookup(extract.getIndices()[d]);
      Value length = e.b.createOrFold<memref::DimOp>(e.loc, row, int64_t(0));
      scalars.bind(extract,
                   e.load(extract.getType(), row, e.clampIndex(at, length)));
      return success();
    }
  return scalars.emit(op);
}

/// The part of a tensor in memory, or of a row at hand, as memref<Lxt>.
LogicalResult RowProgram::emitSlice(tensor::ExtractSliceOp op) {
  if (!isRowType(op.getType()) || !op.hasUnitStride())
    return op.emitError("is not a single contiguous row");
  int64_t length = op.getType().getNumElements();
  auto sourceType = op.getSourceType();
  if (Value row = rows.lookup(op.getSource())) {
    Value offset = e.idx(0);
    for (auto [d, x] : llvm::enumerate(op.getMixedOffsets()))
      if (sourceType.getDimSize(d) != 1)
        offset = scalarOf(x);
    rows[op] = memref::SubViewOp::create(
        e.b, e.loc, row, ArrayRef<OpFoldResult>{offset},
        ArrayRef<OpFoldResult>{e.b.getIndexAttr(length)},
        ArrayRef<OpFoldResult>{e.b.getIndexAttr(1)});
    return success();
  }
  Value memref = env.outer.tensor(op.getSource());
  if (!memref)
    return op.emitError("reads a tensor that is not in memory");
  int64_t rank = sourceType.getRank();
  SmallVector<OpFoldResult> offsets, sizes(rank, e.b.getIndexAttr(1)),
      strides(rank, e.b.getIndexAttr(1));
  for (OpFoldResult x : op.getMixedOffsets())
    offsets.push_back(scalarOf(x));
  for (int64_t d = 0; d < rank; ++d) {
    std::optional<int64_t> size = getConstantIntValue(op.getMixedSizes()[d]);
    if (!size || (*size != 1 && d != rank - 1))
      return op.emitError("is not a row along the last dim");
    sizes[d] = e.b.getIndexAttr(*size);
  }
  MemRefType type = memref::SubViewOp::inferRankReducedResultType(
      {length}, cast<MemRefType>(memref.getType()), offsets, sizes, strides);
  rows[op] = memref::SubViewOp::create(e.b, e.loc, type, memref, offsets, sizes,
                                       strides);
  return success();
}

LogicalResult RowProgram::emitLinalg(linalg::LinalgOp op) {
  int longLoop = -1;
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  for (auto [loop, range] : llvm::enumerate(ranges)) {
    if (range == 1)
      continue;
    if (longLoop != -1 || ShapedType::isDynamic(range))
      return op.emitError("is not the work of one row");
    longLoop = loop;
  }
  if (op->getNumResults() != 1 || !isRowType(op->getResult(0).getType()))
    return op.emitError("does not compute one row");
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value out;
  if (destination && op->getResult(0) == yielded &&
      cast<MemRefType>(destination.getType()).getElementType() ==
          type.getElementType())
    out = destination;
  else
    out = newRow(type.getNumElements(), type.getElementType());
  rows[op->getResult(0)] = out;
  return emitLoop(op, longLoop, out);
}

LogicalResult RowProgram::emitLoop(linalg::LinalgOp op, int longLoop,
                                   Value out) {
  OpOperand *init = op.getDpsInitOperand(0);
  Value zero = e.idx(0);
  bool reduces = longLoop >= 0 && op.getIteratorTypesArray()[longLoop] !=
                                      utils::IteratorType::parallel;
  LogicalResult result = success();
  auto check = [&](FailureOr<Value> value) {
    if (failed(value)) {
      result = failure();
      return Value();
    }
    return *value;
  };
  if (longLoop < 0) {
    if (Value x = check(emitBody(op, longLoop, zero, 1, Value())))
      e.store(x, out, zero);
    return result;
  }
  int64_t length = op.getStaticLoopRanges()[longLoop];
  if (reduces) {
    Value start = rows.lookup(init->get());
    if (!start)
      return op.emitError("reduces into a value that is not a row");
    Type element = cast<MemRefType>(start.getType()).getElementType();
    Values sum = e.loop(zero, e.idx(length), 1, e.load(element, start, zero),
                        [&](Value at, ValueRange acc) -> Values {
                          Value x =
                              check(emitBody(op, longLoop, at, 1, acc.front()));
                          return {x ? x : acc.front()};
                        });
    e.store(sum.front(), out, zero);
    return result;
  }
  // Two vectors of f32 are rounded to one of bf16.
  int64_t wide = isFlushed(op) && length % (2 * env.lanes) == 0 ? 2 : 1;
  e.cover(length, wide * env.lanes, [&](Value at, int64_t lanes) {
    Value x = check(emitBody(op, longLoop, at, lanes, Value()));
    if (!x)
      return;
    if (lanes > 1 && !isa<VectorType>(x.getType()))
      x = e.splat(x, lanes);
    if (cast<MemRefType>(out.getType()).getElementType().isInteger(8) &&
        getElementTypeOrSelf(x.getType()).isInteger(1))
      x = arith::ExtUIOp::create(e.b, e.loc, e.vec(lanes, e.b.getI8Type()), x);
    e.store(x, out, at);
  });
  return result;
}

/// The body for elements at .. at + lanes; `accumulator` is the running value
/// of a reduction.
FailureOr<Value> RowProgram::emitBody(linalg::LinalgOp op, int longLoop,
                                      Value at, int64_t lanes,
                                      Value accumulator) {
  LaneEmitter body(e, lanes, *this);
  for (OpOperand &operand : op->getOpOperands()) {
    Value argument = op.getMatchingBlockArgument(&operand);
    bool isInit = op.isDpsInit(&operand);
    if (isInit && accumulator) {
      body.bind(argument, accumulator);
      continue;
    }
    if (argument.use_empty())
      continue;
    if (!isa<ShapedType>(operand.get().getType())) {
      body.bind(argument, scalars.lookup(operand.get()));
      continue;
    }
    Value row = rows.lookup(operand.get());
    if (!row)
      if (Value whole = env.outer.tensor(operand.get());
          whole && isRowType(operand.get().getType()) &&
          cast<MemRefType>(whole.getType()).getRank() <= 1)
        row = whole; // a vector of weights, read whole
    if (!row)
      return op.emitError("reads a tensor that is not a row");
    bool along = false;
    for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults())
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        along |= static_cast<int>(dim.getPosition()) == longLoop;
    Type element =
        cast<RankedTensorType>(operand.get().getType()).getElementType();
    bool isBool = element.isInteger(1);
    Type stored = isBool ? Type(e.b.getI8Type()) : element;
    SmallVector<Value> index;
    if (cast<MemRefType>(row.getType()).getRank() == 1)
      index.push_back(along ? at : e.idx(0));
    Value x = e.load(along ? e.vec(lanes, stored) : stored, row, index);
    if (isBool)
      x = e.nonZero(x);
    body.bind(argument, x);
  }
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    Value index = e.idx(0);
    if (static_cast<int>(loop) == longLoop) {
      index = at;
      if (lanes > 1)
        index = e.add(e.splat(at, lanes), e.iota(lanes));
    }
    body.bindLoopIndex(loop, index);
  }
  Block *block = op.getBlock();
  if (isFlushed(op))
    body.mayFlush(block->getTerminator()->getOperand(0));
  if (failed(body.emit(*block)))
    return failure();
  return body.lookup(block->getTerminator()->getOperand(0));
}

void RowProgram::copyRow(Value from, Value to, int64_t length) {
  if (from == to)
    return;
  Type source = cast<MemRefType>(from.getType()).getElementType(),
       target = cast<MemRefType>(to.getType()).getElementType();
  e.cover(length, env.lanes, [&](Value at, int64_t lanes) {
    Value x = e.load(e.vec(lanes, source), from, at);
    e.store(e.convert(x, target), to, at);
  });
}
