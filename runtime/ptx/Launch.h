// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all blocks of one launch share.

#ifndef ATTNC_RUNTIME_PTX_LAUNCH_H
#define ATTNC_RUNTIME_PTX_LAUNCH_H

#include "Memory.h"
#include "Program.h"
#include "Warp.h"

#include <map>
#include <memory>
#include <tuple>

namespace attnc {
namespace ptx {

/// A small generator of our own, so that a seed means the same everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 2 + 1) {}
  uint32_t next() {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<uint32_t>(z >> 32);
  }
  uint32_t below(uint32_t limit) {
    return static_cast<uint32_t>((uint64_t(next()) * limit) >> 32);
  }

private:
  uint64_t state;
};

struct Launch {
  Launch(const Program &program, DeviceMemory &memory,
         const LaunchOptions &options)
      : program(program), memory(memory), options(options),
        random(options.seed), bankUse(options.banks ? program.code.size() : 0) {
  }

  const Program &program;
  DeviceMemory &memory;
  const LaunchOptions &options;
  Random random;
  std::vector<uint8_t> parameters;
  std::map<const Variable *, uint64_t> globals;
  uint32_t time = 1; ///< no clock of an earlier block is later than this
  uint64_t warpInstructions = 0, threadInstructions = 0;

  struct Bank {
    uint64_t executions = 0, wavefronts = 0, ideal = 0;
  };
  std::vector<Bank> bankUse; ///< by instruction; empty: not wanted

  /// Notes a finding; `message` is asked once for each pair of lines.
  template <class F>
  void report(Finding::Kind kind, unsigned line, unsigned other, F message) {
    Finding *finding = note(kind, line, other);
    if (finding && finding->count == 1)
      finding->message = message();
  }

  void run(LaunchResult &result);

private:
  Finding *note(Finding::Kind kind, unsigned line, unsigned other);
  void runBlocks();
  uint64_t blockMemory(unsigned threads) const;
  void collect(LaunchResult &result);

  std::map<std::tuple<int, unsigned, unsigned>, Finding> findings;
};

/// Adds the wavefronts of one access by a warp: `size` bytes a lane.
void countBanks(Launch &launch, const Inst &in, const uint32_t *addresses,
                uint32_t mask, unsigned size);

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_LAUNCH_H
