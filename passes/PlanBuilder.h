// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From disjoint conjunctions to #attn.plan.

#ifndef ATTNC_PASSES_PLANBUILDER_H
#define ATTNC_PASSES_PLANBUILDER_H

#include "passes/PairNormalForm.h"

namespace attnc {

/// The plan of disjoint conjunctions over the translator's terms and atoms.
/// Those that no component uses are left out.
mlir::attn::PlanAttr buildPlan(mlir::MLIRContext *context,
                               llvm::ArrayRef<Conjunction> components,
                               const PairTranslator &translator);

} // namespace attnc

#endif // ATTNC_PASSES_PLANBUILDER_H
