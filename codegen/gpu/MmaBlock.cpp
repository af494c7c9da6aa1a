// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One block of keys: scores, weights, and their products with values.

#include "codegen/gpu/MmaFold.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;

/// Emits two lists of units in proportion.
void MmaFold::interleave(const Units &first, const Units &second) {
  size_t i = 0, j = 0;
  while (i < first.size() || j < second.size()) {
    bool takesFirst =
        j == second.size() ||
        (i < first.size() && i * second.size() <= j * first.size());
    takesFirst ? first[i++]() : second[j++]();
  }
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Quad MmaFold::queryFragment(int64_t step, int64_t m) {
  Value base = queryTile.makeBase(w, queryBase, queryTile.baseOf(step));
  return w.loadMatrices(base, queryTile.offsetOf(step, 16 * m), false);
}

/// Q K^T of the warp's rows: columns outside, pairs of key tiles inside.
MmaFold::Scores MmaFold::multiplyKeys(Value keySlot) {
  if (isWgmma)
    return multiplyKeysByGroup(keySlot);
  Value zero = w.f32(0);
  Scores scores(rowTiles * keyTiles, {zero, zero, zero, zero});
  int64_t pairs = keyTiles / 2, count = stepsD * pairs;
  Value address = w.add(keyBase, keySlot);
  SmallVector<Value> bases(keyTile.numBases());
  std::vector<Quad> keys(count);
  std::vector<std::vector<Quad>> rows(queries);
  rows.resize(stepsD);
  auto load = [&](int64_t i) {
    int64_t step = i / pairs, pair = i % pairs;
    for (int64_t m = rows[step].size(); m < rowTiles; ++m)
      rows[step].push_back(queryFragment(step, m));
    Value &base = bases[keyTile.baseOf(step)];
    if (!base)
      base = keyTile.makeBase(w, address, keyTile.baseOf(step));
    keys[i] = w.loadMatrices(base, keyTile.offsetOf(step, 16 * pair), false);
  };
  int64_t ahead = std::min(mma.getLookahead(), count), loaded = 0;
  for (int64_t i = 0; i < count; ++i) {
    while (loaded < std::min(count, i + ahead + 1))
      load(loaded++);
    int64_t step = i / pairs, pair = i % pairs;
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t m = 0; m < rowTiles; ++m) {
        Quad &sum = score(scores, m, 2 * pair + half);
        sum = w.multiply(rows[step][m], keys[i][2 * half],
                         keys[i][2 * half + 1], sum);
      }
  }
  return scores;
}

//===----------------------------------------------------------------------===//
// References
//===----------------------------------------------------------------------===//

/// The largest of a row's scores in this thread, as a tree.
static Value maximumOf(Warp &w, Values values) {
  while (values.size() > 1) {
    Values next;
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      next.push_back(w.larger(values[i], values[i + 1]));
    if (values.size() % 2)
      next.push_back(values.back());
    values = next;
  }
  return values.front();
}

Values MmaFold::rowMaxima(Scores &scores) {
  Values maxima;
  for (int64_t row = 0; row < numRows(); ++row) {
    Values values;
    for (int64_t n = 0; n < keyTiles; ++n)
      for (int64_t x = 0; x < 2; ++x)
        values.push_back(score(scores, row / 2, n)[row % 2 * 2 + x]);
    maxima.push_back(maximumOf(w, values));
  }
  return maxima;
}

MmaFold::Maxima MmaFold::maximaOf(Scores &scores) {
  Maxima maxima;
  maxima.rows = rowMaxima(scores);
  Value raises;
  for (int64_t row = 0; row < numRows(); ++row) {
    Value exceeds = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT,
                                          maxima.rows[row], state.limits[row]);
    raises =
        raises ? arith::OrIOp::create(e.b, e.loc, raises, exceeds) : exceeds;
  }
  maxima.exceeds = w.any(raises);
  return maxima;
}

void MmaFold::raiseReferences(const Maxima &maxima) {
  Values inits = state.flatten();
  auto branch = scf::IfOp::create(e.b, e.loc, ValueRange(inits).getTypes(),
                                  maxima.exceeds, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(e.b, e.loc, inits);
  e.b.setInsertionPointToStart(branch.thenBlock());
  rescale(maxima.rows);
  scf::YieldOp::create(e.b, e.loc, state.flatten());
  state.restore(branch.getResults());
}

/// A row whose maximum (of this thread's part) exceeds its limit takes it as
/// its reference, and its sum follows. Returns what outputs are to be scaled
/// by.
Value MmaFold::raiseReference(int64_t row, Value maximum) {
  using arith::CmpFPredicate;
  Value zero = w.f32(0), one = w.f32(1), none = w.f32(-INFINITY);
  for (int64_t distance : {1, 2})
    maximum = w.larger(maximum, w.shuffleXor(maximum, distance));
  Value &limit = state.limits[row], &shift = state.shifts[row];
  Value exceeds =
      arith::CmpFOp::create(e.b, e.loc, CmpFPredicate::OGT, maximum, limit);
  Value isFirst =
      arith::CmpFOp::create(e.b, e.loc, CmpFPredicate::OEQ, limit, none);
  Value newShift = e.mulf(maximum, w.f32(-factor));
  Value ratio = w.exp2(e.subf(newShift, shift));
  ratio = e.select(isFirst, zero, ratio);
  ratio = e.select(exceeds, ratio, one);
  shift = e.select(exceeds, newShift, shift);
  Value newLimit = e.addf(maximum, w.f32(double(mma.getLazy()) / factor));
  limit = e.select(exceeds, newLimit, limit);
  state.sums[row] = e.mulf(state.sums[row], ratio);
  return ratio;
}

/// Raises references; outputs follow.
void MmaFold::rescale(ValueRange threadMaxima) {
  Values ratios;
  for (int64_t row = 0; row < numRows(); ++row)
    ratios.push_back(raiseReference(row, threadMaxima[row]));
  scaleOutputs(ratios);
}

void MmaFold::scaleOutputs(ArrayRef<Value> ratios) {
  for (int64_t row = 0; row < numRows(); ++row)
    for (int64_t n = 0; n < valueTiles; ++n)
      for (int64_t x = 0; x < 2; ++x) {
        Value &value = out(state, row / 2, n)[row % 2 * 2 + x];
        value = e.mulf(value, ratios[row]);
      }
}

//===----------------------------------------------------------------------===//
// Weights and values
//===----------------------------------------------------------------------===//

MmaFold::Units MmaFold::weightUnits(Scores &scores, Weights &weights,
                                    int64_t firstTile, int64_t lastTile) {
  Units units;
  for (int64_t n = firstTile; n < std::min(lastTile, keyTiles); ++n)
    for (int64_t m = 0; m < rowTiles; ++m) {
      for (int64_t x = 0; x < 4; ++x)
        units.push_back([=, &scores] {
          Value &s = score(scores, m, n)[x];
          s = w.exp2(e.fma(s, w.f32(factor), state.shifts[2 * m + x / 2]));
        });
      units.push_back([=, &scores] {
        for (int64_t x = 0; x < 4; ++x) {
          Value &sum = state.sums[2 * m + x / 2];
          sum = e.addf(sum, score(scores, m, n)[x]);
        }
      });
      units.push_back([=, &scores, &weights] {
        const Quad &p = score(scores, m, n);
        weights[m * keyTiles + n] = {w.pack(p[0], p[1]), w.pack(p[2], p[3])};
      });
    }
  return units;
}

Quad MmaFold::weightFragment(const Weights &weights, int64_t m, int64_t step) {
  const auto &left = weights[m * keyTiles + 2 * step],
             &right = weights[m * keyTiles + 2 * step + 1];
  return {left[0], left[1], right[0], right[1]};
}

/// The products of 16 keys' weights with their values.
MmaFold::Units MmaFold::productUnits(Weights &weights, Value address,
                                     int64_t step) {
  struct Loads {
    std::vector<Quad> values;
    SmallVector<Value> bases;
    int64_t loaded = 0;
  };
  int64_t pairs = valueTiles / 2;
  auto loads = std::make_shared<Loads>();
  loads->values.resize(pairs);
  loads->bases.resize(valueTile.numBases());
  auto loadUpTo = [=](int64_t end) {
    for (; loads->loaded < std::min(end, pairs); ++loads->loaded) {
      int64_t n = loads->loaded, number = valueTile.baseOf(n);
      Value &base = loads->bases[number];
      if (!base)
        base = valueTile.makeBase(w, address, number);
      loads->values[n] =
          w.loadMatrices(base, valueTile.offsetOf(n, 16 * step), true);
    }
  };
  Units units;
  for (int64_t n = 0; n < pairs; ++n)
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t m = 0; m < rowTiles; ++m)
        units.push_back([=, &weights] {
          loadUpTo(n + mma.getLookahead() + 1);
          const Quad &values = loads->values[n];
          Quad &sum = out(state, m, 2 * n + half);
          sum = w.multiply(weightFragment(weights, m, step), values[2 * half],
                           values[2 * half + 1], sum);
        });
  return units;
}

/// Weights of the next 16 keys are computed beside the products of these.
void MmaFold::foldValues(Scores &scores, Value valueSlot) {
  if (isWgmma)
    return foldValuesByGroup(scores, valueSlot);
  Weights weights(rowTiles * keyTiles);
  Value address = w.add(valueBase, valueSlot);
  interleave(weightUnits(scores, weights, 0, 2), {});
  int64_t emitted = 0, fence = mma.getFence();
  for (int64_t step = 0; step < keyTiles / 2; ++step) {
    Units products = productUnits(weights, address, step);
    Units next = weightUnits(scores, weights, 2 * step + 2, 2 * step + 4);
    if (fence && !next.empty())
      for (auto &unit : products) {
        auto inner = unit;
        unit = [&, inner] {
          inner();
          if (++emitted % fence == 0)
            w.fence();
        };
      }
    interleave(products, next);
  }
}
