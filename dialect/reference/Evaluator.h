// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The reference evaluator: runs IR of stages 1 to 4 naively on host tensors. It
// shares no code with the passes and code generators that it judges.

#ifndef ATTNC_DIALECT_REFERENCE_EVALUATOR_H
#define ATTNC_DIALECT_REFERENCE_EVALUATOR_H

#include "dialect/reference/HostTensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Support/LLVM.h"

namespace mlir::attn {
class AttentionOp;
} // namespace mlir::attn

namespace attnc {

/// How floats are computed.
///
/// * Exact: every operation in double, results never rounded (not even by
///   arith.truncf), inputs and constants as their types give them.
/// * Operand: the naive evaluation at the operands' precision, to compare
///   errors with. Every arith and math operation rounds to its result type, so
///   linalg reductions accumulate in order at the type their region adds in.
///   Inside attention and folds, with T the element type of q, and A = f64 for
///   f64, else f32:
///     - dot products, the sum of the weights and P V are accumulated in order,
///       each product and each sum rounded to A, the total rounded to T;
///     - every other step is one operation rounded to T: times scale, softcap
///       (divide, tanh, multiply), plus bias, score_mod (itself computed by its
///       types, in f32), minus maximum, exp, divide by the sum, prob_mod;
///     - linear attention: features round to T, decayed features to A;
///     - lse, column sums and statistics come from these values, rounded to A.
///   For f64 this differs from Exact in nothing.
enum class Precision { Exact, Operand };

struct EvaluateOptions {
  Precision precision = Precision::Exact;
  /// Larger tensors are an error, not an attempt to allocate.
  int64_t maxElements = int64_t(1) << 28;
  /// Nested func.call, against endless recursion.
  int maxCallDepth = 64;
};

/// Runs `function` on `args`, one for each argument (scalars as rank-0
/// tensors), and returns its results in the same form. Whatever goes wrong -
/// an unknown operation, shapes that do not fit, an index out of bounds, a
/// division by zero - is reported at its location.
mlir::FailureOr<llvm::SmallVector<HostTensor>>
evaluate(mlir::func::FuncOp function, llvm::ArrayRef<HostTensor> args,
         const EvaluateOptions &options = {});

struct PairCount {
  /// Kept (batch, query head, query row, key row) pairs.
  int64_t pairs = 0;
  /// Query rows times key rows, over all batches and query heads.
  int64_t allPairs = 0;
  /// False: estimated from evenly spread rows, because every row would cost
  /// more than `maxTests` membership tests.
  bool exact = true;
};

struct CountOptions {
  int64_t maxTests = int64_t(1) << 31;
  EvaluateOptions evaluate;
};

/// Counts the pairs that `op`, an operation in the entry block of a function,
/// keeps when the function runs on `args`. Evaluates only what the pair set
/// depends on. Sets that are intervals of keys for each query cost O(rows).
mlir::FailureOr<PairCount> countKeptPairs(mlir::attn::AttentionOp op,
                                          llvm::ArrayRef<HostTensor> args,
                                          const CountOptions &options = {});

/// Calls `fn(batch, head, query row, key row)` for each pair that `op` keeps,
/// in this order.
mlir::LogicalResult
forEachKeptPair(mlir::attn::AttentionOp op, llvm::ArrayRef<HostTensor> args,
                llvm::function_ref<void(int64_t, int64_t, int64_t, int64_t)> fn,
                const EvaluateOptions &options = {});

} // namespace attnc

#endif // ATTNC_DIALECT_REFERENCE_EVALUATOR_H
