// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loaders, score, tests, values and state of attn.fold.

#include "passes/FoldRegions.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

Value attnc::perBatchValue(OpBuilder &b, Location loc, Value operand,
                           ArrayRef<Value> batch) {
  Value x = operand;
  if (auto type = dyn_cast<RankedTensorType>(operand.getType())) {
    SmallVector<Value> at;
    for (int64_t d = 0; d < type.getRank(); ++d)
      at.push_back(isPerBatchUniform(type)
                       ? Value(arith::ConstantIndexOp::create(b, loc, 0))
                       : batch[d]);
    x = tensor::ExtractOp::create(b, loc, operand, at);
  }
  if (!x.getType().isIndex())
    x = arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  return x;
}

//===----------------------------------------------------------------------===//
// Short forms
//===----------------------------------------------------------------------===//

/// x within [0, size - 1].
Value FoldRegions::clamp(Value x, Value size) {
  return max(min(x, sub(size, idx(1))), idx(0));
}

SmallVector<Value> FoldRegions::leadIndices(Value head) {
  SmallVector<Value> lead(place.batch);
  if (op.hasHeads())
    lead.push_back(head);
  return lead;
}

/// The flattened batch index.
Value FoldRegions::flatBatch() {
  if (place.batch.empty())
    return idx(0);
  Value flat = place.batch.front();
  for (int64_t d = 1, e = place.batch.size(); d < e; ++d) {
    Value size = b.createOrFold<tensor::DimOp>(loc, op.getQuery(), d);
    flat = add(mul(flat, size), place.batch[d]);
  }
  return flat;
}

Block *FoldRegions::addBlock(Region &region, ArrayRef<Type> types) {
  SmallVector<Location> locs(types.size(), loc);
  return b.createBlock(&region, region.end(), types, locs);
}

Block *FoldRegions::addIndexBlock(Region &region, unsigned count) {
  SmallVector<Type> types(count, b.getIndexType());
  Block *block = addBlock(region, types);
  queryHead = block->getArgument(0);
  return block;
}

//===----------------------------------------------------------------------===//
// Set operands
//===----------------------------------------------------------------------===//

Value FoldRegions::tensor(int64_t operand) {
  return op.getSetOperands()[operand];
}

/// Leading dims are [batch...] or [batch..., heads], from the left.
SmallVector<Value> FoldRegions::lead(int64_t operand, int64_t tailRank) {
  auto type = cast<RankedTensorType>(tensor(operand).getType());
  SmallVector<Value> at = leadIndices(queryHead);
  at.resize(type.getRank() - tailRank);
  return broadcastIndices(b, loc, tensor(operand), at);
}

Value FoldRegions::parameter(int64_t operand) {
  return perBatchValue(b, loc, tensor(operand), place.batch);
}

Value FoldRegions::queryRows() {
  int64_t rank = op.getQueryType().getRank();
  return b.createOrFold<tensor::DimOp>(loc, op.getQuery(), rank - 2);
}

Value FoldRegions::predicate(int64_t region, Value i, Value j) {
  Block &body = op.getPredicates()[region].front();
  IRMapping mapping;
  mapping.map(body.getArguments(), ValueRange{flatBatch(), queryHead, i, j});
  for (Operation &inner : body.without_terminator())
    b.clone(inner, mapping);
  return mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
}

/// An element of an operand, as an index where it is an integer.
Value FoldRegions::element(int64_t operand, ArrayRef<Value> tail) {
  SmallVector<Value> at = lead(operand, tail.size());
  llvm::append_range(at, tail);
  Value x = tensor::ExtractOp::create(b, loc, tensor(operand), at);
  if (!x.getType().isIndex())
    x = arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  return x;
}

Value FoldRegions::lastSize(int64_t operand) {
  int64_t rank = cast<RankedTensorType>(tensor(operand).getType()).getRank();
  return b.createOrFold<tensor::DimOp>(loc, tensor(operand), rank - 1);
}

//===----------------------------------------------------------------------===//
// Loaders
//===----------------------------------------------------------------------===//

/// The row of an operand at `at`, its indices but the last. A slice of another
/// tensor is read there.
void FoldRegions::yieldRow(Value tensor, ArrayRef<Value> at) {
  int64_t length = cast<RankedTensorType>(tensor.getType()).getShape().back();
  SmallVector<OpFoldResult> offsets(at);
  offsets.push_back(b.getIndexAttr(0));
  while (auto outer = tensor.getDefiningOp<tensor::ExtractSliceOp>()) {
    llvm::SmallBitVector dropped = outer.getDroppedDims();
    SmallVector<OpFoldResult> inside(outer.getMixedOffsets());
    unsigned next = 0;
    for (unsigned d = 0; d < inside.size(); ++d)
      if (!dropped.test(d))
        inside[d] = affine::makeComposedFoldedAffineApply(
            b, loc, b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1),
            {inside[d], offsets[next++]});
    offsets = inside;
    tensor = outer.getSource();
  }
  SmallVector<OpFoldResult> sizes(offsets.size(), b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(length);
  SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
  Value slice =
      tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes, strides);
  YieldOp::create(b, loc, slice);
}

void FoldRegions::createKeyLoader(Region &region, Value tensor) {
  unsigned count = !op.getPages() ? 1 : place.keyHead ? 2 : 3;
  SmallVector<Type> types(count, b.getIndexType());
  Block *block = addBlock(region, types);
  SmallVector<Value> at =
      leadIndices(place.keyHead ? place.keyHead : Value(block->getArgument(2)));
  if (op.getPages())
    at[0] = block->getArgument(0);
  at.push_back(block->getArgument(op.getPages() ? 1 : 0));
  yieldRow(tensor, at);
}

void FoldRegions::createLoaders(FoldOp fold) {
  Type index = b.getIndexType();
  Block *q = addBlock(fold.getLoadQ(), {index, index});
  SmallVector<Value> at = leadIndices(q->getArgument(0));
  at.push_back(q->getArgument(1));
  yieldRow(op.getQuery(), at);
  createKeyLoader(fold.getLoadK(), op.getKey());
  createKeyLoader(fold.getLoadV(), op.getValue());
}

/// What the page table says of a run of keys; the fold checks it.
void FoldRegions::createPage(Region &region) {
  Value t = addBlock(region, {b.getIndexType()})->getArgument(0);
  SmallVector<Value> at{place.batch.front(), t};
  if (place.firstPage)
    at = {add(place.firstPage, t)};
  Value page = tensor::ExtractOp::create(b, loc, op.getPages(), at);
  if (!page.getType().isIndex())
    page = arith::IndexCastOp::create(b, loc, b.getIndexType(), page);
  YieldOp::create(b, loc, page);
}

void FoldRegions::create(FoldOp fold, FoldState state) {
  OpBuilder::InsertionGuard guard(b);
  plan = fold.getPlan();
  createLoaders(fold);
  if (op.getPages())
    createPage(fold.getPage());
  createScore(fold.getScore());
  if (!plan.getAtoms().empty())
    createTests(fold.getTests());
  if (!plan.getValues().empty())
    createValues(fold.getValues());
  createList(fold);
  if (state.rows)
    createState(fold.getState(), state);
}

//===----------------------------------------------------------------------===//
// Score and tests
//===----------------------------------------------------------------------===//

static Value castFloat(OpBuilder &b, Location loc, Value x, Type type) {
  unsigned from = x.getType().getIntOrFloatBitWidth(),
           to = type.getIntOrFloatBitWidth();
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, x);
  if (from > to)
    return arith::TruncFOp::create(b, loc, type, x);
  return x;
}

/// softcap, bias and score_mod in this order; no region when there is none.
void FoldRegions::createScore(Region &region) {
  auto softmax = cast<SoftmaxAttr>(op.getAccumulator());
  if (!softmax.getSoftcap() && !op.getBias() && op.getScoreMod().empty())
    return;
  Type scalar = op.getComputeType(), index = b.getIndexType();
  Block *block = addBlock(region, {scalar, index, index, index, index, index});
  Value s = block->getArgument(0);
  queryHead = block->getArgument(1);
  if (FloatAttr cap = softmax.getSoftcap()) {
    Value limit = arith::ConstantOp::create(
        b, loc, b.getFloatAttr(scalar, cap.getValueAsDouble()));
    // The cap's reciprocal may be rounded: a division costs as much as the
    // rest of tanh.
    s = arith::DivFOp::create(b, loc, s, limit, arith::FastMathFlags::arcp);
    s = math::TanhOp::create(b, loc, s);
    s = arith::MulFOp::create(b, loc, s, limit);
  }
  if (Value bias = op.getBias()) {
    SmallVector<Value> at = leadIndices(queryHead);
    at.append({block->getArgument(4), block->getArgument(5)});
    int64_t rank = cast<RankedTensorType>(bias.getType()).getRank();
    Value x = tensor::ExtractOp::create(
        b, loc, bias,
        broadcastIndices(b, loc, bias, ArrayRef(at).take_back(rank)));
    s = arith::AddFOp::create(b, loc, s, castFloat(b, loc, x, scalar));
  }
  if (!op.getScoreMod().empty())
    s = inlineScoreMod(s, block->getArgument(2), block->getArgument(3));
  YieldOp::create(b, loc, s);
}

Value FoldRegions::inlineScoreMod(Value s, Value i, Value j) {
  IRMapping mapping;
  mapping.map(op.getScoreMod().getArguments(),
              ValueRange{s, flatBatch(), queryHead, i, j});
  Block &body = op.getScoreMod().front();
  for (Operation &inner : body.without_terminator())
    b.clone(inner, mapping);
  return mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
}

/// One i1 for each atom of the plan.
void FoldRegions::createTests(Region &region) {
  Block *block = addIndexBlock(region, 5);
  PairTestPosition position{queryHead,
                            block->getArgument(1),
                            block->getArgument(2),
                            block->getArgument(3),
                            block->getArgument(4),
                            place.symbols[KBegin],
                            place.symbols[KEnd],
                            place.symbols[QEnd]};
  SmallVector<Value> bits;
  for (PairsAttr atom : plan.getAtoms())
    bits.push_back(buildPairTest(b, loc, atom, *this, position));
  YieldOp::create(b, loc, bits);
}

//===----------------------------------------------------------------------===//
// Values and state
//===----------------------------------------------------------------------===//

void FoldRegions::createValues(Region &region) {
  Block *block = addIndexBlock(region, 3);
  SmallVector<Value> symbols(place.symbols), values;
  llvm::DenseMap<std::pair<int64_t, Value>, SegmentOp> segments;
  for (ValueAttr value : plan.getValues()) {
    SmallVector<Value> results;
    if (AffineMap map = value.getMap()) {
      SmallVector<OpFoldResult> operands{block->getArgument(1)};
      operands.append(symbols.begin(), symbols.begin() + map.getNumSymbols());
      for (unsigned r = 0; r < map.getNumResults(); ++r)
        results.push_back(getValueOrCreateConstantIndexOp(
            b, loc,
            affine::makeComposedFoldedAffineApply(b, loc, map.getSubMap({r}),
                                                  operands)));
    }
    Value x;
    switch (value.getKind()) {
    case ValueKind::Head:
      x = queryHead;
      break;
    case ValueKind::Min:
    case ValueKind::Max:
      for (Value result : results) {
        if (!x)
          x = result;
        else
          x = value.getKind() == ValueKind::Min ? min(x, result)
                                                : max(x, result);
      }
      break;
    case ValueKind::Load:
      x = element(value.getOperand(),
                  clamp(results[0], lastSize(value.getOperand())));
      break;
    default: {
      SegmentOp &segment = segments[{value.getOperand(), results[0]}];
      Type index = b.getIndexType();
      if (!segment)
        segment = SegmentOp::create(b, loc, index, index, index, results[0],
                                    tensor(value.getOperand()),
                                    lead(value.getOperand(), 1));
      x = value.getKind() == ValueKind::Begin ? segment.getBegin()
          : value.getKind() == ValueKind::End ? segment.getEnd()
                                              : segment.getNumber();
    }
    }
    values.push_back(x);
    symbols.push_back(x);
  }
  YieldOp::create(b, loc, values);
}

void FoldRegions::createState(Region &region, FoldState state) {
  Block *block = addIndexBlock(region, state.splits ? 3 : 2);
  SmallVector<Value> at;
  if (state.splits)
    at.push_back(block->getArgument(2));
  llvm::append_range(at, place.batch);
  SmallVector<OpFoldResult> offsets(at.begin(), at.end());
  for (Value x :
       block->getArguments().take_front(2).drop_front(op.hasHeads() ? 0 : 1)) {
    offsets.push_back(x);
    at.push_back(x);
  }
  auto type = cast<RankedTensorType>(state.rows.getType());
  offsets.push_back(b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes(type.getRank(), b.getIndexAttr(1)),
      strides(type.getRank(), b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(type.getShape().back());
  Value row = tensor::ExtractSliceOp::create(b, loc, state.rows, offsets, sizes,
                                             strides);
  SmallVector<Value> results{row};
  for (int64_t n : {0, 1}) {
    SmallVector<Value> place(at);
    place.push_back(idx(n));
    results.push_back(tensor::ExtractOp::create(b, loc, state.scalars, place));
  }
  YieldOp::create(b, loc, results);
}
