// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cvt against definitions: integers by clamping, small floats by searching the
// neighbours among all values of the format.

#include "PtxTest.h"

#include <algorithm>
#include <cmath>
#include <functional>

using namespace attnc;
using namespace attnc::test;

namespace {

double toDouble(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
float toFloat(uint64_t bits) {
  return bitCast<float>(static_cast<uint32_t>(bits));
}

std::vector<uint64_t> floats() {
  std::vector<uint64_t> list = {0, 0x80000000, 0x7f800000, 0xff800000,
                                0x7fc00000};
  for (int i = 0; i < 300; ++i)
    list.push_back(bitCast<uint32_t>((i % 2 ? -1.0f : 1.0f) *
                                     std::ldexp(1 + i * 0.0033f, i % 60 - 30)));
  for (float x : {0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 65504.0f, 65519.9f, 65520.0f,
                  2147483648.0f, 4294967296.0f, 3e38f, 448.0f, 460.0f, 464.1f})
    list.push_back(bitCast<uint32_t>(x));
  return list;
}

/// The value of `bits` with the given numbers of exponent and mantissa bits.
double valueOf(uint64_t bits, int exponents, int mantissas, bool infinite) {
  int bias = (1 << (exponents - 1)) - 1;
  int exponent = static_cast<int>(bits >> mantissas) & ((1 << exponents) - 1);
  uint64_t fraction = bits & ((1u << mantissas) - 1);
  if (exponent == (1 << exponents) - 1 && infinite)
    return fraction ? NAN : HUGE_VAL;
  if (!infinite && (bits & 0x7f) == 0x7f)
    return NAN;
  double magnitude = exponent
                         ? std::ldexp(double(fraction + (1u << mantissas)),
                                      exponent - bias - mantissas)
                         : std::ldexp(double(fraction), 1 - bias - mantissas);
  return magnitude;
}

enum class Mode { Nearest, Zero, Away };

/// The magnitude's code by a linear walk over neighbours.
uint64_t encode(double value, int exponents, int mantissas, bool infinite,
                Mode mode, bool saturate) {
  uint64_t sign = std::signbit(value) ? 1u << (exponents + mantissas) : 0;
  double magnitude = std::fabs(value);
  uint64_t top = 0; // the largest finite code
  while (std::isfinite(valueOf(top + 1, exponents, mantissas, infinite)))
    ++top;
  uint64_t low = 0;
  while (low < top &&
         valueOf(low + 1, exponents, mantissas, infinite) <= magnitude)
    ++low;
  double at = valueOf(low, exponents, mantissas, infinite);
  double next = low < top
                    ? valueOf(low + 1, exponents, mantissas, infinite)
                    : 2 * at - valueOf(low - 1, exponents, mantissas, infinite);
  bool tie = magnitude - at == next - magnitude;
  bool up = mode == Mode::Nearest
                ? next - magnitude < magnitude - at || (tie && (low & 1))
            : mode == Mode::Away ? next - magnitude <= magnitude - at
                                 : false;
  if (std::isinf(magnitude))
    up = true;
  if (!up || low < top)
    return sign | (low + up);
  return sign | (saturate ? top : top + 1);
}

TEST(PtxConvert, FloatsToIntegers) {
  std::vector<uint64_t> a = floats();
  auto check = [&](const std::string &to, const std::string &how, double low,
                   double high, double (*round)(double), unsigned bits) {
    std::vector<uint64_t> d =
        evaluate("cvt." + how + "." + to + ".f32 %d, %a;", 32, bits, a);
    for (size_t i = 0; i < a.size(); ++i) {
      double x = round(toFloat(a[i]));
      long double clamped =
          std::isnan(x) ? 0.0L : std::clamp<long double>(x, low, high);
      uint64_t expected =
          clamped < 0 ? static_cast<uint64_t>(static_cast<int64_t>(clamped))
                      : static_cast<uint64_t>(clamped);
      uint64_t keep = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
      ASSERT_EQ(d[i], expected & keep)
          << to << " " << how << " " << toFloat(a[i]);
    }
  };
  auto trunc = [](double x) { return std::trunc(x); };
  auto floor = [](double x) { return std::floor(x); };
  auto ceil = [](double x) { return std::ceil(x); };
  auto even = [](double x) { return std::nearbyint(x); };
  check("s32", "rzi", INT32_MIN, INT32_MAX, trunc, 32);
  check("s32", "rni", INT32_MIN, INT32_MAX, even, 32);
  check("u32", "rmi", 0, UINT32_MAX, floor, 32);
  check("u32", "rpi", 0, UINT32_MAX, ceil, 32);
  check("s16", "rzi", INT16_MIN, INT16_MAX, trunc, 16);
}

TEST(PtxConvert, IntegersToIntegers) {
  std::vector<uint64_t> a = patterns(32, 256, 20);
  std::vector<uint64_t> d = evaluate("cvt.s64.s32 %d, %a;", 32, 64, a);
  std::vector<uint64_t> e = evaluate("cvt.u64.u32 %d, %a;", 32, 64, a);
  std::vector<uint64_t> f = evaluate("cvt.s32.s8 %d, %a;", 32, 32, a);
  std::vector<uint64_t> g = evaluate("cvt.sat.u8.s32 %d, %a;", 32, 32, a);
  for (size_t i = 0; i < a.size(); ++i) {
    int32_t x = static_cast<int32_t>(a[i]);
    EXPECT_EQ(static_cast<int64_t>(d[i]), x);
    EXPECT_EQ(e[i], a[i]);
    EXPECT_EQ(static_cast<int32_t>(f[i]), static_cast<int8_t>(a[i]));
    EXPECT_EQ(g[i], static_cast<uint64_t>(std::clamp(x, 0, 255)));
  }
}

TEST(PtxConvert, IntegersToFloats) {
  std::vector<uint64_t> a = patterns(32, 256, 21);
  std::vector<uint64_t> d = evaluate("cvt.rn.f32.s32 %d, %a;", 32, 32, a);
  std::vector<uint64_t> e = evaluate("cvt.rz.f32.u32 %d, %a;", 32, 32, a);
  std::vector<uint64_t> f = evaluate("cvt.rn.f64.s32 %d, %a;", 32, 64, a);
  std::vector<uint64_t> g = evaluate("cvt.rn.f64.u32 %d, %a;", 32, 64, a);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(toDouble(f[i]), static_cast<int32_t>(a[i]));
    EXPECT_EQ(toDouble(g[i]), static_cast<uint32_t>(a[i]));
    EXPECT_EQ(toFloat(d[i]), static_cast<float>(static_cast<int32_t>(a[i])));
    double x = static_cast<double>(a[i]);
    float toZero = static_cast<float>(x);
    if (toZero > x)
      toZero = std::nextafter(toZero, 0.0f);
    EXPECT_EQ(toFloat(e[i]), toZero);
  }
}

TEST(PtxConvert, SmallFloats) {
  std::vector<uint64_t> a = floats();
  struct Case {
    const char *code;
    unsigned bits;
    int exponents, mantissas;
    Mode mode;
  };
  for (const Case &c :
       {Case{"cvt.rn.f16.f32 %d, %a;", 16, 5, 10, Mode::Nearest},
        Case{"cvt.rz.f16.f32 %d, %a;", 16, 5, 10, Mode::Zero},
        Case{"cvt.rn.bf16.f32 %d, %a;", 16, 8, 7, Mode::Nearest}}) {
    std::vector<uint64_t> d = evaluate(c.code, 32, c.bits, a);
    for (size_t i = 0; i < a.size(); ++i) {
      float x = toFloat(a[i]);
      if (std::isnan(x)) {
        EXPECT_EQ(d[i], 0x7fffu);
        continue;
      }
      if (std::isinf(x) && c.mode == Mode::Zero)
        continue;
      ASSERT_EQ(d[i], encode(x, c.exponents, c.mantissas, true, c.mode, false))
          << c.code << " " << x;
    }
  }
}

TEST(PtxConvert, Tf32KeepsTenBits) {
  std::vector<uint64_t> a = floats();
  std::vector<uint64_t> d = evaluate("cvt.rna.tf32.f32 %d, %a;", 32, 32, a);
  for (size_t i = 0; i < a.size(); ++i) {
    float x = toFloat(a[i]);
    if (std::isfinite(x)) {
      uint32_t bits = static_cast<uint32_t>(a[i]);
      // Half away from zero: add half a unit, cut.
      ASSERT_EQ(d[i], (bits + 0x1000) & 0xffffe000) << x;
    }
  }
}

TEST(PtxConvert, Pairs) {
  std::vector<uint64_t> a = floats(), b = floats();
  std::reverse(b.begin(), b.end());
  struct Case {
    const char *code;
    unsigned width;
    int exponents, mantissas;
    bool infinite, saturate;
  };
  for (const Case &c :
       {Case{"cvt.rn.f16x2.f32 %d, %a, %b;", 16, 5, 10, true, false},
        Case{"cvt.rn.bf16x2.f32 %d, %a, %b;", 16, 8, 7, true, false},
        Case{"cvt.rn.satfinite.e4m3x2.f32 %d, %a, %b;", 8, 4, 3, false, true},
        Case{"cvt.rn.satfinite.e5m2x2.f32 %d, %a, %b;", 8, 5, 2, true, true}}) {
    std::vector<uint64_t> d = evaluate(c.code, 32, c.width * 2, a, b);
    uint64_t keep = (uint64_t(1) << c.width) - 1;
    for (size_t i = 0; i < a.size(); ++i)
      for (bool high : {false, true}) {
        float x = toFloat(high ? a[i] : b[i]);
        uint64_t got = d[i] >> (high ? c.width : 0) & keep;
        if (std::isnan(x)) {
          EXPECT_TRUE(std::isnan(valueOf(got & (keep >> 1), c.exponents,
                                         c.mantissas, c.infinite)));
          continue;
        }
        ASSERT_EQ(got, encode(x, c.exponents, c.mantissas, c.infinite,
                              Mode::Nearest, c.saturate))
            << c.code << " " << x;
      }
  }
}

TEST(PtxConvert, EightBitFloatsWiden) {
  std::vector<uint64_t> a;
  for (unsigned i = 0; i < 256; ++i)
    a.push_back(i | (255 - i) << 8);
  std::vector<uint64_t> d = evaluate("cvt.rn.f16x2.e4m3x2 %d, %a;", 16, 32, a);
  for (unsigned i = 0; i < 256; ++i) {
    double expected = valueOf(i & 127, 4, 3, false);
    uint64_t half = d[i] & 0xffff;
    if (std::isnan(expected))
      EXPECT_GT(half & 0x7fff, 0x7c00u);
    else
      EXPECT_EQ(half, encode(i & 128 ? -expected : expected, 5, 10, true,
                             Mode::Nearest, false));
  }
}

} // namespace
