// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emission of 2^x.

#include "codegen/cpu/Exp2.h"
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

/// Coefficients of f^1 ... f^degree.
SmallVector<double> coefficients(bool isF64) {
  if (!isF64)
    return SmallVector<double>(std::begin(kF32Coefficients),
                               std::end(kF32Coefficients));
  // Taylor: (ln 2)^k / k!; at degree 13 the remainder is below 2^-57.
  SmallVector<double> c;
  double term = 1.0;
  for (int k = 1; k <= kF64Degree; ++k)
    c.push_back(term *= M_LN2 / k);
  return c;
}
} // namespace

Value attnc::cpu::emitExp2(Emitter &e, Value x) {
  Type type = x.getType(), element = getElementTypeOrSelf(type);
  bool isF64 = element.isF64();
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
  SmallVector<double> c = coefficients(isF64);
  Value p = e.constant(type, c.back());
  for (double coefficient : llvm::reverse(ArrayRef(c).drop_back()))
    p = e.fma(p, f, e.constant(type, coefficient));
  p = e.fma(p, f, e.constant(type, 1.0));

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
