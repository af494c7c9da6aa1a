// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA's chips, as far as both LLVM and ptxas know them.

#ifndef ATTNC_CODEGEN_GPU_CHIPS_H
#define ATTNC_CODEGEN_GPU_CHIPS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace attnc::gpu {

struct Chip {
  llvm::StringLiteral name;
  unsigned sm;
  char suffix; ///< 'a', 'f' or 0
  /// Version of PTX to write, 80 for 8.0: the oldest that serves, so that old
  /// drivers take it.
  unsigned ptx;
  uint32_t sharedBytes; ///< that a block may ask for
};

/// From the oldest to the newest.
llvm::ArrayRef<Chip> chips();
/// Null for another name.
const Chip *findChip(llvm::StringRef name);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_CHIPS_H
