// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector operations beyond the plain ones: each gives the values it should, and
// compiles for every target.

#include "TestKernels.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

using namespace attnc;
using namespace attnc::test;

namespace {

/// Element i of y for sixteen values x, which are 0, 1, ..., 15 and more.
struct VectorOp {
  const char *name, *body;
  std::function<float(const float *x, int i)> expected;
};

std::ostream &operator<<(std::ostream &os, const VectorOp &op) {
  return os << op.name;
}

float sumOf(const float *x, int first, int count, int step) {
  float sum = 0;
  for (int i = 0; i < count; ++i)
    sum += x[first + i * step];
  return sum;
}

// The body computes %y from %x, both vector<16xf32>.
const VectorOp kOps[] = {
    {"transpose",
     R"(%m = vector.shape_cast %x : vector<16xf32> to vector<4x4xf32>
        %t = vector.transpose %m, [1, 0] : vector<4x4xf32> to vector<4x4xf32>
        %y = vector.shape_cast %t : vector<4x4xf32> to vector<16xf32>)",
     [](const float *x, int i) { return x[i % 4 * 4 + i / 4]; }},
    {"multi_reduction",
     R"(%m = vector.shape_cast %x : vector<16xf32> to vector<2x8xf32>
        %z = arith.constant dense<0.0> : vector<8xf32>
        %s = vector.multi_reduction <add>, %m, %z [0] : vector<2x8xf32> to vector<8xf32>
        %two = vector.interleave %s, %s : vector<8xf32> -> vector<16xf32>
        %y = arith.mulf %two, %two : vector<16xf32>)",
     [](const float *x, int i) {
       float sum = sumOf(x, i / 2, 2, 8);
       return sum * sum;
     }},
    {"contract",
     R"(%a = vector.shape_cast %x : vector<16xf32> to vector<4x4xf32>
        %z = arith.constant dense<0.0> : vector<4x4xf32>
        %p = vector.contract {indexing_maps = [affine_map<(i, j, k) -> (i, k)>,
               affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>],
               iterator_types = ["parallel", "parallel", "reduction"],
               kind = #vector.kind<add>} %a, %a, %z
             : vector<4x4xf32>, vector<4x4xf32> into vector<4x4xf32>
        %y = vector.shape_cast %p : vector<4x4xf32> to vector<16xf32>)",
     [](const float *x, int i) {
       float sum = 0;
       for (int k = 0; k < 4; ++k)
         sum += x[i / 4 * 4 + k] * x[k * 4 + i % 4];
       return sum;
     }},
    {"gather",
     R"(%n = vector.step : vector<16xindex>
        %o = arith.constant dense<15> : vector<16xindex>
        %r = arith.subi %o, %n : vector<16xindex>
        %r32 = arith.index_cast %r : vector<16xindex> to vector<16xi32>
        %all = arith.constant dense<true> : vector<16xi1>
        %pad = arith.constant dense<0.0> : vector<16xf32>
        %y = vector.gather %in[%i] [%r32], %all, %pad
             : memref<?xf32>, vector<16xi32>, vector<16xi1>, vector<16xf32> into vector<16xf32>)",
     [](const float *x, int i) { return x[15 - i]; }},
    {"transfer_read_beyond_the_end",
     R"(%pad = arith.constant -1.0 : f32
        %five = arith.constant 5 : index
        %at = arith.addi %i, %five : index
        %y = vector.transfer_read %in[%at], %pad : memref<?xf32>, vector<16xf32>)",
     [](const float *x, int i) { return i + 5 < 16 ? x[i + 5] : -1.0f; }},
    {"shuffle_and_slices",
     R"(%a = vector.extract_strided_slice %x {offsets = [4], sizes = [8], strides = [1]}
             : vector<16xf32> to vector<8xf32>
        %b = vector.shuffle %a, %a [7, 6, 5, 4, 3, 2, 1, 0] : vector<8xf32>, vector<8xf32>
        %y = vector.insert_strided_slice %b, %x {offsets = [4], strides = [1]}
             : vector<8xf32> into vector<16xf32>)",
     [](const float *x, int i) { return i < 4 || i >= 12 ? x[i] : x[15 - i]; }},
    {"integer_lanes",
     R"(%n = arith.fptosi %x : vector<16xf32> to vector<16xi32>
        %c3 = arith.constant dense<3> : vector<16xi32>
        %q = arith.floordivsi %n, %c3 : vector<16xi32>
        %m = arith.maxsi %q, %c3 : vector<16xi32>
        %y = arith.sitofp %m : vector<16xi32> to vector<16xf32>)",
     [](const float *x, int i) {
       return static_cast<float>(std::max(static_cast<int>(x[i]) / 3, 3));
     }},
    {"wide_integer_lanes",
     R"(%n = arith.fptosi %x : vector<16xf32> to vector<16xi64>
        %q = arith.muli %n, %n : vector<16xi64>
        %y = arith.sitofp %q : vector<16xi64> to vector<16xf32>)",
     [](const float *x, int i) { return x[i] * x[i]; }},
    {"bf16_pairs",
     R"(%h = arith.truncf %x : vector<16xf32> to vector<16xbf16>
        %p = vector.bitcast %h : vector<16xbf16> to vector<8xi32>
        %c16 = arith.constant dense<16> : vector<8xi32>
        %hi = arith.constant dense<0xFFFF0000> : vector<8xi32>
        %e = arith.shli %p, %c16 : vector<8xi32>
        %o = arith.andi %p, %hi : vector<8xi32>
        %ef = arith.bitcast %e : vector<8xi32> to vector<8xf32>
        %of = arith.bitcast %o : vector<8xi32> to vector<8xf32>
        %y = vector.interleave %of, %ef : vector<8xf32> -> vector<16xf32>)",
     [](const float *x, int i) { return x[i ^ 1]; }},
    {"maximum_and_reduction",
     R"(%s = vector.reduction <maximumf>, %x : vector<16xf32> into f32
        %b = vector.broadcast %s : f32 to vector<16xf32>
        %y = arith.subf %x, %b : vector<16xf32>)",
     [](const float *x, int i) {
       float most = x[0];
       for (int k = 1; k < 16; ++k)
         most = std::max(most, x[k]);
       return x[i] - most;
     }},
    {"control_flow",
     R"(%c1 = arith.constant 1 : index
        %c4 = arith.constant 4 : index
        %y = scf.for %k = %c1 to %c4 step %c1 iter_args(%a = %x) -> vector<16xf32> {
          %even = arith.remui %k, %c4 : index
          %next = scf.index_switch %even -> vector<16xf32>
          case 2 {
            %t = arith.addf %a, %a : vector<16xf32>
            scf.yield %t : vector<16xf32>
          }
          default {
            %w = scf.while (%u = %a) : (vector<16xf32>) -> vector<16xf32> {
              %f = vector.extract %u[15] : f32 from vector<16xf32>
              %limit = arith.constant 30.0 : f32
              %go = arith.cmpf olt, %f, %limit : f32
              scf.condition(%go) %u : vector<16xf32>
            } do {
            ^bb0(%u: vector<16xf32>):
              %t = arith.addf %u, %x : vector<16xf32>
              scf.yield %t : vector<16xf32>
            }
            scf.yield %w : vector<16xf32>
          }
          scf.yield %next : vector<16xf32>
        })",
     [](const float *x, int i) { return 4 * x[i]; }},
};

} // namespace

class VectorOps : public ::testing::TestWithParam<VectorOp> {};

TEST_P(VectorOps, ComputeOnEveryTarget) {
  std::string source = elementwiseKernel("f32", 16, GetParam().body);
  std::vector<float> x(16), y(16);
  for (int i = 0; i < 16; ++i)
    x[i] = static_cast<float>(i);
  for (llvm::StringRef name : Target::names()) {
    Target target = targetNamed(name.data());
    Session session(source);
    ASSERT_TRUE(session.isValid()) << session.errors();
    Compiler compiler(session.options);
    ASSERT_TRUE(mlir::succeeded(compiler.compile(session.module(), {target})))
        << name.str() << ": " << session.errors();
    if (!target.missingOnHost().empty())
      continue;
    KernelHandle kernel = session.jit(target);
    ASSERT_TRUE(kernel) << session.errors();
    std::string error;
    ASSERT_EQ(launch(kernel,
                     {{ATTNC_DTYPE_F32, x.data(), {16}},
                      {ATTNC_DTYPE_F32, y.data(), {16}}},
                     &error),
              ATTNC_OK)
        << error;
    for (int i = 0; i < 16; ++i)
      EXPECT_EQ(y[i], GetParam().expected(x.data(), i))
          << name.str() << ", element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, VectorOps, ::testing::ValuesIn(kOps),
                         [](const ::testing::TestParamInfo<VectorOp> &info) {
                           return std::string(info.param.name);
                         });
