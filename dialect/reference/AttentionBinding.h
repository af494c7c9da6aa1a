// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The operands of one attn.attention, with run-time sizes checked, and the keys
// that each of its query rows keeps.

#ifndef ATTNC_DIALECT_REFERENCE_ATTENTIONBINDING_H
#define ATTNC_DIALECT_REFERENCE_ATTENTIONBINDING_H

#include "dialect/Attn.h"
#include "dialect/reference/PageTable.h"
#include "dialect/reference/PairIntervals.h"

namespace attnc::reference {

/// Sizes and positions of an attention.
struct AttentionSizes {
  llvm::SmallVector<int64_t> batchShape;
  int64_t batches = 1, heads = 1, keyHeads = 1;
  int64_t n = 0, m = 0, d = 0, dv = 0;
  int64_t group() const { return heads / keyHeads; }
};

/// One query row's keys: row numbers, ascending.
using KeyRows = llvm::SmallVector<int64_t>;

/// A component of a plan for one batch: which rows and keys it keeps.
class PlanRunner {
public:
  PlanRunner(mlir::attn::PlanAttr plan, mlir::Operation *op)
      : plan(plan), op(op) {}
  /// Symbols [k_begin, k_end, q_begin, q_end, parameters...].
  void setSymbols(llvm::ArrayRef<int64_t> values);
  /// Appends the keys j of query position i, among `universe`, that each
  /// component keeps. `test(atom, i, j)` decides an atom; nothing is an error
  /// that it has reported. `values` appends the plan's values of the row. Two
  /// components with one key are an error.
  mlir::LogicalResult keysOf(
      int64_t i, llvm::ArrayRef<Interval> universe, KeyRows &keys,
      llvm::function_ref<mlir::LogicalResult(llvm::SmallVectorImpl<int64_t> &)>
          values,
      llvm::function_ref<std::optional<bool>(int64_t, int64_t, int64_t)> test);

private:
  mlir::attn::PlanAttr plan;
  mlir::Operation *op;
  llvm::SmallVector<int64_t> symbols; // values of the row at their end

  mlir::FailureOr<llvm::SmallVector<int64_t>>
  bounds(mlir::AffineMap map, llvm::ArrayRef<int64_t> dims);
  mlir::FailureOr<std::optional<Interval>> componentKeys(unsigned number,
                                                         int64_t i);
};

class AttentionBinding {
public:
  /// Sizes come from static types where they are known, so that q, k and v
  /// need not have been computed if `needsValues` is false.
  static mlir::FailureOr<std::unique_ptr<AttentionBinding>>
  create(mlir::attn::AttentionOp op, Interpreter &interpreter,
         bool needsValues);
  /// Operands that decide which pairs are kept.
  static llvm::SmallVector<mlir::Value>
  getPairOperands(mlir::attn::AttentionOp op);

  const AttentionSizes &getSizes() const { return sizes; }
  PairContext &getContext() { return context; }

  /// Goes to a batch and head.
  void setBatchAndHead(int64_t batch, int64_t head);
  int64_t getKeyLength() const { return keyLength; }
  int64_t getQueryLength() const { return queryLength; }
  int64_t position(int64_t row) const { return context.qBegin + row; }
  int64_t keyPosition(int64_t row) const { return context.kBegin + row; }

  /// Whether key row c has a page (always, where there are no pages).
  bool hasPage(int64_t c) const;
  /// Where row c of a key head begins in k (or v, with its row size).
  int64_t keyOffset(int64_t keyHead, int64_t c, int64_t rowSize) const;

  /// Positions of the keys that exist.
  Intervals existingKeys() const;
  /// The key rows that query row `a` keeps, by the plan if there is one.
  mlir::LogicalResult keptKeys(int64_t a, KeyRows &rows);
  /// As intervals of positions; for operations without a plan.
  mlir::FailureOr<Intervals> keptIntervals(int64_t a);
  bool hasPlan() const { return plan.has_value(); }

private:
  mlir::attn::AttentionOp op;
  Interpreter &interpreter;
  AttentionSizes sizes;
  PairContext context;
  HostTensor lengths, queryLengths, queryStart, keyStart;
  PageTable pages;
  int64_t keyLength = 0, queryLength = 0;
  std::optional<PlanRunner> plan;
  std::vector<RegionRunner> predicates;

  AttentionBinding(mlir::attn::AttentionOp op, Interpreter &interpreter)
      : op(op), interpreter(interpreter) {}
  mlir::LogicalResult bindSizes(bool needsValues);
  mlir::LogicalResult bindLengths();
  mlir::LogicalResult bindSets();
  mlir::LogicalResult checkLengths();
  mlir::LogicalResult checkPagedLengths();
  mlir::LogicalResult rowValues(int64_t i,
                                llvm::SmallVectorImpl<int64_t> &symbols);
  std::optional<bool> runPredicate(int64_t number, int64_t i, int64_t j);
  mlir::LogicalResult reportProblem();
};

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_ATTENTIONBINDING_H
