// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A thread block: its warps and the order in which they run, its barriers,
// mbarriers and asynchronous operations.

#ifndef ATTNC_RUNTIME_PTX_BLOCK_H
#define ATTNC_RUNTIME_PTX_BLOCK_H

#include "Launch.h"
#include "SharedMemory.h"

#include <functional>
#include <map>

namespace attnc {
namespace ptx {

/// bar.sync and its like, one for each of the 16 numbers.
struct Barrier {
  uint32_t arrived = 0;  ///< threads
  uint32_t expected = 0; ///< 0: all that have not exited
  unsigned line = 0;
  std::vector<Warp *> waiting;
  VectorClock clock, fenced;
  uint32_t population = 0; ///< of .red: true predicates
  uint32_t voters = 0;
};

struct Mbarrier {
  uint32_t count = 0;        ///< arrivals a phase
  int64_t pending = 0;       ///< arrivals still to come
  int64_t bytes = 0;         ///< of transactions, expected less completed
  uint32_t phase = 0;        ///< completed ones
  unsigned agent = 0;        ///< its asynchronous unit in vector clocks
  VectorClock clock, fenced; ///< of the arrivals so far
  VectorClock doneClock, doneFenced; ///< of the last completed phase
};

/// A bulk copy out of shared memory, of one thread.
struct BulkStore {
  unsigned warp, lane;
  uint32_t group;
  unsigned line;
  std::function<void()> land;
};

class Block {
public:
  Block(Launch &launch, unsigned threads);

  void start(Dim3 index);
  enum Outcome { Finished, Paused };
  /// Runs until the end, or for about this many instructions.
  Outcome run(uint64_t budget);

  // Barriers.
  void arriveAt(Warp &warp, const Inst &in, unsigned number, uint32_t expected,
                bool waits);
  void warpExited(Warp &warp);

  // Mbarriers.
  Mbarrier &mbarrierAt(Warp &warp, const Inst &in, unsigned lane,
                       uint64_t address);
  void arrive(Warp &warp, const Inst &in, Mbarrier &mbarrier, uint32_t count);
  void completePhase(Mbarrier &mbarrier);
  /// Lets waiting lanes look again.
  void wake();

  /// Something that happens later, at a time of its own.
  void later(std::function<void()> event) {
    events.push_back(std::move(event));
  }
  /// A new time of an asynchronous unit.
  uint32_t tick(unsigned agent) { return ++agentTime[agent - mostWarps]; }

  Launch &launch;
  Dim3 index;
  SharedMemory shared;
  std::vector<Warp> warps;
  std::map<uint32_t, Mbarrier> mbarriers;
  unsigned nextAgent = 0;
  std::vector<BulkStore> bulkStores;
  std::vector<std::array<uint32_t, 32>> bulkGroups; ///< by warp
  /// Clocks that strong accesses to an address pass on.
  std::map<uint32_t, VectorClock> released;

private:
  void tryComplete(Barrier &barrier);
  void deliver(Warp &warp, const Barrier &barrier);
  void checkEnd();
  void fireEvent();
  [[noreturn]] void deadlock();

  unsigned threads;
  std::array<Barrier, 16> barriers;
  std::vector<std::function<void()>> events;
  std::array<uint32_t, asyncAgents> agentTime{};
  uint64_t progress = 0; ///< phases, barriers, events so far
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_BLOCK_H
