// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#include "passes/Compilable.h"
#include "passes/PairAlgebra.h"

using namespace mlir;
using namespace mlir::attn;

static bool isCompiled(PairsAttr set) {
  switch (set.getKind()) {
  case PairKind::Full:
  case PairKind::Empty:
  case PairKind::Causal:
  case PairKind::Local:
  case PairKind::Prefix:
  case PairKind::First:
  case PairKind::Last:
  case PairKind::Global:
  case PairKind::Keys:
  case PairKind::Dense:
  case PairKind::And:
  case PairKind::Or:
  case PairKind::Not:
    return true;
  case PairKind::Window:
    return set.getParams()[2].value == 0;
  default:
    return false;
  }
}

static LogicalResult verifySets(AttentionOp op) {
  PairsAttr offender;
  op.getPairs().visit([&](PairsAttr set) {
    if (!offender && !isCompiled(set))
      offender = set;
  });
  if (!offender)
    return success();
  StringRef name = getPairSetSpec(offender.getKind()).name;
  StringRef flag = offender.getKind() == PairKind::Window ? "clamped " : "";
  return op.emitError() << "pair set '" << flag << name
                        << "' is not compiled yet";
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
  return verifySets(op);
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
    if (atom.getKind() != PairKind::Keys && atom.getKind() != PairKind::Dense)
      return op.emitError()
             << "the plan's atom " << atom << " is not compiled as a test";
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
