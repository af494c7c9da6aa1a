// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs of f16 and bf16 by products of warpgroups (sm_90a), run in the
// PTX executor, against the reference.
//
//   ATTNC_TEST_SEED=7     other specs and values
//   ATTNC_TEST_CASE=12    that one alone

#include "TensorCores.h"
#include "gtest/gtest.h"

TEST(Wgmma, SpecsAgreeWithTheReference) {
  attnc::test::checkTensorCores(
      {/*count=*/16,
       /*rows=*/{1, 63, 130, 197, 450, 641},
       /*headSizes=*/{64, 64, 128, 192},
       /*targets=*/{"sm_90a"},
       /*schedules=*/
       {"", "", "lazy = 0", "key_block = 32, stages = 3",
        "query_tile = 64, warps = 4, stages = 3, key_block = 16"},
       /*micro=*/"wgmma",
       /*hasProducers=*/false});
}
