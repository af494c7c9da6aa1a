// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async. A copy lands when its thread waits for its group, and not before;
// until then its target is NaN and nobody may touch it.

#include "Access.h"
#include "Error.h"
#include "Execute.h"

#include <algorithm>
#include <cstring>

namespace attnc {
namespace ptx {

void runCpAsync(Warp &warp, const Inst &in, uint32_t mask) {
  SharedMemory &shared = warp.block->shared;
  const uint64_t *sources = warp.lanes<uint64_t>(in.b);
  uint64_t offset = warp.lanes<uint64_t>(in.c)[0];
  uint32_t addresses[32];
  forLanes(mask, [&](unsigned lane) {
    PendingCopy copy;
    copy.lane = static_cast<uint8_t>(lane);
    copy.line = in.line;
    copy.group = warp.copyGroup[lane];
    copy.size = in.count;
    copy.sourceSize = in.count;
    copy.source = sources[lane] + offset;
    if (in.extra) {
      uint32_t size = warp.regs[in.d2 + lane];
      if (size > in.count)
        warp.fail(
            in, format("the source size %u is larger than %u", size, in.count),
            static_cast<int>(lane));
      copy.sourceSize = static_cast<uint8_t>(size);
    }
    copy.target = sharedAt(warp, in, warp.address(in, lane), in.count, in.count,
                           static_cast<int>(lane));
    if (copy.sourceSize)
      bytesAt(warp, in, placeOf(Space::Generic, copy.source), copy.sourceSize,
              in.count, false, static_cast<int>(lane));
    addresses[lane] = copy.target;
    shared.beginAsyncWrite(warp, in.line, copy.target, copy.size,
                           /*asyncProxy=*/false);
    warp.copies.push_back(copy);
  });
  countBanks(*warp.launch, in, addresses, mask, in.count);
}

/// Lets the copies of these lanes land whose group is below a lane's limit.
static void land(Warp &warp, const Inst &in, uint32_t lanes,
                 const uint32_t *limits) {
  SharedMemory &shared = warp.block->shared;
  auto lands = [&](const PendingCopy &copy) {
    if (!(lanes >> copy.lane & 1) || copy.group >= limits[copy.lane])
      return false;
    uint8_t *to = shared.find(copy.target, copy.size);
    memset(to, 0, copy.size);
    if (copy.sourceSize)
      memcpy(to,
             bytesAt(warp, in, placeOf(Space::Generic, copy.source),
                     copy.sourceSize, 1, false, copy.lane),
             copy.sourceSize);
    shared.endAsyncWrite(copy.line, copy.target, copy.size, warp.id,
                         warp.clock.time[warp.id], /*asyncProxy=*/false);
    return true;
  };
  warp.copies.erase(
      std::remove_if(warp.copies.begin(), warp.copies.end(), lands),
      warp.copies.end());
}

void runCpAsyncCommit(Warp &warp, const Inst &, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) { ++warp.copyGroup[lane]; });
}

void runCpAsyncWait(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t limits[32];
  forLanes(mask, [&](unsigned lane) {
    uint32_t committed = warp.copyGroup[lane];
    uint32_t open = static_cast<uint32_t>(in.imm);
    limits[lane] = in.extra           ? allLanes
                   : open > committed ? 0
                                      : committed - open;
  });
  land(warp, in, mask, limits);
}

/// The copies so far land some time later, and then arrive at the mbarrier.
void runCpAsyncArrive(Warp &warp, const Inst &in, uint32_t mask) {
  Block &block = *warp.block;
  forLanes(mask, [&](unsigned lane) {
    uint64_t address = warp.address(in, lane);
    Mbarrier &mbarrier = block.mbarrierAt(warp, in, lane, address);
    if (!in.extra)
      ++mbarrier.pending; // the arrival to come is one more
    // These copies no longer belong to a group that someone may wait for.
    std::vector<PendingCopy> mine;
    for (PendingCopy &copy : warp.copies)
      if (copy.lane == lane)
        mine.push_back(copy);
    Warp *owner = &warp;
    const Inst *inst = &in;
    block.later([=, &block] {
      uint32_t limits[32];
      std::fill(limits, limits + 32, 0);
      uint32_t latest = 0;
      for (const PendingCopy &copy : mine)
        latest = std::max(latest, copy.group + 1);
      limits[lane] = latest;
      land(*owner, *inst, uint32_t(1) << lane, limits);
      Mbarrier &then = block.mbarrierAt(*owner, *inst, lane, address);
      block.arrive(*owner, *inst, then, 1);
    });
  });
}

} // namespace ptx
} // namespace attnc
