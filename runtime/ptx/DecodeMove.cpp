// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mov with packing and unpacking, cvt in its many forms, cvta.

#include "Decoder.h"
#include "Execute.h"

using namespace attnc::ptx;

static unsigned bitsOfOperand(Reader &r, const Operand &operand) {
  if (operand.kind == Operand::Reg)
    return bitsOf(r.decoder.typeOfRegister(operand.reg));
  return 0;
}

/// `mov.b32 %r, {%h0, %h1}` and the other way round.
static void decodePack(Reader &r, const Operand &result, const Operand &from) {
  bool pack = from.kind == Operand::Vector;
  const std::vector<Operand> &parts = pack ? from.elements : result.elements;
  unsigned bits = bitsOf(r.inst.type);
  if ((parts.size() != 2 && parts.size() != 4) || bits / parts.size() < 8)
    r.fail("two or four elements expected");
  unsigned each = bits / static_cast<unsigned>(parts.size());
  std::vector<Slot> slots;
  for (const Operand &part : parts) {
    unsigned own = bitsOfOperand(r, part);
    if (own && own != each && !(each == 8 && own == 16))
      r.fail(format("elements of %u bits expected", each));
    Type type = each == 64 ? Type::B64 : each == 32 ? Type::B32 : Type::B16;
    if (pack)
      slots.push_back(r.source(type, part));
    else
      slots.push_back(r.destination(type, part));
  }
  r.inst.op = pack ? Op::Pack : Op::Unpack;
  r.inst.run = pack ? runPack : runUnpack;
  r.inst.count = static_cast<uint8_t>(parts.size());
  r.inst.mode = static_cast<uint8_t>(each);
  r.inst.list = r.addSlots(slots);
  if (pack)
    r.inst.d = r.destination(r.inst.type, result).at;
  else
    r.inst.a = r.source(r.inst.type, from).at;
  r.finish();
}

static void decodeMov(Reader &r) {
  r.inst.op = Op::Mov;
  r.inst.type = r.type();
  if (r.inst.type == Type::Pred) {
    r.inst.op = Op::PredMov;
    r.inst.d = r.predicateDestination(r.operand());
    r.inst.a = r.predicate(r.inst.negate);
    return r.finish();
  }
  unsigned bits = bitsOf(r.inst.type);
  if (bits < 16 || bits > 64)
    r.fail("a type of 16, 32 or 64 bits expected");
  const Operand &result = r.operand();
  const Operand &from = r.operand();
  if (result.kind == Operand::Vector || from.kind == Operand::Vector)
    return decodePack(r, result, from);
  r.inst.d = r.destination(r.inst.type, result).at;
  std::string_view name = from.kind == Operand::Special ? from.name : "";
  if (name == "%clock" || name == "%clock64" || name == "%globaltimer" ||
      name == "%globaltimer_lo")
    r.inst.run = runClock;
  r.inst.a = r.source(r.inst.type, from).at;
  r.finish();
}

static bool isSmallFloat(Type type) {
  return type == Type::E4M3x2 || type == Type::E5M2x2;
}

/// cvt.rn.f16x2.f32 d, a, b: a goes to the upper half.
static void decodeCvtPack(Reader &r) {
  Type to = r.inst.type, from = r.inst.type2;
  r.inst.op = Op::CvtPack;
  if (from != Type::F32) {
    bool wideOut = to == Type::F16x2 && isSmallFloat(from);
    bool wideIn = from == Type::F16x2 && isSmallFloat(to);
    if (!wideOut && !wideIn)
      r.fail("this conversion does not exist");
    r.inst.d = r.destination(to).at;
    r.inst.a = r.source(from).at;
    return r.finish();
  }
  if (isSmallFloat(to) && !r.inst.saturate)
    r.fail(".satfinite expected");
  r.inst.d = r.destination(to).at;
  r.inst.a = r.source(Type::F32).at;
  r.inst.b = r.source(Type::F32).at;
  r.finish();
}

static bool isConvertible(Type type) {
  return (isInteger(type)) || type == Type::F16 || type == Type::BF16 ||
         type == Type::F32 || type == Type::F64;
}

static void decodeCvt(Reader &r) {
  r.inst.op = Op::Cvt;
  bool rounded = r.takeRounding();
  if (!rounded) {
    int integral = r.takeOneOf({"rni", "rzi", "rmi", "rpi"});
    r.inst.integral = integral >= 0;
    rounded = integral >= 0;
    if (integral >= 0)
      r.inst.rounding = static_cast<Rounding>(integral);
  }
  bool satFinite = r.take("satfinite");
  r.inst.relu = r.take("relu");
  satFinite = satFinite || r.take("satfinite");
  r.inst.ftz = r.take("ftz");
  r.inst.saturate = r.take("sat");
  r.inst.extra = satFinite;
  r.inst.type = r.type();
  r.inst.type2 = r.type();
  Type to = r.inst.type, from = r.inst.type2;
  bool packs = to == Type::F16x2 || to == Type::BF16x2 || isSmallFloat(to);
  if (packs) {
    if (!rounded || r.inst.integral || r.inst.rounding == Rounding::NearestAway)
      r.fail("a rounding expected");
    r.inst.saturate = satFinite;
    return decodeCvtPack(r);
  }
  bool toTf32 = to == Type::TF32 && from == Type::F32;
  if (!toTf32 && (!isConvertible(to) || !isConvertible(from)))
    r.fail("this conversion does not exist");
  bool narrows = isFloat(to) && isFloat(from) && bitsOf(to) < bitsOf(from);
  bool crosses = isFloat(to) != isFloat(from);
  if ((narrows || crosses || toTf32) && !rounded)
    r.fail("a rounding expected");
  if (crosses && isFloat(from) && !r.inst.integral)
    r.fail("a rounding to integers expected");
  bool away = r.inst.rounding == Rounding::NearestAway;
  if ((away && !toTf32) || (rounded && !isFloat(to) && !isFloat(from)) ||
      (rounded && !r.inst.integral && !narrows && !crosses && !toTf32 &&
       to != Type::BF16 && to != Type::F16))
    r.fail("this rounding is not for these types");
  r.inst.d = r.destination(to, r.operand(), /*mayBeWider=*/!isFloat(to)).at;
  // An integer source may lie in a wider register.
  const Operand &operand = r.operand();
  unsigned own = bitsOfOperand(r, operand);
  Type in = from;
  if (own > bitsOf(from) && !isFloat(from))
    in = own == 64 ? Type::B64 : own == 32 ? Type::B32 : Type::B16;
  r.inst.a = r.source(in, operand).at;
  r.inst.wideAddress = bitsOf(in) == 64;
  bool wideResult = false;
  const Operand &result = r.statement.operands[0];
  if (result.kind == Operand::Reg)
    wideResult = bitsOf(r.decoder.typeOfRegister(result.reg)) == 64;
  r.inst.sync = wideResult; // see convertLanes
  r.finish();
}

static void decodeCvta(Reader &r) {
  bool to = r.take("to");
  int space = r.takeOneOf({"global", "shared", "shared::cta", "shared::cluster",
                           "local", "const", "param", "param::entry"});
  if (space < 0)
    r.fail("a state space expected");
  static const Space spaces[] = {Space::Global, Space::Shared, Space::Shared,
                                 Space::Shared, Space::Local,  Space::Const,
                                 Space::Param,  Space::Param};
  r.inst.space = spaces[space];
  r.inst.extra = to;
  r.require("u64");
  r.inst.type = Type::U64;
  r.inst.run = runCvta;
  r.inst.d = r.destination(Type::U64).at;
  r.inst.a = r.source(Type::U64).at;
  r.finish();
}

static void decodeIsspacep(Reader &r) {
  int space = r.takeOneOf({"global", "shared", "shared::cta", "shared::cluster",
                           "local", "const", "param", "param::entry"});
  if (space < 0)
    r.fail("a state space expected");
  static const Space spaces[] = {Space::Global, Space::Shared, Space::Shared,
                                 Space::Shared, Space::Local,  Space::Const,
                                 Space::Param,  Space::Param};
  r.inst.space = spaces[space];
  r.inst.run = runIsspacep;
  r.inst.d = r.predicateDestination(r.operand());
  r.inst.a = r.source(Type::U64).at;
  r.finish();
}

void attnc::ptx::addMoveDecoders(DecodeTable &table) {
  table["mov"] = decodeMov;
  table["cvt"] = decodeCvt;
  table["cvta"] = decodeCvta;
  table["isspacep"] = decodeIsspacep;
}
