// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tiles that fit what a plan walks: for attn-schedule, which has the numbers of
// the machine and says why.

#ifndef ATTNC_PASSES_SCHEDULETILES_H
#define ATTNC_PASSES_SCHEDULETILES_H

#include "passes/PlanStrips.h"

namespace attnc {

struct StripChoice {
  int64_t columns = 1;    // of a strip; 1 where whole rows do not much worse
  int64_t keys = 0;       // that a panel visits with it, about
  int64_t keysOfRows = 0; // with whole rows of the grid
};

/// The divisor of a grid's columns with which `panel` queries visit fewest
/// keys, if the other axes' sets reach as far as this one's.
StripChoice chooseStrip(const GridColumns &columns, int64_t panel);

/// Vectors of a panel whose queries walk lists, one for `block` rows: those
/// that compute fewest rows for nothing, for what so many vectors leave of the
/// machine's rate. At most `chosen` where the operand has no more than `rows`
/// rows.
int64_t vectorsForLists(int64_t block, int64_t lanes, int64_t chosen,
                        int64_t rows);

/// The largest tile of whole panels up to `most` rows (a panel at least) that
/// ends where blocks do, if there is one.
int64_t tileForLists(int64_t block, int64_t panel, int64_t most);

} // namespace attnc

#endif // ATTNC_PASSES_SCHEDULETILES_H
