// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention where the answer is known without computing it.

#include "TestSupport.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

class ClosedFormTest : public ReferenceTest {
protected:
  /// One head, n queries and m keys of size 4, values of size 3.
  static std::string spec(int n, int m, StringRef clauses) {
    std::string q = type(n, 4), k = type(m, 4), v = type(m, 3), o = type(n, 3);
    return "func.func @f(%q: " + q + ", %k: " + k + ", %v: " + v + ") -> " + o +
           " {\n  %o = attn.attention %q, %k, %v " + clauses.str() + " : " + q +
           ", " + k + ", " + v + " -> " + o + "\n  return %o : " + o + "\n}";
  }
  static std::string type(int rows, int columns) {
    return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) +
           "xf32>";
  }
};

TEST_F(ClosedFormTest, ConstantValuesGiveThatConstant) {
  HostTensor q = random({5, 4}, 1, {}, 24, 8), k = random({7, 4}, 2, {}, 24, 8);
  HostTensor v = f32({7, 3}, std::vector<double>(21, 2.5));
  for (StringRef set : {"full", "causal", "window<2, 1>", "random<3>", "log"}) {
    std::string clause = ("mask = #attn.pairs<" + set + ">").str();
    EXPECT_TRUE(close(run(spec(5, 7, clause), {q, k, v})[0],
                      std::vector<double>(15, 2.5)))
        << set.str();
  }
  // Linear attention with a normaliser averages too.
  EXPECT_TRUE(close(run(spec(5, 7,
                             "mask = #attn.pairs<causal> kernel = "
                             "#attn.linear<feature = exp>"),
                        {q, k, v})[0],
                    std::vector<double>(15, 2.5)));
}

TEST_F(ClosedFormTest, OneKeyGivesItsValue) {
  HostTensor q = random({3, 4}, 3), k = random({1, 4}, 4),
             v = random({1, 3}, 5);
  std::vector<double> row = valuesOf(v), rows;
  for (int r = 0; r < 3; ++r)
    rows.insert(rows.end(), row.begin(), row.end());
  EXPECT_TRUE(close(run(spec(3, 1, ""), {q, k, v})[0], rows));
}

TEST_F(ClosedFormTest, EqualScoresAverage) {
  HostTensor q = f32({1, 4}, {0, 0, 0, 0}), k = random({4, 4}, 6);
  HostTensor v = f32({4, 3}, {1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15});
  EXPECT_TRUE(close(run(spec(1, 4, ""), {q, k, v})[0], {7, 8, 9}));
}

TEST_F(ClosedFormTest, ShiftedScoresAreTheSame) {
  std::string shifted = R"(score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %c = arith.constant 50.0 : f32
      %t = arith.addf %s, %c : f32
      attn.yield %t : f32
    })";
  HostTensor q = random({5, 4}, 7), k = random({7, 4}, 8),
             v = random({7, 3}, 9);
  EXPECT_TRUE(close(run(spec(5, 7, ""), {q, k, v})[0],
                    run(spec(5, 7, shifted), {q, k, v})[0]));
}

TEST_F(ClosedFormTest, LargeScoresDoNotOverflow) {
  HostTensor q = f32({1, 4}, {1e4, 0, 0, 0});
  HostTensor k = f32({2, 4}, {1e4, 0, 0, 0, -1e4, 0, 0, 0});
  HostTensor v = random({2, 3}, 10);
  std::vector<double> first = valuesOf(v);
  first.resize(3);
  EXPECT_TRUE(close(run(spec(1, 2, ""), {q, k, v})[0], first));
}

TEST_F(ClosedFormTest, RowsWithoutPairsGiveZeros) {
  std::string ir = R"(
    func.func @f(%q: tensor<3x4xf32>, %k: tensor<3x4xf32>, %v: tensor<3x3xf32>)
        -> (tensor<3x3xf32>, tensor<3xf32>, tensor<3x3xf32>, tensor<3x3xf32>,
            tensor<3x5xf32>) {
      %o, %l, %s, %p, %t = attn.attention %q, %k, %v
        mask = #attn.pairs<!causal & window<0, 1>>
        returns = [lse, scores, probs, statistics]
        : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x3xf32>
          -> (tensor<3x3xf32>, tensor<3xf32>, tensor<3x3xf32>, tensor<3x3xf32>,
              tensor<3x5xf32>)
      return %o, %l, %s, %p, %t : tensor<3x3xf32>, tensor<3xf32>,
        tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x5xf32>
    })";
  // Row i keeps key i + 1 alone; the last row keeps nothing.
  auto results = run(ir, {f32({3, 4}, std::vector<double>(12, 1)),
                          f32({3, 4}, std::vector<double>(12, 1)),
                          f32({3, 3}, {kNaN, kNaN, kNaN, 1, 2, 3, 4, 5, 6})});
  EXPECT_TRUE(close(results[0], {1, 2, 3, 4, 5, 6, 0, 0, 0}));
  EXPECT_TRUE(close(results[1], {2, 2, -kInf}));
  EXPECT_TRUE(close(results[2],
                    {-kInf, 2, -kInf, -kInf, -kInf, 2, -kInf, -kInf, -kInf}));
  EXPECT_TRUE(close(results[3], {0, 1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_TRUE(close(results[4], {0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(ClosedFormTest, RowsOfMinusInfinityGiveZeros) {
  std::string ir = R"(
    func.func @f(%q: tensor<2x4xf32>, %k: tensor<3x4xf32>, %v: tensor<3x3xf32>,
                 %bias: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>) {
      %o, %l = attn.attention %q, %k, %v bias(%bias) returns = [lse]
        : tensor<2x4xf32>, tensor<3x4xf32>, tensor<3x3xf32>, tensor<2x3xf32>
          -> (tensor<2x3xf32>, tensor<2xf32>)
      return %o, %l : tensor<2x3xf32>, tensor<2xf32>
    })";
  auto results = run(ir, {random({2, 4}, 1), random({3, 4}, 2),
                          f32({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}),
                          f32({2, 3}, {-kInf, -kInf, -kInf, -kInf, 0, -kInf})});
  EXPECT_TRUE(close(results[0], {0, 0, 0, 4, 5, 6}));
  EXPECT_EQ(results[1].getFloat(0), -kInf);
}

/// NaN and infinity in keys that a row does not keep must not reach the row.
TEST_F(ClosedFormTest, MaskedKeysNeverReachARow) {
  for (double poison : {kNaN, kInf, -kInf}) {
    HostTensor q = random({4, 4}, 11), k = random({6, 4}, 12),
               v = random({6, 3}, 13);
    HostTensor badK = k, badV = v;
    for (int64_t key : {3, 5}) {
      for (int64_t e = 0; e < 4; ++e)
        badK.mutableValues()[key * 4 + e].f = poison;
      for (int64_t e = 0; e < 3; ++e)
        badV.mutableValues()[key * 3 + e].f = poison;
    }
    for (StringRef kernel :
         {"#attn.softmax", "#attn.sigmoid", "#attn.relu", "#attn.none",
          "#attn.linear", "#attn.linear<norm = none>"}) {
      std::string ir = spec(
          4, 6,
          ("mask = #attn.pairs<!affine<\"(i, j) : (j - 3 == 0)\"> & first<5>> "
           "kernel = " +
           kernel)
              .str());
      EXPECT_TRUE(close(run(ir, {q, k, v})[0], run(ir, {q, badK, badV})[0]))
          << kernel.str();
    }
  }
}

TEST_F(ClosedFormTest, NaNInAKeptKeyIsSeen) {
  HostTensor v = random({3, 3}, 16);
  v.mutableValues()[4].f = kNaN;
  auto results = run(spec(3, 3, "mask = #attn.pairs<causal>"),
                     {random({3, 4}, 14), random({3, 4}, 15), v});
  EXPECT_FALSE(std::isnan(results[0].getFloat(1)));
  EXPECT_TRUE(std::isnan(results[0].getFloat(4)));
  EXPECT_FALSE(std::isnan(results[0].getFloat(5)));
  EXPECT_TRUE(std::isnan(results[0].getFloat(7)));
  HostTensor k = random({3, 4}, 15);
  k.mutableValues()[4].f = kNaN;
  results = run(spec(3, 3, "mask = #attn.pairs<causal>"),
                {random({3, 4}, 14), k, random({3, 3}, 16)});
  EXPECT_FALSE(std::isnan(results[0].getFloat(2)));
  EXPECT_TRUE(std::isnan(results[0].getFloat(3)));
}

TEST_F(ClosedFormTest, GroupedHeadsAreRepeatedHeads) {
  auto spec = [](StringRef keyHeads) {
    std::string k = ("tensor<2x" + keyHeads + "x6x4xf32>").str();
    return "func.func @f(%q: tensor<2x6x5x4xf32>, %k: " + k + ", %v: " + k +
           ") -> tensor<2x6x5x4xf32> {\n %o = attn.attention %q, %k, %v mask = "
           "#attn.pairs<causal> : tensor<2x6x5x4xf32>, " +
           k + ", " + k +
           " -> tensor<2x6x5x4xf32>\n return %o : tensor<2x6x5x4xf32>\n}";
  };
  HostTensor q = random({2, 6, 5, 4}, 17), k = random({2, 2, 6, 4}, 18),
             v = random({2, 2, 6, 4}, 19);
  auto repeat = [&](const HostTensor &x) {
    HostTensor wide(x.getElementType(), {2, 6, 6, 4});
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t h = 0; h < 6; ++h)
        for (int64_t e = 0; e < 24; ++e)
          wide.mutableValues()[(b * 6 + h) * 24 + e] =
              x.get((b * 2 + h / 3) * 24 + e);
    return wide;
  };
  EXPECT_TRUE(close(run(spec("2"), {q, k, v})[0],
                    run(spec("6"), {q, repeat(k), repeat(v)})[0]));
}

/// Two sets that are the same by algebra.
TEST_F(ClosedFormTest, SetIdentities) {
  const std::pair<StringRef, StringRef> identities[] = {
      {"window<100, 0>", "causal"},
      {"window<2, 1>", "window<2, 100> & window<100, 1>"},
      {"local<2>", "window<2, 2>"},
      {"causal & window<3, 0>", "window<3, 0>"},
      {"window<1, 0> | window<0, 1>", "local<1>"},
      {"!(causal | first<2>)", "!causal & !first<2>"},
      {"global<2>", "first<2> | affine<\"(i, j) : (1 - i >= 0)\">"},
      {"first<3>", "prefix<3>"},
      {"columns<1, 1>", "full"},
      {"columns<4, 0>", "empty"},
      {"strided<1>", "full"},
      {"dilated<3, 2>", "local<6> & strided<2>"},
      {"chunk<4>", "blocks<4> { window<0, 0> }"},
      {"axes<2 x 4> { full, causal }",
       "affine<\"(i, j) : (i mod 4 - j mod 4 >= 0)\">"},
      {"!!log", "log"},
  };
  HostTensor q = random({7, 4}, 20), k = random({7, 4}, 21),
             v = random({7, 3}, 22);
  for (auto [a, b] : identities)
    EXPECT_TRUE(close(
        run(spec(7, 7, ("mask = #attn.pairs<" + a + ">").str()), {q, k, v})[0],
        run(spec(7, 7, ("mask = #attn.pairs<" + b + ">").str()), {q, k, v})[0]))
        << a.str() << " and " << b.str();
}

/// mask & sparsity is one set.
TEST_F(ClosedFormTest, MaskAndSparsityIntersect) {
  HostTensor q = random({7, 4}, 23), k = random({7, 4}, 24),
             v = random({7, 3}, 25);
  EXPECT_TRUE(close(
      run(spec(7, 7,
               "mask = #attn.pairs<causal> "
               "sparsity = #attn.pairs<strided<3> | local<1>>"),
          {q, k, v})[0],
      run(spec(7, 7, "mask = #attn.pairs<causal & (strided<3> | local<1>)>"),
          {q, k, v})[0]));
}

/// Streaming: two chunks with the state handed on are one long sequence.
TEST_F(ClosedFormTest, ChunkedLinearAttentionIsWhole) {
  auto spec = [](int n) {
    std::string x = "tensor<1x" + std::to_string(n) + "x3xf32>";
    return "func.func @f(%q: " + x + ", %k: " + x + ", %v: " + x +
           ", %g: tensor<1xf32>, %s: tensor<1x3x3xf32>) -> (" + x +
           ", tensor<1x3x3xf32>) {\n %o, %t = attn.attention %q, %k, %v "
           "decay(%g) state(%s) mask = #attn.pairs<causal> kernel = "
           "#attn.linear<feature = identity, norm = none> : " +
           x + ", " + x + ", " + x + ", tensor<1xf32>, tensor<1x3x3xf32> -> (" +
           x + ", tensor<1x3x3xf32>)\n return %o, %t : " + x +
           ", tensor<1x3x3xf32>\n}";
  };
  HostTensor q = random({1, 6, 3}, 26), k = random({1, 6, 3}, 27),
             v = random({1, 6, 3}, 28), g = f32({1}, {0.75}),
             s = random({1, 3, 3}, 29);
  auto part = [&](const HostTensor &x, int64_t from, int64_t rows) {
    HostTensor result(x.getElementType(), {1, rows, 3});
    for (int64_t e = 0; e < rows * 3; ++e)
      result.mutableValues()[e] = x.get(from * 3 + e);
    return result;
  };
  auto whole = run(spec(6), {q, k, v, g, s});
  auto first =
      run(spec(4), {part(q, 0, 4), part(k, 0, 4), part(v, 0, 4), g, s});
  auto second =
      run(spec(2), {part(q, 4, 2), part(k, 4, 2), part(v, 4, 2), g, first[1]});
  EXPECT_TRUE(close(first[0], part(whole[0], 0, 4)));
  EXPECT_TRUE(close(second[0], part(whole[0], 4, 2)));
  EXPECT_TRUE(close(second[1], whole[1]));
}

TEST_F(ClosedFormTest, EmptySizes) {
  HostTensor none(Float32Type::get(&context), {0, 3});
  HostTensor noKeys(Float32Type::get(&context), {0, 4});
  EXPECT_TRUE(close(run(spec(2, 0, ""), {random({2, 4}, 1), noKeys, none})[0],
                    std::vector<double>(6, 0)));
  EXPECT_TRUE(close(
      run(spec(0, 2, ""), {noKeys, random({2, 4}, 1), random({2, 3}, 2)})[0],
      std::vector<double>()));
}
} // namespace
