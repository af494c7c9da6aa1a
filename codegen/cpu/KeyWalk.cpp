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
// Tables
//===----------------------------------------------------------------------===//

static Value loadRow(Emitter &e, Value table, Value j) {
  auto vector = dyn_cast<VectorType>(j.getType());
  if (!vector)
    return e.loadIndex(table, j);
  // Numbers in lanes follow each other.
  Value first = vector::ExtractOp::create(e.b, e.loc, j, ArrayRef<int64_t>{0});
  return e.loadIndex(table, first, vector.getNumElements());
}

Value TableWalk::rowOf(Value, Value j) { return loadRow(e, table, j); }

//===----------------------------------------------------------------------===//
// Strips
//===----------------------------------------------------------------------===//

/// Walked positions below `position`, counted from position 0.
Value StripWalk::rank(Value position) {
  Value rows =
      arith::FloorDivSIOp::create(e.b, e.loc, position, e.idx(strip.extent));
  Value column = e.sub(position, e.mul(rows, e.idx(strip.extent)));
  Value inRow = e.min(e.max(e.sub(column, strip.low), e.idx(0)), strip.width);
  return e.add(e.mul(rows, strip.width), inRow);
}

KeyInterval StripWalk::numbersOf(KeyInterval rows) {
  return {rank(e.add(rows.first, strip.kBegin)),
          e.sub(rank(e.add(e.add(rows.last, strip.kBegin), 1)), e.idx(1))};
}

void StripWalk::prepare(Value block, Value count) {
  Value rows = arith::FloorDivSIOp::create(e.b, e.loc, block, strip.width);
  Value column = e.sub(block, e.mul(rows, strip.width));
  Value row = e.add(e.mul(rows, e.idx(strip.extent)),
                    e.sub(e.add(strip.low, column), strip.kBegin));
  Value skip = e.add(e.sub(e.idx(strip.extent), strip.width), 1);
  e.loop(e.idx(0), e.add(count, extra), 1, {row, column},
         [&](Value t, ValueRange at) -> Values {
           e.storeIndex(at[0], table, t);
           Value next = e.add(at[1], 1);
           Value ends = e.cmp(arith::CmpIPredicate::eq, next, strip.width);
           return {e.add(at[0], e.select(ends, skip, e.idx(1))),
                   e.select(ends, e.idx(0), next)};
         });
}

Value StripWalk::rowOf(Value, Value j) { return loadRow(e, table, j); }
