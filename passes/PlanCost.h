// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan costs: tiles by class and pairs, for given sizes and as formulas.
// Nothing here walks pairs: counting takes O(query tiles), and O(query rows)
// where bounds depend on values or keys are walked (PlanRowCost.h).

#ifndef ATTNC_PASSES_PLANCOST_H
#define ATTNC_PASSES_PLANCOST_H

#include "dialect/Attn.h"
#include <functional>
#include <optional>
#include <string>

namespace attnc {

/// A component at given values of the symbols: row i keeps (if its tests hold)
/// the keys lower(i) <= j <= upper(i), for rowFirst <= i <= rowLast.
class BoundComponent {
public:
  /// Nothing when a bound does not rise by 0 or 1 with the query.
  static std::optional<BoundComponent> bind(mlir::attn::ComponentAttr component,
                                            llvm::ArrayRef<int64_t> symbols);

  int64_t lower(int64_t i) const {
    return std::max(saturatingAdd(i, lowerOffset), lowerKey);
  }
  int64_t upper(int64_t i) const {
    return std::min(saturatingAdd(i, upperOffset), upperKey);
  }
  int64_t getRowFirst() const { return rowFirst; }
  int64_t getRowLast() const { return rowLast; }
  bool hasTests() const { return tests; }

  /// Pairs within the bounds, tests aside; saturates at the largest integer.
  int64_t countPairs() const;

private:
  // lower(i) = max(i + lowerOffset, lowerKey), and so on; an end that is not
  // bounded is the smallest or largest integer.
  int64_t lowerOffset = INT64_MIN, lowerKey = INT64_MIN;
  int64_t upperOffset = INT64_MAX, upperKey = INT64_MAX;
  int64_t rowFirst = INT64_MIN, rowLast = INT64_MAX;
  bool tests = false;

  static int64_t saturatingAdd(int64_t a, int64_t b);
};

struct TileShape {
  int64_t queryTile = 96;
  int64_t keyTile = 128;
  /// Query rows whose scores are computed together, for the keys that one of
  /// them may keep; 0: those of the tile.
  int64_t panel = 0;
  /// Rows of a panel that visit keys of their own where no pair is tested; 0:
  /// those of the panel.
  int64_t vector = 0;
  /// Tiles of up to so many rows at positions are folded as a panel, without
  /// the others.
  int64_t few = 0;
  /// Query rows of the operand, which panels count whether or not lengths end
  /// before them; 0: those at positions.
  int64_t rows = 0;
  /// Columns of a strip, where components keep columns of a grid.
  int64_t strip = 1;

  static TileShape of(mlir::attn::ScheduleAttr schedule);
  int64_t getPanel() const {
    return panel > 0 ? std::min(panel, queryTile) : queryTile;
  }
  /// Rows whose scores are computed for the same keys.
  int64_t rowsTogether(bool isTested) const {
    return isTested || vector == 0 ? getPanel() : std::min(vector, getPanel());
  }
};

/// What one query tile does for one component. Its key tiles begin at
/// `keyFirst` and are `keyTile` keys each, the last one shorter.
struct TileVisit {
  int64_t keyFirst = 0,
          keyLast = -1; // the keys visited; none when last < first
  int64_t fullFirst = 0, fullLast = -1; // keys that every row of the tile keeps
  int64_t fullTiles = 0, partialTiles = 0;

  int64_t getNumKeys() const {
    return std::max<int64_t>(keyLast - keyFirst + 1, 0);
  }
};

/// The visit of the rows at positions first <= i <= last.
TileVisit visitTile(const BoundComponent &component, int64_t first,
                    int64_t last, int64_t keyTile);

struct PlanCost {
  int64_t fullTiles = 0;    // no masking code
  int64_t partialTiles = 0; // masked
  int64_t emptyTiles = 0;   // what a walk over all keys would visit besides
  int64_t listRows = 0;     // rows that walk a list of keys, in no tile
  /// Scores computed; at most so many where pairs are tested, since a block of
  /// which a panel keeps nothing is left out.
  int64_t visitedPairs = 0;
  int64_t keptPairs = 0;
  bool keptIsExact = true; // false: tests may drop some of keptPairs

  PlanCost &operator+=(const PlanCost &other);
};

/// Keys first <= j <= last.
struct KeySpan {
  int64_t first, last;
};

/// The keys of a query's list, ascending and each once.
struct ListedKeys {
  std::vector<KeySpan> spans;
  int64_t block = 1; // query rows that share it, from a multiple on
};

/// What the values and lists of a plan depend on besides positions.
struct RowValues {
  int64_t head = 0;
  /// The value of kind `begin`, `end`, `number` or `load` for element x, the
  /// result of its map; without it such plans have no cost.
  std::function<std::optional<int64_t>(mlir::attn::ValueAttr, int64_t x)> read;
  /// The list of an atom for query position i; without it lists in operands
  /// have no cost, and pseudo-random keys are taken to differ.
  std::function<std::optional<ListedKeys>(mlir::attn::PairsAttr, int64_t i)>
      list;
};

/// The cost of one head; `symbols` are those of the plan before its values.
/// Query tiles begin at q_begin; a component that walks a lattice has tiles of
/// rows one stride apart, and keys of the lattice alone. Nothing where operands
/// decide that are not read, for positions beyond 2^60 and for more query tiles
/// or rows than can be counted soon.
std::optional<PlanCost> costOf(mlir::attn::PlanAttr plan,
                               llvm::ArrayRef<int64_t> symbols, TileShape shape,
                               const RowValues &values = {});

/// Kept pairs of one head as a formula in n query rows, m keys, k0 and q0 (the
/// first key's and query's position) and the parameters' names, one term a
/// component: "n*m - n*(n - 1)/2 for n <= m", "at most n*256 + n*4", "sum of
/// l^2 over the documents of cu". "about" where a walk divides what it keeps.
/// `parameterName` names set operand number p. The operation has a plan.
std::string
keptPairsFormula(mlir::attn::AttentionOp op,
                 llvm::function_ref<std::string(int64_t)> parameterName);

} // namespace attnc

#endif // ATTNC_PASSES_PLANCOST_H
