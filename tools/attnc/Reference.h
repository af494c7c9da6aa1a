// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a spec's results should be, from the reference evaluator: for all query
// rows, or where that would take too long for some blocks of them.

#ifndef ATTNC_TOOLS_ATTNC_REFERENCE_H
#define ATTNC_TOOLS_ATTNC_REFERENCE_H

#include "dialect/reference/Evaluator.h"
#include "tools/attnc/ShapeSolver.h"
#include "tools/attnc/Spec.h"
#include "tools/support/Tensor.h"

namespace attnc {

/// A host tensor of the argument's type with these values.
HostTensor toHostTensor(mlir::Type type, const Tensor &tensor);
/// The values of a result, rounded to its element type.
llvm::Expected<Tensor> fromHostTensor(const HostTensor &host);

struct ReferenceOptions {
  Precision precision = Precision::Exact;
  bool withoutSparsity = false;
};

struct ReferenceValues {
  std::vector<HostTensor> results;
  /// The largest finite |v| that any attention reads.
  double largestValue = 0;
};

/// A run of query rows: `count` rows from `begin`, or everything.
struct RowBlock {
  int64_t begin = 0;
  std::optional<int64_t> count;
};

/// Evaluates a spec on given inputs, whole or in blocks of query rows.
class Reference {
public:
  Reference(Spec &spec, const std::vector<Tensor> &inputs);

  /// Multiply-adds of one evaluation of all rows, roughly.
  double getCost() const { return cost; }
  /// Why rows cannot be evaluated by blocks; empty if they can.
  const std::string &whyNotSampled() const { return notSampled; }
  /// Query rows.
  int64_t getRows() const { return rows; }
  /// Which dims of result `number` run over query rows.
  std::vector<bool> getRowDims(size_t number);

  bool hasSparsity() const;

  /// Errors have been printed as diagnostics.
  mlir::FailureOr<ReferenceValues> evaluate(const ReferenceOptions &options,
                                            RowBlock block = {});

private:
  void findRows();
  /// Why an operation cannot be evaluated for a part of its rows.
  std::string whyNotSampled(mlir::attn::AttentionOp op);
  std::string whyNotSampled(mlir::Operation *op);
  bool hasRowDim(mlir::Value value);
  bool isRowDim(mlir::Value value, int64_t dim);
  /// Shrinks the clone's types to `count` rows.
  mlir::LogicalResult shrinkTypes(mlir::IRMapping &mapping, int64_t count);
  /// Gives each attention explicit positions for a block; appends the values
  /// of the new arguments to `args`.
  void setPositions(mlir::func::FuncOp clone, mlir::IRMapping &mapping,
                    RowBlock block, llvm::SmallVectorImpl<HostTensor> &args);
  HostTensor sliceInput(size_t number, RowBlock block);
  /// Per batch: an operand's value, or `otherwise`.
  std::vector<int64_t> perBatch(mlir::Value operand, int64_t batches,
                                int64_t otherwise);

  Spec &spec;
  const std::vector<Tensor> &inputs;
  ShapeSolver sizes;
  llvm::SmallVector<mlir::attn::AttentionOp> ops;
  std::vector<HostTensor> whole; // inputs without a row dim, made once
  double cost = 0;
  int64_t rows = 0;
  std::string notSampled;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_REFERENCE_H
