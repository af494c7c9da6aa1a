// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bit manipulation, comparisons and selection.

#include "Decoder.h"

using namespace attnc::ptx;

static bool oneOf(Type type, std::initializer_list<Type> list) {
  for (Type other : list)
    if (type == other)
      return true;
  return false;
}

static bool isWord(Type type) { // 16 to 64 bits
  return isInteger(type) && bitsOf(type) >= 16;
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

template <Op op>
static void decodeBits2(Reader &r) {
  r.inst.op = op;
  r.inst.type = r.type();
  if (r.inst.type == Type::Pred) {
    r.inst.op = op == Op::And  ? Op::PredAnd
                : op == Op::Or ? Op::PredOr
                               : Op::PredXor;
    r.inst.d = r.predicateDestination(r.operand());
    r.inst.a = r.plainPredicate();
    r.inst.b = r.plainPredicate();
    return r.finish();
  }
  if (!oneOf(r.inst.type, {Type::B16, Type::B32, Type::B64}))
    r.fail(".b16, .b32, .b64 or .pred expected");
  operands2(r);
}

static void decodeNot(Reader &r) {
  r.inst.op = Op::Not;
  r.inst.type = r.type();
  if (r.inst.type == Type::Pred) {
    r.inst.op = Op::PredNot;
    r.inst.d = r.predicateDestination(r.operand());
    r.inst.a = r.plainPredicate();
    return r.finish();
  }
  if (!oneOf(r.inst.type, {Type::B16, Type::B32, Type::B64}))
    r.fail(".b16, .b32, .b64 or .pred expected");
  operands1(r);
}

static void decodeCnot(Reader &r) {
  r.inst.op = Op::Cnot;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::B16, Type::B32, Type::B64}))
    r.fail(".b16, .b32 or .b64 expected");
  operands1(r);
}

static void decodeLop3(Reader &r) {
  if (r.takeOneOf({"or", "and"}) >= 0)
    r.fail("the form with a predicate is not supported");
  r.require("b32");
  r.inst.op = Op::Lop3;
  r.inst.type = Type::B32;
  r.inst.d = r.destination(Type::B32).at;
  r.inst.a = r.source(Type::B32).at;
  r.inst.b = r.source(Type::B32).at;
  r.inst.c = r.source(Type::B32).at;
  r.inst.mode = static_cast<uint8_t>(r.integer(0, 255, "the table"));
  r.finish();
}

template <Op op>
static void decodeShift(Reader &r) {
  r.inst.op = op;
  r.inst.type = r.type();
  Type type = r.inst.type;
  bool fits = oneOf(type, {Type::B16, Type::B32, Type::B64}) ||
              (op == Op::Shr && isWord(type));
  if (!fits)
    r.fail("a type of 16, 32 or 64 bits expected");
  r.inst.d = r.destination(type).at;
  r.inst.a = r.source(type).at;
  r.inst.b = r.source(Type::U32).at;
  r.finish();
}

static void decodeShf(Reader &r) {
  r.inst.op = r.take("l") ? Op::ShfL : Op::ShfR;
  if (r.inst.op == Op::ShfR)
    r.require("r");
  r.inst.extra = r.take("clamp");
  if (!r.inst.extra)
    r.require("wrap");
  r.require("b32");
  r.inst.type = Type::B32;
  operands3(r);
}

template <Op op>
static void decodeCount(Reader &r) {
  r.inst.op = op;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::B32, Type::B64}))
    r.fail(".b32 or .b64 expected");
  r.inst.d = r.destination(op == Op::Brev ? r.inst.type : Type::U32).at;
  r.inst.a = r.source(r.inst.type).at;
  r.finish();
}

static void decodeBfind(Reader &r) {
  r.inst.op = Op::Bfind;
  r.inst.extra = r.take("shiftamt");
  r.inst.type = r.type();
  if (!isWord(r.inst.type) || bitsOf(r.inst.type) < 32)
    r.fail("32 or 64 bits expected");
  r.inst.d = r.destination(Type::U32).at;
  r.inst.a = r.source(r.inst.type).at;
  r.finish();
}

static void decodeBfe(Reader &r) {
  r.inst.op = Op::Bfe;
  r.inst.type = r.type();
  if (!isWord(r.inst.type) || bitsOf(r.inst.type) < 32)
    r.fail("32 or 64 bits expected");
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(Type::U32).at;
  r.inst.c = r.source(Type::U32).at;
  r.finish();
}

static void decodeBfi(Reader &r) {
  r.inst.op = Op::Bfi;
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::B32, Type::B64}))
    r.fail(".b32 or .b64 expected");
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(r.inst.type).at;
  r.inst.c = r.source(Type::U32).at;
  r.inst.d2 = r.source(Type::U32).at;
  r.finish();
}

static void decodeBmsk(Reader &r) {
  r.inst.op = Op::Bmsk;
  r.inst.extra = r.take("clamp");
  if (!r.inst.extra)
    r.require("wrap");
  r.require("b32");
  r.inst.type = Type::B32;
  operands2(r);
}

static void decodeSzext(Reader &r) {
  r.inst.op = Op::Szext;
  r.inst.extra = r.take("clamp");
  if (!r.inst.extra)
    r.require("wrap");
  r.inst.type = r.type();
  if (!oneOf(r.inst.type, {Type::U32, Type::S32}))
    r.fail(".u32 or .s32 expected");
  operands2(r);
}

static void decodePrmt(Reader &r) {
  r.require("b32");
  int mode = r.takeOneOf({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  r.inst.op = Op::Prmt;
  r.inst.type = Type::B32;
  r.inst.mode = static_cast<uint8_t>(mode + 1);
  operands3(r);
}

static void decodeDp4a(Reader &r) {
  r.inst.op = Op::Dp4a;
  r.inst.type = r.type();
  r.inst.type2 = r.type();
  for (Type type : {r.inst.type, r.inst.type2})
    if (!oneOf(type, {Type::U32, Type::S32}))
      r.fail(".u32 or .s32 expected");
  operands3(r);
}

static Compare takeCompare(Reader &r) {
  int which =
      r.takeOneOf({"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu",
                   "leu", "gtu", "geu", "num", "nan", "lo", "ls", "hi", "hs"});
  if (which < 0)
    r.fail("a comparison expected");
  static const Compare unsignedForms[] = {Compare::Lt, Compare::Le, Compare::Gt,
                                          Compare::Ge};
  return which < 14 ? static_cast<Compare>(which) : unsignedForms[which - 14];
}

static void comparisonModifiers(Reader &r) {
  r.inst.compare = takeCompare(r);
  r.inst.mode = static_cast<uint8_t>(r.takeOneOf({"and", "or", "xor"}) + 1);
  r.inst.ftz = r.take("ftz");
}

static void checkComparison(Reader &r) {
  Type type = r.inst.type;
  bool ordered = r.inst.compare >= Compare::Lt;
  bool real = r.inst.compare >= Compare::Equ;
  if (isBits(type) ? ordered : real && !isFloat(type))
    r.fail("this comparison is not for this type");
  if (bitsOf(type) < 16 || bitsOf(type) > 64)
    r.fail("a type of 16, 32 or 64 bits expected");
}

static void decodeSetp(Reader &r) {
  r.inst.op = Op::Setp;
  comparisonModifiers(r);
  r.inst.type = r.type();
  checkComparison(r);
  Type type = r.inst.type;
  const Operand &result = r.operand();
  bool pair = result.kind == Operand::Pair;
  r.inst.d = r.predicateDestination(pair ? result.elements[0] : result);
  r.inst.extra = pair;
  if (pair)
    r.inst.d2 = r.predicateDestination(result.elements[1]);
  bool packed = type == Type::F16x2 || type == Type::BF16x2;
  if (packed && !pair)
    r.fail("two predicates expected");
  r.inst.a = r.source(type).at;
  r.inst.b = r.source(type).at;
  if (r.inst.mode)
    r.inst.c = r.predicate(r.inst.negate);
  r.finish();
}

static void decodeSet(Reader &r) {
  r.inst.op = Op::Set;
  comparisonModifiers(r);
  r.inst.type2 = r.type();
  r.inst.type = r.type();
  checkComparison(r);
  if (!oneOf(r.inst.type2, {Type::U32, Type::S32, Type::F32}) ||
      bitsOf(r.inst.type) < 16 || r.inst.type == Type::F16x2 ||
      r.inst.type == Type::BF16x2)
    r.fail("this form of set is not supported");
  r.inst.d = r.destination(r.inst.type2).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(r.inst.type).at;
  if (r.inst.mode)
    r.inst.c = r.predicate(r.inst.negate);
  r.finish();
}

static void decodeSelp(Reader &r) {
  r.inst.op = Op::Selp;
  r.inst.type = r.type();
  if (r.inst.type == Type::Pred) {
    r.inst.op = Op::PredSelp;
    r.inst.d = r.predicateDestination(r.operand());
    r.inst.a = r.plainPredicate();
    r.inst.b = r.plainPredicate();
  } else {
    if (bitsOf(r.inst.type) < 16 || bitsOf(r.inst.type) > 64)
      r.fail("a type of 16, 32 or 64 bits expected");
    r.inst.d = r.destination(r.inst.type).at;
    r.inst.a = r.source(r.inst.type).at;
    r.inst.b = r.source(r.inst.type).at;
  }
  r.inst.c = r.plainPredicate();
  r.finish();
}

static void decodeSlct(Reader &r) {
  r.inst.op = Op::Slct;
  r.inst.ftz = r.take("ftz");
  r.inst.type = r.type();
  r.inst.type2 = r.type();
  if (!oneOf(r.inst.type2, {Type::S32, Type::F32}) ||
      bitsOf(r.inst.type) < 16 || bitsOf(r.inst.type) > 64)
    r.fail("this form of slct does not exist");
  r.inst.d = r.destination(r.inst.type).at;
  r.inst.a = r.source(r.inst.type).at;
  r.inst.b = r.source(r.inst.type).at;
  r.inst.c = r.source(r.inst.type2).at;
  r.finish();
}

void attnc::ptx::addBitDecoders(DecodeTable &table) {
  table["and"] = decodeBits2<Op::And>;
  table["or"] = decodeBits2<Op::Or>;
  table["xor"] = decodeBits2<Op::Xor>;
  table["not"] = decodeNot;
  table["cnot"] = decodeCnot;
  table["lop3"] = decodeLop3;
  table["shl"] = decodeShift<Op::Shl>;
  table["shr"] = decodeShift<Op::Shr>;
  table["shf"] = decodeShf;
  table["popc"] = decodeCount<Op::Popc>;
  table["clz"] = decodeCount<Op::Clz>;
  table["brev"] = decodeCount<Op::Brev>;
  table["bfind"] = decodeBfind;
  table["bfe"] = decodeBfe;
  table["bfi"] = decodeBfi;
  table["bmsk"] = decodeBmsk;
  table["szext"] = decodeSzext;
  table["prmt"] = decodePrmt;
  table["dp4a"] = decodeDp4a;
  table["setp"] = decodeSetp;
  table["set"] = decodeSet;
  table["selp"] = decodeSelp;
  table["slct"] = decodeSlct;
}
