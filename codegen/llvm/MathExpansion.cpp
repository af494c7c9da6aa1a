// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which elementary function is computed how, and the check that none is left.
// f32 takes MLIR's polynomials where they are within 4 ulp, else FloatMath.

#include "codegen/llvm/FloatExpansion.h"
#include "codegen/llvm/FloatMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace attnc;

namespace {

Type elementOf(Operation *op) {
  return getElementTypeOrSelf(op->getOperand(0).getType());
}

Type withElement(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

using UnaryFunction = Value (FloatMath::*)(Value);

/// Computes `Op` at its own type, if that is f32 or f64 as `isDouble` says.
template <typename Op>
struct Direct : OpRewritePattern<Op> {
  Direct(MLIRContext *context, UnaryFunction function, bool isDouble)
      : OpRewritePattern<Op>(context, /*benefit=*/2), function(function),
        isDouble(isDouble) {}

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Type element = elementOf(op);
    if (isDouble ? !element.isF64() : !element.isF32())
      return failure();
    FloatMath math(rewriter, op.getLoc(), op.getType());
    rewriter.replaceOp(op, (math.*function)(op->getOperand(0)));
    return success();
  }

  UnaryFunction function;
  bool isDouble;
};

/// Computes an f32 `Op` in f64.
template <typename Op>
struct ThroughDouble : OpRewritePattern<Op> {
  ThroughDouble(MLIRContext *context, UnaryFunction function)
      : OpRewritePattern<Op>(context, /*benefit=*/2), function(function) {}

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!elementOf(op).isF32())
      return failure();
    Type wide = withElement(op.getType(), rewriter.getF64Type());
    Value x =
        arith::ExtFOp::create(rewriter, op.getLoc(), wide, op->getOperand(0));
    FloatMath math(rewriter, op.getLoc(), wide);
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(),
                                                 (math.*function)(x));
    return success();
  }

  UnaryFunction function;
};

using BinaryFunction = Value (FloatMath::*)(Value, Value);

/// Computes an f32 operation of two operands in f64.
template <typename Op>
struct BinaryThroughDouble : OpRewritePattern<Op> {
  BinaryThroughDouble(MLIRContext *context, BinaryFunction function)
      : OpRewritePattern<Op>(context, /*benefit=*/2), function(function) {}

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!elementOf(op).isF32())
      return failure();
    Type wide = withElement(op.getType(), rewriter.getF64Type());
    auto extend = [&](Value x) -> Value {
      return arith::ExtFOp::create(rewriter, op.getLoc(), wide, x);
    };
    FloatMath math(rewriter, op.getLoc(), wide);
    Value result =
        (math.*function)(extend(op->getOperand(0)), extend(op->getOperand(1)));
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), result);
    return success();
  }

  BinaryFunction function;
};

/// Multiply-add for machines without the instruction: in f64 the product of f32
/// values is exact, which the approximations rely on. In f64 there is no room,
/// and it rounds twice.
struct ExpandMultiplyAdd : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::FmaOp op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value a = op.getA(), b = op.getB(), c = op.getC();
    bool isSingle = elementOf(op).isF32();
    if (isSingle)
      for (Value *x : {&a, &b, &c})
        *x = arith::ExtFOp::create(
            rewriter, loc, withElement(op.getType(), rewriter.getF64Type()),
            *x);
    Value product = arith::MulFOp::create(rewriter, loc, a, b);
    Value sum = arith::AddFOp::create(rewriter, loc, product, c);
    if (isSingle)
      sum = arith::TruncFOp::create(rewriter, loc, op.getType(), sum);
    rewriter.replaceOp(op, sum);
    return success();
  }
};

template <typename Op>
void addDirect(RewritePatternSet &patterns, UnaryFunction function, bool f32,
               bool f64) {
  if (f32)
    patterns.add<Direct<Op>>(patterns.getContext(), function, false);
  if (f64)
    patterns.add<Direct<Op>>(patterns.getContext(), function, true);
}

template <typename Op>
void addThroughDouble(RewritePatternSet &patterns, UnaryFunction function) {
  addDirect<Op>(patterns, function, false, true);
  patterns.add<ThroughDouble<Op>>(patterns.getContext(), function);
}

/// MLIR's own approximations, for f32.
bool isUpstreamPolynomial(StringRef name) {
  static constexpr StringLiteral names[] = {
      "math.acos",  "math.asin", "math.erf",   "math.erfc", "math.exp",
      "math.expm1", "math.log",  "math.log1p", "math.log2", "math.tanh"};
  return llvm::is_contained(names, name);
}

/// Whether LLVM has instructions for what is left of `op`.
bool isInstruction(Operation *op, const Target &target) {
  if (isa<math::AbsFOp, math::AbsIOp, math::CopySignOp,
          math::CountLeadingZerosOp, math::CountTrailingZerosOp, math::CtPopOp,
          math::SqrtOp, math::IsFiniteOp, math::IsInfOp, math::IsNaNOp,
          math::IsNormalOp>(op))
    return true;
  if (isa<math::FmaOp>(op))
    return target.hasFma;
  if (isa<math::FloorOp, math::CeilOp, math::TruncOp, math::RoundOp,
          math::RoundEvenOp>(op))
    return target.hasSse41;
  return false;
}

/// "f64", without the quotes that diagnostics put around types.
std::string nameOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

LogicalResult checkOp(Operation *op, const Target &target) {
  auto element = [&] { return elementOf(op); };
  if (isa<math::MathDialect>(op->getDialect())) {
    if (isInstruction(op, target))
      return success();
    return op->emitError() << op->getName() << " on " << nameOf(element())
                           << " has no vector implementation";
  }
  if (isa<arith::RemFOp>(op))
    return op->emitError() << op->getName() << " on " << nameOf(element())
                           << " has no vector implementation";
  if (auto rounding = dyn_cast<arith::ArithRoundingModeInterface>(op)) {
    arith::RoundingModeAttr mode = rounding.getRoundingModeAttr();
    if (mode && mode.getValue() != arith::RoundingMode::to_nearest_even)
      return op->emitError()
             << op->getName() << " rounds to the nearest even value only";
  }
  if (auto truncate = dyn_cast<arith::TruncFOp>(op)) {
    Type to = getElementTypeOrSelf(truncate.getType());
    if (element().isF64() && (to.isF16() || to.isBF16()))
      return op->emitError() << op->getName() << " from f64 to " << nameOf(to)
                             << " has no vector implementation";
  }
  return success();
}

} // namespace

void attnc::populateMathExpansionPatterns(RewritePatternSet &patterns,
                                          const Target &target) {
  populateMathPolynomialApproximationPatterns(patterns, isUpstreamPolynomial);
  addDirect<math::ExpOp>(patterns, &FloatMath::exp, false, true);
  addDirect<math::ExpM1Op>(patterns, &FloatMath::expm1, false, true);
  addDirect<math::LogOp>(patterns, &FloatMath::log, false, true);
  addDirect<math::Log2Op>(patterns, &FloatMath::log2, false, true);
  addDirect<math::Log1pOp>(patterns, &FloatMath::log1p, false, true);
  addDirect<math::TanhOp>(patterns, &FloatMath::tanh, false, true);
  addDirect<math::Exp2Op>(patterns, &FloatMath::exp2, true, true);
  addDirect<math::RsqrtOp>(patterns, &FloatMath::rsqrt, true, true);
  addThroughDouble<math::Log10Op>(patterns, &FloatMath::log10);
  addThroughDouble<math::SinOp>(patterns, &FloatMath::sin);
  addThroughDouble<math::CosOp>(patterns, &FloatMath::cos);
  addThroughDouble<math::TanOp>(patterns, &FloatMath::tan);
  addThroughDouble<math::SinhOp>(patterns, &FloatMath::sinh);
  addThroughDouble<math::CoshOp>(patterns, &FloatMath::cosh);
  addThroughDouble<math::AtanOp>(patterns, &FloatMath::atan);
  MLIRContext *context = patterns.getContext();
  patterns.add<ThroughDouble<math::CbrtOp>>(context, &FloatMath::cbrt);
  patterns.add<BinaryThroughDouble<math::Atan2Op>>(context, &FloatMath::atan2);
  patterns.add<BinaryThroughDouble<math::PowFOp>>(context, &FloatMath::pow);
  if (!target.hasSse41) {
    addDirect<math::FloorOp>(patterns, &FloatMath::floor, true, true);
    addDirect<math::CeilOp>(patterns, &FloatMath::ceil, true, true);
    addDirect<math::TruncOp>(patterns, &FloatMath::trunc, true, true);
    addDirect<math::RoundOp>(patterns, &FloatMath::round, true, true);
    addDirect<math::RoundEvenOp>(patterns, &FloatMath::roundEven, true, true);
  }
  if (!target.hasFma)
    patterns.add<ExpandMultiplyAdd>(context);
}

LogicalResult attnc::checkNoLibraryCalls(ModuleOp module,
                                         const Target &target) {
  LogicalResult result = success();
  module.walk([&](Operation *op) {
    if (failed(checkOp(op, target)))
      result = failure();
  });
  return result;
}
