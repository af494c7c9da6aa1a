// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel: queries, key blocks and results.

#include "codegen/cpu/BlockKernel.h"
#include "codegen/cpu/Transpose.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

void BlockFold::allocate() {
  ot = buffer({panels, padded(dv), nr});
  // A key block begins anywhere, and register tiles round its end up.
  int64_t rounded = bc + edgeKeys;
  p = buffer({rounded, nr});
  maxima = buffer({panels, nr});
  references = isScored() ? buffer({panels, nr}) : maxima;
  sums = buffer({panels, nr});
  alphas = buffer({panels, nr});
  panelIntervals = buffer({4, panels}, e.b.getI64Type());
  laneLow = buffer({nr}, e.b.getI32Type());
  laneHigh = buffer({nr}, e.b.getI32Type());
  rowsBuffer = buffer({nr, std::max(padded(d), padded(dv))});
  bool dotBf16 = schedule.getProducts() == Products::DotBf16;
  Type rowType = dotBf16 ? Type(e.b.getBF16Type()) : ct;
  // Half a pair is filled up with 0, which operands in memory do not have.
  dk = dotBf16 ? llvm::alignTo(d, 2) : d;
  if (dk == d)
    kRows = directRows(op.getLoadK(), rowType);
  vRows = directRows(op.getLoadV(), rowType);
  if (!kRows)
    kBlock = buffer({rounded, dk}, rowType);
  if (!vRows)
    vBlock = buffer({rounded, dv}, rowType);
  if (!op.getTests().empty())
    keepMask = buffer({rounded, nr}, e.b.getI8Type());
  if (op.getPairs())
    pairCounts = buffer({panels, nv}, e.b.getI64Type());
  auto readsOf = [&](Region &region) {
    std::unique_ptr<TileReads> reads;
    // Squares are of rows at one distance, which those of runs are not.
    if (!region.empty() && tile.run == 1)
      reads = std::make_unique<TileReads>(
          e, lanes, c().outer, region.front(), bc,
          [this](ArrayRef<int64_t> shape, Type element) {
            return buffer(shape, element);
          });
    if (reads && reads->empty())
      reads.reset();
    return reads;
  };
  scoreReads = readsOf(op.getScore());
  testReads = readsOf(op.getTests());
  groupKeys = buffer({nv, 2}, e.b.getI64Type());
  edges = buffer({2 * nv, 2}, e.b.getI64Type());
  BlockOperands operands{e, vt, nr, dk, dv, queryScale(), ot, p, alphas};
  operands.keyRow = [this](KeyWalk &keys, Value j0, Value j) {
    return keyRow(keys, j0, j);
  };
  operands.valueRow = [this](KeyWalk &keys, Value j0, Value j) {
    return valueRow(keys, j0, j);
  };
  operands.buffer = [this](ArrayRef<int64_t> shape, Type element) {
    return buffer(shape, element);
  };
  operands.keyRows = [this](KeyWalk &keys, Value j0, Value j, int64_t count) {
    return keyRows(keys, j0, j, count);
  };
  operands.keyBlock = bc;
  // Offsets of keys in pages are known for one block only.
  if (kRows && vRows && !pages) {
    auto prefetch = [this](std::pair<Value, Value> row, Value x) {
      Value at[] = {row.second, x};
      memref::PrefetchOp::create(e.b, e.loc, row.first, at, /*isWrite=*/false,
                                 /*localityHint=*/3, /*isDataCache=*/true);
    };
    operands.prefetchKey = [=](KeyWalk &keys, Value j0, Value j, Value x) {
      prefetch(keyRow(keys, j0, j), x);
    };
    operands.prefetchValue = [=](KeyWalk &keys, Value j0, Value j, Value x) {
      prefetch(valueRow(keys, j0, j), x);
    };
  }
  products = dotBf16 ? makeDotBf16Products(std::move(operands))
                     : makeFmaProducts(std::move(operands));
  products->allocate(panels, bc);
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

LogicalResult BlockFold::loadQueries() {
  livePanels = e.ceilDiv(rows, nr);
  if (dk != d) {
    auto type = cast<MemRefType>(kBlock.getType());
    Value zero = e.constant(type.getElementType(), 0.0);
    e.loop(e.idx(0), e.idx(type.getDimSize(0)), 1,
           [&](Value j) { e.store(zero, kBlock, {j, e.idx(d)}); });
  }
  LogicalResult result = success();
  e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
    Value first = e.mul(panel, e.idx(nr));
    e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
      // Lanes past the tile repeat its last row; they are never stored.
      Value t = e.clampIndex(e.add(first, r), rows);
      if (failed(loadRow(op.getLoadQ(), {head, rowAt(t)}, at(rowsBuffer, r, d),
                         d)))
        result = failure();
      if (dk != d)
        e.store(e.constant(ct, 0.0), rowsBuffer, {r, e.idx(d)});
      prefetchOut(t);
    });
    transposeRows(dk, [&](Value x, Value r, ArrayRef<Value> columns) {
      products->storeQueries(panel, x, r, columns);
    });
    if (failed(op.getState().empty() ? clearState(panel)
                                     : restoreState(panel, first)))
      result = failure();
    for (int64_t k = 0; pairCounts && k < nv; ++k)
      e.storeIndex(e.idx(0), pairCounts, {panel, e.idx(k)});
  });
  return result;
}

/// Asks for row t of the output early: where there are few keys, waiting for
/// memory to write to would take longer than they do.
void BlockFold::prefetchOut(Value t) {
  auto type = cast<MemRefType>(c().tileOut.getType());
  constexpr int64_t kLineBytes = 64;
  int64_t elements = kLineBytes * 8 / type.getElementTypeBitWidth();
  for (int64_t x = 0; x < dv; x += elements) {
    Value at[] = {e.idx(0), placeOf(t), e.idx(x)};
    memref::PrefetchOp::create(e.b, e.loc, c().tileOut, at, /*isWrite=*/true,
                               /*localityHint=*/2, /*isDataCache=*/true);
  }
}

/// Calls `store(x, r, vectors)` for columns x ... of rows r ... of rowsBuffer.
void BlockFold::transposeRows(
    int64_t columns, function_ref<void(Value, Value, ArrayRef<Value>)> store) {
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value r) {
    e.loop(e.idx(0), e.idx(padded(columns)), lanes, [&](Value x) {
      transposeSquare(e, {vt, rowsBuffer, r, x},
                      [&](Value t, ArrayRef<Value> vectors) {
                        store(e.add(x, t), r, vectors);
                      });
    });
  });
}

LogicalResult BlockFold::clearState(Value panel) {
  Value zero = e.constant(vt, 0.0), none = e.constant(vt, -INFINITY);
  for (int64_t k = 0; k < nv; ++k) {
    e.store(none, maxima, {panel, lane(k)});
    if (isScored())
      e.store(none, references, {panel, lane(k)});
    e.store(zero, sums, {panel, lane(k)});
  }
  e.loop(e.idx(0), e.idx(dv), 1, [&](Value x) {
    for (int64_t k = 0; k < nv; ++k)
      e.store(zero, ot, {panel, x, lane(k)});
  });
  return success();
}

/// The panel goes on where another fold has ended.
LogicalResult BlockFold::restoreState(Value panel, Value first) {
  LogicalResult result = success();
  e.loop(e.idx(0), e.idx(nr), 1, [&](Value r) {
    Value t = e.clampIndex(e.add(first, r), rows);
    FailureOr<std::pair<Value, Value>> state =
        loadState(e.idx(0), t, at(rowsBuffer, r, dv));
    if (failed(state)) {
      result = failure();
      return;
    }
    e.store(state->first, references, {panel, r});
    if (isScored())
      e.store(e.mulf(state->first, e.constant(ct, 1.0 / scoreFactor())), maxima,
              {panel, r});
    e.store(state->second, sums, {panel, r});
  });
  transposeRows(dv, [&](Value x, Value r, ArrayRef<Value> columns) {
    for (auto [i, column] : llvm::enumerate(columns))
      e.store(column, ot, {panel, e.add(x, i), r});
  });
  return result;
}

//===----------------------------------------------------------------------===//
// Key blocks
//===----------------------------------------------------------------------===//

LogicalResult BlockFold::foldKeys(Walked &walked) {
  KeyInterval tile = walked.bounds->visited(e.idx(0), e.sub(rows, e.idx(1)));
  LogicalResult result = success();
  // Of panels, once a tile: a tile has many blocks of keys.
  e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
    Value firstRow = e.mul(panel, e.idx(nr));
    Value lastRow = e.sub(e.min(e.add(firstRow, nr), rows), e.idx(1));
    KeyInterval visited = walked.bounds->visited(firstRow, lastRow);
    KeyInterval kept = walked.bounds->full(firstRow, lastRow);
    for (auto [n, x] : llvm::enumerate(
             Values{visited.first, visited.last, kept.first, kept.last}))
      e.storeIndex(x, panelIntervals, {e.idx(n), panel});
  });
  Value end = e.add(tile.last, 1);
  e.loop(tile.first, end, bc, [&](Value j0) {
    Value count = e.min(e.idx(bc), e.sub(end, j0));
    if (failed(loadKeyBlock(*walked.keys, j0, count)))
      result = failure();
    products->loadValues(*walked.keys, j0, count);
    e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
      if (failed(foldPanel(walked, panel, j0, count)))
        result = failure();
    });
  });
  return result;
}

/// Whether an interval contains rows first .. end - 1.
Value BlockFold::contains(KeyInterval interval, Value first, Value end) {
  return e.both(e.cmp(CmpIPredicate::sle, interval.first, first),
                e.cmp(CmpIPredicate::sge, interval.last, e.sub(end, e.idx(1))));
}

/// Whether all values of the panel's keys are finite, but for keys `first` ..
/// `end` - 1. Where some query masks a key, its weight 0 times a non-finite
/// value would be NaN.
Value BlockFold::valuesFinite(const Panel &panel, Value first, Value end) {
  // Sums that do not wait for each other.
  int64_t vectors = dv / lanes, sums = 1;
  while (sums < 4 && vectors % (2 * sums) == 0 && vectors)
    sums *= 2;
  int64_t main = vectors * lanes;
  Value zero = e.constant(vt, 0.0), zeroScalar = e.constant(ct, 0.0);
  Value before = e.sub(first, panel.low);
  Value count = e.add(before, e.sub(panel.valuesEnd, end));
  Values inits(sums, zero);
  inits.push_back(zeroScalar);
  Values sum =
      e.loop(e.idx(0), count, 1, inits, [&](Value t, ValueRange acc) -> Values {
        Value isBefore = e.cmp(CmpIPredicate::slt, t, before);
        Value j = e.add(t, e.select(isBefore, panel.low, e.sub(end, before)));
        Value memref, r;
        std::tie(memref, r) = valueRow(panel.keys, panel.j0, j);
        Values next(acc.drop_back());
        // x * 0 is 0 for finite x and NaN otherwise.
        auto step = [&](Value x, ValueRange in) {
          Values out;
          for (int64_t i = 0; i < sums; ++i) {
            Value v = loadValue(vt, memref, {r, e.add(x, i * lanes)});
            out.push_back(e.fma(v, zero, in[i]));
          }
          return out;
        };
        if (vectors)
          next = e.loop(e.idx(0), e.idx(main), sums * lanes, next, step);
        Value scalar = acc.back();
        for (int64_t x = main; x < dv; ++x)
          scalar = e.addf(
              scalar, e.mulf(loadValue(ct, memref, {r, e.idx(x)}), zeroScalar));
        next.push_back(scalar);
        return next;
      });
  for (int64_t i = 1; i < sums; ++i)
    sum[0] = e.addf(sum[0], sum[i]);
  Value total =
      vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                  sum[0], arith::FastMathFlags::reassoc);
  total = e.addf(total, sum.back());
  return arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, total,
                               zeroScalar);
}

/// Elements of V, in the compute type.
Value BlockFold::loadValue(Type type, Value memref, ValueRange at) {
  Type stored = cast<MemRefType>(memref.getType()).getElementType();
  if (auto vector = dyn_cast<VectorType>(type))
    stored = vector.clone(stored);
  return e.convert(e.load(stored, memref, at), ct);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

LogicalResult BlockFold::finish() {
  LogicalResult result = success();
  e.loop(e.idx(0), livePanels, 1, [&](Value panel) {
    Value first = e.mul(panel, e.idx(nr));
    Value count = e.min(e.idx(nr), e.sub(rows, first));
    e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
      Value factor = finishFactor(e.load(vt, sums, {panel, group}));
      e.loop(e.idx(0), e.idx(padded(dv)), lanes, [&](Value x) {
        transposeSquare(
            e, {vt, rowsBuffer, group, x},
            [&](Value t, ArrayRef<Value> vectors) {
              for (auto [i, row] : llvm::enumerate(vectors))
                e.store(row, rowsBuffer, {e.add(e.add(group, t), i), x});
            },
            [&](Value i) {
              return e.mulf(e.load(vt, ot, {panel, e.add(x, i), group}),
                            factor);
            });
      });
    });
    e.loop(e.idx(0), count, 1, [&](Value r) {
      Value t = e.add(first, r);
      if (failed(storeRow(at(rowsBuffer, r, dv), e.idx(0), t)))
        result = failure();
      if (op.getPartial())
        storeState(e.load(ct, references, {panel, r}),
                   e.load(ct, sums, {panel, r}), e.idx(0), t);
      if (pairCounts)
        storePairs(e.loadIndex(pairCounts, {panel, vectorOf(r)}), e.idx(0), t);
    });
    if (c().lseOut)
      storeLse(panel, first, count);
  });
  return result;
}

void BlockFold::storeLse(Value panel, Value first, Value count) {
  Value staged =
      lseStaging ? lseStaging : lseStaging = buffer({nr}, e.b.getF32Type());
  e.loop(e.idx(0), e.idx(nr), lanes, [&](Value group) {
    e.store(logSumExp(e.load(vt, references, {panel, group}),
                      e.load(vt, sums, {panel, group})),
            staged, group);
  });
  e.loop(e.idx(0), count, 1, [&](Value r) {
    e.store(e.load(e.b.getF32Type(), staged, r), c().lseOut,
            {e.idx(0), placeOf(e.add(first, r))});
  });
}

LogicalResult attnc::cpu::emitBlockFold(FoldContext context) {
  return BlockFold(context).run();
}
