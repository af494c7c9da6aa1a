// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The keys that one query position keeps, as intervals: the same sets as
// PairSetSemantics, without a test for every pair. Tests hold the two together.

#ifndef ATTNC_DIALECT_REFERENCE_PAIRINTERVALS_H
#define ATTNC_DIALECT_REFERENCE_PAIRINTERVALS_H

#include "dialect/reference/PairSetSemantics.h"

namespace attnc::reference {

struct Interval {
  int64_t begin, end; // end exclusive
  bool operator==(const Interval &o) const {
    return begin == o.begin && end == o.end;
  }
};
/// Ascending, disjoint, not empty.
using Intervals = llvm::SmallVector<Interval, 4>;

/// The key positions among `universe` that the set keeps for query position i.
/// Errors are the context's, as for `contains`.
Intervals keysOf(mlir::attn::PairsAttr set, const PairContext &context,
                 int64_t i, llvm::ArrayRef<Interval> universe);

Intervals intersect(llvm::ArrayRef<Interval> a, llvm::ArrayRef<Interval> b);
int64_t countPositions(llvm::ArrayRef<Interval> intervals);

/// Whether the set may keep other keys for another query head.
bool dependsOnHead(mlir::attn::PairsAttr set, const PairContext &context);

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_PAIRINTERVALS_H
