// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random sets through expand, simplify and plan, against brute force over all
// pairs. ATTNC_TEST_SEED repeats a run.

#include "PlanMeaning.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/PlanCost.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <set>

using namespace attnc;
using namespace attnc::test::pairs;
using namespace mlir;
using namespace mlir::attn;

namespace {
/// An operation over random sets, planned.
class PlanDifferential : public ::testing::Test {
protected:
  MLIRContext context{MLIRContext::Threading::DISABLED};
  Random random;
  uint64_t seed = 0;
  /// Of the last run, and how many runs so far: the planner gave up.
  bool isTooComplex = false;
  int tooComplex = 0;

  struct PlanTrials {
    llvm::function_ref<PairsAttr(MLIRContext *, Random &, int)> draw;
    int rounds, runs;
    int64_t largest; // rows
  };
  void comparePlans(const PlanTrials &trials);

  void SetUp() override {
    context.loadDialect<AttnDialect, affine::AffineDialect, func::FuncDialect,
                        linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect>();
    const char *given = std::getenv("ATTNC_TEST_SEED");
    seed = given ? std::strtoull(given, nullptr, 10) : 20260000;
    random.seed(seed);
    RecordProperty("seed", std::to_string(seed));
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  }

  /// Parses and runs passes; the attention, or null with the test failed.
  AttentionOp run(OwningOpRef<ModuleOp> &module, const std::string &text,
                  llvm::function_ref<void(OpPassManager &)> addPasses) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << "does not parse:\n" << text;
      return {};
    }
    PassManager pm(&context);
    addPasses(pm.nest<func::FuncOp>());
    std::string errors;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      errors += diagnostic.str() + "\n";
      return success();
    });
    LogicalResult result = pm.run(*module);
    isTooComplex = errors.find("too complex to be planned") < errors.size() ||
                   errors.find("disjoint components") < errors.size();
    tooComplex += isTooComplex;
    if (failed(result)) {
      if (!isTooComplex)
        ADD_FAILURE() << "passes fail on:\n" << text << errors;
      return {};
    }
    AttentionOp op;
    module->walk([&](AttentionOp found) { op = found; });
    return op;
  }
};
} // namespace

/// How often the plan computes each pair of the operands' rows, in row order.
static std::vector<int> countPairs(PlanAttr plan, const Shape &shape,
                                   const Values &values,
                                   const std::vector<int64_t> &numbers) {
  std::vector<int64_t> launch = symbolsOf(plan, values, numbers);
  std::vector<int> counts;
  for (int64_t i = values.qBegin; i < values.qBegin + shape.n; ++i) {
    std::vector<int64_t> symbols =
        symbolsOfRow(plan, values, numbers, launch, i);
    for (int64_t j = values.kBegin; j < values.kBegin + shape.m; ++j) {
      int count = 0;
      for (ComponentAttr component : plan.getComponents())
        count += boundsKeep(component, symbols, i, j) &&
                 testsKeep(component, plan, values, numbers, i, j);
      counts.push_back(count);
    }
  }
  return counts;
}

/// The pairs that the sets keep, by definition.
static std::vector<int> definePairs(PairsAttr mask, PairsAttr sparsity,
                                    const Shape &shape, const Values &values) {
  std::vector<int> kept;
  for (int64_t i = values.qBegin; i < values.qBegin + shape.n; ++i)
    for (int64_t j = values.kBegin; j < values.kBegin + shape.m; ++j)
      kept.push_back(values.hasPair(i, j) && contains(mask, values, i, j) &&
                     (!sparsity || contains(sparsity, values, i, j)));
  return kept;
}

/// Plans `rounds` pairs of sets and compares them with their definition.
void PlanDifferential::comparePlans(const PlanTrials &trials) {
  int configurations = 0, telling = 0, components = 0, largest = 0;
  for (int round = 0; round < trials.rounds; ++round) {
    Shape shape = drawShape(random, trials.largest);
    PairsAttr mask = trials.draw(&context, random, draw(random, 0, 3));
    PairsAttr sparsity;
    if (draw(random, 0, 2) == 0)
      sparsity = trials.draw(&context, random, draw(random, 0, 2));
    std::string text = moduleText(shape, mask, sparsity);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " +
                 std::to_string(round) + ":\n" + text);
    bool simplify = draw(random, 0, 1);
    OwningOpRef<ModuleOp> module;
    AttentionOp op = run(module, text, [&](OpPassManager &pm) {
      pm.addPass(createExpandPass());
      if (simplify)
        pm.addPass(createSimplifyPairsPass());
      pm.addPass(createPlanPairsPass());
    });
    if (!op && isTooComplex)
      continue;
    ASSERT_TRUE(op);
    PlanAttr plan = op.getPlanAttr();
    std::vector<int64_t> numbers = operandNumbers(op, text);
    components += plan.getComponents().size();
    largest = std::max<int>(largest, plan.getComponents().size());
    for (int run = 0; run < trials.runs; ++run, ++configurations) {
      Values values = drawValues(shape, random);
      std::vector<int> defined = definePairs(mask, sparsity, shape, values);
      ASSERT_EQ(countPairs(plan, shape, values, numbers), defined)
          << "k_begin " << values.kBegin << " k_end " << values.kEnd
          << " q_begin " << values.qBegin << " q_end " << values.qEnd
          << " head " << values.head;
      // Some pairs kept and some not: what a wrong bound would show in.
      int64_t kept = llvm::count(defined, 1);
      telling += kept > 0 && kept < (values.kEnd - values.kBegin) *
                                        (values.qEnd - values.qBegin);
    }
  }
  EXPECT_GE(configurations, trials.rounds * trials.runs * 8 / 10);
  EXPECT_GE(telling, configurations * 4 / 10);
  std::printf("%d configurations, %d of them keep some pairs and not others; "
              "%d components, at most %d a plan; %d sets too complex\n",
              configurations, telling, components, largest, tooComplex);
}

TEST_F(PlanDifferential, PlansOfPlainSetsKeepEachPairOnce) {
  comparePlans({drawPlainSet, /*rounds=*/600, /*runs=*/4, /*largest=*/40});
  EXPECT_EQ(tooComplex, 0);
}

TEST_F(PlanDifferential, PlansOfAllSetsKeepEachPairOnce) {
  auto drawAny = [](MLIRContext *context, Random &random, int depth) {
    return drawSet(context, random, depth);
  };
  comparePlans({drawAny, /*rounds=*/500, /*runs=*/3, /*largest=*/40});
  comparePlans({drawAny, /*rounds=*/100, /*runs=*/2, /*largest=*/96});
}

TEST_F(PlanDifferential, SimplifiedSetsKeepTheSamePairs) {
  for (int round = 0; round < 400; ++round) {
    Shape shape = drawShape(random);
    PairsAttr mask = drawSet(&context, random, draw(random, 0, 3));
    std::string text = moduleText(shape, mask, {});
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " +
                 std::to_string(round) + ":\n" + text);
    OwningOpRef<ModuleOp> module;
    AttentionOp op = run(module, text, [&](OpPassManager &pm) {
      pm.addPass(createSimplifyPairsPass());
    });
    ASSERT_TRUE(op);
    std::vector<int64_t> numbers = operandNumbers(op, text);
    PairsAttr simplified = renumberOperands(
        op.getMaskSet(), ArrayRef(numbers.data(), numbers.size()));
    for (int run = 0; run < 3; ++run) {
      Values values = drawValues(shape, random);
      ASSERT_EQ(definePairs(simplified, {}, shape, values),
                definePairs(mask, {}, shape, values))
          << "k_begin " << values.kBegin << " k_end " << values.kEnd
          << " q_begin " << values.qBegin << " q_end " << values.qEnd;
    }
  }
}

TEST_F(PlanDifferential, SimplifyingTwiceIsSimplifyingOnce) {
  for (int round = 0; round < 300; ++round) {
    Shape shape = drawShape(random);
    PairsAttr mask = drawSet(&context, random, draw(random, 0, 3));
    PairsAttr sparsity = drawSet(&context, random, draw(random, 0, 2));
    std::string text = moduleText(shape, mask, sparsity);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " +
                 std::to_string(round) + ":\n" + text);
    OwningOpRef<ModuleOp> once, twice;
    AttentionOp first = run(once, text, [](OpPassManager &pm) {
      pm.addPass(createSimplifyPairsPass());
    });
    AttentionOp second = run(twice, text, [](OpPassManager &pm) {
      pm.addPass(createSimplifyPairsPass());
      pm.addPass(createSimplifyPairsPass());
    });
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first.getMaskSet(), second.getMaskSet());
    EXPECT_EQ(first.getSparsityAttr(), second.getSparsityAttr());
  }
}

/// Classes of one component's tiles by looking at every pair.
static PlanCost bruteCost(const BoundComponent &bound, const Values &values,
                          TileShape tiles) {
  PlanCost cost;
  auto keeps = [&](int64_t i, int64_t j) {
    return i >= bound.getRowFirst() && i <= bound.getRowLast() &&
           j >= bound.lower(i) && j <= bound.upper(i);
  };
  for (int64_t row = values.qBegin; row < values.qEnd; row += tiles.queryTile) {
    int64_t last = std::min(row + tiles.queryTile, values.qEnd) - 1;
    int64_t first = INT64_MAX, end = INT64_MIN;
    for (int64_t i = row; i <= last; ++i)
      for (int64_t j = values.kBegin; j < values.kEnd; ++j)
        if (keeps(i, j)) {
          first = std::min(first, j);
          end = std::max(end, j);
          ++cost.keptPairs;
        }
    for (int64_t key = first; key <= end; key += tiles.keyTile) {
      int64_t keyLast = std::min(key + tiles.keyTile - 1, end);
      bool full = !bound.hasTests();
      for (int64_t i = row; full && i <= last; ++i)
        for (int64_t j = key; full && j <= keyLast; ++j)
          full = keeps(i, j);
      (full ? cost.fullTiles : cost.partialTiles) += 1;
      cost.visitedPairs += (last - row + 1) * (keyLast - key + 1);
    }
  }
  return cost;
}

TEST_F(PlanDifferential, CostsAgreeWithEveryPair) {
  int64_t visited = 0, kept = 0, exact = 0, plans = 0;
  for (int round = 0; round < 300; ++round) {
    Shape shape = drawShape(random);
    PairsAttr mask = drawPlainSet(&context, random, draw(random, 0, 3));
    std::string text = moduleText(shape, mask, {});
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " +
                 std::to_string(round) + ":\n" + text);
    OwningOpRef<ModuleOp> module;
    AttentionOp op = run(module, text, [&](OpPassManager &pm) {
      pm.addPass(createPlanPairsPass());
    });
    ASSERT_TRUE(op);
    PlanAttr plan = op.getPlanAttr();
    Values values = drawValues(shape, random);
    std::vector<int64_t> symbols =
        symbolsOf(plan, values, operandNumbers(op, text));
    TileShape tiles{draw(random, 1, 12), draw(random, 1, 12)};
    std::optional<PlanCost> cost = costOf(plan, symbols, tiles);
    ASSERT_TRUE(cost);
    PlanCost sum;
    for (ComponentAttr component : plan.getComponents()) {
      std::optional<BoundComponent> bound =
          BoundComponent::bind(component, symbols);
      ASSERT_TRUE(bound);
      PlanCost brute = bruteCost(*bound, values, tiles);
      EXPECT_EQ(bound->countPairs(), brute.keptPairs);
      sum += brute;
    }
    EXPECT_EQ(cost->keptPairs, sum.keptPairs);
    // A tile may begin at a row that keeps nothing, so that a few more keys
    // are visited than the kept ones span; never fewer.
    EXPECT_GE(cost->visitedPairs, sum.visitedPairs);
    std::vector<int> pairs = definePairs(mask, {}, shape, values);
    int64_t defined = std::accumulate(pairs.begin(), pairs.end(), int64_t(0));
    if (cost->keptIsExact)
      EXPECT_EQ(cost->keptPairs, defined);
    else
      EXPECT_GE(cost->keptPairs, defined);
    if (cost->visitedPairs == sum.visitedPairs) {
      EXPECT_EQ(cost->fullTiles, sum.fullTiles);
      EXPECT_EQ(cost->partialTiles, sum.partialTiles);
      ++exact;
    }
    ++plans;
    visited += cost->visitedPairs;
    kept += sum.visitedPairs;
  }
  std::printf("%lld of %lld plans visit exactly the span of their pairs; "
              "%lld pairs visited, %lld in spans\n",
              (long long)exact, (long long)plans, (long long)visited,
              (long long)kept);
  EXPECT_GE(exact * 100, plans * 90);
}
