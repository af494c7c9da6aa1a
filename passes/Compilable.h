// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#ifndef ATTNC_PASSES_COMPILABLE_H
#define ATTNC_PASSES_COMPILABLE_H

#include "dialect/Attn.h"

namespace attnc {

/// Emits an error at the operation that names what is not compiled yet.
llvm::LogicalResult verifyCompilable(mlir::attn::AttentionOp op);

/// Checks a plan that the input brought along: its maps, atoms and parameters
/// fit the operation. (Whether it is the operation's set is the author's word.)
llvm::LogicalResult verifyPlan(mlir::attn::AttentionOp op);

} // namespace attnc

#endif // ATTNC_PASSES_COMPILABLE_H
