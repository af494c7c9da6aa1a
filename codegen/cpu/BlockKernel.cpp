// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel: queries in lanes.
//
// The query tile is transposed once into panels [panel][d][NR] of NR = lanes *
// register_vectors queries. For a block of keys and one panel, S^T = K Q^T is
// computed by register tiles of MR keys x NR queries, K read as scalar
// broadcasts; then a pass turns scores into weights, and O^T += V^T P^T reads V
// as broadcasts. Maximum, sum and rescale are vertical. Blocks that a panel
// keeps whole run no masking code; others pass once more over their scores.
// Where data decide, a panel's pairs are tested before their scores are
// computed: blocks of which nothing is kept cost no more than that.

#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/FoldLowering.h"
#include "codegen/cpu/Transpose.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

namespace {
/// d and key loops are unrolled by this many steps.
constexpr int64_t kUnroll = 4;
/// Relative bounds are clamped here, far from what i32 lanes cannot hold.
constexpr int64_t kFar = int64_t(1) << 30;

class BlockFold : public FoldLowering {
public:
  explicit BlockFold(FoldContext context)
      : FoldLowering(context), mr(schedule.getRegisterKeys()),
        nv(schedule.getRegisterVectors()), nr(lanes * nv),
        panels(schedule.getQueryTile() / nr), bc(schedule.getKeyBlock()),
        vt(VectorType::get({lanes}, ct)) {}

  LogicalResult run() {
    allocate();
    if (step == 1)
      return foldTile();
    // A class of a lattice may have no rows.
    LogicalResult result = success();
    e.when(e.cmp(CmpIPredicate::sgt, rows, e.idx(0)),
           [&] { result = foldTile(); });
    return result;
  }

private:
  LogicalResult foldTile() {
    livePanels = e.ceilDiv(rows, nr);
    if (failed(loadQueries()))
      return failure();
    for (ComponentAttr component : op.getPlan().getComponents())
      if (failed(foldComponent(component)))
        return failure();
    return finish();
  }

  int64_t mr, nv, nr, panels, bc;
  VectorType vt;
  Value livePanels;
  Value qt, ot, p, maxima, sums, alphas; // panels of lanes
  Value laneLow, laneHigh;               // bounds of the panel's queries
  Value rowsBuffer;                      // [nr][row] staging
  Value keepMask;                        // [key][query] bytes, of tested pairs
  Value pairCounts;                      // keys computed, by panel

  Value lane(int64_t k) { return e.idx(k * lanes); }

  void allocate() {
    qt = buffer({panels, padded(d), nr});
    ot = buffer({panels, padded(dv), nr});
    // A key block begins anywhere, and register tiles round its end up.
    p = buffer({bc + mr, nr});
    maxima = buffer({panels, nr});
    sums = buffer({panels, nr});
    alphas = buffer({panels, nr});
    laneLow = buffer({nr}, e.b.getI32Type());
    laneHigh = buffer({nr}, e.b.getI32Type());
    rowsBuffer = buffer({nr, std::max(padded(d), padded(dv))});
    kRows = directRows(op.getLoadK());
    vRows = directRows(op.getLoadV());
    if (!kRows)
      kBlock = buffer({bc + mr, d});
    if (!vRows)
      vBlock = buffer({bc + mr, dv});
    if (!op.getTests().empty())
      keepMask = buffer({bc + mr, nr}, e.b.getI8Type());
    if (op.getPairs())
      pairCounts = buffer({panels}, e.b.getI64Type());
  }

  //===--------------------------------------------------------------------===//
  // Queries
  //===--------------------------------------------------------------------===//

  LogicalResult loadQueries() {
    LogicalResult result = success();
    Value scale = e.constant(vt, queryScale());
    e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
      Value first = e.mul(panel, e.idx(nr));
      e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
        // Lanes past the tile repeat its last row; they are never stored.
        Value t = e.clampIndex(e.add(first, r), rows);
        if (failed(loadRow(op.getLoadQ(), {head, rowAt(t)},
                           at(rowsBuffer, r, d), d)))
          result = failure();
      });
      transposeRows(d, [&](Value x, Value r, Value column) {
        e.store(e.mulf(column, scale), qt, {panel, x, r});
      });
      if (failed(op.getState().empty() ? clearState(panel)
                                       : restoreState(panel, first)))
        result = failure();
      if (pairCounts)
        e.storeIndex(e.idx(0), pairCounts, panel);
    });
    return result;
  }

  /// Calls `store(x, r, vector)` for column x of rows r ... of rowsBuffer.
  void transposeRows(int64_t columns,
                     function_ref<void(Value, Value, Value)> store) {
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value r) {
      e.loop(e.idx(0), e.idx(padded(columns)), lanes, [&](Value x) {
        Values block;
        for (int64_t i = 0; i < lanes; ++i)
          block.push_back(e.load(vt, rowsBuffer, {e.add(r, i), x}));
        for (auto [i, column] : llvm::enumerate(transposeSquare(e, block)))
          store(e.add(x, i), r, column);
      });
    });
  }

  LogicalResult clearState(Value panel) {
    Value zero = e.constant(vt, 0.0), none = e.constant(vt, -INFINITY);
    for (int64_t k = 0; k < nv; ++k) {
      e.store(none, maxima, {panel, lane(k)});
      e.store(zero, sums, {panel, lane(k)});
    }
    e.loop(e.idx(0), e.idx(dv), 1, [&](Value x) {
      for (int64_t k = 0; k < nv; ++k)
        e.store(zero, ot, {panel, x, lane(k)});
    });
    return success();
  }

  /// The panel goes on where another fold has ended.
  LogicalResult restoreState(Value panel, Value first) {
    LogicalResult result = success();
    e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
      Value t = e.clampIndex(e.add(first, r), rows);
      FailureOr<std::pair<Value, Value>> state =
          loadState(e.idx(0), t, at(rowsBuffer, r, dv));
      if (failed(state)) {
        result = failure();
        return;
      }
      e.store(state->first, maxima, {panel, r});
      e.store(state->second, sums, {panel, r});
    });
    transposeRows(dv, [&](Value x, Value r, Value column) {
      e.store(column, ot, {panel, x, r});
    });
    return result;
  }

  //===--------------------------------------------------------------------===//
  // Key blocks
  //===--------------------------------------------------------------------===//

  LogicalResult foldComponent(ComponentAttr component) {
    FailureOr<Walked> walked = walk(component);
    if (failed(walked))
      return failure();
    LogicalResult result = success();
    LogicalResult runs = eachRun(*walked, [&] {
      if (failed(foldRun(*walked)))
        result = failure();
    });
    return failed(runs) ? failure() : result;
  }

  LogicalResult foldRun(Walked &walked) {
    Value first = e.idx(0), last = e.sub(rows, e.idx(1));
    KeyInterval tile = walked.bounds->visited(first, last);
    KeyInterval whole = walked.bounds->full(first, last);
    LogicalResult result = success();
    Value end = e.add(tile.last, 1);
    e.loop(tile.first, end, bc, [&](Value j0) {
      Value count = e.min(e.idx(bc), e.sub(end, j0));
      if (failed(loadKeyBlock(*walked.keys, j0, count)))
        result = failure();
      Value isWhole = contains(whole, j0, e.add(j0, count));
      // Where pairs are tested, panels look at the values they need.
      Value finite;
      if (walked.tests.empty())
        finite = valuesFinite(*walked.keys, j0, e.idx(0), count, isWhole);
      e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
        if (failed(foldPanel(walked, panel, j0, count, finite)))
          result = failure();
      });
    });
    return result;
  }

  /// Whether an interval contains rows first .. end - 1.
  Value contains(KeyInterval interval, Value first, Value end) {
    return e.both(
        e.cmp(CmpIPredicate::sle, interval.first, first),
        e.cmp(CmpIPredicate::sge, interval.last, e.sub(end, e.idx(1))));
  }

  /// Whether all values of keys first .. end - 1 of the block are finite. Where
  /// some query masks a key, its weight 0 times a non-finite value would be
  /// NaN. `isWhole` says that nothing is masked, and nothing needs a look.
  Value valuesFinite(KeyWalk &keys, Value j0, Value first, Value end,
                     Value isWhole) {
    auto check = [&]() -> Value {
      int64_t main = dv / lanes * lanes;
      Value zero = e.constant(vt, 0.0), zeroScalar = e.constant(ct, 0.0);
      Values sum = e.loop(
          first, end, 1, {zero, zeroScalar},
          [&](Value j, ValueRange acc) -> Values {
            Value memref, r;
            std::tie(memref, r) = valueRow(keys, j0, j);
            Value vector = acc[0], scalar = acc[1];
            // x * 0 is 0 for finite x and NaN otherwise.
            if (main)
              vector = e.loop(e.idx(0), e.idx(main), lanes, vector,
                              [&](Value x, ValueRange inner) -> Values {
                                return {e.fma(e.load(vt, memref, {r, x}), zero,
                                              inner[0])};
                              })
                           .front();
            for (int64_t x = main; x < dv; ++x)
              scalar = e.addf(scalar, e.mulf(e.load(ct, memref, {r, e.idx(x)}),
                                             zeroScalar));
            return {vector, scalar};
          });
      Value total =
          vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                      sum[0], arith::FastMathFlags::reassoc);
      total = e.addf(total, sum[1]);
      return arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, total,
                                   zeroScalar);
    };
    auto branch = scf::IfOp::create(e.b, e.loc, e.b.getI1Type(), isWhole, true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(branch.thenBlock());
    Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
    scf::YieldOp::create(e.b, e.loc, yes);
    e.b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(e.b, e.loc, check());
    return branch.getResult(0);
  }

  //===--------------------------------------------------------------------===//
  // One panel and one key block
  //===--------------------------------------------------------------------===//

  struct Panel {
    KeyWalk &keys;
    Value index, first; // its first row in the tile
    Value j0;           // number of the block's first key
    Value low, high;    // keys of the block that the panel visits
    Value end;          // high rounded up to whole register tiles
  };

  LogicalResult foldPanel(Walked &walked, Value index, Value j0, Value count,
                          Value finite) {
    Panel panel{*walked.keys, index, e.mul(index, e.idx(nr)), j0, {}, {}, {}};
    Value last = e.sub(e.min(e.add(panel.first, nr), rows), e.idx(1));
    KeyInterval visited = walked.bounds->visited(panel.first, last);
    KeyInterval whole = walked.bounds->full(panel.first, last);
    Value first = e.max(visited.first, j0);
    Value end = e.min(e.add(visited.last, 1), e.add(j0, count));
    panel.low = e.sub(first, j0);
    panel.high = e.sub(end, j0);
    LogicalResult result = success();
    e.when(e.cmp(CmpIPredicate::slt, panel.low, panel.high), [&] {
      Value tiles = e.ceilDiv(e.sub(panel.high, panel.low), mr);
      panel.end = e.add(panel.low, e.mul(tiles, e.idx(mr)));
      Value isWhole = e.both(contains(whole, first, end),
                             e.cmp(CmpIPredicate::eq, panel.end, panel.high));
      result = walked.tests.empty()
                   ? foldVisited(walked, panel, isWhole, finite)
                   : foldTested(walked, panel, isWhole);
    });
    return result;
  }

  /// Tests the panel's pairs and folds those that are kept, if there are any.
  LogicalResult foldTested(Walked &walked, const Panel &panel, Value isWhole) {
    FailureOr<std::pair<Value, Value>> kept = testPairs(walked, panel);
    if (failed(kept))
      return failure();
    auto [any, all] = *kept;
    isWhole = e.both(isWhole, all);
    LogicalResult result = success();
    e.when(any, [&] {
      Value finite =
          valuesFinite(panel.keys, panel.j0, panel.low, panel.high, isWhole);
      result = foldVisited(walked, panel, isWhole, finite);
    });
    return result;
  }

  /// Fills keepMask for keys low .. end; whether any pair, and whether all, are
  /// kept.
  FailureOr<std::pair<Value, Value>> testPairs(Walked &walked,
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
          auto [low, high] = laneInterval(group);
          return e.loop(panel.low, panel.end, 1, outer,
                        [&](Value j, ValueRange in) -> Values {
                          setKey(panel, j, pair);
                          FailureOr<Value> keep = emitTests(walked.tests, pair);
                          if (failed(keep)) {
                            result = failure();
                            return Values(in);
                          }
                          Value all = e.both(*keep, isBetween(low, j, high));
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

  LogicalResult foldVisited(Walked &walked, const Panel &panel, Value isWhole,
                            Value finite) {
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
    e.when(fast, [&] { accumulate(panel); }, [&] { accumulateKept(panel); });
    return result;
  }

  /// S^T into p; the running maxima, right when nothing is masked.
  Values scores(const Panel &panel, Values before) {
    return e.loop(
        panel.low, panel.end, mr, before,
        [&](Value jt, ValueRange running) -> Values {
          SmallVector<std::pair<Value, Value>> keyRows;
          for (int64_t r = 0; r < mr; ++r)
            keyRows.push_back(keyRow(panel.keys, panel.j0, e.add(jt, r)));
          Values zeros(mr * nv, e.constant(vt, 0.0));
          int64_t main = d / kUnroll * kUnroll;
          Values acc = zeros;
          if (main)
            acc = e.loop(e.idx(0), e.idx(main), kUnroll, zeros,
                         [&](Value x, ValueRange in) -> Values {
                           Values out(in);
                           for (int64_t u = 0; u < kUnroll; ++u)
                             scoreStep(panel, keyRows, e.add(x, u), out);
                           return out;
                         });
          for (int64_t x = main; x < d; ++x)
            scoreStep(panel, keyRows, e.idx(x), acc);
          Values maxs(running);
          for (int64_t r = 0; r < mr; ++r)
            for (int64_t k = 0; k < nv; ++k) {
              e.store(acc[r * nv + k], p, {e.add(jt, r), lane(k)});
              maxs[k] = e.maxIgnoringNaN(acc[r * nv + k], maxs[k]);
            }
          return maxs;
        });
  }

  void scoreStep(const Panel &panel, ArrayRef<std::pair<Value, Value>> keyRows,
                 Value x, Values &acc) {
    Values q;
    for (int64_t k = 0; k < nv; ++k)
      q.push_back(e.load(vt, qt, {panel.index, x, lane(k)}));
    for (int64_t r = 0; r < mr; ++r) {
      auto [memref, keyRow] = keyRows[r];
      Value key = e.splat(e.load(ct, memref, {keyRow, x}), lanes);
      for (int64_t k = 0; k < nv; ++k)
        acc[r * nv + k] = e.fma(key, q[k], acc[r * nv + k]);
    }
  }

  /// The queries of a group of lanes. Lanes past the tile are what its last
  /// row is.
  FoldLowering::PairLanes lanesOf(const Panel &panel, Value group) {
    FoldLowering::PairLanes pair;
    pair.head = head;
    Value t = e.add(e.splat(e.add(panel.first, group), lanes), e.iota(lanes));
    t = e.min(t, e.splat(e.sub(rows, e.idx(1)), lanes));
    if (step != 1)
      t = e.mul(t, e.splat(e.idx(step), lanes));
    pair.r = e.add(t, e.splat(row, lanes));
    pair.i = e.add(pair.r, e.splat(symbols[QBegin], lanes));
    return pair;
  }
  void setKey(const Panel &panel, Value j, FoldLowering::PairLanes &pair) {
    pair.c = e.min(panel.keys.rowOf(panel.j0, j), e.sub(keys, e.idx(1)));
    pair.j = e.add(symbols[KBegin], pair.c);
  }
  std::pair<Value, Value> laneInterval(Value group) {
    VectorType bits = VectorType::get({lanes}, e.b.getI32Type());
    return {e.load(bits, laneLow, group), e.load(bits, laneHigh, group)};
  }
  Value isBetween(Value low, Value j, Value high) {
    Value at = e.splat(e.toI32(j), lanes);
    return e.both(e.cmp(CmpIPredicate::sle, low, at),
                  e.cmp(CmpIPredicate::sle, at, high));
  }

  /// Score region and mask over the panel's scores; maxima anew.
  LogicalResult adjust(Walked &walked, const Panel &panel,
                       ArrayRef<Value> before) {
    bool tested = !walked.tests.empty();
    if (!tested)
      laneBounds(*walked.bounds, panel);
    for (int64_t k = 0; k < nv; ++k)
      e.store(before[k], maxima, {panel.index, lane(k)});
    LogicalResult result = success();
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
      FoldLowering::PairLanes pair = lanesOf(panel, group);
      std::pair<Value, Value> interval;
      if (!tested)
        interval = laneInterval(group);
      Values last = e.loop(
          panel.low, panel.end, 1,
          Value(e.load(vt, maxima, {panel.index, group})),
          [&](Value j, ValueRange running) -> Values {
            setKey(panel, j, pair);
            pair.score = e.load(vt, p, {j, group});
            Value keep = tested ? e.nonZero(e.load(
                                      VectorType::get({lanes}, e.b.getI8Type()),
                                      keepMask, {j, group}))
                                : isBetween(interval.first, j, interval.second);
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
  void laneBounds(TileBounds &bounds, const Panel &panel) {
    Value lastRow = e.sub(rows, e.idx(1)),
          lastKey = e.sub(panel.high, e.idx(1));
    e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
      KeyInterval interval =
          bounds.ofRow(e.min(e.add(panel.first, r), lastRow));
      auto relative = [&](Value key) {
        return e.max(e.sub(key, panel.j0), e.idx(-kFar));
      };
      e.store(e.toI32(e.min(relative(interval.first), e.idx(kFar))), laneLow,
              r);
      e.store(e.toI32(e.min(relative(interval.last), lastKey)), laneHigh, r);
    });
  }

  /// p becomes 2^(score - max); alphas and sums follow.
  void weights(const Panel &panel, ArrayRef<Value> before) {
    Value none = e.constant(vt, -INFINITY), zero = e.constant(vt, 0.0);
    for (int64_t k = 0; k < nv; ++k)
      e.store(before[k], alphas, {panel.index, lane(k)});
    int64_t step = mr % 4 == 0 ? 4 : mr % 2 == 0 ? 2 : 1;
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
      Value max = e.load(vt, maxima, {panel.index, group});
      // No pair yet: any finite reference gives weights of 0.
      Value empty = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ,
                                          max, none);
      Value reference = e.select(empty, zero, max);
      Value old = e.load(vt, alphas, {panel.index, group});
      Value alpha = emitExp2(e, e.subf(old, reference));
      e.store(alpha, alphas, {panel.index, group});
      Values sum =
          e.loop(panel.low, panel.end, step, zero,
                 [&](Value j, ValueRange running) -> Values {
                   Values terms;
                   for (int64_t u = 0; u < step; ++u) {
                     Value s = e.load(vt, p, {e.add(j, u), group});
                     terms.push_back(emitExp2(e, e.subf(s, reference)));
                   }
                   for (int64_t u = 0; u < step; ++u)
                     e.store(terms[u], p, {e.add(j, u), group});
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

  /// O^T = alpha O^T + V^T P^T by register tiles of mr value columns.
  void accumulate(const Panel &panel) {
    int64_t main = dv / mr * mr;
    e.loop(e.idx(0), e.idx(main), mr,
           [&](Value x) { accumulateTile(panel, x, mr); });
    if (dv != main)
      accumulateTile(panel, e.idx(main), dv - main);
  }

  void accumulateTile(const Panel &panel, Value x, int64_t columns) {
    Values alpha;
    for (int64_t k = 0; k < nv; ++k)
      alpha.push_back(e.load(vt, alphas, {panel.index, lane(k)}));
    Value steps = e.sub(panel.high, panel.low);
    Value main =
        e.add(panel.low, e.sub(steps, e.b.createOrFold<arith::RemUIOp>(
                                          e.loc, steps, e.idx(kUnroll))));
    auto step = [&](Value j, int64_t unroll, ValueRange in) {
      Values acc(in);
      for (int64_t u = 0; u < unroll; ++u) {
        Value ju = e.add(j, u);
        Values weight;
        for (int64_t k = 0; k < nv; ++k)
          weight.push_back(e.load(vt, p, {ju, lane(k)}));
        auto [memref, r] = valueRow(panel.keys, panel.j0, ju);
        for (int64_t i = 0; i < columns; ++i) {
          Value v = e.splat(e.load(ct, memref, {r, e.add(x, i)}), lanes);
          for (int64_t k = 0; k < nv; ++k)
            acc[i * nv + k] = e.fma(v, weight[k], acc[i * nv + k]);
        }
      }
      return acc;
    };
    Values acc(columns * nv, e.constant(vt, 0.0));
    acc = e.loop(panel.low, main, kUnroll, acc,
                 [&](Value j, ValueRange in) { return step(j, kUnroll, in); });
    acc = e.loop(main, panel.high, 1, acc,
                 [&](Value j, ValueRange in) { return step(j, 1, in); });
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t k = 0; k < nv; ++k) {
        Value o = e.load(vt, ot, {panel.index, e.add(x, i), lane(k)});
        e.store(e.fma(o, alpha[k], acc[i * nv + k]), ot,
                {panel.index, e.add(x, i), lane(k)});
      }
  }

  /// The same where masked keys may hold NaN or infinity: a weight of 0 adds
  /// nothing. Slow, and taken only by blocks that mask and are not finite.
  void accumulateKept(const Panel &panel) {
    Value zero = e.constant(vt, 0.0);
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
      Value alpha = e.load(vt, alphas, {panel.index, group});
      e.loop(e.idx(0), e.idx(dv), 1, [&](Value x) {
        Value o = e.mulf(e.load(vt, ot, {panel.index, x, group}), alpha);
        Values sum = e.loop(
            panel.low, panel.high, 1, o,
            [&](Value j, ValueRange running) -> Values {
              Value weight = e.load(vt, p, {j, group});
              auto [memref, r] = valueRow(panel.keys, panel.j0, j);
              Value v = e.splat(e.load(ct, memref, {r, x}), lanes);
              Value kept = arith::CmpFOp::create(
                  e.b, e.loc, arith::CmpFPredicate::UNE, weight, zero);
              return {e.select(kept, e.fma(v, weight, running[0]), running[0])};
            });
        e.store(sum[0], ot, {panel.index, x, group});
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // Results
  //===--------------------------------------------------------------------===//

  LogicalResult finish() {
    LogicalResult result = success();
    e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
      Value first = e.mul(panel, e.idx(nr));
      Value count = e.min(e.idx(nr), e.sub(rows, first));
      e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
        Value factor = finishFactor(e.load(vt, sums, {panel, group}));
        e.loop(e.idx(0), e.idx(padded(dv)), lanes, [&](Value x) {
          Values columns;
          for (int64_t i = 0; i < lanes; ++i)
            columns.push_back(
                e.mulf(e.load(vt, ot, {panel, e.add(x, i), group}), factor));
          for (auto [i, r] : llvm::enumerate(transposeSquare(e, columns)))
            e.store(r, rowsBuffer, {e.add(group, i), x});
        });
      });
      e.loop(e.idx(0), count, 1, [&](Value r) {
        Value t = e.add(first, r);
        if (failed(storeRow(at(rowsBuffer, r, dv), e.idx(0), t)))
          result = failure();
        if (op.getPartial())
          storeState(e.load(ct, maxima, {panel, r}),
                     e.load(ct, sums, {panel, r}), e.idx(0), t);
        if (pairCounts)
          storePairs(e.loadIndex(pairCounts, panel), e.idx(0), t);
      });
      if (c().lseOut)
        storeLse(panel, first, count);
    });
    return result;
  }

  void storeLse(Value panel, Value first, Value count) {
    Value staged =
        lseStaging ? lseStaging : lseStaging = buffer({nr}, e.b.getF32Type());
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
      e.store(logSumExp(e.load(vt, maxima, {panel, group}),
                        e.load(vt, sums, {panel, group})),
              staged, group);
    });
    e.loop(e.idx(0), count, 1, [&](Value r) {
      e.store(e.load(e.b.getF32Type(), staged, r), c().lseOut,
              {e.idx(0), e.add(first, r)});
    });
  }
  Value lseStaging;
};
} // namespace

LogicalResult attnc::cpu::emitBlockFold(FoldContext context) {
  return BlockFold(context).run();
}
