// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From #attn.pairs to the algebra and back to #attn.plan.

#include "passes/PairNormalForm.h"
#include "llvm/ADT/MapVector.h"

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
// Translation
//===----------------------------------------------------------------------===//

LinearForm PairTranslator::form(PairParam param) {
  if (!param.isOperand)
    return LinearForm(param.value);
  auto *it = llvm::find(parameters, param.value);
  unsigned position = it - parameters.begin();
  if (it == parameters.end())
    parameters.push_back(param.value);
  return symbol(FirstParameter + position);
}

int64_t PairTranslator::atomNumber(PairsAttr set) {
  auto *it = llvm::find(atoms, set);
  int64_t number = it - atoms.begin() + 1;
  if (it == atoms.end())
    atoms.push_back(set);
  return number;
}

/// The half spaces whose intersection (of `global`: union) the set is, if it is
/// one.
std::optional<SmallVector<HalfSpace>> PairTranslator::boundsOf(PairsAttr set) {
  using SmallBounds = SmallVector<HalfSpace>;
  ArrayRef<PairParam> params = set.getParams();
  switch (set.getKind()) {
  case PairKind::Full:
    return SmallBounds{};
  case PairKind::Causal:
    return SmallBounds{HalfSpace::atMost(PairAxis::Distance, 0)};
  case PairKind::Window:
    if (params[2].value)
      return std::nullopt; // clamped
    return SmallBounds{HalfSpace::atLeast(PairAxis::Distance, -form(params[0])),
                       HalfSpace::atMost(PairAxis::Distance, form(params[1]))};
  case PairKind::Local:
    return SmallBounds{HalfSpace::atLeast(PairAxis::Distance, -form(params[0])),
                       HalfSpace::atMost(PairAxis::Distance, form(params[0]))};
  case PairKind::Prefix:
  case PairKind::First:
    return SmallBounds{
        HalfSpace::atMost(PairAxis::Key, form(params[0]) - LinearForm(1))};
  case PairKind::Global: {
    LinearForm last = form(params[0]) - LinearForm(1);
    return SmallBounds{HalfSpace::atMost(PairAxis::Query, last),
                       HalfSpace::atMost(PairAxis::Key, last)};
  }
  case PairKind::Last:
    return SmallBounds{
        HalfSpace::atLeast(PairAxis::Key, symbol(KEnd) - form(params[0]))};
  default:
    return std::nullopt;
  }
}

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

std::optional<Disjunction> PairTranslator::translate(PairsAttr set,
                                                     bool negate) {
  switch (set.getKind()) {
  case PairKind::Not:
    return translate(set.getChildren()[0], !negate);
  case PairKind::And:
  case PairKind::Or: {
    SmallVector<std::optional<Disjunction>, 4> parts;
    for (PairsAttr child : set.getChildren())
      parts.push_back(translate(child, negate));
    return combine(parts, (set.getKind() == PairKind::Or) != negate);
  }
  case PairKind::Empty:
    return negate ? Disjunction{Conjunction()} : Disjunction();
  default:
    break;
  }
  bool isUnion = set.getKind() == PairKind::Global;
  std::optional<SmallVector<HalfSpace>> bounds = boundsOf(set);
  if (!bounds) {
    Conjunction test;
    test.addTest(negate ? -atomNumber(set) : atomNumber(set));
    return Disjunction{test};
  }
  SmallVector<std::optional<Disjunction>, 4> parts;
  for (const HalfSpace &bound : *bounds)
    parts.push_back(unionOf(bound, negate));
  return combine(parts, isUnion != negate);
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

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

namespace {
/// Collects the bounds of one component by where they go, own bounds first.
struct BoundLists {
  SmallVector<AffineExpr> lower, upper, rowLower, rowUpper;

  void add(const HalfSpace &half, MLIRContext *context) {
    AffineExpr bound = half.bound.toExpr(context);
    if (half.axis == PairAxis::Query) {
      (half.upper ? rowUpper : rowLower).push_back(bound);
      return;
    }
    if (half.axis == PairAxis::Distance)
      bound = getAffineDimExpr(0, context) + bound;
    (half.upper ? upper : lower).push_back(bound);
  }
};
} // namespace

static ComponentAttr buildComponent(MLIRContext *context,
                                    const Conjunction &set,
                                    unsigned numSymbols) {
  BoundLists lists;
  for (const HalfSpace &half : set.bounds)
    lists.add(half, context);
  // Where pairs exist: always present, so that a component can be walked (and
  // memory read) on its own.
  PairAxis key = PairAxis::Key, query = PairAxis::Query;
  for (const HalfSpace &half :
       {HalfSpace::atLeast(key, symbol(KBegin)),
        HalfSpace::atMost(key, symbol(KEnd) - LinearForm(1)),
        HalfSpace::atLeast(query, symbol(QBegin)),
        HalfSpace::atMost(query, symbol(QEnd) - LinearForm(1))})
    lists.add(half, context);
  auto map = [&](unsigned dims, ArrayRef<AffineExpr> results) {
    return AffineMap::get(dims, numSymbols, results, context);
  };
  DenseI64ArrayAttr tests;
  if (!set.tests.empty())
    tests = DenseI64ArrayAttr::get(context, set.tests);
  return ComponentAttr::get(context, map(1, lists.lower), map(1, lists.upper),
                            map(0, lists.rowLower), map(0, lists.rowUpper),
                            AffineMap(), tests, 0);
}

PlanAttr attnc::buildPlan(MLIRContext *context,
                          ArrayRef<Conjunction> components,
                          ArrayRef<PairsAttr> atoms,
                          ArrayRef<int64_t> parameters) {
  SmallVector<bool> atomUsed(atoms.size()), parameterUsed(parameters.size());
  for (const Conjunction &set : components) {
    for (int64_t test : set.tests)
      atomUsed[std::abs(test) - 1] = true;
    for (const HalfSpace &half : set.bounds)
      for (size_t p = 0; p < parameters.size(); ++p)
        if (half.bound.getCoefficient(FirstParameter + p) != 0)
          parameterUsed[p] = true;
  }
  SmallVector<PairsAttr> keptAtoms;
  SmallVector<int64_t> keptParameters, newAtom(atoms.size());
  SmallVector<unsigned> newSymbol{KBegin, KEnd, QBegin, QEnd};
  for (auto [n, atom] : llvm::enumerate(atoms)) {
    if (!atomUsed[n])
      continue;
    keptAtoms.push_back(atom);
    newAtom[n] = keptAtoms.size();
  }
  for (auto [p, operand] : llvm::enumerate(parameters)) {
    newSymbol.push_back(FirstParameter + keptParameters.size());
    if (parameterUsed[p])
      keptParameters.push_back(operand);
  }
  SmallVector<ComponentAttr> attrs;
  for (Conjunction set : components) {
    for (int64_t &test : set.tests)
      test = test > 0 ? newAtom[test - 1] : -newAtom[-test - 1];
    for (HalfSpace &half : set.bounds) {
      LinearForm bound(half.bound.getConstant());
      for (unsigned s = 0; s < half.bound.getNumSymbols(); ++s)
        bound = bound +
                LinearForm::symbol(newSymbol[s], half.bound.getCoefficient(s));
      half.bound = bound;
    }
    attrs.push_back(
        buildComponent(context, set, FirstParameter + keptParameters.size()));
  }
  return PlanAttr::get(context, attrs, keptAtoms, keptParameters, {});
}
