// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: blocks of keys, masks and weights.

#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/RowKernel.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

LogicalResult RowFold::foldKeys(Walked &walked) {
  return walked.isList ? foldList(walked) : foldRun(walked);
}

LogicalResult RowFold::foldRun(Walked &walked) {
  Value first = e.idx(0), lastRow = e.sub(rows, e.idx(1));
  KeyInterval tile = walked.bounds->visited(first, lastRow);
  KeyInterval whole = walked.bounds->full(first, lastRow);
  laneIntervals(walked);
  LogicalResult result = success();
  Value end = e.add(tile.last, 1), origin = tile.first;
  bool isContiguous = walked.keys->isContiguous();
  if (isContiguous) { // blocks begin at the same keys in every run, and in
                      // pages
    Value past = arith::RemSIOp::create(e.b, e.loc, origin, e.idx(bc));
    origin = e.select(e.cmp(CmpIPredicate::slt, tile.first, end),
                      e.sub(origin, past), end);
  }
  e.loop(origin, end, bc, [&](Value begin) {
    KeyRun run{origin, end};
    Value j0 = isContiguous ? e.max(begin, tile.first) : begin;
    Value count = e.sub(e.min(e.add(begin, bc), end), j0);
    RowBlock block{*walked.keys, j0, count, &run, begin};
    Value isWhole;
    if (walked.tests.empty())
      isWhole = e.both(e.cmp(CmpIPredicate::sle, whole.first, j0),
                       e.cmp(CmpIPredicate::sge, whole.last,
                             e.sub(e.add(j0, block.count), e.idx(1))));
    result = foldBlock(walked, block, isWhole);
  });
  return result;
}

Value RowFold::rowsOf(Value memref, const RowBlock &block) {
  if (!memref || pages || !block.keys.isContiguous())
    return {};
  auto type = cast<MemRefType>(memref.getType());
  OpFoldResult one = e.b.getIndexAttr(1);
  return memref::SubViewOp::create(
      e.b, e.loc, memref,
      ArrayRef<OpFoldResult>{block.keys.rowOf(block.j0, e.idx(0)),
                             e.b.getIndexAttr(0)},
      ArrayRef<OpFoldResult>{block.count, e.b.getIndexAttr(type.getDimSize(1))},
      ArrayRef<OpFoldResult>{one, one});
}

/// Finds the rows that follow each other.
void RowFold::placeRows(RowBlock &block) {
  if (!pages) {
    block.keyRows = rowsOf(kRows, block);
    block.valueRows = rowsOf(vRows, block);
    return;
  }
  if (!block.run || !block.keys.isContiguous() || !pages->holdMultiplesOf(bc))
    return;
  auto place = [&](Value rows, Value &here, SmallVectorImpl<Value> &early) {
    if (!rows)
      return;
    here = pages->rowsFrom(rows, e.idx(0), keyHead);
    early.clear();
    for (auto [distance, head] : ahead)
      early.push_back(pages->rowsFrom(rows, distance, head));
  };
  place(kRows, block.keyRows, block.keysAhead);
  place(vRows, block.valueRows, block.valuesAhead);
}

/// The keys of each lane's query.
void RowFold::laneIntervals(Walked &walked) {
  Value queries = e.mul(liveGroups, e.idx(group));
  e.loop(e.idx(0), queries, 1, [&](Value query) {
    KeyInterval own = walked.bounds->ofRow(rowOf(query));
    e.loop(e.idx(0), e.idx(slots), 1, [&](Value slot) {
      auto [g, lane] = laneOf(query, slot);
      e.storeIndex(own.first, low, {g, lane});
      e.storeIndex(own.last, high, {g, lane});
    });
  });
}

LogicalResult RowFold::foldBlock(Walked &walked, const RowBlock &block,
                                 Value isWhole) {
  block.keys.prepare(block.j0, block.count);
  if (pages && block.run)
    pages->locateChunk(block.keys, *block.run, block.begin, block.j0,
                       keysOfChunk(), keysAhead());
  else if (pages)
    pages->locate(block.keys, block.j0, block.count);
  LogicalResult result = foldGroups(walked, block, isWhole);
  if (pairCounts) {
    Value zero = e.idx(0);
    e.storeIndex(e.add(e.loadIndex(pairCounts, zero), block.count), pairCounts,
                 zero);
  }
  return result;
}

LogicalResult RowFold::foldGroups(Walked &walked, const RowBlock &block,
                                  Value isWhole) {
  LogicalResult result = success();
  RowBlock ofHead = block;
  auto fold = [&](Value g) {
    if (failed(foldGroup(walked, ofHead, g, isWhole)))
      result = failure();
  };
  if (!op.getKeyHead()) {
    placeRows(ofHead);
    result = loadRows(block.keys, block.j0, block.count);
    e.loop(e.idx(0), liveGroups, 1, fold);
    return result;
  }
  // In the order in which a page lies in memory.
  Value firstHead = keyHead;
  int64_t shared = sharing / group, ofRow = schedule.getHeads() / group;
  Value keyHeads = e.idx(op.getKeyHeads());
  e.loop(e.idx(0), keyHeads, 1, [&](Value h) {
    setKeyHead(e.add(firstHead, h));
    for (auto [i, at] : llvm::enumerate(ahead)) {
      Value next = e.add(h, ahead.size() - i);
      Value blocks = arith::DivUIOp::create(e.b, e.loc, next, keyHeads);
      at.head = e.add(firstHead, e.sub(next, e.mul(blocks, keyHeads)));
      at.keys = e.mul(blocks, e.idx(bc));
    }
    placeRows(ofHead);
    if (failed(loadRows(block.keys, block.j0, block.count)))
      result = failure();
    ofHead.firstGroup = e.mul(h, e.idx(shared));
    e.loop(e.idx(0), liveRows, 1, [&](Value t) {
      Value row = e.add(ofHead.firstGroup, e.mul(t, e.idx(ofRow)));
      e.loop(row, e.add(row, shared), 1, fold);
    });
  });
  setKeyHead(firstHead);
  return result;
}

LogicalResult RowFold::foldGroup(Walked &walked, const RowBlock &block, Value g,
                                 Value isWhole) {
  Value zero = e.idx(0);
  Value before = e.load(vt, maxima, {g, zero});
  e.store(before, alphas, {g, zero});
  Value best = products->scores(block, g, before);
  Value isFull = e.cmp(CmpIPredicate::eq, block.count, e.idx(bc));
  LogicalResult result = success();
  auto mask = [&] { result = adjust(walked, block, g); };
  if (isWhole && op.getScore().empty())
    e.when(
        e.both(isWhole, isFull),
        [&] { e.store(acrossSlots(best), maxima, {g, zero}); }, mask);
  else
    mask();
  weights(block, g);
  if (!isWhole) // the table of a list holds kept keys only
    products->accumulate(block, g, /*isKept=*/walked.isList, isFull);
  else
    e.when(
        isWhole, [&] { products->accumulate(block, g, true, isFull); },
        [&] { products->accumulate(block, g, false, Value()); });
  return result;
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Value RowFold::acrossSlots(Value vector) {
  for (int64_t distance = lanes / 2; distance >= group; distance /= 2) {
    SmallVector<int64_t> order;
    for (int64_t lane = 0; lane < lanes; ++lane)
      order.push_back(lane ^ distance);
    Value other = vector::ShuffleOp::create(e.b, e.loc, vector, vector, order);
    vector = e.maxIgnoringNaN(other, vector);
  }
  return vector;
}

LogicalResult RowFold::adjust(Walked &walked, const RowBlock &block, Value g) {
  Value zero = e.idx(0);
  Value before = e.load(vt, alphas, {g, zero});
  LogicalResult result = success();
  Values running = e.loop(e.idx(0), e.ceilDiv(block.count, slots), 1, before,
                          [&](Value v, ValueRange in) -> Values {
                            Value at = e.mul(v, e.idx(lanes));
                            FailureOr<Value> masked = adjustVector(
                                walked, block, g, v, e.load(vt, s, {g, at}));
                            if (failed(masked)) {
                              result = failure();
                              return Values(in);
                            }
                            e.store(*masked, s, {g, at});
                            return {e.maxIgnoringNaN(*masked, in[0])};
                          });
  e.store(acrossSlots(running[0]), maxima, {g, zero});
  return result;
}

/// Vector number v of the group's scores.
FailureOr<Value> RowFold::adjustVector(Walked &walked, const RowBlock &block,
                                       Value g, Value v, Value score) {
  auto ofLanes = [&](Value memref) {
    return e.loadIndex(memref, {g, e.idx(0)}, lanes);
  };
  // Lanes of one slot are of one key.
  auto toLanes = [&](Value keysOfSlots) {
    if (slots == 1)
      return e.splat(keysOfSlots, lanes);
    SmallVector<int64_t> order;
    for (int64_t lane = 0; lane < lanes; ++lane)
      order.push_back(lane / group);
    return Value(
        vector::ShuffleOp::create(e.b, e.loc, keysOfSlots, keysOfSlots, order));
  };
  Value first = e.mul(v, e.idx(slots));
  Value inBlock =
      slots == 1 ? first : e.add(e.splat(first, slots), e.iota(slots));
  Value rowsOfSlots = block.keys.rowOf(block.j0, inBlock);
  FoldLowering::PairLanes pair;
  pair.score = score;
  bool oneHead = schedule.getHeads() == 1, oneRow = tileRows == 1;
  pair.head = oneHead ? head : ofLanes(laneHead);
  pair.r = oneRow ? row : ofLanes(laneRow);
  pair.i = oneRow ? e.add(symbols[QBegin], pair.r)
                  : e.add(e.splat(symbols[QBegin], lanes), pair.r);
  pair.c = e.min(toLanes(rowsOfSlots), e.splat(e.sub(keys, e.idx(1)), lanes));
  pair.j = e.add(pair.c, e.splat(symbols[KBegin], lanes));
  // Scores past the block are of no key.
  Value keep =
      e.cmp(CmpIPredicate::slt, toLanes(inBlock), e.splat(block.count, lanes));
  if (!walked.isList) { // whose table holds kept keys only
    Value number = e.add(toLanes(inBlock), e.splat(block.j0, lanes));
    keep = e.both(keep, e.cmp(CmpIPredicate::sle, ofLanes(low), number));
    keep = e.both(keep, e.cmp(CmpIPredicate::sle, number, ofLanes(high)));
  }
  FailureOr<Value> adjusted = emitScore(pair);
  ArrayRef<int64_t> tests = walked.tests;
  FailureOr<Value> kept =
      emitTests(walked.isList ? tests.take_front(0) : tests, pair);
  if (failed(adjusted) || failed(kept))
    return failure();
  if (*kept)
    keep = e.both(keep, *kept);
  return e.select(keep, *adjusted, e.constant(vt, -INFINITY));
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void RowFold::weights(const RowBlock &block, Value g) {
  Value zero = e.idx(0);
  Value max = e.load(vt, maxima, {g, zero});
  Value empty = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ,
                                      max, e.constant(vt, -INFINITY));
  Value reference = e.select(empty, e.constant(vt, 0.0), max);
  Value alpha = emitExp2(e, e.subf(e.load(vt, alphas, {g, zero}), reference));
  e.store(alpha, alphas, {g, zero});
  Value sum = e.mulf(e.load(vt, sums, {g, zero}), alpha);
  sum = e.loop(e.idx(0), e.ceilDiv(block.count, slots), 1, sum,
               [&](Value v, ValueRange in) -> Values {
                 Value at = e.mul(v, e.idx(lanes));
                 Value weight =
                     emitExp2(e, e.subf(e.load(vt, s, {g, at}), reference));
                 products->storeWeights(g, v, weight);
                 return {e.addf(in[0], weight)};
               })
            .front();
  e.store(sum, sums, {g, zero});
}
