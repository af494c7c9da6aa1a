// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small floating-point formats, and minimum and maximum as PTX has them. All
// of it has internal linkage, since files that include this are compiled for
// several instruction sets.

#ifndef ATTNC_RUNTIME_PTX_NUMBERS_H
#define ATTNC_RUNTIME_PTX_NUMBERS_H

#include "Program.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace attnc {
namespace ptx {
namespace {

template <class To, class From>
inline To bitsAs(From from) {
  static_assert(sizeof(To) == sizeof(From), "a copy of bits");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

inline float halfToFloat(uint16_t half) {
  // Exponent and mantissa move up; one multiplication corrects the bias and
  // makes subnormal numbers normal.
  uint32_t magnitude = uint32_t(half & 0x7fff) << 13;
  float scaled = bitsAs<float>(magnitude) * 0x1p112f;
  uint32_t bits = bitsAs<uint32_t>(scaled);
  bits = magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : bits;
  return bitsAs<float>(bits | uint32_t(half & 0x8000) << 16);
}

inline float brainToFloat(uint16_t brain) {
  return bitsAs<float>(uint32_t(brain) << 16);
}

/// To nearest, ties to even.
inline uint16_t floatToHalf(float value) {
  uint32_t bits = bitsAs<uint32_t>(value);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  // Normal results: add half a unit in the last place, ties to even.
  uint32_t normal =
      (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  // Subnormal results: an addition rounds at the right place.
  float shifted = bitsAs<float>(magnitude) + 0.5f;
  uint32_t small = bitsAs<uint32_t>(shifted) - 0x3f000000;
  uint32_t result = magnitude < 0x38800000 ? small : normal;
  result = magnitude >= 0x477ff000 ? 0x7c00 : result;
  result = magnitude > 0x7f800000 ? 0x7fff : result;
  return static_cast<uint16_t>(magnitude > 0x7f800000 ? 0x7fff
                                                      : (result | sign));
}

inline uint16_t floatToBrain(float value) {
  uint32_t bits = bitsAs<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  bool isNaN = (bits & 0x7fffffff) > 0x7f800000;
  return static_cast<uint16_t>(isNaN ? 0x7fff : rounded);
}

/// Of one number and NaN it is the number; -0 is below +0.
template <class T>
inline T minimum(T a, T b) {
  T smaller = a < b || (a == b && std::signbit(a)) ? a : b;
  return a != a ? b : b != b ? a : smaller;
}
template <class T>
inline T maximum(T a, T b) {
  T larger = a > b || (a == b && !std::signbit(a)) ? a : b;
  return a != a ? b : b != b ? a : larger;
}

inline float flush(float x) {
  return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}

/// A floating-point format of at most 16 bits, or tf32.
struct Format {
  int mantissa, exponent; // bits
  bool hasInfinity;
};

inline Format formatOf(Type type) {
  switch (type) {
  case Type::F16:
  case Type::F16x2:
    return {10, 5, true};
  case Type::BF16:
  case Type::BF16x2:
    return {7, 8, true};
  case Type::TF32:
    return {10, 8, true};
  case Type::E5M2:
  case Type::E5M2x2:
    return {2, 5, true};
  default: // e4m3
    return {3, 4, false};
  }
}

/// The bits of `value` in a format, in any rounding. Beyond the largest number:
/// infinity, or with `saturate` (and for roundings towards zero) that number.
inline uint32_t encode(double value, Format format, Rounding rounding,
                       bool saturate) {
  int bias = (1 << (format.exponent - 1)) - 1;
  uint32_t sign =
      std::signbit(value) ? 1u << (format.mantissa + format.exponent) : 0;
  uint32_t top = ((1u << format.exponent) - 1) << format.mantissa;
  uint32_t largest = format.hasInfinity ? top - 1 : top | 6;
  uint32_t infinity = format.hasInfinity ? top : top | 7;
  if (value != value)
    return format.hasInfinity ? top | ((1u << format.mantissa) - 1) : top | 7;
  double magnitude = std::fabs(value);
  bool up = rounding == Rounding::Up     ? !sign
            : rounding == Rounding::Down ? sign != 0
                                         : false;
  bool nearest =
      rounding == Rounding::Nearest || rounding == Rounding::NearestAway;
  if (magnitude == HUGE_VAL)
    return sign | (saturate ? largest : infinity);
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  int least = 1 - bias;
  int unit = (exponent - 1 < least ? least : exponent - 1) - format.mantissa;
  double scaled = std::ldexp(magnitude, -unit);
  double whole = std::floor(scaled), rest = scaled - whole;
  bool odd = std::fmod(whole, 2.0) != 0;
  if (nearest)
    up = rest > 0.5 ||
         (rest == 0.5 && (odd || rounding == Rounding::NearestAway));
  else
    up = up && rest > 0;
  whole += up;
  double rounded = std::ldexp(whole, unit);
  double most = std::ldexp(
      (2.0 - std::ldexp(format.hasInfinity ? 1.0 : 2.0, -format.mantissa)),
      (1 << format.exponent) - (format.hasInfinity ? 2 : 1) - bias);
  if (rounded > most) {
    bool stays = saturate || (!nearest && !up);
    return sign | (stays ? largest : infinity);
  }
  if (rounded == 0)
    return sign;
  std::frexp(rounded, &exponent);
  if (exponent - 1 < least)
    return sign | static_cast<uint32_t>(std::ldexp(rounded, -unit));
  uint32_t fraction = static_cast<uint32_t>(
      std::ldexp(rounded, format.mantissa - (exponent - 1)));
  return sign | static_cast<uint32_t>(exponent - 1 + bias) << format.mantissa |
         (fraction & ((1u << format.mantissa) - 1));
}

/// The value of bits in a format.
inline double decode(uint32_t bits, Format format) {
  int bias = (1 << (format.exponent - 1)) - 1;
  uint32_t mask = (1u << format.mantissa) - 1;
  uint32_t fraction = bits & mask;
  int exponent =
      static_cast<int>(bits >> format.mantissa & ((1u << format.exponent) - 1));
  bool negative = bits >> (format.mantissa + format.exponent) & 1;
  int top = (1 << format.exponent) - 1;
  double magnitude;
  if (exponent == top && format.hasInfinity)
    magnitude = fraction ? NAN : HUGE_VAL;
  else if (exponent == top && fraction == mask)
    magnitude = NAN;
  else if (exponent == 0)
    magnitude = std::ldexp(fraction, 1 - bias - format.mantissa);
  else
    magnitude =
        std::ldexp(fraction | (mask + 1), exponent - bias - format.mantissa);
  return negative ? -magnitude : magnitude;
}

} // namespace
} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_NUMBERS_H
