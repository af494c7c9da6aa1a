// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Features x types x sizes against the reference, any two values of any two
// parameters together at least once.
//
//   ATTNC_TEST_SEED=7    other cases and values
//   ATTNC_TEST_CASE=12   that case alone

#include "Pairwise.h"
#include "Case.h"
#include "Harness.h"
#include "Rounds.h"
#include "gtest/gtest.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

using namespace attnc::test;

namespace {
constexpr int64_t kSizes[] = {1, 2, 17, 63, 64, 65, 127, 1000};
constexpr attnc_dtype kTypes[] = {ATTNC_DTYPE_F32, ATTNC_DTYPE_F64,
                                  ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16};
constexpr const char *kMicro[] = {"auto", "block", "row"};
constexpr const char *kProducers[] = {"auto", "fuse", "materialize"};
/// Multiply-adds that one evaluation may cost.
constexpr int64_t kWork = 24'000'000;

enum Parameter {
  Type,
  N,
  M,
  D,
  Dv,
  Dyn,
  HeadsOf,
  Rank,
  MaskOf,
  PositionsOf,
  ScoreOf,
  Lse,
  Micro,
  ProducerOf,
  Producers,
  EpilogueOf,
  LayoutOf,
  Poison,
  NumParameters
};

std::vector<int> countsOfParameters() {
  std::vector<int> counts(NumParameters);
  counts[Type] = std::size(kTypes);
  for (Parameter size : {N, M, D, Dv})
    counts[size] = std::size(kSizes);
  counts[Dyn] = static_cast<int>(Dynamic::Count);
  counts[HeadsOf] = static_cast<int>(Heads::Count);
  counts[Rank] = 4;
  counts[MaskOf] = static_cast<int>(Mask::Count);
  counts[PositionsOf] = static_cast<int>(Positions::Count);
  counts[ScoreOf] = static_cast<int>(Score::Count);
  counts[Lse] = 2;
  counts[Micro] = std::size(kMicro);
  counts[ProducerOf] = static_cast<int>(Producer::Count);
  counts[Producers] = std::size(kProducers);
  counts[EpilogueOf] = static_cast<int>(Epilogue::Count);
  counts[LayoutOf] = static_cast<int>(Layout::Count);
  counts[Poison] = 2;
  return counts;
}

/// Unchosen parameters take the cheapest value.
Case caseOf(const Pairwise::Row &row) {
  auto at = [&](Parameter p) { return std::max(row[p], 0); };
  Case c;
  c.dtype = kTypes[at(Type)];
  c.n = kSizes[at(N)];
  c.m = kSizes[at(M)];
  c.d = kSizes[at(D)];
  c.dv = kSizes[at(Dv)];
  c.dynamic = static_cast<Dynamic>(at(Dyn));
  c.heads = static_cast<Heads>(at(HeadsOf));
  c.rank = 2 + at(Rank);
  c.mask = static_cast<Mask>(at(MaskOf));
  c.positions = static_cast<Positions>(at(PositionsOf));
  c.score = static_cast<Score>(at(ScoreOf));
  c.lse = at(Lse);
  c.micro = kMicro[at(Micro)];
  c.producer = static_cast<Producer>(at(ProducerOf));
  c.producers = kProducers[at(Producers)];
  c.epilogue = static_cast<Epilogue>(at(EpilogueOf));
  c.layout = static_cast<Layout>(at(LayoutOf));
  c.poison = at(Poison);
  return c;
}

/// Leaves out what would not say what it seems to.
bool accept(const Pairwise::Row &row) {
  auto is = [&](Parameter p, auto value) {
    return row[p] == static_cast<int>(value);
  };
  bool isMatrix = is(Rank, 0);
  if (isMatrix && row[HeadsOf] > 0)
    return false;
  if (isMatrix && is(LayoutOf, Layout::Transposed))
    return false;
  if (is(ProducerOf, Producer::None) && row[Producers] > 0)
    return false;
  if (is(LayoutOf, Layout::Broadcast) && row[Poison] > 0)
    return false; // rows are shared: what one batch keeps another may not
  return caseOf(row).work() <= kWork;
}

/// Runs one case; what is wrong, or nothing.
class CaseRunner {
public:
  std::string run(const Case &c, uint64_t seed) {
    problem = makeProblem(c, seed);
    title = c.describe();
    setFaultReport(&problem, &title);
    std::string failure = check(c, seed);
    setFaultReport(nullptr, nullptr);
    if (!failure.empty())
      failure = title + "\n" + failure + engine.takeDiagnostics() + "\n" +
                problem.text;
    return failure;
  }
  double worst = 0; // error as a share of its bound
  std::string worstTitle;

private:
  Engine engine;
  Problem problem;
  std::string title;

  std::string check(const Case &c, uint64_t seed) {
    Kernel kernel = engine.jit(problem, {c.micro, c.producers});
    if (!kernel)
      return "does not compile: ";
    RunResult end = engine.run(kernel, problem, Place::AtEnd, 1);
    if (!end.ok())
      return "does not run: " + end.message();
    RunResult begin = engine.run(kernel, problem, Place::AtBegin, 3);
    if (!begin.ok())
      return "does not run: " + begin.message();
    if (!sameBits(end.outputs, begin.outputs))
      return "gives other bits at another place on three threads";
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    if (!exact || !naive || !expectNaiveError(engine, problem, c, seed))
      return "does not evaluate: ";
    Comparison comparison = compare(problem, end.outputs, *exact, *naive);
    if (!comparison.failure.empty()) {
      if (!sampleNaiveError(engine, problem, c, seed))
        return "does not evaluate: ";
      comparison = compare(problem, end.outputs, *exact, *naive);
    }
    if (comparison.error > worst * comparison.bound) {
      worst = comparison.error / comparison.bound;
      worstTitle = title;
    }
    if (!comparison.failure.empty())
      return comparison.failure + "\n";
    return checkWorkspace(c, kernel);
  }

  /// No part of the workspace grows with both the queries and the keys.
  std::string checkWorkspace(Case c, const Kernel &kernel) {
    if (c.dynamic != Dynamic::Rows && c.dynamic != Dynamic::All)
      return {};
    int64_t bytes[2][2];
    for (int i : {0, 1})
      for (int j : {0, 1}) {
        c.n = 40 << i;
        c.m = 48 << j;
        auto size = engine.workspace(kernel, makeProblem(c, 1, true));
        if (!size)
          return "refuses other sizes: ";
        bytes[i][j] = static_cast<int64_t>(*size);
      }
    // Rounding to cache lines is allowed, a buffer n x m is not.
    int64_t mixed = bytes[1][1] - bytes[1][0] - bytes[0][1] + bytes[0][0];
    if (std::abs(mixed) >= 40 * 48)
      return "allocates something of queries times keys: " +
             std::to_string(mixed) + " bytes\n";
    return {};
  }
};
} // namespace

TEST(Execution, Pairwise) {
  auto start = std::chrono::steady_clock::now();
  auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  };
  uint64_t seed = givenSeed();
  Pairwise covering(countsOfParameters(), seed, accept);
  std::vector<Pairwise::Row> rows = covering.generate();
  std::cout << "seed " << seed << ": " << rows.size() << " cases for "
            << covering.numPairs() << " pairs (" << covering.numFailures()
            << " not placed), found in " << seconds() << " s" << std::endl;
  EXPECT_LE(covering.numFailures(), covering.numPairs() / 100);

  const char *only = std::getenv("ATTNC_TEST_CASE");
  size_t first = only ? std::strtoull(only, nullptr, 10) : 0;
  size_t last = only ? std::min(first + 1, rows.size()) : rows.size();
  std::atomic<size_t> next{first};
  std::mutex mutex;
  size_t failures = 0;
  double worst = 0;
  std::string worstTitle;
  auto work = [&] {
    CaseRunner runner;
    for (size_t i; (i = next++) < last;) {
      std::string failure = runner.run(caseOf(rows[i]), seed * 1000003 + i);
      std::lock_guard<std::mutex> lock(mutex);
      if (!failure.empty() && ++failures <= 20)
        ADD_FAILURE() << "case " << i << " of seed " << seed << ": " << failure;
    }
    std::lock_guard<std::mutex> lock(mutex);
    if (runner.worst > worst) {
      worst = runner.worst;
      worstTitle = runner.worstTitle;
    }
  };
  std::vector<std::thread> workers;
  for (unsigned t = std::min(4u, std::thread::hardware_concurrency()); t > 1;
       --t)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  EXPECT_EQ(failures, 0u) << "of " << last - first << " cases";
  std::cout << last - first << " cases in " << seconds()
            << " s; largest error is " << worst << " of what is allowed, in "
            << worstTitle << std::endl;
}
