// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The products by fused multiply-adds: K and V are read as scalar broadcasts.

#include "codegen/cpu/BlockProducts.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc::cpu;

/// Loops over d and keys are not unrolled where a tile fills the registers: the
/// scheduler would load the next step's operands too early and spill. Edges'
/// tiles leave room for two steps.
static constexpr int64_t kEdgeUnroll = 2;
static constexpr int64_t kLineBytes = 64;

namespace {
class FmaProducts : public BlockProducts {
public:
  using BlockProducts::BlockProducts;

  void allocate(int64_t panels, int64_t) override {
    int64_t padded = llvm::alignTo(o.d, o.lanes());
    qt = o.buffer({panels, padded, o.nr}, o.ct());
  }
  void storeQueries(Value panel, Value x, Value r,
                    ArrayRef<Value> columns) override {
    Value factor = e.constant(o.vt, o.scale);
    for (auto [i, column] : llvm::enumerate(columns))
      e.store(e.mulf(column, factor), qt, {panel, e.add(x, i), r});
  }
  void storeWeights(Value j, Value group, ArrayRef<Value> weights) override {
    for (auto [u, weight] : llvm::enumerate(weights))
      e.store(weight, o.p, {e.add(j, u), group});
  }
  Value loadWeights(Value j, Value group) override {
    return e.load(o.vt, o.p, {j, group});
  }
  Values scoreTile(const BlockPanel &panel, Value jt) override;
  void accumulate(const BlockPanel &panel) override;

private:
  Value qt; // [panel][column][query], times the scale

  static int64_t unrollOf(const BlockPanel &panel) {
    return panel.tile.vectors == 1 ? kEdgeUnroll : 1;
  }
  Value divide(Value x, int64_t y) {
    return e.b.createOrFold<arith::DivUIOp>(e.loc, x, e.idx(y));
  }
  void prefetchRows(int64_t rows, int64_t columns, int64_t steps, Value step,
                    function_ref<void(Value, Value)> fetch);
  void scoreStep(const BlockPanel &panel, ArrayRef<Value> keyRows, Value x,
                 Values &acc);
  void accumulateTile(const BlockPanel &panel, Value x, int64_t columns);
};
} // namespace

/// Asks for step number `step`'s share of a matrix of `rows` rows, which
/// `steps` steps ask for: `fetch(row, column)` for each of its lines. Several
/// steps may ask for the same line.
void FmaProducts::prefetchRows(int64_t rows, int64_t columns, int64_t steps,
                               Value step,
                               function_ref<void(Value, Value)> fetch) {
  int64_t elements = kLineBytes * 8 / o.ct().getIntOrFloatBitWidth();
  int64_t lines = llvm::divideCeil(columns, elements);
  int64_t share = llvm::divideCeil(rows * lines, steps);
  int64_t stepsOfLine = std::max<int64_t>(steps / (rows * lines), 1);
  for (int64_t u = 0; u < share; ++u) {
    Value line = e.add(e.mul(divide(step, stepsOfLine), e.idx(share)), u);
    Value row = divide(line, lines);
    Value at = e.sub(line, e.mul(row, e.idx(lines)));
    fetch(row, e.mul(at, e.idx(elements)));
  }
}

Values FmaProducts::scoreTile(const BlockPanel &panel, Value jt) {
  int64_t mr = panel.tile.keys, nv = panel.tile.vectors;
  // Rows as views: their addresses are computed here, not in the loop.
  Values keyRows;
  Value rows;
  if (panel.wholeTiles)
    rows = o.keyRows(panel.keys, panel.j0, jt, mr);
  for (int64_t r = 0; r < mr; ++r) {
    Value memref = rows, row = e.idx(r);
    if (!rows)
      std::tie(memref, row) = o.keyRow(panel.keys, panel.j0, e.add(jt, r));
    keyRows.push_back(e.row(memref, row, o.d));
  }
  Values acc(mr * nv, e.constant(o.vt, 0.0));
  int64_t unroll = unrollOf(panel), main = o.d / unroll * unroll;
  if (main)
    acc = e.loop(e.idx(0), e.idx(main), unroll, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in);
                   for (int64_t u = 0; u < unroll; ++u)
                     scoreStep(panel, keyRows, e.add(x, u), out);
                   if (o.prefetchValue && panel.wholeTiles)
                     prefetchRows(mr, o.dv, main / unroll, divide(x, unroll),
                                  [&](Value row, Value column) {
                                    o.prefetchValue(panel.keys, panel.j0,
                                                    e.add(jt, row), column);
                                  });
                   return out;
                 });
  for (int64_t x = main; x < o.d; ++x)
    scoreStep(panel, keyRows, e.idx(x), acc);
  return acc;
}

void FmaProducts::scoreStep(const BlockPanel &panel, ArrayRef<Value> keyRows,
                            Value x, Values &acc) {
  int64_t mr = panel.tile.keys, nv = panel.tile.vectors;
  Values q;
  for (int64_t k = 0; k < nv; ++k)
    q.push_back(e.load(o.vt, qt, {panel.index, x, vector(panel, k)}));
  for (int64_t r = 0; r < mr; ++r) {
    Value key = e.splat(e.load(o.ct(), keyRows[r], x), o.lanes());
    for (int64_t k = 0; k < nv; ++k)
      acc[r * nv + k] = e.fma(key, q[k], acc[r * nv + k]);
  }
}

/// By register tiles of value columns.
void FmaProducts::accumulate(const BlockPanel &panel) {
  int64_t mr = panel.tile.keys;
  int64_t main = o.dv / mr * mr;
  e.loop(e.idx(0), e.idx(main), mr,
         [&](Value x) { accumulateTile(panel, x, mr); });
  if (o.dv != main)
    accumulateTile(panel, e.idx(main), o.dv - main);
}

void FmaProducts::accumulateTile(const BlockPanel &panel, Value x,
                                 int64_t columns) {
  int64_t nv = panel.tile.vectors;
  Values alpha;
  for (int64_t k = 0; k < nv; ++k)
    alpha.push_back(e.load(o.vt, o.alphas, {panel.index, vector(panel, k)}));
  int64_t unroll = unrollOf(panel);
  bool isWhole = unroll == 1 || panel.wholeTiles;
  Value main = panel.high;
  if (!isWhole)
    main = e.add(panel.low, e.alignDown(e.sub(panel.high, panel.low), unroll));
  auto step = [&](Value j, int64_t unroll, ValueRange in) {
    Values acc(in);
    for (int64_t u = 0; u < unroll; ++u) {
      Value ju = e.add(j, u);
      Values weight;
      for (int64_t k = 0; k < nv; ++k)
        weight.push_back(e.load(o.vt, o.p, {ju, vector(panel, k)}));
      auto [memref, r] = o.valueRow(panel.keys, panel.j0, ju);
      Value values = e.row(memref, {r, x}, columns);
      for (int64_t i = 0; i < columns; ++i) {
        Value v = e.splat(e.load(o.ct(), values, e.idx(i)), o.lanes());
        for (int64_t k = 0; k < nv; ++k)
          acc[i * nv + k] = e.fma(v, weight[k], acc[i * nv + k]);
      }
    }
    // Last, since it keeps loads from being scheduled across it.
    if (o.prefetchKey && panel.wholeTiles)
      prefetchRows(unroll, o.d, llvm::divideCeil(o.dv, panel.tile.keys),
                   divide(x, panel.tile.keys), [&](Value row, Value column) {
                     o.prefetchKey(panel.keys, e.add(panel.j0, o.keyBlock),
                                   e.add(j, row), column);
                   });
    return acc;
  };
  Values acc(columns * nv, e.constant(o.vt, 0.0));
  acc = e.loop(panel.low, main, unroll, acc,
               [&](Value j, ValueRange in) { return step(j, unroll, in); });
  if (!isWhole)
    acc = e.loop(main, panel.high, 1, acc,
                 [&](Value j, ValueRange in) { return step(j, 1, in); });
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t k = 0; k < nv; ++k) {
      Value at[] = {panel.index, e.add(x, i), vector(panel, k)};
      Value old = e.load(o.vt, o.ot, at);
      e.store(e.fma(old, alpha[k], acc[i * nv + k]), o.ot, at);
    }
}

std::unique_ptr<BlockProducts>
attnc::cpu::makeFmaProducts(BlockOperands operands) {
  return std::make_unique<FmaProducts>(std::move(operands));
}
