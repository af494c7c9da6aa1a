// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table of chips.

#include "codegen/gpu/Chips.h"

using namespace attnc::gpu;

static constexpr uint32_t operator""_KiB(unsigned long long n) {
  return static_cast<uint32_t>(n << 10);
}

// PTX 8.0 is what CUDA 12 began with; a chip that came later needs what came
// with it.
static constexpr Chip kChips[] = {
    {"sm_75", 75, 0, 80, 64_KiB},       {"sm_80", 80, 0, 80, 163_KiB},
    {"sm_86", 86, 0, 80, 99_KiB},       {"sm_87", 87, 0, 80, 163_KiB},
    {"sm_88", 88, 0, 90, 163_KiB},      {"sm_89", 89, 0, 80, 99_KiB},
    {"sm_90", 90, 0, 80, 227_KiB},      {"sm_90a", 90, 'a', 80, 227_KiB},
    {"sm_100", 100, 0, 86, 227_KiB},    {"sm_100a", 100, 'a', 86, 227_KiB},
    {"sm_100f", 100, 'f', 88, 227_KiB}, {"sm_103", 103, 0, 88, 227_KiB},
    {"sm_103a", 103, 'a', 88, 227_KiB}, {"sm_103f", 103, 'f', 88, 227_KiB},
    {"sm_110", 110, 0, 90, 227_KiB},    {"sm_110a", 110, 'a', 90, 227_KiB},
    {"sm_110f", 110, 'f', 90, 227_KiB}, {"sm_120", 120, 0, 87, 99_KiB},
    {"sm_120a", 120, 'a', 87, 99_KiB},  {"sm_120f", 120, 'f', 88, 99_KiB},
    {"sm_121", 121, 0, 88, 99_KiB},     {"sm_121a", 121, 'a', 88, 99_KiB},
    {"sm_121f", 121, 'f', 88, 99_KiB},
};

llvm::ArrayRef<Chip> attnc::gpu::chips() { return kChips; }

const Chip *attnc::gpu::findChip(llvm::StringRef name) {
  for (const Chip &chip : kChips)
    if (chip.name == name)
      return &chip;
  return nullptr;
}
