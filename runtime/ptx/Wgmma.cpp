// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma. Operands in shared memory and A's registers are read when the group is
// waited for, as late as can be; until then D's registers are NaN.

#include "Wgmma.h"
#include "Access.h"
#include "Error.h"
#include "Execute.h"
#include "Matrix.h"
#include "Numbers.h"

#include <algorithm>
#include <cstring>

namespace attnc {
namespace ptx {

constexpr uint32_t poisonedRegister = 0x7fff7fff;

/// A matrix descriptor, taken apart.
struct Descriptor {
  uint32_t start, leading, stride, swizzle; ///< swizzle in bytes, 0: none
};

static Descriptor decodeDescriptor(Warp &warp, const Inst &in, uint64_t bits) {
  static const uint32_t swizzles[] = {0, 128, 64, 32};
  if (bits >> 49 & 7)
    warp.fail(in, "matrix descriptors with a base offset are not supported");
  return {static_cast<uint32_t>(bits & 0x3fff) << 4,
          static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4,
          static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4,
          swizzles[bits >> 62 & 3]};
}

static uint32_t swizzled(uint32_t address, uint32_t bytes) {
  uint32_t mask = bytes ? (bytes - 1) & 0x70 : 0;
  return address ^ (address >> 3 & mask);
}

/// K-major: the 16 bytes of row `row` (of M or N) at chunk 0 or 1 of k.
static uint32_t rowChunk(const Descriptor &d, uint32_t row, uint32_t chunk) {
  if (!d.swizzle)
    return d.start + row / 8 * d.stride + chunk * d.leading + row % 8 * 16;
  uint32_t linear =
      d.start + row / 8 * d.stride + row % 8 * d.swizzle + chunk * 16;
  return swizzled(linear, d.swizzle);
}

/// MN-major: 8 elements of M or N from `first` on, of one k.
static uint32_t columnChunk(const Descriptor &d, uint32_t first, uint32_t k) {
  if (!d.swizzle)
    return d.start + first / 8 * d.stride + k / 8 * d.leading + k % 8 * 16;
  uint32_t slab = d.swizzle / 2; // elements of 16 bits
  uint32_t linear = d.start + first / slab * d.leading + k / 8 * d.stride +
                    k % 8 * d.swizzle + first % slab * 2;
  return swizzled(linear, d.swizzle);
}

/// All chunks of rows [first, first + rows), in the order that unpack expects.
static std::vector<uint32_t> chunksOf(const Descriptor &d, bool transposed,
                                      uint32_t first, uint32_t rows) {
  std::vector<uint32_t> chunks;
  if (!transposed) {
    for (uint32_t row = first; row < first + rows; ++row)
      for (uint32_t chunk = 0; chunk < 2; ++chunk)
        chunks.push_back(rowChunk(d, row, chunk));
    return chunks;
  }
  for (uint32_t k = 0; k < 16; ++k)
    for (uint32_t row = first; row < first + rows; row += 8)
      chunks.push_back(columnChunk(d, row, k));
  return chunks;
}

static size_t accumulatorsOf(const Inst &in) {
  return in.type2 == Type::F16 ? in.count * 2u : in.count * 4u;
}

static const Slot *slotsOf(const Warp &warp, const Inst &in) {
  return &warp.launch->program.slots[in.list];
}

static PendingWgmma *lastOn(Warp &warp, uint32_t slot) {
  for (auto it = warp.wgmmas.rbegin(); it != warp.wgmmas.rend(); ++it)
    if (slotsOf(warp, *(*it)->inst)[0].at == slot)
      return it->get();
  return nullptr;
}

/// In flight D is poison; whoever wrote it since has broken the rules.
static void checkPoison(Warp &warp, const Inst &in, unsigned line) {
  const Slot *d = slotsOf(warp, in);
  for (size_t i = 0; i < accumulatorsOf(in); ++i)
    if (warp.regs[d[i].at] != poisonedRegister ||
        warp.regs[d[i].at + 31] != poisonedRegister) {
      warp.launch->report(Finding::Protocol, line, in.line, [&] {
        return format("a register of the wgmma at line %u was written before "
                      "the wgmma was waited for",
                      in.line);
      });
      return;
    }
}

static void beginReads(Warp &warp, const Inst &in,
                       const std::vector<uint32_t> &chunks) {
  for (uint32_t address : chunks) {
    sharedAt(warp, in, address, 16, 16, -1);
    warp.block->shared.beginAsyncRead(warp, in.line, address, 16);
  }
}

void runWgmma(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  if (warp.alive != allLanes || warp.block->warps.size() / 4 <= warp.id / 4)
    warp.fail(in, "needs a warpgroup of 128 threads");
  const Slot *slots = slotsOf(warp, in);
  size_t accumulators = accumulatorsOf(in);
  auto pending = std::make_unique<PendingWgmma>();
  pending->inst = &in;
  pending->line = in.line;
  pending->group = warp.wgmmaGroup;
  uint32_t scale = in.negate ? ~warp.preds[in.c] : warp.preds[in.c];
  pending->accumulates = scale & 1;
  pending->descriptorB = warp.lanes<uint64_t>(in.b)[0];
  Descriptor b = decodeDescriptor(warp, in, pending->descriptorB);
  pending->chunksB = chunksOf(b, in.imm & 8, 0, in.count * 8u);
  if (!in.extra) {
    pending->descriptorA = warp.lanes<uint64_t>(slots[accumulators].at)[0];
    Descriptor a = decodeDescriptor(warp, in, pending->descriptorA);
    pending->chunksA = chunksOf(a, in.imm & 4, warp.id % 4 * 16, 16);
  }
  beginReads(warp, in, pending->chunksA);
  beginReads(warp, in, pending->chunksB);
  PendingWgmma *earlier = lastOn(warp, slots[0].at);
  if (earlier) {
    checkPoison(warp, *earlier->inst, in.line);
  } else {
    if (!warp.wgmmaFenced)
      warp.launch->report(Finding::Protocol, in.line, 0, [] {
        return std::string("no wgmma.fence since the registers of this wgmma "
                           "were last accessed");
      });
    pending->before.resize(accumulators * 32);
    for (size_t i = 0; i < accumulators; ++i) {
      uint32_t *reg = warp.regs + slots[i].at;
      memcpy(&pending->before[i * 32], reg, 128);
      std::fill(reg, reg + 32, poisonedRegister);
    }
  }
  warp.wgmmas.push_back(std::move(pending));
}

static WidenFunction widenFunction() {
  return cpuHasAvx2() ? avx2::widen : baseline::widen;
}

static void readChunks(Warp &warp, const std::vector<uint32_t> &chunks,
                       uint8_t *to) {
  for (uint32_t address : chunks) {
    memcpy(to, warp.block->shared.find(address, 16), 16);
    warp.block->shared.endAsyncRead(warp, address, 16);
    to += 16;
  }
}

/// 16 rows of A as floats, row by row.
static void readA(Warp &warp, const PendingWgmma &p, unsigned k, float *to) {
  const Inst &in = *p.inst;
  uint8_t bytes[16 * 32];
  if (in.extra) {
    const Slot *a = slotsOf(warp, in) + accumulatorsOf(in);
    for (unsigned i = 0; i < 4; ++i)
      for (unsigned lane = 0; lane < 32; ++lane)
        memcpy(bytes + (lane / 4 + i % 2 * 8) * 32 + i / 2 * 16 + lane % 4 * 4,
               &warp.regs[a[i].at + lane], 4);
  } else {
    readChunks(warp, p.chunksA, bytes);
  }
  float floats[16 * 32];
  widenFunction()(in.type, bytes, 16 * k, floats);
  bool transposed = !in.extra && (in.imm & 4);
  float sign = in.imm & 1 ? -1.0f : 1.0f;
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned i = 0; i < k; ++i)
      to[row * k + i] =
          sign * (transposed ? floats[i * 16 + row] : floats[row * k + i]);
}

/// B as floats, k by k.
static void readB(Warp &warp, const PendingWgmma &p, unsigned k, unsigned n,
                  float *to) {
  const Inst &in = *p.inst;
  std::vector<uint8_t> bytes(n * 32);
  readChunks(warp, p.chunksB, bytes.data());
  std::vector<float> floats(size_t(n) * k);
  widenFunction()(static_cast<Type>(in.mode), bytes.data(), n * k,
                  floats.data());
  float sign = in.imm & 2 ? -1.0f : 1.0f;
  bool transposed = in.imm & 8;
  for (unsigned i = 0; i < k; ++i)
    for (unsigned j = 0; j < n; ++j)
      to[i * n + j] =
          sign * (transposed ? floats[i * n + j] : floats[j * k + i]);
}

/// Calls f(register, half, lane, row, column) for each element of D.
template <class F>
static void forElements(const Inst &in, F f) {
  bool packed = in.type2 == Type::F16;
  for (unsigned j = 0; j < in.count; ++j)
    for (unsigned i = 0; i < 4; ++i)
      for (unsigned lane = 0; lane < 32; ++lane)
        f(packed ? j * 2 + i / 2 : j * 4 + i, packed ? i % 2 : 0, lane,
          lane / 4 + i / 2 * 8, j * 8 + lane % 4 * 2 + i % 2);
}

static std::vector<uint32_t> compute(Warp &warp, const PendingWgmma &p) {
  const Inst &in = *p.inst;
  unsigned n = in.count * 8u;
  unsigned k = 32 / (in.type == Type::TF32 ? 4 : bytesOf(in.type));
  float a[16 * 32];
  std::vector<float> b(size_t(n) * k), sums(size_t(n) * 16, 0.0f);
  readA(warp, p, k, a);
  readB(warp, p, k, n, b.data());
  bool real = in.type2 != Type::S32;
  if (p.accumulates && real)
    forElements(in, [&](unsigned reg, unsigned half, unsigned lane,
                        unsigned row, unsigned column) {
      uint32_t bits = p.before[reg * 32 + lane];
      sums[row * n + column] =
          in.type2 == Type::F16
              ? halfToFloat(static_cast<uint16_t>(bits >> (16 * half)))
              : bitsAs<float>(bits);
    });
  (cpuHasAvx2() ? avx2::multiply : baseline::multiply)(a, b.data(), sums.data(),
                                                       n, k);
  std::vector<uint32_t> result(accumulatorsOf(in) * 32);
  forElements(in, [&](unsigned reg, unsigned half, unsigned lane, unsigned row,
                      unsigned column) {
    uint32_t &bits = result[reg * 32 + lane];
    float sum = sums[row * n + column];
    if (in.type2 == Type::F16) {
      bits |= uint32_t(floatToHalf(sum)) << (16 * half);
    } else if (real) {
      bits = bitsAs<uint32_t>(sum);
    } else {
      int64_t old =
          p.accumulates ? static_cast<int32_t>(p.before[reg * 32 + lane]) : 0;
      int64_t whole = old + static_cast<int64_t>(sum);
      if (in.saturate)
        whole = std::clamp<int64_t>(whole, INT32_MIN, INT32_MAX);
      bits = static_cast<uint32_t>(whole);
    }
  });
  return result;
}

static void land(Warp &warp, size_t at, unsigned line) {
  PendingWgmma &p = *warp.wgmmas[at];
  const Inst &in = *p.inst;
  checkPoison(warp, in, line);
  std::vector<uint32_t> result = compute(warp, p);
  const Slot *d = slotsOf(warp, in);
  for (size_t later = at + 1; later < warp.wgmmas.size(); ++later) {
    if (slotsOf(warp, *warp.wgmmas[later]->inst)[0].at != d[0].at)
      continue;
    warp.wgmmas[later]->before = std::move(result);
    return;
  }
  for (size_t i = 0; i < accumulatorsOf(in); ++i)
    memcpy(warp.regs + d[i].at, &result[i * 32], 128);
}

void runWgmmaFence(Warp &warp, const Inst &in, uint32_t mask) {
  if (warp.gatherAll(in, mask))
    warp.wgmmaFenced = true;
}

void runWgmmaCommit(Warp &warp, const Inst &in, uint32_t mask) {
  if (warp.gatherAll(in, mask))
    ++warp.wgmmaGroup;
}

void runWgmmaWait(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  uint32_t open = static_cast<uint32_t>(in.imm);
  uint32_t limit = open > warp.wgmmaGroup ? 0 : warp.wgmmaGroup - open;
  size_t done = 0;
  while (done < warp.wgmmas.size() && warp.wgmmas[done]->group < limit)
    land(warp, done++, in.line);
  warp.wgmmas.erase(warp.wgmmas.begin(),
                    warp.wgmmas.begin() + static_cast<ptrdiff_t>(done));
  // What follows may access the registers that have landed.
  warp.wgmmaFenced = false;
}

} // namespace ptx
} // namespace attnc
