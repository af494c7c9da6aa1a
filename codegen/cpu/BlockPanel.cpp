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
                                   Value count) {
  Value firstRow = e.mul(index, e.idx(nr));
  auto bound = [&](int64_t n) {
    return e.loadIndex(panelIntervals, {e.idx(n), index});
  };
  KeyInterval visited{bound(0), bound(1)}, whole{bound(2), bound(3)};
  Value first = e.max(visited.first, j0);
  Value end = e.min(e.add(visited.last, 1), e.add(j0, count));
  Value low = e.sub(first, j0), high = e.sub(end, j0);
  // Keys that are multiplied together are visited together.
  int64_t together = products->keysTogether();
  Value valuesEnd =
      together == 1 ? high : e.min(e.alignTo(high, together), count);
  LogicalResult result = success();
  e.when(e.cmp(CmpIPredicate::slt, low, high), [&] {
    Value from = e.alignDown(low, together);
    Value roundedEnd = e.add(from, e.alignTo(e.sub(high, from), mr));
    Panel panel{*walked.keys, index, firstRow, j0,         {mr, nv},
                e.idx(0),     from,  high,     roundedEnd, valuesEnd};
    if (walked.tests.empty()) {
      result = foldBounded(walked, panel, whole);
      return;
    }
    Value isWhole = e.both(contains(whole, first, end),
                           e.both(e.cmp(CmpIPredicate::eq, roundedEnd, high),
                                  e.cmp(CmpIPredicate::eq, from, low)));
    result = foldTested(walked, panel, isWhole);
  });
  return result;
}

void BlockFold::countPairs(const Panel &panel, Value group, Value count) {
  if (!pairCounts)
    return;
  Value at[] = {panel.index, vectorOf(group)};
  e.storeIndex(e.add(e.loadIndex(pairCounts, at), count), pairCounts, at);
}

/// Every group of lanes visits all keys of the panel.
void BlockFold::setGroups(const Panel &panel) {
  for (int64_t k = 0; k < nv; ++k) {
    e.storeIndex(panel.low, groupKeys, {e.idx(k), e.idx(0)});
    e.storeIndex(panel.end, groupKeys, {e.idx(k), e.idx(1)});
    countPairs(panel, lane(k), e.sub(panel.high, panel.low));
  }
}

void BlockFold::keepReferences(const Panel &panel) {
  for (int64_t k = 0; k < nv; ++k)
    e.store(e.load(vt, references, {panel.index, lane(k)}), alphas,
            {panel.index, lane(k)});
}

//===----------------------------------------------------------------------===//
// Tested pairs
//===----------------------------------------------------------------------===//

/// Folds those of the panel's pairs that are kept, if there are any.
LogicalResult BlockFold::foldTested(Walked &walked, const Panel &panel,
                                    Value isWhole) {
  FailureOr<std::pair<Value, Value>> kept = testPairs(walked, panel);
  if (failed(kept))
    return failure();
  Value any = kept->first, all = kept->second;
  isWhole = e.both(isWhole, all);
  LogicalResult result = success();
  e.when(any, [&] {
    setGroups(panel);
    keepReferences(panel);
    scores(panel, /*masked=*/false);
    if (isScored())
      result = adjust(panel, /*tested=*/true);
    else
      e.when(isWhole, [] {}, [&] { result = adjust(panel, /*tested=*/true); });
    weights(panel);
    Value finite = e.orElse(
        isWhole, [&] { return valuesFinite(panel, panel.low, panel.low); });
    e.when(
        finite, [&] { products->accumulate(panel); },
        [&] { accumulateKept(panel); });
  });
  return result;
}

/// Fills keepMask for keys low .. end; whether any pair, and whether all, are
/// kept.
FailureOr<std::pair<Value, Value>> BlockFold::testPairs(Walked &walked,
                                                        const Panel &panel) {
  laneBounds(*walked.bounds, panel);
  VectorType bits = VectorType::get({lanes}, e.b.getI1Type()),
             bytes = VectorType::get({lanes}, e.b.getI8Type());
  auto constant = [&](bool x) -> Value {
    return arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(bits, e.b.getBoolAttr(x)));
  };
  LogicalResult result = success();
  Values kept =
      e.loop(e.idx(0), e.idx(nr), lanes, {constant(false), constant(true)},
             [&](Value group, ValueRange outer) -> Values {
               PairLanes pair = lanesOf(panel, group);
               LaneInterval interval = laneInterval(group);
               Values both(outer);
               LogicalResult keys = eachKey(
                   panel, pair, testReads.get(), {panel.low, panel.end}, both,
                   [&](Value j, ValueRange in) -> FailureOr<Values> {
                     FailureOr<Value> keep = emitTests(walked.tests, pair);
                     if (failed(keep))
                       return failure();
                     Value all = e.both(*keep, isBetween(interval, j));
                     e.store(arith::ExtUIOp::create(e.b, e.loc, bytes, all),
                             keepMask, {j, group});
                     return Values{arith::OrIOp::create(e.b, e.loc, in[0], all),
                                   e.both(in[1], all)};
                   });
               if (failed(keys))
                 result = failure();
               return both;
             });
  if (failed(result))
    return failure();
  auto reduce = [&](vector::CombiningKind kind, Value x) -> Value {
    return vector::ReductionOp::create(e.b, e.loc, kind, x);
  };
  return std::pair(reduce(vector::CombiningKind::OR, kept[0]),
                   reduce(vector::CombiningKind::AND, kept[1]));
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// S^T into p, and maxima where no region changes scores. Without `masked`
/// these count every score.
void BlockFold::scores(const Panel &panel, bool masked) {
  int64_t tileKeys = panel.tile.keys, vectors = panel.tile.vectors;
  Values before, groups;
  SmallVector<LaneInterval> intervals;
  for (int64_t k = 0; k < vectors; ++k) {
    groups.push_back(e.add(panel.lane, k * lanes));
    before.push_back(e.load(vt, maxima, {panel.index, groups[k]}));
    if (masked)
      intervals.push_back(laneInterval(groups[k]));
  }
  Values seen = e.loop(panel.low, panel.end, tileKeys, before,
                       [&](Value jt, ValueRange running) -> Values {
                         Values acc = products->scoreTile(panel, jt);
                         Values maxs(running);
                         for (int64_t r = 0; r < tileKeys; ++r) {
                           Value j = e.add(jt, r);
                           for (int64_t k = 0; k < vectors; ++k) {
                             Value score = acc[r * vectors + k];
                             if (masked)
                               score =
                                   e.select(isBetween(intervals[k], j), score,
                                            e.constant(vt, -INFINITY));
                             e.store(score, p, {j, groups[k]});
                             if (!isScored())
                               maxs[k] = e.maxIgnoringNaN(score, maxs[k]);
                           }
                         }
                         return maxs;
                       });
  for (int64_t k = 0; k < vectors; ++k)
    e.store(seen[k], maxima, {panel.index, groups[k]});
}

/// The queries of a group of lanes. Lanes past the tile are rows that do not
/// exist: they compute what nobody reads.
BlockFold::PairLanes BlockFold::lanesOf(const Panel &panel, Value group) {
  PairLanes pair;
  pair.head = head;
  Value t = e.add(panel.first, group);
  if (tile.run == 1) {
    pair.r = rowAt(t);
    pair.i = e.add(pair.r, symbols[QBegin]);
    pair.rowStep = tile.step;
    return pair;
  }
  // Of runs, lanes lie at no one distance.
  t = e.add(e.splat(t, lanes), e.iota(lanes));
  pair.r = e.add(tile.offsetOf(e, t), e.splat(row, lanes));
  pair.i = e.add(pair.r, e.splat(symbols[QBegin], lanes));
  return pair;
}

void BlockFold::setKey(const Panel &panel, Value j, PairLanes &pair) {
  pair.c = e.min(panel.keys.rowOf(panel.j0, j), e.sub(keys, e.idx(1)));
  pair.j = e.add(symbols[KBegin], pair.c);
}

/// A loop over keys first .. last - 1 of a group of lanes, with `pair` set for
/// each.
LogicalResult
BlockFold::eachKey(const Panel &panel, PairLanes &pair, TileReads *reads,
                   KeyInterval range, Values &state,
                   function_ref<FailureOr<Values>(Value, ValueRange)> body) {
  LogicalResult result = success();
  auto loop = [&](Value first, Value end, ValueRange inits) {
    return e.loop(first, end, 1, inits, [&](Value j, ValueRange in) -> Values {
      setKey(panel, j, pair);
      if (reads)
        pair.readAt = e.sub(j, first);
      FailureOr<Values> next = body(j, in);
      if (succeeded(next))
        return *next;
      result = failure();
      return Values(in);
    });
  };
  if (!reads) {
    state = loop(range.first, range.last, state);
    return result;
  }
  pair.reads = reads;
  auto keyAt = [&](Value j) {
    setKey(panel, j, pair);
    return PairIndices{pair.head, pair.i, pair.j, pair.r, pair.c};
  };
  state = e.loop(
      range.first, range.last, lanes, state, [&](Value first, ValueRange in) {
        if (failed(reads->fill(
                keyAt(first), pair.rowStep, panel.keys.isContiguous(),
                [&](Value t) { return keyAt(e.add(first, t)); })))
          result = failure();
        return loop(first, e.min(e.add(first, lanes), range.last), in);
      });
  return result;
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
LogicalResult BlockFold::adjust(const Panel &panel, bool tested) {
  LogicalResult result = success();
  Type bytes = VectorType::get({lanes}, e.b.getI8Type());
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    PairLanes pair = lanesOf(panel, group);
    LaneInterval interval;
    if (!tested)
      interval = laneInterval(group);
    Value k = vectorOf(group);
    KeyInterval range{e.loadIndex(groupKeys, {k, e.idx(0)}),
                      e.loadIndex(groupKeys, {k, e.idx(1)})};
    Value before = isScored() ? maxima : alphas;
    Values max{e.load(vt, before, {panel.index, group})};
    LogicalResult keys = eachKey(
        panel, pair, scoreReads.get(), range, max,
        [&](Value j, ValueRange running) -> FailureOr<Values> {
          pair.score = e.load(vt, p, {j, group});
          FailureOr<Value> score = emitScoreRegion(pair);
          if (failed(score))
            return failure();
          Value keep = tested ? e.nonZero(e.load(bytes, keepMask, {j, group}))
                              : isBetween(interval, j);
          Value masked = e.select(keep, *score, e.constant(vt, -INFINITY));
          e.store(masked, p, {j, group});
          return Values{e.maxIgnoringNaN(masked, running[0])};
        });
    if (failed(keys))
      result = failure();
    e.store(max[0], maxima, {panel.index, group});
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

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// p becomes 2^(score - max), for the keys of each group; alphas and sums
/// follow.
void BlockFold::weights(const Panel &panel) {
  Value none = e.constant(vt, -INFINITY), zero = e.constant(vt, 0.0);
  int64_t step = mr % 4 == 0 ? 4 : mr % 2 == 0 ? 2 : 1;
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    Value max = e.load(vt, maxima, {panel.index, group});
    // No pair yet: any finite reference gives weights of 0.
    Value empty =
        arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, max, none);
    Value reference = e.select(empty, zero, max);
    Value old = e.load(vt, alphas, {panel.index, group});
    // One rounding for a product of a score and the factor, and the same one of
    // the reference wherever that comes in.
    Value factor, negated;
    if (isScored()) {
      factor = e.constant(vt, scoreFactor());
      reference = e.mulf(reference, factor);
      negated = arith::NegFOp::create(e.b, e.loc, reference);
      e.store(e.select(empty, none, reference), references,
              {panel.index, group});
    }
    Value alpha = emitExp2(e, e.subf(old, reference));
    e.store(alpha, alphas, {panel.index, group});
    Value k = vectorOf(group);
    Value first = e.loadIndex(groupKeys, {k, e.idx(0)}),
          end = e.loadIndex(groupKeys, {k, e.idx(1)});
    Values sum = e.loop(
        first, end, step, zero, [&](Value j, ValueRange running) -> Values {
          Values terms;
          for (int64_t u = 0; u < step; ++u) {
            Value s = e.load(vt, p, {e.add(j, u), group});
            Value power =
                isScored() ? e.fma(s, factor, negated) : e.subf(s, reference);
            terms.push_back(emitExp2(e, power, products->weightUse()));
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
  Value end = e.add(panel.lane, panel.tile.vectors * lanes);
  e.loop(panel.lane, end, lanes, [&](Value group) {
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
