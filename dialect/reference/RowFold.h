// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accumulators on one query row: from the scores of its kept keys to the row of
// the result. Shared by attn.attention and attn.fold.

#ifndef ATTNC_DIALECT_REFERENCE_ROWFOLD_H
#define ATTNC_DIALECT_REFERENCE_ROWFOLD_H

#include "dialect/Attn.h"
#include "dialect/reference/Evaluator.h"

namespace attnc::reference {

/// Arithmetic at the evaluation's precision; see Precision in Evaluator.h.
struct FoldMath {
  mlir::Type operandType; // T
  bool rounds = false;

  static FoldMath get(mlir::Type operandType, Precision precision) {
    return {operandType,
            precision == Precision::Operand && !operandType.isF64()};
  }
  /// Rounds to the operands' type T.
  double toOperand(double x) const {
    return rounds ? roundToType(x, operandType) : x;
  }
  /// Rounds to the type that sums are kept in, A.
  double toSum(double x) const {
    return rounds ? static_cast<double>(static_cast<float>(x)) : x;
  }
  double dot(const Scalar *x, const Scalar *y, int64_t size) const;
  /// x times y, summed in order; not rounded to T at the end.
  double sumOfProducts(const double *x, const double *y, int64_t size) const;
  double feature(mlir::attn::Feature feature, double x) const;
};

/// Kept keys of a row and the weights that V's rows get.
struct RowWeights {
  llvm::SmallVector<double> weights;
  double lse = -std::numeric_limits<double>::infinity();
};

/// Softmax, sigmoid, relu or none: weights of the scores. With a sink the
/// denominator holds it too, and so does lse. A row without a key, or whose
/// scores are all -inf, has weights 0 and an lse of -inf.
RowWeights computeWeights(mlir::Attribute kernel, const FoldMath &math,
                          llvm::ArrayRef<double> scores,
                          std::optional<double> sink);

/// Adds up rows of V: out = sum of weights[k] * value(k)[...].
void combineValues(const FoldMath &math, llvm::ArrayRef<double> weights,
                   llvm::function_ref<const Scalar *(size_t)> value,
                   llvm::MutableArrayRef<double> out);

/// Entropy in nats, largest probability, mean |i - j|, the shares of the
/// previous position and of the first key (row 0).
std::array<double, 5> computeStatistics(const FoldMath &math,
                                        llvm::ArrayRef<double> probs,
                                        llvm::ArrayRef<int64_t> keyRows,
                                        int64_t i, int64_t kBegin);

/// Linear attention of one row over its kept keys, from the last to the first,
/// so that the decay of every key in between is at hand:
///   e = f(scale q); for each key: w = e . f(k); out += w v; e *= decay(key).
struct LinearRow {
  mlir::attn::LinearAttr kernel;
  const FoldMath &math;
  llvm::ArrayRef<double> query;                   // f(scale q)
  llvm::function_ref<const double *(size_t)> key; // f(k) of kept key number
  llvm::function_ref<const Scalar *(size_t)> value;
  /// Decay of a kept key's channel; null: none.
  llvm::function_ref<double(size_t, int64_t)> decay;
  /// State before the first key, [d, dv], if that reaches this row.
  const Scalar *state = nullptr;

  void run(size_t keys, llvm::MutableArrayRef<double> out);
};

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_ROWFOLD_H
