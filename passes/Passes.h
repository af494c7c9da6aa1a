// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Creation and registration of attnc's passes (described in Passes.td).

#ifndef ATTNC_PASSES_PASSES_H
#define ATTNC_PASSES_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace attnc {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

/// Registers every pass and the named pipelines of Pipeline.h.
void registerAttnPasses();

} // namespace attnc

#endif // ATTNC_PASSES_PASSES_H
