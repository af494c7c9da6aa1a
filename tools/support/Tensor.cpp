// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Allocation and conversion of host tensors.

#include "tools/support/Tensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <cstring>
#include <unistd.h>

using namespace attnc;
using llvm::createStringError;

std::optional<int64_t> attnc::checkedProduct(llvm::ArrayRef<int64_t> shape,
                                             int64_t elementBytes) {
  int64_t product = elementBytes;
  for (int64_t size : shape) {
    if (size < 0)
      return std::nullopt;
    // An empty tensor of absurd sizes is refused too: strides are products of
    // the other sizes.
    if (size != 0 && __builtin_mul_overflow(product, size, &product))
      return std::nullopt;
  }
  if (llvm::is_contained(shape, 0))
    return 0;
  return product;
}

llvm::Expected<Tensor> Tensor::create(attnc_dtype dtype,
                                      llvm::ArrayRef<int64_t> shape) {
  std::optional<int64_t> bytes =
      checkedProduct(shape, static_cast<int64_t>(attnc_dtype_size(dtype)));
  if (!bytes)
    return createStringError("%s has more bytes than 64 bits can count",
                             typeText(dtype, shape).c_str());
  // Memory is promised lightly and taken back by ending the process.
  int64_t present =
      static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  if (present > 0 && *bytes > present)
    return createStringError("%s has %lld bytes, more than this machine's "
                             "memory",
                             typeText(dtype, shape).c_str(),
                             static_cast<long long>(*bytes));
  constexpr size_t alignment = ATTNC_SCRATCH_ALIGNMENT;
  size_t padded =
      (static_cast<size_t>(*bytes) + alignment - 1) / alignment * alignment;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignment, std::max(padded, alignment)) != 0)
    return createStringError("no memory for %s (%lld bytes)",
                             typeText(dtype, shape).c_str(),
                             static_cast<long long>(*bytes));
  std::memset(memory, 0, padded);
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = shape.vec();
  tensor.numElements = *checkedProduct(shape);
  tensor.storage.reset(static_cast<uint8_t *>(memory));
  return tensor;
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

float attnc::fromBF16(uint16_t bits) {
  return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t attnc::toBF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float attnc::fromF16(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1f, mantissa = half & 0x3ff;
  if (exponent == 0x1f)
    return llvm::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  if (exponent == 0) {
    float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  return llvm::bit_cast<float>(sign | ((exponent + 112) << 23) |
                               (mantissa << 13));
}

uint16_t attnc::toF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  uint32_t half;
  if (magnitude > 0x7f800000) // NaN
    half = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  else if (magnitude >= 0x477ff000) // at least 65520 rounds to infinity
    half = 0x7c00;
  else if (magnitude < 0x38800000) // below 2^-14: the sum has a subnormal's ulp
    half = llvm::bit_cast<uint32_t>(llvm::bit_cast<float>(magnitude) + 0.5f) -
           llvm::bit_cast<uint32_t>(0.5f);
  else
    half = ((magnitude + 0xfff + ((magnitude >> 13) & 1)) >> 13) - (112 << 10);
  return static_cast<uint16_t>(sign | half);
}

/// The float next to `value` towards zero, its last bit set if that is inexact.
/// Rounding it to a type with two bits less is rounding `value` once.
static float roundToOdd(double value) {
  float rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) == value || std::isnan(value))
    return rounded;
  uint32_t bits = llvm::bit_cast<uint32_t>(rounded);
  if (std::fabs(static_cast<double>(rounded)) > std::fabs(value))
    --bits;
  return llvm::bit_cast<float>(bits | 1);
}

uint16_t attnc::toF16(double value) { return toF16(roundToOdd(value)); }
uint16_t attnc::toBF16(double value) { return toBF16(roundToOdd(value)); }

bool attnc::isFloat(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_F64 || dtype == ATTNC_DTYPE_F32 ||
         dtype == ATTNC_DTYPE_F16 || dtype == ATTNC_DTYPE_BF16 ||
         isFloat8(dtype);
}
bool attnc::isFloat8(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_F8E4M3 || dtype == ATTNC_DTYPE_F8E5M2;
}

static const llvm::fltSemantics &float8Semantics(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_F8E4M3 ? llvm::APFloat::Float8E4M3FN()
                                     : llvm::APFloat::Float8E5M2();
}
static double fromFloat8(attnc_dtype dtype, uint8_t bits) {
  llvm::APFloat value(float8Semantics(dtype), llvm::APInt(8, bits));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}
static uint8_t toFloat8(attnc_dtype dtype, double value) {
  llvm::APFloat small(value);
  bool losesInfo;
  small.convert(float8Semantics(dtype), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return static_cast<uint8_t>(small.bitcastToAPInt().getZExtValue());
}

std::pair<int64_t, int64_t> attnc::integerRange(attnc_dtype dtype) {
  switch (dtype) {
  case ATTNC_DTYPE_I64:
    return {INT64_MIN, INT64_MAX};
  case ATTNC_DTYPE_I32:
    return {INT32_MIN, INT32_MAX};
  case ATTNC_DTYPE_I16:
    return {INT16_MIN, INT16_MAX};
  case ATTNC_DTYPE_I8:
    return {INT8_MIN, INT8_MAX};
  case ATTNC_DTYPE_U8:
    return {0, UINT8_MAX};
  default:
    return {0, 1};
  }
}

/// Calls `fn` with a null pointer of the type that stores a native dtype; the
/// floats of 8 and 16 bits are handled by the callers.
template <typename Fn>
static auto withNativeType(attnc_dtype dtype, Fn fn) {
  switch (dtype) {
  case ATTNC_DTYPE_F64:
    return fn(static_cast<double *>(nullptr));
  case ATTNC_DTYPE_F32:
    return fn(static_cast<float *>(nullptr));
  case ATTNC_DTYPE_I64:
    return fn(static_cast<int64_t *>(nullptr));
  case ATTNC_DTYPE_I32:
    return fn(static_cast<int32_t *>(nullptr));
  case ATTNC_DTYPE_I16:
    return fn(static_cast<int16_t *>(nullptr));
  case ATTNC_DTYPE_I8:
    return fn(static_cast<int8_t *>(nullptr));
  default:
    return fn(static_cast<uint8_t *>(nullptr));
  }
}

llvm::Expected<Tensor> Tensor::copy() const {
  llvm::Expected<Tensor> other = create(dtype, shape);
  if (other)
    std::copy_n(getData(), getNumBytes(), other->getData());
  return other;
}

double Tensor::getNumber(int64_t index) const {
  const uint8_t *data = getData();
  if (dtype == ATTNC_DTYPE_F16 || dtype == ATTNC_DTYPE_BF16) {
    uint16_t bits = reinterpret_cast<const uint16_t *>(data)[index];
    return dtype == ATTNC_DTYPE_F16 ? fromF16(bits) : fromBF16(bits);
  }
  if (isFloat8(dtype))
    return fromFloat8(dtype, data[index]);
  return withNativeType(dtype, [&](auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    return static_cast<double>(reinterpret_cast<const T *>(data)[index]);
  });
}

void Tensor::setNumber(int64_t index, double value) {
  uint8_t *data = getData();
  if (dtype == ATTNC_DTYPE_F16 || dtype == ATTNC_DTYPE_BF16) {
    reinterpret_cast<uint16_t *>(data)[index] =
        dtype == ATTNC_DTYPE_F16 ? toF16(value) : toBF16(value);
    return;
  }
  if (isFloat8(dtype)) {
    data[index] = toFloat8(dtype, value);
    return;
  }
  withNativeType(dtype, [&](auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    reinterpret_cast<T *>(data)[index] = static_cast<T>(value);
  });
}

int64_t Tensor::getInteger(int64_t index) const {
  return withNativeType(dtype, [&](auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    return static_cast<int64_t>(reinterpret_cast<const T *>(getData())[index]);
  });
}

void Tensor::setInteger(int64_t index, int64_t value) {
  withNativeType(dtype, [&](auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    reinterpret_cast<T *>(getData())[index] = static_cast<T>(value);
  });
}

//===----------------------------------------------------------------------===//
// Conversion
//===----------------------------------------------------------------------===//

/// Writes element `i` of `from` to `to`; false if the value does not fit.
static bool convertElement(const Tensor &from, Tensor &to, int64_t i) {
  if (isFloat(to.dtype)) {
    double value = isFloat(from.dtype)
                       ? from.getNumber(i)
                       : static_cast<double>(from.getInteger(i));
    to.setNumber(i, value);
    return true;
  }
  if (to.dtype == ATTNC_DTYPE_BOOL) {
    to.setInteger(i, isFloat(from.dtype) ? from.getNumber(i) != 0
                                         : from.getInteger(i) != 0);
    return true;
  }
  if (isFloat(from.dtype))
    return false;
  int64_t value = from.getInteger(i);
  auto [smallest, largest] = integerRange(to.dtype);
  if (value < smallest || value > largest)
    return false;
  to.setInteger(i, value);
  return true;
}

/// Element `i` for a message.
static std::string valueText(const Tensor &tensor, int64_t i) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (isFloat(tensor.dtype))
    os << tensor.getNumber(i);
  else
    os << tensor.getInteger(i);
  return text;
}

llvm::Expected<Tensor> attnc::convertTensor(const Tensor &from,
                                            attnc_dtype to) {
  llvm::Expected<Tensor> result = Tensor::create(to, from.shape);
  if (!result)
    return result.takeError();
  for (int64_t i = 0, e = from.getNumElements(); i < e; ++i)
    if (!convertElement(from, *result, i))
      return createStringError("the %s value %s does not convert to %s",
                               attnc_dtype_name(from.dtype),
                               valueText(from, i).c_str(),
                               attnc_dtype_name(to));
  return result;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string attnc::shapeText(llvm::ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (auto [number, size] : llvm::enumerate(shape)) {
    if (number)
      text += 'x';
    text += size < 0 ? "?" : std::to_string(size);
  }
  return text;
}

std::string attnc::typeText(attnc_dtype dtype, llvm::ArrayRef<int64_t> shape) {
  std::string text = attnc_dtype_name(dtype);
  return shape.empty() ? text : text + "[" + shapeText(shape) + "]";
}

std::optional<std::vector<int64_t>> attnc::parseShape(llvm::StringRef text) {
  std::vector<int64_t> shape;
  if (text == "scalar")
    return shape;
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, 'x');
  for (llvm::StringRef part : parts) {
    int64_t size = -1;
    if (part != "?" && (part.empty() || !llvm::all_of(part, llvm::isDigit) ||
                        part.getAsInteger(10, size)))
      return std::nullopt;
    shape.push_back(size);
  }
  return shape;
}
