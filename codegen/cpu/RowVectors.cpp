// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Formats of rows; sums across lanes by shuffles that stay cheap: within 128
// bits first, whole 128-bit parts last.

#include "codegen/cpu/RowVectors.h"

using namespace mlir;
using namespace attnc::cpu;

//===----------------------------------------------------------------------===//
// RowFormat
//===----------------------------------------------------------------------===//

RowFormat::RowFormat(Emitter &e, VectorType vt, Type stored, int64_t size,
                     Pairs pairs)
    : size(size), width(vt.getNumElements()), perStep(1), e(e), vt(vt),
      stored(stored), pairs(pairs) {
  bool isPair = stored.isBF16() && vt.getElementType().isF32();
  if (isPair && size >= 2 * width) {
    width *= 2;
    perStep = 2;
  }
}

bool RowFormat::fits(VectorType vt, Type stored, int64_t size) {
  return isa<FloatType>(stored) && size >= vt.getNumElements();
}

/// Element number of each lane of the two vectors.
SmallVector<int64_t> RowFormat::pairOrder() const {
  SmallVector<int64_t> order;
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t lane = 0; lane < lanes(); ++lane)
      order.push_back(pairs == Pairs::EvenOdd
                          ? 2 * lane + half
                          : lane / 4 * 8 + half * 4 + lane % 4);
  return order;
}

/// Lanes `order` of the vectors side by side.
Values RowFormat::shuffled(ValueRange vectors, ArrayRef<int64_t> order) {
  Values result;
  for (int64_t half = 0; half < 2; ++half)
    result.push_back(
        vector::ShuffleOp::create(e.b, e.loc, vectors[0], vectors[1],
                                  order.slice(half * lanes(), lanes())));
  return result;
}

Values RowFormat::fromOrder(ValueRange ordered) {
  return perStep == 1 ? Values(ordered) : shuffled(ordered, pairOrder());
}

Values RowFormat::toOrder(ValueRange vectors) {
  if (perStep == 1)
    return Values(vectors);
  SmallVector<int64_t> inverse(2 * lanes());
  for (auto [lane, element] : llvm::enumerate(pairOrder()))
    inverse[element] = lane;
  return shuffled(vectors, inverse);
}

Values RowFormat::readOrdered(Value row, int64_t step) {
  int64_t column = std::min(step * width, size - width);
  int64_t known = step * width - column; // elements of the step before
  Values result;
  for (int64_t v = 0; v < perStep; ++v) {
    Value x = e.load(vt, row, e.idx(column + v * lanes()));
    SmallVector<Attribute> keep;
    for (int64_t lane = 0; lane < lanes(); ++lane)
      keep.push_back(e.b.getBoolAttr(v * lanes() + lane >= known));
    if (known > v * lanes()) {
      auto type = VectorType::get({lanes()}, e.b.getI1Type());
      Value mask = arith::ConstantOp::create(
          e.b, e.loc, DenseElementsAttr::get(type, keep));
      x = e.select(mask, x, e.constant(vt, 0.0));
    }
    result.push_back(x);
  }
  return result;
}

Values RowFormat::read(Value memref, Value r, Value column) {
  if (perStep == 1) {
    Value x = e.load(VectorType::get({lanes()}, stored), memref, {r, column});
    return {e.convert(x, vt.getElementType())};
  }
  auto pair = VectorType::get({2 * lanes()}, stored);
  auto bits = VectorType::get({lanes()}, e.b.getI32Type());
  Value x = e.load(pair, memref, {r, column});
  auto toFloat = [&](Value y) -> Value {
    return arith::BitcastOp::create(e.b, e.loc, vt, y);
  };
  if (pairs == Pairs::EvenOdd) {
    // bf16 is the upper half of f32.
    Value y = vector::BitCastOp::create(e.b, e.loc, bits, x);
    Value sixteen =
        e.splat(arith::ConstantIntOp::create(e.b, e.loc, 16, 32), lanes());
    Value upper = e.splat(
        arith::ConstantIntOp::create(e.b, e.loc, -0x10000, 32), lanes());
    return {toFloat(arith::ShLIOp::create(e.b, e.loc, y, sixteen)),
            toFloat(arith::AndIOp::create(e.b, e.loc, y, upper))};
  }
  Value zero = e.constant(pair, 0.0);
  Values result;
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<int64_t> order;
    for (int64_t lane = 0; lane < lanes(); ++lane)
      order.append({lane, 2 * lanes() + lane / 4 * 8 + half * 4 + lane % 4});
    Value y = vector::ShuffleOp::create(e.b, e.loc, zero, x, order);
    result.push_back(vector::BitCastOp::create(e.b, e.loc, vt, y));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// LaneSums
//===----------------------------------------------------------------------===//

int64_t LaneSums::groupOf(VectorType vt, int64_t wanted) {
  int64_t most = elementsOf128(vt);
  if (vt.getNumElements() < most)
    return 1;
  int64_t group = 1;
  while (group < wanted && group < most)
    group *= 2;
  return group;
}

Value LaneSums::addShuffles(Value x, Value y, ArrayRef<int64_t> first,
                            ArrayRef<int64_t> second) {
  return e.addf(vector::ShuffleOp::create(e.b, e.loc, x, y, first),
                vector::ShuffleOp::create(e.b, e.loc, x, y, second));
}

/// Within each 128 bits, units of `unit` elements x0 x1 .. and y0 y1 ..
/// become x0 + xh, y0 + yh, x1 + x(h + 1), ... for h half the units.
Value LaneSums::unpackAdd(Value x, Value y, int64_t unit) {
  int64_t part = elementsOf128(vt), half = part / 2;
  SmallVector<int64_t> low, high;
  for (int64_t begin = 0; begin < lanes(); begin += part)
    for (int64_t at = 0; at < half; at += unit)
      for (int64_t from : {int64_t(0), lanes()})
        for (int64_t i = 0; i < unit; ++i) {
          low.push_back(from + begin + at + i);
          high.push_back(from + begin + half + at + i);
        }
  return addShuffles(x, y, low, high);
}

/// Adds neighbouring parts of 128 bits, x's before y's.
Value LaneSums::foldAdd(Value x, Value y) {
  int64_t part = elementsOf128(vt);
  SmallVector<int64_t> even, odd;
  for (int64_t from : {int64_t(0), lanes()})
    for (int64_t begin = 0; begin < lanes(); begin += 2 * part)
      for (int64_t i = 0; i < part; ++i) {
        even.push_back(from + begin + i);
        odd.push_back(from + begin + part + i);
      }
  return addShuffles(x, y, even, odd);
}

Value LaneSums::ofRow(ValueRange queries) {
  Values level(queries);
  for (int64_t unit = 1; level.size() > 1; unit *= 2) {
    Values next;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(unpackAdd(level[i], level[i + 1], unit));
    level = next;
  }
  return level.front();
}

Value LaneSums::ofRows(ValueRange rows) {
  Values level(rows);
  int64_t unit = group, part = elementsOf128(vt);
  while (level.size() > 1) {
    Values next;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(unit < part ? unpackAdd(level[i], level[i + 1], unit)
                                 : foldAdd(level[i], level[i + 1]));
    level = next;
    unit *= 2;
  }
  return level.front();
}
