// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-simplify-pairs: the pass around PairSimplifier.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/PairNormalForm.h"
#include "passes/PairSimplifier.h"
#include "passes/Passes.h"
#include "passes/RecognizePredicates.h"

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

/// `set` with every predicate region r renamed to `numbers[r]`.
static PairsAttr renumberPredicates(PairsAttr set, ArrayRef<int64_t> numbers) {
  if (!set)
    return set;
  SmallVector<PairParam> params(set.getParams());
  if (set.getKind() == PairKind::Predicate)
    params[0].value = numbers[params[0].value];
  SmallVector<PairsAttr> children;
  for (PairsAttr child : set.getChildren())
    children.push_back(renumberPredicates(child, numbers));
  return PairsAttr::get(set.getContext(), set.getKind(), params,
                        set.getOperands(), children, set.getAffineSet());
}

/// Drops predicate regions that no set names any more, with their captures.
/// Regions cannot leave an operation, so a new one takes its place.
static void dropUnusedPredicates(AttentionOp op) {
  size_t count = op.getPredicates().size();
  SmallVector<bool> used(count);
  op.getPairs().visit([&](PairsAttr part) {
    if (part.getKind() == PairKind::Predicate)
      used[part.getParams()[0].value] = true;
  });
  if (llvm::all_of(used, [](bool isUsed) { return isUsed; }))
    return;
  SmallVector<int64_t> numbers;
  SmallVector<int32_t> captureCounts;
  SmallVector<Value> captures;
  OperationState state(op.getLoc(), AttentionOp::getOperationName());
  state.addTypes(op.getResultTypes());
  state.addAttributes(llvm::to_vector(op->getDiscardableAttrs()));
  int64_t kept = 0;
  for (unsigned r = 0; r < 2 + count; ++r) {
    if (r >= 2)
      numbers.push_back(kept);
    if (r >= 2 && !used[r - 2])
      continue;
    kept += r >= 2;
    state.addRegion()->takeBody(op->getRegion(r));
    OperandRange own = op.getRegionCaptures(r);
    captureCounts.push_back(own.size());
    llvm::append_range(captures, own);
  }
  auto &props = state.getOrAddProperties<AttentionOp::Properties>();
  props = op.getProperties();
  Builder b(op.getContext());
  props.mask = renumberPredicates(op.getMaskAttr(), numbers);
  props.sparsity = renumberPredicates(op.getSparsityAttr(), numbers);
  props.capture_counts = b.getDenseI32ArrayAttr(
      captures.empty() ? ArrayRef<int32_t>() : captureCounts);
  props.operandSegmentSizes.back() = captures.size();
  state.addOperands(op->getOperands().drop_back(op.getCaptures().size()));
  state.addOperands(captures);
  OpBuilder builder(op);
  op->replaceAllUsesWith(builder.create(state));
  op->erase();
}

static void simplify(AttentionOp op) {
  attnc::recognizePredicates(op);
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
  dropUnusedPredicates(op);
}

namespace {
struct SimplifyPairsPass
    : public attnc::impl::SimplifyPairsPassBase<SimplifyPairsPass> {
  using SimplifyPairsPassBase::SimplifyPairsPassBase;

  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation()->walk([&](AttentionOp op) {
      // A plan names set operands by number and was made from these sets.
      if (!op.getPlanAttr())
        ops.push_back(op);
    });
    llvm::for_each(ops, simplify);
  }
};
} // namespace
