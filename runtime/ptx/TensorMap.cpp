// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding and checking of tensor maps, with the limits of the CUDA driver.

#include "TensorMap.h"
#include "Error.h"

#include <cstring>

using namespace attnc::ptx;

constexpr uint64_t longestStride = uint64_t(1) << 40;

unsigned TensorMapFields::elementBytes() const {
  static const uint8_t sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  return type < sizeof sizes ? sizes[type] : 0;
}

uint64_t TensorMapFields::boxBytes() const {
  uint64_t bytes = elementBytes();
  for (unsigned i = 0; i < rank(); ++i)
    bytes *= box[i];
  return bytes;
}

std::string TensorMapFields::problem() const {
  if (rank() > 5)
    return "the rank is more than 5";
  if (!elementBytes())
    return "unknown element type";
  if (interleave)
    return "interleaved layouts are not supported";
  if (swizzle > 3)
    return "unknown swizzle";
  if (address % 16)
    return "the address is not a multiple of 16";
  for (unsigned i = 0; i < rank(); ++i) {
    if (!sizes[i])
      return format("dimension %u has no size", i);
    if (!box[i] || box[i] > 256)
      return format("the box has %u elements in dimension %u, not 1 to 256",
                    box[i], i);
    if (elementStrides[i] != 1)
      return "element strides other than 1 are not supported";
    if (i && (strides[i - 1] % 16 || strides[i - 1] >= longestStride))
      return format("the stride of dimension %u is not a multiple of 16 below "
                    "2^40",
                    i);
  }
  uint32_t inner = box[0] * elementBytes();
  if (inner % 16)
    return "a row of the box is not a multiple of 16 bytes";
  if (swizzle && inner > 16u << swizzle)
    return format("a row of the box has %u bytes, more than the swizzle's %u",
                  inner, 16u << swizzle);
  return "";
}

bool attnc::ptx::encodeTensorMap(const TensorMapSpec &spec, TensorMap &map,
                                 std::string &message) {
  TensorMapFields fields;
  memset(&fields, 0, sizeof fields);
  message.clear();
  if (spec.rank < 1 || spec.rank > 5) {
    message = "the rank is not 1 to 5";
    return false;
  }
  fields.address = spec.address;
  fields.lastDimension = static_cast<uint8_t>(spec.rank - 1);
  fields.type = static_cast<uint8_t>(spec.type);
  fields.swizzle = static_cast<uint8_t>(spec.swizzle);
  fields.fill = spec.fillNaN;
  for (unsigned i = 0; i < spec.rank; ++i) {
    if (!spec.sizes[i] || spec.sizes[i] >> 32) {
      message = format("dimension %u has no size below 2^32", i);
      return false;
    }
    fields.sizes[i] = static_cast<uint32_t>(spec.sizes[i]);
    fields.box[i] = spec.box[i];
    fields.elementStrides[i] = spec.elementStrides[i];
    if (i)
      fields.strides[i - 1] = spec.strides[i - 1];
  }
  message = fields.problem();
  if (!message.empty())
    return false;
  memcpy(map.bytes.data(), &fields, sizeof fields);
  return true;
}
