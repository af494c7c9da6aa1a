// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets as intervals of keys for one query.

#include "dialect/reference/PairIntervals.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

using Wide = __int128;

//===----------------------------------------------------------------------===//
// Algebra of interval lists
//===----------------------------------------------------------------------===//

Intervals reference::intersect(ArrayRef<Interval> a, ArrayRef<Interval> b) {
  Intervals result;
  while (!a.empty() && !b.empty()) {
    int64_t begin = std::max(a.front().begin, b.front().begin);
    int64_t end = std::min(a.front().end, b.front().end);
    if (begin < end)
      result.push_back({begin, end});
    if (a.front().end < b.front().end)
      a = a.drop_front();
    else
      b = b.drop_front();
  }
  return result;
}

int64_t reference::countPositions(ArrayRef<Interval> intervals) {
  int64_t count = 0;
  for (Interval interval : intervals)
    count += interval.end - interval.begin;
  return count;
}

/// Sorts and joins what overlaps or touches.
static Intervals normalize(Intervals list) {
  llvm::sort(list, [](Interval a, Interval b) { return a.begin < b.begin; });
  Intervals result;
  for (Interval interval : list) {
    if (interval.begin >= interval.end)
      continue;
    if (!result.empty() && interval.begin <= result.back().end)
      result.back().end = std::max(result.back().end, interval.end);
    else
      result.push_back(interval);
  }
  return result;
}

static Intervals subtract(ArrayRef<Interval> from, ArrayRef<Interval> what) {
  Intervals result;
  for (Interval interval : from) {
    int64_t begin = interval.begin;
    for (Interval hole : what) {
      if (hole.end <= begin || hole.begin >= interval.end)
        continue;
      if (hole.begin > begin)
        result.push_back({begin, hole.begin});
      begin = hole.end;
    }
    if (begin < interval.end)
      result.push_back({begin, interval.end});
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Sets
//===----------------------------------------------------------------------===//

namespace {
class RowKeys {
public:
  RowKeys(const PairContext &context, const PairScope &scope, int64_t i)
      : context(context), scope(scope), i(i) {}

  Intervals restrict(PairsAttr set, ArrayRef<Interval> universe);

private:
  const PairContext &context;
  const PairScope &scope;
  int64_t i;

  Wide param(PairsAttr set, unsigned number) const {
    return paramValue(set.getParams()[number], context, scope);
  }
  OperandView operand(PairsAttr set, unsigned number, int64_t rank) const {
    return context.view(set.getOperands()[number], rank);
  }

  /// [begin, end) clipped to the keys of the scope.
  Intervals interval(Wide begin, Wide end) const {
    begin = std::max<Wide>(begin, scope.kBegin);
    end = std::min<Wide>(end, scope.kEnd);
    if (begin >= end)
      return {};
    return {{static_cast<int64_t>(begin), static_cast<int64_t>(end)}};
  }
  Intervals everything() const { return interval(scope.kBegin, scope.kEnd); }

  /// begin, begin + step, ... with `length` positions each, up to `end`.
  Intervals progression(Wide begin, Wide end, Wide step, Wide length) {
    Intervals list;
    if (begin < scope.kBegin)
      begin += (scope.kBegin - begin) / step * step;
    for (Wide at = begin; at < std::min<Wide>(end, scope.kEnd); at += step)
      llvm::append_range(list, interval(at, at + length));
    return charge(normalize(std::move(list)));
  }

  Intervals charge(Intervals list) {
    context.tests += list.size();
    return list;
  }

  /// Tests every position of the universe.
  Intervals scan(PairsAttr set, ArrayRef<Interval> universe) {
    Intervals result;
    for (Interval interval : universe) {
      context.tests += interval.end - interval.begin;
      for (int64_t j = interval.begin; j < interval.end; ++j) {
        if (!contains(set, context, scope, i, j))
          continue;
        if (!result.empty() && result.back().end == j)
          ++result.back().end;
        else
          result.push_back({j, j + 1});
      }
    }
    return result;
  }

  Intervals window(PairsAttr set) {
    Wide left = param(set, 0), right = param(set, 1);
    if (!set.getParams()[2].value)
      return interval(i - left, i + right + 1);
    Wide begin = std::min<Wide>(i - left, Wide(scope.kEnd) - left - right - 1);
    begin = std::max<Wide>(begin, scope.kBegin);
    return interval(begin, begin + left + right + 1);
  }

  Intervals logSteps() {
    Intervals list = interval(i, Wide(i) + 1);
    for (Wide step = 1; Wide(i) - step >= scope.kBegin; step *= 2)
      llvm::append_range(list, interval(i - step, i - step + 1));
    return charge(normalize(std::move(list)));
  }

  Intervals random(PairsAttr set) {
    Intervals list;
    int64_t count = scope.kEnd > scope.kBegin ? set.getParams()[0].value : 0;
    for (int64_t t = 0; t < count; ++t) {
      int64_t j = randomKey(set.getParams()[1].value, context.head, i, t,
                            scope.kBegin, scope.kEnd);
      list.push_back({j, j + 1});
    }
    return charge(normalize(std::move(list)));
  }

  /// Indices of csr (size 1) or bsr row `row`.
  Intervals indexed(PairsAttr set, int64_t row, int64_t size) {
    OperandView idx = operand(set, 1, 1);
    auto range = csrRange(context, operand(set, 0, 1), idx, row);
    Intervals list;
    for (int64_t t = range ? range->first : 0; range && t < range->second; ++t)
      llvm::append_range(list, interval(Wide(idx.get(t)) * size,
                                        (Wide(idx.get(t)) + 1) * size));
    return charge(normalize(std::move(list)));
  }

  Intervals topK(PairsAttr set) {
    OperandView idx = operand(set, 0, 2);
    Intervals list;
    for (int64_t t = 0; t < idx.tail[1]; ++t)
      if (int64_t j = idx.get(i - context.qBegin, t); j != -1)
        llvm::append_range(list, interval(j, Wide(j) + 1));
    return charge(normalize(std::move(list)));
  }

  Intervals document(PairsAttr set) {
    OperandView cu = operand(set, 0, 1);
    std::optional<int64_t> d = documentOf(cu, i);
    if (!d)
      return {};
    Intervals all = interval(cu.get(*d), cu.get(*d + 1));
    if (set.getKind() == PairKind::Documents || all.empty())
      return all;
    int64_t begin = cu.get(*d);
    PairScope inner = scope.inDocument(*d, begin, cu.get(*d + 1));
    RowKeys keys(context, inner, i - begin);
    Intervals list = keys.restrict(set.getChildren()[0], keys.everything());
    for (Interval &interval : list)
      interval = {interval.begin + begin, interval.end + begin};
    return list;
  }

  Intervals blocks(PairsAttr set) {
    int64_t size = set.getParams()[0].value;
    PairScope inner = scope.inBlocks(size);
    RowKeys keys(context, inner, floorDiv(i, size));
    Intervals list;
    for (Interval b : keys.restrict(set.getChildren()[0], keys.everything()))
      llvm::append_range(list,
                         interval(Wide(b.begin) * size, Wide(b.end) * size));
    return normalize(std::move(list));
  }

  /// Positions whose coordinates from `axis` on are kept, `base` being those
  /// of the axes before it.
  void axes(PairsAttr set, unsigned axis, ArrayRef<Intervals> kept, Wide base,
            Intervals &list) {
    Wide extent = set.getParams()[axis].value;
    bool last = axis + 1 == set.getParams().size();
    for (Interval range : kept[axis]) {
      if (last) {
        llvm::append_range(list, interval(base * extent + range.begin,
                                          base * extent + range.end));
        continue;
      }
      for (int64_t x = range.begin; x < range.end; ++x)
        axes(set, axis + 1, kept, base * extent + x, list);
    }
  }
  Intervals axes(PairsAttr set) {
    SmallVector<Intervals> kept(set.getParams().size());
    int64_t rest = i;
    if (i < 0)
      return {};
    for (size_t axis = kept.size(); axis-- > 0;) {
      int64_t extent = set.getParams()[axis].value;
      PairScope inner = scope.inAxis(extent);
      RowKeys keys(context, inner, rest % extent);
      kept[axis] = keys.restrict(set.getChildren()[axis], keys.everything());
      rest /= extent;
    }
    Intervals list;
    if (rest == 0)
      axes(set, 0, kept, 0, list);
    return charge(normalize(std::move(list)));
  }

  static bool isScanned(PairKind kind) {
    return llvm::is_contained({PairKind::Affine, PairKind::Predicate,
                               PairKind::Keys, PairKind::Dense},
                              kind);
  }

  /// Cheap members first: what is tested key by key is tested on what is left.
  Intervals conjunction(PairsAttr set, ArrayRef<Interval> universe) {
    Intervals result(universe);
    for (bool scanned : {false, true})
      for (PairsAttr child : set.getChildren())
        if (isScanned(child.getKind()) == scanned)
          result = restrict(child, result);
    return result;
  }

  Intervals ofSet(PairsAttr set);
};

/// Sets that are few intervals, whatever the universe.
Intervals RowKeys::ofSet(PairsAttr set) {
  switch (set.getKind()) {
  case PairKind::Full:
    return everything();
  case PairKind::Causal:
    return interval(scope.kBegin, Wide(i) + 1);
  case PairKind::Window:
    return window(set);
  case PairKind::Local:
    return interval(i - param(set, 0), i + param(set, 0) + 1);
  case PairKind::Prefix:
  case PairKind::First:
    return interval(scope.kBegin, param(set, 0));
  case PairKind::Last:
    return interval(scope.kEnd - param(set, 0), scope.kEnd);
  case PairKind::Global:
    return i < param(set, 0) ? everything()
                             : interval(scope.kBegin, param(set, 0));
  case PairKind::Chunk: {
    Wide size = param(set, 0), offset = param(set, 1);
    Wide begin = floorDiv(i - offset, size) * size + offset;
    return interval(begin, begin + size);
  }
  case PairKind::Strided:
    return progression(
        Wide(i) - (Wide(i) - scope.kBegin) / param(set, 0) * param(set, 0) -
            param(set, 0),
        scope.kEnd, param(set, 0), 1);
  case PairKind::Columns: {
    Wide period = param(set, 0), count = param(set, 1);
    Wide begin = floorDiv(Wide(scope.kBegin), period) * period;
    return progression(begin + period - count, scope.kEnd, period, count);
  }
  case PairKind::Dilated: {
    Wide reach = param(set, 0) * param(set, 1);
    return progression(i - reach, i + reach + 1, param(set, 1), 1);
  }
  case PairKind::Log:
    return logSteps();
  case PairKind::Random:
    return random(set);
  case PairKind::Documents:
  case PairKind::PerDocument:
    return document(set);
  case PairKind::Csr:
    return indexed(set, i - context.qBegin, 1);
  case PairKind::Bsr: {
    std::optional<int64_t> block = bsrBlock(set, context);
    return block ? indexed(set, (i - context.qBegin) / *block, *block)
                 : Intervals();
  }
  case PairKind::TopK:
    return topK(set);
  case PairKind::Axes:
    return axes(set);
  case PairKind::Blocks:
    return blocks(set);
  default: // empty
    return {};
  }
}

Intervals RowKeys::restrict(PairsAttr set, ArrayRef<Interval> universe) {
  switch (set.getKind()) {
  case PairKind::And:
    return conjunction(set, universe);
  case PairKind::Or: {
    Intervals list;
    for (PairsAttr child : set.getChildren())
      llvm::append_range(list, restrict(child, universe));
    return normalize(std::move(list));
  }
  case PairKind::Not:
    return subtract(universe, restrict(set.getChildren()[0], universe));
  case PairKind::ByHead: {
    unsigned range = 0;
    for (auto [n, first] : llvm::enumerate(set.getParams()))
      if (first.value <= context.head)
        range = n;
    return restrict(set.getChildren()[range], universe);
  }
  case PairKind::Ranges: {
    if (!set.getParams()[0].value) // by key: every key has its own range
      return scan(set, universe);
    int64_t row = i - context.qBegin;
    return intersect(universe, interval(operand(set, 0, 1).get(row),
                                        operand(set, 1, 1).get(row)));
  }
  case PairKind::Affine:
  case PairKind::Predicate:
  case PairKind::Keys:
  case PairKind::Dense:
    return scan(set, universe);
  default:
    return intersect(universe, ofSet(set));
  }
}
} // namespace

Intervals reference::keysOf(PairsAttr set, const PairContext &context,
                            int64_t i, ArrayRef<Interval> universe) {
  PairScope scope = PairScope::top(context);
  return RowKeys(context, scope, i).restrict(set, universe);
}

bool reference::dependsOnHead(PairsAttr set, const PairContext &context) {
  bool depends = false;
  auto byHead = [&](int64_t operand, int64_t tailRank) {
    ArrayRef<int64_t> shape = context.operands[operand].getShape();
    int64_t lead = shape.size() - tailRank;
    depends |= lead > context.batchRank && shape[context.batchRank] != 1;
  };
  set.visit([&](PairsAttr node) {
    PairKind kind = node.getKind();
    depends |= kind == PairKind::ByHead || kind == PairKind::Random ||
               kind == PairKind::Predicate;
    int64_t rank = kind == PairKind::Dense || kind == PairKind::TopK ? 2 : 1;
    for (int64_t operand : node.getOperands())
      byHead(operand, rank);
  });
  return depends;
}
