// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions across the lanes of a warp, and moves that need no arithmetic.

#include "Error.h"
#include "Execute.h"
#include "Launch.h"

#include <algorithm>
#include <cstring>

namespace attnc {
namespace ptx {

/// The member mask, with all its lanes here; 0 if they are not.
static uint32_t members(Warp &warp, const Inst &in, uint32_t &mask) {
  Slot slot = warp.launch->program.slots[in.list];
  uint32_t need = warp.regs[slot.at + __builtin_ctz(mask)];
  if (mask & ~need)
    warp.fail(in, "a thread that is not in the member mask",
              __builtin_ctz(mask & ~need));
  if (!warp.gather(in, need, mask))
    return 0;
  return need & warp.alive;
}

void runShuffle(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t need = members(warp, in, mask);
  if (!need)
    return;
  const uint32_t *a = warp.regs + in.a;
  uint32_t values[32], predicate = 0;
  forLanes(need, [&](unsigned lane) {
    uint32_t b = warp.regs[in.b + lane] & 31, c = warp.regs[in.c + lane];
    unsigned clamp = c & 31, segment = (c >> 8) & 31;
    unsigned most = (lane & segment) | (clamp & ~segment);
    unsigned least = lane & segment;
    int from = 0;
    bool inside = false;
    switch (in.mode) {
    case 0: // up
      from = static_cast<int>(lane) - static_cast<int>(b);
      inside = from >= static_cast<int>(most);
      break;
    case 1: // down
      from = static_cast<int>(lane + b);
      inside = from <= static_cast<int>(most);
      break;
    case 2: // bfly
      from = static_cast<int>(lane ^ b);
      inside = from <= static_cast<int>(most);
      break;
    default: // idx
      from = static_cast<int>(least | (b & ~segment));
      inside = from <= static_cast<int>(most);
    }
    if (!inside)
      from = static_cast<int>(lane);
    if (inside)
      predicate |= uint32_t(1) << lane;
    // From a lane that is not here comes nothing that one could rely on.
    values[lane] = need >> from & 1 ? a[from] : 0x7fff7fff;
  });
  forLanes(need, [&](unsigned lane) { warp.regs[in.d + lane] = values[lane]; });
  if (in.extra)
    warp.preds[in.d2] = (warp.preds[in.d2] & ~need) | predicate;
}

void runVote(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t need = members(warp, in, mask);
  if (!need)
    return;
  uint32_t votes = (in.negate ? ~warp.preds[in.a] : warp.preds[in.a]) & need;
  if (in.mode == 3) {
    forLanes(need, [&](unsigned lane) { warp.regs[in.d + lane] = votes; });
    return;
  }
  bool result = in.mode == 0   ? votes == need
                : in.mode == 1 ? votes != 0
                               : votes == need || votes == 0;
  warp.preds[in.d] = (warp.preds[in.d] & ~need) | (result ? need : 0);
}

void runMatch(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t need = members(warp, in, mask);
  if (!need)
    return;
  Slot slot{in.a, bitsOf(in.type) == 64};
  uint32_t results[32], predicate = 0;
  forLanes(need, [&](unsigned lane) {
    uint32_t equal = 0;
    forLanes(need, [&](unsigned other) {
      if (warp.value(slot, other) == warp.value(slot, lane))
        equal |= uint32_t(1) << other;
    });
    results[lane] = in.mode && equal != need ? 0 : equal;
    if (equal == need)
      predicate |= uint32_t(1) << lane;
  });
  forLanes(need,
           [&](unsigned lane) { warp.regs[in.d + lane] = results[lane]; });
  if (in.extra)
    warp.preds[in.d2] = (warp.preds[in.d2] & ~need) | predicate;
}

void runRedux(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t need = members(warp, in, mask);
  if (!need)
    return;
  const uint32_t *a = warp.regs + in.a;
  uint32_t result = a[__builtin_ctz(need)];
  bool isSignedType = in.type == Type::S32;
  forLanes(need & (need - 1), [&](unsigned lane) {
    uint32_t x = a[lane];
    bool less = isSignedType
                    ? static_cast<int32_t>(x) < static_cast<int32_t>(result)
                    : x < result;
    switch (in.mode) {
    case 0:
      result += x;
      break;
    case 1:
      result = less ? x : result;
      break;
    case 2:
      result = less ? result : x;
      break;
    case 3:
      result &= x;
      break;
    case 4:
      result |= x;
      break;
    default:
      result ^= x;
    }
  });
  forLanes(need, [&](unsigned lane) { warp.regs[in.d + lane] = result; });
}

void runElect(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t need = members(warp, in, mask);
  if (!need)
    return;
  unsigned leader = static_cast<unsigned>(__builtin_ctz(need));
  forLanes(need, [&](unsigned lane) { warp.regs[in.d + lane] = leader; });
  warp.preds[in.d2] = (warp.preds[in.d2] & ~need) | (uint32_t(1) << leader);
}

void runActivemask(Warp &warp, const Inst &in, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) { warp.regs[in.d + lane] = mask; });
}

void runPack(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *parts = &warp.launch->program.slots[in.list];
  Slot result{in.d, bitsOf(in.type) == 64};
  uint64_t keep = in.mode == 64 ? ~uint64_t(0) : (uint64_t(1) << in.mode) - 1;
  forLanes(mask, [&](unsigned lane) {
    uint64_t value = 0;
    for (unsigned i = 0; i < in.count; ++i)
      value |= (warp.value(parts[i], lane) & keep) << (i * in.mode);
    warp.set(result, lane, value);
  });
}

void runUnpack(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *parts = &warp.launch->program.slots[in.list];
  Slot from{in.a, bitsOf(in.type) == 64};
  uint64_t keep = in.mode == 64 ? ~uint64_t(0) : (uint64_t(1) << in.mode) - 1;
  forLanes(mask, [&](unsigned lane) {
    uint64_t value = warp.value(from, lane);
    for (unsigned i = 0; i < in.count; ++i)
      warp.set(parts[i], lane, (value >> (i * in.mode)) & keep);
  });
}

static uint64_t windowOf(Space space) {
  switch (space) {
  case Space::Shared:
    return sharedWindow;
  case Space::Local:
    return localWindow;
  case Space::Param:
    return parameterWindow;
  default:
    return 0;
  }
}

void runCvta(Warp &warp, const Inst &in, uint32_t mask) {
  uint64_t window = windowOf(in.space);
  uint64_t offset = in.extra ? 0 - window : window;
  uint64_t *d = warp.lanes<uint64_t>(in.d), *a = warp.lanes<uint64_t>(in.a);
  forLanes(mask, [&](unsigned lane) { d[lane] = a[lane] + offset; });
}

void runIsspacep(Warp &warp, const Inst &in, uint32_t mask) {
  const uint64_t *a = warp.lanes<uint64_t>(in.a);
  uint64_t window = windowOf(in.space);
  uint32_t result = 0;
  forLanes(mask, [&](unsigned lane) {
    bool inside =
        window ? a[lane] - window < windowSize : a[lane] < parameterWindow;
    result |= uint32_t(inside) << lane;
  });
  warp.preds[in.d] = (warp.preds[in.d] & ~mask) | result;
}

} // namespace ptx
} // namespace attnc
