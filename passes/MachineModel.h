// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What attn-schedule must know of a machine. Code generators fill it from
// their target description, so that passes depend on no target library.

#ifndef ATTNC_PASSES_MACHINEMODEL_H
#define ATTNC_PASSES_MACHINEMODEL_H

#include <cstdint>

namespace attnc {

struct MachineModel {
  int64_t vectorBytes = 32;     // native vector width
  int64_t vectorRegisters = 16; // architectural vector registers
  bool hasBf16Dot = false;      // dot products of bf16 pairs at twice the rate
  int64_t l1Bytes = 32 << 10;   // first-level data cache of a core
  int64_t l2Bytes = 1 << 20;    // second-level cache of a core
  int64_t sm = 0;               // NVIDIA chip, 80 for sm_80; 0: a CPU
  bool hasWgmma = false;        // products of warpgroups, as sm_90a has
};

} // namespace attnc

#endif // ATTNC_PASSES_MACHINEMODEL_H
