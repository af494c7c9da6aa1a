// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Analysis of row-local producers and elementwise consumers.

#include "passes/RowProducers.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

namespace {
/// A value one row of which is needed: dim `rowDim` whole, the others at one
/// index; -1 when a single element is needed.
struct Needed {
  Value value;
  int64_t rowDim;
};
} // namespace

/// The loops of `op` that stay long when one row of its result is computed:
/// the loop along the row and the reductions. Fails where `op` is no row work.
static FailureOr<SmallVector<unsigned>> longLoops(linalg::LinalgOp op,
                                                  int64_t rowDim) {
  if (op->getNumResults() != 1 || !op.hasPureTensorSemantics())
    return failure();
  AffineMap out = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  if (!out.isProjectedPermutation() ||
      !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) {
        return map.isProjectedPermutation(/*allowZeroInResults=*/true);
      }))
    return failure();
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  SmallVector<unsigned> loops;
  auto add = [&](unsigned loop) {
    if (ShapedType::isDynamic(ranges[loop]))
      return failure();
    if (ranges[loop] != 1)
      loops.push_back(loop);
    return success();
  };
  if (rowDim >= 0 &&
      failed(add(cast<AffineDimExpr>(out.getResult(rowDim)).getPosition())))
    return failure();
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    if (kind != utils::IteratorType::parallel && failed(add(loop)))
      return failure();
  // Two long loops make a matrix product, not the work of a row.
  if (loops.size() > 1)
    return failure();
  return loops;
}

/// The operand's dim that a long loop runs along, or -1.
static int64_t rowDimOf(AffineMap map, ArrayRef<unsigned> loops) {
  for (auto [dim, expr] : llvm::enumerate(map.getResults()))
    if (auto d = dyn_cast<AffineDimExpr>(expr))
      if (llvm::is_contained(loops, d.getPosition()))
        return dim;
  return -1;
}

attnc::RowProducers attnc::analyzeRowProducers(Value value) {
  RowProducers result;
  SmallVector<Needed> worklist;
  llvm::SmallPtrSet<Operation *, 8> seen;
  auto push = [&](Value v, int64_t rowDim) {
    if (v.getDefiningOp<linalg::LinalgOp>() &&
        seen.insert(v.getDefiningOp()).second)
      worklist.push_back({v, rowDim});
  };
  push(value, cast<RankedTensorType>(value.getType()).getRank() - 1);
  for (size_t i = 0; i < worklist.size(); ++i) {
    auto op = worklist[i].value.getDefiningOp<linalg::LinalgOp>();
    FailureOr<SmallVector<unsigned>> loops = longLoops(op, worklist[i].rowDim);
    if (failed(loops)) {
      if (!result.offender)
        result.offender = op;
      continue;
    }
    result.chain.push_back(op);
    result.mixesRow |= op.getNumReductionLoops() > 0;
    op->walk([&](Operation *inner) {
      if (inner == op.getOperation() || isa<linalg::YieldOp>(inner))
        return;
      ++result.scalarOps;
      // Other elements of a tensor: it is read whole, so it must exist.
      if (isa<tensor::ExtractOp>(inner))
        result.mixesRow = true;
    });
    for (OpOperand &operand : op->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()))
        push(operand.get(),
             rowDimOf(op.getMatchingIndexingMap(&operand), *loops));
  }
  return result;
}

bool attnc::isElementwiseConsumer(linalg::LinalgOp consumer, Value value) {
  if (consumer->getNumResults() != 1 || !consumer.hasPureTensorSemantics() ||
      !llvm::all_of(consumer.getIteratorTypesArray(),
                    [](utils::IteratorType kind) {
                      return kind == utils::IteratorType::parallel;
                    }))
    return false;
  OpOperand *init = consumer.getDpsInitOperand(0);
  if (!consumer.getMatchingIndexingMap(init).isIdentity() ||
      consumer.payloadUsesValueFromOperand(init))
    return false;
  bool reads = false;
  for (OpOperand *operand : consumer.getDpsInputOperands()) {
    AffineMap map = consumer.getMatchingIndexingMap(operand);
    if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
      return false;
    if (operand->get() == value) {
      reads = true;
      if (!map.isIdentity())
        return false;
    }
  }
  // A body that reads the value by tensor.extract sees other elements.
  bool extracts = false;
  consumer->walk([&](tensor::ExtractOp extract) {
    extracts |= extract.getTensor() == value;
  });
  return reads && !extracts;
}
