// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans without what some of their components do not use.

#include "passes/PlanRestriction.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
/// Renumbers the symbols and atoms that a plan keeps.
class PlanRestriction {
public:
  explicit PlanRestriction(PlanAttr plan)
      : plan(plan), context(plan.getContext()),
        parameterCount(plan.getParameters().size()), used(plan.getNumSymbols()),
        atomUsed(plan.getAtoms().size()), newAtom(plan.getAtoms().size()) {}

  PlanAttr restrict(ArrayRef<ComponentAttr> components) {
    for (ComponentAttr component : components)
      markUsed(component);
    number();
    SmallVector<ComponentAttr> kept;
    for (ComponentAttr component : components)
      kept.push_back(rename(component));
    return PlanAttr::get(context, kept, atoms, parameters, values);
  }

private:
  PlanAttr plan;
  MLIRContext *context;
  size_t parameterCount;
  SmallVector<bool> used, atomUsed; // by symbol, by atom
  SmallVector<int64_t> newAtom;
  SmallVector<AffineExpr> newSymbols;
  SmallVector<PairsAttr> atoms;
  SmallVector<int64_t> parameters;
  SmallVector<ValueAttr> values;

  void markMap(AffineMap map) {
    if (!map)
      return;
    map.walkExprs([&](AffineExpr expr) {
      auto symbol = dyn_cast<AffineSymbolExpr>(expr);
      if (!symbol || used[symbol.getPosition()])
        return;
      used[symbol.getPosition()] = true;
      size_t firstValue = FirstParameter + parameterCount;
      if (symbol.getPosition() >= firstValue)
        markMap(plan.getValues()[symbol.getPosition() - firstValue].getMap());
    });
  }

  void markUsed(ComponentAttr component) {
    for (AffineMap map :
         {component.getLower(), component.getUpper(), component.getRowLower(),
          component.getRowUpper(), component.getGuard()})
      markMap(map);
    for (int64_t test : component.getTestNumbers())
      atomUsed[std::abs(test) - 1] = true;
  }

  void number() {
    for (auto [n, atom] : llvm::enumerate(plan.getAtoms()))
      if (atomUsed[n]) {
        atoms.push_back(atom);
        newAtom[n] = atoms.size();
      }
    for (unsigned s = 0; s < FirstParameter; ++s)
      newSymbols.push_back(getAffineSymbolExpr(s, context));
    for (auto [n, operand] : llvm::enumerate(plan.getParameters())) {
      newSymbols.push_back(
          getAffineSymbolExpr(FirstParameter + parameters.size(), context));
      if (used[FirstParameter + n])
        parameters.push_back(operand);
    }
    unsigned firstValue = FirstParameter + parameters.size();
    for (auto [n, value] : llvm::enumerate(plan.getValues())) {
      unsigned symbol = firstValue + values.size();
      if (used[FirstParameter + parameterCount + n])
        values.push_back(ValueAttr::get(context, value.getKind(),
                                        rename(value.getMap(), symbol),
                                        value.getOperand()));
      newSymbols.push_back(getAffineSymbolExpr(symbol, context));
    }
  }

  AffineMap rename(AffineMap map, unsigned numSymbols) {
    if (!map)
      return map;
    SmallVector<AffineExpr> results;
    for (AffineExpr expr : map.getResults())
      results.push_back(expr.replaceSymbols(newSymbols));
    return AffineMap::get(map.getNumDims(), numSymbols, results, context);
  }

  ComponentAttr rename(ComponentAttr component) {
    unsigned count = FirstParameter + parameters.size() + values.size();
    SmallVector<int64_t> tests;
    for (int64_t test : component.getTestNumbers())
      tests.push_back(test > 0 ? newAtom[test - 1] : -newAtom[-test - 1]);
    int64_t walk = component.getWalk() ? newAtom[component.getWalk() - 1] : 0;
    return ComponentAttr::get(context, rename(component.getLower(), count),
                              rename(component.getUpper(), count),
                              rename(component.getRowLower(), count),
                              rename(component.getRowUpper(), count),
                              rename(component.getGuard(), count),
                              tests.empty()
                                  ? DenseI64ArrayAttr()
                                  : DenseI64ArrayAttr::get(context, tests),
                              walk);
  }
};
} // namespace

PlanAttr attnc::restrictPlan(PlanAttr plan,
                             ArrayRef<ComponentAttr> components) {
  return PlanRestriction(plan).restrict(components);
}
