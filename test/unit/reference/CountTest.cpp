// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counting kept pairs.

#include "TestSupport.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class CountTest : public ReferenceTest {
protected:
  PairCount count(StringRef ir, ArrayRef<HostTensor> args,
                  int64_t maxTests = int64_t(1) << 31) {
    func::FuncOp function = parseFunction(ir);
    CountOptions options;
    options.maxTests = maxTests;
    FailureOr<PairCount> result =
        countKeptPairs(attentionOf(function), args, options);
    EXPECT_TRUE(succeeded(result)) << messages;
    return succeeded(result) ? *result : PairCount();
  }
  std::string spec(StringRef set, int64_t heads, int64_t n, int64_t m) {
    return llvm::formatv(
        R"(func.func @f(%q: tensor<{0}x{1}x1xf32>, %k: tensor<{0}x{2}x1xf32>,
                        %v: tensor<{0}x{2}x1xf32>) -> tensor<{0}x{1}x1xf32> {{
          %o = attn.attention %q, %k, %v mask = #attn.pairs<{3}>
            : tensor<{0}x{1}x1xf32>, tensor<{0}x{2}x1xf32>,
              tensor<{0}x{2}x1xf32> -> tensor<{0}x{1}x1xf32>
          return %o : tensor<{0}x{1}x1xf32>
        })",
        heads, n, m, set);
  }
  SmallVector<HostTensor> args(int64_t heads, int64_t n, int64_t m) {
    Type type = Float32Type::get(&context);
    return {HostTensor(type, {heads, n, 1}), HostTensor(type, {heads, m, 1}),
            HostTensor(type, {heads, m, 1})};
  }
};

TEST_F(CountTest, AgreesWithListing) {
  for (StringRef set :
       {"full", "causal", "window<3, 1>", "strided<3> | local<1>",
        "random<3> & causal", "by_head(0, 1) { causal, first<2> }",
        "blocks<4> { window<1, 0> }", "!log", "chunk<5, offset = 2>"}) {
    std::string ir = spec(set, 3, 17, 23);
    int64_t listed = 0;
    ASSERT_TRUE(succeeded(forEachKeptPair(
        attentionOf(parseFunction(ir)), args(3, 17, 23),
        [&](int64_t, int64_t, int64_t, int64_t) { ++listed; })));
    PairCount counted = count(ir, args(3, 17, 23));
    EXPECT_EQ(counted.pairs, listed) << set.str();
    EXPECT_EQ(counted.allPairs, 3 * 17 * 23);
    EXPECT_TRUE(counted.exact);
  }
}

TEST_F(CountTest, LongSequencesAreCheap) {
  int64_t n = 65536;
  EXPECT_EQ(count(spec("causal", 8, n, n), args(8, n, n)).pairs,
            8 * (n * (n + 1) / 2));
  EXPECT_EQ(count(spec("window<1023, 0>", 2, n, n), args(2, n, n)).pairs,
            2 * (1024 * n - 1023 * 1024 / 2));
  PairCount sparse = count(spec("causal & (local<64> | strided<256>)", 1, n, n),
                           args(1, n, n));
  EXPECT_TRUE(sparse.exact);
  EXPECT_LT(sparse.pairs, n * 400);
}

TEST_F(CountTest, EstimatesWhatCostsTooMuch) {
  int64_t n = 2000;
  StringRef set = "affine<\"(i, j) : (i - j >= 0)\">";
  PairCount estimate = count(spec(set, 1, n, n), args(1, n, n), 200000);
  EXPECT_FALSE(estimate.exact);
  EXPECT_NEAR(double(estimate.pairs), double(n * (n + 1) / 2),
              0.02 * n * n / 2);
  EXPECT_TRUE(count(spec(set, 1, n, n), args(1, n, n)).exact);
}

/// Operands of the set may be computed; q, k and v need not be.
TEST_F(CountTest, EvaluatesOnlyWhatSetsNeed) {
  std::string ir = R"(
    func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>,
                 %v: tensor<2x6x8xf32>, %x: tensor<6xi32>) -> tensor<2x4x8xf32> {
      %zero = arith.constant dense<0> : tensor<6xi32>
      %m = arith.cmpi ne, %x, %zero : tensor<6xi32>
      %never = "unknown.op"(%q) : (tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
      %o = attn.attention %never, %k, %v mask = #attn.pairs<keys(%m)>
        : tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<6xi1>
          -> tensor<2x4x8xf32>
      return %o : tensor<2x4x8xf32>
    })";
  context.allowUnregisteredDialects();
  EXPECT_EQ(count(ir, {random({2, 4, 8}, 1), random({2, 6, 8}, 2),
                       random({2, 6, 8}, 3), i32({6}, {1, 0, 2, 0, 0, 9})})
                .pairs,
            2 * 4 * 3);
}
} // namespace
