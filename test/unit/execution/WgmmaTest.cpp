// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs of f16 and bf16 by products of warpgroups (sm_90a), run in the
// PTX executor, against the reference: odd sizes, masks that leave clean,
// partial and empty blocks, NaN where no pair looks.
//
//   ATTNC_TEST_SEED=7     other specs and values
//   ATTNC_TEST_CASE=12    that one alone

#include "Case.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <cstdlib>

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr attnc_dtype kTypes[] = {ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16};
constexpr int64_t kRows[] = {1, 63, 130, 197, 450, 641};
constexpr int64_t kHeadSizes[] = {64, 64, 128, 192};
// Rows that begin at no multiple of 16 bytes are refused at launch.
constexpr Layout kLayouts[] = {Layout::Dense, Layout::Dense,
                               Layout::Transposed};
constexpr const char *kSchedules[] = {
    "", "", "lazy = 0", "key_block = 32, stages = 3",
    "query_tile = 64, warps = 4, stages = 3, key_block = 16"};

template <typename T, size_t N>
T pick(Random &random, const T (&values)[N]) {
  return values[random.below(N)];
}

template <typename E>
E pick(Random &random) {
  return static_cast<E>(random.below(static_cast<int64_t>(E::Count)));
}

Case drawCase(Random &random) {
  Case c;
  c.dtype = pick(random, kTypes);
  c.n = pick(random, kRows);
  c.m = random.below(2) ? c.n : pick(random, kRows);
  c.d = pick(random, kHeadSizes);
  c.dv = random.below(3) ? c.d : pick(random, kHeadSizes);
  c.dynamic = pick<Dynamic>(random);
  c.rank = 2 + static_cast<int>(random.below(4));
  c.heads = c.rank == 2 ? Heads::One : pick<Heads>(random);
  c.mask = pick<Mask>(random);
  c.positions = pick<Positions>(random);
  c.score = pick<Score>(random);
  c.lse = random.below(2);
  c.micro = "wgmma";
  c.layout = c.rank == 2 ? Layout::Dense : pick(random, kLayouts);
  c.poison = random.below(2);
  return c;
}
} // namespace

TEST(Wgmma, SpecsAgreeWithTheReference) {
  Engine engine;
  uint64_t seed = 1;
  if (const char *given = std::getenv("ATTNC_TEST_SEED"))
    seed = std::strtoull(given, nullptr, 10);
  const char *only = std::getenv("ATTNC_TEST_CASE");
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  constexpr int kRounds = 16;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure();
       ++round) {
    if (only && std::strtol(only, nullptr, 10) != round)
      continue;
    uint64_t own = seed * 1000003 + static_cast<uint64_t>(round);
    Random random(own);
    Case c = drawCase(random);
    const std::string target = "sm_90a";
    std::string schedule = pick(random, kSchedules);
    Problem problem = makeProblem(c, own);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ", " + target + ", schedule '" +
                 schedule + "': " + c.describe() + "\n" + problem.text);
    Kernel kernel =
        engine.simulate(problem, target, own, {c.micro, "auto", schedule});
    ASSERT_TRUE(kernel) << engine.takeDiagnostics();
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 0);
    ASSERT_TRUE(result.ok()) << result.message();
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    Comparison comparison = compare(problem, result.outputs, *exact, *naive);
    Problem widened = problem;
    if (!comparison.failure.empty() &&
        sampleNaiveError(engine, widened, c, own))
      comparison = compare(widened, result.outputs, *exact, *naive);
    EXPECT_EQ(comparison.failure, "");
  }
}
