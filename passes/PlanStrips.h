// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Strips of a grid: query tiles of few neighbouring columns, whose keys are few
// columns of each grid row.

#ifndef ATTNC_PASSES_PLANSTRIPS_H
#define ATTNC_PASSES_PLANSTRIPS_H

#include "dialect/Attn.h"

namespace attnc {

/// What a component keeps along the innermost axis of a grid: for a query in
/// column x the columns first(x) .. last(x), which rise with x.
class GridColumns {
public:
  enum class Kind {
    Window,  // x - left .. x + right
    Clamped, // the same, shifted to stay inside the grid
    Chunk,   // the chunk of `left` columns, from column `right` on, that has x
  };

  /// Of a component of the plan that tests such columns; nothing for others.
  static std::optional<GridColumns> of(mlir::attn::PlanAttr plan,
                                       mlir::attn::ComponentAttr component);

  int64_t getExtent() const { return extent; } // columns of the grid
  Kind getKind() const { return kind; }
  int64_t getLeft() const { return left; }
  int64_t getRight() const { return right; }
  /// The number of the test, from 1.
  int64_t getTest() const { return test; }

  /// Within the grid; a column where nothing is kept.
  int64_t first(int64_t x) const { return inside(begin(x)); }
  int64_t last(int64_t x) const { return inside(end(x)); }
  /// How many columns a query keeps.
  int64_t count(int64_t x) const {
    return std::max<int64_t>(
        std::min(end(x), extent - 1) - std::max<int64_t>(begin(x), 0) + 1, 0);
  }
  /// Columns that the queries of columns x .. x + count - 1 keep, at most.
  int64_t width(int64_t x, int64_t count) const {
    return std::max<int64_t>(last(x + count - 1) - first(x) + 1, 1);
  }

private:
  int64_t extent = 1, left = 0, right = 0, test = 0;
  Kind kind = Kind::Window;

  int64_t begin(int64_t x) const;
  int64_t end(int64_t x) const;
  int64_t inside(int64_t x) const {
    return std::clamp<int64_t>(x, 0, extent - 1);
  }
};

/// The columns of a component that tiles of `strip` query columns walk; nothing
/// where they are no whole number of strips.
std::optional<GridColumns> stripOf(mlir::attn::PlanAttr plan,
                                   mlir::attn::ComponentAttr component,
                                   int64_t strip);

} // namespace attnc

#endif // ATTNC_PASSES_PLANSTRIPS_H
