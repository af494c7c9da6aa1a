// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs of f16 and bf16 on tensor cores, run in the PTX executor,
// against the reference: odd sizes, every head size that has a shape of its
// own, masks that leave clean, partial and empty blocks, NaN where no pair
// looks.
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
constexpr int64_t kRows[] = {1, 17, 63, 64, 130, 197, 257};
constexpr int64_t kHeadSizes[] = {16, 32, 64, 72, 80, 96, 128, 160};
// Rows that begin at no multiple of 16 bytes are refused at launch.
constexpr Layout kLayouts[] = {Layout::Dense, Layout::Dense,
                               Layout::Transposed};
constexpr const char *kTargets[] = {"sm_80", "sm_86", "sm_90"};
constexpr const char *kSchedules[] = {
    "",
    "",
    "",
    "lazy = 0",
    "query_steps = 2, fence = 4",
    "stages = 3, lookahead = 0",
    "key_block = 16, warps = 2, query_tile = 32"};

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
  c.micro = "mma";
  c.producer = random.below(3) ? Producer::None : pick<Producer>(random);
  constexpr const char *kProducers[] = {"auto", "fuse"};
  c.producers = pick(random, kProducers);
  c.epilogue = random.below(3) ? Epilogue::None : pick<Epilogue>(random);
  c.layout = c.rank == 2 ? Layout::Dense : pick(random, kLayouts);
  c.poison = random.below(2);
  return c;
}
} // namespace

TEST(Mma, SpecsAgreeWithTheReference) {
  Engine engine;
  uint64_t seed = 1;
  if (const char *given = std::getenv("ATTNC_TEST_SEED"))
    seed = std::strtoull(given, nullptr, 10);
  const char *only = std::getenv("ATTNC_TEST_CASE");
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure();
       ++round) {
    if (only && std::strtol(only, nullptr, 10) != round)
      continue;
    uint64_t own = seed * 1000003 + static_cast<uint64_t>(round);
    Random random(own);
    Case c = drawCase(random);
    std::string target = pick(random, kTargets);
    std::string schedule = pick(random, kSchedules);
    Problem problem = makeProblem(c, own);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ", " + target + ", schedule '" +
                 schedule + "': " + c.describe() + "\n" + problem.text);
    Kernel kernel =
        engine.simulate(problem, target, own, {c.micro, c.producers, schedule});
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
