// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Blocks in which some query masks a key: which pairs are kept, score regions,
// and values that are not finite, whose product with a masked weight, 0, would
// be NaN.

#include "codegen/gpu/MmaFold.h"
#include "codegen/gpu/Wgmma.h"
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
  TileRow place = tileRow(row);
  Value r = rowAt(place.t);
  Value c = blocks.walked->keys->rowOf(blocks.visited.first, w.toIndex(key));
  PairLanes pair;
  pair.head = e.add(head, place.head);
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
          Value key =
              w.add(firstKey, w.add(w.shiftLeft(w.shiftRight(bit, 2), 3),
                                    w.andBits(bit, 1)));
          FailureOr<Value> kept =
              emitTests(blocks.walked->tests, pairAt(blocks, row, key), false);
          if (failed(kept)) {
            isFailed = true;
            return Values(in);
          }
          Value shifted = e.b.createOrFold<arith::ShLIOp>(
              e.loc,
              arith::ExtUIOp::create(e.b, e.loc, e.b.getI32Type(), *kept), bit);
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
  Value none = w.f32(-INFINITY), existing = existingKeys(blocks, block);
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
        if (existing) {
          Value bit = w.andBits(existing, int64_t(1) << (2 * n + x));
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

/// A lane's bits of the keys that a fragment row keeps, put together with those
/// of the other three lanes: a bit a key of the block, 32 to a word.
Values MmaFold::keptKeys(Scores &scores, int64_t row) {
  Values words(llvm::divideCeil(blockKeys, 32), w.i32(0));
  Value none = w.f32(-INFINITY);
  for (int64_t n = 0; n < keyTiles; ++n)
    for (int64_t x = 0; x < 2; ++x) {
      Value s = score(scores, row / 2, n)[row % 2 * 2 + x];
      Value kept =
          arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNE, s, none);
      Value bit =
          e.select(kept, w.i32(int64_t(1) << (8 * n + x) % 32), w.i32(0));
      Value &word = words[8 * n / 32];
      word = w.orBits(word, bit);
    }
  for (Value &word : words) {
    word = e.b.createOrFold<arith::ShLIOp>(e.loc, word, at.column);
    for (int64_t distance : {1, 2})
      word = w.orBits(word, w.shuffleXor(word, distance));
  }
  return words;
}

/// Adds the non-finite values of a key to the sums of the rows that keep it.
void MmaFold::addNonFinite(Value key, Value tile, ArrayRef<Values> kept) {
  Value word = w.shiftRight(key, 5), bit = w.andBits(key, 31);
  Values keeps;
  for (const Values &words : kept) {
    Value mine = words[0];
    if (words.size() > 1)
      mine = e.select(e.cmp(CmpIPredicate::eq, word, w.i32(0)), mine, words[1]);
    mine = e.b.createOrFold<arith::ShRUIOp>(e.loc, mine, bit);
    keeps.push_back(e.cmp(CmpIPredicate::ne, w.andBits(mine, 1), w.i32(0)));
  }
  for (int64_t n = 0; n < valueTiles; ++n) {
    Value address = w.add(w.add(tile, valueTile.chunkAt(w, key, w.i32(n))),
                          w.mul(at.column, 2));
    Value pair = w.loadShared(e.b.getI32Type(), address, 0, 4);
    Value wrong = nonFiniteBits(w, pair);
    Value values = LLVM::BitcastOp::create(e.b, e.loc,
                                           VectorType::get({2}, element), pair);
    for (int64_t x = 0; x < 2; ++x) {
      Value isWrong = e.cmp(CmpIPredicate::ne,
                            w.andBits(wrong, 0x8000LL << (16 * x)), w.i32(0));
      Value value = e.convert(vector::ExtractOp::create(e.b, e.loc, values, x),
                              e.b.getF32Type());
      value = e.select(isWrong, value, w.f32(0));
      for (int64_t row = 0; row < numRows(); ++row) {
        Value &sum = out(state, row / 2, n)[row % 2 * 2 + x];
        sum = e.addf(sum, e.select(keeps[row], value, w.f32(0)));
      }
    }
  }
}

/// Clears what is not finite in the thread's part of a tile of values.
void MmaFold::clearNonFinite(Value tile) {
  constexpr int64_t kWords = SharedTile::kChunk / 4;
  auto type = VectorType::get({kWords}, e.b.getI32Type());
  e.loop(w.toIndex(at.thread), e.idx(valueTile.bytes() / SharedTile::kChunk),
         threads, [&](Value chunk) {
           Value address =
               w.add(tile, w.mul(w.toI32(chunk), SharedTile::kChunk));
           Value words = w.loadShared(type, address, 0, SharedTile::kChunk);
           for (int64_t i = 0; i < kWords; ++i) {
             Value word = vector::ExtractOp::create(e.b, e.loc, words, i);
             Value flags = w.shiftRight(nonFiniteBits(w, word), 15);
             Value keep = w.xorBits(w.mul(flags, 0xffff), -1);
             words = vector::InsertOp::create(e.b, e.loc, w.andBits(word, keep),
                                              words, i);
           }
           w.storeShared(words, address, 0);
         });
}

/// Where `found` (the same for all threads) says that values of the block are
/// not finite: adds those to the sums of what keeps them, and clears them.
void MmaFold::guardValues(Value found, Scores &scores, Value valueSlot) {
  Values inits = state.flatten();
  auto branch = scf::IfOp::create(e.b, e.loc, ValueRange(inits).getTypes(),
                                  found, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(e.b, e.loc, inits);
  e.b.setInsertionPointToStart(branch.thenBlock());
  SmallVector<Values> kept;
  for (int64_t row = 0; row < numRows(); ++row)
    kept.push_back(keptKeys(scores, row));
  Value tile = w.add(valueAt, valueSlot);
  Values sums = e.loop(e.idx(0), e.idx(blockKeys), 1, inits,
                       [&](Value key, ValueRange in) {
                         state.restore(in);
                         addNonFinite(w.toI32(key), tile, kept);
                         return state.flatten();
                       });
  state.restore(sums);
  w.barrier();
  clearNonFinite(tile);
  if (isWgmma)
    Wgmma(w).fenceShared();
  w.barrier();
  scf::YieldOp::create(e.b, e.loc, state.flatten());
  state.restore(branch.getResults());
}
