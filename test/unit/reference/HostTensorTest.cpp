// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Host tensors: rounding and bytes.

#include "TestSupport.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class HostTensorTest : public ReferenceTest {
protected:
  Type f64 = Float64Type::get(&context), single = Float32Type::get(&context),
       half = Float16Type::get(&context), brain = BFloat16Type::get(&context);

  /// Rounding by LLVM's software floats.
  static double reference(double x, const llvm::fltSemantics &semantics) {
    llvm::APFloat value(x);
    bool losesInfo;
    value.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    value.convert(llvm::APFloat::IEEEdouble(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return value.convertToDouble();
  }

  static void expectSame(double a, double b, double of) {
    if (std::isnan(a) && std::isnan(b))
      return;
    EXPECT_EQ(a, b) << "of " << of;
    EXPECT_EQ(std::signbit(a), std::signbit(b)) << "of " << of;
  }
};

TEST_F(HostTensorTest, RoundsToNearestEven) {
  // Halfway cases by hand: f16 has a unit of 2 at 2048, bf16 one of 2 at 256.
  EXPECT_EQ(roundToType(2049, half), 2048);
  EXPECT_EQ(roundToType(2051, half), 2052);
  EXPECT_EQ(roundToType(65519.99, half), 65504);
  EXPECT_EQ(roundToType(65520, half), INFINITY);
  EXPECT_EQ(roundToType(std::ldexp(1, -25), half), 0);
  EXPECT_EQ(roundToType(std::ldexp(1.5, -25), half), std::ldexp(1, -24));
  EXPECT_EQ(roundToType(257, brain), 256);
  EXPECT_EQ(roundToType(259, brain), 260);
  EXPECT_EQ(roundToType(3.4e38, brain), INFINITY);
  EXPECT_EQ(roundToType(16777217, single), 16777216);
}

TEST_F(HostTensorTest, RoundsAsSoftwareFloatsDo) {
  std::vector<double> values = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-320};
  for (uint64_t n = 0; n < 20000; ++n) {
    // Exponents from far below f16's smallest to above bf16's largest.
    int exponent = static_cast<int>(splitMix(2 * n) % 300) - 160;
    double fraction = 1 + (splitMix(2 * n + 1) >> 12) * 0x1p-52;
    values.push_back(std::ldexp(n % 2 ? fraction : -fraction, exponent));
    // And ties of both formats.
    values.push_back(std::ldexp(double(splitMix(n) >> 52) + 0.5, -20));
  }
  for (double x : values) {
    expectSame(roundToType(x, half), reference(x, llvm::APFloat::IEEEhalf()),
               x);
    expectSame(roundToType(x, brain), reference(x, llvm::APFloat::BFloat()), x);
    expectSame(roundToType(x, single),
               reference(x, llvm::APFloat::IEEEsingle()), x);
    expectSame(roundToType(x, f64), x, x);
  }
}

TEST_F(HostTensorTest, EveryHalfSurvivesBytes) {
  for (Type type : {half, brain}) {
    std::vector<uint16_t> bits(65536), back(65536);
    for (size_t n = 0; n < bits.size(); ++n)
      bits[n] = static_cast<uint16_t>(n);
    std::optional<HostTensor> tensor =
        HostTensor::fromBytes(type, {65536}, bits.data());
    ASSERT_TRUE(tensor);
    ASSERT_TRUE(tensor->toBytes(back.data()));
    for (size_t n = 0; n < bits.size(); ++n)
      if (std::isnan(tensor->getFloat(n)))
        EXPECT_TRUE((back[n] & 0x7C00) == 0x7C00);
      else
        EXPECT_EQ(bits[n], back[n]);
  }
}

TEST_F(HostTensorTest, ReadsAndWritesWithStrides) {
  // A transposed 2x3 matrix inside rows of four.
  int16_t data[3][4] = {{1, 2, 9, 9}, {3, -4, 9, 9}, {5, 6, 9, 9}};
  Type i16 = IntegerType::get(&context, 16);
  std::optional<HostTensor> tensor =
      HostTensor::fromBytes(i16, {2, 3}, data, {2, 8});
  ASSERT_TRUE(tensor);
  EXPECT_EQ(valuesOf(*tensor), (std::vector<double>{1, 3, 5, 2, -4, 6}));
  int16_t back[3][4] = {};
  ASSERT_TRUE(tensor->toBytes(back, {2, 8}));
  EXPECT_EQ(back[1][1], -4);
  EXPECT_EQ(back[2][0], 5);
  EXPECT_EQ(back[2][2], 0);
}

TEST_F(HostTensorTest, IntegersWrapToTheirWidth) {
  uint8_t bytes[] = {0, 1, 200, 255};
  Type i8 = IntegerType::get(&context, 8), bit = IntegerType::get(&context, 1);
  EXPECT_EQ(valuesOf(*HostTensor::fromBytes(i8, {4}, bytes)),
            (std::vector<double>{0, 1, -56, -1}));
  EXPECT_EQ(valuesOf(*HostTensor::fromBytes(bit, {4}, bytes)),
            (std::vector<double>{0, 1, 1, 1}));
  EXPECT_EQ(wrapToType(300, i8), 44);
  EXPECT_EQ(wrapToType(128, i8), -128);
  EXPECT_EQ(wrapToType(3, bit), 1);
}

TEST_F(HostTensorTest, RefusesWhatHasNoForm) {
  int64_t data = 0;
  EXPECT_FALSE(
      HostTensor::fromBytes(IntegerType::get(&context, 12), {1}, &data));
  EXPECT_FALSE(HostTensor::isSupported(IntegerType::get(&context, 128)));
  EXPECT_FALSE(HostTensor::isSupported(Float8E4M3FNUZType::get(&context)));
  EXPECT_FALSE(HostTensor::countElements({1ll << 40, 1ll << 40}));
  EXPECT_FALSE(HostTensor::countElements({2, -1}));
  EXPECT_EQ(HostTensor::countElements({1ll << 40, 0, 1ll << 40}), 0);
  EXPECT_EQ(HostTensor::countElements({}), 1);
}

TEST_F(HostTensorTest, CopiesShareUntilWritten) {
  HostTensor a = f32({2}, {1, 2}), b = a;
  EXPECT_EQ(a.values().data(), b.values().data());
  b.mutableValues()[0].f = 7;
  EXPECT_EQ(a.getFloat(0), 1);
  EXPECT_EQ(b.getFloat(0), 7);
}
} // namespace
