// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A warp: 32 threads with registers of their own, and where each of them is.
//
// Threads that are at one place run together; of several places the first runs
// (by address, which is where they meet again soonest). Threads that wait for
// others of their warp, or for an mbarrier, are parked.

#ifndef ATTNC_RUNTIME_PTX_WARP_H
#define ATTNC_RUNTIME_PTX_WARP_H

#include "Program.h"
#include "VectorClock.h"

#include <array>
#include <memory>
#include <vector>

namespace attnc {
namespace ptx {

class Block;
struct Launch;

constexpr uint32_t allLanes = ~uint32_t(0);

/// One lane's cp.async that has not landed.
struct PendingCopy {
  uint64_t source;
  uint32_t target;
  uint32_t line;
  uint32_t group; ///< of its lane
  uint8_t lane, size, sourceSize;
};

struct PendingWgmma;

struct Warp {
  // Hot.
  uint32_t *regs = nullptr;
  uint32_t *preds = nullptr;
  uint32_t pc = 0;
  uint32_t active = 0;
  uint32_t mergePc = ~uint32_t(0); ///< where the next waiting lanes are
  bool event = false;              ///< leave the inner loop

  enum Status { Runnable, Blocked, AtBarrier, Exited };
  Status status = Runnable;
  uint32_t alive = 0, parked = 0;
  uint32_t carry = 0; ///< the condition code, a bit a lane
  bool diverged = false;
  bool yield = false; ///< a spin that let nothing happen
  unsigned id = 0;
  uint32_t regroups = 0;
  std::array<uint32_t, 32> lanePc{};
  Block *block = nullptr;
  Launch *launch = nullptr;
  VectorClock clock;        ///< what this warp knows of
  VectorClock fenced;       ///< …and the async proxy may see
  VectorClock fenceRelease; ///< what relaxed stores after a fence pass on
  VectorClock fenceAcquire; ///< what relaxed loads have seen since a fence
  int barrier = -1;         ///< what it waits at, while AtBarrier
  const Inst *barrierInst = nullptr;

  std::vector<PendingCopy> copies;
  std::array<uint32_t, 32> copyGroup{};
  std::vector<std::unique_ptr<PendingWgmma>> wgmmas;
  uint32_t wgmmaGroup = 0;
  bool wgmmaFenced = false; ///< a fence since the last wait

  std::unique_ptr<uint32_t[]> storage;
  std::vector<uint8_t> local; ///< 32 times Program::localBytes

  Warp();
  ~Warp();
  Warp(Warp &&);

  template <class T>
  T *lanes(uint32_t slot) {
    return reinterpret_cast<T *>(regs + slot);
  }
  uint64_t value(Slot slot, unsigned lane) const {
    if (slot.wide)
      return reinterpret_cast<const uint64_t *>(regs + slot.at)[lane];
    return regs[slot.at + lane];
  }
  void set(Slot slot, unsigned lane, uint64_t value) {
    if (slot.wide)
      reinterpret_cast<uint64_t *>(regs + slot.at)[lane] = value;
    else
      regs[slot.at + lane] = static_cast<uint32_t>(value);
  }
  /// The address operand of a memory instruction.
  uint64_t address(const Inst &in, unsigned lane) const {
    uint64_t base = value({in.a, in.wideAddress}, lane);
    uint64_t sum = base + static_cast<uint64_t>(in.imm);
    return in.wideAddress ? sum : sum & 0xffffffff;
  }

  void start(Block &b, unsigned number, unsigned laneCount);
  /// Runs up to `budget` instructions; returns how many were left.
  uint64_t run(uint64_t budget);
  /// Chooses the lanes that run next; false if there are none.
  bool regroup();
  /// Sends the lanes of `taken` to `target`, the other active ones on.
  void branch(uint32_t taken, uint32_t target);
  void park(uint32_t lanes);
  void exit(uint32_t lanes);
  /// True if all lanes of `need` are at this instruction, which are then
  /// active; else the lanes of `mask` are parked here.
  bool gather(const Inst &in, uint32_t need, uint32_t mask);
  /// For instructions that the whole warp must run together.
  bool gatherAll(const Inst &in, uint32_t mask);
  [[noreturn]] void fail(const Inst &in, const std::string &message,
                         int lane = -1) const;
  std::string place(int lane) const; ///< "block (0,0,0), thread (5,0,0)"
};

template <class F>
void forLanes(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1)
    f(static_cast<unsigned>(__builtin_ctz(mask)));
}

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_WARP_H
