// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Branches, barriers, and what has no effect but on order.

#include "Block.h"
#include "Execute.h"

namespace attnc {
namespace ptx {

void runBranch(Warp &warp, const Inst &in, uint32_t mask) {
  warp.branch(mask, in.target);
}

void runBranchEqual(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t taken = 0;
  forLanes(mask, [&](unsigned lane) {
    if (warp.regs[in.a + lane] == static_cast<uint32_t>(in.imm))
      taken |= uint32_t(1) << lane;
  });
  if (taken)
    warp.branch(taken, in.target);
}

void runExit(Warp &warp, const Inst &, uint32_t mask) { warp.exit(mask); }

void runTrap(Warp &warp, const Inst &in, uint32_t mask) {
  warp.fail(in, "trap", __builtin_ctz(mask));
}

void runNothing(Warp &, const Inst &, uint32_t) {}

void runAlignedNothing(Warp &warp, const Inst &in, uint32_t mask) {
  warp.gatherAll(in, mask);
}

void runWarpSync(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t members = warp.regs[in.a + __builtin_ctz(mask)];
  if (mask & ~members)
    warp.fail(in, "a thread that is not in the member mask",
              __builtin_ctz(mask & ~members));
  warp.gather(in, members, mask);
}

void runBarrier(Warp &warp, const Inst &in, uint32_t mask) {
  // Without .aligned the threads of a warp may come one after another; here
  // they wait for each other, which no program can tell apart.
  if (!warp.gatherAll(in, mask))
    return;
  unsigned lane = static_cast<unsigned>(__builtin_ctz(mask));
  uint32_t number = warp.regs[in.a + lane];
  if (number >= 16)
    warp.fail(in, "there are barriers 0 to 15");
  uint32_t expected = 0;
  if (in.extra) {
    expected = warp.regs[in.b + lane];
    if (!expected || expected % 32 || expected > 1024)
      warp.fail(in, "a barrier's number of threads is a multiple of 32");
  }
  warp.block->arriveAt(warp, in, number, expected, in.mode != 1);
}

void runClusterBarrier(Warp &warp, const Inst &in, uint32_t mask) {
  // A cluster of one block: arrive is nothing, wait is a barrier of the block.
  if (in.mode == 1 && warp.gatherAll(in, mask))
    warp.block->arriveAt(warp, in, 15, 0, true);
}

void runProxyFence(Warp &warp, const Inst &, uint32_t) {
  warp.fenced.join(warp.clock);
}

/// A fence makes the relaxed stores after it releases, and the relaxed loads
/// before it acquires.
void runFence(Warp &warp, const Inst &, uint32_t) {
  warp.clock.join(warp.fenceAcquire);
  warp.fenceRelease = warp.clock;
  ++warp.clock.time[warp.id];
}

void runNanosleep(Warp &warp, const Inst &, uint32_t) {
  warp.yield = warp.event = true;
}

void runClock(Warp &warp, const Inst &in, uint32_t mask) {
  uint64_t now = warp.launch->warpInstructions;
  bool wide = bitsOf(in.type) == 64;
  forLanes(mask, [&](unsigned lane) { warp.set({in.d, wide}, lane, now); });
  warp.yield = warp.event = true; // whoever asks for the time may be spinning
}

} // namespace ptx
} // namespace attnc
