// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Predicate regions that say what bounds can say.

#ifndef ATTNC_PASSES_RECOGNIZEPREDICATES_H
#define ATTNC_PASSES_RECOGNIZEPREDICATES_H

#include "dialect/Attn.h"

namespace attnc {

/// Replaces predicates of the operation's sets, where their regions are made of
/// comparisons of positions (affine in i and j) and of keys with a length of
/// the batch, joined by and, or and not. Of a conjunction of which that holds
/// in part only, the part stands in front of the predicate: it bounds what the
/// predicate is asked about.
void recognizePredicates(mlir::attn::AttentionOp op);

} // namespace attnc

#endif // ATTNC_PASSES_RECOGNIZEPREDICATES_H
