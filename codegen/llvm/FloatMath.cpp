// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions: argument reduction, a short series, reconstruction.

#include "codegen/llvm/FloatMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"

#include <limits>

using namespace mlir;
using namespace attnc;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
static constexpr double kLog2E = 1.4426950408889634074;
// ln 2 in two parts; the first has enough zeros for exact multiples.
static constexpr double kLn2High = 6.93147180369123816490e-01;
static constexpr double kLn2Low = 1.90821492927058770002e-10;

// 1/1!, 1/2!, ... : (e^x - 1) / x.
static constexpr double kExpm1Series[] = {1.0,
                                          1.0 / 2,
                                          1.0 / 6,
                                          1.0 / 24,
                                          1.0 / 120,
                                          1.0 / 720,
                                          1.0 / 5040,
                                          1.0 / 40320,
                                          1.0 / 362880,
                                          1.0 / 3628800,
                                          1.0 / 39916800,
                                          1.0 / 479001600,
                                          1.0 / 6227020800.0,
                                          1.0 / 87178291200.0};

FloatMath::FloatMath(OpBuilder &builder, Location loc, Type type)
    : b(builder), loc(loc), type(type) {
  Type element = getElementTypeOrSelf(type);
  isDouble = element.isF64();
  intType = b.getIntegerType(element.getIntOrFloatBitWidth());
  if (auto shaped = dyn_cast<ShapedType>(type))
    intType = shaped.clone(intType);
}

//===----------------------------------------------------------------------===//
// Building blocks
//===----------------------------------------------------------------------===//

Value FloatMath::constant(double value) {
  TypedAttr attr = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto shaped = dyn_cast<ShapedType>(type))
    attr = DenseElementsAttr::get(shaped, Attribute(attr));
  return arith::ConstantOp::create(b, loc, attr);
}

Value FloatMath::integer(int64_t value) {
  TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(intType), value);
  if (auto shaped = dyn_cast<ShapedType>(intType))
    attr = DenseElementsAttr::get(shaped, Attribute(attr));
  return arith::ConstantOp::create(b, loc, attr);
}

Value FloatMath::add(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}
Value FloatMath::sub(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}
Value FloatMath::mul(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value FloatMath::div(Value x, Value y) {
  return arith::DivFOp::create(b, loc, x, y);
}
Value FloatMath::fma(Value x, Value y, Value z) {
  return math::FmaOp::create(b, loc, x, y, z);
}
Value FloatMath::abs(Value x) { return math::AbsFOp::create(b, loc, x); }
Value FloatMath::copySign(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, loc, magnitude, sign);
}
Value FloatMath::less(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y);
}
Value FloatMath::equal(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
}
Value FloatMath::select(Value c, Value x, Value y) {
  return arith::SelectOp::create(b, loc, c, x, y);
}
Value FloatMath::toBits(Value x) {
  return arith::BitcastOp::create(b, loc, intType, x);
}
Value FloatMath::fromBits(Value x) {
  return arith::BitcastOp::create(b, loc, type, x);
}

/// NaN stays NaN: no comparison with it holds.
Value FloatMath::clamp(Value x, double low, double high) {
  Value l = constant(low), h = constant(high);
  x = select(less(x, l), l, x);
  return select(less(h, x), h, x);
}

Value FloatMath::polynomial(Value x, ArrayRef<double> coefficients) {
  Value sum = constant(coefficients.back());
  for (double c : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, constant(c));
  return sum;
}

/// Adding 1.5 * 2^(mantissa bits) leaves the nearest integer in the low bits.
FloatMath::Rounded FloatMath::nearest(Value x) {
  Value magic = constant(isDouble ? 6755399441055744.0 : 12582912.0);
  Value shifted = add(x, magic);
  Value whole = arith::SubIOp::create(b, loc, toBits(shifted), toBits(magic));
  return {sub(shifted, magic), whole};
}

Value FloatMath::smallToFloat(Value x) {
  Value magic = constant(isDouble ? 6755399441055744.0 : 12582912.0);
  Value bits = arith::AddIOp::create(b, loc, x, toBits(magic));
  return sub(fromBits(bits), magic);
}

Value FloatMath::powerOfTwo(Value n) {
  Value biased =
      arith::AddIOp::create(b, loc, n, integer(isDouble ? 1023 : 127));
  return fromBits(
      arith::ShLIOp::create(b, loc, biased, integer(isDouble ? 52 : 23)));
}

/// In two steps, so that neither factor leaves the exponent's range.
Value FloatMath::scale(Value x, Value n) {
  Value half = arith::ShRSIOp::create(b, loc, n, integer(1));
  Value rest = arith::SubIOp::create(b, loc, n, half);
  return mul(mul(x, powerOfTwo(half)), powerOfTwo(rest));
}

//===----------------------------------------------------------------------===//
// Rounding, for machines without an instruction
//===----------------------------------------------------------------------===//

/// Adding and subtracting 2^(mantissa bits) rounds a smaller magnitude to the
/// nearest even integer; greater ones are integers already.
Value FloatMath::roundEven(Value x) {
  Value limit = constant(isDouble ? 4503599627370496.0 : 8388608.0);
  Value magnitude = abs(x);
  Value rounded = copySign(sub(add(magnitude, limit), limit), x);
  return select(less(magnitude, limit), rounded, x);
}

Value FloatMath::floor(Value x) {
  Value r = roundEven(x);
  return copySign(select(less(x, r), sub(r, constant(1)), r), x);
}

Value FloatMath::ceil(Value x) {
  Value r = roundEven(x);
  return copySign(select(less(r, x), add(r, constant(1)), r), x);
}

Value FloatMath::trunc(Value x) { return copySign(floor(abs(x)), x); }

Value FloatMath::round(Value x) {
  Value magnitude = abs(x);
  Value whole = floor(magnitude);
  Value below = less(sub(magnitude, whole), constant(0.5));
  return copySign(select(below, whole, add(whole, constant(1))), x);
}

Value FloatMath::rsqrt(Value x) {
  return div(constant(1), math::SqrtOp::create(b, loc, x));
}

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

Value FloatMath::exp2(Value x) {
  x = clamp(x, isDouble ? -1100 : -160, isDouble ? 1100 : 160);
  Rounded n = nearest(x);
  Value rest = mul(sub(x, n.real), constant(0.69314718055994530942));
  // f32 needs 8 terms of the series, f64 all 14.
  ArrayRef<double> series(kExpm1Series);
  Value tail = polynomial(rest, series.take_front(isDouble ? 14 : 7));
  return scale(fma(tail, rest, constant(1)), n.integer);
}

FloatMath::Rounded FloatMath::reduceExp(Value x, Value &rest) {
  Rounded n = nearest(mul(x, constant(kLog2E)));
  rest = fma(n.real, constant(-kLn2High), x);
  rest = fma(n.real, constant(-kLn2Low), rest);
  return n;
}

Value FloatMath::exp(Value x) {
  x = clamp(x, -760, 760);
  Value rest;
  Rounded n = reduceExp(x, rest);
  Value tail = polynomial(rest, kExpm1Series);
  return scale(fma(tail, rest, constant(1)), n.integer);
}

/// 2^n (e^rest - 1) + (2^n - 1): nothing cancels near zero, where n is 0.
Value FloatMath::expm1(Value argument) {
  Value x = clamp(argument, -50, 760);
  Value rest;
  Rounded n = reduceExp(x, rest);
  Value small = mul(polynomial(rest, kExpm1Series), rest);
  // From 2^60 on the -1 is lost, and 2^1024 would overflow too early.
  Value power = powerOfTwo(n.integer);
  Value middle = add(mul(power, small), sub(power, constant(1)));
  Value large = scale(add(small, constant(1)), n.integer);
  Value result = select(less(constant(60), n.real), large, middle);
  return select(equal(argument, constant(0)), argument, result);
}

Value FloatMath::tanh(Value x) {
  // Beyond 40 the quotient is 1.
  Value u = expm1(clamp(mul(abs(x), constant(2)), 0, 80));
  return copySign(div(u, add(u, constant(2))), x);
}

Value FloatMath::sinh(Value x) {
  Value u = expm1(abs(x));
  Value both = mul(add(u, div(u, add(u, constant(1)))), constant(0.5));
  // e^x alone overflows before its half does; inf / inf is not the answer.
  Value half = exp(mul(abs(x), constant(0.5)));
  Value large = mul(mul(half, constant(0.5)), half);
  return copySign(select(less(constant(40), abs(x)), large, both), x);
}

Value FloatMath::cosh(Value x) {
  Value half = exp(mul(abs(x), constant(0.5)));
  Value large = mul(mul(half, constant(0.5)), half);
  Value e = mul(half, half);
  Value both = mul(add(e, div(constant(1), e)), constant(0.5));
  return select(less(constant(40), abs(x)), large, both);
}

//===----------------------------------------------------------------------===//
// Logarithms
//===----------------------------------------------------------------------===//

FloatMath::LogParts FloatMath::logParts(Value x) {
  // Subnormals are scaled into the normal range first.
  Value tiny = less(x, constant(2.2250738585072014e-308));
  Value scaled = select(tiny, mul(x, constant(18014398509481984.0)), x);
  Value shift = select(tiny, integer(54), integer(0));
  Value bits = toBits(scaled);
  Value above = arith::SubIOp::create(b, loc, bits,
                                      toBits(constant(0.70710678118654752440)));
  Value exponent = arith::ShRSIOp::create(b, loc, above, integer(52));
  Value m = fromBits(arith::SubIOp::create(
      b, loc, bits, arith::ShLIOp::create(b, loc, exponent, integer(52))));
  Value e = smallToFloat(arith::SubIOp::create(b, loc, exponent, shift));
  // ln m = 2 atanh s, s = (m - 1) / (m + 1), |s| < 0.172. Of s + s^3/3 + ...
  // the first term is written so that it is exact near m = 1.
  Value f = sub(m, constant(1));
  Value s = div(f, add(m, constant(1)));
  Value s2 = mul(s, s);
  static constexpr double series[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,
                                      2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17,
                                      2.0 / 19, 2.0 / 21, 2.0 / 23};
  // 2 s = f - s f, so ln m = f - s (f - s2 * tail).
  Value tail = mul(s2, polynomial(s2, series));
  Value log = sub(f, mul(s, sub(f, tail)));
  return {log, e};
}

Value FloatMath::logSpecial(Value x, Value result) {
  Value zero = constant(0);
  result = select(less(x, constant(kInfinity)), result, x); // inf and NaN
  result = select(less(x, zero), constant(kNaN), result);
  return select(equal(x, zero), constant(-kInfinity), result);
}

Value FloatMath::log(Value x) {
  LogParts parts = logParts(x);
  Value low = fma(parts.exponent, constant(kLn2Low), parts.logMantissa);
  return logSpecial(x, fma(parts.exponent, constant(kLn2High), low));
}

Value FloatMath::log2(Value x) {
  LogParts parts = logParts(x);
  return logSpecial(x,
                    fma(parts.logMantissa, constant(kLog2E), parts.exponent));
}

Value FloatMath::log10(Value x) {
  return mul(log(x), constant(0.43429448190325182765));
}

/// ln(1 + x), corrected for what the sum lost.
Value FloatMath::log1p(Value x) {
  Value u = add(x, constant(1));
  Value lost = div(sub(x, sub(u, constant(1))), u);
  Value small = less(abs(x), constant(1e-20));
  Value finite = less(abs(u), constant(kInfinity));
  Value positive = less(constant(0), u);
  Value correction = select(finite, lost, constant(0));
  correction = select(positive, correction, constant(0));
  return select(small, x, add(log(u), correction));
}

//===----------------------------------------------------------------------===//
// Trigonometry
//===----------------------------------------------------------------------===//

Value FloatMath::sinShifted(Value x, int64_t quarters) {
  Rounded k = nearest(mul(x, constant(0.63661977236758134308)));
  // pi / 2 in parts of 26, 27 and 53 bits: exact multiples while |k| < 2^26.
  Value r = fma(k.real, constant(-0x1.921fb5p+0), x);
  r = fma(k.real, constant(-0x1.110b46p-26), r);
  r = fma(k.real, constant(-0x1.1a62633145c07p-54), r);
  Value r2 = mul(r, r);
  static constexpr double sine[] = {-1.0 / 6,
                                    1.0 / 120,
                                    -1.0 / 5040,
                                    1.0 / 362880,
                                    -1.0 / 39916800,
                                    1.0 / 6227020800.0,
                                    -1.0 / 1307674368000.0,
                                    1.0 / 355687428096000.0};
  static constexpr double cosine[] = {1.0 / 24,
                                      -1.0 / 720,
                                      1.0 / 40320,
                                      -1.0 / 3628800,
                                      1.0 / 479001600,
                                      -1.0 / 87178291200.0,
                                      1.0 / 20922789888000.0};
  Value s = fma(mul(polynomial(r2, sine), r2), r, r);
  Value half = fma(r2, constant(-0.5), constant(1));
  Value c = fma(mul(polynomial(r2, cosine), r2), r2, half);
  Value quadrant = arith::AddIOp::create(b, loc, k.integer, integer(quarters));
  auto bitSet = [&](int64_t bit) -> Value {
    Value masked = arith::AndIOp::create(b, loc, quadrant, integer(bit));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, masked,
                                 integer(0));
  };
  Value result = select(bitSet(1), c, s);
  result = select(bitSet(2), arith::NegFOp::create(b, loc, result), result);
  if (quarters == 0) // the sign of a zero
    result = select(equal(x, constant(0)), x, result);
  return select(less(abs(x), constant(kMaxTrigArgument)), result,
                constant(kNaN));
}

Value FloatMath::sin(Value x) { return sinShifted(x, 0); }
Value FloatMath::cos(Value x) { return sinShifted(x, 1); }
Value FloatMath::tan(Value x) { return div(sin(x), cos(x)); }

/// Two reductions bring the argument below tan(pi/8); then a series.
Value FloatMath::atan(Value x) {
  Value one = constant(1);
  Value magnitude = abs(x);
  Value isLarge = less(one, magnitude);
  Value t = select(isLarge, div(one, magnitude), magnitude);
  Value isMiddle = less(constant(0.41421356237309504880), t);
  t = select(isMiddle, div(sub(t, one), add(t, one)), t);
  SmallVector<double> series; // -1/3, 1/5, ...
  for (int n = 3; n < 45; n += 2)
    series.push_back((n % 4 == 3 ? -1.0 : 1.0) / n);
  Value t2 = mul(t, t);
  Value angle = fma(mul(polynomial(t2, series), t2), t, t);
  Value quarter = add(angle, constant(0.78539816339744830962));
  angle = select(isMiddle, quarter, angle);
  Value rest = sub(constant(1.57079632679489661923), angle);
  return copySign(select(isLarge, rest, angle), x);
}

Value FloatMath::atan2(Value y, Value x) {
  Value height = abs(y), width = abs(x), zero = constant(0);
  Value ratio = select(equal(height, width), constant(1), div(height, width));
  Value isZero =
      arith::AndIOp::create(b, loc, equal(height, zero), equal(width, width));
  Value angle = atan(select(isZero, zero, ratio));
  Value isLeft = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                       toBits(x), integer(0));
  Value mirrored = sub(constant(3.14159265358979323846), angle);
  return copySign(select(isLeft, mirrored, angle), y);
}

//===----------------------------------------------------------------------===//
// Powers
//===----------------------------------------------------------------------===//

/// |x|^y by logarithm, then the cases that IEEE 754 lists.
Value FloatMath::pow(Value x, Value y) {
  Value one = constant(1), zero = constant(0);
  Value magnitude = exp2(mul(y, log2(abs(x))));
  magnitude = select(equal(abs(x), one), one, magnitude);
  magnitude = select(equal(y, zero), one, magnitude);

  Value isInteger = equal(roundEven(y), y);
  Value halfOfY = mul(y, constant(0.5));
  Value isEven = equal(roundEven(halfOfY), halfOfY);
  Value negative = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                         toBits(x), integer(0));
  Value flipped = arith::NegFOp::create(b, loc, magnitude);
  Value signedResult = select(isEven, magnitude, flipped);
  signedResult = select(isInteger, signedResult, magnitude);
  Value result = select(negative, signedResult, magnitude);
  // A negative base has no real power that is not an integer.
  Value below = less(x, zero);
  Value finite = less(constant(-kInfinity), x);
  Value undefined = arith::AndIOp::create(b, loc, below, finite);
  Value notInteger = select(isInteger, zero, constant(kNaN));
  result = select(undefined, add(result, notInteger), result);
  // 1^y is 1 and x^0 is 1 whatever the other is, NaN included.
  result = select(equal(x, one), one, result);
  return select(equal(y, zero), one, result);
}

Value FloatMath::cbrt(Value x) {
  return copySign(exp2(mul(log2(abs(x)), constant(1.0 / 3))), x);
}
