// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From an address to bytes: state spaces, bounds, alignment.

#ifndef ATTNC_RUNTIME_PTX_ACCESS_H
#define ATTNC_RUNTIME_PTX_ACCESS_H

#include "Block.h"

namespace attnc {
namespace ptx {

/// An address in one state space.
struct Place {
  Space space = Space::Global; ///< Global, Shared, Local or Param
  uint64_t address = 0;
};

/// Sorts a generic address into its window.
inline Place placeOf(Space space, uint64_t address) {
  if (space != Space::Generic)
    return {space, address};
  if (address < parameterWindow)
    return {Space::Global, address};
  if (address - sharedWindow < windowSize)
    return {Space::Shared, address - sharedWindow};
  if (address - localWindow < windowSize)
    return {Space::Local, address - localWindow};
  if (address - parameterWindow < windowSize)
    return {Space::Param, address - parameterWindow};
  return {Space::Global, address};
}

/// Where the bytes are. Fails with the thread and the line where they are not,
/// or where the address is not a multiple of `alignment`.
uint8_t *bytesAt(Warp &warp, const Inst &in, Place place, uint64_t size,
                 unsigned alignment, bool write, int lane);

/// A shared address of a bulk or matrix instruction, in 32 bits and checked.
uint32_t sharedAt(Warp &warp, const Inst &in, uint64_t address, uint64_t size,
                  unsigned alignment, int lane);

/// The pair that decoders keep for a second shared address.
inline uint64_t secondAddress(const Warp &warp, const Slot *pair,
                              unsigned lane) {
  uint64_t sum = warp.value(pair[0], lane) + warp.value(pair[1], lane);
  return pair[0].wide ? sum : sum & 0xffffffff;
}

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_ACCESS_H
