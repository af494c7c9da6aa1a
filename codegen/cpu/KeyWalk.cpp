// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbers and rows of walked keys.

#include "codegen/cpu/KeyWalk.h"

using namespace mlir;
using namespace attnc::cpu;

Value KeyWalk::widen(Value x, Value like) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector && !isa<VectorType>(x.getType())
             ? e.splat(x, vector.getNumElements())
             : x;
}

Value KeyWalk::add(Value x, Value y) { return e.add(widen(x, y), widen(y, x)); }

//===----------------------------------------------------------------------===//
// Lattice
//===----------------------------------------------------------------------===//

KeyInterval LatticeWalk::numbersOf(KeyInterval rows) {
  auto number = [&](Value row) {
    return arith::FloorDivSIOp::create(e.b, e.loc, row, e.idx(stride));
  };
  // ceil(x / s) = floor((x + s - 1) / s)
  return {number(e.add(e.sub(rows.first, base), stride - 1)),
          number(e.sub(rows.last, base))};
}

Value LatticeWalk::rowOf(Value block, Value j) {
  Value number = add(block, j);
  return add(e.mul(number, widen(e.idx(stride), number)), base);
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

/// Walked positions below `position`, counted from position 0.
Value ColumnsWalk::rank(Value position) {
  Value periods =
      arith::FloorDivSIOp::create(e.b, e.loc, position, e.idx(period));
  Value offset = e.sub(position, e.mul(periods, e.idx(period)));
  Value inPeriod = e.max(e.sub(offset, e.idx(period - count)), e.idx(0));
  return e.add(e.mul(periods, e.idx(count)), inPeriod);
}

KeyInterval ColumnsWalk::numbersOf(KeyInterval rows) {
  return {rank(e.add(rows.first, kBegin)),
          e.sub(rank(e.add(e.add(rows.last, kBegin), 1)), e.idx(1))};
}

Value ColumnsWalk::rowOf(Value block, Value j) {
  Value number = add(block, j);
  auto constant = [&](int64_t x) { return widen(e.idx(x), number); };
  Value periods =
      arith::FloorDivSIOp::create(e.b, e.loc, number, constant(count));
  Value offset = e.sub(number, e.mul(periods, constant(count)));
  Value position = e.add(e.mul(periods, constant(period)),
                         e.add(offset, constant(period - count)));
  return e.sub(position, widen(kBegin, number));
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

Value TableWalk::rowOf(Value, Value j) {
  auto vector = dyn_cast<VectorType>(j.getType());
  if (!vector)
    return e.loadIndex(table, j);
  // Numbers in lanes follow each other.
  Value first = vector::ExtractOp::create(e.b, e.loc, j, ArrayRef<int64_t>{0});
  return e.loadIndex(table, first, vector.getNumElements());
}
