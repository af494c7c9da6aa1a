// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Leaves of pair sets as half spaces in the coordinates of the frame they stand
// in, and what is left of them as an atom.

#include "passes/PairNormalForm.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

static constexpr PairAxis kKey = PairAxis::Key, kQuery = PairAxis::Query,
                          kDistance = PairAxis::Distance;

static PairsAttr strided(MLIRContext *context, int64_t stride) {
  if (stride == 1)
    return {};
  return PairsAttr::get(context, PairKind::Strided,
                        PairParam::constant(stride));
}

PairTranslator::Leaf PairTranslator::leafOf(PairsAttr set, const Frame &frame) {
  if (std::optional<Leaf> leaf = plainLeaf(set, frame))
    return *leaf;
  ArrayRef<PairParam> params = set.getParams();
  Leaf leaf;
  switch (set.getKind()) {
  case PairKind::Window: // plain ones have been seen
    return clampedWindow(set, frame);
  case PairKind::Chunk:
    return chunk(set, frame);
  case PairKind::Affine:
    return affine(set, frame);
  case PairKind::Strided:
    leaf.atom = strided(context, params[0].value);
    return leaf;
  case PairKind::Columns:
    if (params[1].value < params[0].value)
      leaf.atom = set;
    return leaf;
  case PairKind::Dilated: {
    leaf.atom = strided(context, params[1].value);
    int64_t reach;
    if (llvm::MulOverflow(params[0].value, params[1].value, reach))
      return leaf;
    leaf.bounds = {HalfSpace::atLeast(kDistance, -reach),
                   HalfSpace::atMost(kDistance, reach)};
    return leaf;
  }
  case PairKind::Log:
    leaf.bounds = {HalfSpace::atMost(kDistance, 0)};
    leaf.atom = set;
    return leaf;
  case PairKind::Documents: {
    AffineExpr i = frame.query;
    LinearForm begin = value(ValueKind::Begin, i, set.getOperands()[0]);
    LinearForm end = value(ValueKind::End, i, set.getOperands()[0]);
    leaf.bounds = {HalfSpace::atLeast(kKey, begin),
                   HalfSpace::atMost(kKey, end - LinearForm(1))};
    return leaf;
  }
  case PairKind::Ranges:
    if (params[0].value) { // the range of the query's row
      AffineExpr row = frame.query - getAffineSymbolExpr(QBegin, context);
      LinearForm first = value(ValueKind::Load, row, set.getOperands()[0]);
      LinearForm end = value(ValueKind::Load, row, set.getOperands()[1]);
      leaf.bounds = {HalfSpace::atLeast(kKey, first),
                     HalfSpace::atMost(kKey, end - LinearForm(1))};
      return leaf;
    }
    [[fallthrough]];
  default:
    leaf.atom = set;
    return leaf;
  }
}

/// Sets of half spaces whose bounds are parameters; an atom where a parameter
/// cannot be read, nothing for other sets.
std::optional<PairTranslator::Leaf>
PairTranslator::plainLeaf(PairsAttr set, const Frame &frame) {
  Leaf leaf;
  SmallVector<LinearForm, 2> params;
  bool isReadable = true;
  for (PairParam p : set.getParams()) {
    std::optional<LinearForm> form = param(p, frame);
    isReadable &= form.has_value();
    params.push_back(form.value_or(LinearForm()));
  }
  switch (set.getKind()) {
  case PairKind::Full:
    return leaf;
  case PairKind::Causal:
    leaf.bounds = {HalfSpace::atMost(kDistance, 0)};
    return leaf;
  case PairKind::Window:
    if (set.getParams()[2].value)
      return std::nullopt; // clamped
    leaf.bounds = {HalfSpace::atLeast(kDistance, -params[0]),
                   HalfSpace::atMost(kDistance, params[1])};
    break;
  case PairKind::Local:
    leaf.bounds = {HalfSpace::atLeast(kDistance, -params[0]),
                   HalfSpace::atMost(kDistance, params[0])};
    break;
  case PairKind::Prefix:
  case PairKind::First:
    leaf.bounds = {HalfSpace::atMost(kKey, params[0] - LinearForm(1))};
    break;
  case PairKind::Global: {
    LinearForm last = params[0] - LinearForm(1);
    leaf.bounds = {HalfSpace::atMost(kQuery, last),
                   HalfSpace::atMost(kKey, last)};
    leaf.isUnion = true;
    break;
  }
  case PairKind::Last:
    leaf.bounds = {
        HalfSpace::atLeast(kKey, extent(Extent::KeyEnd, frame) - params[0])};
    break;
  default:
    return std::nullopt;
  }
  if (isReadable)
    return leaf;
  leaf = Leaf();
  leaf.atom = set;
  return leaf;
}

/// The window shifted to stay inside the keys.
PairTranslator::Leaf PairTranslator::clampedWindow(PairsAttr set,
                                                   const Frame &frame) {
  Leaf leaf;
  std::optional<LinearForm> left = param(set.getParams()[0], frame);
  std::optional<LinearForm> right = param(set.getParams()[1], frame);
  if (!left || !right) {
    leaf.atom = set;
    return leaf;
  }
  AffineExpr wanted = frame.query - left->toExpr(context);
  LinearForm width = *left + *right;
  LinearForm last = extent(Extent::KeyEnd, frame) - width - LinearForm(1);
  LinearForm fitting = value(ValueKind::Min, {wanted, last.toExpr(context)});
  LinearForm begin =
      value(ValueKind::Max, {fitting.toExpr(context),
                             extent(Extent::KeyBegin, frame).toExpr(context)});
  leaf.bounds = {HalfSpace::atLeast(kKey, begin),
                 HalfSpace::atMost(kKey, begin + width)};
  return leaf;
}

PairTranslator::Leaf PairTranslator::chunk(PairsAttr set, const Frame &frame) {
  int64_t size = set.getParams()[0].value, offset = set.getParams()[1].value;
  Leaf leaf;
  size_t before = terms.size();
  LinearForm begin = value(
      ValueKind::Min, (frame.query - offset).floorDiv(size) * size + offset);
  LinearForm last = begin + LinearForm(size - 1);
  if (terms.size() != before)
    boundSymbol(FirstParameter + before, begin, last, frame);
  leaf.bounds = {HalfSpace::atLeast(kKey, begin),
                 HalfSpace::atMost(kKey, last)};
  return leaf;
}

//===----------------------------------------------------------------------===//
// Affine sets
//===----------------------------------------------------------------------===//

/// expr = factor * j + rest, where j (d1) stands in no division.
static std::optional<std::pair<int64_t, AffineExpr>> splitKey(AffineExpr expr) {
  MLIRContext *context = expr.getContext();
  if (!expr.isFunctionOfDim(1))
    return std::make_pair(int64_t(0), expr);
  if (isa<AffineDimExpr>(expr))
    return std::make_pair(int64_t(1), getAffineConstantExpr(0, context));
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto lhs = splitKey(binary.getLHS()), rhs = splitKey(binary.getRHS());
  if (!lhs || !rhs)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return std::make_pair(lhs->first + rhs->first, lhs->second + rhs->second);
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  int64_t product;
  if (expr.getKind() != AffineExprKind::Mul || !factor ||
      llvm::MulOverflow(lhs->first, factor.getValue(), product))
    return std::nullopt;
  return std::make_pair(product, lhs->second * factor);
}

/// Whether all divisors are positive constants.
static bool dividesSafely(AffineExpr expr) {
  bool isSafe = true;
  expr.walk([&](AffineExpr part) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (!binary || part.getKind() == AffineExprKind::Add ||
        part.getKind() == AffineExprKind::Mul)
      return;
    auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    isSafe &= divisor && divisor.getValue() > 0;
  });
  return isSafe;
}

/// expr >= 0 (or = 0) as bounds of the key; false where it is none.
bool PairTranslator::affineBounds(AffineExpr expr, bool isEquality,
                                  const Frame &frame, Leaf &leaf) {
  auto split = splitKey(expr);
  if (!split || !dividesSafely(expr))
    return false;
  auto [factor, rest] = *split;
  rest = rest.replaceDims({frame.query, getAffineConstantExpr(0, context)});
  if (factor == 0) {
    LinearForm x = value(ValueKind::Min, rest);
    leaf.bounds.push_back(HalfSpace::atMost(PairAxis::None, x));
    if (isEquality)
      leaf.bounds.push_back(HalfSpace::atLeast(PairAxis::None, x));
    return true;
  }
  // factor * j >= -rest
  auto add = [&](int64_t f, AffineExpr r) {
    if (f > 0)
      leaf.bounds.push_back(
          HalfSpace::atLeast(kKey, value(ValueKind::Min, (-r).ceilDiv(f))));
    else
      leaf.bounds.push_back(
          HalfSpace::atMost(kKey, value(ValueKind::Min, r.floorDiv(-f))));
  };
  add(factor, rest);
  if (isEquality)
    add(-factor, -rest);
  return true;
}

/// Constraints on the key become bounds, the others stay together an atom.
PairTranslator::Leaf PairTranslator::affine(PairsAttr set, const Frame &frame) {
  IntegerSet constraints = set.getAffineSet().getValue();
  Leaf leaf;
  SmallVector<AffineExpr> others;
  SmallVector<bool> otherKinds;
  AffineExpr symbols[] = {extent(Extent::QueryEnd, frame).toExpr(context),
                          extent(Extent::KeyEnd, frame).toExpr(context)};
  for (auto [expr, isEquality] :
       llvm::zip(constraints.getConstraints(), constraints.getEqFlags())) {
    AffineExpr bound = expr.replaceSymbols(
        ArrayRef(symbols).take_front(constraints.getNumSymbols()));
    if (affineBounds(bound, isEquality, frame, leaf))
      continue;
    others.push_back(expr);
    otherKinds.push_back(isEquality);
  }
  if (!others.empty())
    leaf.atom =
        PairsAttr::get(context, PairKind::Affine, {}, {}, {},
                       IntegerSetAttr::get(IntegerSet::get(
                           constraints.getNumDims(),
                           constraints.getNumSymbols(), others, otherKinds)));
  return leaf;
}
