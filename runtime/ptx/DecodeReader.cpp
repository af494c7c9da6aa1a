// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How decoders read a statement: modifiers in order, operands in order.

#include "Decoder.h"

#include <cstring>

using namespace attnc::ptx;

static std::string shorten(std::string_view text) {
  return std::string(text.substr(0, 100));
}

Reader::Reader(Decoder &decoder, const Statement &statement)
    : decoder(decoder), statement(statement) {
  inst.line = statement.line;
  if (statement.guard >= 0) {
    inst.guard =
        decoder.registerSlot(static_cast<uint32_t>(statement.guard)).at;
    inst.guardFlip = statement.guardNegated ? ~uint32_t(0) : 0;
  }
}

void Reader::fail(const std::string &message) const {
  std::string name(statement.opcode);
  for (std::string_view modifier : statement.modifiers)
    name += "." + std::string(modifier);
  throw Error(statement.line, shorten(name) + ": " + message);
}

std::string_view Reader::peek() const {
  return atEnd() ? std::string_view() : statement.modifiers[nextModifier];
}

bool Reader::take(std::string_view modifier) {
  if (atEnd() || peek() != modifier)
    return false;
  ++nextModifier;
  return true;
}

int Reader::takeOneOf(std::initializer_list<const char *> list) {
  int index = 0;
  for (const char *name : list) {
    if (take(name))
      return index;
    ++index;
  }
  return -1;
}

void Reader::require(std::string_view modifier) {
  if (!take(modifier))
    fail("." + std::string(modifier) + " expected" +
         (atEnd() ? "" : ", found ." + shorten(peek())));
}

Type Reader::optionalType() {
  Type type = atEnd() ? Type::None : typeOf(peek());
  if (type != Type::None)
    ++nextModifier;
  return type;
}

Type Reader::type() {
  Type type = optionalType();
  if (type == Type::None)
    fail(atEnd() ? "a type expected"
                 : "a type expected, found ." + shorten(peek()));
  return type;
}

void Reader::skipCacheHints() {
  for (;;) {
    if (takeOneOf({"ca", "cg", "cs", "cv", "lu", "wb", "wt", "nc",
                   "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                   "L1::evict_last", "L1::no_allocate", "L2::evict_normal",
                   "L2::evict_first", "L2::evict_last", "L2::64B", "L2::128B",
                   "L2::256B"}) >= 0)
      continue;
    return;
  }
}

bool Reader::takeRounding() {
  switch (takeOneOf({"rn", "rz", "rm", "rp", "rna"})) {
  case 0:
    inst.rounding = Rounding::Nearest;
    return true;
  case 1:
    inst.rounding = Rounding::Zero;
    return true;
  case 2:
    inst.rounding = Rounding::Down;
    return true;
  case 3:
    inst.rounding = Rounding::Up;
    return true;
  case 4:
    inst.rounding = Rounding::NearestAway;
    return true;
  default:
    return false;
  }
}

const Operand &Reader::peekOperand() const {
  if (!hasOperand())
    fail("too few operands");
  return statement.operands[nextOperand];
}

const Operand &Reader::operand() {
  const Operand &operand = peekOperand();
  ++nextOperand;
  return operand;
}

static uint64_t doubleToFloatBits(int64_t bits) {
  double wide;
  memcpy(&wide, &bits, sizeof wide);
  float narrow = static_cast<float>(wide);
  uint32_t pattern;
  memcpy(&pattern, &narrow, sizeof pattern);
  return pattern;
}

static uint64_t floatToDoubleBits(int64_t bits) {
  uint32_t pattern = static_cast<uint32_t>(bits);
  float narrow;
  memcpy(&narrow, &pattern, sizeof narrow);
  double wide = narrow;
  uint64_t result;
  memcpy(&result, &wide, sizeof result);
  return result;
}

namespace {
struct SpecialName {
  const char *name;
  Special special;
  bool wide;
};
} // namespace

static const SpecialName specialNames[] = {
    {"%tid.x", Special::TidX, false},
    {"%tid.y", Special::TidY, false},
    {"%tid.z", Special::TidZ, false},
    {"%ntid.x", Special::NtidX, false},
    {"%ntid.y", Special::NtidY, false},
    {"%ntid.z", Special::NtidZ, false},
    {"%ctaid.x", Special::CtaidX, false},
    {"%ctaid.y", Special::CtaidY, false},
    {"%ctaid.z", Special::CtaidZ, false},
    {"%nctaid.x", Special::NctaidX, false},
    {"%nctaid.y", Special::NctaidY, false},
    {"%nctaid.z", Special::NctaidZ, false},
    // Each block is a cluster of its own.
    {"%clusterid.x", Special::CtaidX, false},
    {"%clusterid.y", Special::CtaidY, false},
    {"%clusterid.z", Special::CtaidZ, false},
    {"%nclusterid.x", Special::NctaidX, false},
    {"%nclusterid.y", Special::NctaidY, false},
    {"%nclusterid.z", Special::NctaidZ, false},
    {"%cluster_ctaid.x", Special::Zero, false},
    {"%cluster_ctaid.y", Special::Zero, false},
    {"%cluster_ctaid.z", Special::Zero, false},
    {"%cluster_nctaid.x", Special::One, false},
    {"%cluster_nctaid.y", Special::One, false},
    {"%cluster_nctaid.z", Special::One, false},
    {"%cluster_ctarank", Special::Zero, false},
    {"%cluster_nctarank", Special::One, false},
    {"%laneid", Special::LaneId, false},
    {"%warpid", Special::WarpId, false},
    {"%nwarpid", Special::NwarpId, false},
    {"%lanemask_eq", Special::MaskEq, false},
    {"%lanemask_le", Special::MaskLe, false},
    {"%lanemask_lt", Special::MaskLt, false},
    {"%lanemask_ge", Special::MaskGe, false},
    {"%lanemask_gt", Special::MaskGt, false},
    {"%gridid", Special::GridId, true},
    {"%smid", Special::SmId, false},
    {"%nsmid", Special::NsmId, false},
    {"%dynamic_smem_size", Special::DynamicShared, false},
    {"%total_smem_size", Special::TotalShared, false},
    {"%clock", Special::Clock, false},
    {"%clock_hi", Special::Zero, false},
    {"%clock64", Special::Clock64, true},
    {"%globaltimer", Special::GlobalTimer, true},
    {"%globaltimer_lo", Special::Clock, false},
    {"%globaltimer_hi", Special::Zero, false},
};

Slot Reader::sourceUpTo(unsigned bits, const Operand &operand) {
  bool wide = bits == 64;
  if (operand.negated)
    fail("'!' is for predicates");
  switch (operand.kind) {
  case Operand::Reg: {
    Type type = decoder.typeOfRegister(operand.reg);
    if (type == Type::Pred || bitsOf(type) > bits)
      fail(format("a register of %u bits expected", bits));
    return decoder.registerSlot(operand.reg);
  }
  case Operand::Integer:
    return decoder.constant(static_cast<uint64_t>(operand.value), wide);
  case Operand::Float32:
    return decoder.constant(wide ? floatToDoubleBits(operand.value)
                                 : static_cast<uint64_t>(operand.value),
                            wide);
  case Operand::Float64:
    return decoder.constant(wide ? static_cast<uint64_t>(operand.value)
                                 : doubleToFloatBits(operand.value),
                            wide);
  case Operand::Symbol:
    if (bits < 32)
      fail("an address needs a wider register");
    return decoder.address(operand.variable, operand.value, wide,
                           statement.line);
  case Operand::Special:
    for (const SpecialName &known : specialNames) {
      if (operand.name != known.name)
        continue;
      if (bits < 32 || (known.wide && !wide))
        fail("a wider register is needed for " + shorten(operand.name));
      return decoder.special(known.special, wide);
    }
    fail("unknown register " + shorten(operand.name));
  case Operand::Name:
    fail("unknown name '" + shorten(operand.name) + "'");
  default:
    fail("a register or a constant expected");
  }
}

Slot Reader::source(Type type, const Operand &operand) {
  unsigned bits = bitsOf(type);
  if (bits > 64)
    fail("128-bit operands are not supported here");
  bool wide = bits == 64;
  Slot slot = sourceUpTo(bits < 16 ? 16 : bits, operand);
  if (slot.wide != wide ||
      (operand.kind == Operand::Reg && bits >= 16 &&
       bitsOf(decoder.typeOfRegister(operand.reg)) != bits))
    fail(format("a register of %u bits expected", bits));
  // Half-precision immediates are written as bits; integers of 16 bits must
  // not carry their sign into the upper half.
  if (operand.kind == Operand::Integer && bits <= 16)
    return decoder.constant(static_cast<uint64_t>(operand.value) &
                                ((uint64_t(1) << bits) - 1),
                            false);
  return slot;
}

Slot Reader::source(Type type) { return source(type, operand()); }

Slot Reader::destination(Type type, const Operand &operand, bool mayBeWider) {
  unsigned bits = bitsOf(type);
  if (operand.kind == Operand::Sink)
    return decoder.temporary(bits == 64);
  if (operand.kind != Operand::Reg || operand.negated)
    fail("a register expected as the result");
  Type own = decoder.typeOfRegister(operand.reg);
  bool fits =
      own != Type::Pred && (bitsOf(own) == bits ||
                            (bitsOf(own) > bits && (mayBeWider || bits < 16)));
  if (!fits)
    fail(format("a register of %u bits expected as the result", bits));
  return decoder.registerSlot(operand.reg);
}

Slot Reader::destination(Type type) { return destination(type, operand()); }

uint32_t Reader::predicate(bool &negated) {
  const Operand &from = operand();
  negated = from.negated;
  if (from.kind == Operand::Integer)
    return (from.value != 0) ? 0 : 1;
  if (from.kind != Operand::Reg ||
      decoder.typeOfRegister(from.reg) != Type::Pred)
    fail("a predicate expected");
  return decoder.registerSlot(from.reg).at;
}

uint32_t Reader::plainPredicate() {
  bool negated;
  uint32_t at = predicate(negated);
  if (negated)
    fail("'!' is not allowed here");
  return at;
}

uint32_t Reader::predicateDestination(const Operand &operand) {
  if (operand.kind == Operand::Sink)
    return decoder.program.predicates++;
  if (operand.kind != Operand::Reg || operand.negated ||
      decoder.typeOfRegister(operand.reg) != Type::Pred)
    fail("a predicate expected as the result");
  return decoder.registerSlot(operand.reg).at;
}

void Reader::addressOperand(const Operand &operand, Space space) {
  if (operand.kind != Operand::Address)
    fail("an address in brackets expected");
  const Operand &base = operand.elements[0];
  inst.imm = operand.value;
  if (base.kind == Operand::Symbol) {
    bool narrow = base.variable->space == Space::Shared;
    Space own = base.variable->space;
    bool same =
        own == space || (own == Space::Global && space == Space::Generic);
    if (!same)
      fail("'" + base.variable->name + "' is in another state space");
    Slot slot = decoder.address(base.variable, 0, !narrow, statement.line);
    inst.a = slot.at;
    inst.wideAddress = slot.wide;
    return;
  }
  if (base.kind == Operand::Integer) {
    inst.a = decoder.constant(0, true).at;
    inst.wideAddress = true;
    return;
  }
  Slot slot = sourceUpTo(64, base);
  if (bitsOf(decoder.typeOfRegister(base.reg)) < 32)
    fail("an address has 32 or 64 bits");
  bool small =
      space == Space::Shared || space == Space::Local || space == Space::Param;
  if (!slot.wide && !small)
    fail("an address of this state space has 64 bits");
  inst.a = slot.at;
  inst.wideAddress = slot.wide;
}

int64_t Reader::integer(int64_t least, int64_t most, const char *what) {
  const Operand &from = operand();
  if (from.kind != Operand::Integer || from.value < least || from.value > most)
    fail(format("%s must be a constant from %lld to %lld", what,
                static_cast<long long>(least), static_cast<long long>(most)));
  return from.value;
}

std::vector<Operand> Reader::vector(const Operand &operand) const {
  if (operand.kind == Operand::Vector)
    return operand.elements;
  return {operand};
}

uint32_t Reader::addSlots(const std::vector<Slot> &slots) {
  uint32_t first = static_cast<uint32_t>(decoder.program.slots.size());
  decoder.program.slots.insert(decoder.program.slots.end(), slots.begin(),
                               slots.end());
  return first;
}

void Reader::needTarget(unsigned sm) {
  if (decoder.module.target < sm)
    fail(format("needs target sm_%u or newer", sm));
}

void Reader::finishWithoutEmit() {
  if (!atEnd())
    fail("unknown modifier ." + shorten(peek()));
  if (hasOperand())
    fail("too many operands");
}

void Reader::finish() {
  finishWithoutEmit();
  decoder.emit(inst);
}
