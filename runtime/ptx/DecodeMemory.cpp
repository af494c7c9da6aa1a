// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads, stores, atomics, prefetches.

#include "Decoder.h"
#include "Execute.h"
#include "MemoryOrder.h"

#include <algorithm>

using namespace attnc::ptx;

/// The state space that is next, Generic if there is none.
static Space takeSpace(Reader &r) {
  switch (
      r.takeOneOf({"global", "shared", "shared::cta", "shared::cluster",
                   "local", "param", "param::entry", "param::func", "const"})) {
  case 0:
    return Space::Global;
  case 1:
  case 2:
  case 3:
    return Space::Shared;
  case 4:
    return Space::Local;
  case 5:
  case 6:
  case 7:
    return Space::Param;
  case 8:
    return Space::Const;
  default:
    return Space::Generic;
  }
}

static bool takeScope(Reader &r) {
  return r.takeOneOf({"cta", "cluster", "gpu", "sys"}) >= 0;
}

/// How an access orders others, at what scope, and its state space. The manual
/// has them in this order, assemblers and compilers in any.
static void takeOrderAndSpace(Reader &r,
                              std::initializer_list<const char *> orders,
                              int &order) {
  bool scoped = false, placed = false;
  order = -1;
  for (bool any = true; any;) {
    any = false;
    if (order < 0) {
      order = r.takeOneOf(orders);
      any = order >= 0;
    }
    if (!scoped && takeScope(r))
      scoped = any = true;
    if (!placed) {
      std::string_view next = r.peek();
      r.inst.space = takeSpace(r);
      placed = r.peek() != next;
      any = any || placed;
    }
  }
}

static uint8_t takeOrder(Reader &r, const char *strong, uint8_t flag) {
  r.take("mmio");
  int order;
  takeOrderAndSpace(r, {"weak", "volatile", "relaxed", strong}, order);
  return order <= 0 ? 0 : order == 3 ? flag : uint8_t(OrderRelaxed);
}

static unsigned takeVector(Reader &r) {
  int vector = r.takeOneOf({"v2", "v4", "v8"});
  return vector < 0 ? 1 : 2u << vector;
}

static void hintsAndVector(Reader &r, bool &policy, unsigned &vector) {
  r.skipCacheHints();
  policy = r.take("L2::cache_hint");
  r.skipCacheHints();
  vector = takeVector(r);
  r.inst.type = r.type();
  unsigned bits = bitsOf(r.inst.type);
  if (bits < 8 || bits > 64 || r.inst.type == Type::F16x2 ||
      r.inst.type == Type::BF16x2 || r.inst.type >= Type::TF32)
    r.fail("this type cannot be loaded or stored");
  if (bits * vector > (r.decoder.module.target >= 100 ? 256 : 128))
    r.fail("this vector is too wide");
  r.inst.count = static_cast<uint8_t>(vector);
}

static void takePolicy(Reader &r, bool policy) {
  if (policy)
    r.source(Type::B64);
}

static void decodeElements(Reader &r, const Operand &operand, bool load) {
  std::vector<Operand> elements = r.vector(operand);
  if (elements.size() != r.inst.count)
    r.fail(format("%u elements expected", r.inst.count));
  unsigned bits = bitsOf(r.inst.type);
  std::vector<Slot> slots;
  for (const Operand &element : elements) {
    if (load) {
      Type type = bits == 8 ? Type::B16 : r.inst.type;
      r.destination(type, element, /*mayBeWider=*/true);
      slots.push_back(element.kind == Operand::Sink
                          ? r.decoder.temporary(bits == 64)
                          : r.decoder.registerSlot(element.reg));
    } else {
      unsigned own = element.kind == Operand::Reg
                         ? bitsOf(r.decoder.typeOfRegister(element.reg))
                         : std::max(bits, 16u);
      if (own < bits)
        r.fail(format("a register of %u bits expected", bits));
      slots.push_back(r.sourceUpTo(own, element));
    }
  }
  r.inst.list = r.addSlots(slots);
}

/// Parameters of calls live in the caller's local memory.
static void localParameter(Reader &r, const Operand &address) {
  const Variable *variable =
      address.elements.empty() ? nullptr : address.elements[0].variable;
  if (!variable)
    r.fail("a parameter's name expected");
  r.inst.space = Space::Local;
  r.inst.imm = address.value;
  r.inst.a = r.decoder
                 .constant(r.decoder.localOffset(variable, r.statement.line),
                           /*wide=*/true)
                 .at;
  r.inst.wideAddress = true;
}

static bool isEntryParameter(Reader &r, const Operand &address) {
  if (!r.decoder.isEntry() || address.kind != Operand::Address)
    return false;
  const Variable *variable = address.elements[0].variable;
  if (!variable)
    return true;
  for (const Parameter &parameter : r.decoder.program.parameters)
    if (parameter.name == variable->name && variable->space == Space::Param)
      return true;
  return false;
}

static void decodeLd(Reader &r) {
  r.inst.mode = takeOrder(r, "acquire", OrderAcquire);
  bool policy;
  unsigned vector;
  hintsAndVector(r, policy, vector);
  const Operand &result = r.operand();
  decodeElements(r, result, /*load=*/true);
  const Operand &address = r.operand();
  r.inst.run = runLoad;
  if (address.kind != Operand::Address)
    r.fail("an address in brackets expected");
  if (r.inst.space != Space::Param) {
    r.addressOperand(address, r.inst.space);
  } else if (isEntryParameter(r, address)) {
    r.inst.run = runLoadParameter;
    r.addressOperand(address, Space::Param);
  } else {
    localParameter(r, address);
  }
  takePolicy(r, policy);
  r.finish();
}

static void decodeSt(Reader &r) {
  r.inst.mode = takeOrder(r, "release", OrderRelease);
  bool policy;
  unsigned vector;
  hintsAndVector(r, policy, vector);
  if (r.inst.space == Space::Const)
    r.fail("constant memory cannot be written");
  r.inst.run = runStore;
  const Operand &address = r.operand();
  if (address.kind != Operand::Address)
    r.fail("an address in brackets expected");
  if (r.inst.space == Space::Param)
    localParameter(r, address);
  else
    r.addressOperand(address, r.inst.space);
  decodeElements(r, r.operand(), /*load=*/false);
  if (r.inst.space == Space::Shared || r.inst.space == Space::Generic)
    r.decoder.narrowGranule(bytesOf(r.inst.type) * vector);
  takePolicy(r, policy);
  r.finish();
}

static void decodeAtomic(Reader &r) {
  bool result = r.statement.opcode == "atom";
  int order;
  takeOrderAndSpace(r, {"relaxed", "acquire", "release", "acq_rel"}, order);
  static const uint8_t orders[] = {OrderRelaxed, OrderAcquire, OrderRelease,
                                   OrderAcquire | OrderRelease};
  // Relaxed is what the manual says; either way the access is no race.
  r.inst.mode = static_cast<uint8_t>(
      OrderAtomic | (order < 0 ? OrderRelaxed : orders[order]));
  if (r.inst.space != Space::Generic && r.inst.space != Space::Global &&
      r.inst.space != Space::Shared)
    r.fail("atomics are for global and shared memory");
  int op = r.takeOneOf(
      {"and", "or", "xor", "add", "inc", "dec", "min", "max", "exch", "cas"});
  if (op < 0 || (!result && op >= 8))
    r.fail("an operation expected");
  bool noftz = r.take("noftz");
  bool policy = r.take("L2::cache_hint");
  unsigned vector = takeVector(r);
  r.inst.type = r.type();
  Type type = r.inst.type;
  unsigned bits = bitsOf(type);
  bool real = isFloat(type);
  bool half = real && type <= Type::BF16x2;
  if (bits < 16 || bits > 64 || type == Type::TF32 || (noftz && !half) ||
      (half && !noftz) || (bits == 16 && !half && op != 9) ||
      (vector > 1 && !real) || (op < 3 && !isBits(type)) ||
      (op >= 3 && op < 8 && isBits(type)) ||
      (real && (op != 3 && op != 6 && op != 7)) || (real && !half && op != 3) ||
      ((op == 4 || op == 5) && type != Type::U32))
    r.fail("this type is not for this operation");
  r.inst.run = runAtomic;
  r.inst.count = static_cast<uint8_t>(vector);
  r.inst.extra = result;
  r.inst.compare = static_cast<Compare>(op);
  std::vector<Slot> slots;
  if (result)
    for (const Operand &element : r.vector(r.operand()))
      slots.push_back(r.destination(type, element));
  r.addressOperand(r.inst.space);
  std::vector<Operand> values = r.vector(r.operand());
  if (values.size() != vector || (result && slots.size() != vector))
    r.fail(format("%u elements expected", vector));
  for (const Operand &element : values)
    slots.push_back(r.source(type, element));
  if (op == 9)
    slots.push_back(r.source(type));
  r.inst.list = r.addSlots(slots);
  takePolicy(r, policy);
  if (r.inst.space != Space::Global)
    r.decoder.narrowGranule(bytesOf(type));
  r.finish();
}

static void decodePrefetch(Reader &r) {
  bool map = false;
  Space space = Space::Generic;
  if (r.take("tensormap")) {
    map = true;
  } else {
    space = takeSpace(r);
    map = space != Space::Generic && r.take("tensormap");
    if (!map &&
        r.takeOneOf({"L1", "L2", "L2::evict_last", "L2::evict_normal"}) < 0)
      r.fail("a cache level expected");
  }
  r.inst.run = runPrefetch;
  r.addressOperand(space);
  r.finish();
}

static void decodePrefetchu(Reader &r) {
  r.require("L1");
  r.inst.run = runPrefetch;
  r.addressOperand(Space::Generic);
  r.finish();
}

static void decodeDiscard(Reader &r) {
  takeSpace(r);
  if (r.takeOneOf({"L2", "L2::evict_normal"}) < 0)
    r.fail("a cache level expected");
  r.inst.run = runPrefetch;
  r.addressOperand(Space::Generic);
  r.integer(128, 128, "the size");
  r.finish();
}

static void decodeCreatepolicy(Reader &r) {
  bool fractional = r.take("fractional");
  if (!fractional)
    r.fail("only .fractional policies are supported");
  for (int i = 0; i < 2; ++i)
    r.takeOneOf({"L2::evict_first", "L2::evict_last", "L2::evict_normal",
                 "L2::evict_unchanged"});
  r.require("b64");
  // A policy changes no value: any number does.
  r.inst.op = Op::Mov;
  r.inst.type = Type::B64;
  r.inst.d = r.destination(Type::B64).at;
  r.inst.a = r.decoder.constant(0, true).at;
  if (r.hasOperand())
    r.sourceUpTo(32, r.operand());
  r.finish();
}

void attnc::ptx::addMemoryDecoders(DecodeTable &table) {
  table["ld"] = decodeLd;
  table["ldu"] = decodeLd;
  table["st"] = decodeSt;
  table["atom"] = decodeAtomic;
  table["red"] = decodeAtomic;
  table["prefetch"] = decodePrefetch;
  table["prefetchu"] = decodePrefetchu;
  table["applypriority"] = decodeDiscard;
  table["discard"] = decodeDiscard;
  table["createpolicy"] = decodeCreatepolicy;
}
