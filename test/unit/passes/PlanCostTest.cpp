// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Costs with closed forms; PlanDifferentialTest.cpp compares random plans.

#include "passes/PlanCost.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
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

TEST_F(Cost, PlansThatAreNotMonotoneAreCountedByRows) {
  std::optional<PlanCost> down =
      costOf(plan("(-d0 + 7)", "(s1 - 1)"), {0, 8, 0, 8}, {4, 4});
  ASSERT_TRUE(down);
  EXPECT_EQ(down->keptPairs, 36);
  EXPECT_EQ(down->visitedPairs, 4 * 4 + 4 * 8);
  std::optional<PlanCost> half =
      costOf(plan("(d0 floordiv 2)", "(s1 - 1)"), {0, 8, 0, 8}, {8, 8});
  ASSERT_TRUE(half);
  EXPECT_EQ(half->keptPairs, 2 * (8 + 7 + 6 + 5));
  EXPECT_FALSE(costOf(plan("(s0)", "(s1 - 1)"), {0, 8, 0}, {}));
}

//===----------------------------------------------------------------------===//
// Walks and values, against every pair
//===----------------------------------------------------------------------===//

namespace {
using Keeps = std::function<bool(int64_t i, int64_t j)>;

class WalkCost : public Cost {
protected:
  /// The plan that attn-plan-pairs makes of a mask.
  PlanAttr planOf(const std::string &mask, const std::string &operand = "") {
    context.loadDialect<func::FuncDialect>();
    std::string type = "tensor<?x8xf32>";
    std::string more = operand.empty() ? "" : ", " + operand;
    std::string text =
        "func.func @f(%q: " + type + ", %k: " + type +
        (operand.empty() ? "" : ", %cu: " + operand) + ") -> " + type +
        " { %o = attn.attention %q, %k, %k mask = " + "#attn.pairs<" + mask +
        "> : " + type + ", " + type + ", " + type + more + " -> " + type +
        " return %o : " + type + " }";
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    if (!module)
      return {};
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createPlanPairsPass());
    EXPECT_TRUE(succeeded(pm.run(*module)));
    PlanAttr plan;
    module->walk([&](AttentionOp op) { plan = op.getPlanAttr(); });
    return plan;
  }

  /// Kept pairs are those of `keeps`, all of them visited.
  void check(const std::string &mask, const Keeps &keeps) {
    PlanAttr plan = planOf(mask);
    ASSERT_TRUE(plan);
    const std::vector<int64_t> runs[] = {{0, 96, 0, 96},  {0, 1, 0, 1},
                                         {0, 97, 33, 97}, {5, 70, 2, 90},
                                         {3, 40, 9, 9},   {0, 50, 60, 83}};
    for (const std::vector<int64_t> &symbols : runs)
      for (TileShape shape : {TileShape{96, 128}, TileShape{7, 5}}) {
        int64_t kept = 0;
        for (int64_t i = symbols[QBegin]; i < symbols[QEnd]; ++i)
          for (int64_t j = symbols[KBegin]; j < symbols[KEnd]; ++j)
            kept += keeps(i, j);
        std::optional<PlanCost> cost = costOf(plan, symbols, shape);
        ASSERT_TRUE(cost) << mask;
        EXPECT_EQ(cost->keptPairs, kept) << mask << " at " << symbols[QBegin];
        EXPECT_TRUE(cost->keptIsExact) << mask;
        EXPECT_GE(cost->visitedPairs, kept) << mask;
      }
  }

  OwningOpRef<ModuleOp> module;
};

int64_t floorMod(int64_t x, int64_t y) { return ((x % y) + y) % y; }
bool isPowerOfTwo(int64_t x) { return x > 0 && (x & (x - 1)) == 0; }
} // namespace

TEST_F(WalkCost, LatticesKeepEveryStep) {
  for (int64_t s : {1, 2, 7, 64, 1000}) {
    std::string set = "strided<" + std::to_string(s) + ">";
    check(set, [&](int64_t i, int64_t j) { return floorMod(i - j, s) == 0; });
    check("causal & " + set, [&](int64_t i, int64_t j) {
      return j <= i && floorMod(i - j, s) == 0;
    });
  }
}

TEST_F(WalkCost, ColumnsKeepTheLastOfAPeriod) {
  check("causal & columns<9, 2>",
        [](int64_t i, int64_t j) { return j <= i && floorMod(j, 9) >= 7; });
  check("window<8, 8> & columns<5, 1>", [](int64_t i, int64_t j) {
    return j >= i - 8 && j <= i + 8 && floorMod(j, 5) == 4;
  });
}

TEST_F(WalkCost, LogKeepsPowersOfTwo) {
  check("log",
        [](int64_t i, int64_t j) { return j == i || isPowerOfTwo(i - j); });
  check("log & window<20, 0>", [](int64_t i, int64_t j) {
    return j <= i && j >= i - 20 && (j == i || isPowerOfTwo(i - j));
  });
}

TEST_F(WalkCost, ChunksAreCountedByRows) {
  for (int64_t c : {1, 8, 13}) {
    std::string set = "chunk<" + std::to_string(c) + ">";
    auto sameChunk = [&](int64_t i, int64_t j) { return i / c == j / c; };
    check(set, sameChunk);
    check(set + " & causal",
          [&](int64_t i, int64_t j) { return j <= i && sameChunk(i, j); });
  }
  check("blocks<4> { window<1, 0> }", [](int64_t i, int64_t j) {
    return j / 4 <= i / 4 && j / 4 >= i / 4 - 1;
  });
}

TEST_F(WalkCost, VisitsAreThoseOfTheWalk) {
  // 64 classes of 16 rows and 16 keys each: a tile of 16 x 16 a class.
  std::optional<PlanCost> strided =
      costOf(planOf("strided<64>"), {0, 1024, 0, 1024}, {96, 128});
  ASSERT_TRUE(strided);
  EXPECT_EQ(strided->keptPairs, 1024 * 16);
  EXPECT_EQ(strided->visitedPairs, 1024 * 16);
  EXPECT_EQ(strided->fullTiles, 64);
  EXPECT_EQ(strided->partialTiles, 0);
  EXPECT_EQ(strided->emptyTiles, 0);
  std::optional<PlanCost> columns =
      costOf(planOf("columns<64, 2>"), {0, 1024, 0, 96}, {96, 16});
  ASSERT_TRUE(columns);
  EXPECT_EQ(columns->visitedPairs, 96 * 32);
  EXPECT_EQ(columns->fullTiles, 2);
  std::optional<PlanCost> list =
      costOf(planOf("random<5>"), {0, 1024, 0, 100}, {96, 128});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->visitedPairs, 500);
  EXPECT_EQ(list->keptPairs, 500);
  EXPECT_EQ(list->listRows, 100);
  EXPECT_FALSE(list->keptIsExact);
}

TEST_F(WalkCost, HeadsHaveBoundsOfTheirOwn) {
  PlanAttr plan = planOf("by_head(0, 1) { causal, window<3, 0> }");
  RowValues values;
  for (int64_t expected : {16 * 17 / 2, 16 * 4 - 6}) {
    std::optional<PlanCost> cost = costOf(plan, {0, 16, 0, 16}, {4, 4}, values);
    ASSERT_TRUE(cost);
    EXPECT_EQ(cost->keptPairs, expected);
    ++values.head;
  }
}

TEST_F(WalkCost, DocumentsNeedTheirOffsets) {
  PlanAttr plan = planOf("documents(%cu) & causal", "tensor<?xi32>");
  EXPECT_FALSE(costOf(plan, {0, 10, 0, 10}, {4, 4}));
  RowValues values;
  values.read = [](ValueAttr value, int64_t x) -> std::optional<int64_t> {
    bool isFirst = x < 4;
    return value.getKind() == ValueKind::Begin ? (isFirst ? 0 : 4)
                                               : (isFirst ? 4 : 10);
  };
  std::optional<PlanCost> cost = costOf(plan, {0, 10, 0, 10}, {4, 4}, values);
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->keptPairs, 4 * 5 / 2 + 6 * 7 / 2);
  EXPECT_TRUE(cost->keptIsExact);
}

TEST_F(WalkCost, ListsInOperandsHaveNoCost) {
  EXPECT_FALSE(
      costOf(planOf("topk(%cu)", "tensor<?x4xi32>"), {0, 10, 0, 10}, {4, 4}));
}
