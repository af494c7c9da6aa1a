// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: lanes along the head size, for few queries.
//
// All queries of the tile (`heads` query heads of one key head, `query_tile`
// rows each) share every key and value row that is read. Scores lie as [query]
// [key], so that masking and 2^x run with keys in lanes. A component that walks
// a list fills a table with the keys of its one row, block by block.

#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/FoldLowering.h"
#include "codegen/cpu/KeyList.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

namespace {
/// Queries of one register tile.
constexpr int64_t kQueryGroup = 4;

class RowFold : public FoldLowering {
public:
  explicit RowFold(FoldContext context)
      : FoldLowering(context), tileRows(schedule.getQueryTile()),
        queries(schedule.getHeads() * tileRows), bc(schedule.getKeyBlock()),
        mr(schedule.getRegisterKeys()), nv(schedule.getRegisterVectors()),
        vt(VectorType::get({lanes}, ct)) {}

private:
  int64_t tileRows, queries, bc, mr, nv;
  VectorType vt;
  Value q, o, s, maxima, sums, alphas;
  Value table;      // of a list's keys
  Value pairCounts; // keys computed, by query

  void allocate() override {
    q = buffer({queries, padded(d)});
    o = buffer({queries, padded(dv)});
    s = buffer({queries, bc + mr + lanes});
    maxima = buffer({queries});
    sums = buffer({queries});
    alphas = buffer({queries});
    // Whole vectors are read in place only where rows are whole vectors.
    if (d % lanes == 0)
      kRows = directRows(op.getLoadK(), ct);
    if (dv % lanes == 0)
      vRows = directRows(op.getLoadV(), ct);
    if (!kRows)
      kBlock = buffer({bc + mr, padded(d)});
    if (!vRows)
      vBlock = buffer({bc + mr, padded(dv)});
    if (!op.getElement().empty())
      table = buffer({bc + mr + lanes}, e.b.getI64Type());
    if (op.getPairs())
      pairCounts = buffer({queries}, e.b.getI64Type());
  }

  Value headOf(Value query) {
    return e.b.createOrFold<arith::DivUIOp>(e.loc, query, e.idx(tileRows));
  }
  /// The query's row in the tile; rows past the tile repeat its last.
  Value rowOf(Value query) {
    Value r = e.b.createOrFold<arith::RemUIOp>(e.loc, query, e.idx(tileRows));
    return e.min(r, e.sub(rows, e.idx(1)));
  }
  void eachQuery(function_ref<void(Value)> body) {
    e.loop(e.idx(0), e.idx(queries), 1, body);
  }

  LogicalResult loadQueries() override {
    LogicalResult result = success();
    Value zero = e.constant(vt, 0.0);
    Value scale = e.constant(vt, queryScale());
    eachQuery([&](Value query) {
      // The padding of q and k is 0, so that it adds nothing to a score.
      if (padded(d) != d)
        e.store(zero, q, {query, e.idx(padded(d) - lanes)});
      if (failed(loadRow(op.getLoadQ(),
                         {e.add(head, headOf(query)), rowAt(rowOf(query))},
                         at(q, query, d), d)))
        result = failure();
      e.loop(e.idx(0), e.idx(padded(d)), lanes, [&](Value x) {
        e.store(e.mulf(e.load(vt, q, {query, x}), scale), q, {query, x});
      });
      e.loop(e.idx(0), e.idx(padded(dv)), lanes,
             [&](Value x) { e.store(zero, o, {query, x}); });
      if (failed(initialState(query)))
        result = failure();
      if (pairCounts)
        e.storeIndex(e.idx(0), pairCounts, query);
    });
    if (kBlock && padded(d) != d)
      e.loop(e.idx(0), e.idx(bc + mr), 1, [&](Value j) {
        e.store(zero, kBlock, {j, e.idx(padded(d) - lanes)});
      });
    return result;
  }

  LogicalResult initialState(Value query) {
    if (op.getState().empty()) {
      e.store(e.constant(ct, -INFINITY), maxima, query);
      e.store(e.constant(ct, 0.0), sums, query);
      return success();
    }
    FailureOr<std::pair<Value, Value>> state =
        loadState(headOf(query), rowOf(query), at(o, query, dv));
    if (failed(state))
      return failure();
    e.store(state->first, maxima, query);
    e.store(state->second, sums, query);
    return success();
  }

  struct Block {
    KeyWalk &keys;
    Value j0;    // number of its first key
    Value count; // keys of the block
  };

  LogicalResult foldKeys(Walked &walked) override {
    return walked.isList ? foldList(walked) : foldRun(walked);
  }

  LogicalResult foldRun(Walked &walked) {
    Value first = e.idx(0), lastRow = e.sub(rows, e.idx(1));
    KeyInterval tile = walked.bounds->visited(first, lastRow);
    KeyInterval whole = walked.bounds->full(first, lastRow);
    LogicalResult result = success();
    Value end = e.add(tile.last, 1);
    e.loop(tile.first, end, bc, [&](Value j0) {
      Block block{*walked.keys, j0, e.min(e.idx(bc), e.sub(end, j0))};
      Value isWhole;
      if (walked.tests.empty())
        isWhole = e.both(e.cmp(CmpIPredicate::sle, whole.first, j0),
                         e.cmp(CmpIPredicate::sge, whole.last,
                               e.sub(e.add(j0, block.count), e.idx(1))));
      result = foldBlock(walked, block, isWhole);
    });
    return result;
  }

  /// Keys of a block; `isWhole` (null: not known) says that every query keeps
  /// all of them.
  LogicalResult foldBlock(Walked &walked, const Block &block, Value isWhole) {
    LogicalResult result = loadKeyBlock(block.keys, block.j0, block.count);
    scores(block);
    eachQuery([&](Value query) {
      if (failed(adjust(walked, block, query)))
        result = failure();
      weights(block, query);
      if (pairCounts)
        e.storeIndex(e.add(e.loadIndex(pairCounts, query), block.count),
                     pairCounts, query);
    });
    if (!isWhole)
      accumulate(block, /*guarded=*/!walked.isList);
    else
      e.when(
          isWhole, [&] { accumulate(block, false); },
          [&] { accumulate(block, true); });
    return result;
  }

  //===--------------------------------------------------------------------===//
  // Lists
  //===--------------------------------------------------------------------===//

  /// The keys that the list of the tile's one row holds, by blocks.
  LogicalResult foldList(Walked &walked) {
    KeyInterval interval = walked.bounds->ofRow(e.idx(0));
    KeyList list(e, op, c().outer);
    if (failed(list.open(head, symbols[QBegin], row)))
      return failure();
    // Register tiles round blocks up: they read rows that exist.
    e.loop(e.idx(0), e.idx(bc + mr + lanes), 1,
           [&](Value t) { e.storeIndex(e.idx(0), table, t); });
    TableWalk keysOfTable(e, table);
    LogicalResult result = success();
    SeenSet seen = seenSet();
    seen.eachWindow(keys, [&] {
      e.loop(e.idx(0), list.count(), bc, [&](Value t0) {
        Value count = e.min(e.idx(bc), e.sub(list.count(), t0));
        FailureOr<Value> filled =
            fillTable(walked, interval, list, seen, t0, count);
        if (failed(filled)) {
          result = failure();
          return;
        }
        e.when(e.cmp(CmpIPredicate::sgt, *filled, e.idx(0)), [&] {
          if (failed(
                  foldBlock(walked, {keysOfTable, e.idx(0), *filled}, Value())))
            result = failure();
        });
      });
    });
    return result;
  }

  /// Writes the rows of the kept ones of elements t0 .. t0 + count - 1 into the
  /// table; how many.
  FailureOr<Value> fillTable(Walked &walked, const KeyInterval &interval,
                             KeyList &list, SeenSet &seen, Value t0,
                             Value count) {
    LogicalResult result = success();
    Values filled = e.loop(
        e.idx(0), count, 1, Value(e.idx(0)),
        [&](Value t, ValueRange in) -> Values {
          FailureOr<KeyList::Element> element = list.element(e.add(t0, t));
          if (failed(element)) {
            result = failure();
            return Values(in);
          }
          FoldLowering::PairLanes pair;
          pair.head = head;
          pair.r = row;
          pair.i = e.add(symbols[QBegin], row);
          pair.j = element->position;
          pair.c = e.sub(pair.j, symbols[KBegin]);
          Value keep = e.both(e.cmp(CmpIPredicate::sle, interval.first, pair.c),
                              e.cmp(CmpIPredicate::sle, pair.c, interval.last));
          keep = e.both(keep, element->isLive);
          FailureOr<Value> tests =
              emitTests(walked.tests, pair, /*asVector=*/false);
          if (failed(tests)) {
            result = failure();
            return Values(in);
          }
          if (*tests)
            keep = e.both(keep, *tests);
          if (pages)
            keep = e.both(keep, pages->exists(pair.c, keep));
          keep = seen.insert(pair.c, keep);
          e.storeIndex(e.select(keep, pair.c, e.idx(0)), table, in[0]);
          return {e.add(in[0], e.select(keep, e.idx(1), e.idx(0)))};
        });
    if (failed(result))
      return failure();
    return filled[0];
  }

  //===--------------------------------------------------------------------===//
  // Blocks of keys
  //===--------------------------------------------------------------------===//

  /// s[query][key] of the block, register tiles of mr keys.
  void scores(const Block &block) {
    e.loop(e.idx(0), block.count, mr, [&](Value jt) {
      SmallVector<std::pair<Value, Value>> keyRows;
      for (int64_t r = 0; r < mr; ++r)
        keyRows.push_back(keyRow(block.keys, block.j0, e.add(jt, r)));
      for (int64_t q0 = 0; q0 < queries; q0 += kQueryGroup)
        scoreTile(jt, keyRows, q0, std::min(kQueryGroup, queries - q0));
    });
  }

  void scoreTile(Value jt, ArrayRef<std::pair<Value, Value>> keyRows,
                 int64_t q0, int64_t count) {
    Values acc(mr * count, e.constant(vt, 0.0));
    acc = e.loop(e.idx(0), e.idx(padded(d)), lanes, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in), key;
                   for (auto [memref, r] : keyRows)
                     key.push_back(e.load(vt, memref, {r, x}));
                   for (int64_t i = 0; i < count; ++i) {
                     Value query = e.load(vt, q, {e.idx(q0 + i), x});
                     for (int64_t r = 0; r < mr; ++r)
                       out[r * count + i] =
                           e.fma(query, key[r], out[r * count + i]);
                   }
                   return out;
                 });
    for (int64_t r = 0; r < mr; ++r)
      for (int64_t i = 0; i < count; ++i)
        e.store(sum(acc[r * count + i]), s, {e.idx(q0 + i), e.add(jt, r)});
  }

  Value sum(Value vector) {
    return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                       vector, arith::FastMathFlags::reassoc);
  }

  /// Score region and mask over one query's scores; its running maximum. The
  /// maximum before stays in alphas.
  LogicalResult adjust(Walked &walked, const Block &block, Value query) {
    Value before = e.load(ct, maxima, query);
    e.store(before, alphas, query);
    FoldLowering::PairLanes pair;
    pair.head = e.add(head, headOf(query));
    pair.r = rowAt(rowOf(query));
    pair.i = e.add(symbols[QBegin], pair.r);
    // Scores past the block are of the keys that follow or of none.
    KeyInterval interval{block.j0,
                         e.add(block.j0, e.sub(block.count, e.idx(1)))};
    if (!walked.isList) { // whose table holds kept keys only
      KeyInterval own = walked.bounds->ofRow(rowOf(query));
      interval.first = e.max(own.first, interval.first);
      interval.last = e.min(own.last, interval.last);
    }
    Value first = e.splat(interval.first, lanes),
          last = e.splat(interval.last, lanes);
    Value lastKey = e.splat(e.sub(keys, e.idx(1)), lanes);
    LogicalResult result = success();
    Values running = e.loop(
        e.idx(0), block.count, lanes, e.splat(before, lanes),
        [&](Value j, ValueRange in) -> Values {
          Value inBlock = e.add(e.splat(j, lanes), e.iota(lanes));
          Value number = e.add(e.splat(block.j0, lanes), inBlock);
          Value keep = e.both(e.cmp(CmpIPredicate::sle, first, number),
                              e.cmp(CmpIPredicate::sle, number, last));
          pair.c = e.min(block.keys.rowOf(block.j0, inBlock), lastKey);
          pair.j = e.add(pair.c, e.splat(symbols[KBegin], lanes));
          pair.score = e.load(vt, s, {query, j});
          FailureOr<Value> score = emitScore(pair);
          ArrayRef<int64_t> tests = walked.tests;
          FailureOr<Value> kept =
              emitTests(walked.isList ? tests.take_front(0) : tests, pair);
          if (failed(score) || failed(kept)) {
            result = failure();
            return Values(in);
          }
          if (*kept)
            keep = e.both(keep, *kept);
          Value masked = e.select(keep, *score, e.constant(vt, -INFINITY));
          e.store(masked, s, {query, j});
          return {e.maxIgnoringNaN(masked, in[0])};
        });
    // The running maxima hold no NaN.
    Value best = vector::ReductionOp::create(
        e.b, e.loc, vector::CombiningKind::MAXNUMF, running[0]);
    e.store(best, maxima, query);
    return result;
  }

  /// s becomes 2^(score - max) for one query; its alpha and sum follow.
  void weights(const Block &block, Value query) {
    Value max = e.load(ct, maxima, query);
    Value none = e.constant(ct, -INFINITY), zero = e.constant(ct, 0.0);
    Value empty =
        arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, max, none);
    Value reference = e.select(empty, zero, max);
    Value alpha = emitExp2(e, e.subf(e.load(ct, alphas, query), reference));
    e.store(alpha, alphas, query);
    Value wide = e.splat(reference, lanes);
    Values total =
        e.loop(e.idx(0), block.count, lanes, Value(e.constant(vt, 0.0)),
               [&](Value j, ValueRange in) -> Values {
                 Value weight =
                     emitExp2(e, e.subf(e.load(vt, s, {query, j}), wide));
                 e.store(weight, s, {query, j});
                 return {e.addf(in[0], weight)};
               });
    Value l = e.load(ct, sums, query);
    e.store(e.addf(e.mulf(l, alpha), sum(total[0])), sums, query);
  }

  /// o = alpha o + weights v. `guarded`: a weight of 0 adds nothing, whatever
  /// the value row holds.
  void accumulate(const Block &block, bool guarded) {
    int64_t width = nv * lanes, main = padded(dv) / width * width;
    for (int64_t q0 = 0; q0 < queries; q0 += kQueryGroup) {
      int64_t count = std::min(kQueryGroup, queries - q0);
      e.loop(e.idx(0), e.idx(main), width, [&](Value x) {
        accumulateTile(block, x, nv, q0, count, guarded);
      });
      e.loop(e.idx(main), e.idx(padded(dv)), lanes,
             [&](Value x) { accumulateTile(block, x, 1, q0, count, guarded); });
    }
  }

  void accumulateTile(const Block &block, Value x, int64_t vectors, int64_t q0,
                      int64_t count, bool guarded) {
    Values acc(vectors * count, e.constant(vt, 0.0));
    acc = e.loop(
        e.idx(0), block.count, 1, acc, [&](Value j, ValueRange in) -> Values {
          Values out(in), v;
          auto [memref, valueRowIndex] = valueRow(block.keys, block.j0, j);
          for (int64_t k = 0; k < vectors; ++k)
            v.push_back(
                e.load(vt, memref, {valueRowIndex, e.add(x, k * lanes)}));
          for (int64_t i = 0; i < count; ++i) {
            Value scalar = e.load(ct, s, {e.idx(q0 + i), j});
            Value weight = e.splat(scalar, lanes);
            Value kept;
            if (guarded)
              kept =
                  arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNE,
                                        scalar, e.constant(ct, 0.0));
            for (int64_t k = 0; k < vectors; ++k) {
              Value &a = out[i * vectors + k];
              Value next = e.fma(weight, v[k], a);
              a = guarded ? e.select(kept, next, a) : next;
            }
          }
          return out;
        });
    for (int64_t i = 0; i < count; ++i) {
      Value alpha = e.splat(e.load(ct, alphas, e.idx(q0 + i)), lanes);
      for (int64_t k = 0; k < vectors; ++k) {
        Values at{e.idx(q0 + i), e.add(x, k * lanes)};
        e.store(e.fma(e.load(vt, o, at), alpha, acc[i * vectors + k]), o, at);
      }
    }
  }

  LogicalResult finish() override {
    LogicalResult result = success();
    e.loop(e.idx(0), e.idx(schedule.getHeads()), 1, [&](Value g) {
      e.loop(e.idx(0), rows, 1, [&](Value t) {
        Value query = e.add(e.mul(g, e.idx(tileRows)), t);
        Value l = e.load(ct, sums, query);
        Value factor = e.splat(finishFactor(l), lanes);
        e.loop(e.idx(0), e.idx(padded(dv)), lanes, [&](Value x) {
          e.store(e.mulf(e.load(vt, o, {query, x}), factor), o, {query, x});
        });
        if (failed(storeRow(at(o, query, dv), g, t)))
          result = failure();
        Value m = e.load(ct, maxima, query);
        if (c().lseOut)
          e.store(logSumExp(m, l), c().lseOut, {g, placeOf(t)});
        if (op.getPartial())
          storeState(m, l, g, t);
        if (pairCounts)
          storePairs(e.loadIndex(pairCounts, query), g, t);
      });
    });
    return result;
  }
};
} // namespace

LogicalResult attnc::cpu::emitRowFold(FoldContext context) {
  return RowFold(context).run();
}
