// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Costs with closed forms; PlanDifferentialTest.cpp compares random plans.

#include "passes/PlanCost.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Cost : public ::testing::Test {
protected:
  MLIRContext context{MLIRContext::Threading::DISABLED};

  void SetUp() override { context.loadDialect<AttnDialect>(); }

  /// One component with these bounds, written after `(d0)[s0, ...] -> `.
  PlanAttr plan(const std::string &lower, const std::string &upper,
                const std::string &more = "") {
    std::string symbols = "[s0, s1, s2, s3] -> ";
    std::string text = "#attn.plan<components = [#attn.component<lower = (d0)" +
                       symbols + lower + ", upper = (d0)" + symbols + upper +
                       ", row_lower = ()" + symbols + "(s2), row_upper = ()" +
                       symbols + "(s3 - 1)" + more + ">]>";
    auto attr = dyn_cast_or_null<PlanAttr>(parseAttribute(text, &context));
    EXPECT_TRUE(attr) << text;
    return attr;
  }
};
} // namespace

TEST_F(Cost, FullVisitsEverythingInFullTiles) {
  std::optional<PlanCost> cost =
      costOf(plan("(s0)", "(s1 - 1)"), {0, 256, 0, 192}, {96, 128});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->fullTiles, 4);
  EXPECT_EQ(cost->partialTiles, 0);
  EXPECT_EQ(cost->emptyTiles, 0);
  EXPECT_EQ(cost->visitedPairs, 192 * 256);
  EXPECT_EQ(cost->keptPairs, 192 * 256);
  EXPECT_TRUE(cost->keptIsExact);
}

TEST_F(Cost, CausalVisitsHalf) {
  std::optional<PlanCost> cost =
      costOf(plan("(s0)", "(d0, s1 - 1)"), {0, 512, 0, 512}, {64, 64});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->partialTiles, 8); // the diagonal
  EXPECT_EQ(cost->fullTiles, 28);
  EXPECT_EQ(cost->emptyTiles, 28);
  EXPECT_EQ(cost->keptPairs, 512 * 513 / 2);
  EXPECT_EQ(cost->visitedPairs, 36 * 64 * 64);
}

TEST_F(Cost, WindowIsLinearInTheSequence) {
  PlanAttr window = plan("(d0 - 255, s0)", "(d0, s1 - 1)");
  int64_t n = int64_t(1) << 20;
  std::optional<PlanCost> cost = costOf(window, {0, n, 0, n}, {96, 128});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->keptPairs, n * 256 - 255 * 256 / 2);
  EXPECT_LE(cost->visitedPairs, n * (256 + 95));
  std::optional<PlanCost> twice =
      costOf(window, {0, 2 * n, 0, 2 * n}, {96, 128});
  EXPECT_NEAR(double(twice->visitedPairs) / double(cost->visitedPairs), 2.0,
              0.001);
}

TEST_F(Cost, TestsLeaveNoTileFull) {
  std::optional<PlanCost> cost = costOf(
      plan("(s0)", "(s1 - 1)", ", tests = [1]"), {0, 64, 0, 64}, {32, 32});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->fullTiles, 0);
  EXPECT_EQ(cost->partialTiles, 4);
  EXPECT_FALSE(cost->keptIsExact);
}

TEST_F(Cost, NothingAtAll) {
  PlanAttr full = plan("(s0)", "(s1 - 1)");
  const std::vector<int64_t> runs[] = {
      {0, 0, 0, 7}, {5, 9, 3, 3}, {9, 5, 3, 1}};
  for (const std::vector<int64_t> &symbols : runs) {
    std::optional<PlanCost> cost = costOf(full, symbols, {});
    ASSERT_TRUE(cost);
    EXPECT_EQ(cost->visitedPairs, 0);
    EXPECT_EQ(cost->keptPairs, 0);
  }
  std::optional<PlanCost> none = costOf(PlanAttr::get(&context, {}, {}, {}, {}),
                                        {0, 256, 0, 96}, {96, 128});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->emptyTiles, 2);
  EXPECT_EQ(none->visitedPairs, 0);
}

TEST_F(Cost, HugeSizesSaturateOrAreRefused) {
  PlanAttr full = plan("(s0)", "(s1 - 1)");
  int64_t big = int64_t(1) << 40;
  std::optional<PlanCost> cost = costOf(full, {0, big, 0, big}, {big / 4, 128});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->keptPairs, INT64_MAX);
  EXPECT_EQ(cost->visitedPairs, INT64_MAX);
  EXPECT_FALSE(costOf(full, {0, big, 0, big}, {1, 128}));
  EXPECT_FALSE(costOf(full, {0, INT64_MAX, 0, 8}, {}));
  EXPECT_FALSE(costOf(full, {0, 8, 0, 8}, {0, 128}));
}

TEST_F(Cost, PlansThatAreNotMonotoneAreRefused) {
  EXPECT_FALSE(costOf(plan("(-d0)", "(s1 - 1)"), {0, 8, 0, 8}, {}));
  EXPECT_FALSE(costOf(plan("(d0 floordiv 2)", "(s1 - 1)"), {0, 8, 0, 8}, {}));
  EXPECT_FALSE(costOf(plan("(s0)", "(s1 - 1)"), {0, 8, 0}, {}));
}
