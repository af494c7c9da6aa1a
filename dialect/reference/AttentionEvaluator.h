// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention, row by row, straight from its documentation. Memory is the
// operands', the results' and O(keys) for the row at hand.

#ifndef ATTNC_DIALECT_REFERENCE_ATTENTIONEVALUATOR_H
#define ATTNC_DIALECT_REFERENCE_ATTENTIONEVALUATOR_H

#include "dialect/reference/AttentionBinding.h"
#include "dialect/reference/RowFold.h"

namespace attnc::reference {

class AttentionEvaluator {
public:
  AttentionEvaluator(Interpreter &interpreter, const Instruction &ins);
  mlir::LogicalResult run();

private:
  Interpreter &interpreter;
  const Instruction &ins;
  mutable mlir::attn::AttentionOp op; // accessors of operations are not const
  FoldMath math;
  mlir::Attribute kernel;
  std::unique_ptr<AttentionBinding> binding;
  AttentionSizes sizes;
  HostTensor q, k, v, bias, sink, decay, state;
  std::optional<RegionRunner> scoreMod, probMod;
  double scale = 1, softcap = 0;

  /// Results, the first at 0; null where not asked for.
  HostTensor output;
  struct Optionals {
    HostTensor state, lse, scores, probs, columnSums, statistics;
  } results;

  // The row at hand.
  int64_t batch = 0, head = 0, row = 0;
  KeyRows keys;
  llvm::SmallVector<double> out;
  /// Features of the keys of `featuresOf`, a (batch, key head); m x d.
  std::vector<double> features;
  int64_t featuresOf = -1;

  int64_t queryOffset() const {
    return (batch * sizes.heads + head) * sizes.n + row;
  }
  int64_t keyHead() const { return head / sizes.group(); }
  const Scalar *queryRow() const {
    return q.values().data() + queryOffset() * sizes.d;
  }
  const Scalar *keyRow(int64_t c) const {
    return k.values().data() + binding->keyOffset(keyHead(), c, sizes.d);
  }
  const Scalar *valueRow(int64_t c) const {
    return v.values().data() + binding->keyOffset(keyHead(), c, sizes.dv);
  }

  mlir::LogicalResult bindOperands();
  mlir::LogicalResult checkShape(llvm::StringRef name, const HostTensor &tensor,
                                 llvm::ArrayRef<int64_t> shape);
  mlir::LogicalResult allocateResults();
  HostTensor *optionalResult(mlir::attn::ResultKind kind);
  mlir::LogicalResult finish();

  mlir::LogicalResult runRow();
  mlir::FailureOr<double> score(int64_t c);
  mlir::FailureOr<double> modify(RegionRunner &region, double x, int64_t c);
  double biasAt(int64_t c) const;
  mlir::LogicalResult runPairRow();
  void storeRow(const RowWeights &weights, llvm::ArrayRef<double> scores);

  mlir::LogicalResult runLinearRow();
  void computeFeatures();
  double decayAt(int64_t c, int64_t channel) const;
  void computeState();
};

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_ATTENTIONEVALUATOR_H
