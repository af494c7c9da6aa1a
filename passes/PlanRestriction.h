// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans of some of the components of another.

#ifndef ATTNC_PASSES_PLANRESTRICTION_H
#define ATTNC_PASSES_PLANRESTRICTION_H

#include "dialect/Attn.h"

namespace attnc {

/// The plan of some of its components, without the atoms, parameters and values
/// that they do not use.
mlir::attn::PlanAttr
restrictPlan(mlir::attn::PlanAttr plan,
             llvm::ArrayRef<mlir::attn::ComponentAttr> components);

} // namespace attnc

#endif // ATTNC_PASSES_PLANRESTRICTION_H
