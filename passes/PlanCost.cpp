// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan costs at given sizes.

#include "passes/PlanCost.h"
#include "passes/PairAlgebra.h"
#include "passes/PlanRowCost.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;
using llvm::SmallVector;
using Wide = __int128;

/// Counting is one step a query tile; this many take about a second.
static constexpr int64_t kMaxQueryTiles = int64_t(1) << 26;
/// The same of query rows, where each is looked at.
static constexpr int64_t kMaxQueryRows = int64_t(1) << 23;

static int64_t saturate(Wide x) {
  return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : int64_t(x);
}

int64_t BoundComponent::saturatingAdd(int64_t a, int64_t b) {
  return saturate(Wide(a) + b);
}

//===----------------------------------------------------------------------===//
// Bounds at given sizes
//===----------------------------------------------------------------------===//

std::optional<BoundComponent> BoundComponent::bind(ComponentAttr component,
                                                   ArrayRef<int64_t> symbols) {
  BoundComponent bound;
  unsigned numSymbols = component.getLower().getNumSymbols();
  if (symbols.size() < numSymbols ||
      llvm::any_of(symbols.take_front(FirstParameter), [](int64_t position) {
        return position < -kPositionLimit || position > kPositionLimit;
      }))
    return std::nullopt;
  // Where pairs exist, whether or not the plan repeats it.
  bound.lowerKey = symbols[KBegin];
  bound.upperKey = symbols[KEnd] - 1;
  bound.rowFirst = symbols[QBegin];
  bound.rowLast = symbols[QEnd] - 1;
  auto bindMap = [&](mlir::AffineMap map, bool isUpper, int64_t &offset,
                     int64_t &constant) {
    mlir::AffineExpr query =
        mlir::getAffineSymbolExpr(numSymbols, map.getContext());
    for (mlir::AffineExpr expr : map.getResults()) {
      std::optional<LinearForm> form =
          LinearForm::fromExpr(expr.replaceDims(query));
      if (!form)
        return false;
      int64_t slope = form->getCoefficient(numSymbols);
      if (slope != 0 && slope != 1)
        return false;
      Wide value = form->getConstant();
      for (unsigned s = 0; s < std::min(form->getNumSymbols(), numSymbols); ++s)
        value += Wide(form->getCoefficient(s)) * symbols[s];
      int64_t &end = slope ? offset : constant;
      end = isUpper ? std::min(end, saturate(value))
                    : std::max(end, saturate(value));
    }
    return true;
  };
  int64_t none = 0;
  if (!bindMap(component.getLower(), false, bound.lowerOffset,
               bound.lowerKey) ||
      !bindMap(component.getUpper(), true, bound.upperOffset, bound.upperKey) ||
      !bindMap(component.getRowLower(), false, none, bound.rowFirst) ||
      !bindMap(component.getRowUpper(), true, none, bound.rowLast))
    return std::nullopt;
  bound.tests = !component.getTestNumbers().empty();
  return bound;
}

/// Sum over first <= i <= last of max(0, slope * i + constant), |slope| <= 1.
static Wide sumPositive(Wide first, Wide last, int slope, Wide constant) {
  if (slope > 0)
    first = std::max(first, -constant);
  else if (slope < 0)
    last = std::min(last, constant);
  else if (constant < 0)
    return 0;
  if (first > last)
    return 0;
  Wide count = last - first + 1;
  return count * constant + slope * ((first + last) * count / 2);
}

int64_t BoundComponent::countPairs() const {
  if (rowFirst > rowLast)
    return 0;
  // The keys of a row, min(i + upperOffset, upperKey) - max(i + lowerOffset,
  // lowerKey) + 1, change their slope at two rows at most.
  Wide upperTurn = Wide(upperKey) - upperOffset; // from here on upperKey
  Wide lowerTurn = Wide(lowerKey) - lowerOffset; // from here on i + offset
  Wide cuts[] = {rowFirst, upperTurn, lowerTurn, Wide(rowLast) + 1};
  if (cuts[1] > cuts[2])
    std::swap(cuts[1], cuts[2]);
  for (Wide &cut : cuts)
    cut = std::clamp<Wide>(cut, rowFirst, Wide(rowLast) + 1);
  Wide sum = 0;
  for (int n = 0; n < 3; ++n) {
    Wide first = cuts[n], last = cuts[n + 1] - 1;
    if (first > last)
      continue;
    bool upperMoves = first < upperTurn, lowerMoves = first >= lowerTurn;
    Wide constant = Wide(upperMoves ? upperOffset : upperKey) -
                    (lowerMoves ? lowerOffset : lowerKey) + 1;
    sum +=
        sumPositive(first, last, int(upperMoves) - int(lowerMoves), constant);
  }
  return saturate(sum);
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

TileShape TileShape::of(ScheduleAttr schedule) {
  TileShape shape{schedule.getQueryTile(), schedule.getKeyBlock()};
  shape.strip = schedule.getStrip();
  if (schedule.getMicro() == MicroKernel::Block) {
    shape.vector = schedule.getLanes();
    shape.panel = shape.vector * schedule.getRegisterVectors();
    if (ScheduleAttr few = schedule.getFewSchedule())
      shape.few = few.getQueryTile();
  } else {
    shape.few = shape.queryTile;
  }
  return shape;
}

TileVisit attnc::visitTile(const BoundComponent &component, int64_t first,
                           int64_t last, int64_t keyTile) {
  TileVisit visit;
  int64_t from = std::max(first, component.getRowFirst());
  int64_t to = std::min(last, component.getRowLast());
  if (from > to)
    return visit;
  // Bounds rise with the row: the corners say it all.
  visit.keyFirst = component.lower(from);
  visit.keyLast = component.upper(to);
  int64_t keys = visit.getNumKeys();
  if (keys == 0)
    return visit;
  int64_t tiles = llvm::divideCeil(keys, keyTile);
  visit.partialTiles = tiles;
  if (component.hasTests() || from != first || to != last)
    return visit;
  visit.fullFirst = std::max(component.lower(to), visit.keyFirst);
  visit.fullLast = std::min(component.upper(from), visit.keyLast);
  if (visit.fullFirst > visit.fullLast)
    return visit;
  int64_t firstFull =
      llvm::divideCeil(visit.fullFirst - visit.keyFirst, keyTile);
  int64_t endFull = visit.fullLast == visit.keyLast
                        ? tiles
                        : (visit.fullLast - visit.keyFirst + 1) / keyTile;
  visit.fullTiles = std::max<int64_t>(endFull - firstFull, 0);
  visit.partialTiles -= visit.fullTiles;
  return visit;
}

PlanCost &PlanCost::operator+=(const PlanCost &other) {
  auto add = [](int64_t &to, int64_t from) { to = saturate(Wide(to) + from); };
  add(fullTiles, other.fullTiles);
  add(partialTiles, other.partialTiles);
  add(emptyTiles, other.emptyTiles);
  add(listRows, other.listRows);
  add(visitedPairs, other.visitedPairs);
  add(keptPairs, other.keptPairs);
  keptIsExact &= other.keptIsExact;
  return *this;
}

namespace {
/// Components that share tiles of query rows: as launches do.
struct TileGroup {
  SmallVector<BoundComponent> bands;
  std::vector<RowComponent> rows;
};

class CostCounter {
public:
  CostCounter(PlanAttr plan, ArrayRef<int64_t> symbols, TileShape shape,
              const RowValues &values)
      : plan(plan), symbols(symbols.begin(), symbols.end()), shape(shape),
        values(values),
        firstValue(FirstParameter + plan.getParameters().size()) {}

  std::optional<PlanCost> run() {
    if (shape.queryTile < 1 || shape.keyTile < 1 || !hasSymbols())
      return std::nullopt;
    for (ComponentAttr component : plan.getComponents())
      if (!add(component))
        return std::nullopt;
    if (groups.empty() && lists.empty())
      groups[{1, 1}]; // its tiles are all empty
    int64_t rows = std::max<int64_t>(symbols[QEnd] - symbols[QBegin], 0);
    for (auto &[tiling, group] : groups) {
      auto [step, run] = tiling;
      int64_t classes =
          std::min<int64_t>(step / run, llvm::divideCeil(rows, run));
      if (rows / shape.getPanel() + classes > kMaxQueryTiles ||
          (!group.rows.empty() && rows > kMaxQueryRows))
        return std::nullopt;
      for (int64_t r = 0; r < classes; ++r)
        if (!countClass(group, {r * run, step, run}))
          return std::nullopt;
    }
    if (!lists.empty() && rows > kMaxQueryRows)
      return std::nullopt;
    for (RowComponent &list : lists)
      if (!count(list, {symbols[QBegin], rows, rows}, cost))
        return std::nullopt;
    return cost;
  }

private:
  PlanAttr plan;
  SmallVector<int64_t> symbols;
  TileShape shape;
  const RowValues &values;
  unsigned firstValue;
  /// By step and run of their rows.
  llvm::MapVector<std::pair<int64_t, int64_t>, TileGroup> groups;
  std::vector<RowComponent> lists;
  PlanCost cost;

  bool hasSymbols() {
    if (symbols.size() < firstValue)
      return false;
    // Bands have none of the values' symbols.
    symbols.resize(plan.getNumSymbols());
    return llvm::all_of(
        ArrayRef(symbols).take_front(FirstParameter), [](int64_t position) {
          return position >= -kPositionLimit && position <= kPositionLimit;
        });
  }

  /// Whether rows need not be looked at one by one.
  bool isBand(ComponentAttr component) const {
    if (component.getGuard() || walkKindOf(plan, component) != WalkKind::None)
      return false;
    for (mlir::AffineMap map : {component.getLower(), component.getUpper()})
      for (mlir::AffineExpr expr : map.getResults())
        for (unsigned s = firstValue; s < symbols.size(); ++s)
          if (expr.isFunctionOfSymbol(s))
            return false;
    return true;
  }

  bool add(ComponentAttr component) {
    if (isBand(component))
      if (std::optional<BoundComponent> band =
              BoundComponent::bind(component, symbols)) {
        PlanCost kept;
        kept.keptPairs = band->countPairs();
        kept.keptIsExact = !band->hasTests() || kept.keptPairs == 0;
        cost += kept;
        groups[{1, 1}].bands.push_back(*band);
        return true;
      }
    std::optional<RowComponent> row = RowComponent::bind(
        plan, component, ArrayRef(symbols).take_front(firstValue), values,
        shape.strip);
    if (!row)
      return false;
    if (row->getWalk() == WalkKind::List)
      lists.push_back(*row);
    else
      groups[row->getTiling()].rows.push_back(*row);
    return true;
  }

  /// How the tile is folded.
  TileShape shapeOf(const TileRowRange &tile) const {
    TileShape own = shape;
    if (isFew(tile))
      own.panel = own.vector = own.queryTile;
    return own;
  }
  bool isFew(const TileRowRange &tile) const {
    // Those of all rows, where the row micro-kernel folds all tiles.
    return tile.count <= shape.few &&
           (tile.step == 1 || shape.few == shape.queryTile);
  }

  bool count(RowComponent &component, TileRowRange rows, PlanCost &total) {
    std::optional<PlanCost> tile = component.costOfTile(rows, shapeOf(rows));
    if (tile)
      total += *tile;
    return tile.has_value();
  }

  /// The scores of a tile.
  int64_t visitedByPanels(const BoundComponent &band, TileRowRange tile) {
    Wide visited = 0;
    int64_t together = shapeOf(tile).rowsTogether(band.hasTests());
    for (int64_t done = 0; done < tile.count; done += together) {
      int64_t rows = std::min(together, tile.count - done);
      int64_t from = tile.first + done;
      TileVisit visit = visitTile(band, from, from + rows - 1, shape.keyTile);
      visited += Wide(visit.getNumKeys()) * std::min(together, tile.all - done);
    }
    return saturate(visited);
  }

  struct RowClass {
    int64_t first, step, run;

    /// Its rows among the first n.
    int64_t rowsOf(int64_t n) const {
      int64_t left = std::max<int64_t>(n - first, 0);
      return left / step * run + std::min(left % step, run);
    }
  };

  /// The tiles of one class of the rows.
  bool countClass(TileGroup &group, RowClass rows) {
    int64_t keys = std::max<int64_t>(symbols[KEnd] - symbols[KBegin], 0);
    int64_t allTiles = llvm::divideCeil(
        llvm::divideCeil(keys, rows.step / rows.run), shape.keyTile);
    int64_t n = std::max<int64_t>(symbols[QEnd] - symbols[QBegin], 0);
    int64_t count = rows.rowsOf(n);
    int64_t all = std::max(rows.rowsOf(shape.rows), count);
    int64_t tileRows = shape.queryTile / rows.run * rows.run;
    for (int64_t done = 0; done < count; done += tileRows) {
      TileRowRange range{symbols[QBegin] + rows.first +
                             done / rows.run * rows.step,
                         std::min(tileRows, count - done),
                         std::min(tileRows, all - done), rows.step, rows.run};
      if (isFew(range))
        range.all = range.count;
      PlanCost tile;
      for (const BoundComponent &band : group.bands) {
        TileVisit visit = visitTile(
            band, range.first, range.first + range.count - 1, shape.keyTile);
        PlanCost part;
        part.fullTiles = visit.fullTiles;
        part.partialTiles = visit.partialTiles;
        part.visitedPairs = visitedByPanels(band, range);
        tile += part;
      }
      for (RowComponent &component : group.rows)
        if (!this->count(component, range, tile))
          return false;
      tile.emptyTiles =
          std::max<int64_t>(allTiles - tile.fullTiles - tile.partialTiles, 0);
      cost += tile;
    }
    return true;
  }
};
} // namespace

std::optional<PlanCost> attnc::costOf(PlanAttr plan, ArrayRef<int64_t> symbols,
                                      TileShape shape,
                                      const RowValues &values) {
  return CostCounter(plan, symbols, shape, values).run();
}
