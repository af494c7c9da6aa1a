// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What pair sets mean, line by line from the table of #attn.pairs.

#include "PairSets.h"
#include "llvm/ADT/bit.h"

using namespace attnc::test::pairs;
using namespace mlir::attn;

namespace {
int64_t floorDiv(int64_t a, int64_t b) { return llvm::divideFloorSigned(a, b); }
int64_t floorMod(int64_t a, int64_t b) { return a - b * floorDiv(a, b); }

/// Positions and extents where a set stands.
struct Here {
  int64_t i, j;
  int64_t qEnd, kBegin, kEnd;
  int64_t document = -1;
};

uint64_t splitMix(uint64_t state) {
  uint64_t z = state + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class Meaning {
public:
  explicit Meaning(const Values &values) : values(values) {}

  bool keeps(PairsAttr set, const Here &at) const;

private:
  const Values &values;

  int64_t param(PairsAttr set, unsigned n, const Here &at) const {
    PairParam p = set.getParams()[n];
    if (!p.isOperand)
      return p.value;
    const SetOperand &operand = values.operands[p.value];
    bool single = operand.values.size() == 1;
    return operand.at(single ? 0 : at.document);
  }
  const SetOperand &operand(PairsAttr set, unsigned n) const {
    return values.operands[set.getOperands()[n]];
  }
  bool isListed(PairsAttr set, int64_t row, int64_t x) const {
    const SetOperand &rows = operand(set, 0), &list = operand(set, 1);
    for (int64_t t = rows.at(row); t < rows.at(row + 1); ++t)
      if (list.at(t) == x)
        return true;
    return false;
  }
  bool isTop(PairsAttr set, int64_t row, int64_t j) const {
    const SetOperand &list = operand(set, 0);
    for (int64_t t = 0; t < list.shape[1]; ++t)
      if (list.at(row, t) == j && j != -1)
        return true;
    return false;
  }
  bool isRandom(PairsAttr set, const Here &at) const {
    int64_t keys = at.kEnd - at.kBegin;
    for (int64_t t = 0; t < set.getParams()[0].value && keys > 0; ++t) {
      uint64_t x = splitMix(set.getParams()[1].value);
      for (int64_t part : {values.head, at.i, t})
        x = splitMix(x ^ static_cast<uint64_t>(part));
      if (at.j == at.kBegin + static_cast<int64_t>(x % keys))
        return true;
    }
    return false;
  }
  bool clampedWindow(int64_t left, int64_t right, const Here &at) const {
    // Back into the keys from the right, then from the left.
    int64_t begin = at.i - left;
    begin -= std::max<int64_t>(0, begin + left + right + 1 - at.kEnd);
    begin += std::max<int64_t>(0, at.kBegin - begin);
    return begin <= at.j && at.j <= begin + left + right;
  }
  bool inAffine(PairsAttr set, const Here &at) const {
    mlir::IntegerSet constraints = set.getAffineSet().getValue();
    mlir::MLIRContext *context = set.getContext();
    auto number = [&](int64_t x) {
      return mlir::getAffineConstantExpr(x, context);
    };
    for (unsigned c = 0; c < constraints.getNumConstraints(); ++c) {
      mlir::AffineExpr dims[] = {number(at.i), number(at.j)};
      mlir::AffineExpr symbols[] = {number(at.qEnd), number(at.kEnd)};
      int64_t x =
          llvm::cast<mlir::AffineConstantExpr>(
              constraints.getConstraint(c).replaceDimsAndSymbols(dims, symbols))
              .getValue();
      if (constraints.isEq(c) ? x != 0 : x < 0)
        return false;
    }
    return true;
  }
  bool inBlocks(PairsAttr set, const Here &at) const {
    int64_t size = set.getParams()[0].value;
    Here inner = at;
    inner.i = floorDiv(at.i, size);
    inner.j = floorDiv(at.j, size);
    inner.qEnd = -floorDiv(-at.qEnd, size);
    inner.kBegin = floorDiv(at.kBegin, size);
    inner.kEnd = at.kBegin < at.kEnd ? -floorDiv(-at.kEnd, size) : inner.kBegin;
    return keeps(set.getChildren()[0], inner);
  }
  bool inAxes(PairsAttr set, Here at) const {
    int64_t cells = 1;
    for (PairParam extent : set.getParams())
      cells *= extent.value;
    if (at.i < 0 || at.j < 0 || at.i >= cells || at.j >= cells)
      return false;
    for (auto [extent, child] :
         llvm::zip_equal(set.getParams(), set.getChildren())) {
      cells /= extent.value; // of one coordinate along this axis
      Here inner = {at.i / cells, at.j / cells, extent.value, 0,
                    extent.value, at.document};
      if (!keeps(child, inner))
        return false;
      at.i %= cells;
      at.j %= cells;
    }
    return true;
  }
  bool inDocument(PairsAttr set, const Here &at) const {
    const SetOperand &cu = operand(set, 0);
    int64_t d = documentOf(cu, at.i);
    if (d < 0 || documentOf(cu, at.j) != d)
      return false;
    int64_t begin = cu.at(d), end = cu.at(d + 1);
    int64_t keys = std::max(at.kBegin, begin);
    Here inner = {at.i - begin,
                  at.j - begin,
                  std::min(at.qEnd, end) - begin,
                  keys - begin,
                  std::max(std::min(at.kEnd, end), keys) - begin,
                  d};
    return keeps(set.getChildren()[0], inner);
  }
  bool inHeads(PairsAttr set, const Here &at) const {
    size_t n = set.getChildren().size() - 1;
    while (set.getParams()[n].value > values.head)
      --n;
    return keeps(set.getChildren()[n], at);
  }
  bool keepsRows(PairsAttr set, const Here &at) const;
};

bool Meaning::keeps(PairsAttr set, const Here &at) const {
  auto number = [&](unsigned n) { return param(set, n, at); };
  auto inside = [&](PairsAttr child) { return keeps(child, at); };
  int64_t i = at.i, j = at.j, distance = j - i;
  switch (set.getKind()) {
  case PairKind::Full:
    return true;
  case PairKind::Empty:
    return false;
  case PairKind::Causal:
    return j <= i;
  case PairKind::Window:
    if (set.getParams()[2].value)
      return clampedWindow(number(0), number(1), at);
    return -number(0) <= distance && distance <= number(1);
  case PairKind::Local:
    return std::abs(distance) <= number(0);
  case PairKind::Prefix:
  case PairKind::First:
    return j < number(0);
  case PairKind::Chunk:
    return floorDiv(i - number(1), number(0)) ==
           floorDiv(j - number(1), number(0));
  case PairKind::Strided:
    return distance % number(0) == 0;
  case PairKind::Columns:
    return floorMod(j, number(0)) >= number(0) - number(1);
  case PairKind::Last:
    return j >= at.kEnd - number(0);
  case PairKind::Global:
    return i < number(0) || j < number(0);
  case PairKind::Dilated:
    return std::abs(distance) <= number(0) * number(1) &&
           distance % number(1) == 0;
  case PairKind::Log:
    return i == j || (j < i && llvm::has_single_bit(uint64_t(i - j)));
  case PairKind::Affine:
    return inAffine(set, at);
  case PairKind::PerDocument:
    return inDocument(set, at);
  case PairKind::Axes:
    return inAxes(set, at);
  case PairKind::Blocks:
    return inBlocks(set, at);
  case PairKind::ByHead:
    return inHeads(set, at);
  case PairKind::And:
    return llvm::all_of(set.getChildren(), inside);
  case PairKind::Or:
    return llvm::any_of(set.getChildren(), inside);
  case PairKind::Not:
    return !inside(set.getChildren()[0]);
  default:
    return keepsRows(set, at);
  }
}

/// Sets that speak of rows and operands.
bool Meaning::keepsRows(PairsAttr set, const Here &at) const {
  int64_t row = at.i - values.qBegin, keyRow = at.j - values.kBegin;
  switch (set.getKind()) {
  case PairKind::Random:
    return isRandom(set, at);
  case PairKind::Predicate:
    return values.table[floorMod(values.head + at.i + 2 * at.j, kTableSize)];
  case PairKind::Keys:
    return operand(set, 0).at(keyRow);
  case PairKind::Dense:
    return operand(set, 0).at(row, keyRow);
  case PairKind::Documents: {
    int64_t d = documentOf(operand(set, 0), at.i);
    return d >= 0 && d == documentOf(operand(set, 0), at.j);
  }
  case PairKind::Ranges: {
    bool byQuery = set.getParams()[0].value;
    int64_t x = byQuery ? at.j : at.i, r = byQuery ? row : keyRow;
    return operand(set, 0).at(r) <= x && x < operand(set, 1).at(r);
  }
  case PairKind::Csr:
    return isListed(set, row, at.j);
  case PairKind::Bsr: {
    int64_t block = set.getParams()[0].value;
    int64_t rows = operand(set, 0).values.size() - 1;
    if (!block)
      block = (values.n + rows - 1) / rows;
    return isListed(set, row / block, floorDiv(at.j, block));
  }
  case PairKind::TopK:
    return isTop(set, row, at.j);
  default:
    llvm_unreachable("every kind is handled");
  }
}
} // namespace

int64_t attnc::test::pairs::documentOf(const SetOperand &cu, int64_t x) {
  for (int64_t d = 0; d + 1 < static_cast<int64_t>(cu.values.size()); ++d)
    if (cu.at(d) <= x && x < cu.at(d + 1))
      return d;
  return -1;
}

bool attnc::test::pairs::contains(PairsAttr set, const Values &values,
                                  int64_t i, int64_t j) {
  Here top = {i, j, values.qEnd, values.kBegin, values.kEnd};
  return Meaning(values).keeps(set, top);
}
