// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared memory has 32 banks of 4 bytes. An access of 8 or 16 bytes a lane goes
// in halves or quarters of the warp; within one of these, each bank serves one
// word a wavefront.

#include "Launch.h"

#include <algorithm>

using namespace attnc::ptx;

/// Wavefronts of the lanes of one part of a warp.
static unsigned wavefronts(const uint32_t *addresses, uint32_t lanes,
                           unsigned words) {
  uint32_t seen[32][8]; // words that a bank serves so far
  uint8_t used[32] = {};
  unsigned most = 0;
  forLanes(lanes, [&](unsigned lane) {
    for (unsigned i = 0; i < words; ++i) {
      uint32_t word = (addresses[lane] >> 2) + i;
      unsigned bank = word & 31, count = used[bank];
      unsigned at = 0;
      while (at < count && at < 8 && seen[bank][at] != word)
        ++at;
      if (at < count && at < 8)
        continue;
      if (count < 8)
        seen[bank][count] = word;
      used[bank] = static_cast<uint8_t>(count + 1);
      most = std::max(most, count + 1);
    }
  });
  return most;
}

void attnc::ptx::countBanks(Launch &launch, const Inst &in,
                            const uint32_t *addresses, uint32_t mask,
                            unsigned size) {
  if (launch.bankUse.empty())
    return;
  Launch::Bank &use =
      launch.bankUse[static_cast<size_t>(&in - launch.program.code.data())];
  unsigned words = std::max(size / 4, 1u);
  unsigned parts = std::min(words, 4u), lanes = 32 / parts;
  uint32_t part = lanes == 32 ? allLanes : (uint32_t(1) << lanes) - 1;
  ++use.executions;
  for (unsigned i = 0; i < parts; ++i) {
    uint32_t here = mask & part << i * lanes;
    if (!here)
      continue;
    use.wavefronts += wavefronts(addresses, here, words);
    ++use.ideal;
  }
}
