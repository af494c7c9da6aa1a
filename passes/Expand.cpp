// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-expand: defaults are written out, sugar goes, tensor code around the
// attention becomes linalg.generic.

#include "dialect/Attn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

namespace attnc {
#define GEN_PASS_DEF_EXPANDPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

/// `local<w>` is `window<w, w>`, wherever it stands.
static PairsAttr expandSets(PairsAttr set) {
  SmallVector<PairsAttr> children;
  for (PairsAttr child : set.getChildren())
    children.push_back(expandSets(child));
  if (set.getKind() == PairKind::Local) {
    PairParam width = set.getParams()[0];
    return PairsAttr::get(set.getContext(), PairKind::Window,
                          {width, width, PairParam::constant(0)});
  }
  return PairsAttr::get(set.getContext(), set.getKind(), set.getParams(),
                        set.getOperands(), children, set.getAffineSet());
}

static void expandAttention(AttentionOp op) {
  Builder b(op.getContext());
  if (!op.getScaleAttr())
    op.setScaleAttr(b.getF64FloatAttr(op.getScaleValue()));
  if (!op.getKernelAttr())
    op.setKernelAttr(op.getAccumulator());
  if (PairsAttr mask = op.getMaskAttr())
    op.setMaskAttr(expandSets(mask));
  if (PairsAttr sparsity = op.getSparsityAttr())
    op.setSparsityAttr(expandSets(sparsity));
}

/// The sizes of a tensor, read from as far up as they are known: a size taken
/// from a result would keep a second use of it alive.
static SmallVector<OpFoldResult> sizesOf(OpBuilder &b, Location loc,
                                         Value value) {
  if (auto result = dyn_cast<OpResult>(value)) {
    if (auto dps = dyn_cast<DestinationStyleOpInterface>(result.getOwner()))
      return sizesOf(b, loc, dps.getTiedOpOperand(result)->get());
    if (auto empty = dyn_cast<tensor::EmptyOp>(result.getOwner()))
      return empty.getMixedSizes();
    if (auto cast = dyn_cast<tensor::CastOp>(result.getOwner()))
      return sizesOf(b, loc, cast.getSource());
    if (auto op = dyn_cast<AttentionOp>(result.getOwner());
        op && result.getResultNumber() == 0) {
      SmallVector<OpFoldResult> sizes = sizesOf(b, loc, op.getQuery());
      sizes.back() = b.getIndexAttr(op.getValueDim());
      return sizes;
    }
  }
  return tensor::getMixedSizes(b, loc, value);
}

namespace {
/// Upstream's conversion takes an operand for the `outs` of the new operation
/// where types match. Nothing reads it there, but fusion would take it for a
/// use: an empty tensor says what is meant.
struct WriteIntoEmptyTensor : public OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    bool changed = false;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      auto type = dyn_cast<RankedTensorType>(init.get().getType());
      Value source = init.get();
      if (auto cast = source.getDefiningOp<tensor::CastOp>())
        source = cast.getSource();
      if (!type || op.payloadUsesValueFromOperand(&init) ||
          source.getDefiningOp<tensor::EmptyOp>())
        continue;
      SmallVector<OpFoldResult> sizes =
          sizesOf(rewriter, op.getLoc(), init.get());
      Value empty = tensor::EmptyOp::create(rewriter, op.getLoc(), sizes,
                                            type.getElementType());
      if (empty.getType() != type)
        empty = tensor::CastOp::create(rewriter, op.getLoc(), type, empty);
      rewriter.modifyOpInPlace(op, [&] { init.set(empty); });
      changed = true;
    }
    return success(changed);
  }
};

/// A splat constant among the inputs becomes a scalar in the body: loaders
/// then have no tensor to read.
struct InlineSplatInput : public OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    bool changed = false;
    rewriter.setInsertionPointToStart(op.getBody());
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      DenseElementsAttr splat;
      if (argument.use_empty() ||
          !matchPattern(input->get(), m_Constant(&splat)) || !splat.isSplat())
        continue;
      Value scalar = arith::ConstantOp::create(
          rewriter, op.getLoc(), splat.getSplatValue<TypedAttr>());
      rewriter.replaceAllUsesWith(argument, scalar);
      changed = true;
    }
    return success(changed);
  }
};

struct ExpandPass : public attnc::impl::ExpandPassBase<ExpandPass> {
  using ExpandPassBase::ExpandPassBase;

  void runOnOperation() override {
    getOperation()->walk(expandAttention);
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseToLinalgConversionPatterns(patterns);
    linalg::populateLinalgNamedOpsGeneralizationPatterns(patterns);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    patterns.add<WriteIntoEmptyTensor, InlineSplatInput>(&getContext());
    // Patterns only: folding would rewrite what this pass has no word on.
    GreedyRewriteConfig config;
    config.enableFolding(false).enableConstantCSE(false);
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};
} // namespace
