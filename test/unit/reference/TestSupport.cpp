// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fixture and comparisons of the reference evaluator's tests.

#include "TestSupport.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include <cmath>

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

ReferenceTest::ReferenceTest() : context(MLIRContext::Threading::DISABLED) {
  context.loadDialect<attn::AttnDialect, affine::AffineDialect,
                      arith::ArithDialect, func::FuncDialect,
                      linalg::LinalgDialect, math::MathDialect, scf::SCFDialect,
                      tensor::TensorDialect>();
  context.getDiagEngine().registerHandler([this](Diagnostic &diag) {
    messages += diag.str() + "\n";
    return success();
  });
}

OwningOpRef<ModuleOp> ReferenceTest::parse(StringRef ir) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(ir, &context);
  EXPECT_TRUE(module) << messages << ir.str();
  return module;
}

func::FuncOp ReferenceTest::parseFunction(StringRef ir) {
  OwningOpRef<ModuleOp> module = parse(ir);
  if (!module)
    return {};
  auto functions = module->getOps<func::FuncOp>();
  func::FuncOp function = *functions.begin();
  modules.push_back(std::move(module));
  return function;
}

attn::AttentionOp ReferenceTest::attentionOf(func::FuncOp function) {
  attn::AttentionOp found;
  function.walk([&](attn::AttentionOp op) { found = op; });
  return found;
}

SmallVector<HostTensor> ReferenceTest::run(StringRef ir,
                                           ArrayRef<HostTensor> args,
                                           Precision precision) {
  func::FuncOp function = parseFunction(ir);
  if (!function)
    return SmallVector<HostTensor>(8);
  EvaluateOptions options;
  options.precision = precision;
  FailureOr<SmallVector<HostTensor>> results =
      evaluate(function, args, options);
  EXPECT_TRUE(succeeded(results)) << messages;
  return succeeded(results) ? *results : SmallVector<HostTensor>(8);
}

std::string ReferenceTest::runFails(StringRef ir, ArrayRef<HostTensor> args) {
  func::FuncOp function = parseFunction(ir);
  if (!function)
    return "";
  messages.clear();
  EvaluateOptions options;
  options.maxElements = 1 << 20;
  EXPECT_TRUE(failed(evaluate(function, args, options)));
  return messages;
}

HostTensor ReferenceTest::f32(ArrayRef<int64_t> shape,
                              ArrayRef<double> values) {
  return HostTensor::fromFloats(Float32Type::get(&context), shape, values);
}
HostTensor ReferenceTest::i32(ArrayRef<int64_t> shape,
                              ArrayRef<int64_t> values) {
  return HostTensor::fromInts(IntegerType::get(&context, 32), shape, values);
}
HostTensor ReferenceTest::i1(ArrayRef<int64_t> shape,
                             ArrayRef<int64_t> values) {
  return HostTensor::fromInts(IntegerType::get(&context, 1), shape, values);
}
HostTensor ReferenceTest::index(int64_t value) {
  return HostTensor::fromScalar(IndexType::get(&context), intScalar(value));
}

uint64_t test::splitMix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

HostTensor ReferenceTest::random(ArrayRef<int64_t> shape, uint64_t seed,
                                 Type element, unsigned bits, double scale) {
  HostTensor tensor(element ? element : Float32Type::get(&context), shape);
  for (auto [n, value] : llvm::enumerate(tensor.mutableValues())) {
    uint64_t whole = splitMix((seed << 32) + n) >> (64 - bits);
    value.f =
        (std::ldexp(static_cast<double>(whole), 1 - int(bits)) - 1) * scale;
  }
  return tensor;
}

std::vector<double> test::valuesOf(const HostTensor &tensor) {
  std::vector<double> values;
  for (Scalar value : tensor.values())
    values.push_back(tensor.isFloat() ? value.f : static_cast<double>(value.i));
  return values;
}

::testing::AssertionResult test::close(const HostTensor &a, ArrayRef<double> b,
                                       double tolerance) {
  if (!a)
    return ::testing::AssertionFailure() << "no tensor";
  std::vector<double> values = valuesOf(a);
  if (values.size() != b.size())
    return ::testing::AssertionFailure()
           << values.size() << " values, expected " << b.size();
  for (auto [n, x] : llvm::enumerate(values)) {
    double y = b[n];
    bool same = x == y || (std::isnan(x) && std::isnan(y)) ||
                std::abs(x - y) <= tolerance * std::max(1.0, std::abs(y));
    if (!same)
      return ::testing::AssertionFailure()
             << "value " << n << " is " << x << ", expected " << y
             << ", difference " << x - y;
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult test::close(const HostTensor &a, const HostTensor &b,
                                       double tolerance) {
  if (!a || !b || a.getShape() != b.getShape())
    return ::testing::AssertionFailure() << "shapes differ";
  return close(a, valuesOf(b), tolerance);
}
