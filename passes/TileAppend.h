// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.append as a launch: a grid of runs of new rows.

#ifndef ATTNC_PASSES_TILEAPPEND_H
#define ATTNC_PASSES_TILEAPPEND_H

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace attnc {

/// Replaces each attn.append of the function by an scf.forall that writes into
/// the cache; diagnoses one that cannot be written in place.
llvm::LogicalResult tileAppends(mlir::func::FuncOp func);

} // namespace attnc

#endif // ATTNC_PASSES_TILEAPPEND_H
