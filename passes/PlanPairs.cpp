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

/// Components of the operation's set; nothing where there would be too many.
static PlanAttr planByComponents(AttentionOp op) {
  attnc::PairAlgebra algebra(attnc::factsOf(op, /*withSizes=*/true));
  attnc::PairTranslator translator(algebra, op.getContext(), op);
  std::optional<attnc::Disjunction> set = translator.translate(op.getPairs());
  if (set)
    set = algebra.makeDisjoint(std::move(*set));
  if (!set || set->size() > kMaxComponents)
    return {};
  return attnc::buildPlan(op.getContext(), *set, translator);
}

/// The whole set as a test: every tile is looked at, and those of which nothing
/// is kept are left out then.
static PlanAttr planByTest(AttentionOp op) {
  attnc::PairAlgebra algebra(attnc::factsOf(op, /*withSizes=*/true));
  attnc::PairTranslator translator(algebra, op.getContext(), op);
  return attnc::buildPlan(op.getContext(), translator.testOf(op.getPairs()),
                          translator);
}

namespace {
struct PlanPairsPass : public attnc::impl::PlanPairsPassBase<PlanPairsPass> {
  using PlanPairsPassBase::PlanPairsPassBase;

  void runOnOperation() override {
    getOperation()->walk([&](AttentionOp op) {
      if (failed(attnc::verifyCompilable(op)))
        return signalPassFailure();
      if (op.getPlanAttr()) { // the user's, or an earlier run's
        if (failed(attnc::verifyPlan(op)))
          signalPassFailure();
        return;
      }
      PlanAttr plan = planByComponents(op);
      op.setPlanAttr(plan ? plan : planByTest(op));
    });
  }
};
} // namespace
