// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: queries, states and results.

#include "codegen/cpu/RowKernel.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;

RowFold::RowFold(FoldContext context)
    : FoldLowering(context), tileRows(schedule.getQueryTile()),
      queries(schedule.getHeads() * tileRows),
      vt(VectorType::get({lanes}, ct)) {
  sharing = schedule.getHeads() / op.getKeyHeads();
  // A group reads the rows of one key head.
  int64_t together = op.getKeyHead() ? sharing & -sharing : queries;
  group = LaneSums::groupOf(vt, together);
  groups = llvm::divideCeil(queries, group);
  slots = lanes / group;
  // Vectors of scores hold whole keys, and pairs of keys are whole.
  bc = llvm::alignTo(schedule.getKeyBlock(), std::max<int64_t>(slots, 2));
  // A tile of the block micro-kernel has rows that are known not to be live.
  allRows = rows;
  if (schedule != op.getSchedule())
    rows = e.min(rows, e.idx(tileRows));
}

void RowFold::allocate() {
  s = buffer({groups, bc * group});
  maxima = perLane(ct);
  sums = perLane(ct);
  alphas = perLane(ct);
  Type i64 = e.b.getI64Type();
  laneHead = perLane(i64);
  laneRow = perLane(i64);
  low = perLane(i64);
  high = perLane(i64);
  if (!op.getElement().empty())
    table = buffer({bc + slots}, i64);
  if (op.getPairs())
    pairCounts = buffer({1}, i64);
  allocateRows();
}

/// Rows are read in place where they hold a vector; others are copied, by
/// blocks, into padded ones.
void RowFold::allocateRows() {
  auto typeOf = [](Region &loader) {
    return FoldOp::getRowType(loader).getElementType();
  };
  RowOperands o{e,
                vt,
                groups,
                group,
                (op.getKeyHead() ? sharing * tileRows : queries) <= group,
                bc,
                schedule.getRegisterVectors(),
                queryScale(),
                ct,
                ct,
                padded(d),
                padded(dv),
                s,
                alphas};
  // Null where rows are read in place, as they are.
  auto blockOf = [&](Region &loader, Value &rows, Type &type, int64_t &size,
                     int64_t length) -> Value {
    Type stored = typeOf(loader);
    bool fits = RowFormat::fits(vt, stored, length);
    if (fits && (rows = directRows(loader, stored))) {
      std::tie(type, size) = std::pair(stored, length);
      return {};
    }
    // Pairs stay what they are; other rows are converted once.
    bool isPair = schedule.getProducts() == Products::DotBf16 &&
                  stored.isBF16() && length >= 2 * lanes;
    if (isPair)
      std::tie(type, size) = std::pair(stored, length);
    return buffer({bc, size}, type);
  };
  kBlock = blockOf(op.getLoadK(), kRows, o.keyType, o.keySize, d);
  vBlock = blockOf(op.getLoadV(), vRows, o.valueType, o.valueSize, dv);
  staged = buffer({padded(d)});
  stateRow = buffer({padded(dv)});
  o.keyRow = [this](const RowBlock &block, Value j) {
    return block.keyRows ? std::pair(block.keyRows, j)
                         : keyRow(block.keys, block.j0, j);
  };
  o.valueRow = [this](const RowBlock &block, Value j) {
    return block.valueRows ? std::pair(block.valueRows, j)
                           : valueRow(block.keys, block.j0, j);
  };
  for (int64_t blocks : {2, 1})
    ahead.push_back({e.idx(blocks * bc), {}});
  if (pages && kRows && vRows)
    prefetchPages(o);
  o.buffer = [this](ArrayRef<int64_t> shape, Type element) {
    return buffer(shape, element);
  };
  if (schedule.getProducts() == Products::DotBf16)
    products = makeDotBf16RowProducts(o);
  if (!products)
    products = std::make_unique<RowProducts>(o);
  products->allocate();
}

/// Pages lie anywhere: what is read next is no guess of the machine. It is
/// asked for so early that it has come when it is read, some hundred
/// nanoseconds, and once more: a machine that is busy forgets some of what it
/// is asked for.
void RowFold::prefetchPages(RowOperands &o) {
  auto rowsAhead = [this](Value rows, ArrayRef<Value> placed, Value j) {
    SmallVector<std::pair<Value, Value>, 2> result;
    for (Value view : placed)
      result.push_back({view, j});
    if (placed.empty())
      for (auto [distance, head] : ahead)
        result.push_back(
            {rows, pages->offsetOf(rows, e.add(j, distance), head)});
    return result;
  };
  o.keysAhead = [=](const RowBlock &block, Value j) {
    return rowsAhead(kRows, block.keysAhead, j);
  };
  o.valuesAhead = [=](const RowBlock &block, Value j) {
    return rowsAhead(vRows, block.valuesAhead, j);
  };
}

std::pair<Value, Value> RowFold::laneOf(Value query, Value slot) {
  Value g = e.b.createOrFold<arith::DivUIOp>(e.loc, query, e.idx(group));
  Value i = e.b.createOrFold<arith::RemUIOp>(e.loc, query, e.idx(group));
  return {g, e.add(e.mul(slot, e.idx(group)), i)};
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

LogicalResult RowFold::loadQueries() {
  LogicalResult result = success();
  Value zero = e.constant(vt, 0.0);
  // Rows at and behind q_end keep no pair.
  Value live = e.sub(e.sub(symbols[QEnd], symbols[QBegin]), row);
  live = tile.rowsWithin(e, e.max(live, e.idx(0)));
  liveRows = rows = e.max(e.min(live, rows), e.idx(0));
  liveGroups = e.ceilDiv(e.mul(liveRows, e.idx(schedule.getHeads())), group);
  // Padding stays 0: a loader stores the row alone.
  e.loop(e.idx(0), e.idx(padded(d)), lanes,
         [&](Value x) { e.store(zero, staged, x); });
  e.loop(e.idx(0), e.mul(liveGroups, e.idx(group)), 1, [&](Value query) {
    if (failed(loadQuery(query)))
      result = failure();
  });
  if (pairCounts)
    e.storeIndex(e.idx(0), pairCounts, e.idx(0));
  auto clearPadding = [&](Value block, int64_t size) {
    if (block && cast<MemRefType>(block.getType()).getDimSize(1) != size)
      e.loop(e.idx(0), e.idx(bc), 1, [&](Value j) {
        e.store(zero, block, {j, e.idx(padded(size) - lanes)});
      });
  };
  clearPadding(kBlock, d);
  clearPadding(vBlock, dv);
  return result;
}

/// Queries behind the last one of a group repeat the last row; nothing is
/// stored of them.
LogicalResult RowFold::loadQuery(Value query) {
  Value h = e.add(head, headOf(query)), r = rowAt(rowOf(query));
  if (!op.getPlan().getComponents().empty()) {
    if (failed(loadRow(op.getLoadQ(), {h, r}, at(staged, {}, d), d)))
      return failure();
    products->storeQuery(query, staged);
  }
  e.loop(e.idx(0), e.idx(slots), 1, [&](Value slot) {
    auto [g, lane] = laneOf(query, slot);
    e.storeIndex(h, laneHead, {g, lane});
    e.storeIndex(r, laneRow, {g, lane});
    e.store(e.constant(ct, 0.0), sums, {g, lane});
    e.store(e.constant(ct, -INFINITY), maxima, {g, lane});
  });
  if (!op.getState().empty())
    return initialState(query);
  products->storeSum(query, Value());
  return success();
}

LogicalResult RowFold::initialState(Value query) {
  FailureOr<std::pair<Value, Value>> state =
      loadState(headOf(query), rowOf(query), at(stateRow, {}, dv));
  if (failed(state))
    return failure();
  products->storeSum(query, stateRow);
  e.loop(e.idx(0), e.idx(slots), 1, [&](Value slot) {
    auto [g, lane] = laneOf(query, slot);
    e.store(state->first, maxima, {g, lane});
  });
  auto [g, lane] = laneOf(query, e.idx(0));
  e.store(state->second, sums, {g, lane});
  return success();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

LogicalResult RowFold::finish() {
  LogicalResult result = success();
  Value heads = e.idx(schedule.getHeads());
  e.loop(e.idx(0), liveRows, 1, [&](Value t) {
    e.loop(e.idx(0), heads, 1, [&](Value g) {
      if (failed(finishQuery(e.add(e.mul(t, heads), g), g, t)))
        result = failure();
    });
  });
  e.loop(liveRows, allRows, 1, [&](Value t) {
    e.loop(e.idx(0), heads, 1, [&](Value g) {
      if (failed(finishDeadRow(g, t)))
        result = failure();
    });
  });
  return result;
}

/// Query `query`: row t of head g of the tile.
LogicalResult RowFold::finishQuery(Value query, Value g, Value t) {
  Value l = e.loop(e.idx(0), e.idx(slots), 1, Value(e.constant(ct, 0.0)),
                   [&](Value slot, ValueRange in) -> Values {
                     auto [ownGroup, lane] = laneOf(query, slot);
                     Value x = e.load(ct, sums, {ownGroup, lane});
                     return {e.addf(in[0], x)};
                   })
                .front();
  auto [ownGroup, lane] = laneOf(query, e.idx(0));
  Value m = e.load(ct, maxima, {ownGroup, lane});
  products->loadSum(query, finishFactor(l), stateRow);
  if (pairCounts)
    storePairs(e.loadIndex(pairCounts, e.idx(0)), g, t);
  return storeResult(m, l, g, t);
}

/// A row that keeps no pair in this launch or any before.
LogicalResult RowFold::finishDeadRow(Value g, Value t) {
  Value m = e.constant(ct, -INFINITY), l = e.constant(ct, 0.0);
  e.loop(e.idx(0), e.idx(padded(dv)), lanes,
         [&](Value x) { e.store(e.constant(vt, 0.0), stateRow, x); });
  if (pairCounts)
    storePairs(e.idx(0), g, t);
  return storeResult(m, l, g, t);
}

LogicalResult RowFold::storeResult(Value m, Value l, Value g, Value t) {
  if (c().lseOut)
    e.store(logSumExp(m, l), c().lseOut, {g, placeOf(t)});
  if (op.getPartial())
    storeState(m, l, g, t);
  return storeRow(at(stateRow, {}, dv), g, t);
}

LogicalResult attnc::cpu::emitRowFold(FoldContext context) {
  return RowFold(context).run();
}
