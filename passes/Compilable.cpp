// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#include "passes/Compilable.h"
#include "passes/PairAlgebra.h"
#include "mlir/IR/TypeUtilities.h"

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

static LogicalResult verifyComponent(AttentionOp op, ComponentAttr component) {
  PlanAttr plan = op.getPlanAttr();
  size_t symbols = FirstParameter + plan.getParameters().size();
  if (component.getLower().getNumSymbols() != symbols)
    return op.emitError() << "a component of the plan takes "
                          << component.getLower().getNumSymbols()
                          << " symbols, expected " << symbols;
  for (AffineMap map : {component.getLower(), component.getUpper()})
    if (!llvm::all_of(map.getResults(), [&](AffineExpr bound) {
          return isMonotoneBound(bound, symbols);
        }))
      return op.emitError() << "a bound of the plan does not rise by 0 or 1 "
                               "with the query: "
                            << AffineMapAttr::get(map);
  if (!component.getTests())
    return success();
  for (int64_t test : component.getTests().asArrayRef())
    if (std::abs(test) > static_cast<int64_t>(plan.getAtoms().size()))
      return op.emitError() << "the plan tests atom " << test << " of "
                            << plan.getAtoms().size();
  return success();
}

LogicalResult attnc::verifyPlan(AttentionOp op) {
  PlanAttr plan = op.getPlanAttr();
  int64_t operands = op.getSetOperands().size();
  for (int64_t parameter : plan.getParameters()) {
    if (parameter < 0 || parameter >= operands)
      return op.emitError() << "the plan's parameter names set operand "
                            << parameter << " of " << operands;
    Type type = op.getSetOperands()[parameter].getType();
    Type element = getElementTypeOrSelf(type);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!element.isIntOrIndex() || element.isInteger(1) ||
        (!isPerBatchUniform(type) && tensor.getRank() != op.getBatchRank()))
      return op.emitError() << "the plan's parameter " << parameter
                            << " is not one integer a batch: " << type;
  }
  for (PairsAttr atom : plan.getAtoms()) {
    bool isAtom = atom.getKind() == PairKind::Keys ||
                  atom.getKind() == PairKind::Dense;
    if (!isAtom || atom.getNumOperandRefs() > operands)
      return op.emitError() << "the plan's atom " << atom
                            << " is not a test on the operation's operands";
    int64_t tail = atom.getKind() == PairKind::Keys ? 1 : 2;
    auto type = dyn_cast<RankedTensorType>(
        op.getSetOperands()[atom.getOperands()[0]].getType());
    if (!type || !type.getElementType().isInteger(1) || type.getRank() < tail)
      return op.emitError() << "the plan's atom " << atom
                            << " does not fit its operand";
  }
  for (ComponentAttr component : plan.getComponents())
    if (failed(verifyComponent(op, component)))
      return failure();
  return success();
}
