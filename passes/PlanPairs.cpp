// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-plan-pairs: mask & sparsity become disjoint components.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/Compilable.h"
#include "passes/Passes.h"
#include "passes/PlanBuilder.h"

namespace attnc {
#define GEN_PASS_DEF_PLANPAIRSPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

/// Every component is a copy of the kernel's loops.
static constexpr size_t kMaxComponents = 64;

static LogicalResult planPairs(AttentionOp op) {
  attnc::PairAlgebra algebra(attnc::factsOf(op, /*withSizes=*/true));
  attnc::PairTranslator translator(algebra, op.getContext(), op);
  std::optional<attnc::Disjunction> set = translator.translate(op.getPairs());
  if (set)
    set = algebra.makeDisjoint(std::move(*set));
  if (!set)
    return op.emitError("the pair set is too complex to be planned");
  if (set->size() > kMaxComponents)
    return op.emitError() << "the pair set needs " << set->size()
                          << " disjoint components, at most " << kMaxComponents
                          << " are compiled";
  op.setPlanAttr(attnc::buildPlan(op.getContext(), *set, translator));
  return success();
}

namespace {
struct PlanPairsPass : public attnc::impl::PlanPairsPassBase<PlanPairsPass> {
  using PlanPairsPassBase::PlanPairsPassBase;

  void runOnOperation() override {
    getOperation()->walk([&](AttentionOp op) {
      // A plan that is there is the user's, or an earlier run's.
      if (failed(attnc::verifyCompilable(op)) ||
          failed(op.getPlanAttr() ? attnc::verifyPlan(op) : planPairs(op)))
        signalPassFailure();
    });
  }
};
} // namespace
