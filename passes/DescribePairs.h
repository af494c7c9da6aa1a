// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets in words, for people.

#ifndef ATTNC_PASSES_DESCRIBEPAIRS_H
#define ATTNC_PASSES_DESCRIBEPAIRS_H

#include "dialect/Attn.h"
#include <string>

namespace attnc {

/// Which keys a query keeps, as an English phrase ("keys at or before the
/// query, and keys within 3 positions of the query"). `operandName` names set
/// operand n; without it operands are `$n`.
std::string
describePairs(mlir::attn::PairsAttr set,
              llvm::function_ref<std::string(int64_t)> operandName = {});

} // namespace attnc

#endif // ATTNC_PASSES_DESCRIBEPAIRS_H
