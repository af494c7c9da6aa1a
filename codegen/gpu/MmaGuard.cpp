// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Blocks in which some query masks a key: which pairs are kept, score regions,
// and values that are not finite, whose product with a masked weight, 0, would
// be NaN.

#include "codegen/gpu/MmaFold.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;
using mlir::arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

/// The pair of a row of the tile and a key, numbered from the first visited
/// one (both i32).
FoldLowering::PairLanes MmaFold::pairAt(Blocks &blocks, Value row, Value key) {
  Value r = rowAt(w.toIndex(row));
  Value c = blocks.walked->keys->rowOf(blocks.visited.first, w.toIndex(key));
  PairLanes pair;
  pair.head = head;
  pair.i = e.add(symbols[attn::QBegin], r);
  pair.j = e.add(symbols[attn::KBegin], c);
  pair.r = r;
  pair.c = c;
  return pair;
}

/// A word a row tile: bit 4 n + 2 half + x of a pair says whether it passes the
/// component's tests. Computed in a loop, since tests may be long.
FailureOr<Values> MmaFold::testBits(Blocks &blocks, Value block) {
  Values words;
  if (blocks.walked->tests.empty())
    return words;
  bool isFailed = false;
  Value firstKey = w.add(w.mul(block, blockKeys), at.column);
  for (int64_t m = 0; m < rowTiles; ++m) {
    Values word = e.loop(
        e.idx(0), e.idx(4 * keyTiles), 1, w.i32(0),
        [&](Value number, ValueRange in) -> Values {
          Value bit = w.toI32(number);
          Value half = w.andBits(w.shiftRight(bit, 1), 1);
          Value row = w.add(rowOf(m, 0), w.shiftLeft(half, 3));
          Value key = w.add(firstKey,
                            w.add(w.shiftLeft(w.shiftRight(bit, 2), 3),
                                  w.andBits(bit, 1)));
          FailureOr<Value> kept = emitTests(
              blocks.walked->tests, pairAt(blocks, row, key), false);
          if (failed(kept)) {
            isFailed = true;
            return Values(in);
          }
          Value shifted = e.b.createOrFold<arith::ShLIOp>(
              e.loc, arith::ExtUIOp::create(e.b, e.loc, e.b.getI32Type(), *kept),
              bit);
          return {w.orBits(in[0], shifted)};
        });
    words.push_back(word[0]);
  }
  if (isFailed)
    return failure();
  return words;
}

void MmaFold::mask(Blocks &blocks, Value block, ValueRange bits,
                   Scores &scores) {
  Value first = w.add(w.mul(block, blockKeys), at.column);
  Value none = w.f32(-INFINITY);
  for (int64_t row = 0; row < numRows(); ++row) {
    Value low = w.sub(blocks.low[row], first),
          high = w.sub(blocks.high[row], first);
    for (int64_t n = 0; n < keyTiles; ++n)
      for (int64_t x = 0; x < 2; ++x) {
        Value key = w.i32(8 * n + x);
        Value kept = e.both(w.atMost(low, key), w.atMost(key, high));
        if (!bits.empty()) {
          Value bit = w.andBits(bits[row / 2],
                                int64_t(1) << (4 * n + 2 * (row % 2) + x));
          kept = e.both(kept, e.cmp(CmpIPredicate::ne, bit, w.i32(0)));
        }
        Value &s = score(scores, row / 2, n)[row % 2 * 2 + x];
        s = e.select(kept, s, none);
      }
  }
}

LogicalResult MmaFold::scoreRegion(Blocks &blocks, Value block,
                                   Scores &scores) {
  double scale = op.getScale().convertToDouble();
  if (op.getScore().empty() && scale > 0)
    return success(); // the factor has it
  Value first = w.add(w.mul(block, blockKeys), at.column);
  for (int64_t m = 0; m < rowTiles; ++m)
    for (int64_t n = 0; n < keyTiles; ++n)
      for (int64_t x = 0; x < 4; ++x) {
        Value &s = score(scores, m, n)[x];
        s = e.mulf(s, w.f32(scale));
        if (op.getScore().empty())
          continue;
        PairLanes pair =
            pairAt(blocks, rowOf(m, x / 2), w.add(first, 8 * n + x % 2));
        pair.score = s;
        FailureOr<Value> value = emitScoreRegion(pair);
        if (failed(value))
          return failure();
        s = *value;
      }
  return success();
}

//===----------------------------------------------------------------------===//
// Values that are not finite
//===----------------------------------------------------------------------===//

/// Bit 15 of each half that is infinite or NaN.
static Value nonFiniteBits(Warp &w, Value pair) {
  bool isBf16 = w.element.isBF16();
  // All exponent bits set carry one more into the sign's place.
  Value exponent = w.andBits(pair, isBf16 ? 0x7f807f80 : 0x7c007c00);
  Value carried = w.add(exponent, isBf16 ? 0x00800080 : 0x04000400);
  return w.andBits(carried, 0x80008000);
}

/// Whether the block's values hold one; the same for all threads.
Value MmaFold::hasNonFinite(Value valueSlot) {
  constexpr int64_t kWords = SharedTile::kChunk / 4;
  auto type = VectorType::get({kWords}, e.b.getI32Type());
  Value tile = w.add(valueAt, valueSlot);
  Value found = e.loop(
      w.toIndex(at.thread), e.idx(valueTile.bytes() / SharedTile::kChunk),
      threads, w.i32(0), [&](Value chunk, ValueRange in) -> Values {
        Value words = w.loadShared(
            type, w.add(tile, w.mul(w.toI32(chunk), SharedTile::kChunk)), 0,
            SharedTile::kChunk);
        Value bits = in[0];
        for (int64_t i = 0; i < kWords; ++i)
          bits = w.orBits(bits, nonFiniteBits(w, vector::ExtractOp::create(
                                                     e.b, e.loc, words, i)));
        return {bits};
      })[0];
  return w.barrierOr(e.cmp(CmpIPredicate::ne, found, w.i32(0)));
}

// Counts of infinities and NaN are digits of one number in base 128.
static constexpr int64_t kBase = 128;

/// A register of values as products take it, split: what is finite, 0
/// elsewhere; and digits that say what is not.
std::pair<Value, Value> MmaFold::splitNonFinite(Value pair) {
  bool isBf16 = element.isBF16();
  Type i32 = e.b.getI32Type();
  auto asBits = [&](Value x) -> Value {
    return isBf16 ? x : LLVM::BitcastOp::create(e.b, e.loc, i32, x);
  };
  auto asOperand = [&](Value x) -> Value {
    return isBf16 ? x
                  : LLVM::BitcastOp::create(e.b, e.loc,
                                            VectorType::get({2}, element), x);
  };
  Value bits = asBits(pair), wrong = nonFiniteBits(w, bits);
  auto ones = [&](Value flags) { return w.shiftRight(flags, 15); };
  Value keep = w.xorBits(w.mul(ones(wrong), 0xffff), -1);
  Value finite = w.andBits(bits, keep);
  Value mantissa = w.andBits(bits, isBf16 ? 0x007f007f : 0x03ff03ff);
  Value isNaN = w.andBits(w.add(mantissa, 0x7fff7fff), wrong);
  Value isInfinite = w.andBits(wrong, w.xorBits(isNaN, -1));
  Value negative = w.andBits(isInfinite, bits);
  Value positive = w.andBits(isInfinite, w.xorBits(bits, -1));
  // 1, kBase and kBase^2 in the operands' type.
  Value digits = w.mul(ones(positive), isBf16 ? 0x3f80 : 0x3c00);
  digits = w.orBits(digits, w.mul(ones(negative), isBf16 ? 0x4300 : 0x5800));
  digits = w.orBits(digits, w.mul(ones(isNaN), isBf16 ? 0x4680 : 0x7400));
  return {asOperand(finite), asOperand(digits)};
}

/// `sum` and the values that `counts` counts.
Quad MmaFold::addNonFinite(const Quad &sum, const Quad &counts) {
  Quad result = sum;
  for (int64_t x = 0; x < 4; ++x) {
    Value number =
        arith::FPToSIOp::create(e.b, e.loc, e.b.getI32Type(), counts[x]);
    auto addWhere = [&](int64_t digit, double value) {
      Value some = e.cmp(CmpIPredicate::ne,
                         w.andBits(number, digit * (kBase - 1)), w.i32(0));
      result[x] = e.addf(result[x], e.select(some, w.f32(value), w.f32(0)));
    };
    addWhere(1, INFINITY);
    addWhere(kBase, -INFINITY);
    addWhere(kBase * kBase, NAN);
  }
  return result;
}

/// Products with finite values, and of what weighs anything the rest.
void MmaFold::foldValuesGuarded(Scores &scores, Value valueSlot) {
  Weights weights;
  weights.packed.resize(rowTiles * keyTiles);
  weights.kept.resize(rowTiles * keyTiles);
  interleave(weightUnits(scores, weights, 0, keyTiles, true), {});
  Value address = w.add(valueBase, valueSlot), zero = w.f32(0);
  for (int64_t n = 0; n < valueTiles / 2; ++n) {
    std::vector<Quad> counts(2 * rowTiles, {zero, zero, zero, zero});
    Value base = valueTile.makeBase(w, address, valueTile.baseOf(n));
    for (int64_t step = 0; step < keyTiles / 2; ++step) {
      Quad values =
          w.loadMatrices(base, valueTile.offsetOf(n, 16 * step), true);
      std::pair<Value, Value> split[4];
      for (int64_t i = 0; i < 4; ++i)
        split[i] = splitNonFinite(values[i]);
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t m = 0; m < rowTiles; ++m) {
          Quad &sum = out(state, m, 2 * n + half);
          sum = w.multiply(weightFragment(weights, false, m, step),
                           split[2 * half].first, split[2 * half + 1].first,
                           sum);
          Quad &count = counts[2 * m + half];
          count = w.multiply(weightFragment(weights, true, m, step),
                             split[2 * half].second,
                             split[2 * half + 1].second, count);
        }
    }
    for (int64_t m = 0; m < rowTiles; ++m)
      for (int64_t half = 0; half < 2; ++half) {
        Quad &sum = out(state, m, 2 * n + half);
        sum = addNonFinite(sum, counts[2 * m + half]);
      }
  }
}
