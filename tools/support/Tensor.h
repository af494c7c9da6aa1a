// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dense tensors in host memory, as the tools read, make, run and write them.

#ifndef ATTNC_TOOLS_SUPPORT_TENSOR_H
#define ATTNC_TOOLS_SUPPORT_TENSOR_H

#include "attnc/kernel_abi.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// Row-major elements that start on a cache line.
struct Tensor {
  attnc_dtype dtype = ATTNC_DTYPE_INVALID;
  std::vector<int64_t> shape;

  /// Zeros. An error names what is too large: a product that leaves 64 bits,
  /// or more memory than there is.
  static llvm::Expected<Tensor> create(attnc_dtype dtype,
                                       llvm::ArrayRef<int64_t> shape);

  /// Another with the same values.
  llvm::Expected<Tensor> copy() const;

  int64_t getNumElements() const { return numElements; }
  size_t getNumBytes() const {
    return static_cast<size_t>(numElements) * attnc_dtype_size(dtype);
  }
  uint8_t *getData() { return storage.get(); }
  const uint8_t *getData() const { return storage.get(); }
  template <typename T>
  llvm::MutableArrayRef<T> getAs() {
    return {reinterpret_cast<T *>(storage.get()),
            static_cast<size_t>(numElements)};
  }
  template <typename T>
  llvm::ArrayRef<T> getAs() const {
    return {reinterpret_cast<const T *>(storage.get()),
            static_cast<size_t>(numElements)};
  }

  /// Element `index` in row-major order as a number.
  double getNumber(int64_t index) const;
  /// Rounds to nearest even; integers must be in range.
  void setNumber(int64_t index, double value);
  int64_t getInteger(int64_t index) const;
  void setInteger(int64_t index, int64_t value);

private:
  struct Free {
    void operator()(uint8_t *data) const { std::free(data); }
  };
  int64_t numElements = 0;
  std::unique_ptr<uint8_t, Free> storage;
};

/// The product of the sizes; nothing if a size is negative or it leaves 64
/// bits. With `elementBytes` the product in bytes.
std::optional<int64_t> checkedProduct(llvm::ArrayRef<int64_t> shape,
                                      int64_t elementBytes = 1);

bool isFloat(attnc_dtype dtype);
/// One of the 8-bit floats.
bool isFloat8(attnc_dtype dtype);
/// The smallest and the largest value of an integer type or bool.
std::pair<int64_t, int64_t> integerRange(attnc_dtype dtype);

/// "1x8x4096x64"; "scalar" without dimensions, "?" for a negative size.
std::string shapeText(llvm::ArrayRef<int64_t> shape);
/// "f32[1x8x4096x64]"
std::string typeText(attnc_dtype dtype, llvm::ArrayRef<int64_t> shape);
/// The inverse of shapeText, "?" included; nothing if it is no shape.
std::optional<std::vector<int64_t>> parseShape(llvm::StringRef text);

/// The same values in another type: floats round to nearest even, integers must
/// fit, numbers become bools by being non-zero. An error names the first value
/// that cannot be converted.
llvm::Expected<Tensor> convertTensor(const Tensor &from, attnc_dtype to);

uint16_t toBF16(float value);
float fromBF16(uint16_t bits);
uint16_t toF16(float value);
float fromF16(uint16_t bits);
/// From double in one rounding.
uint16_t toBF16(double value);
uint16_t toF16(double value);

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_TENSOR_H
