// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Columns of grids that components keep, and the tiles that are chosen for
// them and for lists of blocks.

#include "passes/PlanStrips.h"
#include "PairSets.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/ScheduleTiles.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test::pairs;
using namespace mlir;
using namespace mlir::attn;

namespace {
class PlanStrips : public ::testing::Test {
protected:
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  PairsAttr set;

  void SetUp() override {
    context.loadDialect<AttnDialect, func::FuncDialect>();
  }

  /// The columns of the only component of `text`.
  std::optional<GridColumns> columnsOf(const std::string &text) {
    set = dyn_cast_or_null<PairsAttr>(
        parseAttribute("#attn.pairs<" + text + ">", &context));
    EXPECT_TRUE(set) << text;
    Shape shape;
    shape.n = shape.m = 60;
    module = parseSourceString<ModuleOp>(moduleText(shape, set, {}), &context);
    EXPECT_TRUE(module) << text;
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createPlanPairsPass());
    EXPECT_TRUE(succeeded(pm.run(*module)));
    PlanAttr plan;
    module->walk([&](AttentionOp op) { plan = op.getPlanAttr(); });
    if (!plan || plan.getComponents().size() != 1)
      return std::nullopt;
    return GridColumns::of(plan, plan.getComponents()[0]);
  }
};
} // namespace

TEST_F(PlanStrips, ColumnsAreThoseOfTheSet) {
  for (const char *axis :
       {"window<2, 3>", "window<0, 4>", "window<0, 40>",
        "window<2, 2, clamped>", "window<1, 4, clamped>",
        "window<9, 9, clamped>", "local<1>", "chunk<4>", "chunk<5>",
        "chunk<5, offset = 3>", "chunk<50, offset = 7>"}) {
    std::string text = "axes<5 x 12> { full, " + std::string(axis) + " }";
    std::optional<GridColumns> columns = columnsOf(text);
    ASSERT_TRUE(columns) << text;
    EXPECT_EQ(columns->getExtent(), 12);
    Values values;
    values.kEnd = values.qEnd = values.n = 60;
    values.operands.resize(NumOperands);
    int64_t firstBefore = 0, lastBefore = 0;
    for (int64_t x = 0; x < 12; ++x) {
      int64_t first = -1, last = -1, count = 0;
      for (int64_t j = 24; j < 36; ++j)
        if (contains(set, values, 12 + x, j)) {
          first = count == 0 ? j - 24 : first;
          last = j - 24;
          ++count;
        }
      EXPECT_EQ(columns->count(x), count) << text << " at " << x;
      if (count) {
        EXPECT_EQ(columns->first(x), first) << text << " at " << x;
        EXPECT_EQ(columns->last(x), last) << text << " at " << x;
      }
      EXPECT_GE(columns->first(x), firstBefore);
      EXPECT_GE(columns->last(x), lastBefore);
      firstBefore = columns->first(x);
      lastBefore = columns->last(x);
    }
  }
}

TEST_F(PlanStrips, OtherSetsHaveNone) {
  for (const char *text :
       {"axes<5 x 12> { window<1, 1>, full }", "axes<5 x 12> { full, causal }",
        "axes<5 x 12> { full, strided<3> }", "window<3, 3>",
        "!axes<5 x 12> { full, chunk<4> }"})
    EXPECT_FALSE(columnsOf(text)) << text;
}

TEST_F(PlanStrips, StripsDivideTheGrid) {
  std::optional<GridColumns> window =
      columnsOf("axes<1 x 56> { full, window<3, 3> }");
  ASSERT_TRUE(window);
  for (int64_t panel : {24, 48}) {
    StripChoice choice = chooseStrip(*window, panel);
    EXPECT_GT(choice.columns, 1);
    EXPECT_EQ(56 % choice.columns, 0);
    EXPECT_LT(choice.keys * 2, choice.keysOfRows);
  }
  // Windows as wide as the grid gain nothing.
  std::optional<GridColumns> wide =
      columnsOf("axes<1 x 12> { full, window<11, 11> }");
  ASSERT_TRUE(wide);
  EXPECT_EQ(chooseStrip(*wide, 48).columns, 1);
  // A prime number of columns has no strips.
  std::optional<GridColumns> prime =
      columnsOf("axes<1 x 53> { full, window<1, 1> }");
  ASSERT_TRUE(prime);
  EXPECT_EQ(chooseStrip(*prime, 48).columns, 1);
}

TEST(ScheduleTiles, PanelsEndWhereListsDo) {
  EXPECT_EQ(vectorsForLists(64, 16, 3, INT64_MAX), 4);
  EXPECT_EQ(vectorsForLists(48, 16, 3, INT64_MAX), 3);
  EXPECT_EQ(vectorsForLists(32, 8, 3, INT64_MAX), 4);
  EXPECT_EQ(vectorsForLists(16, 16, 3, INT64_MAX), 1);
  // Four vectors for 40 rows would leave more lanes idle than lists do.
  EXPECT_LE(vectorsForLists(64, 16, 3, 40), 3);
  EXPECT_EQ(tileForLists(64, 64, 96), 64);
  EXPECT_EQ(tileForLists(128, 64, 96), 64);
  EXPECT_EQ(tileForLists(32, 32, 96), 96);
  EXPECT_EQ(tileForLists(100, 48, 96), 96);
  EXPECT_EQ(tileForLists(7, 128, 96), 128);
}
