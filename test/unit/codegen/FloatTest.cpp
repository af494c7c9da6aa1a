// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions and small floats against the C library in long double:
// each function on vectors and scalars, with and without the machine's newer
// instructions.

#include "TestKernels.h"

#include "llvm/ADT/APFloat.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <ostream>
#include <random>

using namespace attnc;
using namespace attnc::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Function {
  const char *op;
  std::function<long double(long double)> reference;
  double low, high; ///< where it is sampled
  double ulps;      ///< allowed there
  bool isDouble;
};

std::ostream &operator<<(std::ostream &os, const Function &f) {
  return os << f.op << (f.isDouble ? " f64" : " f32");
}

std::string sourceOf(const Function &f, unsigned lanes) {
  std::string scalar = f.isDouble ? "f64" : "f32";
  std::string type =
      lanes ? "vector<" + std::to_string(lanes) + "x" + scalar + ">" : scalar;
  return elementwiseKernel(scalar, lanes,
                           std::string("%y = ") + f.op + " %x : " + type);
}

/// Runs an elementwise kernel on `x`.
template <typename T>
std::vector<T> apply(const std::string &source, const char *target,
                     std::vector<T> x, attnc_dtype dtype) {
  Session session(source);
  KernelHandle kernel = session.jit(targetNamed(target));
  EXPECT_TRUE(kernel) << session.errors() << source;
  std::vector<T> y(x.size());
  if (!kernel)
    return y;
  int64_t n = static_cast<int64_t>(x.size());
  std::string error;
  EXPECT_EQ(
      launch(kernel, {{dtype, x.data(), {n}}, {dtype, y.data(), {n}}}, &error),
      ATTNC_OK)
      << error;
  return y;
}

template <typename T>
double ulpError(T value, long double expected) {
  T rounded = static_cast<T>(expected);
  if (std::isnan(rounded) || std::isnan(value))
    return std::isnan(rounded) == std::isnan(value) ? 0 : kInfinity;
  if (std::isinf(rounded) || std::isinf(value)) {
    if (rounded == value)
      return 0;
    // One side of the overflow threshold is as good as the other.
    T most = std::numeric_limits<T>::max();
    bool edge = std::fabs(rounded) >= most && std::fabs(value) >= most;
    return edge && std::signbit(rounded) == std::signbit(value) ? 1 : kInfinity;
  }
  int exponent;
  std::frexp(rounded, &exponent);
  int smallest = std::numeric_limits<T>::min_exponent;
  long double ulp = std::ldexp(1.0L, std::max(exponent, smallest) -
                                         std::numeric_limits<T>::digits);
  return static_cast<double>(std::fabs(value - expected) / ulp);
}

template <typename T>
void checkFunction(const Function &f, const char *target, unsigned lanes) {
  std::vector<T> x;
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> inside(f.low, f.high);
  for (int i = 0; i < 4000; ++i)
    x.push_back(static_cast<T>(inside(random)));
  for (double exponent = -140; exponent <= 0; exponent += 5)
    for (double sign : {1.0, -1.0}) {
      double value = sign * std::ldexp(1.3, static_cast<int>(exponent));
      if (value >= f.low && value <= f.high)
        x.push_back(static_cast<T>(value));
    }
  for (double special :
       {0.0, -0.0, 1.0, -1.0, 0.5, kInfinity, -kInfinity, kNaN})
    x.push_back(static_cast<T>(special));
  while (x.size() % 16)
    x.push_back(T(1));
  std::vector<T> y = apply<T>(sourceOf(f, lanes), target, x,
                              f.isDouble ? ATTNC_DTYPE_F64 : ATTNC_DTYPE_F32);
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double error = ulpError<T>(y[i], f.reference(x[i]));
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  EXPECT_LE(worst, f.ulps) << f.op << (f.isDouble ? " f64" : " f32") << " on "
                           << target << ", " << lanes << " lanes, at " << x[at]
                           << ": " << y[at] << " instead of "
                           << static_cast<T>(f.reference(x[at]));
}

#define FN(name) [](long double x) -> long double { return std::name(x); }

std::vector<Function> functions() {
  std::vector<Function> list;
  auto both = [&](const char *op, std::function<long double(long double)> f,
                  double low, double high, double ulps32, double ulps64) {
    list.push_back({op, f, low, high, ulps32, false});
    list.push_back({op, f, low, high, ulps64, true});
  };
  both("math.exp", FN(exp), -87, 88, 2, 2);
  both("math.exp2", FN(exp2), -126, 127, 2, 2);
  both("math.expm1", FN(expm1), -30, 80, 4, 4);
  both("math.log", FN(log), 1e-30, 50, 4, 4);
  both("math.log2", FN(log2), 1e-30, 50, 4, 4);
  both("math.log10", FN(log10), 1e-30, 50, 1, 4);
  both("math.log1p", FN(log1p), -0.9, 50, 4, 4);
  both("math.sin", FN(sin), -1e5, 1e5, 1, 4);
  both("math.cos", FN(cos), -1e5, 1e5, 1, 4);
  both("math.tan", FN(tan), -50, 50, 1, 8);
  both("math.atan", FN(atan), -40, 40, 1, 4);
  both("math.tanh", FN(tanh), -12, 12, 4, 4);
  both("math.sinh", FN(sinh), -80, 80, 1, 8);
  both("math.cosh", FN(cosh), -80, 80, 1, 8);
  both(
      "math.rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 1e-30, 100,
      2, 2);
  both("math.sqrt", FN(sqrt), 0, 100, 0.5001, 0.5001);
  both("math.floor", FN(floor), -300, 300, 0, 0);
  both("math.ceil", FN(ceil), -300, 300, 0, 0);
  both("math.trunc", FN(trunc), -300, 300, 0, 0);
  both("math.round", FN(round), -300, 300, 0, 0);
  both("math.roundeven", FN(nearbyint), -300, 300, 0, 0);
  both("math.absf", FN(fabs), -300, 300, 0, 0);
  auto single = [&](const char *op, std::function<long double(long double)> f,
                    double low, double high, double ulps) {
    list.push_back({op, f, low, high, ulps, false});
  };
  single("math.erf", FN(erf), -5, 5, 4);
  single("math.asin", FN(asin), -1, 1, 4);
  single("math.acos", FN(acos), -1, 1, 4);
  single("math.cbrt", FN(cbrt), -40, 40, 1);
  single("math.erfc", FN(erfc), -5, 5, 4);
  return list;
}

} // namespace

class FloatFunctions : public ::testing::TestWithParam<Function> {};

TEST_P(FloatFunctions, AreAccurate) {
  const Function &f = GetParam();
  for (const char *target : {"native", "x86-64"})
    for (unsigned lanes : {0, 4, 8}) {
      if (f.isDouble)
        checkFunction<double>(f, target, lanes);
      else
        checkFunction<float>(f, target, lanes);
    }
}

INSTANTIATE_TEST_SUITE_P(All, FloatFunctions, ::testing::ValuesIn(functions()),
                         [](const ::testing::TestParamInfo<Function> &info) {
                           return std::string(info.param.op).substr(5) +
                                  (info.param.isDouble ? "_f64" : "_f32");
                         });

/// An f32 function of x and a constant y against the C library: specials too.
static void checkBinary(const char *op,
                        long double (*reference)(long double, long double)) {
  for (const char *target : {"native", "x86-64"})
    for (double constant : {0.0, -0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, -0.5,
                            7.25, -20.0, kInfinity, -kInfinity, kNaN}) {
      float y = static_cast<float>(constant);
      uint32_t bits;
      std::memcpy(&bits, &y, 4);
      char text[64];
      std::snprintf(text, sizeof(text), "dense<0x%08X>", bits);
      std::vector<float> x;
      for (double value : {0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.3, -0.3, 1.0001,
                           17.5, -1e-3, 1e30, kInfinity, -kInfinity, kNaN, 5.0})
        x.push_back(static_cast<float>(value));
      std::vector<float> z = apply<float>(
          elementwiseKernel("f32", 8,
                            std::string("%p = arith.constant ") + text +
                                " : vector<8xf32>\n%y = " + op +
                                " %x, %p : vector<8xf32>"),
          target, x, ATTNC_DTYPE_F32);
      for (size_t i = 0; i < x.size(); ++i) {
        float expected = static_cast<float>(reference(x[i], y));
        EXPECT_LE(ulpError<float>(z[i], reference(x[i], y)), 1.0)
            << op << "(" << x[i] << ", " << y << ") = " << z[i] << ", not "
            << expected;
        if (expected == 0)
          EXPECT_EQ(std::signbit(z[i]), std::signbit(expected))
              << op << "(" << x[i] << ", " << y << ")";
      }
    }
}

TEST(FloatFunctions, PowerFollowsIeee) { checkBinary("math.powf", powl); }
TEST(FloatFunctions, Atan2FollowsIeee) { checkBinary("math.atan2", atan2l); }

//===----------------------------------------------------------------------===//
// f16 and bf16
//===----------------------------------------------------------------------===//

namespace {

/// A 16-bit float with `mantissa` explicit bits as a double.
double decode(uint16_t bits, int mantissa) {
  int exponentBits = 15 - mantissa;
  int exponent = (bits >> mantissa) & ((1 << exponentBits) - 1);
  int fraction = bits & ((1 << mantissa) - 1);
  double sign = bits & 0x8000 ? -1 : 1;
  int bias = (1 << (exponentBits - 1)) - 1;
  if (exponent == (1 << exponentBits) - 1)
    return fraction ? kNaN : sign * kInfinity;
  if (exponent == 0)
    return sign * std::ldexp(fraction, 1 - bias - mantissa);
  return sign *
         std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
}

/// The nearest 16-bit float, ties to even.
uint16_t encode(double value, int mantissa) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  int bias = (1 << (14 - mantissa)) - 1;
  double magnitude = std::fabs(value);
  int exponent;
  std::frexp(magnitude, &exponent);
  exponent = std::max(exponent - 1, 1 - bias);
  double quantum = std::ldexp(1.0, exponent - mantissa);
  double rounded = std::nearbyint(magnitude / quantum) * quantum;
  if (rounded >= std::ldexp(2.0, bias))
    return sign |
           static_cast<uint16_t>(((1 << (15 - mantissa)) - 1) << mantissa);
  if (rounded < std::ldexp(1.0, 1 - bias))
    return sign | static_cast<uint16_t>(rounded / quantum);
  std::frexp(rounded, &exponent);
  --exponent;
  int fraction = static_cast<int>(std::ldexp(rounded, mantissa - exponent)) -
                 (1 << mantissa);
  return sign | static_cast<uint16_t>((exponent + bias) << mantissa | fraction);
}

struct SmallFloat {
  const char *type;
  int mantissa;
  attnc_dtype dtype;
};
constexpr SmallFloat kSmallFloats[] = {{"f16", 10, ATTNC_DTYPE_F16},
                                       {"bf16", 7, ATTNC_DTYPE_BF16}};

/// A kernel over 16-bit values whose body goes through f32.
std::vector<uint16_t> throughF32(const SmallFloat &f, const char *target,
                                 unsigned lanes, std::vector<uint16_t> x,
                                 const std::string &middle) {
  std::string shape = lanes ? "vector<" + std::to_string(lanes) + "x" : "";
  std::string close = lanes ? ">" : "";
  std::string small = shape + f.type + close, wide = shape + "f32" + close;
  std::string body = "%w = arith.extf %x : " + small + " to " + wide + "\n" +
                     middle + "\n%y = arith.truncf %z : " + wide + " to " +
                     small;
  size_t place;
  while ((place = body.find("WIDE")) != std::string::npos)
    body.replace(place, 4, wide);
  while ((place = body.find("SPLAT")) != std::string::npos)
    body.replace(place, 5, lanes ? "dense<1.0009765625>" : "1.0009765625");
  return apply<uint16_t>(elementwiseKernel(f.type, lanes, body), target, x,
                         f.dtype);
}

std::vector<uint16_t> allBits() {
  std::vector<uint16_t> x(65536);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<uint16_t>(i);
  return x;
}

} // namespace

// Every value there and back; NaN stays NaN.
TEST(SmallFloats, EveryValueSurvivesF32) {
  for (const SmallFloat &f : kSmallFloats)
    for (const char *target : {"native", "x86-64", "x86-64-v3"})
      for (unsigned lanes : {0, 8}) {
        std::vector<uint16_t> x = allBits();
        std::vector<uint16_t> y =
            throughF32(f, target, lanes, x, "%z = arith.negf %w : WIDE");
        for (size_t i = 0; i < x.size(); ++i) {
          double value = decode(x[i], f.mantissa);
          if (std::isnan(value))
            ASSERT_TRUE(std::isnan(decode(y[i], f.mantissa))) << f.type << i;
          else
            ASSERT_EQ(y[i], x[i] ^ 0x8000) << f.type << " on " << target;
        }
      }
}

//===----------------------------------------------------------------------===//
// 8 bits
//===----------------------------------------------------------------------===//

namespace {

/// Every finite value of a type and what lies around its ties, on both sides of
/// 0 and beyond the range.
std::vector<float> around(const llvm::fltSemantics &semantics) {
  std::vector<float> values;
  for (unsigned bits = 0; bits < 128; ++bits) {
    llvm::APFloat value(semantics, llvm::APInt(8, bits));
    if (!value.isFinite())
      continue;
    bool losesInfo;
    value.convert(llvm::APFloat::IEEEsingle(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    values.push_back(value.convertToFloat());
  }
  values.push_back(2 * values.back());
  std::vector<float> x;
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    float tie = (values[i] + values[i + 1]) / 2;
    for (float y : {values[i], std::nextafter(tie, 0.0f), tie,
                    std::nextafter(tie, values[i + 1])})
      x.insert(x.end(), {y, -y});
  }
  for (double y : {1e-30, 464.0, 465.0, 480.0, 496.0, 512.0, 61439.0, 61440.0,
                   1e9, kInfinity, kNaN, 1e-42})
    x.insert(x.end(), {static_cast<float>(y), static_cast<float>(-y)});
  while (x.size() % 8)
    x.push_back(0);
  return x;
}

} // namespace

// Rounded to 8 bits and back, with and without F16C, as APFloat does it.
TEST(SmallFloats, EightBitsRoundToNearestEven) {
  const std::pair<const char *, const llvm::fltSemantics *> types[] = {
      {"f8E4M3FN", &llvm::APFloat::Float8E4M3FN()},
      {"f8E5M2", &llvm::APFloat::Float8E5M2()}};
  for (auto [type, semantics] : types)
    for (const char *target : {"native", "x86-64", "x86-64-v3"})
      for (unsigned lanes : {0, 8}) {
        std::string shape =
                        lanes ? "vector<" + std::to_string(lanes) + "x" : "",
                    close = lanes ? ">" : "";
        std::string small = shape + type + close, wide = shape + "f32" + close;
        std::vector<float> x = around(*semantics);
        std::vector<float> y = apply<float>(
            elementwiseKernel("f32", lanes,
                              "%s = arith.truncf %x : " + wide + " to " +
                                  small + "\n%y = arith.extf %s : " + small +
                                  " to " + wide),
            target, x, ATTNC_DTYPE_F32);
        for (size_t i = 0; i < x.size(); ++i) {
          llvm::APFloat expected(x[i]);
          bool losesInfo;
          for (const llvm::fltSemantics *step :
               {semantics, &llvm::APFloat::IEEEsingle()})
            expected.convert(*step, llvm::APFloat::rmNearestTiesToEven,
                             &losesInfo);
          float value = expected.convertToFloat();
          if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(y[i]))
                << type << " " << x[i] << ": " << y[i];
          } else {
            EXPECT_EQ(y[i], value)
                << type << " of " << x[i] << " on " << target;
            EXPECT_EQ(std::signbit(y[i]), std::signbit(value)) << x[i];
          }
        }
      }
}

// Products fall between values and beyond the range: rounding, ties, overflow,
// subnormals.
TEST(SmallFloats, RoundToNearestEven) {
  for (const SmallFloat &f : kSmallFloats)
    for (const char *target : {"native", "x86-64"})
      for (unsigned lanes : {0, 8}) {
        std::vector<uint16_t> x = allBits();
        std::vector<uint16_t> y =
            throughF32(f, target, lanes, x,
                       "%k = arith.constant SPLAT : WIDE\n"
                       "%z = arith.mulf %w, %k : WIDE");
        for (size_t i = 0; i < x.size(); ++i) {
          float value = static_cast<float>(decode(x[i], f.mantissa));
          if (std::isnan(value))
            continue;
          float product = value * 1.0009765625f;
          ASSERT_EQ(y[i], encode(product, f.mantissa))
              << f.type << " on " << target << ": " << product;
        }
      }
}

// Arithmetic written in the small type is done in f32 and rounded.
TEST(SmallFloats, ArithmeticIsRoundedOnce) {
  for (const SmallFloat &f : kSmallFloats)
    for (const char *target : {"native", "x86-64"}) {
      std::vector<uint16_t> x = allBits();
      std::string type = std::string("vector<8x") + f.type + ">";
      std::vector<uint16_t> y = apply<uint16_t>(
          elementwiseKernel(f.type, 8,
                            "%k = arith.constant dense<0.75> : " + type +
                                "\n%a = arith.addf %x, %k : " + type +
                                "\n%y = math.sqrt %a : " + type),
          target, x, f.dtype);
      for (size_t i = 0; i < x.size(); ++i) {
        float value = static_cast<float>(decode(x[i], f.mantissa));
        if (!(value >= -0.5f))
          continue;
        uint16_t sum = encode(value + 0.75f, f.mantissa);
        float root = std::sqrt(static_cast<float>(decode(sum, f.mantissa)));
        ASSERT_EQ(y[i], encode(root, f.mantissa)) << f.type << " " << value;
      }
    }
}

//===----------------------------------------------------------------------===//
// What has no implementation
//===----------------------------------------------------------------------===//

TEST(FloatFunctions, RefusesWhatWouldBeACall) {
  struct {
    const char *type, *body, *error;
  } cases[] = {
      {"f64", "%y = math.erf %x : vector<4xf64>",
       "math.erf on f64 has no vector implementation\n"},
      {"f32", "%y = math.asinh %x : vector<4xf32>",
       "math.asinh on f32 has no vector implementation\n"},
      {"f64", "%y = math.powf %x, %x : vector<4xf64>",
       "math.powf on f64 has no vector implementation\n"},
      {"f32", "%y = arith.remf %x, %x : vector<4xf32>",
       "arith.remf on f32 has no vector implementation\n"},
      {"f64",
       "%h = arith.truncf %x : vector<4xf64> to vector<4xf16>\n"
       "%y = arith.extf %h : vector<4xf16> to vector<4xf64>",
       "arith.truncf from f64 to f16 has no vector implementation\n"},
  };
  for (const auto &test : cases) {
    Session session(elementwiseKernel(test.type, 4, test.body));
    ASSERT_TRUE(session.isValid()) << session.errors();
    EXPECT_FALSE(session.jit(targetNamed("native")));
    EXPECT_EQ(session.errors(), test.error);
  }
}
