// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions as straight-line arithmetic on scalars or vectors: no
// calls, no tables, no branches. In f64 the error is a few units in the last
// place; f32 functions that need the room are computed through f64.

#ifndef ATTNC_CODEGEN_LLVM_FLOATMATH_H
#define ATTNC_CODEGEN_LLVM_FLOATMATH_H

#include "mlir/IR/Builders.h"

namespace attnc {

/// Beyond this magnitude sine and cosine are NaN: the argument's reduction
/// would need more digits of pi than it has.
constexpr double kMaxTrigArgument = 134217728.0; // 2^27

/// Emits arithmetic at one location on values of one type: f32 or f64, or a
/// vector of them.
class FloatMath {
public:
  FloatMath(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type);

  // f32 and f64.
  mlir::Value exp2(mlir::Value x);
  mlir::Value floor(mlir::Value x);
  mlir::Value ceil(mlir::Value x);
  mlir::Value trunc(mlir::Value x);
  mlir::Value round(mlir::Value x);
  mlir::Value roundEven(mlir::Value x);
  mlir::Value rsqrt(mlir::Value x);

  // f64 only.
  mlir::Value exp(mlir::Value x);
  mlir::Value expm1(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value log2(mlir::Value x);
  mlir::Value log10(mlir::Value x);
  mlir::Value log1p(mlir::Value x);
  mlir::Value sin(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  mlir::Value tan(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value sinh(mlir::Value x);
  mlir::Value cosh(mlir::Value x);
  mlir::Value atan(mlir::Value x);
  mlir::Value atan2(mlir::Value y, mlir::Value x);
  // f64 operations of f32 accuracy.
  mlir::Value pow(mlir::Value x, mlir::Value y);
  mlir::Value cbrt(mlir::Value x);

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type type;    // of the values
  mlir::Type intType; // same shape and width, integer
  bool isDouble;

  mlir::Value constant(double value);
  mlir::Value integer(int64_t value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z);
  mlir::Value abs(mlir::Value x);
  mlir::Value copySign(mlir::Value magnitude, mlir::Value sign);
  mlir::Value less(mlir::Value x, mlir::Value y);
  mlir::Value equal(mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y);
  mlir::Value clamp(mlir::Value x, double low, double high);
  mlir::Value toBits(mlir::Value x);
  mlir::Value fromBits(mlir::Value x);
  /// c[0] + x (c[1] + x (c[2] + ...)).
  mlir::Value polynomial(mlir::Value x, llvm::ArrayRef<double> coefficients);

  /// The nearest integer, as a float and as an integer; |x| < 2^21 in f32,
  /// 2^50 in f64.
  struct Rounded {
    mlir::Value real, integer;
  };
  Rounded nearest(mlir::Value x);
  /// The float of a small integer.
  mlir::Value smallToFloat(mlir::Value x);
  /// x * 2^n for any n that a sum of two exponents can reach.
  mlir::Value scale(mlir::Value x, mlir::Value n);
  mlir::Value powerOfTwo(mlir::Value n);
  /// x = n ln 2 + rest, |rest| <= ln 2 / 2.
  Rounded reduceExp(mlir::Value x, mlir::Value &rest);

  /// ln m and e of x = m 2^e with m in [sqrt 1/2, sqrt 2), x > 0.
  struct LogParts {
    mlir::Value logMantissa, exponent;
  };
  LogParts logParts(mlir::Value x);
  /// `result` for positive x, else what every logarithm gives.
  mlir::Value logSpecial(mlir::Value x, mlir::Value result);
  /// sin x, or cos x as the sine a quarter turn on.
  mlir::Value sinShifted(mlir::Value x, int64_t quarters);
};

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_FLOATMATH_H
