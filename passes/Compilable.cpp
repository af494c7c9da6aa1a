// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#include "passes/Compilable.h"
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

LogicalResult attnc::verifyPlan(AttentionOp op) {
  for (PairsAttr atom : op.getPlanAttr().getAtoms())
    if (failed(verifySet(op, atom)))
      return failure();
  return success();
}
