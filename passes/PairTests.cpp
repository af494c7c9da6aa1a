// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Membership of a pair as operations. Differences of positions are compared
// with extents, never sums: extents may lie anywhere in 64 bits.

#include "passes/PairTests.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/ExprBuilder.h"
#include "passes/PairAlgebra.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using Predicate = arith::CmpIPredicate;

namespace {
/// Positions as a set sees them where it stands (PairScope of the reference).
/// Ends are left out where no set below asks for them.
struct TestScope {
  Value i, j;
  Value qEnd, kBegin, kEnd;
  Value document; // null outside per_document
};

class PairTestBuilder : public IndexBuilder {
public:
  PairTestBuilder(OpBuilder &b, Location loc, PairTestOperands &operands,
                  const PairTestPosition &position)
      : IndexBuilder(b, loc), operands(operands), position(position) {}

  Value build(PairsAttr set, const TestScope &at);

private:
  // Null for sets of other kinds.
  Value buildBounds(PairsAttr set, const TestScope &at);
  Value buildPattern(PairsAttr set, const TestScope &at);
  Value buildOperandSet(PairsAttr set, const TestScope &at);
  Value buildTree(PairsAttr set, const TestScope &at);

  PairTestOperands &operands;
  const PairTestPosition &position;

  //===--------------------------------------------------------------------===//
  // Operands
  //===--------------------------------------------------------------------===//

  Value asIndex(Value x) {
    if (x.getType().isIndex())
      return x;
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  }
  /// An element of an operand whose dims after batch and heads are `tail`.
  Value element(int64_t operand, ArrayRef<Value> tail) {
    SmallVector<Value> at = operands.lead(operand, tail.size());
    llvm::append_range(at, tail);
    return tensor::ExtractOp::create(b, loc, operands.tensor(operand), at);
  }
  /// The size of an operand's last dim.
  Value lastSize(int64_t operand) {
    Value tensor = operands.tensor(operand);
    int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
    return b.createOrFold<tensor::DimOp>(loc, tensor, rank - 1);
  }
  SegmentOp segment(PairsAttr set, Value x) {
    int64_t cu = set.getOperands()[0];
    Type index = b.getIndexType();
    return SegmentOp::create(b, loc, index, index, index, x,
                             operands.tensor(cu), operands.lead(cu, 1));
  }
  Value param(PairsAttr set, unsigned number, const TestScope &at) {
    PairParam p = set.getParams()[number];
    if (!p.isOperand)
      return idx(p.value);
    auto type = dyn_cast<RankedTensorType>(operands.tensor(p.value).getType());
    bool perDocument = at.document && type && type.getRank() == 1;
    return perDocument ? documentParameter(p.value, at.document)
                       : operands.parameter(p.value);
  }
  /// One value a document, or one for all. Outside every document the value is
  /// of no interest, but the index must exist.
  Value documentParameter(int64_t operand, Value document) {
    Value tensor = operands.tensor(operand);
    Value at = max(document, idx(0));
    SmallVector<Value> indices = broadcastIndices(b, loc, tensor, {at});
    return asIndex(tensor::ExtractOp::create(b, loc, tensor, indices));
  }

  //===--------------------------------------------------------------------===//
  // Sets of positions
  //===--------------------------------------------------------------------===//

  Value window(Value left, Value right, const TestScope &at) {
    return both(cmp(Predicate::sle, sub(at.i, at.j), left),
                cmp(Predicate::sle, sub(at.j, at.i), right));
  }

  /// A window's extent, cut to what positions can reach: the sums of
  /// `clampedWindow` then stay within 64 bits.
  Value reach(PairsAttr set, unsigned number, const TestScope &at) {
    constexpr int64_t limit = 2 * kPositionLimit;
    PairParam p = set.getParams()[number];
    if (!p.isOperand)
      return idx(std::min(p.value, limit));
    return max(min(param(set, number, at), idx(limit)), idx(-limit));
  }

  /// Shifted to stay inside the keys; all keys if it is wider than they are.
  Value clampedWindow(PairsAttr set, const TestScope &at) {
    Value left = reach(set, 0, at), right = reach(set, 1, at);
    Value width = add(left, right);
    Value last = sub(sub(at.kEnd, width), idx(1));
    Value begin = max(min(sub(at.i, left), last), at.kBegin);
    Value offset = sub(at.j, begin);
    return both(cmp(Predicate::sge, offset, idx(0)),
                cmp(Predicate::sle, offset, width));
  }

  Value chunk(PairsAttr set, const TestScope &at) {
    int64_t size = set.getParams()[0].value;
    // Chunks shifted by whole sizes are the same chunks.
    Value offset = idx(set.getParams()[1].value % size);
    return cmp(Predicate::eq, floorDiv(sub(at.i, offset), size),
               floorDiv(sub(at.j, offset), size));
  }

  Value dilated(PairsAttr set, const TestScope &at) {
    int64_t width = set.getParams()[0].value;
    int64_t dilation = set.getParams()[1].value, extent;
    if (llvm::MulOverflow(width, dilation, extent))
      extent = std::numeric_limits<int64_t>::max();
    Value reach = idx(extent);
    return both(window(reach, reach, at),
                isMultiple(sub(at.j, at.i), dilation));
  }

  /// A power of two back, or none; x and x - 1 share the sign bit where x < 0.
  Value log(const TestScope &at) {
    Value back = sub(at.i, at.j);
    Value rest = both(back, sub(back, idx(1)));
    return cmp(Predicate::eq, rest, idx(0));
  }

  Value affine(PairsAttr set, const TestScope &at) {
    IntegerSet constraints = set.getAffineSet().getValue();
    Value dims[] = {at.i, at.j}, symbols[] = {at.qEnd, at.kEnd};
    ExprBuilder expressions(b, loc, dims, symbols);
    Value all = bit(true);
    for (unsigned c = 0, e = constraints.getNumConstraints(); c < e; ++c) {
      Value x = expressions.visit(constraints.getConstraint(c));
      Predicate p = constraints.isEq(c) ? Predicate::eq : Predicate::sge;
      all = both(all, cmp(p, x, idx(0)));
    }
    return all;
  }

  //===--------------------------------------------------------------------===//
  // Sets that operands spell out: never inside a scope of other positions
  //===--------------------------------------------------------------------===//

  Value within(Value x, Value begin, Value end) {
    return both(cmp(Predicate::sle, begin, x), cmp(Predicate::slt, x, end));
  }

  Value ranges(PairsAttr set, const TestScope &at) {
    bool byQuery = set.getParams()[0].value != 0;
    Value row = byQuery ? position.row : position.keyRow;
    Value begin = asIndex(element(set.getOperands()[0], row));
    Value end = asIndex(element(set.getOperands()[1], row));
    return within(byQuery ? at.j : at.i, begin, end);
  }

  Value documents(PairsAttr set, const TestScope &at) {
    SegmentOp segment = this->segment(set, at.i);
    // Outside every document begin and end are 0: no key is between.
    return within(at.j, segment.getBegin(), segment.getEnd());
  }

  Value listed(Value x, int64_t list, ArrayRef<Value> rows, Value begin,
               Value end) {
    SmallVector<Value> lead = operands.lead(list, 1 + rows.size());
    llvm::append_range(lead, rows);
    return ListedOp::create(b, loc, b.getI1Type(), x, operands.tensor(list),
                            lead, begin, end);
  }

  /// x is in idx[ptr[row] .. ptr[row + 1]).
  Value inRow(PairsAttr set, Value row, Value x) {
    int64_t ptr = set.getOperands()[0];
    Value begin = asIndex(element(ptr, row));
    Value end = asIndex(element(ptr, add(row, idx(1))));
    return listed(x, set.getOperands()[1], {}, begin, end);
  }

  Value bsr(PairsAttr set, const TestScope &at) {
    if (int64_t block = set.getParams()[0].value)
      return inRow(set, floorDiv(position.row, block), floorDiv(at.j, block));
    // ceil(query rows / block rows); malformed operands must not divide by 0.
    Value one = idx(1);
    Value rows = max(sub(lastSize(set.getOperands()[0]), one), one);
    Value rounded = add(operands.queryRows(), sub(rows, one));
    Value block = max(floorDiv(rounded, rows), one);
    return inRow(set, floorDiv(position.row, block), floorDiv(at.j, block));
  }

  Value topK(PairsAttr set, const TestScope &at) {
    int64_t list = set.getOperands()[0];
    Value isListed = listed(at.j, list, position.row, idx(0), lastSize(list));
    return both(isListed, cmp(Predicate::ne, at.j, idx(-1))); // -1 pads
  }

  //===--------------------------------------------------------------------===//
  // Scopes
  //===--------------------------------------------------------------------===//

  Value child(PairsAttr set, unsigned number, const TestScope &at) {
    return build(set.getChildren()[number], at);
  }

  static bool usesEnds(PairsAttr set) {
    bool uses = false;
    for (PairsAttr child : set.getChildren())
      child.visit([&](PairsAttr part) {
        uses |= part.getKind() == PairKind::Last ||
                part.getKind() == PairKind::Window ||
                part.getKind() == PairKind::Affine;
      });
    return uses;
  }

  Value perDocument(PairsAttr set, const TestScope &at) {
    SegmentOp segment = this->segment(set, at.i);
    Value begin = segment.getBegin(), end = segment.getEnd();
    TestScope inner;
    inner.i = sub(at.i, begin);
    inner.j = sub(at.j, begin);
    inner.document = segment.getNumber();
    if (usesEnds(set)) {
      Value keys = max(at.kBegin, begin);
      inner.qEnd = sub(min(at.qEnd, end), begin);
      inner.kBegin = sub(keys, begin);
      inner.kEnd = sub(max(keys, min(at.kEnd, end)), begin);
    }
    return both(within(at.j, begin, end), child(set, 0, inner));
  }

  Value axes(PairsAttr set, const TestScope &at) {
    int64_t cells = 1;
    for (PairParam extent : set.getParams())
      if (extent.value < 1 || llvm::MulOverflow(cells, extent.value, cells))
        return bit(false); // a grid without cells; too large ones do not verify
    // Compared without sign, negative positions are outside, too.
    Value all = both(cmp(Predicate::ult, at.i, idx(cells)),
                     cmp(Predicate::ult, at.j, idx(cells)));
    Value restI = at.i, restJ = at.j;
    for (size_t axis = set.getParams().size(); axis-- > 0;) {
      int64_t extent = set.getParams()[axis].value;
      TestScope inner;
      // The outermost coordinate is all of the rest, inside the grid.
      inner.i = axis ? floorMod(restI, extent) : restI;
      inner.j = axis ? floorMod(restJ, extent) : restJ;
      inner.kBegin = idx(0);
      inner.qEnd = inner.kEnd = idx(extent);
      inner.document = at.document;
      all = both(all, child(set, axis, inner));
      restI = floorDiv(restI, extent);
      restJ = floorDiv(restJ, extent);
    }
    return all;
  }

  /// `end` rounded up to whole blocks.
  Value blocksEnd(Value end, int64_t size) {
    return add(floorDiv(sub(end, idx(1)), size), idx(1));
  }

  Value blocks(PairsAttr set, const TestScope &at) {
    int64_t size = set.getParams()[0].value;
    TestScope inner;
    inner.i = floorDiv(at.i, size);
    inner.j = floorDiv(at.j, size);
    inner.document = at.document;
    if (usesEnds(set)) {
      inner.qEnd = blocksEnd(at.qEnd, size);
      inner.kBegin = floorDiv(at.kBegin, size);
      inner.kEnd = select(cmp(Predicate::sle, at.kEnd, at.kBegin), inner.kBegin,
                          blocksEnd(at.kEnd, size));
    }
    return child(set, 0, inner);
  }

  Value byHead(PairsAttr set, const TestScope &at) {
    Value kept = child(set, 0, at);
    for (unsigned n = 1, e = set.getChildren().size(); n < e; ++n) {
      Value first = idx(set.getParams()[n].value);
      kept = select(cmp(Predicate::sle, first, position.head),
                    child(set, n, at), kept);
    }
    return kept;
  }
};
} // namespace

/// Sets that bound positions.
Value PairTestBuilder::buildBounds(PairsAttr set, const TestScope &at) {
  auto number = [&](unsigned n) { return param(set, n, at); };
  switch (set.getKind()) {
  case PairKind::Full:
    return bit(true);
  case PairKind::Empty:
    return bit(false);
  case PairKind::Causal:
    return cmp(Predicate::sle, at.j, at.i);
  case PairKind::Window:
    return set.getParams()[2].value ? clampedWindow(set, at)
                                    : window(number(0), number(1), at);
  case PairKind::Local: {
    Value width = number(0);
    return window(width, width, at);
  }
  case PairKind::Prefix:
  case PairKind::First:
    return cmp(Predicate::slt, at.j, number(0));
  case PairKind::Last:
    return cmp(Predicate::sle, sub(at.kEnd, at.j), number(0));
  case PairKind::Global: {
    Value end = number(0);
    return either(cmp(Predicate::slt, at.i, end),
                  cmp(Predicate::slt, at.j, end));
  }
  default:
    return {};
  }
}

/// Sets of distances and residues, and predicates.
Value PairTestBuilder::buildPattern(PairsAttr set, const TestScope &at) {
  switch (set.getKind()) {
  case PairKind::Chunk:
    return chunk(set, at);
  case PairKind::Strided:
    return isMultiple(sub(at.j, at.i), set.getParams()[0].value);
  case PairKind::Columns: {
    int64_t period = set.getParams()[0].value;
    return cmp(Predicate::sge, floorMod(at.j, period),
               idx(period - set.getParams()[1].value));
  }
  case PairKind::Dilated:
    return dilated(set, at);
  case PairKind::Log:
    return log(at);
  case PairKind::Random:
    return IsRandomKeyOp::create(
        b, loc, b.getI1Type(), at.j, position.head, at.i, at.kBegin, at.kEnd,
        set.getParams()[0].value, set.getParams()[1].value);
  case PairKind::Affine:
    return affine(set, at);
  case PairKind::Predicate:
    return operands.predicate(set.getParams()[0].value, at.i, at.j);
  default:
    return {};
  }
}

Value PairTestBuilder::buildOperandSet(PairsAttr set, const TestScope &at) {
  switch (set.getKind()) {
  case PairKind::Keys:
    return element(set.getOperands()[0], position.keyRow);
  case PairKind::Dense:
    return element(set.getOperands()[0], {position.row, position.keyRow});
  case PairKind::Documents:
    return documents(set, at);
  case PairKind::Ranges:
    return ranges(set, at);
  case PairKind::Csr:
    return inRow(set, position.row, at.j);
  case PairKind::Bsr:
    return bsr(set, at);
  case PairKind::TopK:
    return topK(set, at);
  default:
    return {};
  }
}

/// Scopes and operators.
Value PairTestBuilder::buildTree(PairsAttr set, const TestScope &at) {
  switch (set.getKind()) {
  case PairKind::PerDocument:
    return perDocument(set, at);
  case PairKind::Axes:
    return axes(set, at);
  case PairKind::Blocks:
    return blocks(set, at);
  case PairKind::ByHead:
    return byHead(set, at);
  case PairKind::And:
  case PairKind::Or: {
    bool isUnion = set.getKind() == PairKind::Or;
    Value all = bit(!isUnion);
    for (PairsAttr part : set.getChildren()) {
      Value kept = build(part, at);
      all = isUnion ? either(all, kept) : both(all, kept);
    }
    return all;
  }
  case PairKind::Not:
    return b.createOrFold<arith::XOrIOp>(loc, child(set, 0, at), bit(true));
  default:
    return {};
  }
}

Value PairTestBuilder::build(PairsAttr set, const TestScope &at) {
  if (Value kept = buildTree(set, at))
    return kept;
  if (Value kept = buildBounds(set, at))
    return kept;
  if (Value kept = buildPattern(set, at))
    return kept;
  Value kept = buildOperandSet(set, at);
  assert(kept && "every kind is handled");
  return kept;
}

Value attnc::buildPairTest(OpBuilder &b, Location loc, PairsAttr set,
                           PairTestOperands &operands,
                           const PairTestPosition &position) {
  TestScope top{position.i,      position.j,    position.qEnd,
                position.kBegin, position.kEnd, Value()};
  return PairTestBuilder(b, loc, operands, position).build(set, top);
}

bool attnc::hasComputableDivisions(PairsAttr set) {
  bool computable = true;
  set.visit([&](PairsAttr part) {
    if (!part.getAffineSet())
      return;
    for (AffineExpr constraint :
         part.getAffineSet().getValue().getConstraints())
      constraint.walk([&](AffineExpr expr) {
        if (!llvm::is_contained({AffineExprKind::Mod, AffineExprKind::FloorDiv,
                                 AffineExprKind::CeilDiv},
                                expr.getKind()))
          return;
        auto divisor = dyn_cast<AffineConstantExpr>(
            cast<AffineBinaryOpExpr>(expr).getRHS());
        computable &= !divisor || divisor.getValue() > 0;
      });
  });
  return computable;
}

SmallVector<Value> attnc::broadcastIndices(OpBuilder &b, Location loc,
                                           Value tensor, ArrayRef<Value> at) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> indices;
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  for (auto [d, i] : llvm::enumerate(at)) {
    int64_t size = type.getDimSize(d);
    if (!ShapedType::isDynamic(size)) {
      indices.push_back(size == 1 ? zero : i);
      continue;
    }
    Value dim = tensor::DimOp::create(b, loc, tensor, d);
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    Value isOne =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, dim, one);
    indices.push_back(arith::SelectOp::create(b, loc, isOne, zero, i));
  }
  return indices;
}
