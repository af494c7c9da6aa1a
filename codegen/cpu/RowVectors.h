// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel's vectors: how rows in memory become vectors of the
// compute type, and how vectors of partial sums become sums in lanes.

#ifndef ATTNC_CODEGEN_CPU_ROWVECTORS_H
#define ATTNC_CODEGEN_CPU_ROWVECTORS_H

#include "codegen/cpu/Emitter.h"

namespace attnc::cpu {

/// Reads rows of `size` elements in steps of `width` elements, each of them
/// `perStep` vectors. The last step ends where the row ends: it may overlap the
/// one before.
class RowFormat {
public:
  /// Two vectors of bf16 hold 2 n elements in an order that is cheap to get.
  enum class Pairs {
    EvenOdd, ///< elements 0, 2, 4, ... and 1, 3, 5, ...
    Unpacked ///< as unpacking 16-bit elements within 128 bits leaves them
  };
  /// `size` is at least the width of a step: see `fits`.
  RowFormat(Emitter &e, mlir::VectorType vt, Type stored, int64_t size,
            Pairs pairs = Pairs::EvenOdd);
  static bool fits(mlir::VectorType vt, Type stored, int64_t size);

  int64_t size, width, perStep;
  int64_t steps() const { return (size + width - 1) / width; }
  int64_t vectors() const { return steps() * perStep; }
  /// Steps that do not overlap.
  int64_t wholeSteps() const { return size / width; }
  Value columnOf(Value step) { return e.mul(step, e.idx(width)); }
  Value columnOf(int64_t step) {
    return e.idx(std::min(step * width, size - width));
  }

  /// The vectors of a step at `column` of row r.
  Values read(Value memref, Value r, Value column);
  /// The vectors of a step from (to) vectors in the elements' order.
  Values fromOrder(ValueRange ordered);
  Values toOrder(ValueRange vectors);
  /// The elements of step `step` of a row of the compute type in memory, in
  /// their order; what the step before has, too, is 0.
  Values readOrdered(Value row, int64_t step);

private:
  Emitter &e;
  mlir::VectorType vt;
  Type stored;
  Pairs pairs;

  int64_t lanes() const { return vt.getNumElements(); }
  llvm::SmallVector<int64_t> pairOrder() const;
  Values shuffled(ValueRange vectors, llvm::ArrayRef<int64_t> order);
};

/// Adds up vectors of partial sums of several queries and rows: lane u of the
/// result is the sum of query u % group of row u / group.
class LaneSums {
public:
  LaneSums(Emitter &e, mlir::VectorType vt, int64_t group)
      : e(e), vt(vt), group(group) {}
  /// The number of queries to sum together, at most `wanted`.
  static int64_t groupOf(mlir::VectorType vt, int64_t wanted);

  int64_t rows() const { return lanes() / group; }
  /// One vector of the group's vectors of one row.
  Value ofRow(ValueRange queries);
  /// The result, from what ofRow made of rows() rows.
  Value ofRows(ValueRange rows);

private:
  Emitter &e;
  mlir::VectorType vt;
  int64_t group;

  int64_t lanes() const { return vt.getNumElements(); }
  static int64_t elementsOf128(mlir::VectorType vt) {
    return 128 / vt.getElementTypeBitWidth();
  }
  Value addShuffles(Value x, Value y, llvm::ArrayRef<int64_t> first,
                    llvm::ArrayRef<int64_t> second);
  Value unpackAdd(Value x, Value y, int64_t unit);
  Value foldAdd(Value x, Value y);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_ROWVECTORS_H
