// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads, stores, ldmatrix and stmatrix.

#include "Access.h"
#include "Error.h"
#include "Execute.h"
#include "MemoryOrder.h"

#include <cinttypes>
#include <cstring>

namespace attnc {
namespace ptx {

static const char *nameOf(Space space) {
  switch (space) {
  case Space::Shared:
    return "shared";
  case Space::Local:
    return "local";
  case Space::Param:
    return "parameter";
  default:
    return "global";
  }
}

uint8_t *bytesAt(Warp &warp, const Inst &in, Place place, uint64_t size,
                 unsigned alignment, bool write, int lane) {
  if (place.address & (alignment - 1))
    warp.fail(in,
              format("misaligned access to %s memory: address 0x%" PRIx64
                     " is not a multiple of %u",
                     nameOf(place.space), place.address, alignment),
              lane);
  uint8_t *bytes = nullptr;
  std::string where;
  switch (place.space) {
  case Space::Shared:
    bytes = warp.block->shared.find(place.address, size);
    if (!bytes)
      where = format("shared memory has addresses 0x%x to 0x%x", sharedBase,
                     warp.block->shared.end());
    break;
  case Space::Local: {
    uint64_t own = warp.launch->program.localBytes;
    if (place.address <= own && size <= own - place.address)
      bytes =
          warp.local.data() + own * static_cast<unsigned>(lane) + place.address;
    else
      where = format("a thread has %" PRIu64 " bytes of local memory", own);
    break;
  }
  case Space::Param: {
    std::vector<uint8_t> &all = warp.launch->parameters;
    if (!write && place.address <= all.size() &&
        size <= all.size() - place.address)
      bytes = all.data() + place.address;
    else
      where =
          format("there are %zu bytes of parameters, read only", all.size());
    break;
  }
  default:
    bytes = warp.launch->memory.find(place.address, size, write);
    if (!bytes)
      where = warp.launch->memory.explain(place.address, size, write);
  }
  if (!bytes)
    warp.fail(in,
              format("%s of %" PRIu64 " bytes at %s address 0x%" PRIx64
                     " is out of bounds: ",
                     write ? "write" : "read", size, nameOf(place.space),
                     place.address) +
                  where,
              lane);
  return bytes;
}

uint32_t sharedAt(Warp &warp, const Inst &in, uint64_t address, uint64_t size,
                  unsigned alignment, int lane) {
  Place place = placeOf(
      address >= sharedWindow ? Space::Generic : Space::Shared, address);
  if (place.space != Space::Shared)
    warp.fail(in, format("0x%" PRIx64 " is no shared address", address), lane);
  bytesAt(warp, in, place, size, alignment, false, lane);
  return static_cast<uint32_t>(place.address);
}

/// Shared addresses of the lanes, for the count of bank conflicts.
struct SharedLanes {
  uint32_t addresses[32];
  uint32_t mask = 0;
  void add(unsigned lane, uint64_t address) {
    addresses[lane] = static_cast<uint32_t>(address);
    mask |= uint32_t(1) << lane;
  }
};

/// A strong load sees what was released at its address; without .acquire only
/// a fence makes use of it.
static void strongLoad(Warp &warp, uint32_t address, uint8_t mode) {
  auto found = warp.block->released.find(address);
  if (found == warp.block->released.end())
    return;
  warp.fenceAcquire.join(found->second);
  if (mode & OrderAcquire)
    warp.clock.join(found->second);
}

static void strongStore(Warp &warp, uint32_t address, uint8_t mode) {
  VectorClock &clock = warp.block->released[address];
  clock.join(warp.fenceRelease);
  if (mode & OrderRelease) {
    clock.join(warp.clock);
    ++warp.clock.time[warp.id];
  }
}

static uint64_t loadBits(const uint8_t *from, unsigned size) {
  uint64_t value = 0;
  memcpy(&value, from, size); // little-endian hosts only, as everywhere here
  return value;
}

static uint64_t extend(uint64_t value, Type type) {
  switch (type) {
  case Type::S8:
    return static_cast<uint64_t>(static_cast<int8_t>(value));
  case Type::S16:
    return static_cast<uint64_t>(static_cast<int16_t>(value));
  case Type::S32:
    return static_cast<uint64_t>(static_cast<int32_t>(value));
  default:
    return value;
  }
}

void runLoad(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  unsigned size = bytesOf(in.type), count = in.count;
  SharedLanes shared;
  forLanes(mask, [&](unsigned lane) {
    Place place = placeOf(in.space, warp.address(in, lane));
    const uint8_t *from = bytesAt(warp, in, place, size * count, size * count,
                                  /*write=*/false, static_cast<int>(lane));
    if (place.space == Space::Shared) {
      uint32_t address = static_cast<uint32_t>(place.address);
      shared.add(lane, address);
      if (in.mode)
        strongLoad(warp, address, in.mode);
      warp.block->shared.read(warp, in.line, address, size * count,
                              in.mode != 0);
    }
    for (unsigned i = 0; i < count; ++i)
      warp.set(slots[i], lane,
               extend(loadBits(from + i * size, size), in.type));
  });
  if (shared.mask)
    countBanks(*warp.launch, in, shared.addresses, shared.mask, size * count);
  if (in.mode) {
    // A strong load may be part of a spin: let the others come forward.
    warp.yield = warp.event = true;
  }
}

void runLoadParameter(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  unsigned size = bytesOf(in.type);
  forLanes(mask, [&](unsigned lane) {
    uint64_t address = warp.address(in, lane);
    const uint8_t *from =
        bytesAt(warp, in, {Space::Param, address}, size * in.count,
                size * in.count, false, static_cast<int>(lane));
    for (unsigned i = 0; i < in.count; ++i)
      warp.set(slots[i], lane,
               extend(loadBits(from + i * size, size), in.type));
  });
}

void runStore(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  unsigned size = bytesOf(in.type), count = in.count;
  SharedLanes shared;
  forLanes(mask, [&](unsigned lane) {
    Place place = placeOf(in.space, warp.address(in, lane));
    uint8_t *to = bytesAt(warp, in, place, size * count, size * count,
                          /*write=*/true, static_cast<int>(lane));
    if (place.space == Space::Shared) {
      uint32_t address = static_cast<uint32_t>(place.address);
      shared.add(lane, address);
      warp.block->shared.write(warp, in.line, address, size * count,
                               in.mode != 0);
      if (in.mode)
        strongStore(warp, address, in.mode);
    }
    for (unsigned i = 0; i < count; ++i) {
      uint64_t value = warp.value(slots[i], lane);
      memcpy(to + i * size, &value, size);
    }
  });
  if (shared.mask)
    countBanks(*warp.launch, in, shared.addresses, shared.mask, size * count);
}

void runPrefetch(Warp &, const Inst &, uint32_t) {}

/// The rows of one 8×8 matrix: their addresses come from eight lanes.
static void matrixRows(Warp &warp, const Inst &in, unsigned matrix,
                       uint8_t *rows[8], bool write) {
  uint32_t addresses[32] = {};
  for (unsigned row = 0; row < 8; ++row) {
    unsigned lane = matrix * 8 + row;
    uint64_t address = warp.address(in, lane);
    addresses[row] =
        sharedAt(warp, in, address, 16, 16, static_cast<int>(lane));
    if (write)
      warp.block->shared.write(warp, in.line, addresses[row], 16);
    else
      warp.block->shared.read(warp, in.line, addresses[row], 16);
    rows[row] = warp.block->shared.find(addresses[row], 16);
  }
  countBanks(*warp.launch, in, addresses, 0xff, 16);
}

static void needWholeWarp(Warp &warp, const Inst &in) {
  if (warp.alive != allLanes)
    warp.fail(in, "needs all 32 threads of the warp");
}

void runLdmatrix(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  needWholeWarp(warp, in);
  const Slot *slots = &warp.launch->program.slots[in.list];
  uint32_t results[4][32];
  for (unsigned matrix = 0; matrix < in.count; ++matrix) {
    uint8_t *rows[8];
    matrixRows(warp, in, matrix, rows, /*write=*/false);
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned row = lane / 4, column = lane % 4 * 2;
      uint16_t low, high;
      memcpy(&low,
             in.transpose ? rows[column] + row * 2 : rows[row] + column * 2, 2);
      memcpy(&high,
             in.transpose ? rows[column + 1] + row * 2
                          : rows[row] + column * 2 + 2,
             2);
      results[matrix][lane] = low | uint32_t(high) << 16;
    }
  }
  for (unsigned matrix = 0; matrix < in.count; ++matrix)
    memcpy(warp.regs + slots[matrix].at, results[matrix], 128);
}

void runStmatrix(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  needWholeWarp(warp, in);
  const Slot *slots = &warp.launch->program.slots[in.list];
  for (unsigned matrix = 0; matrix < in.count; ++matrix) {
    uint8_t *rows[8];
    matrixRows(warp, in, matrix, rows, /*write=*/true);
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned row = lane / 4, column = lane % 4 * 2;
      uint32_t value = warp.regs[slots[matrix].at + lane];
      uint16_t low = static_cast<uint16_t>(value);
      uint16_t high = static_cast<uint16_t>(value >> 16);
      memcpy(in.transpose ? rows[column] + row * 2 : rows[row] + column * 2,
             &low, 2);
      memcpy(in.transpose ? rows[column + 1] + row * 2
                          : rows[row] + column * 2 + 2,
             &high, 2);
    }
  }
}

} // namespace ptx
} // namespace attnc
