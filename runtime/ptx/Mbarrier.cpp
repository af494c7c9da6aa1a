// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarriers: arrivals and bytes of transactions complete a phase. Their state
// is kept beside shared memory, since its form there is nobody's business.

#include "Access.h"
#include "Error.h"
#include "Execute.h"

namespace attnc {
namespace ptx {

constexpr uint32_t mostArrivals = (1 << 20) - 1;

static uint32_t addressOf(Warp &warp, const Inst &in, unsigned lane,
                          uint64_t address) {
  return sharedAt(warp, in, address, 8, 8, static_cast<int>(lane));
}

Mbarrier &Block::mbarrierAt(Warp &warp, const Inst &in, unsigned lane,
                            uint64_t address) {
  uint32_t at = addressOf(warp, in, lane, address);
  auto found = mbarriers.find(at);
  if (found == mbarriers.end())
    warp.fail(in, format("there is no mbarrier at shared address 0x%x", at),
              static_cast<int>(lane));
  return found->second;
}

void Block::completePhase(Mbarrier &mbarrier) {
  if (mbarrier.pending > 0 || mbarrier.bytes != 0)
    return;
  ++mbarrier.phase;
  mbarrier.pending = mbarrier.count;
  // Later phases know of the earlier ones: the operations on one mbarrier are
  // a chain.
  mbarrier.doneClock = mbarrier.clock;
  mbarrier.doneFenced = mbarrier.fenced;
  wake();
}

void Block::arrive(Warp &warp, const Inst &in, Mbarrier &mbarrier,
                   uint32_t count) {
  if (count > mbarrier.pending)
    warp.fail(in, format("%u arrivals at an mbarrier that waits for %lld more",
                         count, static_cast<long long>(mbarrier.pending)));
  mbarrier.pending -= count;
  mbarrier.clock.join(warp.clock);
  mbarrier.fenced.join(warp.fenced);
  ++warp.clock.time[warp.id];
  completePhase(mbarrier);
}

void runMbarrierInit(Warp &warp, const Inst &in, uint32_t mask) {
  Block &block = *warp.block;
  forLanes(mask, [&](unsigned lane) {
    uint32_t at = addressOf(warp, in, lane, warp.address(in, lane));
    uint32_t count = warp.regs[in.b + lane];
    if (!count || count > mostArrivals)
      warp.fail(in, format("an mbarrier cannot wait for %u arrivals", count),
                static_cast<int>(lane));
    if (block.mbarriers.count(at))
      warp.launch->report(Finding::Protocol, in.line, 0, [&] {
        return format("the mbarrier at shared address 0x%x is initialised "
                      "again without mbarrier.inval",
                      at);
      });
    block.shared.write(warp, in.line, at, 8);
    Mbarrier mbarrier;
    mbarrier.count = count;
    mbarrier.pending = count;
    mbarrier.agent = mostWarps + block.nextAgent++ % asyncAgents;
    block.mbarriers[at] = mbarrier;
  });
}

void runMbarrierInval(Warp &warp, const Inst &in, uint32_t mask) {
  Block &block = *warp.block;
  forLanes(mask, [&](unsigned lane) {
    uint64_t address = warp.address(in, lane);
    Mbarrier &mbarrier = block.mbarrierAt(warp, in, lane, address);
    if (mbarrier.bytes)
      warp.launch->report(Finding::Protocol, in.line, 0, [&] {
        return std::string("this mbarrier still waits for bytes");
      });
    uint32_t at = addressOf(warp, in, lane, address);
    block.mbarriers.erase(at);
    block.shared.write(warp, in.line, at, 8);
    block.shared.forget(at, 8);
  });
}

/// Uses of an mbarrier are ordered after its initialisation by something else
/// than the mbarrier.
static Mbarrier &use(Warp &warp, const Inst &in, unsigned lane) {
  uint64_t address = warp.address(in, lane);
  Mbarrier &mbarrier = warp.block->mbarrierAt(warp, in, lane, address);
  warp.block->shared.read(warp, in.line, addressOf(warp, in, lane, address), 8,
                          true);
  return mbarrier;
}

void runMbarrierArrive(Warp &warp, const Inst &in, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) {
    Mbarrier &mbarrier = use(warp, in, lane);
    uint32_t operand = warp.regs[in.b + lane];
    if (in.mode)
      warp.lanes<uint64_t>(in.d)[lane] = mbarrier.phase;
    if (in.negate)
      mbarrier.count -= mbarrier.count > 0;
    if (in.extra)
      mbarrier.bytes += operand;
    warp.block->arrive(warp, in, mbarrier, in.extra ? 1 : operand);
  });
}

void runMbarrierExpect(Warp &warp, const Inst &in, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) {
    Mbarrier &mbarrier = use(warp, in, lane);
    int64_t bytes = warp.regs[in.b + lane];
    mbarrier.bytes += in.extra ? -bytes : bytes;
    warp.block->completePhase(mbarrier);
  });
}

/// try_wait waits until the phase is complete; test_wait only asks.
void runMbarrierTest(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t done = 0;
  forLanes(mask, [&](unsigned lane) {
    Mbarrier &mbarrier = use(warp, in, lane);
    bool complete =
        in.extra ? (mbarrier.phase & 1) != (warp.regs[in.b + lane] & 1)
                 : mbarrier.phase !=
                       static_cast<uint32_t>(warp.lanes<uint64_t>(in.b)[lane]);
    if (!complete)
      return;
    done |= uint32_t(1) << lane;
    warp.clock.join(mbarrier.doneClock);
    warp.fenced.join(mbarrier.doneFenced);
  });
  if (done != mask && !in.spins) {
    if (done == 0) {
      warp.park(mask);
      return;
    }
    // Some wait and some do not: those that wait come back with false.
  }
  warp.preds[in.d] = (warp.preds[in.d] & ~mask) | done;
  if (done != mask)
    warp.yield = warp.event = true;
}

} // namespace ptx
} // namespace attnc
