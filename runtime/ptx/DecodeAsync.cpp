// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Asynchronous copies, mbarriers, tensor maps.

#include "Decoder.h"
#include "Execute.h"

using namespace attnc::ptx;

static bool takeSharedSpace(Reader &r) {
  return r.takeOneOf({"shared", "shared::cta", "shared::cluster"}) >= 0;
}

static void decodeCpAsyncCopy(Reader &r) {
  bool all = r.take("ca");
  if (!all)
    r.require("cg");
  if (!takeSharedSpace(r))
    r.fail(".shared expected");
  r.require("global");
  bool policy = r.take("L2::cache_hint");
  r.takeOneOf({"L2::64B", "L2::128B", "L2::256B"});
  policy = r.take("L2::cache_hint") || policy;
  r.inst.run = runCpAsync;
  // Two addresses: the target goes to a and imm, the source to b and c.
  r.addressOperand(Space::Shared);
  Inst target = r.inst;
  r.addressOperand(Space::Global);
  r.inst.b = r.inst.a;
  int64_t sourceOffset = r.inst.imm;
  r.inst.a = target.a;
  r.inst.imm = target.imm;
  r.inst.wideAddress = target.wideAddress;
  // The source's offset is a constant register.
  r.inst.c = r.decoder.constant(static_cast<uint64_t>(sourceOffset), true).at;
  int64_t size = r.integer(4, 16, "the size");
  if ((size != 4 && size != 8 && size != 16) || (!all && size != 16))
    r.fail("the size must be 4, 8 or 16; 16 for .cg");
  r.inst.count = static_cast<uint8_t>(size);
  r.inst.extra = false;
  r.decoder.narrowGranule(4);
  if (r.hasOperand()) {
    const Operand &next = r.peekOperand();
    bool isPredicate = next.kind == Operand::Reg &&
                       r.decoder.typeOfRegister(next.reg) == Type::Pred;
    bool isPolicy = policy && next.kind == Operand::Reg &&
                    bitsOf(r.decoder.typeOfRegister(next.reg)) == 64;
    if (isPredicate)
      r.fail("the form with ignore-src is not supported");
    if (!isPolicy) {
      r.inst.extra = true; // a source size
      r.inst.d2 = r.source(Type::U32).at;
    }
  }
  if (policy)
    r.source(Type::B64);
  r.finish();
}

static void bulkReadWait(Reader &r) {
  r.inst.extra = r.take("read");
  r.inst.run = runBulkWait;
  r.inst.imm = r.integer(0, 0x7fffffff, "the number of groups");
  r.finish();
}

/// The coordinates in `[map, {c0, c1}]`.
static void tensorOperand(Reader &r, const Operand &operand, unsigned rank) {
  if (operand.kind != Operand::Address || operand.elements.size() != 2 ||
      operand.elements[1].kind != Operand::Vector)
    r.fail("[tensor map, {coordinates}] expected");
  std::vector<Operand> coordinates = operand.elements[1].elements;
  if (coordinates.size() != rank)
    r.fail(format("%u coordinates expected", rank));
  r.addressOperand(operand, Space::Generic);
  std::vector<Slot> slots;
  for (const Operand &coordinate : coordinates)
    slots.push_back(r.source(Type::S32, coordinate));
  r.inst.list = r.addSlots(slots);
  r.inst.count = static_cast<uint8_t>(rank);
}

/// A shared address in a slot: base + offset by an extra instruction would
/// cost registers, so it is kept as base and constant.
static void sharedOperand(Reader &r, const Operand &operand, uint32_t &base,
                          bool &wide, uint32_t &offset) {
  Inst saved = r.inst;
  r.addressOperand(operand, Space::Shared);
  base = r.inst.a;
  wide = r.inst.wideAddress;
  offset = r.decoder.constant(static_cast<uint64_t>(r.inst.imm), true).at;
  r.inst = saved;
}

static void addShared(Reader &r, const Operand &operand) {
  uint32_t base, offset;
  bool wide;
  sharedOperand(r, operand, base, wide, offset);
  r.addSlots({{base, wide}, {offset, true}});
}

static bool takeClusterFeatures(Reader &r) {
  return r.take("multicast::cluster") || r.take("cta_group::1") ||
         r.take("cta_group::2");
}

static void decodeTensorCopy(Reader &r, bool prefetch) {
  int rank = r.takeOneOf({"1d", "2d", "3d", "4d", "5d"});
  if (rank < 0)
    r.fail("a number of dimensions expected");
  r.inst.run = runTensorCopy;
  r.inst.mode = 0;
  if (prefetch) {
    r.require("L2");
    r.require("global");
    r.take("tile");
    bool policy = r.take("L2::cache_hint");
    tensorOperand(r, r.operand(), static_cast<unsigned>(rank) + 1);
    if (policy)
      r.source(Type::B64);
    r.inst.run = runPrefetch;
    return r.finish();
  }
  if (r.take("global")) { // a store
    if (r.takeOneOf({"shared::cta"}) < 0)
      r.fail(".shared::cta expected");
    r.take("tile");
    r.require("bulk_group");
    bool policy = r.take("L2::cache_hint");
    r.inst.extra = true;
    tensorOperand(r, r.operand(), static_cast<unsigned>(rank) + 1);
    addShared(r, r.operand());
    if (policy)
      r.source(Type::B64);
    return r.finish();
  }
  if (r.takeOneOf({"shared::cta", "shared::cluster"}) < 0)
    r.fail("a target expected");
  r.require("global");
  r.take("tile");
  r.require("mbarrier::complete_tx::bytes");
  if (takeClusterFeatures(r))
    r.fail("multicast and groups of blocks are not supported");
  bool policy = r.take("L2::cache_hint");
  const Operand &target = r.operand();
  tensorOperand(r, r.operand(), static_cast<unsigned>(rank) + 1);
  addShared(r, target);
  addShared(r, r.operand());
  if (policy)
    r.source(Type::B64);
  r.finish();
}

static void decodeBulkCopy(Reader &r) {
  r.inst.run = runBulkCopy;
  bool store = r.take("global");
  bool load = !store && r.takeOneOf({"shared::cta", "shared::cluster"}) >= 0;
  if (!store && !load)
    r.fail("a target expected");
  if (store) {
    r.require("shared::cta");
    r.require("bulk_group");
  } else {
    r.require("global");
    r.require("mbarrier::complete_tx::bytes");
    if (takeClusterFeatures(r))
      r.fail("multicast is not supported");
  }
  bool policy = r.take("L2::cache_hint");
  r.inst.extra = store;
  const Operand &target = r.operand();
  const Operand &source = r.operand();
  r.addressOperand(store ? target : source, Space::Global);
  r.inst.list = static_cast<uint32_t>(r.decoder.program.slots.size());
  addShared(r, store ? source : target);
  r.addSlots({r.source(Type::U32)});
  if (load)
    addShared(r, r.operand());
  if (policy)
    r.source(Type::B64);
  r.finish();
}

static void decodeBulk(Reader &r) {
  if (r.take("commit_group")) {
    r.inst.run = runBulkCommit;
    return r.finish();
  }
  if (r.take("wait_group"))
    return bulkReadWait(r);
  bool prefetch = r.take("prefetch");
  if (r.take("tensor"))
    return decodeTensorCopy(r, prefetch);
  if (!prefetch)
    return decodeBulkCopy(r);
  r.require("L2");
  r.require("global");
  bool policy = r.take("L2::cache_hint");
  r.addressOperand(Space::Global);
  r.source(Type::U32);
  if (policy)
    r.source(Type::B64);
  r.inst.run = runPrefetch;
  r.finish();
}

static void decodeCp(Reader &r) {
  r.require("async");
  if (r.take("bulk")) {
    r.needTarget(90);
    return decodeBulk(r);
  }
  r.needTarget(80);
  if (r.take("commit_group")) {
    r.inst.run = runCpAsyncCommit;
    return r.finish();
  }
  if (r.take("wait_group")) {
    r.inst.run = runCpAsyncWait;
    r.inst.imm = r.integer(0, 0x7fffffff, "the number of groups");
    return r.finish();
  }
  if (r.take("wait_all")) {
    r.inst.run = runCpAsyncWait;
    r.inst.extra = true;
    return r.finish();
  }
  if (r.take("mbarrier")) {
    r.require("arrive");
    r.inst.extra = r.take("noinc");
    takeSharedSpace(r);
    r.require("b64");
    r.inst.run = runCpAsyncArrive;
    r.addressOperand(Space::Shared);
    return r.finish();
  }
  decodeCpAsyncCopy(r);
}

static void orderAndScope(Reader &r) {
  r.takeOneOf({"release", "acquire", "relaxed"});
  r.takeOneOf({"cta", "cluster"});
}

static void decodeMbarrierArrive(Reader &r, bool drop) {
  r.inst.run = runMbarrierArrive;
  r.inst.negate = drop;
  bool expect = r.take("expect_tx");
  orderAndScope(r);
  r.take("noComplete");
  if (!takeSharedSpace(r))
    r.fail("only mbarriers in .shared are supported");
  r.require("b64");
  r.inst.extra = expect;
  r.inst.mode = 0;
  // The state is a result that may be left out.
  if (r.peekOperand().kind != Operand::Address) {
    const Operand &state = r.operand();
    if (state.kind != Operand::Sink) {
      r.inst.mode = 1;
      r.inst.d = r.destination(Type::B64, state).at;
    }
  }
  r.addressOperand(Space::Shared);
  if (expect || r.hasOperand())
    r.inst.b = r.source(Type::U32).at;
  else
    r.inst.b = r.decoder.constant(1, false).at;
  r.finish();
}

static void decodeMbarrierWait(Reader &r, bool test) {
  r.inst.run = runMbarrierTest;
  r.inst.spins = test;
  bool parity = r.take("parity");
  orderAndScope(r);
  if (!takeSharedSpace(r))
    r.fail("only mbarriers in .shared are supported");
  r.require("b64");
  r.inst.d = r.predicateDestination(r.operand());
  r.addressOperand(Space::Shared);
  r.inst.extra = parity;
  r.inst.b = r.source(parity ? Type::U32 : Type::B64).at;
  if (!test && r.hasOperand())
    r.source(Type::U32); // a limit of time
  r.finish();
}

static void decodeMbarrier(Reader &r) {
  r.needTarget(80);
  int which =
      r.takeOneOf({"init", "inval", "expect_tx", "complete_tx", "arrive",
                   "arrive_drop", "test_wait", "try_wait", "pending_count"});
  switch (which) {
  case 0:
  case 1:
    if (!takeSharedSpace(r))
      r.fail("only mbarriers in .shared are supported");
    r.require("b64");
    r.inst.run = which == 0 ? runMbarrierInit : runMbarrierInval;
    r.addressOperand(Space::Shared);
    if (which == 0)
      r.inst.b = r.source(Type::U32).at;
    return r.finish();
  case 2:
  case 3:
    orderAndScope(r);
    if (!takeSharedSpace(r))
      r.fail("only mbarriers in .shared are supported");
    r.require("b64");
    r.inst.run = runMbarrierExpect;
    r.inst.extra = which == 3;
    r.addressOperand(Space::Shared);
    r.inst.b = r.source(Type::U32).at;
    return r.finish();
  case 4:
  case 5:
    return decodeMbarrierArrive(r, which == 5);
  case 6:
  case 7:
    return decodeMbarrierWait(r, which == 6);
  default:
    r.fail("an operation that is supported expected");
  }
}

static void decodeTensormapReplace(Reader &r) {
  r.require("tile");
  static const char *const fields[] = {
      "global_address", "rank",           "box_dim",  "global_dim",
      "global_stride",  "element_stride", "elemtype", "interleave_layout",
      "swizzle_mode",   "fill_mode"};
  int field =
      r.takeOneOf({fields[0], fields[1], fields[2], fields[3], fields[4],
                   fields[5], fields[6], fields[7], fields[8], fields[9]});
  if (field < 0)
    r.fail("a field expected");
  r.inst.mode = static_cast<uint8_t>(field);
  bool shared = r.take("shared::cta");
  if (!shared)
    r.require("global");
  r.inst.space = shared ? Space::Shared : Space::Global;
  r.require("b1024");
  bool wide = field == 0 || field == 4;
  r.require(wide ? "b64" : "b32");
  r.inst.run = runTensorMapReplace;
  r.addressOperand(r.inst.space);
  bool indexed = field >= 2 && field <= 5;
  if (indexed)
    r.inst.count = static_cast<uint8_t>(r.integer(0, 4, "the dimension"));
  if (field >= 6 || field == 1)
    r.inst.b =
        r.decoder
            .constant(static_cast<uint64_t>(r.integer(0, 15, "the value")),
                      false)
            .at;
  else
    r.inst.b = r.source(wide ? Type::B64 : Type::B32).at;
  r.inst.extra = wide;
  r.finish();
}

static void decodeTensormap(Reader &r) {
  r.needTarget(90);
  if (r.take("replace"))
    return decodeTensormapReplace(r);
  r.require("cp_fenceproxy");
  r.require("global");
  r.require("shared::cta");
  r.require("tensormap::generic");
  r.require("release");
  if (r.takeOneOf({"cta", "cluster", "gpu", "sys"}) < 0)
    r.fail("a scope expected");
  r.require("sync");
  r.require("aligned");
  r.inst.run = runTensorMapCopy;
  r.addressOperand(Space::Global);
  r.inst.list = static_cast<uint32_t>(r.decoder.program.slots.size());
  addShared(r, r.operand());
  r.integer(128, 128, "the size");
  r.finish();
}

void attnc::ptx::addAsyncDecoders(DecodeTable &table) {
  table["cp"] = decodeCp;
  table["mbarrier"] = decodeMbarrier;
}

void attnc::ptx::addTensorDecoders(DecodeTable &table) {
  table["tensormap"] = decodeTensormap;
}
