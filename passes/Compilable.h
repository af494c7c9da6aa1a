// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#ifndef ATTNC_PASSES_COMPILABLE_H
#define ATTNC_PASSES_COMPILABLE_H

#include "dialect/Attn.h"

namespace attnc {

/// Emits an error at the operation that names what is not compiled yet.
llvm::LogicalResult verifyCompilable(mlir::attn::AttentionOp op);

/// Checks a plan that the input brought along, beyond what C23 demands: atoms
/// that can be tested. (Whether it is the operation's set is its author's
/// word.)
llvm::LogicalResult verifyPlan(mlir::attn::AttentionOp op);

} // namespace attnc

#endif // ATTNC_PASSES_COMPILABLE_H
