// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan costs at given sizes.

#include "passes/PlanCost.h"
#include "passes/PairAlgebra.h"
#include "passes/PlanBuilder.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;
using Wide = __int128;

/// Counting is one step a query tile; this many take about a second.
static constexpr int64_t kMaxQueryTiles = int64_t(1) << 26;

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
  bound.tests =
      component.getTestNumbers().size() > (component.getWalk() ? 1 : 0);
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
  add(visitedPairs, other.visitedPairs);
  add(keptPairs, other.keptPairs);
  keptIsExact &= other.keptIsExact;
  return *this;
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

namespace {
/// How many keys of a walk lie in lo .. hi, for the query at position i.
using KeyCounter =
    llvm::function_ref<int64_t(int64_t i, int64_t lo, int64_t hi)>;
} // namespace

static int64_t floorDivide(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((-(a + 1)) / b) - 1;
}

/// Tiles of rows that lie `step` apart, whose walked keys `count` says.
static PlanCost walkedCost(const BoundComponent &bound, int64_t step,
                           TileShape shape, KeyCounter count) {
  PlanCost cost;
  int64_t begin = bound.getRowFirst(), end = bound.getRowLast();
  for (int64_t first = begin; first < begin + step && first <= end; ++first)
    for (int64_t row = first; row <= end; row += shape.queryTile * step) {
      int64_t rows = std::min(shape.queryTile, (end - row) / step + 1);
      int64_t last = row + (rows - 1) * step;
      for (int64_t i = row; i <= last; i += step)
        cost.keptPairs += count(i, bound.lower(i), bound.upper(i));
      int64_t keys = count(row, bound.lower(row), bound.upper(last));
      int64_t common = count(row, bound.lower(last), bound.upper(row));
      cost.visitedPairs += keys * rows;
      int64_t tiles = llvm::divideCeil(keys, shape.keyTile);
      int64_t full = bound.hasTests() ? 0
                     : common == keys ? tiles
                                      : common / shape.keyTile;
      cost.fullTiles += full;
      cost.partialTiles += tiles - full;
    }
  cost.keptIsExact = !bound.hasTests() || cost.keptPairs == 0;
  return cost;
}

/// The cost of a component that walks an atom; nothing where only data say it.
static std::optional<PlanCost> costOfWalk(const BoundComponent &bound,
                                          PairsAttr atom, TileShape shape) {
  if ((bound.getRowLast() - bound.getRowFirst()) > kMaxQueryTiles)
    return std::nullopt;
  auto param = [&](unsigned n) { return atom.getParams()[n].value; };
  switch (atom.getKind()) {
  case PairKind::Strided:
    return walkedCost(bound, param(0), shape,
                      [&](int64_t i, int64_t lo, int64_t hi) -> int64_t {
                        if (lo > hi)
                          return 0;
                        return floorDivide(hi - i, param(0)) -
                               floorDivide(lo - 1 - i, param(0));
                      });
  case PairKind::Columns: {
    auto rank = [&](int64_t j) { // walked positions below j
      int64_t periods = floorDivide(j, param(0));
      return periods * param(1) +
             std::max<int64_t>(j - periods * param(0) - param(0) + param(1), 0);
    };
    return walkedCost(bound, 1, shape,
                      [&](int64_t, int64_t lo, int64_t hi) -> int64_t {
                        return lo > hi ? 0 : rank(hi + 1) - rank(lo);
                      });
  }
  case PairKind::Log:
    return walkedCost(bound, 1, {1, shape.keyTile},
                      [&](int64_t i, int64_t lo, int64_t hi) -> int64_t {
                        int64_t keys = lo <= i && i <= hi;
                        for (int k = 0; k < 62 && i - (int64_t(1) << k) >= lo;
                             ++k)
                          keys += i - (int64_t(1) << k) <= hi;
                        return keys;
                      });
  default:
    return std::nullopt;
  }
}

std::optional<PlanCost> attnc::costOf(PlanAttr plan, ArrayRef<int64_t> symbols,
                                      TileShape shape) {
  if (shape.queryTile < 1 || shape.keyTile < 1)
    return std::nullopt;
  PlanCost cost;
  llvm::SmallVector<BoundComponent> components;
  for (ComponentAttr component : plan.getComponents()) {
    std::optional<BoundComponent> bound =
        BoundComponent::bind(component, symbols);
    if (!bound)
      return std::nullopt;
    if (PairsAttr atom = walkedAtom(plan, component)) {
      std::optional<PlanCost> walked = costOfWalk(*bound, atom, shape);
      if (!walked)
        return std::nullopt;
      cost += *walked;
      continue;
    }
    PlanCost kept;
    kept.keptPairs = bound->countPairs();
    kept.keptIsExact = !bound->hasTests() || kept.keptPairs == 0;
    cost += kept;
    components.push_back(*bound);
  }
  if ((symbols[QEnd] - symbols[QBegin]) / shape.queryTile > kMaxQueryTiles)
    return std::nullopt;
  int64_t keys = std::max<int64_t>(symbols[KEnd] - symbols[KBegin], 0);
  int64_t allTiles = llvm::divideCeil(keys, shape.keyTile);
  for (int64_t row = symbols[QBegin]; row < symbols[QEnd];) {
    int64_t last = row + std::min(shape.queryTile, symbols[QEnd] - row) - 1;
    PlanCost tile;
    for (const BoundComponent &component : components) {
      TileVisit visit = visitTile(component, row, last, shape.keyTile);
      PlanCost part;
      part.fullTiles = visit.fullTiles;
      part.partialTiles = visit.partialTiles;
      part.visitedPairs = saturate(Wide(visit.getNumKeys()) * (last - row + 1));
      tile += part;
    }
    tile.emptyTiles =
        std::max<int64_t>(allTiles - tile.fullTiles - tile.partialTiles, 0);
    cost += tile;
    row = last + 1;
  }
  return cost;
}
