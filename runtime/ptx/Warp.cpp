// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which lanes run next, and the loop that runs them.

#include "Warp.h"
#include "Block.h"
#include "Error.h"
#include "Wgmma.h"

#include <algorithm>
#include <cstring>

using namespace attnc::ptx;

Warp::Warp() = default;
Warp::~Warp() = default;
Warp::Warp(Warp &&) = default;

static uint64_t valueOf(Special special, const Warp &warp, unsigned lane) {
  const Launch &launch = *warp.launch;
  const Dim3 &size = launch.options.block;
  const Dim3 &grid = launch.options.grid;
  uint32_t thread = warp.id * 32 + lane;
  uint32_t bit = uint32_t(1) << lane;
  uint32_t shared = launch.program.staticShared + launch.options.dynamicShared;
  switch (special) {
  case Special::TidX:
    return thread % size.x;
  case Special::TidY:
    return thread / size.x % size.y;
  case Special::TidZ:
    return thread / size.x / size.y;
  case Special::NtidX:
    return size.x;
  case Special::NtidY:
    return size.y;
  case Special::NtidZ:
    return size.z;
  case Special::CtaidX:
    return warp.block->index.x;
  case Special::CtaidY:
    return warp.block->index.y;
  case Special::CtaidZ:
    return warp.block->index.z;
  case Special::NctaidX:
    return grid.x;
  case Special::NctaidY:
    return grid.y;
  case Special::NctaidZ:
    return grid.z;
  case Special::LaneId:
    return lane;
  case Special::WarpId:
    return warp.id;
  case Special::NwarpId:
    return warp.block->warps.size();
  case Special::MaskEq:
    return bit;
  case Special::MaskLt:
    return bit - 1;
  case Special::MaskLe:
    return bit | (bit - 1);
  case Special::MaskGe:
    return ~(bit - 1);
  case Special::MaskGt:
    return ~(bit | (bit - 1));
  case Special::GridId:
    return 1;
  case Special::NsmId:
    return 1;
  case Special::One:
    return 1;
  case Special::DynamicShared:
    return launch.options.dynamicShared;
  case Special::TotalShared:
    return shared;
  case Special::SmId:
  case Special::Zero:
  case Special::Clock:
  case Special::Clock64:
  case Special::GlobalTimer:
    return 0;
  }
  return 0;
}

void Warp::start(Block &b, unsigned number, unsigned laneCount) {
  block = &b;
  launch = &b.launch;
  const Program &program = launch->program;
  size_t words = program.registerWords + program.predicates;
  if (!storage) {
    // Room to align the registers to cache lines.
    storage.reset(new uint32_t[words + 16]);
    auto address = reinterpret_cast<uintptr_t>(storage.get());
    regs = reinterpret_cast<uint32_t *>((address + 63) & ~uintptr_t(63));
    preds = regs + program.registerWords;
  }
  fillPoison(regs, size_t(program.registerWords) * 4);
  std::fill(preds, preds + program.predicates, launch->random.next());
  preds[0] = allLanes;
  preds[1] = 0;
  id = number;
  for (const Program::Constant &constant : program.constants)
    for (unsigned lane = 0; lane < 32; ++lane)
      set(constant.slot, lane, constant.value);
  for (const Program::SpecialSlot &special : program.specials)
    for (unsigned lane = 0; lane < 32; ++lane)
      set(special.slot, lane, valueOf(special.special, *this, lane));
  for (const Program::AddressSlot &address : program.addresses) {
    auto shared = program.sharedOffsets.find(address.variable);
    uint64_t base = shared != program.sharedOffsets.end()
                        ? shared->second
                        : launch->globals.at(address.variable);
    for (unsigned lane = 0; lane < 32; ++lane)
      set(address.slot, lane, base + static_cast<uint64_t>(address.addend));
  }
  local.resize(size_t(program.localBytes) * 32);
  fillPoison(local.data(), local.size());
  alive = laneCount == 32 ? allLanes : (uint32_t(1) << laneCount) - 1;
  active = alive;
  pc = 0;
  mergePc = allLanes;
  status = Runnable;
  parked = carry = 0;
  event = diverged = yield = false;
  barrier = -1;
  copies.clear();
  copyGroup.fill(0);
  wgmmas.clear();
  wgmmaGroup = 0;
  wgmmaFenced = false;
  clock.fill(launch->time);
  fenced.fill(launch->time);
  fenceRelease.fill(0);
  fenceAcquire.fill(0);
  ++clock.time[id];
}

bool Warp::regroup() {
  uint32_t candidates = alive & ~parked;
  mergePc = allLanes;
  event = true; // the loop looks at the state again
  if (!candidates) {
    active = 0;
    status = alive ? Blocked : Exited;
    return false;
  }
  uint32_t least = allLanes;
  forLanes(candidates,
           [&](unsigned lane) { least = std::min(least, lanePc[lane]); });
  // Now and then another group runs, so that a spin of some lanes cannot keep
  // the lanes that it waits for from running.
  if (++regroups % 64 == 0) {
    unsigned skip = launch->random.below(__builtin_popcount(candidates));
    uint32_t rest = candidates;
    while (skip--)
      rest &= rest - 1;
    least = lanePc[__builtin_ctz(rest)];
  }
  active = 0;
  forLanes(candidates, [&](unsigned lane) {
    if (lanePc[lane] == least)
      active |= uint32_t(1) << lane;
    else if (lanePc[lane] > least)
      mergePc = std::min(mergePc, lanePc[lane]);
  });
  pc = least;
  diverged = active != alive;
  status = Runnable;
  return true;
}

void Warp::branch(uint32_t taken, uint32_t target) {
  uint32_t next = pc;
  if (taken == active && !diverged) {
    pc = target;
    return;
  }
  forLanes(active, [&](unsigned lane) {
    lanePc[lane] = taken >> lane & 1 ? target : next;
  });
  regroup();
}

void Warp::park(uint32_t lanes) {
  forLanes(active, [&](unsigned lane) {
    lanePc[lane] = lanes >> lane & 1 ? pc - 1 : pc;
  });
  parked |= lanes;
  regroup();
}

void Warp::exit(uint32_t lanes) {
  forLanes(active, [&](unsigned lane) { lanePc[lane] = pc; });
  alive &= ~lanes;
  parked = 0; // who waits for these lanes need not any more
  regroup();
  if (!alive)
    block->warpExited(*this);
}

bool Warp::gather(const Inst &in, uint32_t need, uint32_t mask) {
  (void)in;
  need &= alive;
  if (!(need & ~mask))
    return true;
  uint32_t present = mask;
  forLanes(parked, [&](unsigned lane) {
    if (lanePc[lane] == pc - 1)
      present |= uint32_t(1) << lane;
  });
  if (need & ~present) {
    park(mask);
    return false;
  }
  // After this instruction all of them are at the next one.
  parked &= ~present;
  active |= present;
  diverged = active != alive;
  return true;
}

bool Warp::gatherAll(const Inst &in, uint32_t mask) {
  return gather(in, alive, mask);
}

std::string Warp::place(int lane) const {
  const Dim3 &at = block->index;
  std::string text = format("block (%u,%u,%u), ", at.x, at.y, at.z);
  if (lane < 0)
    return text + format("warp %u", id);
  uint32_t thread = id * 32 + static_cast<unsigned>(lane);
  const Dim3 &size = launch->options.block;
  return text + format("thread (%u,%u,%u)", thread % size.x,
                       thread / size.x % size.y, thread / size.x / size.y);
}

void Warp::fail(const Inst &in, const std::string &message, int lane) const {
  throw Error(in.line, message + " [" + place(lane) + "]");
}

uint64_t Warp::run(uint64_t budget) {
  const Inst *code = launch->program.code.data();
  uint64_t threads = 0, start = budget;
  yield = false;
  if (!active && !regroup())
    return budget;
  event = false;
  while (budget) {
    const Inst &in = code[pc];
    --budget;
    ++pc;
    uint32_t mask = active;
    if (in.guard)
      mask &= preds[in.guard] ^ in.guardFlip;
    if (mask) {
      threads += static_cast<unsigned>(__builtin_popcount(mask));
      in.run(*this, in, mask);
    }
    if (event) {
      event = false;
      if (status != Runnable || yield)
        break;
    }
    if (pc == mergePc) {
      forLanes(active, [&](unsigned lane) { lanePc[lane] = pc; });
      regroup();
      event = false;
    }
  }
  launch->threadInstructions += threads;
  launch->warpInstructions += start - budget;
  return budget;
}
