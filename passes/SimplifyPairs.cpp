// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-simplify-pairs: the pass around PairSimplifier.

#include "passes/PairNormalForm.h"
#include "passes/PairSimplifier.h"
#include "passes/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace attnc {
#define GEN_PASS_DEF_SIMPLIFYPAIRSPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

/// Drops set operands that no set names any more and renumbers the rest.
static void dropUnusedOperands(AttentionOp op) {
  SmallVector<bool> used(op.getSetOperands().size());
  for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()}) {
    if (!set)
      continue;
    set.visit([&](PairsAttr part) {
      for (int64_t n : part.getOperands())
        used[n] = true;
      for (PairParam param : part.getParams())
        if (param.isOperand)
          used[param.value] = true;
    });
  }
  if (llvm::all_of(used, [](bool isUsed) { return isUsed; }))
    return;
  SmallVector<Value> kept;
  SmallVector<int64_t> numbers;
  for (auto [isUsed, operand] : llvm::zip(used, op.getSetOperands())) {
    numbers.push_back(kept.size());
    if (isUsed)
      kept.push_back(operand);
  }
  if (PairsAttr mask = op.getMaskAttr())
    op.setMaskAttr(renumberOperands(mask, numbers));
  if (PairsAttr sparsity = op.getSparsityAttr())
    op.setSparsityAttr(renumberOperands(sparsity, numbers));
  op.getSetOperandsMutable().assign(kept);
}

static void simplify(AttentionOp op) {
  attnc::PairSimplifier simplifier(attnc::factsOf(op, /*withSizes=*/false));
  PairsAttr mask = simplifier.simplify(op.getMaskSet());
  PairsAttr sparsity = op.getSparsityAttr();
  if (sparsity)
    sparsity = simplifier.simplify(sparsity);
  // What the mask excludes anyway costs no accuracy: then there is no
  // approximation to report.
  if (sparsity && simplifier.isSubset(mask, sparsity))
    sparsity = {};
  if (mask.isFull())
    op.removeMaskAttr();
  else
    op.setMaskAttr(mask);
  if (sparsity)
    op.setSparsityAttr(sparsity);
  else
    op.removeSparsityAttr();
  dropUnusedOperands(op);
}

namespace {
struct SimplifyPairsPass
    : public attnc::impl::SimplifyPairsPassBase<SimplifyPairsPass> {
  using SimplifyPairsPassBase::SimplifyPairsPassBase;

  void runOnOperation() override {
    getOperation()->walk([&](AttentionOp op) {
      // A plan names set operands by number and was made from these sets.
      if (!op.getPlanAttr())
        simplify(op);
    });
  }
};
} // namespace
