// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slices of tensors: bounds checks and element copies.

#ifndef ATTNC_DIALECT_REFERENCE_SLICES_H
#define ATTNC_DIALECT_REFERENCE_SLICES_H

#include "dialect/reference/Interpreter.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SmallBitVector.h"

namespace attnc::reference {

struct Slice {
  llvm::SmallVector<int64_t> offsets, sizes, strides;

  /// The sizes without the dropped dims.
  llvm::SmallVector<int64_t>
  reducedShape(const llvm::SmallBitVector &dropped) const;
  /// Calls fn(element number in the slice, linear index in the whole tensor).
  void forEach(llvm::ArrayRef<int64_t> shape,
               llvm::function_ref<void(int64_t, int64_t)> fn) const;
};

/// The slice an operation names, checked against the shape it is taken from.
mlir::FailureOr<Slice> evaluateSliceOf(Interpreter &interpreter,
                                       mlir::OffsetSizeAndStrideOpInterface op,
                                       llvm::ArrayRef<int64_t> shape);

/// Copies `source` into the slice of `dest`. The source may lack dropped dims.
mlir::LogicalResult insertSlice(mlir::Operation *op, const HostTensor &source,
                                HostTensor &dest, const Slice &slice,
                                const llvm::SmallBitVector &dropped);

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_SLICES_H
