// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#include "passes/Compilable.h"
#include "passes/PairAlgebra.h"
#include "passes/PairTests.h"

using namespace mlir;
using namespace mlir::attn;

/// Every set is compiled, by bounds or as a test, but for what no kernel could
/// compute.
static LogicalResult verifySet(AttentionOp op, PairsAttr set) {
  if (attnc::hasComputableDivisions(set))
    return success();
  return op.emitError("an affine set divides by a number that is not positive");
}

LogicalResult attnc::verifyCompilable(AttentionOp op) {
  if (!isa<SoftmaxAttr>(op.getAccumulator()))
    return op.emitError() << "kernel " << op.getAccumulator()
                          << " is not compiled yet";
  std::pair<StringRef, Value> operands[] = {{"pages", op.getPages()},
                                            {"sink", op.getSink()},
                                            {"decay", op.getDecay()},
                                            {"state", op.getState()}};
  for (auto [name, value] : operands)
    if (value)
      return op.emitError() << "operand '" << name << "' is not compiled yet";
  if (!op.getProbMod().empty())
    return op.emitError("prob_mod is not compiled yet");
  for (ResultKind kind : op.getReturnKinds())
    if (kind != ResultKind::Lse)
      return op.emitError() << "result '" << stringifyResultKind(kind)
                            << "' is not compiled yet";
  return verifySet(op, op.getPairs());
}

/// Whether a bound is (0 or 1) times the query position plus symbols: what
/// the corners of a tile can be read from.
static bool isMonotoneBound(AffineExpr expr, unsigned numSymbols) {
  AffineExpr query = getAffineSymbolExpr(numSymbols, expr.getContext());
  std::optional<attnc::LinearForm> form =
      attnc::LinearForm::fromExpr(expr.replaceDims(query));
  if (!form)
    return false;
  int64_t slope = form->getCoefficient(numSymbols);
  return slope == 0 || slope == 1;
}

LogicalResult attnc::verifyPlan(AttentionOp op) {
  for (PairsAttr atom : op.getPlanAttr().getAtoms())
    if (failed(verifySet(op, atom)))
      return failure();
  for (ComponentAttr component : op.getPlanAttr().getComponents())
    for (AffineMap map : {component.getLower(), component.getUpper()})
      if (!llvm::all_of(map.getResults(), [&](AffineExpr bound) {
            return isMonotoneBound(bound, map.getNumSymbols());
          }))
        return op.emitError() << "a bound of the plan does not rise by 0 or 1 "
                                 "with the query: "
                              << AffineMapAttr::get(map);
  return success();
}
