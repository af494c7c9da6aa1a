// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// bf16 and f16 in the block micro-kernel, on every target that multiplies them
// in a way of its own: converted to f32 once a key block, or (bf16) in pairs.
// Pairs make odd numbers interesting: head sizes, lengths, where a panel's keys
// begin and end, which half of a pair is masked.

#include "Case.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <limits>

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();

struct Sizes {
  int64_t d, dv, n, m;
};
constexpr Sizes kSizes[] = {
    {64, 64, 65, 130}, {72, 33, 100, 97}, {18, 17, 49, 131},
    {15, 15, 33, 67},  {33, 16, 50, 131}, {1, 15, 49, 66},
    {2, 1, 17, 40},    {80, 96, 50, 129}, {5, 6, 97, 255}};
constexpr Mask kMasks[] = {
    Mask::Full,          Mask::Causal,        Mask::Window,        Mask::Dense,
    Mask::FirstOrWindow, Mask::WindowAndKeys, Mask::PrefixOrCausal};
constexpr Score kScores[] = {Score::Dot, Score::Everything, Score::Holes};
constexpr Producer kProducers[] = {Producer::None, Producer::Rotary,
                                   Producer::None, Producer::Dequantize,
                                   Producer::Float8};
constexpr int kCases = 45;

/// Every size with every mask, once in nine times five cases.
Case caseOf(int i, attnc_dtype dtype) {
  Case c;
  auto [d, dv, n, m] = kSizes[i % std::size(kSizes)];
  c.d = d;
  c.dv = dv;
  c.n = n;
  c.m = m;
  c.dtype = dtype;
  c.rank = 4;
  c.heads = Heads::FourOnTwo;
  c.micro = "block";
  c.mask = kMasks[(i + i / std::size(kSizes)) % std::size(kMasks)];
  c.score = kScores[(i + i / std::size(kSizes)) % std::size(kScores)];
  c.producer = kProducers[i % std::size(kProducers)];
  c.producers = i % 2 ? "fuse" : "materialize";
  c.positions = i % 4 == 3 ? Positions::LengthsAndStarts : Positions::Default;
  c.dynamic = i % 2 ? Dynamic::Rows : Dynamic::None;
  c.lse = i % 3 == 0;
  c.poison = i % 2;
  return c;
}

/// Sets key row `c` of every batch and head of a dense operand.
void setKeyRow(TensorSpec &tensor, int64_t c, double value) {
  int64_t columns = tensor.shape.back(),
          rows = tensor.shape[tensor.shape.size() - 2];
  for (int64_t r = 0; r < tensor.size() / columns; ++r)
    if (r % rows == c)
      std::fill_n(tensor.values.begin() + r * columns, columns, value);
}

class Half : public ::testing::TestWithParam<const char *> {
protected:
  Engine engine;

  void SetUp() override {
    std::vector<std::string> levels = runnableLevels();
    if (std::find(levels.begin(), levels.end(), GetParam()) == levels.end())
      GTEST_SKIP() << "this machine does not run " << GetParam();
  }
  Kernel compile(const Problem &problem, const Case &c) {
    auto description =
        engine.compile(problem, {GetParam()}, {c.micro, c.producers});
    EXPECT_TRUE(description) << engine.takeDiagnostics() << problem.text;
    if (!description)
      return {};
    std::string error;
    Kernel kernel = Engine::load(*description, GetParam(), error);
    EXPECT_TRUE(kernel) << error;
    return kernel;
  }
  Values run(const Kernel &kernel, const Problem &problem, Place place,
             uint32_t threads) {
    RunResult result = engine.run(kernel, problem, place, threads);
    EXPECT_TRUE(result.ok()) << result.message() << "\n" << problem.text;
    return result.outputs;
  }
  void expectPromise(const Case &c, Problem problem, uint64_t seed,
                     const Values &results) {
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    std::string failure = compare(problem, results, *exact, *naive).failure;
    if (!failure.empty()) {
      ASSERT_TRUE(sampleNaiveError(engine, problem, c, seed));
      failure = compare(problem, results, *exact, *naive).failure;
    }
    EXPECT_EQ(failure, "") << c.describe() << "\n" << problem.text;
  }
  /// `micro` row: those cases that dequantise keys and values.
  void agreeWithTheReference(attnc_dtype dtype, const char *micro = "block") {
    for (int i = 0; i < kCases; ++i) {
      Case c = caseOf(i, dtype);
      bool dequantises =
          c.producer == Producer::Dequantize || c.producer == Producer::Float8;
      if (micro == std::string("row") && !dequantises)
        continue;
      c.micro = micro;
      Problem problem = makeProblem(c, i + 1);
      std::string title = c.describe() + " for " + GetParam();
      setFaultReport(&problem, &title);
      Kernel kernel = compile(problem, c);
      ASSERT_TRUE(kernel);
      Values end = run(kernel, problem, Place::AtEnd, 1);
      EXPECT_TRUE(sameBits(end, run(kernel, problem, Place::AtBegin, 3)))
          << title;
      setFaultReport(nullptr, nullptr);
      expectPromise(c, problem, i + 1, end);
    }
  }
};
} // namespace

TEST_P(Half, Bf16AgreesWithTheReference) {
  agreeWithTheReference(ATTNC_DTYPE_BF16);
}

TEST_P(Half, F16AgreesWithTheReference) {
  agreeWithTheReference(ATTNC_DTYPE_F16);
}

/// Blocks of keys and values of the row micro-kernel hold bf16, too.
TEST_P(Half, DequantisedRowsAgreeWithTheReference) {
  agreeWithTheReference(ATTNC_DTYPE_BF16, "row");
}

/// One key is NaN or infinite, in K or in V: rows that do not see it stay as
/// they are, though the key beside it in its pair may be theirs.
TEST_P(Half, NonFiniteKeysReachOnlyRowsThatSeeThem) {
  for (auto [dtype, d, micro] : {std::tuple(ATTNC_DTYPE_BF16, 24, "block"),
                                 std::tuple(ATTNC_DTYPE_BF16, 15, "block"),
                                 std::tuple(ATTNC_DTYPE_BF16, 33, "block"),
                                 std::tuple(ATTNC_DTYPE_BF16, 33, "row"),
                                 std::tuple(ATTNC_DTYPE_F16, 24, "block")})
    for (Mask mask : {Mask::Full, Mask::Causal, Mask::Window, Mask::Dense,
                      Mask::FirstOrWindow, Mask::WindowAndKeys}) {
      Case c;
      c.n = 65;
      c.m = 131;
      c.d = d;
      c.dv = 33;
      c.rank = 3;
      c.micro = micro;
      c.mask = mask;
      c.dtype = dtype;
      Problem clean = makeProblem(c, 7);
      Kernel kernel = compile(clean, c);
      ASSERT_TRUE(kernel);
      Values before = run(kernel, clean, Place::AtEnd, 1);
      size_t infected = 0; // some keys nobody keeps
      for (int64_t key : {96, 97, 130})
        for (const char *operand : {"k", "v"})
          for (double value : {std::nan(""), kInf, -kInf}) {
            Problem dirty = clean;
            setKeyRow(dirty.input(operand), key, value);
            Values after = run(kernel, dirty, Place::AtEnd, 1);
            expectPromise(c, dirty, 7, after);
            size_t changed = 0;
            for (size_t i = 0; i < after[0].size(); ++i)
              changed += !(after[0][i] == before[0][i]);
            infected += changed;
            EXPECT_EQ(changed == after[0].size(), mask == Mask::Full)
                << c.describe();
          }
      EXPECT_GT(infected, 0u) << c.describe();
    }
}

/// NaN in every bit reaches the rows that see it through the scores, too: as a
/// weight it must not be rounded to a number.
TEST_P(Half, NaNInABiasStaysNaN) {
  Case c;
  c.n = 40;
  c.m = 70;
  c.rank = 3;
  c.micro = "block";
  c.dtype = ATTNC_DTYPE_BF16;
  c.score = Score::Bias;
  Problem problem = makeProblem(c, 3);
  for (TensorSpec &tensor : problem.inputs)
    if (tensor.name == "bias")
      for (int64_t i = 0; i < tensor.size(); i += 7 * c.m)
        tensor.values[i + 5] = std::nan("");
  Kernel kernel = compile(problem, c);
  ASSERT_TRUE(kernel);
  Values results = run(kernel, problem, Place::AtEnd, 1);
  auto exact = engine.evaluate(problem, true);
  ASSERT_TRUE(exact);
  size_t bad = 0;
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_EQ(std::isnan(results[0][i]), std::isnan((*exact)[0][i])) << i;
    bad += std::isnan(results[0][i]);
  }
  EXPECT_GT(bad, 0u);
  EXPECT_LT(bad, results[0].size());
}

INSTANTIATE_TEST_SUITE_P(Targets, Half,
                         ::testing::Values("x86-64-v3", "x86-64-v4",
                                           "x86-64-v4+avx512bf16"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char x) { return !std::isalnum(x); }, '_');
                           return name;
                         });
