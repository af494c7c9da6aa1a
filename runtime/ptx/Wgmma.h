// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A wgmma that has been issued and not waited for. Each warp of a warpgroup
// computes 16 of the 64 rows.

#ifndef ATTNC_RUNTIME_PTX_WGMMA_H
#define ATTNC_RUNTIME_PTX_WGMMA_H

#include "Warp.h"

#include <vector>

namespace attnc {
namespace ptx {

struct PendingWgmma {
  const Inst *inst = nullptr;
  unsigned line = 0;
  uint32_t group = 0;
  uint64_t descriptorA = 0, descriptorB = 0;
  bool accumulates = true; ///< scale-d
  /// D as it was, by register and lane; empty while an earlier wgmma on the
  /// same registers is in flight.
  std::vector<uint32_t> before;
  /// Shared addresses of 16 bytes each that it reads.
  std::vector<uint32_t> chunksA, chunksB;
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_WGMMA_H
