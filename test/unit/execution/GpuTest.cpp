// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs, compiled for GPUs and run in the PTX executor, against the
// reference. Sizes are small: every thread is simulated.
//
//   ATTNC_TEST_SEED=7     other specs and values
//   ATTNC_TEST_CASE=12    that one alone

#include "Case.h"
#include "Harness.h"
#include "PagedCase.h"
#include "Rounds.h"
#include "SetProblem.h"
#include "tools/support/Dialects.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr attnc_dtype kTypes[] = {ATTNC_DTYPE_F32, ATTNC_DTYPE_F64,
                                  ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16};
constexpr int64_t kRows[] = {1, 2, 17, 33, 40};
constexpr int64_t kHeadSizes[] = {1, 2, 17, 32, 64, 72};
constexpr const char *kMicro[] = {"auto", "auto", "row"};
constexpr const char *kTargets[] = {"sm_80", "sm_90", "sm_75"};

class Gpu : public ::testing::Test {
protected:
  Engine engine;
  uint64_t seed = announcedSeed();

  bool failsOnCpuToo(const Problem &problem, const Values &exact,
                     const Values &naive) {
    Kernel kernel = engine.jit(problem, {"row", "auto", ""});
    if (!kernel)
      return false;
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
    bool fails =
        !compare(problem, result.outputs, exact, naive).failure.empty();
    if (fails)
      std::printf("the CPU's kernel is as far off\n");
    return fails;
  }

  /// Compiles, runs and compares; lists may name keys that do not exist.
  void check(const Problem &problem, const std::string &target, uint64_t own,
             const CompileChoices &choices,
             const std::function<bool(Problem &)> &widen) {
    Kernel kernel = engine.simulate(problem, target, own, choices);
    ASSERT_TRUE(kernel) << engine.takeDiagnostics();
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 0);
    // Tensor cores take rows that begin at multiples of 16 bytes; the slow road
    // takes any.
    if (!result.ok() && choices.micro == "auto" &&
        result.message().find("must be aligned") != std::string::npos)
      return check(problem, target, own, {"row", "auto", ""}, widen);
    constexpr uint32_t kIndex = 2, kOrder = 8;
    ASSERT_TRUE(result.ok() || (result.damage.empty() && result.status != 0 &&
                                !(result.status & ~(kIndex | kOrder))))
        << result.message();
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    Comparison comparison = compare(problem, result.outputs, *exact, *naive);
    Problem widened = problem;
    if (!comparison.failure.empty() && widen(widened))
      comparison = compare(widened, result.outputs, *exact, *naive);
    if (!comparison.failure.empty() && failsOnCpuToo(problem, *exact, *naive))
      return; // a naive result that is right by luck
    EXPECT_EQ(comparison.failure, "");
  }
};

Case drawCase(Random &random) {
  Case c;
  c.dtype = pick(random, kTypes);
  c.n = pick(random, kRows);
  c.m = pick(random, kRows);
  c.d = pick(random, kHeadSizes);
  c.dv = random.below(3) ? c.d : pick(random, kHeadSizes);
  c.dynamic = pick<Dynamic>(random);
  c.rank = 2 + static_cast<int>(random.below(4));
  c.heads = c.rank == 2 ? Heads::One : pick<Heads>(random);
  c.mask = pick<Mask>(random);
  c.positions = pick<Positions>(random);
  c.score = pick<Score>(random);
  c.lse = random.below(2);
  c.micro = pick(random, kMicro);
  c.producer = random.below(2) ? Producer::None : pick<Producer>(random);
  c.epilogue = pick<Epilogue>(random);
  c.layout = pick<Layout>(random);
  if (c.rank == 2 && c.layout == Layout::Transposed)
    c.layout = Layout::Padded;
  // Rows of f16 and bf16 that begin at no multiple of 16 bytes are refused.
  bool isHalf = c.dtype == ATTNC_DTYPE_F16 || c.dtype == ATTNC_DTYPE_BF16;
  if (isHalf && c.layout == Layout::Padded)
    c.layout = Layout::Dense;
  c.poison = c.layout != Layout::Broadcast && random.below(2);
  return c;
}
} // namespace

TEST_F(Gpu, SpecsAgreeWithTheReference) {
  constexpr int kRounds = 80;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    if (isSkipped(round))
      continue;
    Random random(seed * 1000003 + static_cast<uint64_t>(round));
    Case c = drawCase(random);
    std::string target = pick(random, kTargets);
    uint64_t own = seed * 1000003 + static_cast<uint64_t>(round);
    Problem problem = makeProblem(c, own);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ", " + target + ": " + c.describe() +
                 "\n" + problem.text);
    ASSERT_TRUE(expectNaiveError(engine, problem, c, own));
    check(problem, target, own, {c.micro, "auto", ""}, [&](Problem &widened) {
      return sampleNaiveError(engine, widened, c, own);
    });
  }
}

TEST_F(Gpu, PairSetsAgreeWithTheReference) {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  constexpr int kRounds = 60;
  int tooComplex = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000003 + round);
    SetCase c = drawSetCase(&context, random, 24);
    Problem problem = makeSetProblem(c, random);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ":\n" + problem.text);
    if (!engine.jit(problem)) { // a set that no plan can hold
      engine.takeDiagnostics();
      ++tooComplex;
      continue;
    }
    check(problem, "sm_80", seed + static_cast<uint64_t>(round), {},
          [](Problem &) { return false; });
  }
  EXPECT_LE(tooComplex, kRounds / 5);
}

TEST_F(Gpu, PagesAgreeWithTheReference) {
  int number = 0;
  for (int64_t pageSize : {3, 16})
    for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16})
      for (bool isPacked : {false, true}) {
        PagedCase c;
        c.pageSize = pageSize;
        c.poolPages = pageSize == 3 ? 41 : 13;
        c.dtype = dtype;
        c.isPacked = isPacked;
        c.isDynamic = number % 2;
        c.rowsFirst = number % 3 == 0;
        c.lse = number % 4 == 1;
        c.d = c.dv = number % 2 ? 32 : 24;
        c.clauses = number % 2 ? " mask = #attn.pairs<causal>" : "";
        Problem problem = makePaged(c, 100 + static_cast<uint64_t>(number));
        SCOPED_TRACE(c.describe() + "\n" + problem.text);
        check(problem, number % 2 ? "sm_80" : "sm_90",
              seed + static_cast<uint64_t>(number), {},
              [](Problem &) { return false; });
        ++number;
      }
}
