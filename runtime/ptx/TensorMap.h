// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The 128 bytes of a tensor map. Fields can be replaced one by one in a map of
// zeros, so that a map is checked when it is used.

#ifndef ATTNC_RUNTIME_PTX_TENSORMAP_H
#define ATTNC_RUNTIME_PTX_TENSORMAP_H

#include "attnc/ptx_executor.h"

#include <string>

namespace attnc {
namespace ptx {

struct TensorMapFields {
  uint64_t address;
  uint64_t strides[4];
  uint32_t sizes[5];
  uint32_t box[5];
  uint32_t elementStrides[5];
  uint8_t lastDimension; ///< the rank less one
  uint8_t type, interleave, swizzle, fill;
  uint8_t padding[23];

  unsigned rank() const { return lastDimension + 1u; }
  unsigned elementBytes() const;
  uint64_t boxBytes() const;
  /// Empty if a copy can use this map.
  std::string problem() const;
};
static_assert(sizeof(TensorMapFields) == 128, "a tensor map has 128 bytes");

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_TENSORMAP_H
