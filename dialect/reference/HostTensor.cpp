// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Host tensors: storage, rounding, conversion from and to bytes.

#include "dialect/reference/HostTensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APInt.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using namespace attnc;

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// Rounds to a binary format of `fraction` fraction bits whose smallest normal
/// number is 2^minExponent and whose largest finite one is `largest`. Scaling
/// by powers of two is exact, so the one rounding is nearbyint's.
static double roundToFormat(double value, int fraction, int minExponent,
                            double largest) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent = std::max(std::ilogb(value), minExponent);
  double unit = std::ldexp(1.0, exponent - fraction);
  double rounded = std::nearbyint(value / unit) * unit;
  if (std::abs(rounded) > largest)
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double attnc::roundToType(double value, Type type) {
  if (type.isF32())
    return static_cast<float>(value);
  if (type.isF16())
    return roundToFormat(value, 10, -14, 65504.0);
  if (type.isBF16())
    return roundToFormat(value, 7, -126, 0x1.FEp127);
  if (isa<Float8E5M2Type>(type))
    return roundToFormat(value, 2, -14, 57344.0);
  if (isa<Float8E4M3FNType>(type)) {
    double rounded = roundToFormat(value, 3, -6, 448.0);
    return std::isinf(rounded) ? std::numeric_limits<double>::quiet_NaN()
                               : rounded;
  }
  return value;
}

int64_t attnc::wrapToType(int64_t value, Type type) {
  if (type.isIndex())
    return value;
  unsigned width = type.getIntOrFloatBitWidth();
  if (width == 1)
    return value & 1;
  return width >= 64 ? value : llvm::SignExtend64(value, width);
}

//===----------------------------------------------------------------------===//
// HostTensor
//===----------------------------------------------------------------------===//

SmallVector<int64_t> attnc::rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= shape[d];
  }
  return strides;
}

HostTensor::HostTensor(Type elementType, ArrayRef<int64_t> shape)
    : elementType(elementType), shape(shape) {
  assert(isSupported(elementType) && countElements(shape) && "check first");
  Scalar zero = isFloat() ? floatScalar(0.0) : intScalar(0);
  data = std::make_shared<std::vector<Scalar>>(*countElements(shape), zero);
}

HostTensor HostTensor::fromScalar(Type elementType, Scalar value) {
  HostTensor tensor(elementType, {});
  tensor.mutableValues()[0] = value;
  return tensor;
}

HostTensor HostTensor::fromFloats(Type elementType, ArrayRef<int64_t> shape,
                                  ArrayRef<double> values) {
  HostTensor tensor(elementType, shape);
  assert(tensor.isFloat() &&
         tensor.getNumElements() == static_cast<int64_t>(values.size()));
  for (auto [to, from] : llvm::zip_equal(tensor.mutableValues(), values))
    to.f = roundToType(from, elementType);
  return tensor;
}

HostTensor HostTensor::fromInts(Type elementType, ArrayRef<int64_t> shape,
                                ArrayRef<int64_t> values) {
  HostTensor tensor(elementType, shape);
  assert(!tensor.isFloat() &&
         tensor.getNumElements() == static_cast<int64_t>(values.size()));
  for (auto [to, from] : llvm::zip_equal(tensor.mutableValues(), values))
    to.i = wrapToType(from, elementType);
  return tensor;
}

bool HostTensor::isSupported(Type type) {
  if (type.isF64() || type.isF32() || type.isF16() || type.isBF16() ||
      isa<Float8E4M3FNType, Float8E5M2Type>(type) || type.isIndex())
    return true;
  return type.isSignlessInteger() && type.getIntOrFloatBitWidth() >= 1 &&
         type.getIntOrFloatBitWidth() <= 64;
}

unsigned HostTensor::getElementBytes(Type type) {
  if (!isSupported(type))
    return 0;
  if (type.isIndex())
    return 8;
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
  case 8:
    return 1;
  case 16:
    return 2;
  case 32:
    return 4;
  case 64:
    return 8;
  default:
    return 0;
  }
}

std::optional<int64_t> HostTensor::countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  bool empty = false, overflow = false;
  for (int64_t size : shape) {
    if (size < 0)
      return std::nullopt;
    if (size == 0)
      empty = true;
    else
      overflow |= llvm::MulOverflow(count, size, count) != 0;
  }
  if (empty)
    return 0;
  if (overflow)
    return std::nullopt;
  return count;
}

MutableArrayRef<Scalar> HostTensor::mutableValues() {
  if (data.use_count() != 1)
    data = std::make_shared<std::vector<Scalar>>(*data);
  return *data;
}

HostTensor HostTensor::reshaped(ArrayRef<int64_t> newShape) const {
  assert(countElements(newShape) == getNumElements());
  HostTensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

SmallVector<int64_t> HostTensor::getStrides() const {
  return rowMajorStrides(shape);
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

template <typename T>
static T load(const char *p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}
template <typename T>
static void store(char *p, T value) {
  std::memcpy(p, &value, sizeof(T));
}

static uint64_t loadBits(Type type, const char *p) {
  return HostTensor::getElementBytes(type) == 1 ? load<uint8_t>(p)
                                                : load<uint16_t>(p);
}

static Scalar loadElement(Type type, const char *p) {
  if (type.isF64())
    return floatScalar(load<double>(p));
  if (type.isF32())
    return floatScalar(load<float>(p));
  if (isa<FloatType>(type)) {
    llvm::APFloat value(
        cast<FloatType>(type).getFloatSemantics(),
        llvm::APInt(type.getIntOrFloatBitWidth(), loadBits(type, p)));
    bool losesInfo;
    value.convert(llvm::APFloat::IEEEdouble(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return floatScalar(value.convertToDouble());
  }
  if (type.isInteger(1))
    return intScalar(*p != 0);
  switch (HostTensor::getElementBytes(type)) {
  case 1:
    return intScalar(load<int8_t>(p));
  case 2:
    return intScalar(load<int16_t>(p));
  case 4:
    return intScalar(load<int32_t>(p));
  default:
    return intScalar(load<int64_t>(p));
  }
}

static void storeElement(Type type, Scalar value, char *p) {
  if (type.isF64())
    return store<double>(p, value.f);
  if (type.isF32())
    return store<float>(p, static_cast<float>(value.f));
  if (isa<FloatType>(type)) {
    llvm::APFloat small(value.f);
    bool losesInfo;
    small.convert(cast<FloatType>(type).getFloatSemantics(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    uint64_t bits = small.bitcastToAPInt().getZExtValue();
    if (HostTensor::getElementBytes(type) == 1)
      return store<uint8_t>(p, bits);
    return store<uint16_t>(p, bits);
  }
  switch (HostTensor::getElementBytes(type)) {
  case 1:
    return store<int8_t>(p, value.i);
  case 2:
    return store<int16_t>(p, value.i);
  case 4:
    return store<int32_t>(p, value.i);
  default:
    return store<int64_t>(p, value.i);
  }
}

/// Calls fn(linear index, byte offset) for each element in row-major order.
static void forEachElement(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                           int64_t elements,
                           llvm::function_ref<void(int64_t, int64_t)> fn) {
  SmallVector<int64_t> index(shape.size(), 0);
  int64_t offset = 0;
  for (int64_t linear = 0; linear < elements; ++linear) {
    fn(linear, offset);
    for (size_t d = shape.size(); d-- > 0;) {
      offset += strides[d];
      if (++index[d] < shape[d])
        break;
      offset -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

static SmallVector<int64_t> byteStridesOr(ArrayRef<int64_t> given,
                                          ArrayRef<int64_t> shape,
                                          unsigned bytes) {
  if (!given.empty() || shape.empty())
    return SmallVector<int64_t>(given);
  SmallVector<int64_t> strides = rowMajorStrides(shape);
  for (int64_t &stride : strides)
    stride *= bytes;
  return strides;
}

std::optional<HostTensor> HostTensor::fromBytes(Type elementType,
                                                ArrayRef<int64_t> shape,
                                                const void *data,
                                                ArrayRef<int64_t> byteStrides) {
  unsigned bytes = getElementBytes(elementType);
  if (!bytes || !countElements(shape))
    return std::nullopt;
  HostTensor tensor(elementType, shape);
  MutableArrayRef<Scalar> values = tensor.mutableValues();
  const char *base = static_cast<const char *>(data);
  forEachElement(shape, byteStridesOr(byteStrides, shape, bytes), values.size(),
                 [&](int64_t linear, int64_t offset) {
                   values[linear] = loadElement(elementType, base + offset);
                 });
  return tensor;
}

bool HostTensor::toBytes(void *out, ArrayRef<int64_t> byteStrides) const {
  unsigned bytes = getElementBytes(elementType);
  if (!bytes)
    return false;
  char *base = static_cast<char *>(out);
  forEachElement(shape, byteStridesOr(byteStrides, shape, bytes),
                 getNumElements(), [&](int64_t linear, int64_t offset) {
                   storeElement(elementType, get(linear), base + offset);
                 });
  return true;
}
