// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bulk and tensor copies (TMA). A load lands at a time of its own and completes
// bytes of an mbarrier; a store reads its shared memory when it is waited for.

#include "Access.h"
#include "Error.h"
#include "Execute.h"
#include "TensorMap.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace attnc {
namespace ptx {

/// Lets a load land: `copy` fills the bytes at `target`.
template <class F>
static void queueLoad(Warp &warp, const Inst &in, unsigned lane,
                      uint32_t target, uint64_t bytes, uint64_t mbarrierAddress,
                      F copy) {
  Block &block = *warp.block;
  block.mbarrierAt(warp, in, lane, mbarrierAddress); // it must exist by now
  block.shared.beginAsyncWrite(warp, in.line, target,
                               static_cast<uint32_t>(bytes),
                               /*asyncProxy=*/true);
  Warp *issuer = &warp;
  const Inst *inst = &in;
  block.later([=, &block] {
    Mbarrier &mbarrier =
        block.mbarrierAt(*issuer, *inst, lane, mbarrierAddress);
    copy();
    uint32_t time = block.tick(mbarrier.agent);
    block.shared.endAsyncWrite(inst->line, target, static_cast<uint32_t>(bytes),
                               mbarrier.agent, time, /*asyncProxy=*/true);
    mbarrier.clock.time[mbarrier.agent] = time;
    mbarrier.fenced.time[mbarrier.agent] = time;
    mbarrier.bytes -= static_cast<int64_t>(bytes);
    block.completePhase(mbarrier);
  });
}

static void queueStore(Warp &warp, const Inst &in, unsigned lane,
                       uint32_t source, uint64_t bytes,
                       std::function<void()> copy) {
  Block &block = *warp.block;
  block.shared.beginAsyncRead(warp, in.line, source,
                              static_cast<uint32_t>(bytes));
  Warp *issuer = &warp;
  auto land = [=, &block] {
    copy();
    block.shared.endAsyncRead(*issuer, source, static_cast<uint32_t>(bytes));
  };
  block.bulkStores.push_back(
      {warp.id, lane, block.bulkGroups[warp.id][lane], in.line, land});
}

void runBulkCommit(Warp &warp, const Inst &, uint32_t mask) {
  auto &groups = warp.block->bulkGroups[warp.id];
  forLanes(mask, [&](unsigned lane) { ++groups[lane]; });
}

void runBulkWait(Warp &warp, const Inst &in, uint32_t mask) {
  Block &block = *warp.block;
  auto &groups = block.bulkGroups[warp.id];
  uint32_t open = static_cast<uint32_t>(in.imm);
  auto waits = [&](const BulkStore &store) {
    return store.warp == warp.id && (mask >> store.lane & 1) &&
           uint64_t(store.group) + open < groups[store.lane];
  };
  for (BulkStore &store : block.bulkStores)
    if (waits(store))
      store.land();
  block.bulkStores.erase(
      std::remove_if(block.bulkStores.begin(), block.bulkStores.end(), waits),
      block.bulkStores.end());
}

/// cp.async.bulk: slots are the shared address, the size, the mbarrier.
void runBulkCopy(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  forLanes(mask, [&](unsigned lane) {
    uint64_t global = warp.address(in, lane);
    uint64_t bytes = warp.value(slots[2], lane);
    int at = static_cast<int>(lane);
    if (!bytes || bytes % 16)
      warp.fail(in, "a bulk copy's size is a multiple of 16", at);
    uint32_t shared =
        sharedAt(warp, in, secondAddress(warp, slots, lane), bytes, 16, at);
    uint8_t *far =
        bytesAt(warp, in, {Space::Global, global}, bytes, 16, in.extra, at);
    uint8_t *near = warp.block->shared.find(shared, bytes);
    if (in.extra) {
      queueStore(warp, in, lane, shared, bytes,
                 [=] { memcpy(far, near, bytes); });
      return;
    }
    queueLoad(warp, in, lane, shared, bytes,
              secondAddress(warp, slots + 3, lane),
              [=] { memcpy(near, far, bytes); });
  });
}

namespace {
/// One box of a tensor and where it lies in shared memory.
struct Box {
  TensorMapFields map;
  int32_t start[5] = {};
  uint32_t shared = 0;
};
} // namespace

/// Calls f(shared address, global address, bytes) for each row of the box,
/// with 0 bytes for a row that is outside, and fewer than a row at its ends:
/// then `skipped` bytes come before.
template <class F>
static void forRows(const Box &box, F f) {
  const TensorMapFields &map = box.map;
  unsigned size = map.elementBytes();
  uint32_t rowBytes = map.box[0] * size;
  uint64_t rows = map.boxBytes() / rowBytes;
  for (uint64_t row = 0; row < rows; ++row) {
    uint64_t rest = row, address = map.address;
    bool inside = true;
    for (unsigned i = 1; i < map.rank(); ++i) {
      int64_t at =
          int64_t(box.start[i]) + static_cast<int64_t>(rest % map.box[i]);
      rest /= map.box[i];
      inside = inside && at >= 0 && at < int64_t(map.sizes[i]);
      address += static_cast<uint64_t>(at) * map.strides[i - 1];
    }
    int64_t first = box.start[0];
    int64_t low = std::max<int64_t>(first, 0);
    int64_t high = std::min<int64_t>(first + map.box[0], map.sizes[0]);
    bool any = inside && low < high;
    f(box.shared + static_cast<uint32_t>(row) * rowBytes,
      address + static_cast<uint64_t>(low) * size,
      any ? static_cast<uint32_t>(low - first) * size : 0,
      any ? static_cast<uint32_t>(high - low) * size : 0);
  }
}

/// Where a byte of the box lies: the swizzle moves pieces of 16 bytes.
static uint32_t swizzled(const TensorMapFields &map, uint32_t address) {
  uint32_t mask = map.swizzle ? ((16u << map.swizzle) - 1) & 0x70 : 0;
  return address ^ (address >> 3 & mask);
}

/// Moves bytes between shared memory from `address` on (before swizzling) and
/// plain memory.
static void moveSwizzled(SharedMemory &shared, const TensorMapFields &map,
                         uint32_t address, uint8_t *plain, uint32_t bytes,
                         bool toShared) {
  while (bytes) {
    uint32_t piece = std::min(bytes, 16 - address % 16);
    uint8_t *near = shared.find(swizzled(map, address), piece);
    memcpy(toShared ? near : plain, toShared ? plain : near, piece);
    address += piece;
    plain += piece;
    bytes -= piece;
  }
}

static void fillBox(SharedMemory &shared, const Box &box) {
  uint32_t size = box.map.elementBytes();
  uint8_t *from = shared.find(box.shared, box.map.boxBytes());
  memset(from, 0, box.map.boxBytes());
  if (box.map.fill && size == 2)
    fillPoison(from, box.map.boxBytes());
  else if (box.map.fill)
    memset(from, 0xff, box.map.boxBytes());
}

static void loadBox(Warp &warp, const Inst &in, const Box &box, int lane) {
  SharedMemory &shared = warp.block->shared;
  fillBox(shared, box);
  forRows(box,
          [&](uint32_t near, uint64_t far, uint32_t skipped, uint32_t bytes) {
            if (bytes)
              moveSwizzled(shared, box.map, near + skipped,
                           bytesAt(warp, in, {Space::Global, far}, bytes, 1,
                                   /*write=*/false, lane),
                           bytes, /*toShared=*/true);
          });
}

static void storeBox(Warp &warp, const Inst &in, const Box &box, int lane) {
  SharedMemory &shared = warp.block->shared;
  forRows(box,
          [&](uint32_t near, uint64_t far, uint32_t skipped, uint32_t bytes) {
            if (bytes)
              moveSwizzled(shared, box.map, near + skipped,
                           bytesAt(warp, in, {Space::Global, far}, bytes, 1,
                                   /*write=*/true, lane),
                           bytes, /*toShared=*/false);
          });
}

/// Slots: the coordinates, the shared address, the mbarrier of a load.
void runTensorCopy(Warp &warp, const Inst &in, uint32_t mask) {
  const Slot *slots = &warp.launch->program.slots[in.list];
  forLanes(mask, [&](unsigned lane) {
    int at = static_cast<int>(lane);
    Box box;
    Place place = placeOf(Space::Generic, warp.address(in, lane));
    memcpy(&box.map, bytesAt(warp, in, place, 128, 64, false, at), 128);
    std::string problem = box.map.problem();
    if (problem.empty() && box.map.rank() != in.count)
      problem = format("it has rank %u", box.map.rank());
    if (!problem.empty())
      warp.fail(in, "this tensor map cannot be used: " + problem, at);
    for (unsigned i = 0; i < in.count; ++i)
      box.start[i] = static_cast<int32_t>(warp.value(slots[i], lane));
    uint64_t bytes = box.map.boxBytes();
    box.shared = sharedAt(warp, in, secondAddress(warp, slots + in.count, lane),
                          bytes, 128, at);
    Warp *issuer = &warp;
    const Inst *inst = &in;
    if (in.extra)
      queueStore(warp, in, lane, box.shared, bytes,
                 [=] { storeBox(*issuer, *inst, box, at); });
    else
      queueLoad(warp, in, lane, box.shared, bytes,
                secondAddress(warp, slots + in.count + 2, lane),
                [=] { loadBox(*issuer, *inst, box, at); });
  });
}

static void replaceField(TensorMapFields &map, const Inst &in, uint64_t value) {
  uint32_t word = static_cast<uint32_t>(value);
  uint8_t byte = static_cast<uint8_t>(value);
  switch (in.mode) {
  case 0:
    map.address = value;
    return;
  case 1:
    map.lastDimension = byte;
    return;
  case 2:
    map.box[in.count] = word;
    return;
  case 3:
    map.sizes[in.count] = word;
    return;
  case 4:
    map.strides[in.count & 3] = value;
    return;
  case 5:
    map.elementStrides[in.count] = word;
    return;
  case 6: {
    // tensormap.replace numbers the types in another way than the driver:
    // f32.ftz, f64 and bf16 are 8, 9 and 10.
    static const uint8_t driver[] = {TensorMapSpec::F32Ftz, TensorMapSpec::F64,
                                     TensorMapSpec::BF16};
    map.type = byte >= 8 && byte <= 10 ? driver[byte - 8] : byte;
    return;
  }
  case 7:
    map.interleave = byte;
    return;
  case 8:
    map.swizzle = byte;
    return;
  default:
    map.fill = byte;
  }
}

void runTensorMapReplace(Warp &warp, const Inst &in, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) {
    int at = static_cast<int>(lane);
    uint64_t address = warp.address(in, lane);
    uint8_t *bytes;
    if (in.space == Space::Shared) {
      uint32_t shared = sharedAt(warp, in, address, 128, 128, at);
      warp.block->shared.write(warp, in.line, shared, 128);
      bytes = warp.block->shared.find(shared, 128);
    } else {
      bytes = bytesAt(warp, in, {Space::Global, address}, 128, 128, true, at);
    }
    TensorMapFields map;
    memcpy(&map, bytes, sizeof map);
    replaceField(map, in, warp.value({in.b, in.extra}, lane));
    memcpy(bytes, &map, sizeof map);
  });
}

void runTensorMapCopy(Warp &warp, const Inst &in, uint32_t mask) {
  if (!warp.gatherAll(in, mask))
    return;
  const Slot *slots = &warp.launch->program.slots[in.list];
  unsigned lane = static_cast<unsigned>(__builtin_ctz(mask));
  int at = static_cast<int>(lane);
  uint32_t shared =
      sharedAt(warp, in, secondAddress(warp, slots, lane), 128, 128, at);
  warp.block->shared.read(warp, in.line, shared, 128);
  memcpy(bytesAt(warp, in, {Space::Global, warp.address(in, lane)}, 128, 128,
                 true, at),
         warp.block->shared.find(shared, 128), 128);
}

} // namespace ptx
} // namespace attnc
