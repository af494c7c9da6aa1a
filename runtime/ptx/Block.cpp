// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scheduler. A seed decides which warp runs next and for how long; often it
// runs until it must wait, since warps that stay together hide what is missing
// between them.

#include "Block.h"
#include "Error.h"
#include "Wgmma.h"

#include <algorithm>

using namespace attnc::ptx;

Block::Block(Launch &launch, unsigned threads)
    : launch(launch), shared(launch,
                             ((launch.program.staticShared + 1023) & ~1023u) +
                                 launch.options.dynamicShared,
                             launch.program.granuleShift, (threads + 31) / 32),
      threads(threads) {
  warps.resize((threads + 31) / 32);
  bulkGroups.resize(warps.size());
}

void Block::start(Dim3 at) {
  index = at;
  shared.reset();
  for (Barrier &barrier : barriers)
    barrier = Barrier();
  mbarriers.clear();
  released.clear();
  events.clear();
  bulkStores.clear();
  agentTime.fill(launch.time);
  nextAgent = 0;
  for (unsigned i = 0; i < warps.size(); ++i) {
    warps[i].start(*this, i, std::min(32u, threads - i * 32));
    bulkGroups[i].fill(0);
  }
}

void Block::fireEvent() {
  size_t which = launch.random.below(static_cast<uint32_t>(events.size()));
  std::function<void()> event = std::move(events[which]);
  events[which] = std::move(events.back());
  events.pop_back();
  ++progress;
  event();
}

Block::Outcome Block::run(uint64_t budget) {
  std::vector<Warp *> runnable;
  uint64_t idle = 0;
  while (budget) {
    runnable.clear();
    bool alive = false;
    for (Warp &warp : warps) {
      alive = alive || warp.status != Warp::Exited;
      if (warp.status == Warp::Runnable)
        runnable.push_back(&warp);
    }
    if (!alive) {
      checkEnd();
      return Finished;
    }
    if (!events.empty() && (runnable.empty() || launch.random.below(8) == 0)) {
      fireEvent();
      continue;
    }
    if (runnable.empty())
      deadlock();
    Warp &warp =
        *runnable[launch.random.below(static_cast<uint32_t>(runnable.size()))];
    uint64_t quantum =
        launch.random.below(2) ? 20000 : 1 + launch.random.below(200);
    quantum = std::min(quantum, budget);
    uint64_t before = progress;
    budget -= quantum - warp.run(quantum);
    // Spins end when something happens; give up on those that never do.
    idle = warp.yield && progress == before ? idle + 1 : 0;
    if (idle > 64 * warps.size()) {
      if (!events.empty())
        fireEvent();
      else if (idle > (1 << 20))
        deadlock();
      else if (idle % (1024 * warps.size()) == 0)
        return Paused; // another block may have to act
    }
  }
  return Paused;
}

void Block::checkEnd() {
  while (!events.empty())
    fireEvent();
  for (BulkStore &store : bulkStores) {
    launch.report(Finding::Protocol, store.line, 0, [&] {
      return std::string("the block ends while this bulk copy may still read "
                         "its shared memory");
    });
    store.land();
  }
  uint32_t latest = launch.time;
  for (const Warp &warp : warps)
    latest = std::max(latest, warp.clock.time[warp.id]);
  for (uint32_t time : agentTime)
    latest = std::max(latest, time);
  launch.time = latest + 1;
}

void Block::deadlock() {
  std::string text =
      format("deadlock in block (%u,%u,%u):", index.x, index.y, index.z);
  unsigned first = 0, shown = 0;
  const std::vector<Inst> &code = launch.program.code;
  for (const Warp &warp : warps) {
    if (warp.status == Warp::Exited || shown > 7)
      continue;
    ++shown;
    std::map<unsigned, uint32_t> lines;
    if (warp.status == Warp::AtBarrier) {
      lines[warp.barrierInst->line] = warp.alive;
      text += format(" warp %u waits at barrier %d", warp.id, warp.barrier);
    } else {
      forLanes(warp.alive, [&](unsigned lane) {
        uint32_t at = warp.active >> lane & 1 ? warp.pc : warp.lanePc[lane];
        lines[code[at].line] |= uint32_t(1) << lane;
      });
      text += format(" warp %u waits", warp.id);
    }
    for (auto [line, lanes] : lines) {
      first = first ? first : line;
      text += lanes == warp.alive
                  ? format(" at line %u", line)
                  : format(" at line %u (lanes 0x%x)", line, lanes);
    }
    text += ";";
  }
  text.pop_back();
  throw Error(first, text);
}

void Block::arriveAt(Warp &warp, const Inst &in, unsigned number,
                     uint32_t expected, bool waits) {
  Barrier &barrier = barriers[number];
  // A barrier without a number of threads is for the whole block.
  bool differs = barrier.expected && expected && barrier.expected != expected;
  if (barrier.arrived && differs)
    warp.fail(in, format("barrier %u: the arrival at line %u gave another "
                         "number of threads",
                         number, barrier.line));
  barrier.expected = std::max(barrier.expected, expected);
  barrier.line = in.line;
  barrier.arrived += 32;
  barrier.clock.join(warp.clock);
  barrier.fenced.join(warp.fenced);
  if (in.mode == 2) {
    uint32_t votes =
        (in.negate ? ~warp.preds[in.c] : warp.preds[in.c]) & warp.alive;
    barrier.population += static_cast<unsigned>(__builtin_popcount(votes));
    barrier.voters += static_cast<unsigned>(__builtin_popcount(warp.alive));
  }
  ++warp.clock.time[warp.id];
  if (waits) {
    warp.status = Warp::AtBarrier;
    warp.barrier = static_cast<int>(number);
    warp.barrierInst = &in;
    warp.event = true;
    barrier.waiting.push_back(&warp);
  }
  tryComplete(barrier);
}

void Block::deliver(Warp &warp, const Barrier &barrier) {
  const Inst &in = *warp.barrierInst;
  warp.status = Warp::Runnable;
  warp.barrier = -1;
  warp.clock.join(barrier.clock);
  warp.fenced.join(barrier.fenced);
  if (in.mode != 2)
    return;
  bool value = in.count == 1 ? barrier.population == barrier.voters
                             : barrier.population != 0;
  if (in.count == 0)
    forLanes(warp.alive, [&](unsigned lane) {
      warp.regs[in.d + lane] = barrier.population;
    });
  else
    warp.preds[in.d] =
        (warp.preds[in.d] & ~warp.alive) | (value ? warp.alive : 0);
}

void Block::tryComplete(Barrier &barrier) {
  uint32_t expected = barrier.expected;
  if (!expected)
    for (const Warp &warp : warps)
      expected += warp.status != Warp::Exited ? 32 : 0;
  if (!barrier.arrived || barrier.arrived < expected)
    return;
  if (barrier.arrived > expected)
    throw Error(barrier.line, "more threads arrived than this barrier expects");
  for (Warp *warp : barrier.waiting)
    deliver(*warp, barrier);
  barrier = Barrier();
  ++progress;
}

void Block::warpExited(Warp &warp) {
  if (!warp.wgmmas.empty())
    launch.report(Finding::Protocol, warp.wgmmas.front()->line, 0, [&] {
      return std::string("a warp ends before this wgmma was waited for");
    });
  for (Barrier &barrier : barriers)
    if (barrier.arrived && !barrier.expected)
      tryComplete(barrier);
}

void Block::wake() {
  ++progress;
  for (Warp &warp : warps) {
    if (!warp.parked)
      continue;
    warp.parked = 0;
    if (warp.status != Warp::Blocked)
      continue;
    warp.status = Warp::Runnable;
    warp.active = 0; // run() regroups
  }
}
