// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensors of the reference evaluator: element type, shape, and one 8-byte value
// an element (double for floats, int64 for integers, i1 and index).

#ifndef ATTNC_DIALECT_REFERENCE_HOSTTENSOR_H
#define ATTNC_DIALECT_REFERENCE_HOSTTENSOR_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace attnc {

/// One element; the element type says which member holds.
union Scalar {
  int64_t i;
  double f;
};

inline Scalar floatScalar(double f) {
  Scalar s;
  s.f = f;
  return s;
}
inline Scalar intScalar(int64_t i) {
  Scalar s;
  s.i = i;
  return s;
}

/// `value` rounded to nearest, ties to even, in the given float type (f64, f32,
/// f16, bf16, f8E4M3FN, f8E5M2). Overflow gives infinity, or NaN where there is
/// none.
double roundToType(double value, mlir::Type floatType);

/// `value` wrapped to the width of an integer type: sign-extended, i1 as 0
/// or 1.
int64_t wrapToType(int64_t value, mlir::Type intType);

/// A row-major tensor that shares its values until it is written to, so that
/// copying one is cheap. Rank 0 stands for scalars too.
class HostTensor {
public:
  HostTensor() = default;
  /// Zeros. The type must be supported and the size fit memory: see
  /// `isSupported` and `countElements`.
  HostTensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);

  static HostTensor fromScalar(mlir::Type elementType, Scalar value);
  /// Floats (or integers) in row-major order, rounded or wrapped to the type.
  static HostTensor fromFloats(mlir::Type elementType,
                               llvm::ArrayRef<int64_t> shape,
                               llvm::ArrayRef<double> values);
  static HostTensor fromInts(mlir::Type elementType,
                             llvm::ArrayRef<int64_t> shape,
                             llvm::ArrayRef<int64_t> values);

  /// f64, f32, f16, bf16, f8E4M3FN, f8E5M2; i64, i32, i16, i8 and other
  /// signless widths up to 64; i1 and index.
  static bool isSupported(mlir::Type elementType);
  /// Bytes of an element in memory: i1 takes one byte, index eight. Widths
  /// that are no power of two of bytes have no form in memory: 0.
  static unsigned getElementBytes(mlir::Type elementType);
  /// Product of the sizes; nothing when a size is negative or the product does
  /// not fit 63 bits.
  static std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape);

  /// Reads `data`, with strides in bytes (row-major without gaps if empty).
  /// Nothing for a type without a form in memory. i1 is true for any nonzero
  /// byte; integers are signless: unsigned data is read by its bits.
  static std::optional<HostTensor>
  fromBytes(mlir::Type elementType, llvm::ArrayRef<int64_t> shape,
            const void *data, llvm::ArrayRef<int64_t> byteStrides = {});
  /// Writes the values, floats rounded to nearest even. False for a type
  /// without a form in memory.
  bool toBytes(void *data, llvm::ArrayRef<int64_t> byteStrides = {}) const;

  explicit operator bool() const { return data != nullptr; }
  mlir::Type getElementType() const { return elementType; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return shape.size(); }
  int64_t getDimSize(int64_t dim) const { return shape[dim]; }
  int64_t getNumElements() const { return data ? data->size() : 0; }
  bool isFloat() const { return llvm::isa<mlir::FloatType>(elementType); }
  mlir::RankedTensorType getType() const {
    return mlir::RankedTensorType::get(shape, elementType);
  }

  Scalar get(int64_t linear) const { return (*data)[linear]; }
  double getFloat(int64_t linear) const { return (*data)[linear].f; }
  int64_t getInt(int64_t linear) const { return (*data)[linear].i; }
  llvm::ArrayRef<Scalar> values() const { return *data; }
  /// The values for writing; copies them first if they are shared.
  llvm::MutableArrayRef<Scalar> mutableValues();

  /// The same values with another shape of as many elements.
  HostTensor reshaped(llvm::ArrayRef<int64_t> newShape) const;
  /// Row-major strides in elements.
  llvm::SmallVector<int64_t> getStrides() const;

private:
  mlir::Type elementType;
  llvm::SmallVector<int64_t, 4> shape;
  std::shared_ptr<std::vector<Scalar>> data;
};

/// Row-major strides of a shape, in elements.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

} // namespace attnc

#endif // ATTNC_DIALECT_REFERENCE_HOSTTENSOR_H
