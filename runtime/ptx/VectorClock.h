// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which events of which agents (warps, and the hardware's asynchronous units)
// happened before: Mattern's vector clocks.

#ifndef ATTNC_RUNTIME_PTX_VECTORCLOCK_H
#define ATTNC_RUNTIME_PTX_VECTORCLOCK_H

#include <array>
#include <cstdint>

namespace attnc {
namespace ptx {

constexpr unsigned mostWarps = 32;
/// Agents that stand for asynchronous units; an mbarrier is assigned to one.
constexpr unsigned asyncAgents = 16;
constexpr unsigned mostAgents = mostWarps + asyncAgents;

struct VectorClock {
  std::array<uint32_t, mostAgents> time{};

  void join(const VectorClock &other) {
    for (unsigned i = 0; i < mostAgents; ++i)
      time[i] = time[i] > other.time[i] ? time[i] : other.time[i];
  }
  void fill(uint32_t value) { time.fill(value); }
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_VECTORCLOCK_H
