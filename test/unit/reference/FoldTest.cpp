// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.fold and attn.rows: stage 4 agrees with stage 2.

#include "TestSupport.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
/// Grouped heads (4 on 2), 10 queries, 12 keys, tiles of 4 rows and 2 heads;
/// the key loader scales by two what the spec scales before.
constexpr StringLiteral kTiled = R"(
#map = affine_map<(d0) -> (4, -d0 + 10)>
#schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2,
  key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1,
  q = direct, k = fuse, v = direct>
#plan = #attn.plan<components = [#attn.component<
  lower = (d0)[s0, s1, s2, s3, s4] -> (d0 - s4, s0),
  upper = (d0)[s0, s1, s2, s3, s4] -> (d0, s1 - 1),
  row_lower = ()[s0, s1, s2, s3, s4] -> (s2),
  row_upper = ()[s0, s1, s2, s3, s4] -> (s3 - 1),
  tests = [1]>], atoms = [#attn.pairs<keys($0)>], parameters = [1]>
func.func @f(%q: tensor<4x10x8xf32>, %k: tensor<2x12x8xf32>,
             %v: tensor<2x12x3xf32>, %m: tensor<12xi1>)
    -> (tensor<4x10x3xf32>, tensor<4x10xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %c12 = arith.constant 12 : index
  %e = tensor.empty() : tensor<4x10x3xf32>
  %el = tensor.empty() : tensor<4x10xf32>
  %o, %l = scf.forall (%h, %r0) = (0, 0) to (4, 10) step (2, 4)
      shared_outs(%out = %e, %outl = %el) -> (tensor<4x10x3xf32>, tensor<4x10xf32>) {
    %n = affine.min #map(%r0)
    %g = arith.divui %h, %c2 : index
    %t, %tl = attn.fold head(%h) rows(%r0, %n) keys(%c12)
        symbols(%c0, %c12, %c2, %c12, %c5) plan = #plan kernel = #attn.softmax
        scale = 5.000000e-01 schedule = #schedule
      load_q {
      ^bb0(%hq: index, %r: index):
        %x = tensor.extract_slice %q[%hq, %r, 0] [1, 1, 8] [1, 1, 1]
          : tensor<4x10x8xf32> to tensor<1x1x8xf32>
        attn.yield %x : tensor<1x1x8xf32>
      }
      load_k {
      ^bb0(%c: index):
        %x = tensor.extract_slice %k[%g, %c, 0] [1, 1, 8] [1, 1, 1]
          : tensor<2x12x8xf32> to tensor<1x1x8xf32>
        %y = arith.addf %x, %x : tensor<1x1x8xf32>
        attn.yield %y : tensor<1x1x8xf32>
      }
      load_v {
      ^bb0(%c: index):
        %x = tensor.extract_slice %v[%g, %c, 0] [1, 1, 3] [1, 1, 1]
          : tensor<2x12x3xf32> to tensor<3xf32>
        attn.yield %x : tensor<3xf32>
      }
      score {
      ^bb0(%s: f32, %hq: index, %i: index, %j: index, %r: index, %c: index):
        %d = arith.subi %j, %i : index
        %di = arith.index_cast %d : index to i32
        %df = arith.sitofp %di : i32 to f32
        %slope = arith.constant 0.25 : f32
        %b = arith.mulf %df, %slope : f32
        %u = arith.addf %s, %b : f32
        attn.yield %u : f32
      }
      tests {
      ^bb0(%hq: index, %i: index, %j: index, %r: index, %c: index):
        %b = tensor.extract %m[%c] : tensor<12xi1>
        attn.yield %b : i1
      }
      epilogue {
      ^bb0(%x: tensor<3xf32>, %hq: index, %r: index):
        %y = arith.mulf %x, %x : tensor<3xf32>
        attn.yield %y : tensor<3xf32>
      } : tensor<2x?x3xf32>, tensor<2x?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %out[%h, %r0, 0] [2, %n, 3] [1, 1, 1]
        : tensor<2x?x3xf32> into tensor<4x10x3xf32>
      tensor.parallel_insert_slice %tl into %outl[%h, %r0] [2, %n] [1, 1]
        : tensor<2x?xf32> into tensor<4x10xf32>
    }
  }
  return %o, %l : tensor<4x10x3xf32>, tensor<4x10xf32>
})";

constexpr StringLiteral kSpec = R"(
func.func @f(%q: tensor<4x10x8xf32>, %k: tensor<2x12x8xf32>,
             %v: tensor<2x12x3xf32>, %m: tensor<12xi1>)
    -> (tensor<4x10x3xf32>, tensor<4x10xf32>) {
  %k2 = arith.addf %k, %k : tensor<2x12x8xf32>
  %o, %l = attn.attention %q, %k2, %v mask = #attn.pairs<window<5, 0> & keys(%m)>
    scale = 0.5 returns = [lse]
    score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %d = arith.subi %j, %i : index
      %di = arith.index_cast %d : index to i32
      %df = arith.sitofp %di : i32 to f32
      %slope = arith.constant 0.25 : f32
      %p = arith.mulf %df, %slope : f32
      %u = arith.addf %s, %p : f32
      attn.yield %u : f32
    } : tensor<4x10x8xf32>, tensor<2x12x8xf32>, tensor<2x12x3xf32>, tensor<12xi1>
      -> (tensor<4x10x3xf32>, tensor<4x10xf32>)
  %e = tensor.empty() : tensor<4x10x3xf32>
  %x = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>,
                                        affine_map<(a, b, c) -> (a, b, c)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%o : tensor<4x10x3xf32>) outs(%e : tensor<4x10x3xf32>) {
    ^bb0(%in: f32, %out: f32):
      %y = arith.mulf %in, %in : f32
      linalg.yield %y : f32
    } -> tensor<4x10x3xf32>
  return %x, %l : tensor<4x10x3xf32>, tensor<4x10xf32>
})";

/// 3 queries on 12 keys in splits of 5, merged by a fold of no component.
constexpr StringLiteral kSplit = R"(
#schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2,
  key_block = 4, lanes = 8, register_keys = 1, register_vectors = 8,
  q = direct, k = direct, v = direct, split = 5>
#plan = #attn.plan<components = [#attn.component<
  lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1),
  row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]>
func.func @f(%q: tensor<4x3x8xf32>, %k: tensor<2x12x8xf32>, %v: tensor<2x12x3xf32>)
    -> (tensor<4x3x3xf32>, tensor<4x3xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c5 = arith.constant 5 : index
  %c9 = arith.constant 9 : index
  %c12 = arith.constant 12 : index
  %es = tensor.empty() : tensor<3x4x3x3xf32>
  %em = tensor.empty() : tensor<3x4x3x2xf32>
  %s, %m = scf.forall (%h, %p) = (0, 0) to (4, 3) step (2, 1)
      shared_outs(%out = %es, %outm = %em) -> (tensor<3x4x3x3xf32>, tensor<3x4x3x2xf32>) {
    %g = arith.divui %h, %c2 : index
    %first = arith.muli %p, %c5 : index
    %next = arith.addi %first, %c5 : index
    %end = arith.minsi %next, %c12 : index
    %t, %tm = attn.fold partial head(%h) rows(%c0, %c3) keys(%end) from(%first)
        symbols(%c0, %c12, %c9, %c12) plan = #plan kernel = #attn.softmax
        scale = 5.000000e-01 schedule = #schedule
      load_q {
      ^bb0(%hq: index, %r: index):
        %x = tensor.extract_slice %q[%hq, %r, 0] [1, 1, 8] [1, 1, 1]
          : tensor<4x3x8xf32> to tensor<1x1x8xf32>
        attn.yield %x : tensor<1x1x8xf32>
      }
      load_k {
      ^bb0(%c: index):
        %x = tensor.extract_slice %k[%g, %c, 0] [1, 1, 8] [1, 1, 1]
          : tensor<2x12x8xf32> to tensor<1x1x8xf32>
        attn.yield %x : tensor<1x1x8xf32>
      }
      load_v {
      ^bb0(%c: index):
        %x = tensor.extract_slice %v[%g, %c, 0] [1, 1, 3] [1, 1, 1]
          : tensor<2x12x3xf32> to tensor<3xf32>
        attn.yield %x : tensor<3xf32>
      } : tensor<2x?x3xf32>, tensor<2x?x2xf32>
    %tc = tensor.cast %t : tensor<2x?x3xf32> to tensor<2x3x3xf32>
    %tmc = tensor.cast %tm : tensor<2x?x2xf32> to tensor<2x3x2xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %tc into %out[%p, %h, 0, 0] [1, 2, 3, 3] [1, 1, 1, 1]
        : tensor<2x3x3xf32> into tensor<3x4x3x3xf32>
      tensor.parallel_insert_slice %tmc into %outm[%p, %h, 0, 0] [1, 2, 3, 2] [1, 1, 1, 1]
        : tensor<2x3x2xf32> into tensor<3x4x3x2xf32>
    }
  }
  %e = tensor.empty() : tensor<4x3x3xf32>
  %el = tensor.empty() : tensor<4x3xf32>
  %o, %l = scf.forall (%h) = (0) to (4) step (2)
      shared_outs(%out = %e, %outl = %el) -> (tensor<4x3x3xf32>, tensor<4x3xf32>) {
    %t, %tl = attn.fold head(%h) rows(%c0, %c3) keys(%c12) states(%c3)
        symbols(%c0, %c12, %c9, %c12) plan = #attn.plan kernel = #attn.softmax
        scale = 5.000000e-01 schedule = #schedule
      load_q {
      ^bb0(%hq: index, %r: index):
        %x = tensor.extract_slice %q[%hq, %r, 0] [1, 1, 8] [1, 1, 1]
          : tensor<4x3x8xf32> to tensor<1x1x8xf32>
        attn.yield %x : tensor<1x1x8xf32>
      }
      load_k {
      ^bb0(%c: index):
        %x = tensor.extract_slice %k[%c0, %c, 0] [1, 1, 8] [1, 1, 1]
          : tensor<2x12x8xf32> to tensor<1x1x8xf32>
        attn.yield %x : tensor<1x1x8xf32>
      }
      load_v {
      ^bb0(%c: index):
        %x = tensor.extract_slice %v[%c0, %c, 0] [1, 1, 3] [1, 1, 1]
          : tensor<2x12x3xf32> to tensor<3xf32>
        attn.yield %x : tensor<3xf32>
      }
      state {
      ^bb0(%hq: index, %r: index, %p: index):
        %x = tensor.extract_slice %s[%p, %hq, %r, 0] [1, 1, 1, 3] [1, 1, 1, 1]
          : tensor<3x4x3x3xf32> to tensor<3xf32>
        %mm = tensor.extract %m[%p, %hq, %r, %c0] : tensor<3x4x3x2xf32>
        %ml = tensor.extract %m[%p, %hq, %r, %c1] : tensor<3x4x3x2xf32>
        attn.yield %x, %mm, %ml : tensor<3xf32>, f32, f32
      } : tensor<2x?x3xf32>, tensor<2x?xf32>
    %tc = tensor.cast %t : tensor<2x?x3xf32> to tensor<2x3x3xf32>
    %tlc = tensor.cast %tl : tensor<2x?xf32> to tensor<2x3xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %tc into %out[%h, 0, 0] [2, 3, 3] [1, 1, 1]
        : tensor<2x3x3xf32> into tensor<4x3x3xf32>
      tensor.parallel_insert_slice %tlc into %outl[%h, 0] [2, 3] [1, 1]
        : tensor<2x3xf32> into tensor<4x3xf32>
    }
  }
  return %o, %l : tensor<4x3x3xf32>, tensor<4x3xf32>
})";

constexpr StringLiteral kUnsplit = R"(
func.func @f(%q: tensor<4x3x8xf32>, %k: tensor<2x12x8xf32>, %v: tensor<2x12x3xf32>)
    -> (tensor<4x3x3xf32>, tensor<4x3xf32>) {
  %o, %l = attn.attention %q, %k, %v mask = #attn.pairs<causal> scale = 0.5
    returns = [lse] : tensor<4x3x8xf32>, tensor<2x12x8xf32>, tensor<2x12x3xf32>
      -> (tensor<4x3x3xf32>, tensor<4x3xf32>)
  return %o, %l : tensor<4x3x3xf32>, tensor<4x3xf32>
})";

class FoldTest : public ReferenceTest {
protected:
  SmallVector<HostTensor> args() {
    // Key 7 is masked out and poisoned.
    HostTensor k = random({2, 12, 8}, 2), v = random({2, 12, 3}, 3);
    k.mutableValues()[7 * 8].f = std::numeric_limits<double>::quiet_NaN();
    v.mutableValues()[7 * 3].f = std::numeric_limits<double>::infinity();
    return {random({4, 10, 8}, 1), k, v,
            i1({12}, {1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1})};
  }
};

TEST_F(FoldTest, TiledIsWhole) {
  for (Precision precision : {Precision::Exact, Precision::Operand}) {
    auto tiled = run(kTiled, args(), precision);
    auto whole = run(kSpec, args(), precision);
    double tolerance = precision == Precision::Exact ? 1e-14 : 0;
    EXPECT_TRUE(close(tiled[0], whole[0], tolerance));
    EXPECT_TRUE(close(tiled[1], whole[1], tolerance));
  }
}

TEST_F(FoldTest, SplitsAreMerged) {
  SmallVector<HostTensor> args{random({4, 3, 8}, 1), random({2, 12, 8}, 2),
                               random({2, 12, 3}, 3)};
  auto split = run(kSplit, args, Precision::Exact);
  auto whole = run(kUnsplit, args, Precision::Exact);
  EXPECT_TRUE(close(split[0], whole[0], 1e-14));
  EXPECT_TRUE(close(split[1], whole[1], 1e-14));
}

TEST_F(FoldTest, RowsBeyondTheQueriesGiveZeros) {
  std::string text = kTiled.str();
  // q_end one less: the last query keeps nothing, whatever the guards say.
  size_t at = text.find("symbols(%c0, %c12, %c2, %c12, %c5)");
  text.replace(at, 34, "symbols(%c0, %c12, %c2, %c11, %c5)");
  at = text.find("(s3 - 1)");
  text.replace(at, 8, "(s3 + 9)");
  at = text.find("%e = tensor");
  text.insert(at, "%c11 = arith.constant 11 : index\n  ");
  auto cut = run(text, args()), whole = run(kSpec, args());
  for (int64_t h = 0; h < 4; ++h)
    for (int64_t r = 0; r < 10; ++r) {
      double wanted = r == 9 ? 0 : whole[0].getFloat((h * 10 + r) * 3);
      EXPECT_NEAR(cut[0].getFloat((h * 10 + r) * 3), wanted, 1e-14);
    }
  EXPECT_EQ(cut[1].getFloat(9), -std::numeric_limits<double>::infinity());
}

TEST_F(FoldTest, OverlappingTilesAreAnError) {
  std::string text = kTiled.str();
  text.replace(text.find("step (2, 4)"), 11, "step (2, 3)");
  std::string message = runFails(text, args());
  EXPECT_NE(message.find("another iteration has written"), std::string::npos)
      << message;
}

TEST_F(FoldTest, ALoaderOutOfBoundsIsAnError) {
  std::string text = kTiled.str();
  text.replace(text.find("tensor.extract_slice %k[%g, %c, 0]"), 34,
               "tensor.extract_slice %k[%h, %c, 0]");
  std::string message = runFails(text, args());
  EXPECT_NE(message.find("leaves its 2 elements"), std::string::npos)
      << message;
}

TEST_F(FoldTest, Rows) {
  auto results = run(R"(
    func.func @f(%x: tensor<2x5x3xf32>, %from: index, %n: index) -> tensor<?x3xf32> {
      %t = attn.rows(%from, %n) {
      ^bb0(%r: index):
        %c1 = arith.constant 1 : index
        %row = tensor.extract_slice %x[%c1, %r, 0] [1, 1, 3] [1, 1, 1]
          : tensor<2x5x3xf32> to tensor<1x1x3xf32>
        %y = math.exp %row : tensor<1x1x3xf32>
        attn.yield %y : tensor<1x1x3xf32>
      } : tensor<?x3xf32>
      return %t : tensor<?x3xf32>
    })",
                     {random({2, 5, 3}, 9), index(2), index(3)});
  HostTensor x = random({2, 5, 3}, 9);
  ASSERT_EQ(results[0].getNumElements(), 9);
  for (int64_t e = 0; e < 9; ++e)
    EXPECT_DOUBLE_EQ(results[0].getFloat(e), std::exp(x.getFloat(15 + 6 + e)));
}
TEST_F(FoldTest, Checked) {
  StringRef ir = R"(
    func.func @f(%x: index, %lo: index, %hi: index) -> index {
      %y = attn.checked %x in(%lo, %hi) status length
      return %y : index
    })";
  EXPECT_EQ(run(ir, {index(7), index(0), index(7)})[0].getInt(0), 7);
  for (int64_t x : {-1, 8}) {
    std::string message = runFails(ir, {index(x), index(0), index(7)});
    EXPECT_NE(message.find("is out of range: it must lie between 0 and 7"),
              std::string::npos)
        << message;
  }
}
} // namespace
