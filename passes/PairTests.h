// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Any pair set as a test of one pair: scalar operations for the `tests` region
// of attn.fold.

#ifndef ATTNC_PASSES_PAIRTESTS_H
#define ATTNC_PASSES_PAIRTESTS_H

#include "dialect/Attn.h"
#include "mlir/IR/Builders.h"

namespace attnc {

/// What tests read: the set operands as one (batch, head) sees them.
class PairTestOperands {
public:
  virtual ~PairTestOperands() = default;
  virtual mlir::Value tensor(int64_t operand) = 0;
  /// Indices of the dims before the last `tailRank` of an operand.
  virtual llvm::SmallVector<mlir::Value> lead(int64_t operand,
                                              int64_t tailRank) = 0;
  /// The value of a per-batch parameter, an index.
  virtual mlir::Value parameter(int64_t operand) = 0;
  /// Rows of q.
  virtual mlir::Value queryRows() = 0;
  /// Predicate region `region` at the positions (i, j), an i1.
  virtual mlir::Value predicate(int64_t region, mlir::Value i,
                                mlir::Value j) = 0;
};

/// One pair: the query head, positions and rows, and where positions end.
struct PairTestPosition {
  mlir::Value head, i, j, row, keyRow;
  mlir::Value kBegin, kEnd, qEnd; // ends exclusive
};

/// Whether `set` keeps the pair, an i1. The operations made are those that code
/// generators vectorise: arith, tensor.extract, tensor.dim and the helper
/// operations of attn. No index is made that valid data do not have, except
/// where another test of the set fails.
mlir::Value buildPairTest(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::attn::PairsAttr set, PairTestOperands &operands,
                          const PairTestPosition &position);

/// Whether every affine set in `set` divides by positive constants or by
/// symbols: what tests can compute.
bool hasComputableDivisions(mlir::attn::PairsAttr set);

/// `at` as indices of `tensor`, whose dims of size 1 broadcast.
llvm::SmallVector<mlir::Value> broadcastIndices(mlir::OpBuilder &b,
                                                mlir::Location loc,
                                                mlir::Value tensor,
                                                llvm::ArrayRef<mlir::Value> at);

} // namespace attnc

#endif // ATTNC_PASSES_PAIRTESTS_H
