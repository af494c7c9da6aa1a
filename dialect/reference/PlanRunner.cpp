// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans, read literally: the keys that a query's components keep, and whether
// the plan keeps the promises that code generators rely on.

#include "dialect/reference/AttentionBinding.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

void PlanRunner::setSymbols(ArrayRef<int64_t> values) {
  symbols.assign(values.begin(), values.end());
}

FailureOr<SmallVector<int64_t>> PlanRunner::bounds(AffineMap map,
                                                   ArrayRef<int64_t> dims) {
  SmallVector<int64_t> values;
  for (AffineExpr expr : map.getResults()) {
    std::optional<int64_t> value = evaluateAffine(expr, dims, symbols);
    if (!value)
      return op->emitOpError("a bound of the plan overflows or divides by a "
                             "number that is not positive");
    values.push_back(*value);
  }
  return values;
}

/// The keys of a component at position i; nothing where its guards exclude i.
FailureOr<std::optional<Interval>> PlanRunner::componentKeys(unsigned number,
                                                             int64_t i) {
  ComponentAttr component = plan.getComponents()[number];
  FailureOr<SmallVector<int64_t>> rowLower =
      bounds(component.getRowLower(), {});
  FailureOr<SmallVector<int64_t>> rowUpper =
      bounds(component.getRowUpper(), {});
  FailureOr<SmallVector<int64_t>> lower = bounds(component.getLower(), {i});
  FailureOr<SmallVector<int64_t>> upper = bounds(component.getUpper(), {i});
  FailureOr<SmallVector<int64_t>> guard = SmallVector<int64_t>();
  if (component.getGuard())
    guard = bounds(component.getGuard(), {i});
  if (failed(rowLower) || failed(rowUpper) || failed(lower) || failed(upper) ||
      failed(guard))
    return failure();
  if (llvm::any_of(*guard, [](int64_t x) { return x < 0; }))
    return std::optional<Interval>();
  if (llvm::any_of(*rowLower, [&](int64_t x) { return i < x; }) ||
      llvm::any_of(*rowUpper, [&](int64_t x) { return i > x; }))
    return std::optional<Interval>();
  int64_t begin = *llvm::max_element(*lower), end = *llvm::min_element(*upper);
  if (begin > end)
    return std::optional<Interval>();
  // Bounds include their end; keys never sit at the largest integer.
  end = std::min(end, std::numeric_limits<int64_t>::max() - 1);
  return std::optional<Interval>(Interval{begin, end + 1});
}

LogicalResult PlanRunner::keysOf(
    int64_t i, ArrayRef<Interval> universe, KeyRows &keys,
    function_ref<LogicalResult(SmallVectorImpl<int64_t> &)> values,
    function_ref<std::optional<bool>(int64_t, int64_t, int64_t)> test) {
  symbols.resize(FirstParameter + plan.getParameters().size());
  if (failed(values(symbols)))
    return failure();
  for (auto [number, component] : llvm::enumerate(plan.getComponents())) {
    FailureOr<std::optional<Interval>> range = componentKeys(number, i);
    if (failed(range))
      return failure();
    if (!*range)
      continue;
    ArrayRef<int64_t> tests = component.getTestNumbers();
    for (Interval interval : intersect(universe, **range))
      for (int64_t j = interval.begin; j < interval.end; ++j) {
        bool kept = true;
        for (int64_t t : tests) {
          std::optional<bool> holds = test(std::abs(t) - 1, i, j);
          if (!holds)
            return failure();
          kept &= *holds == (t > 0);
          if (!kept)
            break;
        }
        if (kept)
          keys.push_back(j);
      }
  }
  llvm::sort(keys);
  const int64_t *twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end())
    return op->emitOpError("two components of the plan keep the pair of query "
                           "position ")
           << i << " and key position " << *twice;
  return success();
}
