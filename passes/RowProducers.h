// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Row-local producers: linalg operations around attention that compute each
// row [..., r, :] of Q, K or V from the same row of their operands. They can
// run inside a fold's loader, or once into a buffer.

#ifndef ATTNC_PASSES_ROWPRODUCERS_H
#define ATTNC_PASSES_ROWPRODUCERS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/SmallVector.h"

namespace attnc {

/// What computing one row of a value takes.
struct RowProducers {
  /// The linalg operations behind the value, last first.
  llvm::SmallVector<mlir::linalg::LinalgOp> chain;
  /// Scalar operations an element, summed over the chain.
  int64_t scalarOps = 0;
  /// Some operation reduces along the row or reads other elements of it.
  bool mixesRow = false;
  /// The first operation that is not row-local, if any.
  mlir::Operation *offender = nullptr;
};

RowProducers analyzeRowProducers(mlir::Value value);

/// Whether `consumer` computes each element of its one result from the same
/// element of `value` (and broadcast operands): it can become an epilogue.
bool isElementwiseConsumer(mlir::linalg::LinalgOp consumer, mlir::Value value);

} // namespace attnc

#endif // ATTNC_PASSES_ROWPRODUCERS_H
