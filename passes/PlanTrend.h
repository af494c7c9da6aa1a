// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a component's bounds move from one query to the next.

#ifndef ATTNC_PASSES_PLANTREND_H
#define ATTNC_PASSES_PLANTREND_H

#include "dialect/Attn.h"

namespace attnc {

/// Whether bounds of `component` provably do not decrease with the query and
/// nothing else about them depends on the row: the first and the last row of a
/// run tell the keys of all of it.
bool cornersDecide(mlir::attn::PlanAttr plan,
                   mlir::attn::ComponentAttr component);

/// 1 where later queries of every component keep as many keys or more, -1 where
/// they keep as many or fewer, 0 where neither is known.
int keysTrend(mlir::attn::PlanAttr plan);

} // namespace attnc

#endif // ATTNC_PASSES_PLANTREND_H
