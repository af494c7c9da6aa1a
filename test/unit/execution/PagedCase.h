// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over keys in pages, as the execution tests write it.

#ifndef ATTNC_TEST_UNIT_EXECUTION_PAGEDCASE_H
#define ATTNC_TEST_UNIT_EXECUTION_PAGEDCASE_H

#include "Problem.h"

namespace attnc::test {

struct PagedCase {
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  std::vector<int64_t> lengths = {37, 64, 5};
  int64_t n = 7, heads = 4, keyHeads = 2, d = 24, dv = 16;
  int64_t pageSize = 16, poolPages = 23;
  bool isDynamic = false;
  /// `pages(%indices, %indptr)` instead of a table.
  bool isPacked = false;
  /// Pages as [pages, page size, heads, d] in memory.
  bool rowsFirst = false;
  /// The pages that batches begin with are the same.
  int64_t sharedPages = 0;
  bool lse = false;
  /// V is the first dv columns of K.
  bool isLatent = false;
  std::string clauses; // mask and more, with operands of their own below
  std::vector<TensorSpec> operands;
  std::string operandTypes; // ", tensor<...>, ..."

  int64_t batches() const { return static_cast<int64_t>(lengths.size()); }
  int64_t pagesOf(int64_t batch) const {
    return (lengths[batch] + pageSize - 1) / pageSize;
  }
  int64_t maxPages() const;
  std::string describe() const;
};

/// What no key is holds NaN and infinity; table entries past the lengths name
/// no page.
Problem makePaged(const PagedCase &c, uint64_t seed);

/// The same attention with each batch's keys in one piece, [batch, key heads,
/// max pages * page size, d].
Problem makeContiguous(const PagedCase &c, const Problem &paged);

/// "tensor<2x?x16xf32>": every dim in `dynamic` as '?'.
std::string tensorType(const std::vector<int64_t> &shape, attnc_dtype dtype,
                       const std::vector<bool> &dynamic = {});

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_PAGEDCASE_H
