// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f16 and bf16: LLVM calls helper functions for whatever the machine lacks, so
// arithmetic is moved to f32 and conversions become integer operations.

#include "codegen/llvm/FloatExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace attnc;

namespace {

bool isSmallFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16();
}

Type withElement(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

/// Operations that only move bits, or are conversions themselves.
bool keepsSmallFloats(Operation *op) {
  if (isa<arith::ConstantOp, arith::BitcastOp, arith::SelectOp, arith::ExtFOp,
          arith::TruncFOp>(op))
    return true;
  if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return false;
  return !isa<vector::FMAOp, vector::ReductionOp, vector::MultiDimReductionOp,
              vector::ContractionOp, vector::OuterProductOp>(op);
}

/// Runs an operation on f32 operands and rounds its results.
struct WidenOperation : RewritePattern {
  explicit WidenOperation(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/3, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (keepsSmallFloats(op) ||
        (llvm::none_of(op->getOperandTypes(), isSmallFloat) &&
         llvm::none_of(op->getResultTypes(), isSmallFloat)))
      return failure();
    Type f32 = rewriter.getF32Type();
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (isSmallFloat(operand.getType()) && !mapping.contains(operand))
        mapping.map(operand, arith::ExtFOp::create(
                                 rewriter, op->getLoc(),
                                 withElement(operand.getType(), f32), operand));
    Operation *wide = rewriter.clone(*op, mapping);
    SmallVector<Value> results;
    for (Value result : wide->getResults()) {
      Type type = result.getType();
      if (isSmallFloat(type)) {
        result.setType(withElement(type, f32));
        result = arith::TruncFOp::create(rewriter, op->getLoc(), type, result);
      }
      results.push_back(result);
    }
    rewriter.replaceOp(op, results);
    return success();
  }
};

/// f16 or bf16 to f64 by way of f32, which is exact.
struct ExtendInTwoSteps : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const override {
    if (!isSmallFloat(op.getIn().getType()) ||
        !getElementTypeOrSelf(op.getType()).isF64())
      return failure();
    Value middle = arith::ExtFOp::create(
        rewriter, op.getLoc(), withElement(op.getType(), rewriter.getF32Type()),
        op.getIn());
    rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), middle);
    return success();
  }
};

/// Integer operations on the shape of one value.
struct Bits {
  OpBuilder &b;
  Location loc;
  Type i32;

  Bits(OpBuilder &builder, Location loc, Type shape)
      : b(builder), loc(loc), i32(withElement(shape, builder.getI32Type())) {}

  Value constant(uint32_t value) {
    TypedAttr attr = b.getI32IntegerAttr(static_cast<int32_t>(value));
    if (auto shaped = dyn_cast<ShapedType>(i32))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value mask(Value x, uint32_t bits) {
    return arith::AndIOp::create(b, loc, x, constant(bits));
  }
  Value join(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value left(Value x, unsigned bits) {
    return arith::ShLIOp::create(b, loc, x, constant(bits));
  }
  Value right(Value x, unsigned bits) {
    return arith::ShRUIOp::create(b, loc, x, constant(bits));
  }
  Value below(Value x, uint32_t limit) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x,
                                 constant(limit));
  }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, loc, c, x, y);
  }
  Value toFloat(Value x) {
    return arith::BitcastOp::create(b, loc, withElement(i32, b.getF32Type()),
                                    x);
  }
  Value toBits(Value x) { return arith::BitcastOp::create(b, loc, i32, x); }
};

/// f16 to f32. The magnitude's bits, moved to f32's mantissa, are the value
/// times 2^-112, subnormals included; infinity and NaN get their exponent back.
struct ExtendHalf : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const override {
    Type from = op.getIn().getType();
    if (!getElementTypeOrSelf(from).isF16() ||
        !getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Bits bits(rewriter, op.getLoc(), from);
    Value half = arith::ExtUIOp::create(
        rewriter, op.getLoc(), bits.i32,
        arith::BitcastOp::create(rewriter, op.getLoc(),
                                 withElement(from, rewriter.getI16Type()),
                                 op.getIn()));
    Value magnitude = bits.left(bits.mask(half, 0x7fff), 13);
    Value factor = bits.toFloat(bits.constant((112 + 127) << 23));
    Value scaled = bits.toBits(arith::MulFOp::create(
        rewriter, op.getLoc(), bits.toFloat(magnitude), factor));
    Value special = bits.join(scaled, bits.constant(0x7f800000));
    scaled = bits.select(bits.below(magnitude, 0x7c00 << 13), scaled, special);
    Value sign = bits.left(bits.mask(half, 0x8000), 16);
    rewriter.replaceOp(op, bits.toFloat(bits.join(scaled, sign)));
    return success();
  }
};

/// f32 to f16, to the nearest even value.
struct TruncateHalf : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF32() ||
        !getElementTypeOrSelf(op.getType()).isF16())
      return failure();
    Location loc = op.getLoc();
    Bits bits(rewriter, loc, op.getType());
    Value x = bits.toBits(op.getIn());
    Value magnitude = bits.mask(x, 0x7fffffff);
    // Normal results: change the exponent's bias, then round what is cut off;
    // a carry moves on to the next exponent, and from the last to infinity.
    Value odd = bits.mask(bits.right(magnitude, 13), 1);
    Value rebased =
        bits.add(magnitude, bits.constant((uint32_t(15 - 127) << 23) + 0xfff));
    Value normal = bits.right(bits.add(rebased, odd), 13);
    // Subnormal results: 0.5 has the last bit of an f16 subnormal as its own.
    Value half = bits.constant(126u << 23);
    Value sum = arith::AddFOp::create(rewriter, loc, bits.toFloat(magnitude),
                                      bits.toFloat(half));
    Value subnormal = bits.sub(bits.toBits(sum), half);
    Value overflow = bits.select(bits.below(magnitude, 0x7f800001),
                                 bits.constant(0x7c00), bits.constant(0x7e00));
    Value result =
        bits.select(bits.below(magnitude, 113u << 23), subnormal, normal);
    result =
        bits.select(bits.below(magnitude, (127u + 16) << 23), result, overflow);
    result = bits.join(result, bits.mask(bits.right(x, 16), 0x8000));
    Value narrow = arith::TruncIOp::create(
        rewriter, loc, withElement(op.getType(), rewriter.getI16Type()),
        result);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), narrow);
    return success();
  }
};

} // namespace

void attnc::populateSmallFloatPatterns(RewritePatternSet &patterns,
                                       const Target &target) {
  patterns.add<WidenOperation, ExtendInTwoSteps>(patterns.getContext());
  // Integer conversions of bf16 round subnormals correctly; the instructions
  // flush them to zero.
  arith::populateExpandBFloat16Patterns(patterns);
  if (!target.hasF16c)
    patterns.add<ExtendHalf, TruncateHalf>(patterns.getContext());
}
