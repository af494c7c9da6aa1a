// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Words and formulas for people.

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/DescribePairs.h"
#include "passes/Passes.h"
#include "passes/PlanCost.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Describe : public ::testing::Test {
protected:
  MLIRContext context{MLIRContext::Threading::DISABLED};

  void SetUp() override {
    context.loadDialect<AttnDialect, func::FuncDialect, linalg::LinalgDialect,
                        math::MathDialect>();
  }

  std::string words(const std::string &set) {
    auto attr = dyn_cast_or_null<PairsAttr>(
        parseAttribute("#attn.pairs<" + set + ">", &context));
    EXPECT_TRUE(attr) << set;
    return attr ? describePairs(attr) : "";
  }

  /// The formula of a mask over ?x8 operands; `clauses` and `operands` extend
  /// the operation.
  std::string formula(const std::string &mask, const std::string &clauses = "",
                      const std::string &operands = "") {
    std::string types;
    for (char c : operands)
      types += c == '%' ? ", i64" : "";
    std::string arguments;
    for (size_t at = operands.find('%'); at != std::string::npos;
         at = operands.find('%', at + 1))
      arguments +=
          ", " + operands.substr(at, operands.find(' ', at) - at) + ": i64";
    std::string text =
        "func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>" + arguments +
        ") -> tensor<?x8xf32> { %o = attn.attention %q, %k, %k " + clauses +
        " mask = #attn.pairs<" + mask +
        "> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>" + types +
        " -> tensor<?x8xf32>\n return %o : tensor<?x8xf32> }";
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << text;
      return "";
    }
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createPlanPairsPass());
    EXPECT_TRUE(succeeded(pm.run(*module)));
    std::string result;
    module->walk([&](AttentionOp op) {
      result = keptPairsFormula(
          op, [](int64_t n) { return "x" + std::to_string(n); });
    });
    return result;
  }
};
} // namespace

TEST_F(Describe, WindowsSayWhichSide) {
  EXPECT_EQ(words("causal"), "keys at or before the query");
  EXPECT_EQ(words("window<255, 0>"),
            "keys from 255 positions before the query up to it");
  EXPECT_EQ(words("window<0, 1>"),
            "keys from the query to 1 position after it");
  EXPECT_EQ(words("window<3, 5>"),
            "keys from 3 positions before the query to 5 after it");
  EXPECT_EQ(words("local<7>"), "keys within 7 positions of the query");
  EXPECT_EQ(words("window<$0, 0>"),
            "keys from $0 positions before the query up to it");
}

TEST_F(Describe, OperatorsKeepTheirGrouping) {
  EXPECT_EQ(words("causal & (window<9, 0> | first<4>)"),
            "keys at or before the query, and (keys from 9 positions before "
            "the query up to it, or keys at positions below 4)");
  EXPECT_EQ(words("!keys($0)"), "all keys but keys that $0 marks");
  EXPECT_EQ(words("!(causal | full)"),
            "all keys but (keys at or before the query, or every key)");
}

TEST_F(Describe, OperandsHaveTheirGivenNames) {
  auto set = cast<PairsAttr>(
      parseAttribute("#attn.pairs<prefix($1) | dense($0)>", &context));
  EXPECT_EQ(describePairs(set, [](int64_t n) { return n ? "%p" : "%mask"; }),
            "keys at positions below %p, or pairs that %mask marks");
}

TEST_F(Describe, EverySetHasWords) {
  const char *sets[] = {"full",
                        "empty",
                        "prefix<3>",
                        "chunk<4, offset = 1>",
                        "strided<4>",
                        "columns<8, 2>",
                        "last<1>",
                        "global<2>",
                        "dilated<3, 4>",
                        "log",
                        "random<3, seed = 7>",
                        "affine<\"(i, j) : (i - j >= 0)\">",
                        "predicate<0>",
                        "documents($0)",
                        "ranges($0, $1)",
                        "ranges<by_query>($0, $1)",
                        "csr($0, $1)",
                        "bsr<4>($0, $1)",
                        "topk($0)",
                        "window<3, 3, clamped>",
                        "per_document($0) { causal }",
                        "axes<4 x 5> { local<1>, full }",
                        "blocks<8> { window<1, 1> }",
                        "by_head(0, 2) { causal, local<3> }"};
  for (const char *set : sets)
    EXPECT_GT(words(set).size(), 5u) << set;
  EXPECT_EQ(words("by_head(0, 2) { causal, local<3> }"),
            "heads 0 to 1: keys at or before the query; heads from 2: keys "
            "within 3 positions of the query");
}

TEST_F(Describe, FormulasFollowTheBounds) {
  EXPECT_EQ(formula("full"), "n*m");
  EXPECT_EQ(formula("empty"), "0");
  EXPECT_EQ(formula("causal"), "n*m - n*(n - 1)/2 for n <= m");
  EXPECT_EQ(formula("causal", "positions = start"), "n*(n + 1)/2 for n <= m");
  EXPECT_EQ(formula("!causal"), "n*(n - 1)/2 for n <= m");
  EXPECT_EQ(formula("window<255, 0>"), "at most n*256");
  EXPECT_EQ(formula("first<4>"), "n*min(4, m)");
  EXPECT_EQ(formula("global<4>", "positions = start"),
            "min(4, n)*m + max(0, n - 4)*min(4, m)");
}

TEST_F(Describe, FormulasNameParametersAndStarts) {
  EXPECT_EQ(formula("window<%l, 0>", "", "%l "), "at most n*(x0 + 1)");
  EXPECT_EQ(formula("causal", "q_start(%s)", "%s "),
            "sum(max(0, min(i, m - 1) + 1) for i = q0 .. n + q0 - 1)");
}

TEST_F(Describe, FormulasOfWalksAndValues) {
  EXPECT_EQ(formula("strided<8>"), "about n*m/8");
  EXPECT_EQ(formula("strided<8> & causal"),
            "about (n*m - n*(n - 1)/2)/8 for n <= m");
  EXPECT_EQ(formula("columns<8, 2>"), "about 2*n*m/8");
  EXPECT_EQ(formula("log"), "at most n*(log2(m) + 2)");
  EXPECT_EQ(formula("random<5>"), "at most n*5");
  EXPECT_EQ(formula("chunk<64>"), "at most n*64");
  EXPECT_EQ(formula("chunk<64> & causal"), "at most n*65/2 for n = m");
  EXPECT_EQ(formula("window<8, 8, clamped>"), "at most n*17");
}
