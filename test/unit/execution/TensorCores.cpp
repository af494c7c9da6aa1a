// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Odd sizes, every head size that has a shape of its own, masks that leave
// clean, partial and empty blocks, NaN where no pair looks.

#include "TensorCores.h"
#include "Rounds.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr attnc_dtype kTypes[] = {ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16};
// Rows that begin at no multiple of 16 bytes are refused at launch.
constexpr Layout kLayouts[] = {Layout::Dense, Layout::Dense,
                               Layout::Transposed};

template <typename T>
T pickOf(Random &random, const std::vector<T> &values) {
  return values[static_cast<size_t>(
      random.below(static_cast<int64_t>(values.size())))];
}

Case drawCase(const TensorCoreRounds &rounds, Random &random) {
  Case c;
  c.dtype = pick(random, kTypes);
  c.n = pickOf(random, rounds.rows);
  c.m = random.below(2) ? c.n : pickOf(random, rounds.rows);
  c.d = pickOf(random, rounds.headSizes);
  c.dv = random.below(3) ? c.d : pickOf(random, rounds.headSizes);
  c.dynamic = pick<Dynamic>(random);
  c.rank = 2 + static_cast<int>(random.below(4));
  c.heads = c.rank == 2 ? Heads::One : pick<Heads>(random);
  c.mask = pick<Mask>(random);
  c.positions = pick<Positions>(random);
  c.score = pick<Score>(random);
  c.lse = random.below(2);
  c.micro = rounds.micro;
  if (rounds.hasProducers) {
    c.producer = random.below(3) ? Producer::None : pick<Producer>(random);
    constexpr const char *kProducers[] = {"auto", "fuse"};
    c.producers = pick(random, kProducers);
    c.epilogue = random.below(3) ? Epilogue::None : pick<Epilogue>(random);
  }
  c.layout = c.rank == 2 ? Layout::Dense : pick(random, kLayouts);
  c.poison = random.below(2);
  return c;
}

void check(Engine &engine, const Case &c, const std::string &target,
           const std::string &schedule, uint64_t seed) {
  Problem problem = makeProblem(c, seed);
  SCOPED_TRACE(target + ", schedule '" + schedule + "': " + c.describe() +
               "\n" + problem.text);
  Kernel kernel =
      engine.simulate(problem, target, seed, {c.micro, c.producers, schedule});
  ASSERT_TRUE(kernel) << engine.takeDiagnostics();
  RunResult result = engine.run(kernel, problem, Place::AtEnd, 0);
  ASSERT_TRUE(result.ok()) << result.message();
  auto exact = engine.evaluate(problem, true);
  auto naive = engine.evaluate(problem, false);
  ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
  Comparison comparison = compare(problem, result.outputs, *exact, *naive);
  Problem widened = problem;
  if (!comparison.failure.empty() && sampleNaiveError(engine, widened, c, seed))
    comparison = compare(widened, result.outputs, *exact, *naive);
  EXPECT_EQ(comparison.failure, "");
}
} // namespace

void attnc::test::checkTensorCores(const TensorCoreRounds &rounds) {
  Engine engine;
  uint64_t seed = announcedSeed();
  for (int round = 0; round < rounds.count && !testing::Test::HasFailure();
       ++round) {
    if (isSkipped(round))
      continue;
    uint64_t own = seed * 1000003 + static_cast<uint64_t>(round);
    Random random(own);
    Case c = drawCase(rounds, random);
    std::string target = pickOf(random, rounds.targets);
    std::string schedule = pickOf(random, rounds.schedules);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed));
    check(engine, c, target, schedule, own);
  }
}
