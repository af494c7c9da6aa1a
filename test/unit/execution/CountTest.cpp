// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels compute the scores that their plans say, pair for pair.
//
//   ATTNC_TEST_SEED=7     other sets and values
//   ATTNC_TEST_CASE=12    that set alone

#include "Harness.h"
#include "Rounds.h"
#include "SetProblem.h"
#include "mlir/IR/MLIRContext.h"
#include "tools/support/Dialects.h"
#include "gtest/gtest.h"

#include <numeric>

using namespace attnc;
using namespace attnc::test;
using pairs::chance;
using pairs::draw;

namespace {
class Count : public ::testing::Test {
protected:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  Engine engine;
  int compared = 0, exact = 0;
  double computedPairs = 0, plannedPairs = 0;

  void SetUp() override {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  static double sum(const std::vector<double> &values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  }

  /// Pairs that the kernel counts, against the plan's.
  void check(Problem problem, const char *micro) {
    CompileChoices choices{micro, "auto", "", /*countPairs=*/true};
    std::optional<PlannedWork> work = engine.plan(problem, choices);
    engine.takeDiagnostics();
    if (!work)
      return; // operands that no data should hold, or too many components
    Kernel kernel = engine.jit(problem, choices);
    ASSERT_TRUE(kernel) << engine.takeDiagnostics();
    std::vector<int64_t> rows = problem.outputs[0].shape;
    rows.pop_back();
    size_t first = problem.outputs.size();
    attnc_kernel_info info = {};
    info.struct_size = sizeof(info);
    ASSERT_EQ(attnc_kernel_get_info(kernel.get(), &info), ATTNC_OK);
    while (problem.inputs.size() + problem.outputs.size() < info.num_args)
      problem.outputs.push_back({"pairs", ATTNC_DTYPE_I64, rows, {}, {}, -1});
    ASSERT_GT(problem.outputs.size(), first);
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
    ASSERT_TRUE(result.ok() || result.error.code == ATTNC_ERROR_STATUS)
        << result.message();
    double computed = 0;
    for (size_t n = first; n < result.outputs.size(); ++n)
      computed += sum(result.outputs[n]);
    auto planned = static_cast<double>(work->cost.visitedPairs);
    if (work->hasTests) {
      // Blocks of which nothing is kept are tested, and left out.
      EXPECT_LE(computed, planned);
    } else {
      EXPECT_EQ(computed, planned);
      EXPECT_LE(static_cast<double>(work->cost.keptPairs), computed);
      ++exact;
    }
    computedPairs += computed;
    plannedPairs += planned;
    ++compared;
  }
};
} // namespace

TEST_F(Count, KernelsComputeWhatPlansVisit) {
  constexpr int kRounds = 120;
  uint64_t seed = announcedSeed();
  for (int round = 0; round < kRounds; ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000081 + round);
    SetCase c = drawSetCase(&context, random, chance(random, 60) ? 200 : 40);
    if (round % 2) // most plans of deep sets test some pairs
      c.mask = pairs::drawSet(&context, random, draw(random, 0, 1));
    Problem problem = makeSetProblem(c, random);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ":\n" + problem.text);
    check(problem, chance(random, 70) ? "block" : "row");
    if (HasFailure())
      break;
  }
  EXPECT_GE(compared, kRounds * 8 / 10);
  EXPECT_GE(exact, kRounds / 3);
  std::printf(
      "%d plans compared, %d of them without tests; %.0f pairs computed, "
      "%.0f planned\n",
      compared, exact, computedPairs, plannedPairs);
}
