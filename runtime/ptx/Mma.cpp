// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mma.sync. In each 16 bytes of k, a register of A or B holds four bytes of row
// (column) lane / 4 at byte lane % 4 × 4; every type has this layout.

#include "Error.h"
#include "Lanes.h"
#include "Matrix.h"

#include <cstring>

namespace attnc {
namespace ptx {

void ATTNC_PTX_ISA::widen(Type type, const uint8_t *from, unsigned count,
                          float *to) {
  auto half = [&](unsigned i) {
    uint16_t bits;
    memcpy(&bits, from + 2 * i, 2);
    return bits;
  };
  switch (type) {
  case Type::F16:
    for (unsigned i = 0; i < count; ++i)
      to[i] = halfToFloat(half(i));
    return;
  case Type::BF16:
    for (unsigned i = 0; i < count; ++i)
      to[i] = brainToFloat(half(i));
    return;
  case Type::TF32:
    for (unsigned i = 0; i < count; ++i) {
      uint32_t bits;
      memcpy(&bits, from + 4 * i, 4);
      to[i] = bitsAs<float>(bits & 0xffffe000); // the lower bits are ignored
    }
    return;
  case Type::S8:
    for (unsigned i = 0; i < count; ++i)
      to[i] = static_cast<int8_t>(from[i]);
    return;
  case Type::U8:
    for (unsigned i = 0; i < count; ++i)
      to[i] = from[i];
    return;
  default:
    for (unsigned i = 0; i < count; ++i)
      to[i] = static_cast<float>(decode(from[i], formatOf(type)));
  }
}

void ATTNC_PTX_ISA::multiply(const float *a, const float *b, float *d,
                             unsigned n, unsigned k) {
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned column = 0; column < n; column += 8) {
      float sums[8];
      memcpy(sums, d + row * n + column, sizeof sums);
      for (unsigned i = 0; i < k; ++i) {
        float left = a[row * k + i];
        const float *right = b + i * n + column;
        for (unsigned j = 0; j < 8; ++j)
          sums[j] += left * right[j];
      }
      memcpy(d + row * n + column, sums, sizeof sums);
    }
}

namespace {

/// Four bytes of each lane, scattered to rows of 16 bytes.
void gatherRows(const uint32_t *reg, uint8_t *rows, unsigned stride) {
  for (unsigned lane = 0; lane < 32; ++lane)
    memcpy(rows + lane / 4 * stride + lane % 4 * 4, &reg[lane], 4);
}

struct Accumulators {
  float sums[16 * 8];
  int32_t whole[16 * 8];
};

/// Calls f(register, lane, row, column) for accumulators of 32 bits.
template <class F>
void forAccumulators(F f) {
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned lane = 0; lane < 32; ++lane)
      f(i, lane, lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
}

void loadAccumulators(Warp &warp, const Inst &in, const Slot *c,
                      Accumulators &to) {
  forAccumulators([&](unsigned i, unsigned lane, unsigned row,
                      unsigned column) {
    unsigned at = row * 8 + column;
    if (in.type2 == Type::F16) {
      uint32_t pair = warp.regs[c[i / 2].at + lane];
      to.sums[at] = halfToFloat(static_cast<uint16_t>(pair >> (16 * (i % 2))));
      return;
    }
    uint32_t bits = warp.regs[c[i].at + lane];
    to.whole[at] = static_cast<int32_t>(bits);
    to.sums[at] = in.type2 == Type::S32 ? 0 : bitsAs<float>(bits);
  });
}

void storeAccumulators(Warp &warp, const Inst &in, const Slot *d,
                       const Accumulators &from) {
  forAccumulators(
      [&](unsigned i, unsigned lane, unsigned row, unsigned column) {
        unsigned at = row * 8 + column;
        float sum = from.sums[at];
        if (in.type2 == Type::F16) {
          uint32_t &pair = warp.regs[d[i / 2].at + lane];
          uint32_t half = floatToHalf(sum);
          pair = i % 2 ? (pair & 0xffff) | half << 16 : half;
        } else if (in.type2 == Type::S32) {
          // Products of 8-bit numbers are exact in floats.
          int64_t whole = int64_t(from.whole[at]) + static_cast<int64_t>(sum);
          if (in.saturate)
            whole = whole > INT32_MAX   ? INT32_MAX
                    : whole < INT32_MIN ? INT32_MIN
                                        : whole;
          warp.regs[d[i].at + lane] = static_cast<uint32_t>(whole);
        } else {
          warp.regs[d[i].at + lane] = bitsAs<uint32_t>(sum);
        }
      });
}

void runMma(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  if (warp.alive != allLanes)
    warp.fail(in, "needs all 32 threads of the warp");
  Type typeB = static_cast<Type>(in.mode);
  unsigned bytes = in.type == Type::TF32 ? 4 : bytesOf(in.type);
  unsigned k = in.count, chunks = k * bytes / 16, stride = k * bytes;
  unsigned accumulators = in.type2 == Type::F16 ? 2 : 4;
  const Slot *d = &warp.launch->program.slots[in.list];
  const Slot *a = d + accumulators, *b = a + 2 * chunks, *c = b + chunks;
  uint8_t rowsA[16 * 32], rowsB[8 * 32];
  for (unsigned chunk = 0; chunk < chunks; ++chunk) {
    gatherRows(warp.regs + a[2 * chunk].at, rowsA + chunk * 16, stride);
    gatherRows(warp.regs + a[2 * chunk + 1].at, rowsA + 8 * stride + chunk * 16,
               stride);
    gatherRows(warp.regs + b[chunk].at, rowsB + chunk * 16, stride);
  }
  float floatsA[16 * 32], columnsB[8 * 32], floatsB[32 * 8];
  ATTNC_PTX_ISA::widen(in.type, rowsA, 16 * k, floatsA);
  ATTNC_PTX_ISA::widen(typeB, rowsB, 8 * k, columnsB);
  for (unsigned i = 0; i < k; ++i)
    for (unsigned j = 0; j < 8; ++j)
      floatsB[i * 8 + j] = columnsB[j * k + i];
  Accumulators sums;
  loadAccumulators(warp, in, c, sums);
  ATTNC_PTX_ISA::multiply(floatsA, floatsB, sums.sums, 8, k);
  storeAccumulators(warp, in, d, sums);
}

} // namespace

Handler ATTNC_PTX_ISA::selectMatrix(const Inst &in) {
  return in.op == Op::Other && in.extra ? runMma : nullptr;
}

} // namespace ptx
} // namespace attnc
