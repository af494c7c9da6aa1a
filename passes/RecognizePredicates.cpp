// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From scalar operations of a predicate region to pair sets.

#include "passes/RecognizePredicates.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/IR/Matchers.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Recognizer {
public:
  Recognizer(AttentionOp op, unsigned number)
      : op(op), context(op.getContext()), region(op.getPredicates()[number]),
        number(number) {}

  /// What the predicate is; itself where nothing is recognised.
  PairsAttr run() {
    Value result = region.front().getTerminator()->getOperand(0);
    PairsAttr predicate =
        PairsAttr::get(context, PairKind::Predicate,
                       PairParam::constant(static_cast<int64_t>(number)));
    if (PairsAttr set = recognize(result))
      return set;
    SmallVector<PairsAttr> parts;
    collectConjuncts(result, parts);
    if (parts.empty())
      return predicate;
    parts.push_back(predicate);
    return chain(PairKind::And, parts);
  }

private:
  AttentionOp op;
  MLIRContext *context;
  Region &region;
  unsigned number;

  enum Argument : unsigned { Batch, Head, I, J };
  bool isArgument(Value value, Argument argument) {
    return value == region.getArgument(argument);
  }

  PairsAttr chain(PairKind kind, ArrayRef<PairsAttr> parts) {
    return PairsAttr::get(context, kind, {}, {}, parts);
  }

  /// The recognised ones of the sets whose intersection `value` is.
  void collectConjuncts(Value value, SmallVectorImpl<PairsAttr> &parts) {
    if (auto both = value.getDefiningOp<arith::AndIOp>()) {
      collectConjuncts(both.getLhs(), parts);
      collectConjuncts(both.getRhs(), parts);
    } else if (PairsAttr set = recognize(value)) {
      parts.push_back(set);
    }
  }

  /// The set of pairs for which an i1 holds; null where it is not recognised.
  PairsAttr recognize(Value value) {
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return PairsAttr::get(context, constant.isZero() ? PairKind::Empty
                                                       : PairKind::Full);
    Operation *def = value.getDefiningOp();
    if (!def || !value.getType().isInteger(1))
      return {};
    if (auto compare = dyn_cast<arith::CmpIOp>(def))
      return comparison(compare.getPredicate(), compare.getLhs(),
                        compare.getRhs());
    bool isOr = isa<arith::OrIOp>(def);
    if (!isOr && !isa<arith::AndIOp, arith::XOrIOp>(def))
      return {};
    PairsAttr lhs = recognize(def->getOperand(0));
    PairsAttr rhs = lhs ? recognize(def->getOperand(1)) : PairsAttr();
    if (!rhs)
      return {};
    if (!isa<arith::XOrIOp>(def))
      return chain(isOr ? PairKind::Or : PairKind::And, {lhs, rhs});
    auto without = [&](PairsAttr a, PairsAttr b) {
      return chain(PairKind::And, {a, chain(PairKind::Not, b)});
    };
    return chain(PairKind::Or, {without(lhs, rhs), without(rhs, lhs)});
  }

  PairsAttr comparison(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    using P = arith::CmpIPredicate;
    switch (predicate) {
    case P::sgt:
      return comparison(P::slt, rhs, lhs);
    case P::sge:
      return comparison(P::sle, rhs, lhs);
    case P::ne: {
      PairsAttr equal = comparison(P::eq, lhs, rhs);
      return equal ? chain(PairKind::Not, equal) : PairsAttr();
    }
    case P::slt:
      if (isArgument(lhs, J))
        if (PairsAttr set = prefix(rhs))
          return set;
      break;
    case P::sle:
      // len <= j is the rest of a prefix.
      if (isArgument(rhs, J))
        if (PairsAttr set = prefix(lhs))
          return chain(PairKind::Not, set);
      break;
    case P::eq:
      break;
    default: // unsigned ones speak of other numbers
      return {};
    }
    AffineExpr x = affine(lhs), y = affine(rhs);
    if (!x || !y)
      return {};
    AffineExpr difference = predicate == P::slt ? y - x - 1 : y - x;
    return PairsAttr::get(context, PairKind::Affine, {}, {}, {},
                          IntegerSetAttr::get(IntegerSet::get(
                              2, 0, difference, predicate == P::eq)));
  }

  /// An index that is affine in i (d0) and j (d1); null for others.
  AffineExpr affine(Value value) {
    if (isArgument(value, I) || isArgument(value, J))
      return getAffineDimExpr(isArgument(value, J), context);
    // Sums of positions and constants of this size stay within 64 bits.
    constexpr int64_t kLimit = int64_t(1) << 40;
    APInt constant;
    if (value.getType().isIndex() &&
        matchPattern(value, m_ConstantInt(&constant)) &&
        constant.isSignedIntN(48) &&
        std::abs(constant.getSExtValue()) <= kLimit)
      return getAffineConstantExpr(constant.getSExtValue(), context);
    Operation *def = value.getDefiningOp();
    if (!def || !isa<arith::AddIOp, arith::SubIOp, arith::FloorDivSIOp>(def))
      return {};
    AffineExpr lhs = affine(def->getOperand(0)),
               rhs = affine(def->getOperand(1));
    if (!lhs || !rhs)
      return {};
    if (isa<arith::AddIOp>(def))
      return lhs + rhs;
    if (isa<arith::SubIOp>(def))
      return lhs - rhs;
    auto divisor = dyn_cast<AffineConstantExpr>(rhs);
    return divisor && divisor.getValue() > 0 ? lhs.floorDiv(rhs) : AffineExpr();
  }

  /// `prefix(%len)` of a captured tensor read at the batch: j < len[b].
  PairsAttr prefix(Value length) {
    if (auto cast = length.getDefiningOp<arith::IndexCastOp>())
      length = cast.getIn();
    auto extract = length.getDefiningOp<tensor::ExtractOp>();
    if (!extract || op.getBatchRank() != 1 ||
        extract.getIndices().size() != 1 ||
        !isArgument(extract.getIndices()[0], Batch))
      return {};
    Value tensor = extract.getTensor();
    auto type = cast<RankedTensorType>(tensor.getType());
    bool isLength = type.getDimSize(0) == op.getQueryType().getDimSize(0) &&
                    !type.getElementType().isInteger(1) &&
                    !region.isAncestor(tensor.getParentRegion());
    if (!isLength)
      return {};
    return PairsAttr::get(context, PairKind::Prefix,
                          PairParam::operand(setOperand(tensor)));
  }

  /// The number of a set operand that is `tensor`.
  int64_t setOperand(Value tensor) {
    auto operands = op.getSetOperands();
    auto it = llvm::find(operands, tensor);
    int64_t known = it - operands.begin();
    if (it == operands.end())
      op.getSetOperandsMutable().append(tensor);
    return known;
  }
};
} // namespace

/// `set` with predicate r replaced by `meanings[r]`.
static PairsAttr replace(PairsAttr set, ArrayRef<PairsAttr> meanings) {
  if (set.getKind() == PairKind::Predicate)
    return meanings[set.getParams()[0].value];
  if (set.getChildren().empty())
    return set;
  SmallVector<PairsAttr> children;
  for (PairsAttr child : set.getChildren())
    children.push_back(replace(child, meanings));
  return PairsAttr::get(set.getContext(), set.getKind(), set.getParams(),
                        set.getOperands(), children, set.getAffineSet());
}

void attnc::recognizePredicates(AttentionOp op) {
  SmallVector<PairsAttr> meanings;
  for (unsigned r = 0; r < op.getPredicates().size(); ++r)
    meanings.push_back(Recognizer(op, r).run());
  if (meanings.empty())
    return;
  if (PairsAttr mask = op.getMaskAttr())
    op.setMaskAttr(replace(mask, meanings));
  if (PairsAttr sparsity = op.getSparsityAttr())
    op.setSparsityAttr(replace(sparsity, meanings));
}
