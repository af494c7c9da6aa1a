// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a component at given sizes, and the tiles that they make.

#include "passes/PlanRowCost.h"
#include "passes/PairAlgebra.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;

std::optional<RowComponent> RowComponent::bind(PlanAttr plan,
                                               ComponentAttr component,
                                               ArrayRef<int64_t> symbols,
                                               const RowValues &values) {
  RowComponent row;
  row.plan = plan;
  row.component = component;
  row.values = &values;
  row.firstValue = FirstParameter + plan.getParameters().size();
  if (symbols.size() < row.firstValue)
    return std::nullopt;
  row.symbols.assign(symbols.begin(), symbols.begin() + row.firstValue);
  row.symbols.resize(plan.getNumSymbols());
  // No row is that far away.
  row.knownAt.assign(plan.getValues().size(), INT64_MIN);
  row.walk = walkKindOf(plan, component);
  row.walked = walkedAtom(plan, component);
  row.tests =
      component.getTestNumbers().size() > (row.walk != WalkKind::None ? 1 : 0);
  if (row.walk == WalkKind::None)
    return row;
  ArrayRef<PairParam> params = row.walked.getParams();
  switch (row.walked.getKind()) {
  case PairKind::Strided:
    row.period = params[0].value;
    break;
  case PairKind::Columns:
    row.period = params[0].value;
    row.width = std::min(params[1].value, row.period);
    break;
  case PairKind::Random:
    row.width = params[0].value;
    break;
  case PairKind::Log:
    return row;
  default:
    return std::nullopt;
  }
  if (row.period < 1 || row.width < 0)
    return std::nullopt;
  return row;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

std::optional<int64_t> RowComponent::evaluate(mlir::AffineExpr expr,
                                              int64_t i) {
  if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(expr))
    return constant.getValue();
  if (llvm::isa<mlir::AffineDimExpr>(expr))
    return i;
  if (auto symbol = llvm::dyn_cast<mlir::AffineSymbolExpr>(expr))
    return symbol.getPosition() < firstValue
               ? symbols[symbol.getPosition()]
               : valueAt(symbol.getPosition() - firstValue, i);
  auto binary = llvm::cast<mlir::AffineBinaryOpExpr>(expr);
  std::optional<int64_t> lhs = evaluate(binary.getLHS(), i);
  std::optional<int64_t> rhs = evaluate(binary.getRHS(), i);
  if (!lhs || !rhs)
    return std::nullopt;
  int64_t result = 0;
  switch (expr.getKind()) {
  case mlir::AffineExprKind::Add:
    if (llvm::AddOverflow(*lhs, *rhs, result))
      return std::nullopt;
    return result;
  case mlir::AffineExprKind::Mul:
    if (llvm::MulOverflow(*lhs, *rhs, result))
      return std::nullopt;
    return result;
  default:
    break;
  }
  if (*rhs <= 0) // undefined, by the affine dialect
    return std::nullopt;
  if (expr.getKind() == mlir::AffineExprKind::Mod)
    return llvm::mod(*lhs, *rhs);
  return expr.getKind() == mlir::AffineExprKind::FloorDiv
             ? llvm::divideFloorSigned(*lhs, *rhs)
             : llvm::divideCeilSigned(*lhs, *rhs);
}

std::optional<int64_t> RowComponent::valueAt(unsigned number, int64_t i) {
  int64_t &known = symbols[firstValue + number];
  if (knownAt[number] == i)
    return known;
  ValueAttr value = plan.getValues()[number];
  std::optional<int64_t> x;
  switch (value.getKind()) {
  case ValueKind::Head:
    x = values->head;
    break;
  case ValueKind::Min:
  case ValueKind::Max: {
    bool isMax = value.getKind() == ValueKind::Max;
    int64_t extreme = isMax ? INT64_MIN : INT64_MAX;
    if (tighten(value.getMap(), i, isMax, extreme))
      x = extreme;
    break;
  }
  default:
    if (values->read && value.getMap() && value.getMap().getNumResults())
      if (std::optional<int64_t> at = evaluate(value.getMap().getResult(0), i))
        x = values->read(value, *at);
  }
  if (!x)
    return std::nullopt;
  knownAt[number] = i;
  return known = *x;
}

bool RowComponent::tighten(mlir::AffineMap map, int64_t i, bool isMax,
                           int64_t &bound) {
  if (!map)
    return false;
  for (mlir::AffineExpr expr : map.getResults()) {
    std::optional<int64_t> x = evaluate(expr, i);
    if (!x)
      return false;
    bound = isMax ? std::max(bound, *x) : std::min(bound, *x);
  }
  return true;
}

std::optional<RowComponent::Interval> RowComponent::keysOf(int64_t i) {
  int64_t rowFirst = symbols[QBegin], rowLast = symbols[QEnd] - 1;
  if (!tighten(component.getRowLower(), i, true, rowFirst) ||
      !tighten(component.getRowUpper(), i, false, rowLast))
    return std::nullopt;
  if (i < rowFirst || i > rowLast)
    return Interval();
  int64_t guard = 0;
  if (component.getGuard() && !tighten(component.getGuard(), i, false, guard))
    return std::nullopt;
  if (guard < 0)
    return Interval();
  Interval keys{symbols[KBegin], symbols[KEnd] - 1};
  if (!tighten(component.getLower(), i, true, keys.first) ||
      !tighten(component.getUpper(), i, false, keys.last))
    return std::nullopt;
  return keys;
}

/// Walked positions below `position` of a set of columns, from position 0.
static int64_t columnRank(int64_t position, int64_t period, int64_t width) {
  int64_t periods = llvm::divideFloorSigned(position, period);
  return periods * width +
         std::max<int64_t>(position - periods * period - (period - width), 0);
}

/// The keys that the walk of row i numbers one after the other.
RowComponent::Interval RowComponent::numbersOf(Interval keys, int64_t i) const {
  if (keys.isEmpty())
    return Interval();
  if (walk == WalkKind::Lattice) {
    int64_t base = llvm::mod(i, period);
    return {llvm::divideCeilSigned(keys.first - base, period),
            llvm::divideFloorSigned(keys.last - base, period)};
  }
  if (walk == WalkKind::Columns)
    return {columnRank(keys.first, period, width),
            columnRank(keys.last + 1, period, width) - 1};
  return keys;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

std::optional<PlanCost> RowComponent::costOfList(int64_t i) {
  PlanCost cost;
  std::optional<Interval> keys = keysOf(i);
  if (!keys)
    return std::nullopt;
  if (keys->isEmpty())
    return cost;
  cost.listRows = 1;
  if (walked.getKind() == PairKind::Random) {
    cost.visitedPairs = width;
    cost.keptPairs = std::min(width, keys->size());
    cost.keptIsExact = cost.keptPairs == 0;
    return cost;
  }
  // i itself, and i - 2^k for each k with 2^k <= i - k_begin.
  auto has = [&](int64_t j) { return keys->first <= j && j <= keys->last; };
  cost.visitedPairs = 1;
  cost.keptPairs = has(i);
  int64_t reach = std::max<int64_t>(i - symbols[KBegin], 0);
  for (unsigned k = 0; k < 63 && (int64_t(1) << k) <= reach; ++k) {
    ++cost.visitedPairs;
    cost.keptPairs += has(i - (int64_t(1) << k));
  }
  cost.keptIsExact = !tests || cost.keptPairs == 0;
  return cost;
}

std::optional<PlanCost> RowComponent::costOfTile(TileRowRange rows,
                                                 int64_t keyTile) {
  PlanCost cost;
  int64_t low = INT64_MAX, high = INT64_MIN;
  int64_t fullLow = INT64_MIN, fullHigh = INT64_MAX;
  bool isWhole = !tests; // every row of the tile keeps what it visits
  for (int64_t u = 0; u < rows.count; ++u) {
    int64_t i = rows.first + u * rows.step;
    if (walk == WalkKind::List) {
      std::optional<PlanCost> list = costOfList(i);
      if (!list)
        return std::nullopt;
      cost += *list;
      continue;
    }
    std::optional<Interval> keys = keysOf(i);
    if (!keys)
      return std::nullopt;
    Interval numbers = numbersOf(*keys, i);
    if (numbers.isEmpty()) {
      isWhole = false;
      continue;
    }
    PlanCost kept;
    kept.keptPairs = numbers.size();
    kept.keptIsExact = !tests;
    cost += kept;
    low = std::min(low, numbers.first);
    high = std::max(high, numbers.last);
    fullLow = std::max(fullLow, numbers.first);
    fullHigh = std::min(fullHigh, numbers.last);
  }
  if (low > high)
    return cost;
  int64_t tiles = llvm::divideCeil(high - low + 1, keyTile), full = 0;
  if (isWhole && fullLow <= fullHigh) {
    int64_t from = llvm::divideCeil(fullLow - low, keyTile);
    int64_t to = fullHigh == high ? tiles : (fullHigh - low + 1) / keyTile;
    full = std::max<int64_t>(to - from, 0);
  }
  PlanCost visit;
  visit.fullTiles = full;
  visit.partialTiles = tiles - full;
  if (llvm::MulOverflow(high - low + 1, rows.count, visit.visitedPairs))
    visit.visitedPairs = INT64_MAX;
  return cost += visit;
}
