// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar semantics of arith and math operations, decoded once an operation.

#ifndef ATTNC_DIALECT_REFERENCE_SCALAROPS_H
#define ATTNC_DIALECT_REFERENCE_SCALAROPS_H

#include "dialect/reference/Evaluator.h"
#include "mlir/IR/Operation.h"

namespace attnc::reference {

/// One arith or math operation on scalars. `fn` computes all results and
/// returns null, or says what is wrong with the operands.
struct ScalarOp {
  using Fn = const char *(*)(const ScalarOp &, const Scalar *in, Scalar *out);
  Fn fn = nullptr;
  /// The function `fn` wraps, by its signature.
  union {
    double (*f1)(double);
    double (*f2)(double, double);
    double (*f3)(double, double, double);
    bool (*test)(double);
    int64_t (*i2)(int64_t, int64_t, unsigned width);
  };
  mlir::Type from;       // element type of the first operand
  mlir::Type to;         // element type of the first result
  unsigned width = 64;   // bits of integer operands
  bool rounds = false;   // results are rounded to `to`
  int64_t attribute = 0; // predicate

  double round(double x) const { return rounds ? roundToType(x, to) : x; }
};

/// Null `fn` when the operation is no known scalar one.
ScalarOp decodeScalarOp(mlir::Operation *op, Precision precision);

/// The same bits read as another type of the same width.
Scalar bitcastScalar(Scalar value, mlir::Type from, mlir::Type to);

/// Integers are kept sign-extended, i1 as 0 or 1. The value of i1 in signed
/// operations is 0 or -1.
inline int64_t asSigned(int64_t value, unsigned width) {
  return width == 1 ? -(value & 1) : value;
}
inline uint64_t asUnsigned(int64_t value, unsigned width) {
  return width >= 64
             ? static_cast<uint64_t>(value)
             : static_cast<uint64_t>(value) & ((uint64_t(1) << width) - 1);
}
/// Bits of an integer or index type.
inline unsigned integerWidth(mlir::Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_SCALAROPS_H
