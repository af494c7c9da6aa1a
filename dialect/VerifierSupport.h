// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the verifier's files share: comparisons of sizes and shapes.

#ifndef ATTN_DIALECT_VERIFIERSUPPORT_H
#define ATTN_DIALECT_VERIFIERSUPPORT_H

#include "dialect/Attn.h"
#include <string>

namespace mlir::attn {

/// Static sizes that cannot be the same.
bool differ(int64_t a, int64_t b);
/// Whether a dim of size `from` broadcasts to (or is) one of size `to`.
bool broadcasts(int64_t from, int64_t to);
/// Index or signless integers but i1, or a tensor of them.
bool isIntegerLike(Type type);
/// Whether `type` is a tensor of `dims`, dynamic sizes fitting anything.
bool hasShape(Type type, llvm::ArrayRef<int64_t> dims);
/// `[2, ?, 8]`.
std::string shapeText(llvm::ArrayRef<int64_t> dims);
/// C8: one integer, or one for each batch.
bool isPerBatch(AttentionOp op, Type type);
bool isPerBatch(llvm::ArrayRef<int64_t> batch, Type type);

/// C9, A3 (`number`): a page table for `batch` batches and pages of `pageSize`
/// rows.
LogicalResult verifyPageTable(Operation *op, Value pages, Value indptr,
                              int64_t batch, int64_t pageSize,
                              llvm::StringRef number);

/// C14, C15, C22, C23: sets, their operands, the plan.
LogicalResult verifyPairSets(AttentionOp op);

} // namespace mlir::attn

#endif // ATTN_DIALECT_VERIFIERSUPPORT_H
