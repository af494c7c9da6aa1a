// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled so that the compiler knows of changing rounding modes. Operands go
// through volatile variables, lest arithmetic moves across the change.

#include "Rounding.h"

#include <cfenv>
#include <cmath>

using namespace attnc::ptx;

namespace {
class RoundingScope {
public:
  explicit RoundingScope(Rounding rounding) : old(fegetround()) {
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD,
                                FE_UPWARD, FE_TONEAREST};
    fesetround(modes[static_cast<unsigned>(rounding)]);
  }
  ~RoundingScope() { fesetround(old); }

private:
  int old;
};
} // namespace

template <class T>
static T compute(Op op, Rounding rounding, T x, T y, T z) {
  RoundingScope scope(rounding);
  volatile T a = x, b = y, c = z, result;
  switch (op) {
  case Op::Add:
    result = a + b;
    break;
  case Op::Sub:
    result = a - b;
    break;
  case Op::Mul:
    result = a * b;
    break;
  case Op::Div:
    result = a / b;
    break;
  case Op::Fma:
    result = std::fma(static_cast<T>(a), static_cast<T>(b), static_cast<T>(c));
    break;
  case Op::Sqrt:
    result = std::sqrt(static_cast<T>(a));
    break;
  default:
    b = 1;
    result = b / a;
  }
  return result;
}

float attnc::ptx::roundedOp(Op op, Rounding rounding, float a, float b,
                            float c) {
  return compute(op, rounding, a, b, c);
}

double attnc::ptx::roundedOp(Op op, Rounding rounding, double a, double b,
                             double c) {
  return compute(op, rounding, a, b, c);
}

template <class To, class From>
static To convert(From from, Rounding rounding) {
  RoundingScope scope(rounding);
  volatile From value = from;
  volatile To result = static_cast<To>(value);
  return result;
}

float attnc::ptx::roundedToFloat(double value, Rounding rounding) {
  return convert<float>(value, rounding);
}
float attnc::ptx::roundedToFloat(int64_t value, Rounding rounding) {
  return convert<float>(value, rounding);
}
float attnc::ptx::roundedToFloat(uint64_t value, Rounding rounding) {
  return convert<float>(value, rounding);
}
double attnc::ptx::roundedToDouble(int64_t value, Rounding rounding) {
  return convert<double>(value, rounding);
}
double attnc::ptx::roundedToDouble(uint64_t value, Rounding rounding) {
  return convert<double>(value, rounding);
}
