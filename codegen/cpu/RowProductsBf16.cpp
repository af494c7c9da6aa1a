// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of the row micro-kernel by dot products of pairs of bf16
// (AVX512-BF16): a 32-bit lane holds two elements that are multiplied and
// summed into one f32.
//
// Scores contract over d, where pairs lie in memory. Sums of values contract
// over keys: two rows of values are unpacked into pairs of keys on the way, and
// two keys' weights of a query become a pair. Blocks of which something is
// masked, and those that are not full, take the f32 weights by fused
// multiply-adds. The instructions take subnormal inputs for 0.

#include "codegen/cpu/RowProducts.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace attnc::cpu;

namespace {
class DotBf16RowProducts : public RowProducts {
public:
  explicit DotBf16RowProducts(RowOperands operands)
      : RowProducts(std::move(operands), RowFormat::Pairs::Unpacked),
        i32(e.b.getI32Type()),
        elements(VectorType::get({2 * o.lanes()}, e.b.getBF16Type())) {}

  void allocate() override {
    RowProducts::allocate();
    int64_t queries = o.groups * o.group;
    narrow = o.buffer({queries, keys.steps() * keys.width}, e.b.getBF16Type());
    weightPairs = o.buffer({o.groups, o.keyBlock / 2 * o.group}, i32);
  }
  void storeQuery(Value query, Value row) override;
  void storeWeights(Value g, Value v, Value weights) override;
  void accumulate(const RowBlock &block, Value g, bool isKept,
                  Value isFull) override;

private:
  Type i32;
  VectorType elements; // a native vector
  Value narrow;        // queries, [query][element of step]
  Value weightPairs;   // [group][pair of keys * queries + query]

  Value intrinsic(StringRef name, Type result, ValueRange arguments) {
    auto full = e.b.getStringAttr("llvm.x86.avx512bf16." + name + "." +
                                  Twine(32 * o.lanes()));
    return LLVM::CallIntrinsicOp::create(e.b, e.loc, result, full, arguments)
        .getResult(0);
  }
  Value dot(Value acc, Value x, Value y) {
    return intrinsic("dpbf16ps", o.vt, {acc, x, y});
  }
  Value toPairs(Value x, ArrayRef<int64_t> order) {
    return vector::ShuffleOp::create(e.b, e.loc, x, x, order);
  }

  // A scale on the queries would round them once more.
  double scoreScale() const override { return o.scale; }
  Values queryVectors(Value query, const Step &step) override {
    return {e.load(elements, narrow,
                   {query, e.mul(step.number, e.idx(keys.width))})};
  }
  Values keyVectors(std::pair<Value, Value> row, const Step &step) override {
    return {e.load(elements, row.first, {row.second, step.column})};
  }
  Value multiplyAdd(Value query, Value key, Value acc) override {
    return dot(acc, query, key);
  }
  int64_t keyVectorsOfStep() const override { return 1; }
  void accumulatePairs(const RowBlock &block, Value g, const Tile &tile);
};
} // namespace

/// Elements of a bf16 row: rounding them again changes nothing.
void DotBf16RowProducts::storeQuery(Value query, Value row) {
  for (int64_t step = 0; step < keys.steps(); ++step) {
    Values ordered = keys.readOrdered(row, step);
    Value both = intrinsic("cvtne2ps2bf16", elements, {ordered[1], ordered[0]});
    e.store(both, narrow, {query, e.idx(step * keys.width)});
  }
}

void DotBf16RowProducts::storeWeights(Value g, Value v, Value weights) {
  RowProducts::storeWeights(g, v, weights);
  // [key][query] becomes [pair of keys][query][key of the pair].
  SmallVector<int64_t> order;
  for (int64_t key = 0; key < o.slots(); key += 2)
    for (int64_t i = 0; i < o.group; ++i)
      order.append({key * o.group + i, (key + 1) * o.group + i});
  Value pairs = intrinsic("cvtne2ps2bf16", elements, {weights, weights});
  pairs = toPairs(pairs, order);
  auto type = VectorType::get({o.lanes() / 2}, i32);
  pairs = vector::BitCastOp::create(e.b, e.loc, type, pairs);
  e.store(pairs, weightPairs, {g, e.mul(v, e.idx(o.lanes() / 2))});
}

void DotBf16RowProducts::accumulate(const RowBlock &block, Value g, bool isKept,
                                    Value isFull) {
  if (!isKept || !isFull)
    return RowProducts::accumulate(block, g, isKept, isFull);
  e.when(
      isFull,
      [&] {
        eachTile(block, g, [&](Tile tile) { accumulatePairs(block, g, tile); });
      },
      [&] { RowProducts::accumulate(block, g, isKept, isFull); });
}

void DotBf16RowProducts::accumulatePairs(const RowBlock &block, Value g,
                                         const Tile &tile) {
  SmallVector<int64_t> order[2];
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t lane = 0; lane < o.lanes(); ++lane) {
      int64_t element = lane / 4 * 8 + half * 4 + lane % 4;
      order[half].append({element, 2 * o.lanes() + element});
    }
  auto load = [&](std::pair<Value, Value> row, const Step &step) {
    return e.load(elements, row.first, {row.second, step.column});
  };
  Values acc(vectorsOf(tile), e.constant(o.vt, 0.0));
  acc = e.loop(
      e.idx(0), block.count, 2, acc, [&](Value j, ValueRange in) -> Values {
        auto first = o.valueRow(block, j),
             second = o.valueRow(block, e.add(j, 1));
        Values low, high, value, out(in);
        for (auto [index, step] : llvm::enumerate(tile.steps)) {
          for (int64_t i : {0, 1})
            prefetchValue(block, g, tile, e.add(j, i), index);
          low.push_back(load(first, step));
        }
        for (const Step &step : tile.steps)
          high.push_back(load(second, step));
        for (auto [x, y] : llvm::zip(low, high))
          for (ArrayRef<int64_t> half : order)
            value.push_back(vector::ShuffleOp::create(e.b, e.loc, x, y, half));
        Value pair = e.b.createOrFold<arith::DivUIOp>(e.loc, j, e.idx(2));
        Value at = e.add(e.mul(pair, e.idx(o.group)), tile.query);
        for (int64_t i = 0; i < tile.queries; ++i) {
          Value weight = e.load(i32, weightPairs, {g, e.add(at, i)});
          Value wide = vector::BitCastOp::create(e.b, e.loc, elements,
                                                 e.splat(weight, o.lanes()));
          for (auto [k, v] : llvm::enumerate(value)) {
            Value &a = out[i * value.size() + k];
            a = dot(a, wide, v);
          }
        }
        return out;
      });
  foldTile(tile, g, acc);
}

std::unique_ptr<RowProducts>
attnc::cpu::makeDotBf16RowProducts(const RowOperands &operands) {
  int64_t width = 2 * operands.lanes();
  bool fits = operands.keyType.isBF16() && operands.valueType.isBF16() &&
              operands.keySize >= width && operands.valueSize >= width &&
              operands.lanes() <= 16 && operands.hasShuffles() &&
              operands.slots() >= 2;
  if (!fits)
    return nullptr;
  return std::make_unique<DotBf16RowProducts>(operands);
}
