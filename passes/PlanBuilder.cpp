// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans: which terms and atoms are used, which atom a component walks, and
// bounds as affine maps.

#include "passes/PlanBuilder.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

WalkKind attnc::walkKindOf(PairsAttr atom) {
  switch (atom.getKind()) {
  case PairKind::Strided:
    return WalkKind::Lattice;
  case PairKind::Columns:
    return WalkKind::Columns;
  case PairKind::Csr:
  case PairKind::TopK:
  case PairKind::Log:
  case PairKind::Random:
    return WalkKind::List;
  case PairKind::Bsr:
    return WalkKind::Blocks;
  default:
    return WalkKind::None;
  }
}

PairsAttr attnc::walkedAtom(PlanAttr plan, ComponentAttr component) {
  return component.getWalk() ? plan.getAtoms()[component.getWalk() - 1]
                             : PairsAttr();
}

WalkKind attnc::walkKindOf(PlanAttr plan, ComponentAttr component) {
  PairsAttr atom = walkedAtom(plan, component);
  return atom ? walkKindOf(atom) : WalkKind::None;
}

/// Which of a component's atoms is best walked: the larger, the fewer keys a
/// query it is likely to leave.
static int64_t walkRank(PairsAttr atom) {
  constexpr int64_t kLists = int64_t(1) << 62;
  switch (walkKindOf(atom)) {
  case WalkKind::None:
    return -1;
  case WalkKind::List:
    return kLists;
  case WalkKind::Blocks:
    return 2;
  case WalkKind::Lattice:
    return std::min(atom.getParams()[0].value, kLists - 1);
  case WalkKind::Columns:
    return atom.getParams()[0].value /
           std::max<int64_t>(atom.getParams()[1].value, 1);
  }
  llvm_unreachable("every kind of walk is ranked");
}

static int64_t chooseWalk(ArrayRef<int64_t> tests, ArrayRef<PairsAttr> atoms) {
  int64_t walk = 0, best = -1;
  for (int64_t test : tests) {
    if (test < 0)
      continue;
    int64_t rank = walkRank(atoms[test - 1]);
    if (rank > best) {
      best = rank;
      walk = test;
    }
  }
  return walk;
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

namespace {
/// Collects the bounds of one component by where they go, own bounds first.
struct BoundLists {
  SmallVector<AffineExpr> lower, upper, rowLower, rowUpper, guard;

  /// `isOfRow`: the bound depends on values.
  void add(const HalfSpace &half, bool isOfRow, MLIRContext *context) {
    AffineExpr bound = half.bound.toExpr(context);
    AffineExpr i = getAffineDimExpr(0, context);
    switch (half.axis) {
    case PairAxis::None:
      guard.push_back(half.upper ? bound : -bound);
      return;
    case PairAxis::Query:
      if (isOfRow)
        guard.push_back(half.upper ? bound - i : i - bound);
      else
        (half.upper ? rowUpper : rowLower).push_back(bound);
      return;
    case PairAxis::Distance:
      bound = i + bound;
      [[fallthrough]];
    case PairAxis::Key:
      (half.upper ? upper : lower).push_back(bound);
    }
  }
};

class PlanBuilder {
public:
  PlanBuilder(MLIRContext *context, const PairTranslator &translator)
      : context(context), terms(translator.getTerms()),
        allAtoms(translator.getAtoms()), termUsed(terms.size()),
        atomUsed(allAtoms.size()), newAtom(allAtoms.size()) {}

  PlanAttr build(ArrayRef<Conjunction> components) {
    for (const Conjunction &set : components)
      markUsed(set);
    number();
    SmallVector<ComponentAttr> attrs;
    for (const Conjunction &set : components)
      attrs.push_back(buildComponent(set));
    return PlanAttr::get(context, attrs, atoms, parameters, values);
  }

private:
  MLIRContext *context;
  ArrayRef<PlanTerm> terms;
  ArrayRef<PairsAttr> allAtoms;
  SmallVector<bool> termUsed, atomUsed;
  SmallVector<int64_t> newAtom;
  /// The symbol that a translator's symbol becomes.
  SmallVector<AffineExpr> newSymbols;
  SmallVector<PairsAttr> atoms;
  SmallVector<int64_t> parameters;
  SmallVector<ValueAttr> values;

  void markTerm(unsigned symbol) {
    if (symbol < FirstParameter || termUsed[symbol - FirstParameter])
      return;
    termUsed[symbol - FirstParameter] = true;
    for (AffineExpr expr : terms[symbol - FirstParameter].results)
      expr.walk([&](AffineExpr part) {
        if (auto inner = dyn_cast<AffineSymbolExpr>(part))
          markTerm(inner.getPosition());
      });
  }

  void markUsed(const Conjunction &set) {
    for (int64_t test : set.tests)
      atomUsed[std::abs(test) - 1] = true;
    for (const HalfSpace &half : set.bounds)
      for (unsigned s = 0; s < half.bound.getNumSymbols(); ++s)
        if (half.bound.getCoefficient(s) != 0)
          markTerm(s);
  }

  /// Parameters before values, each in order of first use.
  void number() {
    for (auto [n, atom] : llvm::enumerate(allAtoms))
      if (atomUsed[n]) {
        atoms.push_back(atom);
        newAtom[n] = atoms.size();
      }
    for (unsigned s = 0; s < FirstParameter + terms.size(); ++s)
      newSymbols.push_back(getAffineSymbolExpr(s, context));
    for (auto [n, term] : llvm::enumerate(terms))
      if (termUsed[n] && term.isParameter()) {
        newSymbols[FirstParameter + n] =
            getAffineSymbolExpr(FirstParameter + parameters.size(), context);
        parameters.push_back(term.parameter);
      }
    unsigned firstValue = FirstParameter + parameters.size();
    for (auto [n, term] : llvm::enumerate(terms)) {
      if (!termUsed[n] || term.isParameter())
        continue;
      unsigned symbol = firstValue + values.size();
      AffineMap map;
      if (!term.results.empty()) {
        SmallVector<AffineExpr> results;
        for (AffineExpr expr : term.results)
          results.push_back(expr.replaceSymbols(newSymbols));
        map = AffineMap::get(1, symbol, results, context);
      }
      values.push_back(ValueAttr::get(context, term.kind, map, term.operand));
      newSymbols[FirstParameter + n] = getAffineSymbolExpr(symbol, context);
    }
  }

  bool dependsOnValues(const HalfSpace &half) const {
    for (unsigned s = FirstParameter; s < half.bound.getNumSymbols(); ++s)
      if (half.bound.getCoefficient(s) != 0 &&
          !terms[s - FirstParameter].isParameter())
        return true;
    return false;
  }

  ComponentAttr buildComponent(const Conjunction &set) {
    BoundLists lists;
    for (const HalfSpace &half : set.bounds)
      lists.add(half, dependsOnValues(half), context);
    // Where pairs exist: always present, so that a component can be walked
    // (and memory read) on its own.
    auto symbol = [](unsigned s) { return LinearForm::symbol(s); };
    for (const HalfSpace &half :
         {HalfSpace::atLeast(PairAxis::Key, symbol(KBegin)),
          HalfSpace::atMost(PairAxis::Key, symbol(KEnd) - LinearForm(1)),
          HalfSpace::atLeast(PairAxis::Query, symbol(QBegin)),
          HalfSpace::atMost(PairAxis::Query, symbol(QEnd) - LinearForm(1))})
      lists.add(half, false, context);
    unsigned numSymbols = FirstParameter + parameters.size() + values.size();
    auto map = [&](unsigned dims, ArrayRef<AffineExpr> results) {
      SmallVector<AffineExpr> renamed;
      for (AffineExpr expr : results)
        renamed.push_back(expr.replaceSymbols(newSymbols));
      return AffineMap::get(dims, numSymbols, renamed, context);
    };
    SmallVector<int64_t> tests;
    for (int64_t test : set.tests)
      tests.push_back(test > 0 ? newAtom[test - 1] : -newAtom[-test - 1]);
    DenseI64ArrayAttr testsAttr;
    if (!tests.empty())
      testsAttr = DenseI64ArrayAttr::get(context, tests);
    return ComponentAttr::get(context, map(1, lists.lower), map(1, lists.upper),
                              map(0, lists.rowLower), map(0, lists.rowUpper),
                              lists.guard.empty() ? AffineMap()
                                                  : map(1, lists.guard),
                              testsAttr, chooseWalk(tests, atoms));
  }
};
} // namespace

PlanAttr attnc::buildPlan(MLIRContext *context,
                          ArrayRef<Conjunction> components,
                          const PairTranslator &translator) {
  return PlanBuilder(context, translator).build(components);
}
