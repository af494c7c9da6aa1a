// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f32, f64, f16 and bf16 against the host's arithmetic in wider types.

#include "PtxTest.h"

#include <cfenv>
#include <cmath>
#include <functional>

using namespace attnc;
using namespace attnc::test;

namespace {

float toFloat(uint64_t bits) {
  return bitCast<float>(static_cast<uint32_t>(bits));
}

/// Half precision by the definition of the format.
double halfValue(uint64_t bits) {
  int exponent = bits >> 10 & 31;
  double fraction = bits & 1023;
  double magnitude = exponent == 31 ? (fraction ? NAN : HUGE_VAL)
                     : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                                    : std::ldexp(fraction, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The nearest half by searching among all of them; ties to even.
uint64_t nearestHalf(long double value) {
  if (std::isnan(value))
    return 0x7fff;
  uint64_t sign = std::signbit(value) ? 0x8000 : 0;
  long double magnitude = std::fabs(value);
  if (magnitude >= 65520)
    return sign | 0x7c00;
  uint64_t low = 0, high = 0x7c00; // value(low) <= magnitude < value(high)
  while (high - low > 1) {
    uint64_t middle = (low + high) / 2;
    long double at = middle == 0x7c00 ? 65536.0L : halfValue(middle);
    (at <= magnitude ? low : high) = middle;
  }
  long double below = magnitude - halfValue(low);
  long double above = (high == 0x7c00 ? 65536.0L : halfValue(high)) - magnitude;
  bool up = above < below || (above == below && (low & 1));
  return sign | (up ? high : low);
}

bool sameFloat(uint64_t a, float b) {
  float value = toFloat(a);
  return std::isnan(b) ? std::isnan(value)
                       : bitCast<uint32_t>(value) == bitCast<uint32_t>(b);
}

using Function = std::function<float(float, float, float)>;

void checkFloat(const std::string &code, const Function &expected) {
  std::vector<uint64_t> a = patterns(32, 512, 4), b = patterns(32, 512, 5),
                        c = patterns(32, 512, 6);
  // Numbers of similar size, so that results are not all huge or tiny.
  for (unsigned i = 100; i < 512; ++i)
    for (auto *list : {&a, &b, &c})
      (*list)[i] = ((*list)[i] & 0x807fffff) | (uint64_t(120 + i % 16) << 23);
  std::vector<uint64_t> d = evaluate(code, 32, 32, a, b, c);
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_PRED2(sameFloat, d[i],
                 expected(toFloat(a[i]), toFloat(b[i]), toFloat(c[i])))
        << code << " " << toFloat(a[i]) << " " << toFloat(b[i]) << " "
        << toFloat(c[i]);
}

float flushed(float x) {
  return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}

TEST(PtxFloat, Single) {
  checkFloat("add.f32 %d, %a, %b;",
             [](float a, float b, float) { return a + b; });
  checkFloat("sub.rn.f32 %d, %a, %b;",
             [](float a, float b, float) { return a - b; });
  checkFloat("mul.ftz.f32 %d, %a, %b;", [](float a, float b, float) {
    return flushed(flushed(a) * flushed(b));
  });
  checkFloat("fma.rn.f32 %d, %a, %b, %c;",
             [](float a, float b, float c) { return std::fma(a, b, c); });
  checkFloat("div.rn.f32 %d, %a, %b;",
             [](float a, float b, float) { return a / b; });
  checkFloat("abs.f32 %d, %a;",
             [](float a, float, float) { return std::fabs(a); });
  checkFloat("sqrt.rn.f32 %d, %a;",
             [](float a, float, float) { return std::sqrt(a); });
  checkFloat("rcp.rn.f32 %d, %a;", [](float a, float, float) { return 1 / a; });
  checkFloat("max.f32 %d, %a, %b;", [](float a, float b, float) {
    return std::isnan(a) ? b : std::isnan(b) ? a : a > b ? a : b;
  });
  checkFloat("min.NaN.f32 %d, %a, %b;", [](float a, float b, float) {
    return std::isnan(a) || std::isnan(b) ? NAN : a < b ? a : b;
  });
  checkFloat("add.sat.f32 %d, %a, %b;", [](float a, float b, float) {
    float sum = a + b;
    return sum > 0 ? (sum < 1 ? sum : 1.0f) : 0.0f;
  });
  checkFloat("copysign.f32 %d, %a, %b;",
             [](float a, float b, float) { return std::copysign(b, a); });
}

TEST(PtxFloat, SignedZerosAndNaN) {
  std::vector<uint64_t> d =
      evaluate("max.f32 %d, %a, %b;", 32, 32, {0x80000000, 0, 0x7fc00000},
               {0, 0x80000000, 0xffc00001});
  EXPECT_EQ(d, (std::vector<uint64_t>{0, 0, 0x7fffffff}));
  d = evaluate("min.f32 %d, %a, %b;", 32, 32, {0x80000000, 0}, {0, 0x80000000});
  EXPECT_EQ(d, (std::vector<uint64_t>{0x80000000, 0x80000000}));
}

TEST(PtxFloat, RoundingModes) {
  struct Mode {
    const char *name;
    int mode;
  };
  for (Mode mode : {Mode{"rz", FE_TOWARDZERO}, Mode{"rm", FE_DOWNWARD},
                    Mode{"rp", FE_UPWARD}}) {
    auto rounded = [mode](double exact) {
      // Products of floats are exact in doubles; one rounding is left.
      float nearest = static_cast<float>(exact);
      if (static_cast<double>(nearest) == exact || std::isnan(exact) ||
          std::isinf(nearest))
        return nearest;
      bool above = static_cast<double>(nearest) > exact;
      float low = above ? std::nextafter(nearest, -INFINITY) : nearest;
      float high = above ? nearest : std::nextafter(nearest, INFINITY);
      if (mode.mode == FE_DOWNWARD)
        return low;
      if (mode.mode == FE_UPWARD)
        return high;
      return exact > 0 ? low : high;
    };
    std::vector<uint64_t> a, b;
    for (unsigned i = 0; i < 256; ++i) {
      a.push_back(bitCast<uint32_t>((i % 2 ? -1.0f : 1.0f) * (1 + i / 7.0f)));
      b.push_back(bitCast<uint32_t>(0.3f + i / 13.0f));
    }
    std::vector<uint64_t> d = evaluate(
        std::string("mul.") + mode.name + ".f32 %d, %a, %b;", 32, 32, a, b);
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(toFloat(d[i]), rounded(double(toFloat(a[i])) * toFloat(b[i])))
          << mode.name << " " << i;
  }
}

TEST(PtxFloat, Approximations) {
  std::vector<uint64_t> a;
  for (int i = 0; i < 256; ++i)
    a.push_back(bitCast<uint32_t>(0.01f + i * 0.07f));
  auto near = [&](const char *code, const std::function<double(double)> &f) {
    std::vector<uint64_t> d = evaluate(code, 32, 32, a);
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_NEAR(toFloat(d[i]), f(toFloat(a[i])),
                  1e-6 * std::max(1.0, std::fabs(f(toFloat(a[i])))))
          << code;
  };
  near("ex2.approx.ftz.f32 %d, %a;", [](double x) { return std::exp2(x); });
  near("lg2.approx.f32 %d, %a;", [](double x) { return std::log2(x); });
  near("rsqrt.approx.f32 %d, %a;", [](double x) { return 1 / std::sqrt(x); });
  near("rcp.approx.ftz.f32 %d, %a;", [](double x) { return 1 / x; });
  near("tanh.approx.f32 %d, %a;", [](double x) { return std::tanh(x); });
  near("sin.approx.f32 %d, %a;", [](double x) { return std::sin(x); });
  near("div.full.f32 %d, 0f3F800000, %a;", [](double x) { return 1 / x; });
}

TEST(PtxFloat, Double) {
  std::vector<uint64_t> a, b;
  for (int i = 1; i <= 64; ++i) {
    a.push_back(bitCast<uint64_t>(i * 0.37));
    b.push_back(bitCast<uint64_t>(1.0 / i));
  }
  std::vector<uint64_t> d =
      evaluate("fma.rn.f64 %d, %a, %b, 0d3FF0000000000000;", 64, 64, a, b);
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(bitCast<double>(d[i]),
              std::fma(bitCast<double>(a[i]), bitCast<double>(b[i]), 1.0));
}

TEST(PtxFloat, HalfIsRoundedOnce) {
  std::vector<uint64_t> a = patterns(16, 1024, 7), b = patterns(16, 1024, 8),
                        c = patterns(16, 1024, 9);
  auto check = [&](const char *code,
                   const std::function<long double(long double, long double,
                                                   long double)> &f) {
    std::vector<uint64_t> d = evaluate(code, 16, 16, a, b, c);
    for (size_t i = 0; i < a.size(); ++i) {
      long double exact = f(halfValue(a[i]), halfValue(b[i]), halfValue(c[i]));
      if (std::isnan(exact))
        ASSERT_TRUE(std::isnan(halfValue(d[i]))) << code;
      else
        ASSERT_EQ(d[i], nearestHalf(exact)) << code << " " << i;
    }
  };
  // 64 bits of mantissa hold these exactly but for the largest differences of
  // exponents, where the tie-breaking bit does not matter.
  check("add.f16 %d, %a, %b;", [](auto a, auto b, auto) { return a + b; });
  check("mul.rn.f16 %d, %a, %b;", [](auto a, auto b, auto) { return a * b; });
  check("fma.rn.f16 %d, %a, %b, %c;",
        [](auto a, auto b, auto c) { return a * b + c; });
}

TEST(PtxFloat, PairsOfHalves) {
  std::vector<uint64_t> a = patterns(32, 256, 10), b = patterns(32, 256, 11);
  std::vector<uint64_t> d = evaluate("add.f16x2 %d, %a, %b;", 32, 32, a, b);
  std::vector<uint64_t> e = evaluate("max.bf16x2 %d, %a, %b;", 32, 32, a, b);
  auto brain = [](uint64_t bits) {
    return bitCast<float>(static_cast<uint32_t>(bits << 16));
  };
  for (size_t i = 0; i < a.size(); ++i)
    for (unsigned shift : {0u, 16u}) {
      auto part = [&](uint64_t x) { return x >> shift & 0xffff; };
      double sum = halfValue(part(a[i])) + halfValue(part(b[i]));
      if (!std::isnan(sum))
        EXPECT_EQ(part(d[i]), nearestHalf(sum));
      float x = brain(part(a[i])), y = brain(part(b[i]));
      if (!std::isnan(x) && !std::isnan(y))
        EXPECT_EQ(brain(part(e[i])), std::max(x, y));
    }
}

TEST(PtxFloat, Properties) {
  std::vector<uint64_t> a = {0,          1,          0x7f800000,
                             0xff800000, 0x7fc00000, 0x3f800000};
  auto test = [&](const std::string &what) {
    return evaluate("testp." + what + ".f32 %p1, %a; selp.b32 %d, 1, 0, %p1;",
                    32, 32, a);
  };
  EXPECT_EQ(test("finite"), (std::vector<uint64_t>{1, 1, 0, 0, 0, 1}));
  EXPECT_EQ(test("infinite"), (std::vector<uint64_t>{0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(test("notanumber"), (std::vector<uint64_t>{0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(test("subnormal"), (std::vector<uint64_t>{0, 1, 0, 0, 0, 0}));
  // Unordered comparisons.
  auto compare = [&](const std::string &how) {
    return evaluate("setp." + how + ".f32 %p1, %a, %b; selp.b32 %d, 1, 0, %p1;",
                    32, 32, {0x7fc00000, 0x3f800000, 0x3f800000},
                    {0x3f800000, 0x3f800000, 0x40000000});
  };
  EXPECT_EQ(compare("lt"), (std::vector<uint64_t>{0, 0, 1}));
  EXPECT_EQ(compare("ltu"), (std::vector<uint64_t>{1, 0, 1}));
  EXPECT_EQ(compare("ne"), (std::vector<uint64_t>{0, 0, 1}));
  EXPECT_EQ(compare("neu"), (std::vector<uint64_t>{1, 0, 1}));
  EXPECT_EQ(compare("num"), (std::vector<uint64_t>{0, 1, 1}));
}

} // namespace
