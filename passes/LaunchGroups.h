// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which components of a plan share a launch.

#ifndef ATTNC_PASSES_LAUNCHGROUPS_H
#define ATTNC_PASSES_LAUNCHGROUPS_H

#include "dialect/Attn.h"

namespace attnc {

/// Components that are walked by the same tiles of queries.
struct LaunchGroup {
  mlir::attn::PlanAttr plan;
  mlir::attn::ScheduleAttr schedule;
  /// Rows of a tile lie this far apart: those of one class of a lattice.
  int64_t step = 1;
};

/// The launches of a plan, in order; each but the first goes on where the one
/// before ends. At least one: an empty plan has rows to fill, too.
llvm::SmallVector<LaunchGroup> groupLaunches(mlir::attn::PlanAttr plan,
                                             mlir::attn::ScheduleAttr schedule);

/// Whether a component of the plan walks a list a query row.
bool hasLists(mlir::attn::PlanAttr plan);

/// The plan of some of its components, without what they do not use.
mlir::attn::PlanAttr
restrictPlan(mlir::attn::PlanAttr plan,
             llvm::ArrayRef<mlir::attn::ComponentAttr> components);

} // namespace attnc

#endif // ATTNC_PASSES_LAUNCHGROUPS_H
