// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-schedule: the only home of heuristics. Every choice becomes a field of
// #attn.schedule and a sentence in its `why`. Fields that are asked for steer
// the choice of the others.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "passes/PlanWalk.h"
#include "passes/RowProducers.h"
#include "passes/Scheduler.h"

namespace attnc {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;
using attnc::Scheduler;

LogicalResult Scheduler::run() {
  if (ScheduleAttr written = op.getScheduleAttr())
    return keep(written);
  lanes =
      pick("lanes",
           std::max<int64_t>(
               options.vectorBytes / (op.getComputeType().getWidth() / 8), 1));
  if (failed(chooseMicroKernel()))
    return failure();
  chooseProducts();
  chooseTiles();
  chooseStrip();
  chooseOrder();
  chooseSplit();
  if (failed(chooseLoads()))
    return failure();
  if (failed(chooseFew()))
    return failure();
  explainAsked();
  return attach();
}

void Scheduler::explainAsked() {
  if (!asked.empty())
    because("{0}: {1}", asked.text(), options.fieldsFrom);
}

LogicalResult Scheduler::keep(ScheduleAttr written) {
  if (asked.empty())
    return check(written);
  micro = asked.micro().value_or(written.getMicro());
  queryTile = pick("query_tile", written.getQueryTile());
  heads = pick("heads", written.getHeads());
  keyBlock = pick("key_block", written.getKeyBlock());
  lanes = pick("lanes", written.getLanes());
  registerKeys = pick("register_keys", written.getRegisterKeys());
  registerVectors = pick("register_vectors", written.getRegisterVectors());
  q = asked.load("q").value_or(written.getQ());
  k = asked.load("k").value_or(written.getK());
  v = asked.load("v").value_or(written.getV());
  products = asked.products().value_or(written.getProducts());
  order = asked.order().value_or(written.getOrder());
  strip = pick("strip", written.getStrip());
  split = pick("split", written.getSplit());
  if (MmaAttr of = written.getMma(); of && isOnTensorCores())
    chooseMma({queryTile, keyBlock, of.getWarps(), of.getStages(), heads,
               of.getQuerySteps(), of.getLookahead(), of.getFence(),
               of.getLazy()});
  if (written.getLists())
    lists = listSchedule(written.getListSchedule());
  few = written.getFewSchedule();
  if (written.getWhy())
    for (auto reason : written.getWhy().getAsRange<StringAttr>())
      why.push_back(reason.str());
  explainAsked();
  return attach();
}

InFlightDiagnostic Scheduler::refuse() {
  InFlightDiagnostic error = op.emitError("attn-schedule: ");
  if (!asked.empty())
    error.attachNote() << options.fieldsFrom << ": " << asked.text();
  return error;
}

LogicalResult Scheduler::attach() {
  ScheduleAttr schedule = ScheduleAttr::getChecked(
      [&] { return refuse(); }, op.getContext(), micro, queryTile, heads,
      keyBlock, lanes, registerKeys, registerVectors, q, k, v, products, order,
      strip, split, Attribute(lists), Attribute(few), mma,
      b.getStrArrayAttr(whyRefs()));
  if (!schedule || failed(check(schedule)))
    return failure();
  op.setScheduleAttr(schedule);
  return mlir::verify(op);
}

LogicalResult Scheduler::check(ScheduleAttr schedule) {
  PlanAttr plan = op.getPlanAttr();
  // A written schedule is obeyed on any machine; the chip is the code
  // generator's business then.
  constexpr int64_t kAnyChip = 80;
  if (schedule.getMma())
    if (auto why = attnc::refusesMma(op, options.sm ? options.sm : kAnyChip))
      return refuse() << "micro must be row: tensor cores do not take this, "
                         "since "
                      << *why;
  if (schedule.getMicro() == MicroKernel::Wgmma)
    if (auto why = attnc::refusesWgmma(op, true))
      return refuse() << "micro must be mma or row: warpgroups do not take "
                         "this, since "
                      << *why;
  bool hasLists = plan && attnc::hasLists(plan);
  if (!hasLists && !asked.ofLists().empty())
    return refuse() << "there is no list of keys that 'lists.' could be about";
  ScheduleAttr ofLists = schedule.getListSchedule();
  if (hasLists &&
      (ofLists.getMicro() != MicroKernel::Row || ofLists.getQueryTile() != 1))
    return refuse() << "lists of keys need a schedule of their own: lists = "
                       "#attn.schedule<micro = row, query_tile = 1, ...>";
  if ((schedule.getHeads() != 1 || (hasLists && ofLists.getHeads() != 1)) &&
      dependsOnHead())
    return refuse() << "heads must be 1: keys of a row depend on its head";
  if (schedule.getProducts() == Products::DotBf16 && !fitsBf16Dot())
    return refuse() << "products must be fma: dot_bf16 takes q, k and v of "
                       "bf16, and a machine that has it";
  for (auto [name, value, mode] :
       {std::tuple("q", op.getQuery(), schedule.getQ()),
        std::tuple("k", op.getKey(), schedule.getK()),
        std::tuple("v", op.getValue(), schedule.getV())}) {
    bool computed = !attnc::analyzeRowProducers(value).chain.empty();
    if (computed == (mode == LoadMode::Direct))
      return refuse() << name << " must be "
                      << (computed ? "fuse or materialize: producers compute "
                                     "it"
                                   : "direct: nothing computes it")
                      << ", got " << stringifyLoadMode(mode);
  }
  return success();
}

namespace {
struct SchedulePass : public attnc::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    attnc::SchedulePassOptions options;
    options.vectorBytes = vectorBytes;
    options.vectorRegisters = vectorRegisters;
    options.bf16Dot = bf16Dot;
    options.sm = sm;
    options.wgmma = wgmma;
    options.micro = micro;
    options.producers = producers;
    options.fieldsFrom = fieldsFrom;
    llvm::Expected<attnc::ScheduleFields> asked =
        attnc::ScheduleFields::parse(fields);
    if (!asked) {
      getOperation().emitError("attn-schedule: ")
          << llvm::toString(asked.takeError());
      return signalPassFailure();
    }
    WalkResult walk = getOperation()->walk([&](AttentionOp op) {
      return failed(Scheduler(op, options, *asked).run())
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
