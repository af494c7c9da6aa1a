// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The products by dot products of pairs of bf16 (AVX512-BF16): a 32-bit lane
// holds two elements that are multiplied and summed into one f32.
//
// S^T contracts over d, where pairs of K lie in memory; queries are stored as
// [d / 2][query] pairs. O^T contracts over keys: two rows of V are interleaved
// once a block, and two keys' weights of a query become a pair in the place of
// the scores. The instructions take subnormal inputs for 0.

#include "codegen/cpu/BlockProducts.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc::cpu;

/// Loops over pairs are unrolled by this many steps.
static constexpr int64_t kUnroll = 4;

namespace {
class DotBf16Products : public BlockProducts {
public:
  explicit DotBf16Products(BlockOperands operands)
      : BlockProducts(std::move(operands)), i32(e.b.getI32Type()),
        pairs(VectorType::get({o.lanes()}, i32)),
        elements(VectorType::get({2 * o.lanes()}, e.b.getBF16Type())) {}

  int64_t keysTogether() const override { return 2; }
  Exp2Use weightUse() const override { return Exp2Use::RoundedToBf16; }
  void allocate(int64_t panels, int64_t keyBlock) override {
    int64_t padded = llvm::alignTo(o.d, o.lanes());
    qt = o.buffer({panels, padded / 2, o.nr}, i32);
    valuePairs = o.buffer({keyBlock / 2, o.dv}, i32);
  }
  void storeQueries(Value panel, Value x, Value r,
                    ArrayRef<Value> columns) override;
  void loadValues(KeyWalk &keys, Value j0, Value count) override;
  Values scoreTile(const BlockPanel &panel, Value jt) override;
  void storeWeights(Value j, Value group, ArrayRef<Value> weights) override;
  Value loadWeights(Value j, Value group) override;
  void accumulate(const BlockPanel &panel) override;

private:
  Type i32;
  VectorType pairs, elements; // one native vector as both
  Value qt;                   // [panel][column / 2][query], not scaled
  Value valuePairs;           // [key / 2][value column]

  Value bits(Value x, Type type) {
    return arith::BitcastOp::create(e.b, e.loc, type, x);
  }
  Value toElements(Value vector) {
    return vector::BitCastOp::create(e.b, e.loc, elements, vector);
  }
  Value intrinsic(StringRef name, Type result, ValueRange arguments) {
    auto full = e.b.getStringAttr("llvm.x86.avx512bf16." + name + "." +
                                  Twine(32 * o.lanes()));
    return LLVM::CallIntrinsicOp::create(e.b, e.loc, result, full, arguments)
        .getResult(0);
  }
  Value dot(Value acc, Value x, Value y) {
    return intrinsic("dpbf16ps", o.vt, {acc, toElements(x), toElements(y)});
  }
  Value half(Value j) {
    return e.b.createOrFold<arith::DivUIOp>(e.loc, j, e.idx(2));
  }

  void scoreStep(const BlockPanel &panel,
                 ArrayRef<std::pair<Value, Value>> keyRows, Value x,
                 Values &acc);
  void interleave(std::pair<Value, Value> low, std::pair<Value, Value> high,
                  Value pair);
  void accumulateTile(const BlockPanel &panel, Value x, int64_t columns);
};
} // namespace

/// Columns hold bf16 values in f32: cutting them off is exact.
void DotBf16Products::storeQueries(Value panel, Value x, Value r,
                                   ArrayRef<Value> columns) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(
        e.b, e.loc,
        DenseElementsAttr::get(pairs, APInt(32, value, /*isSigned=*/false)));
  };
  Value sixteen = constant(16), upper = constant(0xffff0000);
  for (size_t i = 0; i < columns.size(); i += 2) {
    Value low =
        arith::ShRUIOp::create(e.b, e.loc, bits(columns[i], pairs), sixteen);
    Value high =
        arith::AndIOp::create(e.b, e.loc, bits(columns[i + 1], pairs), upper);
    e.store(arith::OrIOp::create(e.b, e.loc, low, high), qt,
            {panel, half(e.add(x, i)), r});
  }
}

//===----------------------------------------------------------------------===//
// S^T
//===----------------------------------------------------------------------===//

Values DotBf16Products::scoreTile(const BlockPanel &panel, Value jt) {
  int64_t mr = panel.tile.keys, nv = panel.tile.vectors;
  SmallVector<std::pair<Value, Value>> keyRows;
  for (int64_t r = 0; r < mr; ++r)
    keyRows.push_back(o.keyRow(panel.keys, panel.j0, e.add(jt, r)));
  Values acc(mr * nv, e.constant(o.vt, 0.0));
  int64_t steps = o.d / 2, main = steps / kUnroll * kUnroll;
  if (main)
    acc = e.loop(e.idx(0), e.idx(main), kUnroll, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in);
                   for (int64_t u = 0; u < kUnroll; ++u)
                     scoreStep(panel, keyRows, e.add(x, u), out);
                   return out;
                 });
  for (int64_t x = main; x < steps; ++x)
    scoreStep(panel, keyRows, e.idx(x), acc);
  // A scale on the queries would round them once more.
  Value scale = e.constant(o.vt, o.scale);
  for (Value &score : acc)
    score = e.mulf(score, scale);
  return acc;
}

/// Columns 2 x and 2 x + 1.
void DotBf16Products::scoreStep(const BlockPanel &panel,
                                ArrayRef<std::pair<Value, Value>> keyRows,
                                Value x, Values &acc) {
  int64_t mr = panel.tile.keys, nv = panel.tile.vectors;
  Values q;
  for (int64_t k = 0; k < nv; ++k)
    q.push_back(e.load(pairs, qt, {panel.index, x, vector(panel, k)}));
  Type two = e.vec(2, e.b.getBF16Type());
  for (int64_t r = 0; r < mr; ++r) {
    auto [memref, keyRow] = keyRows[r];
    Value pair = e.load(two, memref, {keyRow, e.mul(x, e.idx(2))});
    pair =
        vector::BitCastOp::create(e.b, e.loc, VectorType::get({1}, i32), pair);
    pair = vector::ExtractOp::create(e.b, e.loc, pair, ArrayRef<int64_t>{0});
    Value key = e.splat(pair, o.lanes());
    for (int64_t k = 0; k < nv; ++k)
      acc[r * nv + k] = dot(acc[r * nv + k], key, q[k]);
  }
}

//===----------------------------------------------------------------------===//
// O^T
//===----------------------------------------------------------------------===//

void DotBf16Products::loadValues(KeyWalk &keys, Value j0, Value count) {
  Value whole = half(count);
  e.loop(e.idx(0), whole, 1, [&](Value pair) {
    Value j = e.mul(pair, e.idx(2));
    interleave(o.valueRow(keys, j0, j), o.valueRow(keys, j0, e.add(j, 1)),
               pair);
  });
  Value last = e.mul(whole, e.idx(2));
  e.when(e.cmp(arith::CmpIPredicate::ult, last, count),
         [&] { interleave(o.valueRow(keys, j0, last), {}, whole); });
}

/// Two rows into row `pair` of valuePairs; without a second one, zeros.
void DotBf16Products::interleave(std::pair<Value, Value> low,
                                 std::pair<Value, Value> high, Value pair) {
  e.cover(o.dv, o.lanes(), [&](Value x, int64_t lanes) {
    Type stored = e.vec(lanes, e.b.getBF16Type()),
         narrow = e.vec(lanes, e.b.getI16Type()), wide = e.vec(lanes, i32);
    auto load = [&](std::pair<Value, Value> row) -> Value {
      Value element = e.load(stored, row.first, {row.second, x});
      return arith::ExtUIOp::create(e.b, e.loc, wide, bits(element, narrow));
    };
    Value sixteen =
        e.splat(arith::ConstantIntOp::create(e.b, e.loc, 16, 32), lanes);
    Value both = load(low);
    if (high.first) {
      Value upper = arith::ShLIOp::create(e.b, e.loc, load(high), sixteen);
      both = arith::OrIOp::create(e.b, e.loc, both, upper);
    }
    e.store(both, valuePairs, {pair, x});
  });
}

/// Pairs take the place of their scores, which every group has read by then:
/// pair j / 2 of a group lies in row j / 2.
void DotBf16Products::storeWeights(Value j, Value group,
                                   ArrayRef<Value> weights) {
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < o.lanes(); ++i)
    order.append({i, o.lanes() + i});
  for (size_t u = 0; u < weights.size(); u += 2) {
    Value halves =
        intrinsic("cvtne2ps2bf16", elements, {weights[u + 1], weights[u]});
    Value mixed = vector::ShuffleOp::create(e.b, e.loc, halves, halves, order);
    e.store(vector::BitCastOp::create(e.b, e.loc, o.vt, mixed), o.p,
            {half(e.add(j, u)), group});
  }
}

Value DotBf16Products::loadWeights(Value j, Value group) {
  Value pair = bits(e.load(o.vt, o.p, {half(j), group}), pairs);
  Value odd = e.b.createOrFold<arith::RemUIOp>(e.loc, j, e.idx(2));
  Value shift =
      e.splat(e.toI32(e.mul(e.sub(e.idx(1), odd), e.idx(16))), o.lanes());
  // The even key's bits move up, the odd key's are there.
  Value weight = arith::ShLIOp::create(e.b, e.loc, pair, shift);
  Value upper = e.splat(
      arith::ConstantIntOp::create(e.b, e.loc, i32, APInt(32, 0xffff0000)),
      o.lanes());
  return bits(arith::AndIOp::create(e.b, e.loc, weight, upper), o.vt);
}

/// By register tiles of value columns.
void DotBf16Products::accumulate(const BlockPanel &panel) {
  int64_t mr = panel.tile.keys;
  int64_t main = o.dv / mr * mr;
  e.loop(e.idx(0), e.idx(main), mr,
         [&](Value x) { accumulateTile(panel, x, mr); });
  if (o.dv != main)
    accumulateTile(panel, e.idx(main), o.dv - main);
}

void DotBf16Products::accumulateTile(const BlockPanel &panel, Value x,
                                     int64_t columns) {
  int64_t nv = panel.tile.vectors;
  Value low = half(panel.low), high = half(e.add(panel.high, 1));
  Value main = e.sub(high, e.b.createOrFold<arith::RemUIOp>(
                               e.loc, e.sub(high, low), e.idx(kUnroll)));
  auto step = [&](Value pair, int64_t unroll, ValueRange in) {
    Values acc(in);
    for (int64_t u = 0; u < unroll; ++u) {
      Value at = e.add(pair, u);
      Values weight;
      for (int64_t k = 0; k < nv; ++k)
        weight.push_back(
            bits(e.load(o.vt, o.p, {at, vector(panel, k)}), pairs));
      for (int64_t i = 0; i < columns; ++i) {
        Value v =
            e.splat(e.load(i32, valuePairs, {at, e.add(x, i)}), o.lanes());
        for (int64_t k = 0; k < nv; ++k)
          acc[i * nv + k] = dot(acc[i * nv + k], v, weight[k]);
      }
    }
    return acc;
  };
  Values acc(columns * nv, e.constant(o.vt, 0.0));
  acc = e.loop(low, main, kUnroll, acc,
               [&](Value j, ValueRange in) { return step(j, kUnroll, in); });
  acc = e.loop(main, high, 1, acc,
               [&](Value j, ValueRange in) { return step(j, 1, in); });
  for (int64_t k = 0; k < nv; ++k) {
    Value alpha = e.load(o.vt, o.alphas, {panel.index, vector(panel, k)});
    for (int64_t i = 0; i < columns; ++i) {
      Value at[] = {panel.index, e.add(x, i), vector(panel, k)};
      Value old = e.load(o.vt, o.ot, at);
      e.store(e.fma(old, alpha, acc[i * nv + k]), o.ot, at);
    }
  }
}

std::unique_ptr<BlockProducts>
attnc::cpu::makeDotBf16Products(BlockOperands operands) {
  return std::make_unique<DotBf16Products>(std::move(operands));
}
