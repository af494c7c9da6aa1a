// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs of f16 and bf16 on tensor cores, run in the PTX executor,
// against the reference.
//
//   ATTNC_TEST_SEED=7     other specs and values
//   ATTNC_TEST_CASE=12    that one alone

#include "TensorCores.h"
#include "gtest/gtest.h"

TEST(Mma, SpecsAgreeWithTheReference) {
  attnc::test::checkTensorCores(
      {/*count=*/40,
       /*rows=*/{1, 17, 63, 64, 130, 197, 257},
       /*headSizes=*/{16, 32, 64, 72, 80, 96, 128, 160},
       /*targets=*/{"sm_80", "sm_86", "sm_90"},
       /*schedules=*/
       {"", "", "", "lazy = 0", "query_steps = 2, fence = 4",
        "stages = 3, lookahead = 0",
        "key_block = 16, warps = 2, query_tile = 32"},
       /*micro=*/"mma",
       /*hasProducers=*/true});
}
