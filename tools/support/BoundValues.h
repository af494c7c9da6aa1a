// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What plans depend on besides positions, read from operands that are at hand.

#ifndef ATTNC_TOOLS_SUPPORT_BOUNDVALUES_H
#define ATTNC_TOOLS_SUPPORT_BOUNDVALUES_H

#include "dialect/reference/AttentionBinding.h"
#include "passes/PlanCost.h"

namespace attnc {

/// Values and lists for the batch and head that `binding`, which must outlive
/// them, is at when they are asked for. Malformed lists are its context's
/// problem.
RowValues boundValues(reference::AttentionBinding &binding, int64_t head);

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_BOUNDVALUES_H
