// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whether tensor cores fold an attention, and by which tiles.

#ifndef ATTNC_PASSES_SCHEDULEMMA_H
#define ATTNC_PASSES_SCHEDULEMMA_H

#include "dialect/Attn.h"
#include <optional>
#include <string>

namespace attnc {

/// Why the tensor-core kernel of chip `sm` does not take an attention; nothing
/// if it does. It has no need of the schedule.
std::optional<std::string> refusesMma(mlir::attn::AttentionOp op, int64_t sm);

// What of it the code generator asks of a fold, too.
std::optional<std::string> refusesMmaPlan(mlir::attn::PlanAttr plan);
/// Rows are copied by 16 bytes, and sums of a row fit into registers.
inline bool isMmaHeadSize(int64_t size) {
  return size % 8 == 0 && size >= 16 && size <= 256;
}

/// Tiles of the tensor-core kernel. The numbers are those with which ptxas
/// spills nothing in the main loop and the throughput model predicts most.
struct MmaTiles {
  int64_t queryTile, keyBlock, warps, stages, heads;
  int64_t querySteps, lookahead, fence, lazy;
};
/// `group` query heads share a key head, and may share its keys.
MmaTiles chooseMmaTiles(mlir::attn::AttentionOp op, int64_t sm, int64_t group);
/// Query rows up to which tiles hold several heads, and keys are split.
inline constexpr int64_t kFewMmaRows = 32;

/// Why warpgroups of a chip do not take what tensor cores take; `hasWgmma` says
/// whether it has them. Nothing if they do.
std::optional<std::string> refusesWgmma(mlir::attn::AttentionOp op,
                                        bool hasWgmma);
/// Whether a head's rows fill those of a warpgroup.
bool fillsWgmma(mlir::attn::AttentionOp op);
MmaTiles chooseWgmmaTiles(mlir::attn::AttentionOp op);

} // namespace attnc

#endif // ATTNC_PASSES_SCHEDULEMMA_H
