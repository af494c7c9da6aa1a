// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What one component of a plan costs, row by row: for components whose bounds
// are no plain band (values, guards) or whose keys are enumerated by a walk.

#ifndef ATTNC_PASSES_PLANROWCOST_H
#define ATTNC_PASSES_PLANROWCOST_H

#include "passes/PlanCost.h"
#include "passes/PlanStrips.h"
#include "passes/PlanWalk.h"

namespace attnc {

/// Rows of a tile: `count` of them at positions, `all` with those behind. Row u
/// is `first` + ((u + skip) / run) * step + (u + skip) mod run.
struct TileRowRange {
  int64_t first, count, all, step = 1, run = 1, skip = 0;

  int64_t at(int64_t u) const {
    u += skip;
    return first + u / run * step + u % run;
  }
  TileRowRange part(int64_t from, int64_t size) const {
    return {first, size, size, step, run, skip + from};
  }
};

class RowComponent {
public:
  struct Interval {
    int64_t first = 0, last = -1;
    bool isEmpty() const { return last < first; }
    int64_t size() const { return isEmpty() ? 0 : last - first + 1; }
  };

  /// Nothing where no numbers say what is walked: lists in operands.
  static std::optional<RowComponent> bind(mlir::attn::PlanAttr plan,
                                          mlir::attn::ComponentAttr component,
                                          llvm::ArrayRef<int64_t> symbols,
                                          const RowValues &values,
                                          int64_t strip = 1);

  WalkKind getWalk() const { return walk; }
  /// Step and run of a tile's rows.
  std::pair<int64_t, int64_t> getTiling() const {
    if (strip > 1)
      return {columns->getExtent(), strip};
    return {walk == WalkKind::Lattice ? period : 1, 1};
  }

  /// The keys (by the walk's numbers) that some row visits, tests aside, as
  /// kernels find them: by corners, or as the hull of what the rows keep.
  std::optional<Interval> visitedBy(TileRowRange rows);
  /// What a tile visits and keeps. Nothing where a bound cannot be computed.
  std::optional<PlanCost> costOfTile(TileRowRange rows, TileShape shape);

private:
  mlir::attn::PlanAttr plan;
  mlir::attn::ComponentAttr component;
  const RowValues *values = nullptr;
  WalkKind walk = WalkKind::None;
  mlir::attn::PairsAttr walked;
  int64_t period = 1, width = 1;      // of a lattice; of columns
  bool tests = false;                 // besides the walk and the columns
  std::optional<GridColumns> columns; // that a test keeps
  int64_t strip = 1;                  // tiles are as wide as this
  // Columns of keys that the tile at hand visits.
  int64_t firstColumn = 0, columnCount = 0;
  bool corners = false; // decide what rows visit
  unsigned firstValue = 0;
  // Symbols and values; values are those of row `row` where `known` says so.
  llvm::SmallVector<int64_t> symbols;
  llvm::SmallVector<int64_t> knownAt;

  std::optional<int64_t> evaluate(mlir::AffineExpr expr, int64_t i);
  std::optional<int64_t> valueAt(unsigned number, int64_t i);
  /// The largest or smallest result; false when one cannot be computed.
  bool tighten(mlir::AffineMap map, int64_t i, bool isMax, int64_t &bound);
  std::optional<Interval> keysOf(int64_t i);
  Interval numbersOf(Interval keys, int64_t i) const;
  int64_t keptOf(Interval keys, int64_t i) const;
  void enterStrip(const TileRowRange &rows);
  std::optional<PlanCost> costOfList(int64_t i);
  std::optional<PlanCost> costOfRows(TileRowRange rows, int64_t keyTile);
  std::optional<PlanCost> costOfBlocks(TileRowRange rows, TileShape shape);
};

} // namespace attnc

#endif // ATTNC_PASSES_PLANROWCOST_H
