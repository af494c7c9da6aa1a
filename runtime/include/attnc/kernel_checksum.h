// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel file's checksum, for its writer and its reader. C++, and needs
// xxhash.h: not for users of the runtime.

#ifndef ATTNC_KERNEL_CHECKSUM_H
#define ATTNC_KERNEL_CHECKSUM_H

#include "attnc/kernel_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace attnc {

/// Of `size` >= ATTNC_FILE_HEADER_BYTES bytes, leaving out the checksum field.
inline uint64_t kernelFileChecksum(const uint8_t *file, size_t size) {
  constexpr size_t afterChecksum = ATTNC_FILE_CHECKSUM_OFFSET + 8;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, file, ATTNC_FILE_CHECKSUM_OFFSET);
  XXH3_64bits_update(&state, file + afterChecksum, size - afterChecksum);
  return XXH3_64bits_digest(&state);
}

} // namespace attnc

#endif // ATTNC_KERNEL_CHECKSUM_H
