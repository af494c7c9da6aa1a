// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whatever schedule is asked for: a kernel that keeps the error promise, or a
// refusal that says what is allowed.

#include "Case.h"
#include "Harness.h"
#include "Rounds.h"
#include "gtest/gtest.h"

#include <random>

using namespace attnc;
using namespace attnc::test;

namespace {
class Schedules : public ::testing::Test {
protected:
  Engine engine;
  std::mt19937_64 random{givenSeed()};

  template <typename T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[random() % values.size()];
  }
  bool chance(unsigned percent) { return random() % 100 < percent; }

  Case drawCase() {
    Case c;
    c.dtype = pick({ATTNC_DTYPE_F32, ATTNC_DTYPE_F32, ATTNC_DTYPE_F64,
                    ATTNC_DTYPE_BF16, ATTNC_DTYPE_F16});
    c.n = pick<int64_t>({1, 7, 33, 65, 130});
    c.m = pick<int64_t>({1, 31, 70, 130});
    c.d = pick<int64_t>({4, 15, 24, 32});
    c.dv = pick<int64_t>({4, 17, 32});
    c.heads = pick({Heads::One, Heads::FourOnTwo, Heads::SixOnOne});
    c.mask = pick({Mask::Full, Mask::Causal, Mask::WideWindow, Mask::Keys,
                   Mask::FirstOrWindow, Mask::KeysPerHead});
    c.dynamic = pick({Dynamic::None, Dynamic::All});
    c.lse = chance(50);
    c.producer = pick({Producer::None, Producer::None, Producer::Rotary});
    return c;
  }

  /// Any fields with any values: about a third make no kernel.
  std::string drawFields() {
    std::string text;
    auto set = [&](const char *field, const std::string &value) {
      text += (text.empty() ? "" : ", ") + std::string(field) + " = " + value;
    };
    auto size = [&](const char *field, std::initializer_list<int> values) {
      if (chance(40))
        set(field, std::to_string(pick(values)));
    };
    if (chance(50))
      set("micro", pick({"block", "row"}));
    size("query_tile", {1, 3, 8, 16, 32, 48, 64, 96, 240});
    size("heads", {1, 2, 3, 6});
    size("key_block", {1, 5, 8, 24, 64, 130, 500});
    size("lanes", {1, 2, 4, 8, 16});
    size("register_keys", {1, 2, 3, 4, 8, 12});
    size("register_vectors", {1, 2, 3, 4});
    if (chance(40))
      set("order", pick({"up", "down", "up_across", "down_across"}));
    if (chance(10))
      set("k", pick({"fuse", "materialize"}));
    return text;
  }
};
} // namespace

TEST_F(Schedules, AnyIsRightOrRefused) {
  constexpr int kRounds = 60;
  int refused = 0;
  std::string title;
  for (int round = 0; round < kRounds; ++round) {
    Case c = drawCase();
    std::string fields = drawFields();
    Problem problem = makeProblem(c, round);
    title = "round " + std::to_string(round) + " of seed " +
            std::to_string(givenSeed()) + ": " + fields;
    SCOPED_TRACE(title + "\n" + c.describe());
    setFaultReport(&problem, &title);
    Kernel kernel = engine.jit(problem, {"auto", "auto", fields});
    std::string errors = engine.takeDiagnostics();
    if (!kernel) {
      EXPECT_TRUE(errors.find("must be ") != std::string::npos ||
                  errors.find("one head a tile") != std::string::npos ||
                  errors.find("(C24)") != std::string::npos ||
                  errors.find("products = dot_bf16") != std::string::npos)
          << errors;
      ++refused;
      continue;
    }
    RunResult one = engine.run(kernel, problem, Place::AtEnd, 1);
    ASSERT_TRUE(one.ok()) << one.message();
    RunResult three = engine.run(kernel, problem, Place::AtBegin, 3);
    ASSERT_TRUE(three.ok()) << three.message();
    EXPECT_TRUE(sameBits(one.outputs, three.outputs));
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive && expectNaiveError(engine, problem, c, round));
    Comparison comparison = compare(problem, one.outputs, *exact, *naive);
    if (!comparison.failure.empty()) {
      ASSERT_TRUE(sampleNaiveError(engine, problem, c, round));
      comparison = compare(problem, one.outputs, *exact, *naive);
    }
    EXPECT_EQ(comparison.failure, "");
    setFaultReport(nullptr, nullptr);
    if (HasFailure())
      break;
  }
  EXPECT_LE(refused, kRounds * 3 / 4);
}

/// The order of workgroups is nobody's business but the threads'.
TEST_F(Schedules, OrderDoesNotChangeBits) {
  for (Heads heads : {Heads::One, Heads::FourOnTwo}) {
    Case c;
    c.n = 301;
    c.m = 320;
    c.d = c.dv = 16;
    c.heads = heads;
    c.mask = Mask::Causal;
    c.dynamic = Dynamic::All;
    c.positions = Positions::Lengths;
    Problem problem = makeProblem(c, 11);
    Values first;
    for (const char *order : {"up", "down", "up_across", "down_across"}) {
      Kernel kernel = engine.jit(
          problem, {"auto", "auto", std::string("order = ") + order});
      ASSERT_TRUE(kernel) << engine.takeDiagnostics();
      for (uint32_t threads : {1, 2, 3, 4}) {
        RunResult result = engine.run(kernel, problem, Place::AtEnd, threads);
        ASSERT_TRUE(result.ok()) << result.message();
        if (first.empty())
          first = result.outputs;
        EXPECT_TRUE(sameBits(result.outputs, first)) << order << threads;
      }
    }
  }
}
