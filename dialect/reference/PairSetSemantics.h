// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What each pair set means: membership of one pair, a readable case a set.

#ifndef ATTNC_DIALECT_REFERENCE_PAIRSETSEMANTICS_H
#define ATTNC_DIALECT_REFERENCE_PAIRSETSEMANTICS_H

#include "dialect/Attn.h"
#include "dialect/reference/HostTensor.h"
#include <functional>
#include <string>

namespace attnc::reference {

/// A set operand [lead..., tail...] as one (batch, head) sees it.
struct OperandView {
  const HostTensor *tensor = nullptr;
  int64_t base = 0;
  llvm::ArrayRef<int64_t> tail;

  int64_t size() const { return tail.front(); }
  int64_t get(int64_t x) const { return tensor->getInt(base + x); }
  int64_t get(int64_t x, int64_t y) const {
    return tensor->getInt(base + x * tail[1] + y);
  }
};

/// What a set is evaluated against: one batch and query head of an operation.
struct PairContext {
  // Of the operation.
  int64_t batchRank = 0;
  llvm::SmallVector<int64_t> batchShape;
  int64_t heads = 1;
  int64_t queryRows = 0; // rows of q and k, valid or not
  int64_t keyRows = 0;
  llvm::SmallVector<HostTensor> operands; // set operands by number
  /// Predicate region `number` at (batch, head, i, j); nothing after an error,
  /// which it has reported.
  std::function<std::optional<bool>(int64_t number, const PairContext &,
                                    int64_t i, int64_t j)>
      predicate;

  // Of the batch and head; position ends are exclusive.
  int64_t batch = 0; // flattened
  int64_t head = 0;
  int64_t qBegin = 0, qEnd = 0;
  int64_t kBegin = 0, kEnd = 0;

  /// The first thing that went wrong in the data of operands, if any.
  mutable std::optional<std::string> problem;
  /// A predicate failed and has said so.
  mutable bool predicateFailed = false;
  /// Membership tests made, for those who budget them.
  mutable int64_t tests = 0;

  bool failed() const { return problem || predicateFailed; }
  OperandView view(int64_t operand, int64_t tailRank) const;
};

/// Positions as a set sees them where it stands: absolute at the top, relative
/// inside per_document, coordinates inside axes, block numbers inside blocks.
struct PairScope {
  int64_t qEnd, kBegin, kEnd;
  std::optional<int64_t> document;

  static PairScope top(const PairContext &context) {
    return {context.qEnd, context.kBegin, context.kEnd, std::nullopt};
  }
  PairScope inDocument(int64_t number, int64_t begin, int64_t end) const;
  PairScope inBlocks(int64_t size) const;
  PairScope inAxis(int64_t extent) const {
    return {extent, 0, extent, document};
  }
};

/// Whether the set keeps the pair of positions (i, j). Keys that do not exist
/// are the caller's business; so is `context.failed()` afterwards.
bool contains(mlir::attn::PairsAttr set, const PairContext &context, int64_t i,
              int64_t j);
bool contains(mlir::attn::PairsAttr set, const PairContext &context,
              const PairScope &scope, int64_t i, int64_t j);

/// The value of a parameter: a constant, or an operand's value for the batch
/// (for the document inside per_document).
int64_t paramValue(mlir::attn::PairParam param, const PairContext &context,
                   const PairScope &scope);

/// The number d with cu[d] <= x < cu[d + 1], if any.
std::optional<int64_t> documentOf(const OperandView &cu, int64_t x);

/// What a plan's value that reads its set operand is for x, the result of its
/// map, in the context's batch and head.
int64_t readValue(mlir::attn::ValueAttr value, int64_t x,
                  const PairContext &context);

/// Key `t` (of 0 .. c - 1) of row (head h, position i) of `random<c, seed =
/// s>`:
///
///     j = k_begin + mix(mix(mix(mix(s) ^ h) ^ i) ^ t) mod (k_end - k_begin)
///
/// in unsigned 64-bit arithmetic, where mix is the SplitMix64 output function
///
///     x += 0x9E3779B97F4A7C15
///     x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
///     x = (x ^ (x >> 27)) * 0x94D049BB133111EB
///     mix = x ^ (x >> 31)
///
/// Keys that come up twice count once; without keys the set is empty. The
/// batch is no part of it: all batches see one pattern, as checkpoints do.
int64_t randomKey(int64_t seed, int64_t head, int64_t i, int64_t t,
                  int64_t kBegin, int64_t kEnd);

/// Positions per block of `bsr`, and the block row of query row a; nothing
/// (and context.problem) when the operands are malformed.
std::optional<int64_t> bsrBlock(mlir::attn::PairsAttr set,
                                const PairContext &context);
/// The range idx[first, second) of row `row`; nothing (and context.problem)
/// when ptr leaves idx or row leaves ptr.
std::optional<std::pair<int64_t, int64_t>> csrRange(const PairContext &context,
                                                    const OperandView &ptr,
                                                    const OperandView &idx,
                                                    int64_t row);

/// Compares the shapes of the set's operands with the context's and looks at
/// what must hold of their values; the problem in words, or nothing.
std::optional<std::string> checkOperands(mlir::attn::PairsAttr set,
                                         const PairContext &context);

/// Quotient rounded towards minus infinity, for positive divisors.
template <typename Int>
Int floorDiv(Int a, Int b) {
  return a >= 0 ? a / b : -((-(a + 1)) / b) - 1;
}
inline int64_t floorMod(int64_t a, int64_t b) {
  int64_t remainder = a % b;
  return remainder < 0 ? remainder + b : remainder;
}

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_PAIRSETSEMANTICS_H
