// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interpreter around attention: arith, math, tensor, linalg, scf, func.

#include "TestSupport.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class InterpreterTest : public ReferenceTest {
protected:
  HostTensor scalar(Type type, int64_t value) {
    return HostTensor::fromInts(type, {}, {value});
  }
  Type integer(unsigned width) { return IntegerType::get(&context, width); }

  /// One integer operation on two operands of a type.
  int64_t binary(StringRef op, StringRef type, int64_t a, int64_t b,
                 StringRef result = "") {
    Type operand = type == "index" ? Type(IndexType::get(&context))
                                   : integer(std::stoi(type.substr(1).str()));
    std::string to = (result.empty() ? type : result).str();
    auto r = run(llvm::formatv("func.func @f(%a: {1}, %b: {1}) -> {2} {{\n"
                               "%c = {0} %a, %b : {1}\n return %c : {2}\n}",
                               op, type, to)
                     .str(),
                 {scalar(operand, a), scalar(operand, b)});
    return r[0].getInt(0);
  }
  double unary(StringRef op, double x) {
    auto r = run(llvm::formatv("func.func @f(%a: f64) -> f64 {{\n"
                               "%c = {0} %a : f64\n return %c : f64\n}",
                               op)
                     .str(),
                 {HostTensor::fromFloats(Float64Type::get(&context), {}, {x})});
    return r[0].getFloat(0);
  }
  double binaryFloat(StringRef op, double x, double y) {
    Type f64 = Float64Type::get(&context);
    auto r = run(llvm::formatv("func.func @f(%a: f64, %b: f64) -> f64 {{\n"
                               "%c = {0} %a, %b : f64\n return %c : f64\n}",
                               op)
                     .str(),
                 {HostTensor::fromFloats(f64, {}, {x}),
                  HostTensor::fromFloats(f64, {}, {y})});
    return r[0].getFloat(0);
  }
};

TEST_F(InterpreterTest, IntegersWrapAndKeepTheirSign) {
  EXPECT_EQ(binary("arith.addi", "i8", 100, 100), -56);
  EXPECT_EQ(binary("arith.muli", "i16", 300, 300), 24464);
  EXPECT_EQ(binary("arith.divsi", "i8", -7, 2), -3);
  EXPECT_EQ(binary("arith.divui", "i8", -7, 2), 124);
  EXPECT_EQ(binary("arith.remsi", "i8", -7, 2), -1);
  EXPECT_EQ(binary("arith.remui", "i8", -7, 2), 1);
  EXPECT_EQ(binary("arith.floordivsi", "i32", -7, 2), -4);
  EXPECT_EQ(binary("arith.ceildivsi", "i32", -7, 2), -3);
  EXPECT_EQ(binary("arith.ceildivsi", "i32", 7, 2), 4);
  EXPECT_EQ(binary("arith.ceildivui", "i32", 7, 2), 4);
  EXPECT_EQ(binary("arith.shli", "i8", 1, 7), -128);
  EXPECT_EQ(binary("arith.shrsi", "i8", -128, 7), -1);
  EXPECT_EQ(binary("arith.shrui", "i8", -128, 7), 1);
  EXPECT_EQ(binary("arith.maxsi", "i8", -1, 1), 1);
  EXPECT_EQ(binary("arith.maxui", "i8", -1, 1), -1);
  EXPECT_EQ(binary("arith.minsi", "i1", 1, 0), 1); // true is -1
  EXPECT_EQ(binary("arith.xori", "index", 6, 3), 5);
}

TEST_F(InterpreterTest, Comparisons) {
  EXPECT_EQ(binary("arith.cmpi slt,", "i8", -1, 1, "i1"), 1);
  EXPECT_EQ(binary("arith.cmpi ult,", "i8", -1, 1, "i1"), 0);
  EXPECT_EQ(binary("arith.cmpi sge,", "i1", 1, 0, "i1"), 0);
  EXPECT_EQ(binary("arith.cmpi uge,", "i1", 1, 0, "i1"), 1);
  Type f64 = Float64Type::get(&context);
  for (auto [predicate, ordered, unordered] :
       std::initializer_list<std::tuple<StringRef, int, int>>{{"olt", 1, 0},
                                                              {"ult", 1, 1},
                                                              {"oeq", 0, 0},
                                                              {"une", 1, 1},
                                                              {"ord", 1, 0},
                                                              {"uno", 0, 1},
                                                              {"ogt", 0, 0},
                                                              {"uge", 0, 1}}) {
    std::string ir = llvm::formatv(
        "func.func @f(%a: f64, %b: f64) -> i1 {{\n %c = arith.cmpf {0}, %a, %b "
        ": f64\n return %c : i1\n}",
        predicate);
    HostTensor one = HostTensor::fromFloats(f64, {}, {1}),
               two = HostTensor::fromFloats(f64, {}, {2}),
               nan = HostTensor::fromFloats(f64, {}, {NAN});
    EXPECT_EQ(run(ir, {one, two})[0].getInt(0), ordered) << predicate.str();
    EXPECT_EQ(run(ir, {one, nan})[0].getInt(0), unordered) << predicate.str();
  }
}

TEST_F(InterpreterTest, Floats) {
  EXPECT_EQ(unary("math.exp2", 3), 8);
  EXPECT_EQ(unary("math.rsqrt", 4), 0.5);
  EXPECT_EQ(unary("math.roundeven", 2.5), 2);
  EXPECT_EQ(unary("math.round", 2.5), 3);
  EXPECT_EQ(unary("arith.negf", 2.5), -2.5);
  EXPECT_EQ(unary("math.erf", 0), 0);
  EXPECT_DOUBLE_EQ(unary("math.tanh", 0.5), std::tanh(0.5));
  EXPECT_TRUE(std::isnan(binaryFloat("arith.maximumf", NAN, 1)));
  EXPECT_EQ(binaryFloat("arith.maxnumf", NAN, 1), 1);
  EXPECT_TRUE(std::isnan(binaryFloat("arith.minimumf", 1, NAN)));
  EXPECT_TRUE(std::signbit(binaryFloat("arith.minimumf", 0.0, -0.0)));
  EXPECT_FALSE(std::signbit(binaryFloat("arith.maximumf", -0.0, 0.0)));
  EXPECT_EQ(binaryFloat("math.powf", 2, 10), 1024);
  EXPECT_EQ(binaryFloat("arith.remf", -7, 4), -3);
  EXPECT_EQ(binaryFloat("math.copysign", 3, -0.0), -3);
}

TEST_F(InterpreterTest, Conversions) {
  auto results =
      run(R"(
    func.func @f(%a: i8, %b: i1, %x: f32) -> (f32, f32, f32, i32, i32, i8, i8,
                                              i32, index) {
      %0 = arith.sitofp %a : i8 to f32
      %1 = arith.uitofp %a : i8 to f32
      %2 = arith.sitofp %b : i1 to f32
      %3 = arith.extsi %a : i8 to i32
      %4 = arith.extui %a : i8 to i32
      %5 = arith.fptosi %x : f32 to i8
      %6 = arith.fptoui %x : f32 to i8
      %7 = arith.bitcast %x : f32 to i32
      %8 = arith.index_castui %a : i8 to index
      return %0, %1, %2, %3, %4, %5, %6, %7, %8 : f32, f32, f32, i32, i32, i8,
                                                  i8, i32, index
    })",
          {scalar(integer(8), -2), scalar(integer(1), 1), f32({}, {200.5})});
  std::vector<double> values;
  for (const HostTensor &r : results)
    values.push_back(valuesOf(r)[0]);
  EXPECT_EQ(values, (std::vector<double>{-2, 254, -1, -2, 254, 127, -56,
                                         0x43488000, 254}));
}

TEST_F(InterpreterTest, ExtendedArithmetic) {
  auto results = run(R"(
    func.func @f(%a: i32, %b: i32) -> (i32, i32, i32, i1) {
      %l, %h = arith.mului_extended %a, %b : i32
      %l2, %h2 = arith.mulsi_extended %a, %b : i32
      %s, %c = arith.addui_extended %a, %b : i32, i1
      return %l, %h, %h2, %c : i32, i32, i32, i1
    })",
                     {scalar(integer(32), -1), scalar(integer(32), 3)});
  EXPECT_EQ(results[0].getInt(0), -3);
  EXPECT_EQ(results[1].getInt(0), 2);
  EXPECT_EQ(results[2].getInt(0), -1);
  EXPECT_EQ(results[3].getInt(0), 1);
}

TEST_F(InterpreterTest, OperandPrecisionRoundsEachOperation) {
  std::string ir = R"(
    func.func @f(%a: f16) -> (f16, f32, f16) {
      %c = arith.constant 1.0 : f16
      %x = arith.addf %a, %c : f16
      %y = arith.extf %x : f16 to f32
      %third = arith.constant 0.333333343 : f32
      %z = arith.mulf %y, %third : f32
      %w = arith.truncf %z : f32 to f16
      return %x, %z, %w : f16, f32, f16
    })";
  HostTensor a = HostTensor::fromFloats(Float16Type::get(&context), {}, {2048});
  auto exact = run(ir, {a}), rounded = run(ir, {a}, Precision::Operand);
  double third = 0.333333343f;
  EXPECT_EQ(exact[0].getFloat(0), 2049);
  EXPECT_EQ(exact[2].getFloat(0), 2049 * third);
  EXPECT_EQ(rounded[0].getFloat(0), 2048);
  EXPECT_EQ(rounded[1].getFloat(0), float(2048 * third));
  EXPECT_EQ(rounded[2].getFloat(0), 682.5);
}

TEST_F(InterpreterTest, TensorShapes) {
  auto results = run(R"(
    func.func @f(%x: tensor<2x3xf32>, %n: index) -> (tensor<3xf32>, tensor<6xf32>,
        tensor<3x1x2xf32>, tensor<4x3xf32>, tensor<3x4xf32>, tensor<?x3xf32>,
        tensor<2x3xi32>, index) {
      %row = tensor.extract_slice %x[1, 0] [1, 3] [1, 1] : tensor<2x3xf32> to tensor<3xf32>
      %flat = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
      %other = tensor.expand_shape %flat [[0, 1, 2]] output_shape [3, 1, 2]
        : tensor<6xf32> into tensor<3x1x2xf32>
      %two = tensor.concat dim(0) %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
      %zero = arith.constant 0.0 : f32
      %pad = tensor.pad %x low[0, 1] high[1, 0] {
        ^bb0(%i: index, %j: index):
          tensor.yield %zero : f32
      } : tensor<2x3xf32> to tensor<3x4xf32>
      %gen = tensor.generate %n {
        ^bb0(%i: index, %j: index):
          %k = arith.addi %i, %j : index
          %k32 = arith.index_cast %k : index to i32
          %f = arith.sitofp %k32 : i32 to f32
          tensor.yield %f : f32
      } : tensor<?x3xf32>
      %bits = tensor.bitcast %x : tensor<2x3xf32> to tensor<2x3xi32>
      %dim = tensor.dim %gen, %n : tensor<?x3xf32>
      return %row, %flat, %other, %two, %pad, %gen, %bits, %dim : tensor<3xf32>,
        tensor<6xf32>, tensor<3x1x2xf32>, tensor<4x3xf32>, tensor<3x4xf32>,
        tensor<?x3xf32>, tensor<2x3xi32>, index
    })",
                     {f32({2, 3}, {1, 2, 3, 4, 5, 6}), index(1)});
  EXPECT_TRUE(close(results[0], {4, 5, 6}));
  EXPECT_TRUE(close(results[1], {1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(close(results[3], {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(close(results[4], {0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0}));
  EXPECT_TRUE(close(results[5], {0, 1, 2}));
  EXPECT_EQ(results[6].getInt(0), 0x3F800000);
  EXPECT_EQ(results[7].getInt(0), 3);
}

TEST_F(InterpreterTest, InsertsDoNotTouchWhatOthersHold) {
  auto results = run(R"(
    func.func @f(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
      %c1 = arith.constant 1 : index
      %v = arith.constant 9.0 : f32
      %a = tensor.insert %v into %x[%c1] : tensor<3xf32>
      %b = tensor.insert_slice %a into %a[0] [3] [1] : tensor<3xf32> into tensor<3xf32>
      %s = tensor.splat %v : tensor<1xf32>
      %c = tensor.insert_slice %s into %b[2] [1] [1] : tensor<1xf32> into tensor<3xf32>
      return %x, %a, %c : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
    })",
                     {f32({3}, {1, 2, 3})});
  EXPECT_TRUE(close(results[0], {1, 2, 3}));
  EXPECT_TRUE(close(results[1], {1, 9, 3}));
  EXPECT_TRUE(close(results[2], {1, 9, 9}));
}

TEST_F(InterpreterTest, Linalg) {
  auto results =
      run(R"(
    #ij = affine_map<(i, j) -> (i, j)>
    func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) -> (tensor<2x2xf32>,
        tensor<3x2xf32>, tensor<2xf32>, tensor<2x3xf32>, tensor<2x3xi32>) {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<2x2xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x2xf32>) -> tensor<2x2xf32>
      %mm = linalg.matmul ins(%a, %b : tensor<2x3xf32>, tensor<3x2xf32>)
        outs(%f : tensor<2x2xf32>) -> tensor<2x2xf32>
      %e2 = tensor.empty() : tensor<3x2xf32>
      %t = linalg.transpose ins(%a : tensor<2x3xf32>) outs(%e2 : tensor<3x2xf32>)
        permutation = [1, 0]
      %init = arith.constant dense<[0.5, 100.0]> : tensor<2xf32>
      %sum = linalg.reduce ins(%a : tensor<2x3xf32>) outs(%init : tensor<2xf32>)
        dimensions = [1]
        (%in: f32, %acc: f32) {
          %x = arith.addf %acc, %in : f32
          linalg.yield %x : f32
        }
      %e3 = tensor.empty() : tensor<2x3xf32>
      %bc = linalg.broadcast ins(%sum : tensor<2xf32>) outs(%e3 : tensor<2x3xf32>)
        dimensions = [1]
      %e4 = tensor.empty() : tensor<2x3xi32>
      %idx = linalg.generic {indexing_maps = [#ij], iterator_types = ["parallel", "parallel"]}
        outs(%e4 : tensor<2x3xi32>) {
        ^bb0(%o: i32):
          %i = linalg.index 0 : index
          %j = linalg.index 1 : index
          %c10 = arith.constant 10 : index
          %i10 = arith.muli %i, %c10 : index
          %s = arith.addi %i10, %j : index
          %s32 = arith.index_cast %s : index to i32
          linalg.yield %s32 : i32
        } -> tensor<2x3xi32>
      return %mm, %t, %sum, %bc, %idx : tensor<2x2xf32>, tensor<3x2xf32>,
        tensor<2xf32>, tensor<2x3xf32>, tensor<2x3xi32>
    })",
          {f32({2, 3}, {1, 2, 3, 4, 5, 6}), f32({3, 2}, {1, 0, 0, 1, 1, 1})});
  EXPECT_TRUE(close(results[0], {4, 5, 10, 11}));
  EXPECT_TRUE(close(results[1], {1, 4, 2, 5, 3, 6}));
  EXPECT_TRUE(close(results[2], {6.5, 115}));
  EXPECT_TRUE(close(results[3], {6.5, 6.5, 6.5, 115, 115, 115}));
  EXPECT_TRUE(close(results[4], {0, 1, 2, 10, 11, 12}));
}

TEST_F(InterpreterTest, LinalgWithAffineSubscripts) {
  // A convolution's window.
  auto results = run(
      R"(
    func.func @f(%x: tensor<5xf32>, %w: tensor<2xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
      %r = linalg.generic {indexing_maps = [affine_map<(i, k) -> (i + k)>,
          affine_map<(i, k) -> (k)>, affine_map<(i, k) -> (i)>],
          iterator_types = ["parallel", "reduction"]}
          ins(%x, %w : tensor<5xf32>, tensor<2xf32>) outs(%o : tensor<4xf32>) {
        ^bb0(%a: f32, %b: f32, %c: f32):
          %p = arith.mulf %a, %b : f32
          %s = arith.addf %c, %p : f32
          linalg.yield %s : f32
        } -> tensor<4xf32>
      return %r : tensor<4xf32>
    })",
      {f32({5}, {1, 2, 3, 4, 5}), f32({2}, {10, 1}), f32({4}, {0, 0, 0, 0})});
  EXPECT_TRUE(close(results[0], {12, 23, 34, 45}));
}

TEST_F(InterpreterTest, LinalgSumsRoundInOrder) {
  std::string ir = R"(
    func.func @f(%x: tensor<3xf16>, %o: tensor<f16>) -> tensor<f16> {
      %r = linalg.reduce { arith.addf } ins(%x : tensor<3xf16>) outs(%o : tensor<f16>) dimensions = [0]
      return %r : tensor<f16>
    })";
  Type half = Float16Type::get(&context);
  SmallVector<HostTensor> args{HostTensor::fromFloats(half, {3}, {2048, 1, 1}),
                               HostTensor(half, {})};
  EXPECT_EQ(run(ir, args)[0].getFloat(0), 2050);
  EXPECT_EQ(run(ir, args, Precision::Operand)[0].getFloat(0), 2048);
}

TEST_F(InterpreterTest, Loops) {
  auto results = run(R"(
    func.func @f(%n: index) -> (index, index, tensor<4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c3 = arith.constant 3 : index
      %e = tensor.empty() : tensor<4xf32>
      // A yield that swaps its arguments.
      %a, %b = scf.for %i = %c0 to %n step %c1 iter_args(%x = %c0, %y = %c1) -> (index, index) {
        %s = arith.addi %x, %y : index
        scf.yield %y, %s : index, index
      }
      %t = scf.for %i = %c0 to %n step %c3 iter_args(%acc = %e) -> (tensor<4xf32>) {
        %even = arith.remui %i, %n : index
        %c = arith.cmpi eq, %even, %c0 : index
        %v = scf.if %c -> f32 {
          %one = arith.constant 1.0 : f32
          scf.yield %one : f32
        } else {
          %two = arith.constant 2.0 : f32
          scf.yield %two : f32
        }
        %u = tensor.insert %v into %acc[%i] : tensor<4xf32>
        scf.yield %u : tensor<4xf32>
      }
      return %a, %b, %t : index, index, tensor<4xf32>
    })",
                     {index(4)});
  EXPECT_EQ(results[0].getInt(0), 3);
  EXPECT_EQ(results[1].getInt(0), 5);
  EXPECT_TRUE(close(results[2], {1, NAN, NAN, 2}));
}

TEST_F(InterpreterTest, ForallReadsWhatItBeganWith) {
  auto results = run(R"(
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %c3 = arith.constant 3 : index
      %r = scf.forall (%i) in (4) shared_outs(%o = %x) -> (tensor<4xf32>) {
        %j = arith.subi %c3, %i : index
        %s = tensor.extract_slice %o[%j] [1] [1] : tensor<4xf32> to tensor<1xf32>
        scf.forall.in_parallel {
          tensor.parallel_insert_slice %s into %o[%i] [1] [1] : tensor<1xf32> into tensor<4xf32>
        }
      }
      return %r : tensor<4xf32>
    })",
                     {f32({4}, {1, 2, 3, 4})});
  EXPECT_TRUE(close(results[0], {4, 3, 2, 1}));
}

TEST_F(InterpreterTest, AffineAndCalls) {
  auto results = run(R"(
    func.func @f(%a: index, %b: index) -> (index, index, index, index, index, index) {
      %0 = affine.apply affine_map<(d0)[s0] -> (d0 floordiv 4 + d0 mod 3 - s0 ceildiv 2)>(%a)[%b]
      %1 = affine.min affine_map<(d0, d1) -> (d0, d1, 7)>(%a, %b)
      %2 = affine.max affine_map<(d0, d1) -> (d0, d1, 7)>(%a, %b)
      %3:2 = affine.delinearize_index %b into (3, 4) : index, index
      %4 = func.call @twice(%b) : (index) -> index
      return %0, %1, %2, %3#0, %3#1, %4 : index, index, index, index, index, index
    }
    func.func private @twice(%a: index) -> index {
      %b = arith.addi %a, %a : index
      return %b : index
    })",
                     {index(-5), index(9)});
  std::vector<int64_t> values;
  for (const HostTensor &r : results)
    values.push_back(r.getInt(0));
  // floor(-5/4) = -2, -5 mod 3 = 1, ceil(9/2) = 5
  EXPECT_EQ(values, (std::vector<int64_t>{-6, -5, 9, 2, 1, 18}));
}

TEST_F(InterpreterTest, SelectOnTensors) {
  auto results = run(R"(
    func.func @f(%c: i1, %m: tensor<2xi1>, %a: tensor<2xf32>, %b: tensor<2xf32>)
        -> (tensor<2xf32>, tensor<2xf32>) {
      %0 = arith.select %c, %a, %b : tensor<2xf32>
      %1 = arith.select %m, %a, %b : tensor<2xi1>, tensor<2xf32>
      return %0, %1 : tensor<2xf32>, tensor<2xf32>
    })",
                     {scalar(integer(1), 0), i1({2}, {1, 0}), f32({2}, {1, 2}),
                      f32({2}, {3, 4})});
  EXPECT_TRUE(close(results[0], {3, 4}));
  EXPECT_TRUE(close(results[1], {1, 4}));
}
} // namespace
