// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emission of 2^x.

#include "codegen/cpu/Exp2.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;

namespace {
struct Format {
  unsigned bits, mantissaBits;
  double clamp, round;
};
constexpr Format kF32{32, 23, -127.0, 12582912.0};          // 1.5 * 2^23
constexpr Format kF64{64, 52, -1023.0, 6755399441055744.0}; // 1.5 * 2^52

/// f32: least squares on Chebyshev nodes, reweighted towards equal relative
/// error (Lawson's iteration), p(0) = 1 fixed; largest relative error 9.2e-8.
constexpr double kF32Coefficients[] = {
    0.6931470036506653, 0.24022242426872253, 0.05550733581185341,
    0.009671512991189957, 0.0013264724984765053};
constexpr int kF64Degree = 13;

/// The same on [0, 1]; largest relative error 8.3e-8.
constexpr double kFloorCoefficients[] = {
    0.6931513118046391, 0.24016445015481713, 0.055799913104415406,
    0.009017030321751829, 0.0018671300701264505};
/// Degree 3, on [-1/2, 1/2] and on [0, 1]; largest relative errors 1.0e-4 and
/// 8.6e-5.
constexpr double kBf16Coefficients[] = {0.6932829270984523, 0.24221095927623204,
                                        0.05500893111899084};
constexpr double kBf16FloorCoefficients[] = {
    0.6951167864175851, 0.2276449911962709, 0.0770670419970435};
/// Below this, results are 0 and not subnormal: what follows would be slow.
constexpr double kSmallest = -126.0;

/// Coefficients of f^1 ... f^degree.
SmallVector<double> coefficients(bool isF64, Exp2Use use) {
  if (!isF64)
    return llvm::to_vector(use == Exp2Use::RoundedToBf16
                               ? ArrayRef(kBf16Coefficients)
                               : ArrayRef(kF32Coefficients));
  // Taylor: (ln 2)^k / k!; at degree 13 the remainder is below 2^-57.
  SmallVector<double> c;
  double term = 1.0;
  for (int k = 1; k <= kF64Degree; ++k)
    c.push_back(term *= M_LN2 / k);
  return c;
}

/// (2^f - 1) / f, fitted in the same way on |f| <= 1/2; largest relative error
/// 1.1e-8.
constexpr double kGrowthCoefficients[] = {
    0.6931471879266891,   0.24022649794963363,   0.05550357433636443,
    0.009618237494235812, 0.0013390735477579242, 0.0001540351259881639};
/// From here on tanh is 1 in f32.
constexpr double kTanhEnd = 9.02;

/// c[0] + x (c[1] + x (c[2] + ...)).
Value horner(Emitter &e, Value x, ArrayRef<double> c) {
  Value p = e.constant(x.getType(), c.back());
  for (double coefficient : llvm::reverse(c.drop_back()))
    p = e.fma(p, x, e.constant(x.getType(), coefficient));
  return p;
}

/// 1 + x (c[0] + x (c[1] + ...)).
Value polynomial(Emitter &e, Value x, ArrayRef<double> c) {
  return e.fma(horner(e, x, c), x, e.constant(x.getType(), 1.0));
}

Value integerConstant(Emitter &e, VectorType type, int64_t value) {
  return arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(
          type, Attribute(IntegerAttr::get(type.getElementType(), value))));
}

/// x / y to 1.5 ulp, for y far from the ends of the exponent's range.
Value quotient(Emitter &e, Value x, Value y) {
  Type type = x.getType();
  if (!e.hasAvx512 || type != VectorType::get({16}, e.b.getF32Type()))
    return arith::DivFOp::create(e.b, e.loc, x, y);
  // 14 bits, and one step of Newton's method.
  Value all = arith::ConstantOp::create(e.b, e.loc, e.b.getI16IntegerAttr(-1));
  Value r =
      LLVM::CallIntrinsicOp::create(
          e.b, e.loc, type, e.b.getStringAttr("llvm.x86.avx512.rcp14.ps.512"),
          ValueRange{y, y, all})
          .getResult(0);
  Value rest =
      e.fma(arith::NegFOp::create(e.b, e.loc, y), r, e.constant(type, 1.0));
  return e.mulf(x, e.fma(rest, r, r));
}

/// AVX-512 has the fraction over the floor, and the scaling by the floor's
/// power of two, as instructions.
Value exp2Avx512(Emitter &e, Value x, Exp2Use use) {
  Type type = x.getType();
  auto integer = [&](unsigned bits, int64_t value) -> Value {
    return arith::ConstantOp::create(
        e.b, e.loc, e.b.getIntegerAttr(e.b.getIntegerType(bits), value));
  };
  auto call = [&](StringRef name, ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(e.b, e.loc, type,
                                         e.b.getStringAttr(name), arguments)
        .getResult(0);
  };
  constexpr int64_t kFloorQuietly = 9, kCurrentRounding = 4;
  Value all = integer(16, -1);
  Value fraction = call(
      "llvm.x86.avx512.mask.reduce.ps.512",
      {x, integer(32, kFloorQuietly), x, all, integer(32, kCurrentRounding)});
  Value p = polynomial(e, fraction,
                       use == Exp2Use::RoundedToBf16
                           ? ArrayRef(kBf16FloorCoefficients)
                           : ArrayRef(kFloorCoefficients));
  Value scaled = call("llvm.x86.avx512.mask.scalef.ps.512",
                      {p, x, p, all, integer(32, kCurrentRounding)});
  Value tiny = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OLT, x,
                                     e.constant(type, kSmallest));
  return e.select(tiny, e.constant(type, 0.0), scaled);
}
} // namespace

Value attnc::cpu::emitExp2(Emitter &e, Value x, Exp2Use use) {
  Type type = x.getType(), element = getElementTypeOrSelf(type);
  bool isF64 = element.isF64();
  if (e.hasAvx512 && type == VectorType::get({16}, e.b.getF32Type()))
    return exp2Avx512(e, x, use);
  const Format &format = isF64 ? kF64 : kF32;
  Type integer = e.b.getIntegerType(format.bits);
  if (auto vector = dyn_cast<VectorType>(type))
    integer = vector.clone(integer);

  Value low = e.constant(type, format.clamp);
  Value below =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT, low, x);
  Value clamped = e.select(below, low, x);
  Value magic = e.constant(type, format.round);
  Value rounded = e.addf(clamped, magic);
  Value f = e.subf(clamped, e.subf(rounded, magic));
  Value p = polynomial(e, f, coefficients(isF64, use));

  TypedAttr shiftAttr =
      IntegerAttr::get(getElementTypeOrSelf(integer), format.mantissaBits);
  if (auto vector = dyn_cast<VectorType>(integer))
    shiftAttr = DenseElementsAttr::get(vector, Attribute(shiftAttr));
  Value shift = arith::ConstantOp::create(e.b, e.loc, shiftAttr);
  Value n = arith::BitcastOp::create(e.b, e.loc, integer, rounded);
  n = arith::ShLIOp::create(e.b, e.loc, n, shift);
  Value bits = arith::BitcastOp::create(e.b, e.loc, integer, p);
  bits = arith::AddIOp::create(e.b, e.loc, bits, n);
  Value result = arith::BitcastOp::create(e.b, e.loc, type, bits);
  // Adding to the bits of a NaN with a payload could make a number of it.
  Value isNaN =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNO, x, x);
  return e.select(isNaN, x, result);
}

/// With 2 x log2(e) = n + f and m = 2^f - 1, exp(2 x) - 1 = 2^n m + (2^n - 1)
/// loses nothing near 0, and tanh x is it divided by itself plus 2.
Value attnc::cpu::emitTanh(Emitter &e, Value x) {
  auto type = cast<VectorType>(x.getType());
  auto integers = type.clone(e.b.getI32Type());
  auto limit = [&](arith::CmpFPredicate predicate, double bound) {
    Value end = e.constant(type, bound);
    Value beyond = arith::CmpFOp::create(e.b, e.loc, predicate, end, x);
    x = e.select(beyond, end, x);
  };
  limit(arith::CmpFPredicate::OLT, kTanhEnd);
  limit(arith::CmpFPredicate::OGT, -kTanhEnd);
  Value y = e.mulf(x, e.constant(type, 2 * M_LOG2E));
  Value magic = e.constant(type, kF32.round), one = e.constant(type, 1.0);
  Value rounded = e.addf(y, magic);
  Value f = e.subf(y, e.subf(rounded, magic));
  Value m = e.mulf(horner(e, f, kGrowthCoefficients), f);
  Value power = arith::ShLIOp::create(
      e.b, e.loc, arith::BitcastOp::create(e.b, e.loc, integers, rounded),
      integerConstant(e, integers, kF32.mantissaBits));
  power = arith::AddIOp::create(e.b, e.loc, power,
                                integerConstant(e, integers, 0x3f800000));
  power = arith::BitcastOp::create(e.b, e.loc, type, power);
  Value growth = e.fma(power, m, e.subf(power, one));
  return quotient(e, growth, e.addf(growth, e.constant(type, 2.0)));
}
