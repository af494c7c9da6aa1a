// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A viewed attention's plan, read row by row: what the terminal's picture and
// its counts are made of.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_PLANROWS_H
#define ATTNC_TOOLS_ATTNC_VIEW_PLANROWS_H

#include "tools/attnc/view/View.h"
#include "llvm/ADT/DenseMap.h"

namespace attnc {

/// Whether a component's bounds rise with the row and depend on nothing else of
/// it, so that the corners of a tile tell all. Symbols from `firstValue` on are
/// values.
bool isMonotone(mlir::attn::ComponentAttr component, unsigned firstValue);

/// What a component costs a head. `visited` is nothing where no tiles say it.
struct ComponentCount {
  double kept = 0;
  std::optional<double> visited;
  int64_t fullTiles = 0, partialTiles = 0;
  bool isExact = true;
};

/// The plan for one batch and head.
class PlanRows {
public:
  PlanRows(ViewedAttention &attention, int64_t batch, int64_t head);

  /// Query positions that component k has at all; may be none.
  reference::Interval rowsOf(unsigned k) const { return rows[k]; }
  /// The keys within component k's bounds at position i.
  std::optional<reference::Interval> keysOf(unsigned k, int64_t i);
  /// Those that its tests keep, among `keys`.
  reference::Intervals keptOf(unsigned k, int64_t i, reference::Interval keys);
  bool holds(unsigned k, int64_t i, int64_t j);
  /// The keys that query tile t visits for component k; remembered.
  reference::Interval visitOf(unsigned k, int64_t t);
  ComponentCount count(unsigned k);

  /// An error, reported once, that made any of these answers meaningless.
  mlir::LogicalResult check();

private:
  ViewedAttention &attention;
  int64_t batch;
  reference::PairContext &context;
  llvm::SmallVector<int64_t> symbols;
  llvm::SmallVector<reference::Interval> rows;
  int64_t lastRow = INT64_MIN;
  size_t numFixed; // symbols before the values
  bool failed = false;
  llvm::DenseMap<std::pair<unsigned, int64_t>, reference::Interval> visits;

  std::optional<int64_t> extreme(mlir::AffineMap map, std::optional<int64_t> i,
                                 bool isMax, int64_t otherwise);
  bool setRow(int64_t i);
  int64_t value(mlir::attn::ValueAttr value, int64_t i);
  void countTiles(unsigned k, ComponentCount &count, double &pairs);
  void countTested(unsigned k, ComponentCount &count, double pairs);
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_PLANROWS_H
