// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans: which atom a component walks, and bounds as affine maps.

#include "passes/PlanBuilder.h"
#include "passes/PlanRestriction.h"
#include "passes/PlanWalk.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

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
        atoms(translator.getAtoms()) {}

  PlanAttr build(ArrayRef<Conjunction> components) {
    numberTerms();
    SmallVector<ComponentAttr> attrs;
    for (const Conjunction &set : components)
      attrs.push_back(buildComponent(set));
    // Of what the translator met, the components use some.
    return restrictPlan(
        PlanAttr::get(context, attrs, atoms, parameters, values), attrs);
  }

private:
  MLIRContext *context;
  ArrayRef<PlanTerm> terms;
  ArrayRef<PairsAttr> atoms;
  /// The symbol that a translator's symbol becomes.
  SmallVector<AffineExpr> newSymbols;
  SmallVector<int64_t> parameters;
  SmallVector<ValueAttr> values;

  /// Parameters before values, each in order of first use.
  void numberTerms() {
    for (unsigned s = 0; s < FirstParameter + terms.size(); ++s)
      newSymbols.push_back(getAffineSymbolExpr(s, context));
    for (auto [n, term] : llvm::enumerate(terms))
      if (term.isParameter()) {
        newSymbols[FirstParameter + n] =
            getAffineSymbolExpr(FirstParameter + parameters.size(), context);
        parameters.push_back(term.parameter);
      }
    unsigned firstValue = FirstParameter + parameters.size();
    for (auto [n, term] : llvm::enumerate(terms)) {
      if (term.isParameter())
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
    DenseI64ArrayAttr testsAttr;
    if (!set.tests.empty())
      testsAttr = DenseI64ArrayAttr::get(context, set.tests);
    return ComponentAttr::get(context, map(1, lists.lower), map(1, lists.upper),
                              map(0, lists.rowLower), map(0, lists.rowUpper),
                              lists.guard.empty() ? AffineMap()
                                                  : map(1, lists.guard),
                              testsAttr, chooseWalk(set.tests, atoms));
  }
};
} // namespace

PlanAttr attnc::buildPlan(MLIRContext *context,
                          ArrayRef<Conjunction> components,
                          const PairTranslator &translator) {
  return PlanBuilder(context, translator).build(components);
}
