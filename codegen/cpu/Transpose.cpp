// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Squares of four lanes are transposed inside of vectors, and change places
// among vectors, in one small loop each: unrolled, the shuffles of a square of
// 16 lanes would cost the code generator more time than a register tile does.

#include "codegen/cpu/Transpose.h"

using namespace mlir;
using namespace attnc::cpu;

/// Rounds that each swap the off-diagonal squares of side s of every 2s x 2s
/// square, s = first, 2 first, ... The vectors stand for rows `first` apart.
static Values swapSquares(Emitter &e, Values v, int64_t lanes, int64_t first) {
  for (int64_t step = 1, count = v.size(); step < count; step *= 2) {
    int64_t s = first * step;
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes; ++i) {
      bool upper = i & s;
      low.push_back(upper ? lanes + i - s : i);
      high.push_back(upper ? lanes + i : i + s);
    }
    Values next(v);
    for (int64_t i = 0; i < count; ++i) {
      if (i & step)
        continue;
      next[i] = vector::ShuffleOp::create(e.b, e.loc, v[i], v[i + step], low);
      next[i + step] =
          vector::ShuffleOp::create(e.b, e.loc, v[i], v[i + step], high);
    }
    v = next;
  }
  return v;
}

Values attnc::cpu::transposeVectors(Emitter &e, Values vectors) {
  auto type = cast<VectorType>(vectors.front().getType());
  return swapSquares(e, vectors, type.getNumElements(), 1);
}

void attnc::cpu::transposeSquare(
    Emitter &e, const Square &square,
    function_ref<void(Value, ArrayRef<Value>)> store,
    function_ref<Value(Value)> load) {
  int64_t lanes = square.type.getNumElements(),
          inner = std::min<int64_t>(lanes, 4);
  auto place = [&](Value row) -> SmallVector<Value, 2> {
    return {e.add(square.row, row), square.column};
  };
  auto loadRow = [&](Value row) {
    return e.load(square.type, square.memref, place(row));
  };
  // Rows i, i + inner, ...: vector k has then what stands in columns inner k
  // ...
  e.loop(e.idx(0), e.idx(inner), 1, [&](Value i) {
    Values rows;
    for (int64_t k = 0; k < lanes; k += inner)
      rows.push_back(load ? load(e.add(i, k)) : loadRow(e.add(i, k)));
    rows = swapSquares(e, rows, lanes, inner);
    for (auto [k, row] : llvm::enumerate(rows))
      e.store(row, square.memref, place(e.add(i, k * inner)));
  });
  e.loop(e.idx(0), e.idx(lanes), inner, [&](Value t) {
    Values rows;
    for (int64_t i = 0; i < inner; ++i)
      rows.push_back(loadRow(e.add(t, i)));
    store(t, swapSquares(e, rows, lanes, 1));
  });
}
