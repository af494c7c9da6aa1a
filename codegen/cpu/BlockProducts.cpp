// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The products by fused multiply-adds: K and V are read as scalar broadcasts.

#include "codegen/cpu/BlockProducts.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc::cpu;

/// d and key loops are unrolled by this many steps.
static constexpr int64_t kUnroll = 4;

namespace {
class FmaProducts : public BlockProducts {
public:
  using BlockProducts::BlockProducts;

  void allocate(int64_t panels, int64_t) override {
    int64_t padded = llvm::alignTo(o.d, o.lanes());
    qt = o.buffer({panels, padded, o.nr()}, o.ct());
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

  void scoreStep(const BlockPanel &panel, ArrayRef<Value> keyRows, Value x,
                 Values &acc);
  void accumulateTile(const BlockPanel &panel, Value x, int64_t columns);
};
} // namespace

Values FmaProducts::scoreTile(const BlockPanel &panel, Value jt) {
  // Rows as views: their addresses are computed here, not in the loop.
  Values keyRows;
  for (int64_t r = 0; r < o.mr; ++r) {
    auto [memref, row] = o.keyRow(panel.keys, panel.j0, e.add(jt, r));
    keyRows.push_back(e.row(memref, row, o.d));
  }
  Values acc(o.mr * o.nv, e.constant(o.vt, 0.0));
  int64_t main = o.d / kUnroll * kUnroll;
  if (main)
    acc = e.loop(e.idx(0), e.idx(main), kUnroll, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in);
                   for (int64_t u = 0; u < kUnroll; ++u)
                     scoreStep(panel, keyRows, e.add(x, u), out);
                   return out;
                 });
  for (int64_t x = main; x < o.d; ++x)
    scoreStep(panel, keyRows, e.idx(x), acc);
  return acc;
}

void FmaProducts::scoreStep(const BlockPanel &panel, ArrayRef<Value> keyRows,
                            Value x, Values &acc) {
  Values q;
  for (int64_t k = 0; k < o.nv; ++k)
    q.push_back(e.load(o.vt, qt, {panel.index, x, o.lane(k)}));
  for (int64_t r = 0; r < o.mr; ++r) {
    Value key = e.splat(e.load(o.ct(), keyRows[r], x), o.lanes());
    for (int64_t k = 0; k < o.nv; ++k)
      acc[r * o.nv + k] = e.fma(key, q[k], acc[r * o.nv + k]);
  }
}

/// By register tiles of mr value columns.
void FmaProducts::accumulate(const BlockPanel &panel) {
  int64_t main = o.dv / o.mr * o.mr;
  e.loop(e.idx(0), e.idx(main), o.mr,
         [&](Value x) { accumulateTile(panel, x, o.mr); });
  if (o.dv != main)
    accumulateTile(panel, e.idx(main), o.dv - main);
}

void FmaProducts::accumulateTile(const BlockPanel &panel, Value x,
                                 int64_t columns) {
  Values alpha;
  for (int64_t k = 0; k < o.nv; ++k)
    alpha.push_back(e.load(o.vt, o.alphas, {panel.index, o.lane(k)}));
  Value steps = e.sub(panel.high, panel.low);
  Value main =
      e.add(panel.low, e.sub(steps, e.b.createOrFold<arith::RemUIOp>(
                                        e.loc, steps, e.idx(kUnroll))));
  auto step = [&](Value j, int64_t unroll, ValueRange in) {
    Values acc(in);
    for (int64_t u = 0; u < unroll; ++u) {
      Value ju = e.add(j, u);
      Values weight;
      for (int64_t k = 0; k < o.nv; ++k)
        weight.push_back(e.load(o.vt, o.p, {ju, o.lane(k)}));
      auto [memref, r] = o.valueRow(panel.keys, panel.j0, ju);
      for (int64_t i = 0; i < columns; ++i) {
        Value v = e.splat(e.load(o.ct(), memref, {r, e.add(x, i)}), o.lanes());
        for (int64_t k = 0; k < o.nv; ++k)
          acc[i * o.nv + k] = e.fma(v, weight[k], acc[i * o.nv + k]);
      }
    }
    return acc;
  };
  Values acc(columns * o.nv, e.constant(o.vt, 0.0));
  acc = e.loop(panel.low, main, kUnroll, acc,
               [&](Value j, ValueRange in) { return step(j, kUnroll, in); });
  acc = e.loop(main, panel.high, 1, acc,
               [&](Value j, ValueRange in) { return step(j, 1, in); });
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t k = 0; k < o.nv; ++k) {
      Value at[] = {panel.index, e.add(x, i), o.lane(k)};
      Value old = e.load(o.vt, o.ot, at);
      e.store(e.fma(old, alpha[k], acc[i * o.nv + k]), o.ot, at);
    }
}

std::unique_ptr<BlockProducts>
attnc::cpu::makeFmaProducts(BlockOperands operands) {
  return std::make_unique<FmaProducts>(std::move(operands));
}
