// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// atom and red. Blocks run on one thread of the host, so that a plain
// read-modify-write is atomic.

#include "Access.h"
#include "Execute.h"
#include "MemoryOrder.h"
#include "Numbers.h"

#include <algorithm>
#include <cstring>

namespace attnc {
namespace ptx {

enum AtomicOp { And, Or, Xor, Add, Inc, Dec, Min, Max, Exchange, Swap };

template <class T>
static T smaller(T a, T b) {
  return b < a ? b : a;
}

static uint32_t combineHalf(unsigned op, Type type, uint32_t old,
                            uint32_t value) {
  bool brain = type == Type::BF16 || type == Type::BF16x2;
  unsigned parts = bitsOf(type) / 16;
  uint32_t result = 0;
  for (unsigned i = 0; i < parts; ++i) {
    uint16_t a = static_cast<uint16_t>(old >> (16 * i));
    uint16_t b = static_cast<uint16_t>(value >> (16 * i));
    float x = brain ? brainToFloat(a) : halfToFloat(a);
    float y = brain ? brainToFloat(b) : halfToFloat(b);
    float sum = op == Add ? x + y : op == Min ? minimum(x, y) : maximum(x, y);
    uint16_t bits = brain ? floatToBrain(sum) : floatToHalf(sum);
    result |= uint32_t(bits) << (16 * i);
  }
  return result;
}

template <class T>
static uint64_t addAs(uint64_t old, uint64_t value) {
  T a, b;
  memcpy(&a, &old, sizeof a);
  memcpy(&b, &value, sizeof b);
  a += b;
  uint64_t result = 0;
  memcpy(&result, &a, sizeof a);
  return result;
}

static uint64_t combine(const Inst &in, uint64_t old, uint64_t value,
                        uint64_t swap) {
  unsigned op = static_cast<unsigned>(in.compare);
  Type type = in.type;
  if (type == Type::F32)
    return addAs<float>(old, value);
  if (type == Type::F64)
    return addAs<double>(old, value);
  if (isFloat(type))
    return combineHalf(op, type, static_cast<uint32_t>(old),
                       static_cast<uint32_t>(value));
  int64_t a = static_cast<int64_t>(old), b = static_cast<int64_t>(value);
  if (type == Type::S32) {
    a = static_cast<int32_t>(old);
    b = static_cast<int32_t>(value);
  }
  bool less = isSigned(type) ? b < a : value < old;
  switch (op) {
  case And:
    return old & value;
  case Or:
    return old | value;
  case Xor:
    return old ^ value;
  case Add:
    return old + value;
  case Inc:
    return old >= value ? 0 : old + 1;
  case Dec:
    return old == 0 || old > value ? value : old - 1;
  case Min:
    return less ? value : old;
  case Max:
    return less ? old : value;
  case Exchange:
    return value;
  default:
    return old == value ? swap : old;
  }
}

/// What the order of an atomic passes from warp to warp.
static void synchronize(Warp &warp, uint32_t address, uint8_t mode) {
  VectorClock &clock = warp.block->released[address];
  warp.fenceAcquire.join(clock);
  clock.join(warp.fenceRelease);
  if (mode & OrderAcquire)
    warp.clock.join(clock);
  if (mode & OrderRelease) {
    clock.join(warp.clock);
    ++warp.clock.time[warp.id];
  }
}

void runAtomic(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  const Slot *results = slots;
  const Slot *values = slots + (in.extra ? in.count : 0);
  const Slot *swaps = values + in.count; // of cas only
  bool isSwap = static_cast<unsigned>(in.compare) == Swap;
  unsigned size = bytesOf(in.type);
  forLanes(mask, [&](unsigned lane) {
    Place place = placeOf(in.space, warp.address(in, lane));
    uint8_t *at = bytesAt(warp, in, place, size * in.count, size * in.count,
                          /*write=*/true, static_cast<int>(lane));
    if (place.space == Space::Shared) {
      uint32_t address = static_cast<uint32_t>(place.address);
      synchronize(warp, address, in.mode);
      warp.block->shared.read(warp, in.line, address, size * in.count, true);
      warp.block->shared.write(warp, in.line, address, size * in.count, true);
    }
    for (unsigned i = 0; i < in.count; ++i) {
      uint64_t old = 0;
      memcpy(&old, at + i * size, size);
      uint64_t value = warp.value(values[i], lane);
      uint64_t swap = isSwap ? warp.value(swaps[0], lane) : 0;
      if (size < 8) {
        uint64_t keep = (uint64_t(1) << (8 * size)) - 1;
        value &= keep;
      }
      uint64_t updated = combine(in, old, value, swap);
      memcpy(at + i * size, &updated, size);
      if (in.extra)
        warp.set(results[i], lane, old);
    }
  });
  // The way of a spin on a lock.
  if (isSwap || static_cast<unsigned>(in.compare) == Exchange ||
      (in.mode & OrderAcquire))
    warp.yield = warp.event = true;
}

} // namespace ptx
} // namespace attnc
