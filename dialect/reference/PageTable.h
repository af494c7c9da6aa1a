// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A page table at run time: which page of the pool holds a batch's key row.

#ifndef ATTNC_DIALECT_REFERENCE_PAGETABLE_H
#define ATTNC_DIALECT_REFERENCE_PAGETABLE_H

#include "dialect/reference/Interpreter.h"

namespace attnc::reference {

class PageTable {
public:
  /// For a pool of `pool` pages of `pageSize` rows; checks what the operands of
  /// `op` hold. `indptr` may be null.
  mlir::LogicalResult bind(mlir::Operation *op, Interpreter &interpreter,
                           mlir::Value pages, mlir::Value indptr,
                           int64_t batches, int64_t pool, int64_t pageSize);

  explicit operator bool() const { return static_cast<bool>(pages); }
  int64_t getPageSize() const { return pageSize; }
  /// Rows that the entries of a batch hold, and those of any batch.
  int64_t getRows(int64_t batch) const;
  int64_t getMaxRows() const { return maxRows; }
  /// The page of row c of a batch; nothing where the entry names none.
  std::optional<int64_t> pageOf(int64_t batch, int64_t c) const;

private:
  HostTensor pages, indptr;
  int64_t pool = 0, pageSize = 0, maxRows = 0;

  mlir::LogicalResult checkIndptr(mlir::Operation *op);
  int64_t firstEntry(int64_t batch) const;
};

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_PAGETABLE_H
