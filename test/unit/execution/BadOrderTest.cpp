// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Boundaries and offsets that decrease are reported by the launch; what does
// not depend on them is right all the same.

#include "Harness.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr int64_t kBatch = 2, kHeads = 2, kRows = 130, kColumns = 8;

/// A set over boundaries or offsets %p and, for lists, %x.
struct OrderCase {
  std::string mask;
  std::vector<int64_t> lead; // dims of %p before its last
  std::vector<double> offsets;
  bool isList = false;
};

TensorSpec rowsOf(const std::string &name, Random &random) {
  TensorSpec spec{
      name, ATTNC_DTYPE_F32, {kBatch, kHeads, kRows, kColumns}, {}, {}};
  for (int64_t x = 0; x < spec.size(); ++x)
    spec.values.push_back(
        static_cast<double>(static_cast<float>(random.uniform(1.0))));
  return spec;
}

std::string typeOf(const TensorSpec &spec, const char *element) {
  std::string text = "tensor<";
  for (int64_t size : spec.shape)
    text += std::to_string(size) + "x";
  return text + element + ">";
}

Problem problemOf(const OrderCase &c) {
  Problem problem;
  Random random(5);
  std::string arguments, types;
  auto add = [&](TensorSpec spec, const char *element) {
    std::string type = typeOf(spec, element);
    arguments += (arguments.empty() ? "%" : ", %") + spec.name + ": " + type;
    types += (types.empty() ? "" : ", ") + type;
    problem.inputs.push_back(std::move(spec));
  };
  for (const char *name : {"q", "k", "v"})
    add(rowsOf(name, random), "f32");
  TensorSpec p{"p", ATTNC_DTYPE_I32, c.lead, {}, {}};
  p.shape.push_back(c.offsets.size());
  for (int64_t n = p.size(); n > 0; n -= c.offsets.size())
    p.values.insert(p.values.end(), c.offsets.begin(), c.offsets.end());
  add(std::move(p), "i32");
  if (c.isList) {
    TensorSpec x{"x", ATTNC_DTYPE_I32, {200}, {}, {}};
    for (int64_t t = 0; t < 200; ++t)
      x.values.push_back(random.below(16));
    add(std::move(x), "i32");
  }
  TensorSpec o{"o", ATTNC_DTYPE_F32, {kBatch, kHeads, kRows, kColumns}, {}, {}};
  std::string result = typeOf(o, "f32");
  problem.text = "func.func @spec(" + arguments + ") -> " + result +
                 " {\n  %o = attn.attention %q, %k, %v mask = #attn.pairs<" +
                 c.mask + ">\n      : " + types + " -> " + result +
                 "\n  return %o : " + result + "\n}\n";
  problem.outputs.push_back(std::move(o));
  problem.largestValue = 1;
  return problem;
}

/// Offsets of lists: one element more a row (or row block).
std::vector<double> counting(int64_t size) {
  std::vector<double> offsets;
  for (int64_t t = 0; t < size; ++t)
    offsets.push_back(std::min<double>(t, 200));
  return offsets;
}

class BadOrder : public ::testing::TestWithParam<const char *> {
protected:
  Engine engine;

  /// Breaks the order of the last run of offsets, and compares what is left.
  /// `isTouched(batch, head, row)` says which rows may change.
  template <typename Touched>
  void check(const OrderCase &c, size_t element, double value,
             Touched isTouched) {
    Problem problem = problemOf(c);
    SCOPED_TRACE(problem.text);
    Kernel kernel = engine.jit(problem, {GetParam(), "auto"});
    ASSERT_TRUE(kernel) << engine.takeDiagnostics();
    RunResult good = engine.run(kernel, problem, Place::AtEnd, 1);
    EXPECT_TRUE(good.ok()) << good.message();
    EXPECT_EQ(good.status, uint32_t(ATTNC_STATUS_OK));
    TensorSpec &p = problem.input("p");
    p.values[p.values.size() - c.offsets.size() + element] = value;
    for (uint32_t threads : {1, 2}) {
      RunResult bad = engine.run(kernel, problem, Place::AtEnd, threads);
      EXPECT_EQ(bad.error.code, ATTNC_ERROR_STATUS);
      EXPECT_EQ(bad.status, uint32_t(ATTNC_STATUS_BAD_ORDER));
      EXPECT_EQ(bad.damage, "");
      size_t same = 0;
      for (size_t x = 0; x < bad.outputs[0].size(); ++x) {
        int64_t row = x / kColumns % kRows, head = x / kColumns / kRows;
        if (isTouched(head / kHeads, head % kHeads, row))
          continue;
        ++same;
        ASSERT_EQ(bad.outputs[0][x], good.outputs[0][x])
            << "row " << row << " of head " << head;
      }
      EXPECT_GT(same, 0u);
    }
    EXPECT_FALSE(engine.evaluate(problem, true));
    EXPECT_NE(engine.takeDiagnostics(), "");
  }
};
} // namespace

TEST_P(BadOrder, DocumentBoundaries) {
  std::vector<double> cu{0, 30, 64, 64, 100, 130};
  for (const char *mask :
       {"documents(%p)", "documents(%p) & causal", "documents(%p) | first<3>",
        "per_document(%p) { strided<3> }", "per_document(%p) { columns<4, 1> }",
        "!per_document(%p) { causal & columns<4, 1> }"})
    for (double value : {10.0, -7.0}) {
      // Another batch, or another head, has boundaries of its own.
      check({mask, {kBatch}, cu}, 4, value,
            [](int64_t b, int64_t, int64_t) { return b == 1; });
      check({mask, {kBatch, kHeads}, cu}, 4, value,
            [](int64_t b, int64_t h, int64_t) { return b == 1 && h == 1; });
      check({mask, {1, kHeads}, cu}, 4, value,
            [](int64_t, int64_t h, int64_t) { return h == 1; });
    }
  // One for all: the documents before the search's first probe stay found.
  check({"documents(%p)", {}, cu}, 5, 90,
        [](int64_t, int64_t, int64_t row) { return row >= 64; });
}

TEST_P(BadOrder, OffsetsOfLists) {
  // Walked, and tested where another atom is walked or the rest is kept.
  for (const char *mask : {"csr(%p, %x)", "csr(%p, %x) & causal",
                           "!csr(%p, %x)", "csr(%p, %x) & log"})
    for (double value : {3.0, 150.0})
      check(
          {mask, {}, counting(kRows + 1), true}, 40, value,
          [](int64_t, int64_t, int64_t row) { return row == 39 || row == 40; });
  for (const char *mask : {"bsr<8>(%p, %x)", "!bsr<8>(%p, %x)"})
    for (double value : {3.0, 12.0})
      check({mask, {}, counting(18), true}, 9, value,
            [](int64_t, int64_t, int64_t row) {
              return row / 8 == 8 || row / 8 == 9;
            });
}

INSTANTIATE_TEST_SUITE_P(Kernels, BadOrder, ::testing::Values("block", "row"),
                         [](const auto &info) {
                           return std::string(info.param);
                         });
