// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan's components in words: bounds as formulas people can read, tests as
// phrases.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_PLANWORDS_H
#define ATTNC_TOOLS_ATTNC_VIEW_PLANWORDS_H

#include "passes/PlanTranspose.h"
#include <string>

namespace attnc {

/// "max(i - 63, k_begin) <= j <= min(i, k_end - 1), testing ...". Values of the
/// plan are written where they are used: `cu.begin(i)`, `%t[i]`.
/// `operandName` names set operand n.
std::string
componentWords(mlir::attn::PlanAttr plan, unsigned number,
               llvm::function_ref<std::string(int64_t)> operandName);

/// "max(j, q_begin) <= i <= min(j + 63, q_end - 1)": the queries that keep a
/// key j of component `number` of a transposed plan; "at most" behind it where
/// they may be fewer.
std::string queryWords(const TransposedPlan &transposed, unsigned number,
                       llvm::function_ref<std::string(int64_t)> operandName);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_PLANWORDS_H
