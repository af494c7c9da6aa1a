// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor-core tiles for attn-schedule.

#include "passes/ScheduleMma.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/PlanWalk.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;

std::optional<std::string> attnc::refusesMmaPlan(PlanAttr plan) {
  // Each is folded by code of its own.
  constexpr size_t kMostComponents = 4;
  if (plan.getComponents().size() > kMostComponents)
    return "the plan has more than four components";
  for (ComponentAttr component : plan.getComponents())
    if (walkKindOf(plan, component) == WalkKind::Blocks)
      return "the plan walks a list of key blocks";
  return std::nullopt;
}

/// Whether a slice begins within 16 bytes of a row.
static bool splitsChunks(Value value) {
  auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice)
    return false;
  auto column = getConstantIntValue(slice.getMixedOffsets().back());
  return !column || *column % 8;
}

std::optional<std::string> attnc::refusesMma(AttentionOp op, int64_t sm) {
  if (sm < 80)
    return "it needs a chip from sm_80 on";
  if (Attribute kernel = op.getKernelAttr();
      kernel && !isa<SoftmaxAttr>(kernel))
    return "the kernel is not softmax";
  auto elementOf = [](Value x) {
    return cast<RankedTensorType>(x.getType()).getElementType();
  };
  Type element = elementOf(op.getQuery());
  if (!element.isF16() && !element.isBF16())
    return "it multiplies f16 and bf16";
  for (Value x : {op.getKey(), op.getValue()})
    if (elementOf(x) != element)
      return "q, k and v have different types";
  for (int64_t size : {op.getHeadDim(), op.getValueDim()})
    if (!isMmaHeadSize(size))
      return "it takes head sizes that are multiples of 8, from 16 to 256";
  for (Value x : {op.getQuery(), op.getKey(), op.getValue()})
    if (splitsChunks(x))
      return "a slice begins at a column that is no multiple of 8";
  PlanAttr plan = op.getPlanAttr();
  return plan ? refusesMmaPlan(plan) : std::nullopt;
}

/// Whether a block of the chip may have more than 99 KiB of shared memory.
static bool hasLargeShared(int64_t sm) {
  return sm != 86 && sm != 89 && sm < 120;
}

/// Heads that share keys fill the 16 rows of a fragment, where a head has few.
static void fillWithHeads(MmaTiles &tiles, int64_t rows, int64_t group,
                          bool isWide) {
  constexpr int64_t kFragmentRows = 16;
  rows = llvm::PowerOf2Ceil(rows);
  while (group % (2 * tiles.heads) == 0 && rows * tiles.heads < kFragmentRows)
    tiles.heads *= 2;
  tiles.queryTile = std::max(rows, kFragmentRows / tiles.heads);
  tiles.warps = tiles.queryTile * tiles.heads / kFragmentRows;
  // A block waits for memory: more copies under way.
  tiles.stages = isWide ? 2 : 4;
  tiles.lookahead = 1;
}

MmaTiles attnc::chooseMmaTiles(AttentionOp op, int64_t sm, int64_t group) {
  int64_t d = std::max(op.getHeadDim(), op.getValueDim());
  int64_t n = op.getQueryRows();
  MmaTiles tiles{128, 32, 4, 3, 1, 0, 2, 0, 8};
  if (d <= 96) {
    // Sums of fewer columns leave registers for scores of 64 keys.
    tiles.keyBlock = 64;
    tiles.stages = 2;
    tiles.lookahead = 1;
  } else if (d > 128) {
    // Sums of 32 rows of a warp would not fit into registers.
    bool isWide = d <= 192 || hasLargeShared(sm);
    tiles.queryTile = isWide ? 128 : 64;
    tiles.warps = isWide ? 8 : 4;
    tiles.stages = 2;
  }
  if (!ShapedType::isDynamic(n) && n <= kFewMmaRows) {
    fillWithHeads(tiles, std::max<int64_t>(n, 1), group, d > 128);
  } else if (!ShapedType::isDynamic(n) && n <= 64) {
    tiles.queryTile = 64;
    tiles.warps = 4;
  }
  return tiles;
}

//===----------------------------------------------------------------------===//
// Warpgroups
//===----------------------------------------------------------------------===//

std::optional<std::string> attnc::refusesWgmma(AttentionOp op, bool hasWgmma) {
  if (!hasWgmma)
    return "the chip has no wgmma";
  // Rows of 128 bytes fill a swizzled panel.
  for (int64_t size : {op.getHeadDim(), op.getValueDim()})
    if (size % 64 || size > 256)
      return "it takes head sizes of 64, 128, 192 and 256";
  return std::nullopt;
}

bool attnc::fillsWgmma(AttentionOp op) {
  constexpr int64_t kGroupRows = 64;
  int64_t n = op.getQueryRows();
  return ShapedType::isDynamic(n) || n >= kGroupRows;
}

MmaTiles attnc::chooseWgmmaTiles(AttentionOp op) {
  int64_t d = std::max(op.getHeadDim(), op.getValueDim());
  int64_t n = op.getQueryRows();
  // Two groups of four warps, 16 rows a warp.
  MmaTiles tiles{128, d > 192 ? 32 : 64, 8, d > 128 ? 3 : 4, 1, 0, 0, 0, 8};
  if (!ShapedType::isDynamic(n) && n <= 64) {
    tiles.queryTile = 64;
    tiles.warps = 4;
  } else if (d == 128 && (ShapedType::isDynamic(n) || n > 128)) {
    // One block fills a multiprocessor: a third group hides waits of two.
    tiles.queryTile = 192;
    tiles.warps = 12;
  }
  return tiles;
}
