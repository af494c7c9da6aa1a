// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan walked with keys outside: the query rows that keep a key, as bounds in
// the key's position.

#ifndef ATTNC_PASSES_PLANTRANSPOSE_H
#define ATTNC_PASSES_PLANTRANSPOSE_H

#include "dialect/Attn.h"

namespace attnc {

/// A plan of key rows. What a plan says of queries and keys, `plan` says of
/// keys and queries: its maps take a key's position j and the symbols [q_begin,
/// q_end, k_begin, k_end, parameters..., values...], `lower` and `upper` bound
/// the query i, `row_lower` and `row_upper` the key, and values are those of
/// the key. Tests ask of (i, j) as ever.
struct TransposedPlan {
  mlir::attn::PlanAttr plan;
  struct Part {
    unsigned source; // the component of the original that it is of
    /// Whether its bounds and tests hold the pairs that the source's do and no
    /// others. Else data or a form of bound decide that no closed expression in
    /// the key says: pairs within are to be tested for the source's bounds.
    bool isExact;
  };
  llvm::SmallVector<Part> parts; // of each component of `plan`
};

/// Every pair that a component keeps lies in one of its parts, and in one only
/// where they are exact; all parts of a component are exact or none is. A
/// positive test of `ranges` by key becomes bounds. Walks are not transposed:
/// the atoms stay tests.
TransposedPlan transposePlan(mlir::attn::PlanAttr plan);

} // namespace attnc

#endif // ATTNC_PASSES_PLANTRANSPOSE_H
