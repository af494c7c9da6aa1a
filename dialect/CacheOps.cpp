// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Key/value caches: page tables (C9, A3) and attn.append.

#include "dialect/VerifierSupport.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

LogicalResult mlir::attn::verifyPageTable(Operation *op, Value pages,
                                          Value indptr, int64_t batch,
                                          int64_t pageSize, StringRef number) {
  auto type = cast<RankedTensorType>(pages.getType());
  auto offsets =
      indptr ? cast<RankedTensorType>(indptr.getType()) : RankedTensorType();
  if (!indptr &&
      (!isIntegerLike(type) || !hasShape(type, {batch, ShapedType::kDynamic})))
    return op->emitOpError() << '(' << number
                             << ") pages must be an integer tensor [batch, max "
                                "pages], got "
                             << type;
  if (indptr && (!isIntegerLike(type) || type.getRank() != 1))
    return op->emitOpError() << '(' << number
                             << ") beside page_indptr, pages must be an "
                                "integer tensor [total], got "
                             << type;
  int64_t ends = ShapedType::isDynamic(batch) ? batch : batch + 1;
  if (indptr && (!isIntegerLike(offsets) || !hasShape(offsets, {ends})))
    return op->emitOpError() << '(' << number
                             << ") page_indptr must be an integer tensor "
                                "[batch + 1], got "
                             << offsets;
  if (pageSize == 0)
    return op->emitOpError()
           << '(' << number << ") a page needs a row at least";
  return success();
}

//===----------------------------------------------------------------------===//
// attn.append
//===----------------------------------------------------------------------===//

/// A1: rows and cache.
static LogicalResult verifyAppendShapes(AppendOp op) {
  RankedTensorType rows = op.getRowsType(), cache = op.getCacheType();
  int64_t rank = rows.getRank();
  bool paged = static_cast<bool>(op.getPages());
  if (rank < 2 || cache.getRank() != rank || (paged && rank != 4))
    return op.emitOpError("(A1) rows and cache need one rank >= 2 (4 when "
                          "paged), got ")
           << rank << " and " << cache.getRank();
  Type element = rows.getElementType();
  if (!isa<FloatType>(element) || cache.getElementType() != element)
    return op.emitOpError("(A1) rows and cache need one float type, got ")
           << element << " and " << cache.getElementType();
  if (rows.isDynamicDim(rank - 1) || rows.getShape().back() < 1 ||
      cache.getShape().back() != rows.getShape().back())
    return op.emitOpError("(A1) rows and cache need one static row size >= 1, "
                          "got ")
           << rows << " and " << cache;
  for (int64_t d = paged ? 1 : 0; d < rank - 2; ++d)
    if (differ(rows.getDimSize(d), cache.getDimSize(d)))
      return op.emitOpError("(A1) dim ")
             << d << " differs: " << rows.getDimSize(d) << " and "
             << cache.getDimSize(d);
  return success();
}

LogicalResult AppendOp::verify() {
  if (failed(verifyAppendShapes(*this)))
    return failure();
  ArrayRef<int64_t> batch = getRowsType().getShape().take_front(getBatchRank());
  std::pair<StringRef, Value> operands[] = {{"lengths", getLengths()},
                                            {"row_lengths", getRowLengths()}};
  for (auto [name, value] : operands)
    if (value && !isPerBatch(batch, value.getType()))
      return emitOpError("(A2) ")
             << name
             << " must be an integer, or an integer tensor with one value or "
                "one a batch, got "
             << value.getType();
  if (getPageIndptr() && !getPages())
    return emitOpError("(A3) page_indptr needs pages");
  if (!getPages())
    return success();
  return verifyPageTable(*this, getPages(), getPageIndptr(), batch[0],
                         getCacheType().getDimSize(2), "A3");
}

LogicalResult
AppendOp::reifyResultShapes(OpBuilder &b,
                            ReifiedRankedShapedTypeDims &reified) {
  reified.push_back(tensor::getMixedSizes(b, getLoc(), getCache()));
  return success();
}
