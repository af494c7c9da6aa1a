// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention with a plan: evaluated by the plan, so that a wrong one shows.

#include "TestSupport.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class PlanTest : public ReferenceTest {
protected:
  static std::string spec(StringRef mask, StringRef plan,
                          StringRef operands = "", StringRef types = "") {
    std::string text = "func.func @f(%q: tensor<6x4xf32>, %k: tensor<6x4xf32>, "
                       "%v: tensor<6x4xf32>" +
                       operands.str() +
                       ") -> tensor<6x4xf32> {\n %o = attn.attention %q, %k, "
                       "%v mask = #attn.pairs<" +
                       mask.str() + ">";
    if (!plan.empty())
      text += " plan = #attn.plan<" + plan.str() + ">";
    return text + " : tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>" +
           types.str() + " -> tensor<6x4xf32>\n return %o : tensor<6x4xf32>\n}";
  }
  /// A component of bounds on s0 (k_begin), s1 (k_end), s2, s3 (q_begin, q_end)
  /// and `extra` parameters.
  static std::string component(StringRef lower, StringRef upper,
                               StringRef rowLower = "s2",
                               StringRef rowUpper = "s3 - 1", int extra = 0,
                               StringRef tests = "") {
    std::string symbols = "[s0, s1, s2, s3";
    for (int e = 0; e < extra; ++e)
      symbols += ", s" + std::to_string(4 + e);
    symbols += "]";
    auto map = [&](StringRef dims, StringRef results) {
      return ("(" + dims + ")" + symbols + " -> (" + results + ")").str();
    };
    std::string text = "#attn.component<lower = " + map("d0", lower) +
                       ", upper = " + map("d0", upper) +
                       ", row_lower = " + map("", rowLower) +
                       ", row_upper = " + map("", rowUpper);
    if (!tests.empty())
      text += ", tests = [" + tests.str() + "]";
    return text + ">";
  }

  SmallVector<HostTensor> args{random({6, 4}, 1), random({6, 4}, 2),
                               random({6, 4}, 3)};
};

TEST_F(PlanTest, RightPlansAgree) {
  HostTensor causal = run(spec("causal", ""), args)[0];
  EXPECT_TRUE(close(run(spec("causal", "components = [" +
                                           component("s0", "d0, s1 - 1") + "]"),
                        args)[0],
                    causal));
  // Two components by rows, and two by keys.
  EXPECT_TRUE(close(
      run(spec("causal", "components = [" +
                             component("s0", "d0", "s2", "s2 + 2") + ", " +
                             component("s0", "d0", "s2 + 3", "s3 - 1") + "]"),
          args)[0],
      causal));
  EXPECT_TRUE(
      close(run(spec("causal", "components = [" +
                                   component("s0", "d0 - 2, s1 - 1") + ", " +
                                   component("d0 - 1, s0", "d0, s1 - 1") + "]"),
                args)[0],
            causal));
}

TEST_F(PlanTest, AWrongPlanGivesAnotherResult) {
  EXPECT_FALSE(close(
      run(spec("causal", "components = [" + component("s0", "d0 - 1") + "]"),
          args)[0],
      run(spec("causal", ""), args)[0]));
  EXPECT_TRUE(close(run(spec("causal", "parameters = []"), args)[0],
                    std::vector<double>(24, 0)));
}

TEST_F(PlanTest, AtomsAndParameters) {
  auto all = args;
  all.push_back(i1({6}, {1, 0, 1, 1, 0, 1}));
  all.push_back(i32({}, {2}));
  StringRef operands = ", %m: tensor<6xi1>, %l: tensor<i32>";
  StringRef types = ", tensor<6xi1>, tensor<i32>";
  HostTensor wanted =
      run(spec("keys(%m) & window<%l, 0>", "", operands, types), all)[0];
  EXPECT_TRUE(
      close(run(spec("keys(%m) & window<%l, 0>",
                     "components = [" +
                         component("s0, d0 - s4", "d0, s1 - 1", "s2", "s3 - 1",
                                   1, "1") +
                         "], atoms = [#attn.pairs<keys($0)>], parameters = [1]",
                     operands, types),
                all)[0],
            wanted));
  // A negative test keeps what the atom does not hold.
  EXPECT_TRUE(close(
      run(spec("keys(%m) & window<%l, 0>",
               "components = [" +
                   component("s0, d0 - s4", "d0, s1 - 1", "s2", "s3 - 1", 1,
                             "-1") +
                   "], atoms = [#attn.pairs<!keys($0)>], parameters = [1]",
               operands, types),
          all)[0],
      wanted));
}

TEST_F(PlanTest, OverlapIsAnError) {
  std::string message =
      runFails(spec("causal", "components = [" + component("s0", "d0") + ", " +
                                  component("d0", "d0") + "]"),
               args);
  EXPECT_NE(message.find("two components of the plan keep the pair of query "
                         "position 0 and key position 0"),
            std::string::npos)
      << message;
}

TEST_F(PlanTest, OverflowIsAnError) {
  std::string message = runFails(
      spec("full", "components = [" +
                       component("s0", "s1 + 9223372036854775807") + "]"),
      args);
  EXPECT_NE(message.find("bound of the plan overflows"), std::string::npos)
      << message;
}
} // namespace
