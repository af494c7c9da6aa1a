// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel: one panel of queries and one block of keys.

#include "codegen/cpu/BlockKernel.h"
#include "codegen/cpu/Exp2.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

/// Relative bounds are clamped here, far from what i32 lanes cannot hold.
static constexpr int64_t kFar = int64_t(1) << 30;

LogicalResult BlockFold::foldPanel(Walked &walked, Value index, Value j0,
                                   Value count, Value finite) {
  Panel panel{*walked.keys, index, e.mul(index, e.idx(nr)), j0, {}, {}, {}, {}};
  auto bound = [&](int64_t n) {
    return e.loadIndex(panelIntervals, {e.idx(n), index});
  };
  KeyInterval visited{bound(0), bound(1)}, whole{bound(2), bound(3)};
  Value first = e.max(visited.first, j0);
  Value end = e.min(e.add(visited.last, 1), e.add(j0, count));
  Value low = e.sub(first, j0);
  panel.high = e.sub(end, j0);
  // Keys that are multiplied together are visited together.
  int64_t together = products->keysTogether();
  panel.low = e.alignDown(low, together);
  panel.valuesEnd = together == 1
                        ? panel.high
                        : e.min(e.alignTo(panel.high, together), count);
  LogicalResult result = success();
  e.when(e.cmp(CmpIPredicate::slt, panel.low, panel.high), [&] {
    Value tiles = e.ceilDiv(e.sub(panel.high, panel.low), mr);
    panel.end = e.add(panel.low, e.mul(tiles, e.idx(mr)));
    Value isWhole = e.both(contains(whole, first, end),
                           e.cmp(CmpIPredicate::eq, panel.end, panel.high));
    if (together > 1)
      isWhole = e.both(isWhole, e.cmp(CmpIPredicate::eq, panel.low, low));
    result = walked.tests.empty() ? foldVisited(walked, panel, isWhole, finite)
                                  : foldTested(walked, panel, isWhole);
  });
  return result;
}

/// Tests the panel's pairs and folds those that are kept, if there are any.
LogicalResult BlockFold::foldTested(Walked &walked, const Panel &panel,
                                    Value isWhole) {
  FailureOr<std::pair<Value, Value>> kept = testPairs(walked, panel);
  if (failed(kept))
    return failure();
  Value any = kept->first, all = kept->second;
  isWhole = e.both(isWhole, all);
  LogicalResult result = success();
  e.when(any, [&] {
    Value finite =
        valuesFinite(panel.keys, panel.j0, panel.low, panel.valuesEnd, isWhole);
    result = foldVisited(walked, panel, isWhole, finite);
  });
  return result;
}

/// Fills keepMask for keys low .. end; whether any pair, and whether all, are
/// kept.
FailureOr<std::pair<Value, Value>> BlockFold::testPairs(Walked &walked,
                                                        const Panel &panel) {
  laneBounds(*walked.bounds, panel);
  VectorType bits = VectorType::get({lanes}, e.b.getI1Type());
  auto constant = [&](bool x) -> Value {
    return arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(bits, e.b.getBoolAttr(x)));
  };
  LogicalResult result = success();
  Values kept = e.loop(
      e.idx(0), e.idx(nr), lanes, {constant(false), constant(true)},
      [&](Value group, ValueRange outer) -> Values {
        FoldLowering::PairLanes pair = lanesOf(panel, group);
        LaneInterval interval = laneInterval(group);
        return e.loop(panel.low, panel.end, 1, outer,
                      [&](Value j, ValueRange in) -> Values {
                        setKey(panel, j, pair);
                        FailureOr<Value> keep = emitTests(walked.tests, pair);
                        if (failed(keep)) {
                          result = failure();
                          return Values(in);
                        }
                        Value all = e.both(*keep, isBetween(interval, j));
                        e.store(arith::ExtUIOp::create(
                                    e.b, e.loc,
                                    VectorType::get({lanes}, e.b.getI8Type()),
                                    all),
                                keepMask, {j, group});
                        return {arith::OrIOp::create(e.b, e.loc, in[0], all),
                                e.both(in[1], all)};
                      });
      });
  if (failed(result))
    return failure();
  auto reduce = [&](vector::CombiningKind kind, Value x) -> Value {
    return vector::ReductionOp::create(e.b, e.loc, kind, x);
  };
  return std::pair(reduce(vector::CombiningKind::OR, kept[0]),
                   reduce(vector::CombiningKind::AND, kept[1]));
}

LogicalResult BlockFold::foldVisited(Walked &walked, const Panel &panel,
                                     Value isWhole, Value finite) {
  if (pairCounts)
    e.storeIndex(e.add(e.loadIndex(pairCounts, panel.index),
                       e.sub(panel.high, panel.low)),
                 pairCounts, panel.index);
  Values before;
  for (int64_t k = 0; k < nv; ++k)
    before.push_back(e.load(vt, maxima, {panel.index, lane(k)}));
  Values seen = scores(panel, before);
  for (int64_t k = 0; k < nv; ++k)
    e.store(seen[k], maxima, {panel.index, lane(k)});
  LogicalResult result = success();
  if (!op.getScore().empty())
    result = adjust(walked, panel, before);
  else
    e.when(isWhole, [] {}, [&] { result = adjust(walked, panel, before); });
  weights(panel, before);
  Value fast = arith::OrIOp::create(e.b, e.loc, finite, isWhole);
  e.when(
      fast, [&] { products->accumulate(panel); },
      [&] { accumulateKept(panel); });
  return result;
}

/// S^T into p; the running maxima, right when nothing is masked.
Values BlockFold::scores(const Panel &panel, Values before) {
  return e.loop(panel.low, panel.end, mr, before,
                [&](Value jt, ValueRange running) -> Values {
                  Values acc = products->scoreTile(panel, jt);
                  Values maxs(running);
                  for (int64_t r = 0; r < mr; ++r)
                    for (int64_t k = 0; k < nv; ++k) {
                      e.store(acc[r * nv + k], p, {e.add(jt, r), lane(k)});
                      maxs[k] = e.maxIgnoringNaN(acc[r * nv + k], maxs[k]);
                    }
                  return maxs;
                });
}

/// The queries of a group of lanes. Lanes past the tile are what its last
/// row is.
FoldLowering::PairLanes BlockFold::lanesOf(const Panel &panel, Value group) {
  FoldLowering::PairLanes pair;
  pair.head = head;
  Value t = e.add(e.splat(e.add(panel.first, group), lanes), e.iota(lanes));
  t = e.min(t, e.splat(e.sub(rows, e.idx(1)), lanes));
  pair.r = e.add(tile.offsetOf(e, t), e.splat(row, lanes));
  pair.i = e.add(pair.r, e.splat(symbols[QBegin], lanes));
  return pair;
}

void BlockFold::setKey(const Panel &panel, Value j,
                       FoldLowering::PairLanes &pair) {
  pair.c = e.min(panel.keys.rowOf(panel.j0, j), e.sub(keys, e.idx(1)));
  pair.j = e.add(symbols[KBegin], pair.c);
}

BlockFold::LaneInterval BlockFold::laneInterval(Value group) {
  VectorType bits = VectorType::get({lanes}, e.b.getI32Type());
  return {e.load(bits, laneLow, group), e.load(bits, laneHigh, group)};
}

Value BlockFold::isBetween(LaneInterval interval, Value j) {
  Value at = e.splat(e.toI32(j), lanes);
  return e.both(e.cmp(CmpIPredicate::sle, interval.first, at),
                e.cmp(CmpIPredicate::sle, at, interval.last));
}

/// Score region and mask over the panel's scores; maxima anew.
LogicalResult BlockFold::adjust(Walked &walked, const Panel &panel,
                                ArrayRef<Value> before) {
  bool tested = !walked.tests.empty();
  if (!tested)
    laneBounds(*walked.bounds, panel);
  for (int64_t k = 0; k < nv; ++k)
    e.store(before[k], maxima, {panel.index, lane(k)});
  LogicalResult result = success();
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    FoldLowering::PairLanes pair = lanesOf(panel, group);
    LaneInterval interval;
    if (!tested)
      interval = laneInterval(group);
    Values last = e.loop(
        panel.low, panel.end, 1,
        Value(e.load(vt, maxima, {panel.index, group})),
        [&](Value j, ValueRange running) -> Values {
          setKey(panel, j, pair);
          pair.score = e.load(vt, p, {j, group});
          Value keep =
              tested
                  ? e.nonZero(e.load(VectorType::get({lanes}, e.b.getI8Type()),
                                     keepMask, {j, group}))
                  : isBetween(interval, j);
          FailureOr<Value> score = emitScore(pair);
          if (failed(score)) {
            result = failure();
            return Values(running);
          }
          Value masked = e.select(keep, *score, e.constant(vt, -INFINITY));
          e.store(masked, p, {j, group});
          return {e.maxIgnoringNaN(masked, running[0])};
        });
    e.store(last[0], maxima, {panel.index, group});
  });
  return result;
}

/// Key interval of each query of the panel, relative to the block and within
/// what the panel visits.
void BlockFold::laneBounds(TileBounds &bounds, const Panel &panel) {
  Value lastRow = e.sub(rows, e.idx(1)), lastKey = e.sub(panel.high, e.idx(1));
  e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
    KeyInterval interval = bounds.ofRow(e.min(e.add(panel.first, r), lastRow));
    auto relative = [&](Value key) {
      return e.max(e.sub(key, panel.j0), e.idx(-kFar));
    };
    e.store(e.toI32(e.min(relative(interval.first), e.idx(kFar))), laneLow, r);
    e.store(e.toI32(e.min(relative(interval.last), lastKey)), laneHigh, r);
  });
}

/// p becomes 2^(score - max); alphas and sums follow.
void BlockFold::weights(const Panel &panel, ArrayRef<Value> before) {
  Value none = e.constant(vt, -INFINITY), zero = e.constant(vt, 0.0);
  for (int64_t k = 0; k < nv; ++k)
    e.store(before[k], alphas, {panel.index, lane(k)});
  int64_t step = mr % 4 == 0 ? 4 : mr % 2 == 0 ? 2 : 1;
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    Value max = e.load(vt, maxima, {panel.index, group});
    // No pair yet: any finite reference gives weights of 0.
    Value empty =
        arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, max, none);
    Value reference = e.select(empty, zero, max);
    Value old = e.load(vt, alphas, {panel.index, group});
    Value alpha = emitExp2(e, e.subf(old, reference));
    e.store(alpha, alphas, {panel.index, group});
    Values sum = e.loop(panel.low, panel.end, step, zero,
                        [&](Value j, ValueRange running) -> Values {
                          Values terms;
                          for (int64_t u = 0; u < step; ++u) {
                            Value s = e.load(vt, p, {e.add(j, u), group});
                            terms.push_back(emitExp2(e, e.subf(s, reference)));
                          }
                          products->storeWeights(j, group, terms);
                          while (terms.size() > 1) { // pairwise
                            Values next;
                            for (size_t i = 0; i < terms.size(); i += 2)
                              next.push_back(e.addf(terms[i], terms[i + 1]));
                            terms = next;
                          }
                          return {e.addf(running[0], terms[0])};
                        });
    Value l = e.load(vt, sums, {panel.index, group});
    e.store(e.fma(l, alpha, sum[0]), sums, {panel.index, group});
  });
}

/// O^T = alpha O^T + V^T P^T where masked keys may hold NaN or infinity: a
/// weight of 0 adds nothing. Slow, and taken only by blocks that mask and are
/// not finite.
void BlockFold::accumulateKept(const Panel &panel) {
  Value zero = e.constant(vt, 0.0);
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    Value alpha = e.load(vt, alphas, {panel.index, group});
    e.loop(e.idx(0), e.idx(dv), 1, [&](Value x) {
      Value o = e.mulf(e.load(vt, ot, {panel.index, x, group}), alpha);
      Values sum = e.loop(
          panel.low, panel.high, 1, o,
          [&](Value j, ValueRange running) -> Values {
            Value weight = products->loadWeights(j, group);
            auto [memref, r] = valueRow(panel.keys, panel.j0, j);
            Value v = e.splat(loadValue(ct, memref, {r, x}), lanes);
            Value kept = arith::CmpFOp::create(
                e.b, e.loc, arith::CmpFPredicate::UNE, weight, zero);
            return {e.select(kept, e.fma(v, weight, running[0]), running[0])};
          });
      e.store(sum[0], ot, {panel.index, x, group});
    });
  });
}
