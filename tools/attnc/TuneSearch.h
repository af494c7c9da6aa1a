// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which schedules attnc tune tries: one coordinate after the other, from the
// best that is known.

#ifndef ATTNC_TOOLS_ATTNC_TUNESEARCH_H
#define ATTNC_TOOLS_ATTNC_TUNESEARCH_H

#include "dialect/Attn.h"
#include "passes/MachineModel.h"
#include "passes/ScheduleFields.h"

namespace attnc {

/// Schedules that differ from the best one in one respect.
struct TuneCoordinate {
  std::string name;
  std::vector<ScheduleFields> candidates;
};

/// `op` has the schedule that `best` leads to. Not every candidate can be
/// compiled. `queryRows` are those of the inputs at hand.
std::vector<TuneCoordinate> tuneCoordinates(mlir::attn::AttentionOp op,
                                            const ScheduleFields &best,
                                            int64_t queryRows,
                                            const MachineModel &machine);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_TUNESEARCH_H
