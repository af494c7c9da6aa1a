// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Branches, calls, barriers, fences, and instructions across a warp.

#include "Decoder.h"
#include "Execute.h"

using namespace attnc::ptx;

static void decodeBra(Reader &r) {
  r.take("uni");
  uint32_t label = r.decoder.findLabel(r.operand(), r.statement);
  r.inst.run = runBranch;
  r.finishWithoutEmit();
  r.decoder.addBranch(r.inst, label);
}

/// brx.idx: one comparison and branch for each target.
static void decodeBrx(Reader &r) {
  r.require("idx");
  r.take("uni");
  Slot index = r.source(Type::U32);
  const Operand &name = r.operand();
  const auto *targets = r.decoder.findTargets(name, r.statement);
  if (!targets)
    r.fail("a list of .branchtargets expected");
  r.inst.run = runBranchEqual;
  r.inst.a = index.at;
  r.finishWithoutEmit();
  for (std::string_view target : *targets) {
    Operand label;
    label.kind = Operand::Name;
    label.name = target;
    r.decoder.addBranch(r.inst, r.decoder.findLabel(label, r.statement));
    ++r.inst.imm;
  }
  r.inst.run = runTrap; // an index beyond the list
  r.decoder.emit(r.inst);
}

static void decodeRet(Reader &r) {
  r.take("uni");
  r.finishWithoutEmit();
  if (r.decoder.isEntry()) {
    r.inst.run = runExit;
    return r.decoder.emit(r.inst);
  }
  r.inst.run = runBranch;
  r.decoder.addReturn(r.inst);
}

static void decodeExit(Reader &r) {
  r.inst.run = runExit;
  r.finish();
}

static void decodeTrap(Reader &r) {
  r.inst.run = runTrap;
  r.finish();
}

static void decodeCall(Reader &r) {
  r.take("uni");
  r.decoder.call(r);
}

/// What has no effect in this machine, after its modifiers were checked.
static void finishNothing(Reader &r) {
  r.inst.run = runNothing;
  r.finish();
}

static void barrierCount(Reader &r) {
  r.inst.extra = r.hasOperand();
  if (r.inst.extra)
    r.inst.b = r.source(Type::U32).at;
}

/// bar and barrier: .sync, .arrive, .red, .warp.sync and .cluster.
static void decodeBarrier(Reader &r) {
  bool isBar = r.statement.opcode == "bar";
  if (r.take("warp")) {
    r.require("sync");
    r.inst.run = runWarpSync;
    r.inst.a = r.source(Type::B32).at;
    return r.finish();
  }
  if (!isBar && r.take("cluster")) {
    int which = r.takeOneOf({"arrive", "wait"});
    if (which < 0)
      r.fail(".arrive or .wait expected");
    r.takeOneOf({"release", "acquire", "relaxed"});
    r.take("aligned");
    r.inst.run = runClusterBarrier;
    r.inst.mode = static_cast<uint8_t>(which);
    return r.finish();
  }
  r.take("cta");
  int which = r.takeOneOf({"sync", "arrive", "red"});
  if (which < 0)
    r.fail(".sync, .arrive or .red expected");
  r.inst.mode = static_cast<uint8_t>(which);
  r.inst.run = runBarrier;
  r.inst.sync = r.take("aligned") || isBar; // all threads of the warp
  if (which != 2) {
    r.inst.a = r.source(Type::U32).at;
    barrierCount(r);
    if (which == 1 && !r.inst.extra)
      r.fail("a number of threads expected");
    return r.finish();
  }
  int kind = r.takeOneOf({"popc", "and", "or"});
  if (kind < 0)
    r.fail(".popc, .and or .or expected");
  r.inst.sync = r.take("aligned") || r.inst.sync;
  r.require(kind == 0 ? "u32" : "pred");
  r.inst.count = static_cast<uint8_t>(kind);
  const Operand &result = r.operand();
  r.inst.d = kind == 0 ? r.destination(Type::U32, result).at
                       : r.predicateDestination(result);
  r.inst.a = r.source(Type::U32).at;
  // The count is left out, or stands before the predicate.
  const Operand &next = r.peekOperand();
  bool counted = next.kind != Operand::Reg ||
                 r.decoder.typeOfRegister(next.reg) != Type::Pred;
  r.inst.extra = counted && !next.negated;
  if (r.inst.extra)
    r.inst.b = r.source(Type::U32).at;
  r.inst.c = r.predicate(r.inst.negate);
  r.finish();
}

static void decodeMembar(Reader &r) {
  if (r.takeOneOf({"cta", "gl", "sys"}) < 0)
    r.fail("a level expected");
  r.inst.run = runFence;
  r.finish();
}

static void decodeFence(Reader &r) {
  if (r.take("proxy")) {
    int kind =
        r.takeOneOf({"alias", "async", "async::generic", "tensormap::generic"});
    if (kind < 0)
      r.fail("a proxy expected");
    if (kind == 1) {
      r.takeOneOf({"global", "shared::cta", "shared::cluster"});
      r.inst.run = runProxyFence;
      return r.finish();
    }
    if (kind >= 2) {
      bool acquire = r.take("acquire");
      if (!acquire)
        r.require("release");
      r.take("sync_restrict::shared::cta");
      r.take("sync_restrict::shared::cluster");
      if (r.takeOneOf({"cta", "cluster", "gpu", "sys"}) < 0)
        r.fail("a scope expected");
      if (kind == 3 && acquire) {
        r.addressOperand(Space::Generic);
        if (r.integer(128, 128, "the size") != 128)
          r.fail("128 expected");
      }
    }
    return finishNothing(r);
  }
  if (r.take("mbarrier_init")) {
    r.require("release");
    r.require("cluster");
    return finishNothing(r);
  }
  r.takeOneOf({"sc", "acq_rel", "acquire", "release"});
  r.take("sync_restrict::shared::cta");
  r.take("sync_restrict::shared::cluster");
  if (r.takeOneOf({"cta", "cluster", "gpu", "sys"}) < 0)
    r.fail("a scope expected");
  r.inst.run = runFence;
  r.finish();
}

static void decodeShfl(Reader &r) {
  r.require("sync");
  int mode = r.takeOneOf({"up", "down", "bfly", "idx"});
  if (mode < 0)
    r.fail("a mode expected");
  r.require("b32");
  r.inst.mode = static_cast<uint8_t>(mode);
  r.inst.run = runShuffle;
  const Operand &result = r.operand();
  bool pair = result.kind == Operand::Pair;
  r.inst.d = r.destination(Type::B32, pair ? result.elements[0] : result).at;
  r.inst.extra = pair;
  if (pair)
    r.inst.d2 = r.predicateDestination(result.elements[1]);
  Slot a = r.source(Type::B32), b = r.source(Type::B32);
  Slot c = r.source(Type::B32), members = r.source(Type::B32);
  r.inst.a = a.at;
  r.inst.b = b.at;
  r.inst.c = c.at;
  r.inst.list = r.addSlots({members});
  r.finish();
}

static void decodeVote(Reader &r) {
  r.require("sync");
  int mode = r.takeOneOf({"all", "any", "uni", "ballot"});
  if (mode < 0)
    r.fail("a mode expected");
  r.require(mode == 3 ? "b32" : "pred");
  r.inst.mode = static_cast<uint8_t>(mode);
  r.inst.run = runVote;
  const Operand &result = r.operand();
  r.inst.d = mode == 3 ? r.destination(Type::B32, result).at
                       : r.predicateDestination(result);
  r.inst.a = r.predicate(r.inst.negate);
  r.inst.list = r.addSlots({r.source(Type::B32)});
  r.finish();
}

static void decodeMatch(Reader &r) {
  bool all = r.take("all");
  if (!all)
    r.require("any");
  r.require("sync");
  r.inst.type = r.type();
  if (r.inst.type != Type::B32 && r.inst.type != Type::B64)
    r.fail(".b32 or .b64 expected");
  r.inst.mode = all;
  r.inst.run = runMatch;
  const Operand &result = r.operand();
  bool pair = result.kind == Operand::Pair;
  r.inst.extra = pair && all;
  r.inst.d = r.destination(Type::B32, pair ? result.elements[0] : result).at;
  if (pair && all)
    r.inst.d2 = r.predicateDestination(result.elements[1]);
  r.inst.a = r.source(r.inst.type).at;
  r.inst.list = r.addSlots({r.source(Type::B32)});
  r.finish();
}

static void decodeRedux(Reader &r) {
  r.needTarget(80);
  r.require("sync");
  int mode = r.takeOneOf({"add", "min", "max", "and", "or", "xor"});
  if (mode < 0)
    r.fail("an operation expected");
  r.inst.type = r.type();
  bool fits = mode >= 3 ? r.inst.type == Type::B32
                        : r.inst.type == Type::U32 || r.inst.type == Type::S32;
  if (!fits)
    r.fail("this type is not for this operation");
  r.inst.mode = static_cast<uint8_t>(mode);
  r.inst.run = runRedux;
  r.inst.d = r.destination(Type::B32).at;
  r.inst.a = r.source(Type::B32).at;
  r.inst.list = r.addSlots({r.source(Type::B32)});
  r.finish();
}

static void decodeElect(Reader &r) {
  r.needTarget(90);
  r.require("sync");
  r.inst.run = runElect;
  const Operand &result = r.operand();
  if (result.kind != Operand::Pair)
    r.fail("a register and a predicate expected");
  r.inst.d = r.destination(Type::B32, result.elements[0]).at;
  r.inst.d2 = r.predicateDestination(result.elements[1]);
  r.inst.list = r.addSlots({r.source(Type::B32)});
  r.finish();
}

static void decodeActivemask(Reader &r) {
  r.require("b32");
  r.inst.run = runActivemask;
  r.inst.d = r.destination(Type::B32).at;
  r.finish();
}

static void decodeNanosleep(Reader &r) {
  r.require("u32");
  r.source(Type::U32);
  r.inst.run = runNanosleep;
  r.finish();
}

static void decodeGriddepcontrol(Reader &r) {
  if (r.takeOneOf({"wait", "launch_dependents"}) < 0)
    r.fail(".wait or .launch_dependents expected");
  finishNothing(r);
}

static void decodeSetmaxnreg(Reader &r) {
  r.needTarget(90);
  if (r.takeOneOf({"inc", "dec"}) < 0)
    r.fail(".inc or .dec expected");
  r.require("sync");
  r.require("aligned");
  r.require("u32");
  if (r.integer(24, 256, "the number of registers") % 8)
    r.fail("the number of registers must be a multiple of 8");
  r.inst.run = runAlignedNothing;
  r.finish();
}

void attnc::ptx::addControlDecoders(DecodeTable &table) {
  table["bra"] = decodeBra;
  table["brx"] = decodeBrx;
  table["ret"] = decodeRet;
  table["exit"] = decodeExit;
  table["trap"] = decodeTrap;
  table["call"] = decodeCall;
  table["bar"] = decodeBarrier;
  table["barrier"] = decodeBarrier;
  table["membar"] = decodeMembar;
  table["fence"] = decodeFence;
  table["shfl"] = decodeShfl;
  table["vote"] = decodeVote;
  table["match"] = decodeMatch;
  table["redux"] = decodeRedux;
  table["elect"] = decodeElect;
  table["activemask"] = decodeActivemask;
  table["nanosleep"] = decodeNanosleep;
  table["griddepcontrol"] = decodeGriddepcontrol;
  table["setmaxnreg"] = decodeSetmaxnreg;
}
