// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From #attn.pairs to the algebra: terms, frames, scopes and operators. Leaves
// are in PairLeaves.cpp.

#include "passes/PairNormalForm.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

static LinearForm symbol(unsigned s) { return LinearForm::symbol(s); }

PairFacts attnc::factsOf(AttentionOp op, bool withSizes) {
  PairFacts facts;
  facts.addEverywhere(HalfSpace::atLeast(PairAxis::Key, symbol(KBegin)));
  facts.addEverywhere(
      HalfSpace::atMost(PairAxis::Key, symbol(KEnd) - LinearForm(1)));
  facts.addEverywhere(HalfSpace::atLeast(PairAxis::Query, symbol(QBegin)));
  facts.addEverywhere(
      HalfSpace::atMost(PairAxis::Query, symbol(QEnd) - LinearForm(1)));
  if (!op.getKStart())
    facts.addEqual(symbol(KBegin), LinearForm(0));
  if (op.getPositionsStart())
    facts.addEqual(symbol(QBegin), LinearForm(0));
  else if (!op.getQStart()) // the last query sits on the last key
    facts.addEqual(symbol(QEnd), symbol(KEnd));
  if (!withSizes)
    return facts;
  auto addSize = [&](LinearForm extent, int64_t size, bool exact) {
    if (ShapedType::isDynamic(size))
      return;
    facts.addNonNegative(LinearForm(size) - extent);
    if (exact)
      facts.addNonNegative(extent - LinearForm(size));
  };
  addSize(symbol(KEnd) - symbol(KBegin), op.getKeyRows(), !op.getLengths());
  addSize(symbol(QEnd) - symbol(QBegin), op.getQueryRows(), !op.getQLengths());
  return facts;
}

//===----------------------------------------------------------------------===//
// Terms and atoms
//===----------------------------------------------------------------------===//

unsigned PairTranslator::termSymbol(PlanTerm term) {
  auto *it = llvm::find(terms, term);
  unsigned number = FirstParameter + (it - terms.begin());
  if (it == terms.end())
    terms.push_back(std::move(term));
  return number;
}

LinearForm PairTranslator::value(ValueKind kind, ArrayRef<AffineExpr> results,
                                 int64_t operand) {
  PlanTerm term;
  term.kind = kind;
  term.results.assign(results.begin(), results.end());
  term.operand = operand;
  return symbol(termSymbol(std::move(term)));
}

/// Nothing where it cannot be told what the operand's values stand for.
std::optional<LinearForm> PairTranslator::param(PairParam param,
                                                const Frame &frame) {
  if (!param.isOperand)
    return LinearForm(param.value);
  if (frame.inDocument) {
    if (!op)
      return std::nullopt;
    Type type = op.getSetOperands()[param.value].getType();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!isPerBatchUniform(type) && tensor.getRank() == 1)
      return value(ValueKind::Load, frame.document.toExpr(context),
                   param.value);
  }
  PlanTerm term;
  term.parameter = param.value;
  return symbol(termSymbol(std::move(term)));
}

/// The leaf in the scopes it stands in.
PairsAttr PairTranslator::wrap(PairsAttr leaf, const Frame &frame) {
  if (!frame.scope)
    return leaf;
  PairKind kind = frame.scope.getKind();
  SmallVector<PairsAttr> children(frame.scope.getChildren().size(),
                                  PairsAttr::get(context, PairKind::Full));
  children[0] = leaf;
  // Distances are the same inside a document, and whether both positions lie
  // in one is said by bounds, of the set or of what is left of its complement.
  bool isRelative =
      leaf.getKind() == PairKind::Strided || leaf.getKind() == PairKind::Log;
  if (kind != PairKind::PerDocument || !isRelative)
    leaf = PairsAttr::get(context, kind, frame.scope.getParams(),
                          frame.scope.getOperands(), children);
  return wrap(leaf, *frame.parent);
}

int64_t PairTranslator::atomNumber(PairsAttr set, const Frame &frame) {
  set = wrap(set, frame);
  auto *it = llvm::find(atoms, set);
  int64_t number = it - atoms.begin() + 1;
  if (it == atoms.end())
    atoms.push_back(set);
  return number;
}

//===----------------------------------------------------------------------===//
// Frames
//===----------------------------------------------------------------------===//

/// Where keys begin or end, or queries end, in a frame's coordinates.
LinearForm PairTranslator::extent(Extent which, const Frame &frame) {
  unsigned top = which == Extent::KeyBegin ? KBegin
                 : which == Extent::KeyEnd ? KEnd
                                           : QEnd;
  if (!frame.scope)
    return symbol(top);
  bool isBegin = which == Extent::KeyBegin;
  if (frame.scope.getKind() == PairKind::Axes) // only axis 0 has a frame
    return isBegin ? LinearForm(0)
                   : LinearForm(frame.scope.getParams()[0].value);
  LinearForm outer = extent(which, *frame.parent);
  if (frame.scope.getKind() == PairKind::Blocks) {
    int64_t size = frame.scope.getParams()[0].value;
    AffineExpr last = outer.toExpr(context) - (isBegin ? 0 : 1);
    return value(ValueKind::Min, last.floorDiv(size) + (isBegin ? 0 : 1));
  }
  const LinearForm &own = isBegin ? frame.documentBegin : frame.documentEnd;
  LinearForm both = value(isBegin ? ValueKind::Max : ValueKind::Min,
                          {outer.toExpr(context), own.toExpr(context)});
  return both - frame.documentBegin;
}

/// A bound of positions in a frame as a bound of positions.
HalfSpace PairTranslator::fromFrame(const FrameBound &bound,
                                    const Frame &frame) {
  auto ofKey = [&](const LinearForm &x) {
    LinearForm end = frame.origin + x * frame.scale;
    return HalfSpace{PairAxis::Key, bound.upper,
                     bound.upper ? end + LinearForm(frame.scale - 1) : end};
  };
  switch (bound.axis) {
  case PairAxis::Key:
    return ofKey(bound.bound);
  case PairAxis::Distance:
    if (frame.moves) // then the scale is 1
      return {PairAxis::Distance, bound.upper,
              frame.origin + frame.rest + bound.bound};
    return ofKey(frame.rest + bound.bound);
  case PairAxis::Query:
    return {frame.moves ? PairAxis::Query : PairAxis::None, bound.upper,
            bound.bound - frame.rest};
  case PairAxis::None:
    return bound;
  }
  llvm_unreachable("every axis is handled");
}

/// Tells the algebra that low <= the frame's query <= high wherever `symbol`
/// has a meaning.
void PairTranslator::boundSymbol(unsigned symbol, const LinearForm &low,
                                 const LinearForm &high, const Frame &frame) {
  PairFacts &facts = algebra.getFacts();
  for (const FrameBound &bound : {HalfSpace::atLeast(PairAxis::Query, low),
                                  HalfSpace::atMost(PairAxis::Query, high)})
    facts.addOfSymbol(symbol, fromFrame(bound, frame));
}

/// The frame of block numbers; nothing for blocks beyond all positions.
std::optional<PairTranslator::Frame>
PairTranslator::blockFrame(PairsAttr scope, int64_t size, const Frame &frame) {
  constexpr int64_t kMaxScale = int64_t(1) << 40;
  if (size > kMaxScale / frame.scale)
    return std::nullopt;
  size_t before = terms.size();
  LinearForm block = value(ValueKind::Min, frame.query.floorDiv(size));
  if (terms.size() != before)
    boundSymbol(FirstParameter + before, block * size,
                block * size + LinearForm(size - 1), frame);
  Frame inner = frame;
  inner.scope = scope;
  inner.parent = &frame;
  inner.query = block.toExpr(context);
  inner.rest = block;
  inner.moves = false;
  inner.scale = frame.scale * size;
  return inner;
}

//===----------------------------------------------------------------------===//
// Translation
//===----------------------------------------------------------------------===//

/// Whether positions cannot reach the bound: it holds everywhere (true) or
/// nowhere (false). Keeps the sums of plans within 64 bits.
static std::optional<bool> isOutOfReach(const HalfSpace &half) {
  int64_t constant = half.bound.getConstant();
  if (constant > -4 * kPositionLimit && constant < 4 * kPositionLimit)
    return std::nullopt;
  return half.upper == (constant > 0);
}

/// One half space, or the rest of it, as a union: itself, everything or
/// nothing.
static Disjunction unionOf(const HalfSpace &half, bool negate) {
  if (std::optional<bool> holds = isOutOfReach(half))
    return *holds != negate ? Disjunction{Conjunction()} : Disjunction();
  Conjunction set;
  set.add(negate ? half.negated() : half);
  return {set};
}

Disjunction PairTranslator::testOf(PairsAttr set) {
  Conjunction test;
  test.addTest(atomNumber(set, Frame()));
  return {test};
}

std::optional<Disjunction> PairTranslator::translate(PairsAttr set,
                                                     bool negate) {
  Frame top;
  top.query = getAffineDimExpr(0, context);
  return translate(set, negate, top);
}

std::optional<Disjunction> PairTranslator::translate(PairsAttr set, bool negate,
                                                     const Frame &frame) {
  switch (set.getKind()) {
  case PairKind::Not:
    return translate(set.getChildren()[0], !negate, frame);
  case PairKind::And:
  case PairKind::Or: {
    SmallVector<std::optional<Disjunction>, 4> parts;
    for (PairsAttr child : set.getChildren())
      parts.push_back(translate(child, negate, frame));
    return combine(parts, (set.getKind() == PairKind::Or) != negate);
  }
  case PairKind::Empty:
    return negate ? Disjunction{Conjunction()} : Disjunction();
  case PairKind::PerDocument:
    return translateDocument(set, negate, frame);
  case PairKind::Blocks:
    return translateBlocks(set, negate, frame);
  case PairKind::Axes:
    return translateAxes(set, negate, frame);
  case PairKind::ByHead:
    return translateHeads(set, negate, frame);
  default:
    return translateLeaf(set, negate, frame);
  }
}

std::optional<Disjunction>
PairTranslator::translateLeaf(PairsAttr set, bool negate, const Frame &frame) {
  Leaf leaf = leafOf(set, frame);
  SmallVector<std::optional<Disjunction>, 4> parts;
  for (const FrameBound &bound : leaf.bounds)
    parts.push_back(unionOf(fromFrame(bound, frame), negate));
  if (leaf.atom) {
    Conjunction test;
    int64_t number = atomNumber(leaf.atom, frame);
    test.addTest(negate ? -number : number);
    parts.push_back(Disjunction{test});
  }
  return combine(parts, leaf.isUnion != negate);
}

std::optional<Disjunction>
PairTranslator::translateDocument(PairsAttr set, bool negate,
                                  const Frame &frame) {
  int64_t boundaries = set.getOperands()[0];
  Frame inner = frame;
  inner.scope = set;
  inner.parent = &frame;
  inner.inDocument = true;
  size_t before = terms.size();
  inner.documentBegin = value(ValueKind::Begin, frame.query, boundaries);
  inner.documentEnd = value(ValueKind::End, frame.query, boundaries);
  inner.document = value(ValueKind::Number, frame.query, boundaries);
  if (terms.size() != before)
    algebra.getFacts().addOfSymbol(
        FirstParameter + before,
        HalfSpace::atMost(PairAxis::None,
                          inner.documentEnd - inner.documentBegin));
  inner.origin = inner.documentBegin;
  inner.rest = -inner.documentBegin;
  inner.query = frame.query - inner.documentBegin.toExpr(context);
  LinearForm last = inner.documentEnd - LinearForm(1);
  return combine(
      {unionOf(HalfSpace::atLeast(PairAxis::Key, inner.documentBegin), negate),
       unionOf(HalfSpace::atMost(PairAxis::Key, last), negate),
       translate(set.getChildren()[0], negate, inner)},
      negate);
}

std::optional<Disjunction> PairTranslator::translateBlocks(PairsAttr set,
                                                           bool negate,
                                                           const Frame &frame) {
  std::optional<Frame> inner = blockFrame(set, set.getParams()[0].value, frame);
  if (inner)
    return translate(set.getChildren()[0], negate, *inner);
  Conjunction test;
  int64_t number = atomNumber(set, frame);
  test.addTest(negate ? -number : number);
  return Disjunction{test};
}

/// Positions along the outermost axis bound keys as blocks do; along the others
/// they do not, and become an atom.
std::optional<Disjunction>
PairTranslator::translateAxes(PairsAttr set, bool negate, const Frame &frame) {
  int64_t cells = 1;
  for (PairParam extent : set.getParams())
    cells *= extent.value; // C22: fits
  int64_t rowCells = cells / set.getParams()[0].value;
  std::optional<Frame> inner = blockFrame(set, rowCells, frame);
  SmallVector<std::optional<Disjunction>, 8> parts;
  auto addTest = [&](PairsAttr atom) {
    Conjunction test;
    int64_t number = atomNumber(atom, frame);
    test.addTest(negate ? -number : number);
    parts.push_back(Disjunction{test});
  };
  LinearForm last(cells - 1);
  for (PairAxis axis : {PairAxis::Query, PairAxis::Key})
    for (const FrameBound &bound :
         {HalfSpace::atLeast(axis, 0), HalfSpace::atMost(axis, last)})
      parts.push_back(unionOf(fromFrame(bound, frame), negate));
  PairsAttr full = PairsAttr::get(context, PairKind::Full);
  for (auto [axis, child] : llvm::enumerate(set.getChildren())) {
    if (axis == 0 && inner) {
      parts.push_back(translate(child, negate, *inner));
      continue;
    }
    if (child.isFull())
      continue;
    SmallVector<PairsAttr> children(set.getChildren().size(), full);
    children[axis] = child;
    addTest(
        PairsAttr::get(context, PairKind::Axes, set.getParams(), {}, children));
  }
  return combine(parts, negate);
}

std::optional<Disjunction>
PairTranslator::translateHeads(PairsAttr set, bool negate, const Frame &frame) {
  LinearForm head = value(ValueKind::Head, {});
  SmallVector<std::optional<Disjunction>, 4> ranges;
  size_t count = set.getChildren().size();
  for (size_t n = 0; n < count; ++n) {
    Conjunction range;
    if (n > 0)
      range.add(HalfSpace::atMost(PairAxis::None,
                                  head - LinearForm(set.getParams()[n].value)));
    if (n + 1 < count)
      range.add(HalfSpace::atMost(
          PairAxis::None, LinearForm(set.getParams()[n + 1].value - 1) - head));
    ranges.push_back(combine(
        {Disjunction{range}, translate(set.getChildren()[n], negate, frame)},
        /*isUnion=*/false));
  }
  return combine(ranges, /*isUnion=*/true);
}

/// The union or the intersection of all parts.
std::optional<Disjunction>
PairTranslator::combine(ArrayRef<std::optional<Disjunction>> parts,
                        bool isUnion) {
  Disjunction result;
  if (!isUnion)
    result.push_back(Conjunction());
  for (const std::optional<Disjunction> &part : parts) {
    if (!part)
      return std::nullopt;
    if (isUnion) {
      llvm::append_range(result, *part);
      if (!algebra.isWithinLimits(result.size()))
        return std::nullopt;
      continue;
    }
    std::optional<Disjunction> both = algebra.intersect(result, *part);
    if (!both)
      return std::nullopt;
    result = std::move(*both);
    // Products of unions are full of parts that others cover.
    if (result.size() > 4)
      algebra.coalesce(result);
  }
  return result;
}
