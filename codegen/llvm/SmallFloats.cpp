// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f16, bf16 and the 8-bit floats: LLVM calls helper functions for whatever the
// machine lacks, so arithmetic is moved to f32 and conversions become integer
// operations.

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

bool isFloat8(Type type) {
  return isa<Float8E4M3FNType, Float8E5M2Type>(getElementTypeOrSelf(type));
}

bool isSmallFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16() || isFloat8(element);
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

/// f16 or bf16 to f64, and 8 bits to anything, by way of f32, which is exact.
struct ExtendInTwoSteps : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const override {
    Type to = getElementTypeOrSelf(op.getType());
    if (!isSmallFloat(op.getIn().getType()) ||
        !(to.isF64() || (isFloat8(op.getIn().getType()) && !to.isF32())))
      return failure();
    Value middle = arith::ExtFOp::create(
        rewriter, op.getLoc(), withElement(op.getType(), rewriter.getF32Type()),
        op.getIn());
    if (to.isF64())
      rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), middle);
    else
      rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), middle);
    return success();
  }
};

/// f16 or bf16 to 8 bits by way of f32, which is exact until it rounds.
struct TruncateFromF32 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const override {
    if (!isFloat8(op.getType()) || !isSmallFloat(op.getIn().getType()))
      return failure();
    Value middle = arith::ExtFOp::create(
        rewriter, op.getLoc(), withElement(op.getType(), rewriter.getF32Type()),
        op.getIn());
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), middle);
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

/// 8 bits to f32 by way of f16's bits. Those of E5M2 are the upper half of an
/// f16; those of E4M3, moved to f16's exponent, are 2^-8 times the value, and
/// what would be 480 is NaN.
struct ExtendFloat8 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const override {
    Type from = op.getIn().getType();
    if (!isFloat8(from) || !getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Location loc = op.getLoc();
    auto constant = [&](Type element, TypedAttr attr) -> Value {
      if (auto shaped = dyn_cast<ShapedType>(from))
        attr = DenseElementsAttr::get(shaped.clone(element), Attribute(attr));
      return arith::ConstantOp::create(rewriter, loc, attr);
    };
    Type i16 = rewriter.getI16Type(), f32 = rewriter.getF32Type();
    auto word = [&](int16_t x) {
      return constant(i16, rewriter.getI16IntegerAttr(x));
    };
    auto number = [&](float x) {
      return constant(f32, rewriter.getF32FloatAttr(x));
    };
    bool isE5M2 = isa<Float8E5M2Type>(getElementTypeOrSelf(from));
    Value x = arith::BitcastOp::create(
        rewriter, loc, withElement(from, rewriter.getI8Type()), op.getIn());
    x = arith::ExtSIOp::create(rewriter, loc, withElement(from, i16), x);
    x = arith::ShLIOp::create(rewriter, loc, x, word(isE5M2 ? 8 : 7));
    if (!isE5M2) {
      // Not the sign, extended into the exponent. In 16 bits, twice as many
      // elements are compared at a time.
      x = arith::AndIOp::create(rewriter, loc, x, word(int16_t(0xbf80)));
      Value magnitude = arith::AndIOp::create(rewriter, loc, x, word(0x3f80));
      Value isNaN = arith::CmpIOp::create(
          rewriter, loc, arith::CmpIPredicate::eq, magnitude, word(0x3f80));
      x = arith::SelectOp::create(rewriter, loc, isNaN, word(0x7e00), x);
    }
    x = arith::BitcastOp::create(rewriter, loc,
                                 withElement(from, rewriter.getF16Type()), x);
    x = arith::ExtFOp::create(rewriter, loc, op.getType(), x);
    if (!isE5M2)
      x = arith::MulFOp::create(rewriter, loc, x, number(256.0f));
    rewriter.replaceOp(op, x);
    return success();
  }
};

/// A float type of fewer bits than f32. What overflows becomes infinity or, in
/// E4M3, which has none, NaN.
struct Format {
  unsigned fraction, bias;
  uint32_t overflow; ///< magnitude, in f32's bits, of the least that overflows
  uint32_t infinity, nan;
};
constexpr Format kHalf{10, 15, (127u + 16) << 23, 0x7c00, 0x7e00};
constexpr Format kE5M2{2, 15, (127u + 16) << 23, 0x7c, 0x7e};
/// 464 = 1.8125 x 2^8 still rounds to 448, the largest number.
constexpr Format kE4M3{3, 7, ((127u + 8) << 23 | 0x680000) + 1, 0x7f, 0x7f};

/// f32 to f16 (unless the machine does it) or to 8 bits, to the nearest even
/// value.
struct TruncateToSmall : OpRewritePattern<arith::TruncFOp> {
  TruncateToSmall(MLIRContext *context, bool half)
      : OpRewritePattern(context), half(half) {}
  bool half;

  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const override {
    Type to = getElementTypeOrSelf(op.getType());
    if (!getElementTypeOrSelf(op.getIn().getType()).isF32() ||
        !(isFloat8(to) || (to.isF16() && half)))
      return failure();
    const Format &format = to.isF16()                ? kHalf
                           : isa<Float8E5M2Type>(to) ? kE5M2
                                                     : kE4M3;
    unsigned cut = 23 - format.fraction, width = to.getIntOrFloatBitWidth();
    Location loc = op.getLoc();
    Bits bits(rewriter, loc, op.getType());
    Value x = bits.toBits(op.getIn());
    Value magnitude = bits.mask(x, 0x7fffffff);
    // Normal results: change the exponent's bias, then round what is cut off;
    // a carry moves on to the next exponent, and from the last to infinity.
    Value odd = bits.mask(bits.right(magnitude, cut), 1);
    Value rebased =
        bits.add(magnitude, bits.constant((uint32_t(format.bias - 127) << 23) +
                                          (1u << (cut - 1)) - 1));
    Value normal = bits.right(bits.add(rebased, odd), cut);
    // Subnormal results: a power of two whose last bit is that of a subnormal
    // (0.5 for f16).
    Value unit =
        bits.constant((127 + 24 - format.bias - format.fraction) << 23);
    Value sum = arith::AddFOp::create(rewriter, loc, bits.toFloat(magnitude),
                                      bits.toFloat(unit));
    Value subnormal = bits.sub(bits.toBits(sum), unit);
    Value overflow =
        bits.select(bits.below(magnitude, 0x7f800001),
                    bits.constant(format.infinity), bits.constant(format.nan));
    Value result = bits.select(bits.below(magnitude, (128 - format.bias) << 23),
                               subnormal, normal);
    result =
        bits.select(bits.below(magnitude, format.overflow), result, overflow);
    result = bits.join(result,
                       bits.mask(bits.right(x, 32 - width), 1u << (width - 1)));
    Value narrow = arith::TruncIOp::create(
        rewriter, loc,
        withElement(op.getType(), rewriter.getIntegerType(width)), result);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), narrow);
    return success();
  }
};

} // namespace

void attnc::populateSmallFloatPatterns(RewritePatternSet &patterns,
                                       const Target &target) {
  patterns.add<WidenOperation, ExtendInTwoSteps, ExtendFloat8, TruncateFromF32>(
      patterns.getContext());
  patterns.add<TruncateToSmall>(patterns.getContext(), !target.hasF16c);
  // Integer conversions of bf16 round subnormals correctly; the instructions
  // flush them to zero.
  arith::populateExpandBFloat16Patterns(patterns);
  if (!target.hasF16c)
    patterns.add<ExtendHalf>(patterns.getContext());
}
