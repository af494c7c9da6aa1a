// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Windows and chunks on grids, walked by strips of columns, against the
// reference: grids of all shapes, positions that begin in the middle of a grid
// row, rows outside the grid, states that go on.

#include "Harness.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test;

namespace {
struct GridCase {
  std::string mask;
  int64_t n, m;      // query and key rows
  int64_t q = 0;     // position of the first query
  int64_t k = 0;     // of the first key
  std::string strip; // asked for
  int64_t live = -1; // query rows that exist; all
};

std::string typeOf(int64_t rows, bool isStatic, int64_t columns,
                   const char *element) {
  return "tensor<2x2x" + (isStatic ? std::to_string(rows) : "?") + "x" +
         std::to_string(columns) + "x" + element + ">";
}

Problem gridProblem(const GridCase &c, bool isStatic, const char *element) {
  constexpr int64_t d = 16, dv = 24;
  Problem problem;
  Random random(3);
  bool isHalf = std::string(element) == "bf16";
  std::string types[] = {typeOf(c.n, isStatic, d, element),
                         typeOf(c.m, isStatic, d, element),
                         typeOf(c.m, isStatic, dv, element)};
  std::string out = typeOf(c.n, isStatic, dv, element);
  std::string lse =
      "tensor<2x2x" + (isStatic ? std::to_string(c.n) : "?") + "xf32>";
  problem.text =
      "func.func @spec(%q: " + types[0] + ", %k: " + types[1] +
      ", %v: " + types[2] +
      ", %qs: tensor<i64>, %ks: tensor<i64>, %ql: tensor<2xi32>) -> (" + out +
      ", " + lse +
      ") {\n  %o, %lse = attn.attention %q, %k, %v "
      "q_lengths(%ql) q_start(%qs) k_start(%ks) mask = #attn.pairs<" +
      c.mask + "> returns = [lse]\n      : " + types[0] + ", " + types[1] +
      ", " + types[2] + ", tensor<2xi32>, tensor<i64>, tensor<i64> -> (" + out +
      ", " + lse + ")\n  return %o, %lse : " + out + ", " + lse + "\n}\n";
  attnc_dtype dtype = isHalf ? ATTNC_DTYPE_BF16 : ATTNC_DTYPE_F32;
  auto add = [&](const char *name, int64_t rows, int64_t columns) {
    problem.inputs.push_back({name, dtype, {2, 2, rows, columns}, {}, {}, -1});
    TensorSpec &spec = problem.inputs.back();
    for (int64_t x = 0; x < spec.size(); ++x)
      spec.values.push_back(static_cast<double>(random.below(257) - 128) / 128);
  };
  add("q", c.n, d);
  add("k", c.m, d);
  add("v", c.m, dv);
  for (auto [name, value] : {std::pair("qs", c.q), {"ks", c.k}}) {
    problem.inputs.push_back({name, ATTNC_DTYPE_I64, {}, {}, {}, -1});
    problem.inputs.back().values = {static_cast<double>(value)};
  }
  problem.inputs.push_back({"ql", ATTNC_DTYPE_I32, {2}, {}, {}, -1});
  problem.inputs.back().values = {
      static_cast<double>(c.live < 0 ? c.n : c.live), static_cast<double>(c.n)};
  problem.outputs.push_back({"o", dtype, {2, 2, c.n, dv}, {}, {}, -1});
  problem.outputs.push_back({"lse", ATTNC_DTYPE_F32, {2, 2, c.n}, {}, {}, -1});
  problem.largestValue = 1;
  problem.operand = dtype;
  problem.naiveErrors = {isHalf ? 4e-3 : 5e-7, isHalf ? 1e-5 : 5e-7};
  return problem;
}

class Strips : public ::testing::TestWithParam<const char *> {
protected:
  Engine engine;

  void check(const GridCase &c, bool isStatic = true) {
    Problem problem = gridProblem(c, isStatic, GetParam());
    SCOPED_TRACE(problem.text + "strip = " + c.strip);
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    for (const char *micro : {"block", "row"}) {
      SCOPED_TRACE(micro);
      CompileChoices choices;
      choices.micro = micro;
      choices.schedule = "strip = " + c.strip;
      if (std::string(micro) == "row")
        choices.schedule += ", query_tile = 13";
      Kernel kernel = engine.jit(problem, choices);
      ASSERT_TRUE(kernel) << engine.takeDiagnostics();
      for (Place place : {Place::AtEnd, Place::AtBegin}) {
        RunResult result = engine.run(kernel, problem, place, 2);
        ASSERT_TRUE(result.ok()) << result.message();
        EXPECT_EQ(compare(problem, result.outputs, *exact, *naive).failure, "");
      }
    }
  }
};
} // namespace

TEST_P(Strips, WindowsAndChunks) {
  for (const char *strip : {"2", "4", "6"})
    for (const char *mask :
         {"axes<10 x 12> { window<2, 1>, window<3, 2> }",
          "axes<10 x 12> { window<2, 2, clamped>, window<2, 2, clamped> }",
          "axes<10 x 12> { chunk<5>, chunk<4> }",
          "axes<10 x 12> { chunk<5, offset = 2>, chunk<4, offset = 3> }",
          "axes<10 x 12> { full, window<9, 9, clamped> }",
          "axes<10 x 12> { causal, window<0, 4> }",
          "axes<10 x 12> { window<1, 1>, local<20> }",
          "axes<2 x 5 x 12> { full, window<1, 1>, window<2, 2> }",
          "axes<10 x 12> { window<2, 2>, window<1, 1> } | first<5>",
          "axes<10 x 12> { window<2, 2>, local<2> } & causal"})
      check({mask, 120, 120, 0, 0, strip});
}

TEST_P(Strips, PositionsThatBeginAnywhere) {
  const char *mask = "axes<13 x 8> { window<2, 2>, window<2, 1, clamped> }";
  for (bool isStatic : {false, true})
    for (int64_t q : {0, 3, 6, 8, 13, 50})
      for (int64_t k : {0, 5, 24})
        check({mask, 61, 73, q, k, "4"}, isStatic);
  // Rows before, behind and around the grid.
  check({mask, 150, 160, -20, -13, "2"}, false);
  check({mask, 5, 9, 100, 90, "4"}, false);
  check({mask, 1, 104, 30, 0, "4"}, false);
}

/// Rows from some row on do not exist, in one batch.
TEST_P(Strips, RowsEnd) {
  const char *mask = "axes<13 x 8> { window<2, 2>, window<2, 1, clamped> }";
  for (int64_t live : {0, 1, 2, 3, 4, 5, 8, 30, 31, 59, 60})
    check({mask, 61, 73, 3, 5, "4", live}, false);
}

/// Components on grids of other widths, and others beside them, are launches of
/// their own.
TEST_P(Strips, StatesGoOn) {
  check({"axes<12 x 10> { window<1, 1>, window<1, 1> } | "
         "axes<6 x 20> { full, chunk<4> }",
         120, 120, 0, 0, "5"});
  check({"axes<12 x 10> { window<1, 1>, local<1> } | strided<7>", 120, 120, 0,
         0, "2"});
}

INSTANTIATE_TEST_SUITE_P(Types, Strips, ::testing::Values("f32", "bf16"),
                         [](const auto &info) {
                           return std::string(info.param);
                         });
