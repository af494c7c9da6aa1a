// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// log2(lanes) rounds, each swapping the off-diagonal squares of side s of every
// 2s x 2s square.

#include "codegen/cpu/Transpose.h"

using namespace mlir;
using namespace attnc::cpu;

Values attnc::cpu::transposeSquare(Emitter &e, Values v) {
  int64_t lanes = v.size();
  for (int64_t s = 1; s < lanes; s *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes; ++i) {
      bool upper = i & s;
      low.push_back(upper ? lanes + i - s : i);
      high.push_back(upper ? lanes + i : i + s);
    }
    Values next(v);
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & s)
        continue;
      next[i] = vector::ShuffleOp::create(e.b, e.loc, v[i], v[i + s], low);
      next[i + s] = vector::ShuffleOp::create(e.b, e.loc, v[i], v[i + s], high);
    }
    v = next;
  }
  return v;
}
