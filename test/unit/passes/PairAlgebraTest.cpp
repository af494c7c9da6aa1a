// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The algebra of half spaces.

#include "passes/PairAlgebra.h"
#include "gtest/gtest.h"

using namespace attnc;

TEST(PairAlgebra, NegatedHalfSpacesPartitionThePairs) {
  HalfSpace half = HalfSpace::atMost(PairAxis::Distance, 3);
  HalfSpace outside = half.negated();
  EXPECT_FALSE(outside.upper);
  EXPECT_EQ(outside.bound, LinearForm(4));
  EXPECT_TRUE(outside.negated() == half);
}
