// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a plan, by the words of #attn.plan.

#include "tools/attnc/view/PlanRows.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;
using reference::Interval;
using reference::Intervals;

/// Query rows and membership tests that counting may cost.
static constexpr int64_t kMaxRows = int64_t(1) << 18;
static constexpr int64_t kMaxTests = int64_t(1) << 22;

//===----------------------------------------------------------------------===//
// Shape of bounds
//===----------------------------------------------------------------------===//

static bool hasValue(AffineExpr expr, unsigned firstValue) {
  bool found = false;
  expr.walk([&](AffineExpr e) {
    if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
      found |= symbol.getPosition() >= firstValue;
  });
  return found;
}

static bool rises(AffineExpr expr) {
  if (!expr.isFunctionOfDim(0) ||
      isa<AffineDimExpr, AffineSymbolExpr, AffineConstantExpr>(expr))
    return true;
  auto binary = cast<AffineBinaryOpExpr>(expr);
  if (binary.getKind() == AffineExprKind::Add)
    return rises(binary.getLHS()) && rises(binary.getRHS());
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return constant && constant.getValue() >= 0 && rises(binary.getLHS()) &&
         binary.getKind() != AffineExprKind::Mod;
}

bool attnc::isMonotone(ComponentAttr component, unsigned firstValue) {
  if (component.getGuard() && component.getGuard().getNumResults())
    return false;
  for (AffineMap map : {component.getLower(), component.getUpper()})
    for (AffineExpr expr : map.getResults())
      if (hasValue(expr, firstValue) || !rises(expr))
        return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

PlanRows::PlanRows(ViewedAttention &attention, int64_t batch, int64_t head)
    : attention(attention), batch(batch),
      context(attention.binding->getContext()),
      symbols(attention.symbolsOf(batch, head)), numFixed(symbols.size()) {
  symbols.resize(numFixed + attention.plan.getValues().size(), 0);
  for (ComponentAttr c : attention.plan.getComponents()) {
    std::optional<int64_t> first =
        extreme(c.getRowLower(), std::nullopt, true, context.qBegin);
    std::optional<int64_t> last =
        extreme(c.getRowUpper(), std::nullopt, false, context.qEnd - 1);
    rows.push_back({std::max(first.value_or(0), context.qBegin),
                    std::min(last.value_or(-1), context.qEnd - 1) + 1});
  }
}

std::optional<int64_t> PlanRows::extreme(AffineMap map,
                                         std::optional<int64_t> i, bool isMax,
                                         int64_t otherwise) {
  std::optional<int64_t> result;
  SmallVector<int64_t, 1> dims;
  if (i)
    dims.push_back(*i);
  for (AffineExpr expr : map.getResults()) {
    std::optional<int64_t> x = reference::evaluateAffine(expr, dims, symbols);
    if (!x) {
      failed = true;
      return std::nullopt;
    }
    result = !result ? *x
             : isMax ? std::max(*result, *x)
                     : std::min(*result, *x);
  }
  return result.value_or(otherwise);
}

int64_t PlanRows::value(ValueAttr value, int64_t i) {
  if (value.getKind() == ValueKind::Head)
    return context.head;
  bool isMax = value.getKind() == ValueKind::Max;
  int64_t x = extreme(value.getMap(), i, isMax, 0).value_or(0);
  if (value.getOperand() < 0)
    return x;
  return reference::readValue(value, x, context);
}

bool PlanRows::setRow(int64_t i) {
  if (i == lastRow)
    return true;
  lastRow = i;
  for (auto [n, v] : llvm::enumerate(attention.plan.getValues()))
    symbols[numFixed + n] = value(v, i);
  return !failed;
}

std::optional<Interval> PlanRows::keysOf(unsigned k, int64_t i) {
  ComponentAttr component = attention.plan.getComponents()[k];
  if (i < rows[k].begin || i >= rows[k].end || !setRow(i))
    return std::nullopt;
  if (AffineMap guard = component.getGuard())
    if (extreme(guard, i, false, 0).value_or(-1) < 0)
      return std::nullopt;
  std::optional<int64_t> low =
      extreme(component.getLower(), i, true, context.kBegin);
  std::optional<int64_t> high =
      extreme(component.getUpper(), i, false, context.kEnd - 1);
  if (!low || !high)
    return std::nullopt;
  Interval keys{std::max(*low, context.kBegin),
                std::min(*high, context.kEnd - 1) + 1};
  return keys.begin < keys.end ? std::optional<Interval>(keys) : std::nullopt;
}

bool PlanRows::holds(unsigned k, int64_t i, int64_t j) {
  for (int64_t test : attention.plan.getComponents()[k].getTestNumbers())
    if (reference::contains(attention.plan.getAtoms()[std::abs(test) - 1],
                            context, i, j) != (test > 0))
      return false;
  return true;
}

Interval PlanRows::visitOf(unsigned k, int64_t t) {
  auto [known, isNew] = visits.try_emplace({k, t}, Interval{0, 0});
  if (!isNew)
    return known->second;
  int64_t begin = context.qBegin + t * attention.tile.queryTile;
  int64_t end = std::min(begin + attention.tile.queryTile, rows[k].end);
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (int64_t i = std::max(begin, rows[k].begin); i < end; ++i)
    if (std::optional<Interval> row = keysOf(k, i)) {
      low = std::min(low, row->begin);
      high = std::max(high, row->end);
    }
  return known->second = low < high ? Interval{low, high} : Interval{0, 0};
}

/// What `keys` has and `without` has not; both ascending.
static Intervals subtract(ArrayRef<Interval> keys, ArrayRef<Interval> without) {
  Intervals rest;
  for (Interval interval : keys) {
    for (Interval hole : without) {
      if (hole.end <= interval.begin || hole.begin >= interval.end)
        continue;
      if (hole.begin > interval.begin)
        rest.push_back({interval.begin, hole.begin});
      interval.begin = hole.end;
    }
    if (interval.begin < interval.end)
      rest.push_back(interval);
  }
  return rest;
}

Intervals PlanRows::keptOf(unsigned k, int64_t i, Interval keys) {
  ComponentAttr component = attention.plan.getComponents()[k];
  Intervals kept;
  kept.push_back(keys);
  auto apply = [&](int64_t test) {
    PairsAttr atom = attention.plan.getAtoms()[std::abs(test) - 1];
    Intervals held = reference::keysOf(atom, context, i, kept);
    kept = test > 0 ? held : subtract(kept, held);
  };
  // The list first: it leaves little for the others to test.
  if (int64_t walk = component.getWalk())
    apply(walk);
  for (int64_t test : component.getTestNumbers())
    if (test != component.getWalk())
      apply(test);
  return kept;
}

LogicalResult PlanRows::check() {
  if (context.problem)
    return attention.op.emitOpError() << *context.problem;
  if (failed)
    return attention.op.emitOpError("a bound of the plan overflows or divides "
                                    "by a number that is not positive");
  return failure(context.predicateFailed);
}

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

/// Tiles and pairs within the bounds; of evenly spread query tiles where there
/// are many.
void PlanRows::countTiles(unsigned k, ComponentCount &count, double &pairs) {
  int64_t queries = attention.tile.queryTile, keys = attention.tile.keyTile;
  int64_t n = std::max<int64_t>(context.qEnd - context.qBegin, 0);
  int64_t tiles = llvm::divideCeil(n, queries);
  int64_t looked = std::min(tiles, std::max<int64_t>(kMaxRows / queries, 1));
  double scale = looked < tiles ? double(tiles) / looked : 1;
  double visited = 0, full = 0, partial = 0;
  for (int64_t t = 0; t < looked; ++t) {
    int64_t first = context.qBegin + (t * tiles / looked) * queries;
    int64_t last = std::min(first + queries, context.qEnd) - 1;
    int64_t low = INT64_MAX, high = INT64_MIN;
    int64_t fullLow = INT64_MIN, fullHigh = INT64_MAX;
    bool isWhole = attention.plan.getComponents()[k].getTestNumbers().empty();
    for (int64_t i = first; i <= last; ++i) {
      std::optional<Interval> row = keysOf(k, i);
      isWhole &= row.has_value();
      if (!row)
        continue;
      pairs += (row->end - row->begin) * scale;
      low = std::min(low, row->begin);
      high = std::max(high, row->end);
      fullLow = std::max(fullLow, row->begin);
      fullHigh = std::min(fullHigh, row->end);
    }
    if (low >= high)
      continue;
    int64_t all = llvm::divideCeil(high - low, keys), whole = 0;
    if (isWhole && fullLow < fullHigh) {
      int64_t from = llvm::divideCeil(fullLow - low, keys);
      int64_t to = fullHigh == high ? all : (fullHigh - low) / keys;
      whole = std::max<int64_t>(to - from, 0);
    }
    visited += double(high - low) * (last - first + 1);
    full += whole;
    partial += all - whole;
  }
  count.isExact = looked == tiles;
  if (!attention.isPlanned || attention.plan.getComponents()[k].getWalk())
    return;
  count.visited = visited * scale;
  count.fullTiles = static_cast<int64_t>(full * scale);
  count.partialTiles = static_cast<int64_t>(partial * scale);
}

/// Tests all pairs, or those of evenly spread rows.
void PlanRows::countTested(unsigned k, ComponentCount &count, double pairs) {
  int64_t total = std::max<int64_t>(rows[k].end - rows[k].begin, 0);
  auto countRow = [&](int64_t i) {
    std::optional<Interval> keys = keysOf(k, i);
    return keys ? reference::countPositions(keptOf(k, i, *keys)) : 0;
  };
  int64_t probes = std::min<int64_t>(total, 16);
  context.tests = 0;
  for (int64_t p = 0; p < probes; ++p)
    countRow(rows[k].begin + p * total / probes);
  double each = probes ? 1 + double(context.tests) / probes : 1;
  int64_t looked = std::min<double>(total, std::max(1.0, kMaxTests / each));
  double kept = 0;
  for (int64_t r = 0; r < looked; ++r)
    kept +=
        countRow(rows[k].begin +
                 (looked == total ? r : (2 * r + 1) * total / (2 * looked)));
  count.kept = looked == total ? kept : kept / looked * total;
  count.isExact &= looked == total;
}

ComponentCount PlanRows::count(unsigned k) {
  ComponentCount count;
  bool tested = !attention.plan.getComponents()[k].getTestNumbers().empty();
  double pairs = 0;
  int64_t head = context.head;
  std::optional<PlanCost> cost = attention.costOfComponent(k, batch);
  attention.binding->setBatchAndHead(batch, head);
  if (cost) {
    count.visited = cost->visitedPairs;
    count.fullTiles = cost->fullTiles;
    count.partialTiles = cost->partialTiles;
    pairs = cost->keptPairs;
  } else {
    countTiles(k, count, pairs);
  }
  count.kept = pairs;
  if (tested)
    countTested(k, count, pairs);
  return count;
}
