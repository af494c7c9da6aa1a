// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Problems over random pair sets of all kinds.

#ifndef ATTNC_TEST_UNIT_EXECUTION_SETPROBLEM_H
#define ATTNC_TEST_UNIT_EXECUTION_SETPROBLEM_H

#include "Problem.h"
#include "test/unit/passes/PairSets.h"

namespace attnc::test {

/// What one launch computes.
struct SetCase {
  pairs::Shape shape;
  mlir::attn::PairsAttr mask, sparsity;
  int64_t batch = 1, heads = 1, keyHeads = 1, d = 8, dv = 8;
  bool dynamicLead = false;
  std::vector<pairs::Positions> positions; // of each batch
};

SetCase drawSetCase(mlir::MLIRContext *context, pairs::Random &random,
                    int64_t largest);
/// The spec of a case, with tensors drawn.
Problem makeSetProblem(const SetCase &c, pairs::Random &random);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_SETPROBLEM_H
