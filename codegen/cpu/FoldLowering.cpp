// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parts of a fold that both micro-kernels use.

#include "codegen/cpu/FoldLowering.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;

FoldLowering::FoldLowering(FoldContext context)
    : e(context.e), op(context.op), schedule(op.getSchedule()),
      ct(op.getComputeType()), lanes(schedule.getLanes()), d(op.getHeadDim()),
      dv(op.getValueDim()), context(context) {
  OuterValues &outer = context.outer;
  head = outer.scalar(op.getHead());
  row = outer.scalar(op.getRow());
  rows = outer.scalar(op.getRows());
  keys = outer.scalar(op.getKeys());
  for (Value symbol : op.getSymbols())
    symbols.push_back(outer.scalar(symbol));
}

Value FoldLowering::buffer(ArrayRef<int64_t> shape, Type element) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  for (int64_t size : shape)
    bytes *= size;
  return e.view(context.scratch, context.layout.allocate(bytes), shape,
                element);
}

/// The innermost `length` elements of a scratch buffer as memref<length x t>.
Value FoldLowering::at(Value memref, ValueRange indices, int64_t length) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t rank = type.getRank();
  SmallVector<OpFoldResult> offsets(indices.begin(), indices.end());
  offsets.resize(rank, e.b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes(rank, e.b.getIndexAttr(1)),
      strides(rank, e.b.getIndexAttr(1));
  sizes.back() = e.b.getIndexAttr(length);
  auto reduced = memref::SubViewOp::inferRankReducedResultType(
      {length}, type, offsets, sizes, strides);
  return memref::SubViewOp::create(e.b, e.loc, reduced, memref, offsets, sizes,
                                   strides);
}

double FoldLowering::queryScale() {
  double scale = op.getScale().convertToDouble();
  return op.getScore().empty() ? scale * M_LOG2E : scale;
}
double FoldLowering::scoreFactor() {
  return op.getScore().empty() ? 1.0 : M_LOG2E;
}

Value FoldLowering::directRows(Region &loader) {
  Block &block = loader.front();
  auto slice = block.getTerminator()
                   ->getOperand(0)
                   .getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice->getBlock() != &block || !slice.hasUnitStride() ||
      slice.getType().getElementType() != ct)
    return {};
  Value memref = context.outer.tensor(slice.getSource());
  if (!memref)
    return {};
  auto type = cast<MemRefType>(memref.getType());
  int64_t rank = type.getRank();
  SmallVector<OpFoldResult> offsets, sizes(rank, e.b.getIndexAttr(1)),
      strides(rank, e.b.getIndexAttr(1));
  for (auto [dim, x] : llvm::enumerate(slice.getMixedOffsets())) {
    auto value = dyn_cast<Value>(x);
    bool isRow = value == block.getArguments().back();
    if (isRow != (static_cast<int64_t>(dim) == rank - 2))
      return {};
    // An index computed inside the loader (a page) is not in place.
    if (value && !isRow && value.getParentBlock() == &block)
      return {};
    offsets.push_back(isRow   ? OpFoldResult(e.b.getIndexAttr(0))
                      : value ? OpFoldResult(context.outer.scalar(value))
                              : x);
  }
  sizes[rank - 2] = e.b.createOrFold<memref::DimOp>(e.loc, memref, rank - 2);
  sizes[rank - 1] = e.b.getIndexAttr(slice.getType().getShape().back());
  auto reduced = memref::SubViewOp::inferRankReducedResultType(
      {ShapedType::kDynamic, slice.getType().getShape().back()}, type, offsets,
      sizes, strides);
  return memref::SubViewOp::create(e.b, e.loc, reduced, memref, offsets, sizes,
                                   strides);
}

LogicalResult FoldLowering::loadRow(Region &loader, ValueRange arguments,
                                    Value destination, int64_t length) {
  RowProgram program(e, environment());
  for (auto [argument, value] :
       llvm::zip(loader.front().getArguments(), arguments))
    program.bind(argument, value);
  FailureOr<Value> result = program.emit(loader);
  if (failed(result))
    return failure();
  program.copyRow(*result, destination, length);
  return success();
}

LogicalResult FoldLowering::loadBlock(Region &loader, Value first, Value count,
                                      Value buffer, int64_t length) {
  LogicalResult result = success();
  e.loop(e.idx(0), count, 1, [&](Value j) {
    result = loadRow(loader, e.add(first, j), at(buffer, j, length), length);
  });
  return result;
}

FailureOr<Value> FoldLowering::emitScore(const PairLanes &pair) {
  if (op.getScore().empty())
    return pair.score;
  Block &block = op.getScore().front();
  LaneEmitter region(e, lanes, context.outer);
  Value inputs[] = {pair.score, pair.head, pair.i, pair.j, pair.r, pair.c};
  for (auto [argument, value] : llvm::zip(block.getArguments(), inputs))
    region.bind(argument, value);
  if (failed(region.emit(block)))
    return failure();
  Value score = region.lookupVector(block.getTerminator()->getOperand(0));
  return e.mulf(score, e.constant(score.getType(), scoreFactor()));
}

FailureOr<Value> FoldLowering::emitTests(ComponentAttr component,
                                         const PairLanes &pair) {
  if (component.getTestNumbers().empty())
    return Value();
  Block &block = op.getTests().front();
  LaneEmitter region(e, lanes, context.outer);
  Value inputs[] = {pair.head, pair.i, pair.j, pair.r, pair.c};
  for (auto [argument, value] : llvm::zip(block.getArguments(), inputs))
    region.bind(argument, value);
  Values wanted;
  for (int64_t test : component.getTestNumbers())
    wanted.push_back(block.getTerminator()->getOperand(std::abs(test) - 1));
  if (failed(region.emit(block, wanted)))
    return failure();
  Value all;
  for (int64_t test : component.getTestNumbers()) {
    Value bit = region.lookupVector(
        block.getTerminator()->getOperand(std::abs(test) - 1));
    if (test < 0) {
      TypedAttr one = e.b.getBoolAttr(true);
      if (auto vector = dyn_cast<VectorType>(bit.getType()))
        one = DenseElementsAttr::get(vector, Attribute(one));
      bit = arith::XOrIOp::create(e.b, e.loc, bit,
                                  arith::ConstantOp::create(e.b, e.loc, one));
    }
    all = all ? e.both(all, bit) : bit;
  }
  return all;
}

LogicalResult FoldLowering::storeRow(Value finished, Value g, Value r) {
  RowProgram program(e, environment());
  Value out = at(context.tileOut, {g, r}, dv);
  Region &epilogue = op.getEpilogue();
  if (epilogue.empty()) {
    program.copyRow(finished, out, dv);
    return success();
  }
  Block &block = epilogue.front();
  Value argument = block.getArgument(0);
  Type element = cast<RankedTensorType>(argument.getType()).getElementType();
  if (element != ct) {
    if (!finishedRow)
      finishedRow = buffer({dv}, element);
    program.copyRow(finished, finishedRow, dv);
    finished = finishedRow;
  }
  program.bindRow(argument, finished);
  program.bind(block.getArgument(1), e.add(head, g));
  program.bind(block.getArgument(2), e.add(row, r));
  FailureOr<Value> result = program.emit(epilogue);
  if (failed(result))
    return failure();
  program.copyRow(*result, out, dv);
  return success();
}

Value FoldLowering::logSumExp(Value m, Value l) {
  Value natural = e.mulf(m, e.constant(m.getType(), M_LN2));
  Type f32 = e.b.getF32Type();
  natural = e.convert(natural, f32);
  Value sum = e.convert(l, f32);
  Value log = math::LogOp::create(e.b, e.loc, sum);
  Value lse = e.addf(natural, log);
  // A row without pairs has l = 0.
  Value none = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, sum,
                                     e.constant(sum.getType(), 0.0));
  return e.select(none, e.constant(sum.getType(), -INFINITY), lse);
}
