// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a component at given sizes, and the tiles that they make.

#include "passes/PlanRowCost.h"
#include "passes/PairAlgebra.h"
#include "passes/PlanTrend.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;

std::optional<RowComponent> RowComponent::bind(PlanAttr plan,
                                               ComponentAttr component,
                                               ArrayRef<int64_t> symbols,
                                               const RowValues &values,
                                               int64_t strip) {
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
  row.columns = GridColumns::of(plan, component);
  if (stripOf(plan, component, strip))
    row.strip = strip;
  size_t known = row.walk != WalkKind::None || row.columns ? 1 : 0;
  row.tests = component.getTestNumbers().size() > known;
  row.corners = cornersDecide(plan, component);
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
  default: // in operands
    if (!values.list)
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

/// Positions below `position`, from 0 on, in `count` columns from `first` on of
/// a grid.
static int64_t stripRank(int64_t position, int64_t extent, int64_t first,
                         int64_t count) {
  int64_t row = llvm::divideFloorSigned(position, extent);
  return row * count +
         std::clamp<int64_t>(position - row * extent - first, 0, count);
}

/// The columns that some query of a tile keeps; all of them where its strip
/// goes on at the other side of the grid.
void RowComponent::enterStrip(const TileRowRange &rows) {
  int64_t extent = columns->getExtent(), x = llvm::mod(rows.first, extent);
  bool wraps = x + strip > extent;
  firstColumn = wraps ? 0 : columns->first(x);
  columnCount = wraps ? extent : columns->width(x, strip);
}

/// Keys of an interval in the columns that the query keeps.
int64_t RowComponent::keptOf(Interval keys, int64_t i) const {
  int64_t extent = columns->getExtent(), x = llvm::mod(i, extent);
  int64_t first = columns->first(x), count = columns->count(x);
  return stripRank(keys.last + 1, extent, first, count) -
         stripRank(keys.first, extent, first, count);
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
  if (strip > 1) {
    int64_t extent = columns->getExtent();
    return {stripRank(keys.first, extent, firstColumn, columnCount),
            stripRank(keys.last + 1, extent, firstColumn, columnCount) - 1};
  }
  if (walk == WalkKind::Columns)
    return {columnRank(keys.first, period, width),
            columnRank(keys.last + 1, period, width) - 1};
  return keys;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// How many listed keys the interval holds.
static int64_t common(const ListedKeys &list, RowComponent::Interval keys) {
  int64_t count = 0;
  for (KeySpan span : list.spans)
    count += std::max<int64_t>(std::min(span.last, keys.last) -
                                   std::max(span.first, keys.first) + 1,
                               0);
  return count;
}

std::optional<PlanCost> RowComponent::costOfList(int64_t i) {
  PlanCost cost;
  std::optional<Interval> keys = keysOf(i);
  if (!keys)
    return std::nullopt;
  if (keys->isEmpty())
    return cost;
  cost.listRows = 1;
  if (walked.getKind() != PairKind::Log && values->list) {
    std::optional<ListedKeys> listed = values->list(walked, i);
    if (!listed)
      return std::nullopt;
    cost.keptPairs = cost.visitedPairs = common(*listed, *keys);
    cost.keptIsExact = !tests || cost.keptPairs == 0;
    return cost;
  }
  if (walked.getKind() == PairKind::Random) {
    cost.visitedPairs = width;
    cost.keptPairs = std::min(width, keys->size());
    cost.keptIsExact = cost.keptPairs == 0;
    return cost;
  }
  // i itself, and i - 2^k for each k with 2^k <= i - k_begin.
  auto has = [&](int64_t j) { return keys->first <= j && j <= keys->last; };
  cost.keptPairs = has(i);
  int64_t reach = std::max<int64_t>(i - symbols[KBegin], 0);
  for (unsigned k = 0; k < 63 && (int64_t(1) << k) <= reach; ++k)
    cost.keptPairs += has(i - (int64_t(1) << k));
  cost.visitedPairs = cost.keptPairs;
  cost.keptIsExact = !tests || cost.keptPairs == 0;
  return cost;
}

/// The numbers of the keys that some row of a run visits, as kernels find them.
std::optional<RowComponent::Interval>
RowComponent::visitedBy(TileRowRange rows) {
  int64_t first = rows.at(0), last = rows.at(rows.count - 1);
  if (corners) {
    int64_t from = std::max(first, symbols[QBegin]),
            to = std::min(last, symbols[QEnd] - 1);
    if (!tighten(component.getRowLower(), from, true, from) ||
        !tighten(component.getRowUpper(), to, false, to))
      return std::nullopt;
    Interval keys{symbols[KBegin], symbols[KEnd] - 1};
    int64_t guard = 0;
    if (from > to)
      return Interval();
    if (component.getGuard() &&
        !tighten(component.getGuard(), from, false, guard))
      return std::nullopt;
    if (guard < 0)
      return Interval();
    if (!tighten(component.getLower(), from, true, keys.first) ||
        !tighten(component.getUpper(), to, false, keys.last))
      return std::nullopt;
    return numbersOf(keys, first);
  }
  Interval all{INT64_MAX, INT64_MIN};
  for (int64_t u = 0; u < rows.count; ++u) {
    int64_t i = rows.at(u);
    std::optional<Interval> keys = keysOf(i);
    if (!keys)
      return std::nullopt;
    Interval numbers = numbersOf(*keys, i);
    if (numbers.isEmpty())
      continue;
    all.first = std::min(all.first, numbers.first);
    all.last = std::max(all.last, numbers.last);
  }
  return all.isEmpty() ? Interval() : all;
}

/// Tiles by class, and kept pairs.
std::optional<PlanCost> RowComponent::costOfRows(TileRowRange rows,
                                                 int64_t keyTile) {
  PlanCost cost;
  int64_t low = INT64_MAX, high = INT64_MIN;
  int64_t fullLow = INT64_MIN, fullHigh = INT64_MAX;
  bool isWhole = !tests && !columns; // every row of the tile keeps all of it
  for (int64_t u = 0; u < rows.count; ++u) {
    int64_t i = rows.at(u);
    std::optional<Interval> keys = keysOf(i);
    if (!keys)
      return std::nullopt;
    Interval numbers = numbersOf(*keys, i);
    if (numbers.isEmpty()) {
      isWhole = false;
      continue;
    }
    PlanCost kept;
    kept.keptPairs = columns ? keptOf(*keys, i) : numbers.size();
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
  return cost += visit;
}

/// Rows of one block of queries walk its list; a panel computes the scores of
/// all its rows.
std::optional<PlanCost> RowComponent::costOfBlocks(TileRowRange rows,
                                                   TileShape shape) {
  PlanCost cost;
  int64_t together = shape.rowsTogether(tests);
  auto rowAt = [&](int64_t t) { return rows.first + t - symbols[QBegin]; };
  for (int64_t t = 0; t < rows.count;) {
    std::optional<ListedKeys> list = values->list(walked, rows.first + t);
    if (!list || list->block < 1)
      return std::nullopt;
    int64_t size = list->block, group = rowAt(t) / size;
    int64_t end = t; // rows of this group
    PlanCost part;
    while (end < rows.count && rowAt(end) / size == group) {
      std::optional<Interval> keys = keysOf(rows.first + end++);
      if (!keys)
        return std::nullopt;
      part.keptPairs += common(*list, *keys);
    }
    for (int64_t panel = t / together * together; panel < end;
         panel += together) {
      int64_t from = std::max(panel, t), to = std::min(panel + together, end);
      std::optional<Interval> keys = visitedBy(rows.part(from, to - from));
      if (!keys)
        return std::nullopt;
      part.visitedPairs +=
          common(*list, *keys) * (std::min(panel + together, rows.all) - panel);
    }
    std::optional<Interval> all = visitedBy(rows.part(t, end - t));
    if (!all)
      return std::nullopt;
    bool isWhole = !tests && t == 0 && end == rows.count &&
                   part.keptPairs == common(*list, *all) * (end - t);
    int64_t tiles =
        llvm::divideCeil(common(*list, *all), std::min(size, shape.keyTile));
    (isWhole ? part.fullTiles : part.partialTiles) = tiles;
    part.keptIsExact = !tests || part.keptPairs == 0;
    cost += part;
    t = end;
  }
  return cost;
}

std::optional<PlanCost> RowComponent::costOfTile(TileRowRange rows,
                                                 TileShape shape) {
  if (walk == WalkKind::Blocks)
    return costOfBlocks(rows, shape);
  if (walk == WalkKind::List) {
    PlanCost cost;
    for (int64_t u = 0; u < rows.count; ++u) {
      std::optional<PlanCost> list = costOfList(rows.at(u));
      if (!list)
        return std::nullopt;
      cost += *list;
    }
    return cost;
  }
  if (strip > 1)
    enterStrip(rows);
  std::optional<PlanCost> cost = costOfRows(rows, shape.keyTile);
  int64_t together = shape.rowsTogether(tests || strip > 1);
  for (int64_t done = 0; cost && done < rows.count; done += together) {
    int64_t count = std::min(together, rows.count - done);
    std::optional<Interval> keys = visitedBy(rows.part(done, count));
    if (!keys)
      return std::nullopt;
    PlanCost panel;
    if (llvm::MulOverflow(keys->size(), std::min(together, rows.all - done),
                          panel.visitedPairs))
      panel.visitedPairs = INT64_MAX;
    *cost += panel;
  }
  return cost;
}
