// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic of integers and floats.

#include "Decoder.h"

using namespace attnc::ptx;

static bool oneOf(Type type, std::initializer_list<Type> list) {
  for (Type other : list)
    if (type == other)
      return true;
  return false;
}

static bool isHalf(Type type) {
  return type >= Type::F16 && type <= Type::BF16x2;
}

static bool isWord(Type type) { // 16 to 64 bits
  return isInteger(type) && bitsOf(type) >= 16;
}

static void needArithmetic(Reader &r, Type type) {
  if (!isWord(type) && !isHalf(type) && type != Type::F32 && type != Type::F64)
    r.fail(std::string("no arithmetic on .") + nameOf(type));
}

static void operands2(Reader &r) {
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(r.inst.type).at;
  r.finish();
}

static void operands1(Reader &r) {
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.finish();
}

static void operands3(Reader &r) {
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(r.inst.type).at;
  r.inst.c = r.source(r.inst.type).at;
  r.finish();
}

/// Rounding, .ftz and .sat, then the type; integers have only .sat.
static void floatModifiers(Reader &r) {
  bool rounded = r.takeRounding();
  if (r.inst.rounding == Rounding::NearestAway)
    r.fail(".rna is for conversions");
  r.inst.ftz = r.take("ftz");
  r.inst.relu = r.take("relu");
  r.inst.saturate = r.take("sat");
  r.inst.type = r.type();
  needArithmetic(r, r.inst.type);
  Type type = r.inst.type;
  bool real = isFloat(type);
  if ((rounded || r.inst.ftz || r.inst.relu) && !real)
    r.fail("a float's modifier on an integer type");
  if (isHalf(type) && r.inst.rounding != Rounding::Nearest)
    r.fail("16-bit floats round to nearest only");
  if (r.inst.saturate &&
      !oneOf(type, {Type::S32, Type::F32, Type::F16, Type::F16x2}))
    r.fail(".sat is not for this type");
  if (r.inst.ftz && !oneOf(type, {Type::F32, Type::F16, Type::F16x2}))
    r.fail(".ftz is not for this type");
}

template <Op op>
static void decodeAddSub(Reader &r) {
  r.inst.op = op;
  if (r.take("cc")) {
    r.inst.op = op == Op::Add ? Op::AddCc : Op::SubCc;
    r.inst.type = r.type();
    if (!isWord(r.inst.type) || bitsOf(r.inst.type) < 32)
      r.fail("32 or 64 bits expected");
    return operands2(r);
  }
  floatModifiers(r);
  if (r.inst.relu)
    r.fail("unknown modifier .relu");
  operands2(r);
}

template <Op op>
static void decodeCarry(Reader &r) {
  r.inst.op = op;
  r.inst.extra = r.take("cc");
  r.inst.type = r.type();
  if (!isWord(r.inst.type) || bitsOf(r.inst.type) < 32)
    r.fail("32 or 64 bits expected");
  operands2(r);
}

static void decodeMul(Reader &r) {
  r.inst.op = Op::Mul;
  int part = r.takeOneOf({"lo", "hi", "wide"});
  if (part < 0) {
    floatModifiers(r);
    if (isInteger(r.inst.type) || r.inst.relu)
      r.fail(".lo, .hi or .wide expected");
    return operands2(r);
  }
  r.inst.type = r.type();
  Type type = r.inst.type;
  if (!isWord(type) || (part == 2 && bitsOf(type) == 64))
    r.fail("an integer type expected");
  if (part != 2) {
    r.inst.op = part == 0 ? Op::Mul : Op::MulHi;
    return operands2(r);
  }
  r.inst.op = Op::MulWide;
  r.inst.d = r.destination(bitsOf(type) == 16 ? Type::B32 : Type::B64).at;
  r.inst.a = r.source(type).at;
  r.inst.b = r.source(type).at;
  r.finish();
}

static void decodeMad(Reader &r) {
  int part = r.takeOneOf({"lo", "hi", "wide"});
  if (part < 0) {
    floatModifiers(r);
    if (!oneOf(r.inst.type, {Type::F32, Type::F64}) || r.inst.relu)
      r.fail(".lo, .hi or .wide expected");
    r.inst.op = Op::Fma;
    return operands3(r);
  }
  bool carry = part != 2 && r.take("cc");
  r.inst.saturate = part == 1 && r.take("sat");
  r.inst.type = r.type();
  Type type = r.inst.type;
  if (!isWord(type) || (part == 2 && bitsOf(type) == 64) ||
      (carry && bitsOf(type) < 32) || (r.inst.saturate && type != Type::S32))
    r.fail("an integer type expected");
  if (carry)
    r.inst.op = part == 0 ? Op::MadCcLo : Op::MadCcHi;
  else
    r.inst.op = part == 0 ? Op::Mad : part == 1 ? Op::MadHi : Op::MadWide;
  if (part != 2)
    return operands3(r);
  Type wide = bitsOf(type) == 16 ? Type::B32 : Type::B64;
  r.inst.d = r.destination(wide).at;
  r.inst.a = r.source(type).at;
  r.inst.b = r.source(type).at;
  r.inst.c = r.source(wide).at;
  r.finish();
}

static void decodeMadC(Reader &r) {
  int part = r.takeOneOf({"lo", "hi"});
  r.inst.extra = r.take("cc");
  r.inst.type = r.type();
  if (part < 0 || !isWord(r.inst.type) || bitsOf(r.inst.type) < 32)
    r.fail("madc.{lo,hi} of 32 or 64 bits expected");
  r.inst.op = part == 0 ? Op::MadCLo : Op::MadCHi;
  operands3(r);
}

static void decodeFma(Reader &r) {
  r.inst.op = Op::Fma;
  if (!r.takeRounding())
    r.fail("a rounding expected");
  r.inst.ftz = r.take("ftz");
  r.inst.saturate = r.take("sat");
  r.inst.relu = r.take("relu");
  r.inst.type = r.type();
  Type type = r.inst.type;
  if (!isHalf(type) && type != Type::F32 && type != Type::F64)
    r.fail("a floating-point type expected");
  bool half = isHalf(type);
  bool brain = type == Type::BF16 || type == Type::BF16x2;
  if (r.inst.rounding == Rounding::NearestAway ||
      (half && r.inst.rounding != Rounding::Nearest) ||
      (r.inst.relu && !half) ||
      (r.inst.saturate && (brain || type == Type::F64)) ||
      (r.inst.ftz && (brain || type == Type::F64)))
    r.fail("this modifier is not for this type");
  operands3(r);
}

static void decodeMul24(Reader &r) {
  bool high = r.take("hi");
  if (!high)
    r.require("lo");
  r.inst.op = Op::Mul24;
  r.inst.extra = high;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::U32, Type::S32}))
    r.fail(".u32 or .s32 expected");
  operands2(r);
}

static void decodeMad24(Reader &r) {
  bool high = r.take("hi");
  if (!high)
    r.require("lo");
  r.inst.op = Op::Mad24;
  r.inst.extra = high;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::U32, Type::S32}))
    r.fail(".u32 or .s32 expected");
  operands3(r);
}

static void decodeSad(Reader &r) {
  r.inst.op = Op::Sad;
  r.inst.type = r.type();
  if (!isWord(r.inst.type))
    r.fail("an integer type expected");
  operands3(r);
}

static void decodeDiv(Reader &r) {
  r.inst.op = Op::Div;
  bool loose = r.takeOneOf({"full", "approx"}) >= 0;
  bool rounded = !loose && r.takeRounding();
  r.inst.ftz = r.take("ftz");
  r.inst.type = r.type();
  Type type = r.inst.type;
  bool real = loose || rounded;
  if (r.inst.rounding == Rounding::NearestAway ||
      (real && type != Type::F32 && type != Type::F64) ||
      (loose && type == Type::F64) || (!real && !isWord(type)))
    r.fail("this form of division does not exist");
  operands2(r);
}

static void decodeRem(Reader &r) {
  r.inst.op = Op::Rem;
  r.inst.type = r.type();
  if (!isWord(r.inst.type))
    r.fail("an integer type expected");
  operands2(r);
}

template <Op op>
static void decodeAbsNeg(Reader &r) {
  r.inst.op = op;
  r.inst.ftz = r.take("ftz");
  r.inst.type = r.type();
  Type type = r.inst.type;
  needArithmetic(r, type);
  if (isUnsigned(type) || (r.inst.ftz && !isFloat(type)))
    r.fail("a signed type expected");
  operands1(r);
}

template <Op op>
static void decodeMinMax(Reader &r) {
  r.inst.op = op;
  r.inst.ftz = r.take("ftz");
  r.inst.nan = r.take("NaN");
  r.inst.relu = r.take("relu");
  if (r.take("xorsign")) {
    r.require("abs");
    r.inst.extra = true;
  }
  r.inst.type = r.type();
  Type type = r.inst.type;
  needArithmetic(r, type);
  if ((r.inst.ftz || r.inst.nan || r.inst.extra) && !isFloat(type))
    r.fail("a float's modifier on an integer type");
  if (r.inst.relu && !isHalf(type) && type != Type::S32)
    r.fail(".relu is not for this type");
  operands2(r);
}

/// rcp, sqrt and rsqrt: approximate or rounded.
template <Op op>
static void decodeRoot(Reader &r) {
  r.inst.op = op;
  bool loose = r.take("approx");
  if (!loose && (op == Op::Rsqrt || !r.takeRounding() ||
                 r.inst.rounding == Rounding::NearestAway))
    r.fail(".approx or a rounding expected");
  r.inst.ftz = r.take("ftz");
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::F32, Type::F64}))
    r.fail(".f32 or .f64 expected");
  operands1(r);
}

template <Op op>
static void decodeApprox(Reader &r) {
  r.inst.op = op;
  r.require("approx");
  r.inst.ftz = r.take("ftz");
  r.inst.type = r.type();
  bool half = isHalf(r.inst.type) && (op == Op::Ex2 || op == Op::Tanh);
  if (r.inst.type != Type::F32 && !half)
    r.fail(".f32 expected");
  operands1(r);
}

static void decodeCopysign(Reader &r) {
  r.inst.op = Op::Copysign;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::F32, Type::F64}))
    r.fail(".f32 or .f64 expected");
  operands2(r);
}

static void decodeTestp(Reader &r) {
  r.inst.op = Op::Testp;
  int which = r.takeOneOf(
      {"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  if (which < 0)
    r.fail("a property expected");
  r.inst.mode = static_cast<uint8_t>(which);
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::F32, Type::F64}))
    r.fail(".f32 or .f64 expected");
  r.inst.d = r.predicateDestination(r.operand());
  r.inst.a = r.source(r.inst.type).at;
  r.finish();
}

void attnc::ptx::addIntegerDecoders(DecodeTable &table) {
  table["add"] = decodeAddSub<Op::Add>;
  table["sub"] = decodeAddSub<Op::Sub>;
  table["addc"] = decodeCarry<Op::AddC>;
  table["subc"] = decodeCarry<Op::SubC>;
  table["mul"] = decodeMul;
  table["mad"] = decodeMad;
  table["madc"] = decodeMadC;
  table["mul24"] = decodeMul24;
  table["mad24"] = decodeMad24;
  table["sad"] = decodeSad;
  table["div"] = decodeDiv;
  table["rem"] = decodeRem;
  table["abs"] = decodeAbsNeg<Op::Abs>;
  table["neg"] = decodeAbsNeg<Op::Neg>;
  table["min"] = decodeMinMax<Op::Min>;
  table["max"] = decodeMinMax<Op::Max>;
}

void attnc::ptx::addFloatDecoders(DecodeTable &table) {
  table["fma"] = decodeFma;
  table["rcp"] = decodeRoot<Op::Rcp>;
  table["sqrt"] = decodeRoot<Op::Sqrt>;
  table["rsqrt"] = decodeRoot<Op::Rsqrt>;
  table["sin"] = decodeApprox<Op::Sin>;
  table["cos"] = decodeApprox<Op::Cos>;
  table["lg2"] = decodeApprox<Op::Lg2>;
  table["ex2"] = decodeApprox<Op::Ex2>;
  table["tanh"] = decodeApprox<Op::Tanh>;
  table["copysign"] = decodeCopysign;
  table["testp"] = decodeTestp;
}
