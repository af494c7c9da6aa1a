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
  /// Rows of a tile lie this far apart, those of one class of a lattice, or
  /// runs of rows, those of a strip of a grid.
  int64_t step = 1, run = 1;
  /// Key rows of a tile, whose states the next launch merges; 0: all.
  int64_t split = 0;
  /// What the launch before was split by, if this one merges its states.
  int64_t merges = 0;
};

/// Whether the keys of this plan's rows may go to several tiles: it is one
/// launch that walks no list.
bool canSplit(mlir::attn::PlanAttr plan);

/// The launches of a plan, in order; each but the first goes on where the one
/// before ends. At least one: an empty plan has rows to fill, too.
/// `mayNotSplit` keeps the keys of a row together, whatever the schedule says.
llvm::SmallVector<LaunchGroup> groupLaunches(mlir::attn::PlanAttr plan,
                                             mlir::attn::ScheduleAttr schedule,
                                             bool mayNotSplit = false);

} // namespace attnc

#endif // ATTNC_PASSES_LAUNCHGROUPS_H
