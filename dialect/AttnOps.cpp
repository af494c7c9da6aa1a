// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention: accessors and result shapes.

#include "dialect/Attn.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

#define GET_OP_CLASSES
#include "dialect/AttnOps.cpp.inc"

bool mlir::attn::isPerBatchUniform(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return !tensor || tensor.getRank() == 0 ||
         (tensor.hasStaticShape() && tensor.getNumElements() == 1);
}

Attribute AttentionOp::getAccumulator() {
  return getKernelAttr() ? getKernelAttr()
                         : SoftmaxAttr::get(getContext(), FloatAttr());
}

double AttentionOp::getScaleValue() {
  if (std::optional<APFloat> scale = getScale())
    return scale->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getHeadDim()));
}

SmallVector<ResultKind> AttentionOp::getReturnKinds() {
  return llvm::map_to_vector(
      getReturns(), [](int32_t k) { return static_cast<ResultKind>(k); });
}

OperandRange AttentionOp::getRegionCaptures(unsigned region) {
  ArrayRef<int32_t> counts = getCaptureCounts();
  if (region >= counts.size())
    return getCaptures().slice(0, 0);
  int32_t begin = 0;
  for (int32_t count : counts.take_front(region))
    begin += count;
  return getCaptures().slice(begin, counts[region]);
}

FloatType AttentionOp::getComputeType() {
  Builder b(getContext());
  return getQueryType().getElementType().isF64() ? FloatType(b.getF64Type())
                                                 : FloatType(b.getF32Type());
}

PairsAttr AttentionOp::getMaskSet() {
  return getMaskAttr() ? getMaskAttr()
                       : PairsAttr::get(getContext(), PairKind::Full);
}

PairsAttr AttentionOp::getPairs() {
  if (!getSparsityAttr())
    return getMaskSet();
  return PairsAttr::get(getContext(), PairKind::And, {}, {},
                        {getMaskSet(), getSparsityAttr()});
}

int64_t AttentionOp::getQueryHeads() {
  RankedTensorType q = getQueryType();
  return hasHeads() ? q.getDimSize(q.getRank() - 3) : 1;
}

int64_t AttentionOp::getKeyHeads() {
  RankedTensorType k = getKeyType();
  return hasHeads() ? k.getDimSize(k.getRank() - 3) : 1;
}

int64_t AttentionOp::getKeyRows() {
  RankedTensorType k = getKeyType();
  return getPages() ? ShapedType::kDynamic : k.getDimSize(k.getRank() - 2);
}

/// Result shapes: leading dims and rows are q's, the rest comes from k and v.
LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &b,
                               ReifiedRankedShapedTypeDims &reified) {
  Location loc = getLoc();
  int64_t rank = getQueryType().getRank();
  SmallVector<OpFoldResult> lead;
  for (int64_t d = 0; d < rank - 1; ++d)
    lead.push_back(tensor::getMixedSize(b, loc, getQuery(), d));
  auto with = [&](ArrayRef<OpFoldResult> dims, OpFoldResult last) {
    SmallVector<OpFoldResult> all(dims);
    all.push_back(last);
    return all;
  };
  OpFoldResult dv = b.getIndexAttr(getValueDim());
  auto keys = [&] {
    int64_t keyRank = getKeyType().getRank();
    return tensor::getMixedSize(b, loc, getKey(), keyRank - 2);
  };
  if (getPages() && llvm::any_of(getReturnKinds(), [](ResultKind k) {
        return k == ResultKind::Scores || k == ResultKind::Probs ||
               k == ResultKind::ColumnSums;
      }))
    return failure();
  reified.push_back(with(lead, dv));
  ArrayRef<OpFoldResult> heads = ArrayRef(lead).drop_back();
  for (ResultKind kind : getReturnKinds()) {
    switch (kind) {
    case ResultKind::State:
      reified.push_back(with(with(heads, b.getIndexAttr(getHeadDim())), dv));
      break;
    case ResultKind::Lse:
      reified.push_back(lead);
      break;
    case ResultKind::Scores:
    case ResultKind::Probs:
      reified.push_back(with(lead, keys()));
      break;
    case ResultKind::ColumnSums:
      reified.push_back(with(heads, keys()));
      break;
    case ResultKind::Statistics:
      reified.push_back(with(lead, b.getIndexAttr(5)));
      break;
    }
  }
  return success();
}
