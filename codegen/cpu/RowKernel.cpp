// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: lanes along the head size, for few queries.
//
// All queries of the tile (`heads` query heads of one key head, `query_tile`
// rows each) share every key and value row that is read. Scores lie as [query]
// [key], so that masking and 2^x run with keys in lanes.

#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/FoldLowering.h"
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

  LogicalResult run() {
    allocate();
    if (failed(loadQueries()))
      return failure();
    for (ComponentAttr component : op.getPlan().getComponents())
      if (failed(foldComponent(component)))
        return failure();
    return finish();
  }

private:
  int64_t tileRows, queries, bc, mr, nv;
  VectorType vt;
  Value q, o, s, maxima, sums, alphas;
  Value kRows, vRows, kBlock, vBlock;

  void allocate() {
    q = buffer({queries, padded(d)});
    o = buffer({queries, padded(dv)});
    s = buffer({queries, bc + mr + lanes});
    maxima = buffer({queries});
    sums = buffer({queries});
    alphas = buffer({queries});
    // Whole vectors are read in place only where rows are whole vectors.
    if (d % lanes == 0)
      kRows = directRows(op.getLoadK());
    if (dv % lanes == 0)
      vRows = directRows(op.getLoadV());
    if (!kRows)
      kBlock = buffer({bc + mr, padded(d)});
    if (!vRows)
      vBlock = buffer({bc + mr, padded(dv)});
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

  LogicalResult loadQueries() {
    LogicalResult result = success();
    Value zero = e.constant(vt, 0.0);
    Value scale = e.constant(vt, queryScale());
    Value none = e.constant(ct, -INFINITY), zeroScalar = e.constant(ct, 0.0);
    eachQuery([&](Value query) {
      // The padding of q and k is 0, so that it adds nothing to a score.
      if (padded(d) != d)
        e.store(zero, q, {query, e.idx(padded(d) - lanes)});
      if (failed(loadRow(op.getLoadQ(),
                         {e.add(head, headOf(query)), e.add(row, rowOf(query))},
                         at(q, query, d), d)))
        result = failure();
      e.loop(e.idx(0), e.idx(padded(d)), lanes, [&](Value x) {
        e.store(e.mulf(e.load(vt, q, {query, x}), scale), q, {query, x});
      });
      e.loop(e.idx(0), e.idx(padded(dv)), lanes,
             [&](Value x) { e.store(zero, o, {query, x}); });
      e.store(none, maxima, query);
      e.store(zeroScalar, sums, query);
    });
    if (kBlock && padded(d) != d)
      e.loop(e.idx(0), e.idx(bc + mr), 1, [&](Value j) {
        e.store(zero, kBlock, {j, e.idx(padded(d) - lanes)});
      });
    return result;
  }

  struct Block {
    Value j0;    // first key row
    Value count; // keys of the block
  };

  LogicalResult foldComponent(ComponentAttr component) {
    TileBounds bounds(e, component, symbols, keys);
    Value lastRow = e.sub(e.add(row, rows), e.idx(1));
    KeyInterval tile = bounds.visited(row, lastRow);
    KeyInterval whole = bounds.full(row, lastRow);
    bool tested = !component.getTestNumbers().empty();
    LogicalResult result = success();
    Value end = e.add(tile.last, 1);
    e.loop(tile.first, end, bc, [&](Value j0) {
      Block block{j0, e.min(e.idx(bc), e.sub(end, j0))};
      if ((kBlock &&
           failed(loadBlock(op.getLoadK(), j0, block.count, kBlock, d))) ||
          (vBlock &&
           failed(loadBlock(op.getLoadV(), j0, block.count, vBlock, dv))))
        result = failure();
      scores(block);
      eachQuery([&](Value query) {
        if (failed(adjust(component, bounds, block, query)))
          result = failure();
        weights(block, query);
      });
      if (tested) {
        accumulate(block, /*guarded=*/true);
        return;
      }
      Value isWhole = e.both(e.cmp(CmpIPredicate::sle, whole.first, j0),
                             e.cmp(CmpIPredicate::sge, whole.last,
                                   e.sub(e.add(j0, block.count), e.idx(1))));
      e.when(
          isWhole, [&] { accumulate(block, false); },
          [&] { accumulate(block, true); });
    });
    return result;
  }

  /// s[query][key] of the block, register tiles of mr keys.
  void scores(const Block &block) {
    e.loop(e.idx(0), block.count, mr, [&](Value jt) {
      SmallVector<Value> keyRows;
      for (int64_t r = 0; r < mr; ++r)
        keyRows.push_back(keyRow(block, e.add(jt, r)));
      for (int64_t q0 = 0; q0 < queries; q0 += kQueryGroup)
        scoreTile(jt, keyRows, q0, std::min(kQueryGroup, queries - q0));
    });
  }

  Value keyRow(const Block &block, Value j) {
    if (kBlock)
      return j;
    Value m = e.b.createOrFold<memref::DimOp>(e.loc, kRows, int64_t(0));
    return e.min(e.add(block.j0, j), e.sub(m, e.idx(1)));
  }

  void scoreTile(Value jt, ArrayRef<Value> keyRows, int64_t q0, int64_t count) {
    Values acc(mr * count, e.constant(vt, 0.0));
    acc = e.loop(e.idx(0), e.idx(padded(d)), lanes, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in), key;
                   for (Value r : keyRows)
                     key.push_back(e.load(vt, kBlock ? kBlock : kRows, {r, x}));
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
  LogicalResult adjust(ComponentAttr component, TileBounds &bounds,
                       const Block &block, Value query) {
    Value r = e.add(row, rowOf(query));
    KeyInterval interval = bounds.ofRow(r);
    Value before = e.load(ct, maxima, query);
    e.store(before, alphas, query);
    FoldLowering::PairLanes pair;
    pair.head = e.add(head, headOf(query));
    pair.r = r;
    pair.i = e.add(symbols[QBegin], r);
    Value first = e.splat(interval.first, lanes),
          last = e.splat(interval.last, lanes);
    Value lastKey = e.splat(e.sub(keys, e.idx(1)), lanes);
    LogicalResult result = success();
    Values running = e.loop(
        e.idx(0), block.count, lanes, e.splat(before, lanes),
        [&](Value j, ValueRange in) -> Values {
          Value key = e.add(e.splat(e.add(block.j0, j), lanes), e.iota(lanes));
          Value keep = e.both(e.cmp(CmpIPredicate::sle, first, key),
                              e.cmp(CmpIPredicate::sle, key, last));
          // Scores past the block are of the keys that follow or of none.
          Value end = e.splat(e.add(block.j0, block.count), lanes);
          keep = e.both(keep, e.cmp(CmpIPredicate::slt, key, end));
          pair.c = e.min(key, lastKey);
          pair.j = e.add(pair.c, e.splat(symbols[KBegin], lanes));
          pair.score = e.load(vt, s, {query, j});
          FailureOr<Value> score = emitScore(pair);
          FailureOr<Value> tests = emitTests(component, pair);
          if (failed(score) || failed(tests)) {
            result = failure();
            return Values(in);
          }
          if (*tests)
            keep = e.both(keep, *tests);
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
          for (int64_t k = 0; k < vectors; ++k)
            v.push_back(
                e.load(vt, vBlock ? vBlock : vRows,
                       {vBlock ? j : e.add(block.j0, j), e.add(x, k * lanes)}));
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

  LogicalResult finish() {
    LogicalResult result = success();
    Value zero = e.constant(ct, 0.0);
    e.loop(e.idx(0), e.idx(schedule.getHeads()), 1, [&](Value g) {
      e.loop(e.idx(0), rows, 1, [&](Value r) {
        Value query = e.add(e.mul(g, e.idx(tileRows)), r);
        Value l = e.load(ct, sums, query);
        Value none = arith::CmpFOp::create(e.b, e.loc,
                                           arith::CmpFPredicate::OEQ, l, zero);
        Value inverse =
            e.select(none, zero,
                     arith::DivFOp::create(e.b, e.loc, e.constant(ct, 1.0), l));
        Value wide = e.splat(inverse, lanes);
        e.loop(e.idx(0), e.idx(padded(dv)), lanes, [&](Value x) {
          e.store(e.mulf(e.load(vt, o, {query, x}), wide), o, {query, x});
        });
        if (failed(storeRow(at(o, query, dv), g, r)))
          result = failure();
        if (c().lseOut)
          e.store(logSumExp(e.load(ct, maxima, query), l), c().lseOut, {g, r});
      });
    });
    return result;
  }
};
} // namespace

LogicalResult attnc::cpu::emitRowFold(FoldContext context) {
  return RowFold(context).run();
}
