// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How an access orders others: bits of Inst::mode of loads, stores, atomics.

#ifndef ATTNC_RUNTIME_PTX_MEMORYORDER_H
#define ATTNC_RUNTIME_PTX_MEMORYORDER_H

#include <cstdint>

namespace attnc {
namespace ptx {

enum MemoryOrder : uint8_t {
  OrderAcquire = 1,
  OrderRelease = 2,
  OrderRelaxed = 4, ///< strong, so it cannot race with other strong accesses
  OrderAtomic = 8,
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_MEMORYORDER_H
