// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Membership of a pair, straight from the table in #attn.pairs.

#include "dialect/reference/PairSetSemantics.h"
#include "dialect/reference/Interpreter.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

/// Positions and extents may lie anywhere in 64 bits; their sums must not wrap.
using Wide = __int128;

//===----------------------------------------------------------------------===//
// Operands, parameters, scopes
//===----------------------------------------------------------------------===//

OperandView PairContext::view(int64_t operand, int64_t tailRank) const {
  const HostTensor &tensor = operands[operand];
  ArrayRef<int64_t> shape = tensor.getShape();
  int64_t lead = tensor.getRank() - tailRank;
  OperandView result{&tensor, 0, shape.take_back(tailRank)};
  // The digits of the flattened batch, then the head, size 1 broadcasting.
  int64_t rest = batch, stride = 1;
  for (int64_t size : result.tail)
    stride *= size;
  for (int64_t d = lead; d-- > 0;) {
    int64_t digit;
    if (d >= batchRank) {
      digit = head;
    } else {
      digit = rest % batchShape[d];
      rest /= batchShape[d];
    }
    result.base += shape[d] == 1 ? 0 : digit * stride;
    stride *= shape[d];
  }
  return result;
}

int64_t reference::paramValue(PairParam param, const PairContext &context,
                              const PairScope &scope) {
  if (!param.isOperand)
    return param.value;
  const HostTensor &tensor = context.operands[param.value];
  if (tensor.getNumElements() == 1)
    return tensor.getInt(0);
  int64_t index =
      scope.document && tensor.getRank() == 1 ? *scope.document : context.batch;
  if (index < tensor.getNumElements())
    return tensor.getInt(index);
  context.problem =
      "a parameter has " + std::to_string(tensor.getNumElements()) +
      " values, but number " + std::to_string(index) + " is needed";
  return 0;
}

std::optional<int64_t> reference::documentOf(const OperandView &cu, int64_t x) {
  // The first boundary above x ends its document; checkOperands has seen that
  // boundaries do not decrease.
  int64_t low = 0, high = cu.size();
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (cu.get(middle) <= x)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || low == cu.size())
    return std::nullopt;
  return low - 1;
}

int64_t reference::readValue(ValueAttr value, int64_t x,
                             const PairContext &context) {
  OperandView view = context.view(value.getOperand(), 1);
  if (view.size() < 1)
    return value.getKind() == ValueKind::Number ? -1 : 0;
  if (value.getKind() == ValueKind::Load)
    return view.get(std::clamp<int64_t>(x, 0, view.size() - 1));
  std::optional<int64_t> document = documentOf(view, x);
  if (value.getKind() == ValueKind::Number)
    return document.value_or(-1);
  return document ? view.get(*document + (value.getKind() == ValueKind::End))
                  : 0;
}

PairScope PairScope::inDocument(int64_t number, int64_t begin,
                                int64_t end) const {
  int64_t keys = std::max(kBegin, begin), keysEnd = std::min(kEnd, end);
  return {std::min(qEnd, end) - begin, keys - begin,
          std::max(keys, keysEnd) - begin, number};
}

/// `end` rounded up to whole blocks.
static int64_t blocksEnd(int64_t end, int64_t size) {
  return floorDiv(end - 1, size) + 1;
}

PairScope PairScope::inBlocks(int64_t size) const {
  int64_t begin = floorDiv(kBegin, size);
  return {blocksEnd(qEnd, size), begin,
          kEnd <= kBegin ? begin : blocksEnd(kEnd, size), document};
}

//===----------------------------------------------------------------------===//
// Sets that need more than a line
//===----------------------------------------------------------------------===//

static uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

int64_t reference::randomKey(int64_t seed, int64_t head, int64_t i, int64_t t,
                             int64_t kBegin, int64_t kEnd) {
  uint64_t hash = mix(static_cast<uint64_t>(seed));
  for (int64_t part : {head, i, t})
    hash = mix(hash ^ static_cast<uint64_t>(part));
  return kBegin + static_cast<int64_t>(hash % uint64_t(kEnd - kBegin));
}

std::optional<int64_t> reference::bsrBlock(PairsAttr set,
                                           const PairContext &context) {
  if (int64_t block = set.getParams()[0].value)
    return block;
  int64_t rows = context.view(set.getOperands()[0], 1).size() - 1;
  if (rows >= 1)
    return std::max<int64_t>((context.queryRows + rows - 1) / rows, 1);
  context.problem = "bsr has no block rows";
  return std::nullopt;
}

std::optional<std::pair<int64_t, int64_t>>
reference::csrRange(const PairContext &context, const OperandView &ptr,
                    const OperandView &idx, int64_t row) {
  if (row < 0 || row + 1 >= ptr.size()) {
    context.problem = "row " + std::to_string(row) + " is not among the " +
                      std::to_string(ptr.size() - 1) + " that ptr describes";
    return std::nullopt;
  }
  int64_t begin = ptr.get(row), end = ptr.get(row + 1);
  if (begin < 0 || end < begin || end > idx.size()) {
    context.problem = "ptr gives row " + std::to_string(row) + " the range " +
                      std::to_string(begin) + " to " + std::to_string(end) +
                      " of " + std::to_string(idx.size()) + " indices";
    return std::nullopt;
  }
  return std::make_pair(begin, end);
}

namespace {
class Membership {
public:
  Membership(PairsAttr set, const PairContext &context, const PairScope &scope,
             int64_t i, int64_t j)
      : set(set), context(context), scope(scope), i(i), j(j) {}

  bool test() const;

private:
  PairsAttr set;
  const PairContext &context;
  const PairScope &scope;
  int64_t i, j;

  Wide param(unsigned number) const {
    return paramValue(set.getParams()[number], context, scope);
  }
  Wide distance() const { return Wide(j) - i; }
  int64_t queryRow() const { return i - context.qBegin; }
  int64_t keyRow() const { return j - context.kBegin; }
  OperandView operand(unsigned number, int64_t tailRank) const {
    return context.view(set.getOperands()[number], tailRank);
  }
  bool child(unsigned number, const PairScope &inner, int64_t ci,
             int64_t cj) const {
    return contains(set.getChildren()[number], context, inner, ci, cj);
  }
  bool child(unsigned number) const { return child(number, scope, i, j); }

  bool window(Wide left, Wide right, bool clamped) const {
    if (!clamped)
      return -left <= distance() && distance() <= right;
    // Shifted to stay inside the keys; all keys if it is wider than they are.
    Wide begin = std::min<Wide>(i - left, Wide(scope.kEnd) - left - right - 1);
    begin = std::max<Wide>(begin, scope.kBegin);
    return begin <= j && j <= begin + left + right;
  }

  bool dilated() const {
    Wide width = param(0), dilation = param(1);
    Wide size = distance() < 0 ? -distance() : distance();
    return size <= width * dilation && size % dilation == 0;
  }

  bool log() const {
    Wide back = -distance(); // a power of two, or 0
    return back >= 0 && (back & (back - 1)) == 0;
  }

  bool random() const {
    if (scope.kEnd <= scope.kBegin)
      return false;
    for (int64_t t = 0, count = static_cast<int64_t>(param(0)); t < count; ++t)
      if (j == randomKey(set.getParams()[1].value, context.head, i, t,
                         scope.kBegin, scope.kEnd))
        return true;
    return false;
  }

  bool affine() const {
    IntegerSet constraints = set.getAffineSet().getValue();
    int64_t dims[] = {i, j}, symbols[] = {scope.qEnd, scope.kEnd};
    for (unsigned c = 0, e = constraints.getNumConstraints(); c < e; ++c) {
      std::optional<int64_t> value =
          evaluateAffine(constraints.getConstraint(c), dims, symbols);
      if (!value) {
        context.problem = "an affine set overflows or divides by a number that "
                          "is not positive";
        return false;
      }
      if (constraints.isEq(c) ? *value != 0 : *value < 0)
        return false;
    }
    return true;
  }

  bool predicate() const {
    std::optional<bool> result =
        context.predicate(set.getParams()[0].value, context, i, j);
    context.predicateFailed |= !result;
    return result.value_or(false);
  }

  bool sameDocument() const {
    OperandView cu = operand(0, 1);
    std::optional<int64_t> d = documentOf(cu, i);
    return d && d == documentOf(cu, j);
  }

  bool ranges() const {
    bool byQuery = set.getParams()[0].value != 0;
    int64_t row = byQuery ? queryRow() : keyRow(), x = byQuery ? j : i;
    return operand(0, 1).get(row) <= x && x < operand(1, 1).get(row);
  }

  bool inCsr(int64_t row, int64_t wanted) const {
    OperandView ptr = operand(0, 1), idx = operand(1, 1);
    auto range = csrRange(context, ptr, idx, row);
    for (int64_t t = range ? range->first : 0; range && t < range->second; ++t)
      if (idx.get(t) == wanted)
        return true;
    return false;
  }

  bool bsr() const {
    std::optional<int64_t> block = bsrBlock(set, context);
    return block && inCsr(queryRow() / *block, floorDiv(j, *block));
  }

  bool topK() const {
    OperandView idx = operand(0, 2);
    for (int64_t t = 0; t < idx.tail[1]; ++t)
      if (idx.get(queryRow(), t) == j && j != -1)
        return true;
    return false;
  }

  bool perDocument() const {
    OperandView cu = operand(0, 1);
    std::optional<int64_t> d = documentOf(cu, i);
    if (!d || d != documentOf(cu, j))
      return false;
    int64_t begin = cu.get(*d);
    return child(0, scope.inDocument(*d, begin, cu.get(*d + 1)), i - begin,
                 j - begin);
  }

  bool axes() const {
    int64_t restI = i, restJ = j;
    if (i < 0 || j < 0)
      return false;
    for (size_t axis = set.getParams().size(); axis-- > 0;) {
      int64_t extent = set.getParams()[axis].value;
      if (!child(axis, scope.inAxis(extent), restI % extent, restJ % extent))
        return false;
      restI /= extent;
      restJ /= extent;
    }
    return restI == 0 && restJ == 0; // inside the grid
  }

  bool blocks() const {
    int64_t size = set.getParams()[0].value;
    return child(0, scope.inBlocks(size), floorDiv(i, size), floorDiv(j, size));
  }

  bool byHead() const {
    unsigned range = 0;
    for (auto [n, first] : llvm::enumerate(set.getParams()))
      if (first.value <= context.head)
        range = n;
    return child(range);
  }
};

bool Membership::test() const {
  switch (set.getKind()) {
  case PairKind::Full:
    return true;
  case PairKind::Empty:
    return false;
  case PairKind::Causal:
    return j <= i;
  case PairKind::Window:
    return window(param(0), param(1), set.getParams()[2].value);
  case PairKind::Local:
    return window(param(0), param(0), /*clamped=*/false);
  case PairKind::Prefix:
    return j < param(0);
  case PairKind::Chunk: {
    Wide size = param(0), offset = param(1);
    return floorDiv(i - offset, size) == floorDiv(j - offset, size);
  }
  case PairKind::Strided:
    return distance() % param(0) == 0;
  case PairKind::Columns:
    return floorMod(j, set.getParams()[0].value) >= param(0) - param(1);
  case PairKind::First:
    return j < param(0);
  case PairKind::Last:
    return j >= Wide(scope.kEnd) - param(0);
  case PairKind::Global:
    return i < param(0) || j < param(0);
  case PairKind::Dilated:
    return dilated();
  case PairKind::Log:
    return log();
  case PairKind::Random:
    return random();
  case PairKind::Affine:
    return affine();
  case PairKind::Predicate:
    return predicate();
  case PairKind::Keys:
    return operand(0, 1).get(keyRow());
  case PairKind::Documents:
    return sameDocument();
  case PairKind::Ranges:
    return ranges();
  case PairKind::Csr:
    return inCsr(queryRow(), j);
  case PairKind::Bsr:
    return bsr();
  case PairKind::TopK:
    return topK();
  case PairKind::Dense:
    return operand(0, 2).get(queryRow(), keyRow());
  case PairKind::PerDocument:
    return perDocument();
  case PairKind::Axes:
    return axes();
  case PairKind::Blocks:
    return blocks();
  case PairKind::ByHead:
    return byHead();
  case PairKind::And:
    return llvm::all_of(llvm::seq<unsigned>(0, set.getChildren().size()),
                        [&](unsigned c) { return child(c); });
  case PairKind::Or:
    return llvm::any_of(llvm::seq<unsigned>(0, set.getChildren().size()),
                        [&](unsigned c) { return child(c); });
  case PairKind::Not:
    return !child(0);
  }
  llvm_unreachable("every kind is handled");
}
} // namespace

bool reference::contains(PairsAttr set, const PairContext &context,
                         const PairScope &scope, int64_t i, int64_t j) {
  return Membership(set, context, scope, i, j).test();
}

bool reference::contains(PairsAttr set, const PairContext &context, int64_t i,
                         int64_t j) {
  return contains(set, context, PairScope::top(context), i, j);
}
