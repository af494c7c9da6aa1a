// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The only order of passes, and why it is this one.

#include "passes/Pipeline.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;

namespace attnc {
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace attnc

void attnc::buildStage2Pipeline(OpPassManager &pm) {
  OpPassManager &func = pm.nest<func::FuncOp>();
  // Sugar goes first: every later pass then knows one form of everything.
  func.addPass(createExpandPass());
  // Sets are simplified before anything is derived from them, and after
  // expansion, which leaves fewer kinds of set to reason about.
  func.addPass(createSimplifyPairsPass());
  // Operands and constants that only the sugar or a dropped set used go away,
  // and equal producers of K and V become one.
  func.addPass(createCanonicalizerPass());
  func.addPass(createCSEPass());
}

void attnc::buildStage3Pipeline(OpPassManager &pm,
                                const PipelineOptions &options) {
  buildStage2Pipeline(pm);
  OpPassManager &func = pm.nest<func::FuncOp>();
  // The plan needs no machine and refuses what is not compiled; schedules
  // depend on the machine and may look at the plan. So this order.
  func.addPass(createPlanPairsPass());
  SchedulePassOptions schedule;
  schedule.vectorBytes = options.machine.vectorBytes;
  schedule.vectorRegisters = options.machine.vectorRegisters;
  schedule.bf16Dot = options.machine.hasBf16Dot;
  schedule.sm = options.machine.sm;
  schedule.wgmma = options.machine.hasWgmma;
  schedule.micro = options.micro;
  schedule.producers = options.producers;
  schedule.fields = options.schedule;
  schedule.fieldsFrom = options.scheduleFrom;
  func.addPass(createSchedulePass(schedule));
}

void attnc::buildStage4Pipeline(OpPassManager &pm,
                                const PipelineOptions &options) {
  buildStage3Pipeline(pm, options);
  OpPassManager &func = pm.nest<func::FuncOp>();
  // Tiling makes the loaders, which read whole operands; fusion then moves
  // producers of these operands into the loaders.
  TilePassOptions tile;
  tile.countPairs = options.countPairs;
  func.addPass(createTilePass(tile));
  func.addPass(createFusePass());
  // Both leave index arithmetic behind that is the same in every region.
  func.addPass(createCanonicalizerPass());
  func.addPass(createCSEPass());
}

namespace {
/// The command line's form of attnc::PipelineOptions.
struct CommandLineOptions : public PassPipelineOptions<CommandLineOptions> {
  attnc::PipelineOptions defaults;
  Option<int64_t> vectorBytes{*this, "vector-bytes",
                              llvm::cl::desc("width of a native vector"),
                              llvm::cl::init(defaults.machine.vectorBytes)};
  Option<int64_t> vectorRegisters{
      *this, "vector-registers", llvm::cl::desc("number of vector registers"),
      llvm::cl::init(defaults.machine.vectorRegisters)};
  Option<bool> bf16Dot{
      *this, "bf16-dot",
      llvm::cl::desc("whether bf16 pairs are multiplied at twice the rate"),
      llvm::cl::init(defaults.machine.hasBf16Dot)};
  Option<int64_t> sm{*this, "sm",
                     llvm::cl::desc("NVIDIA chip, 80 for sm_80; 0: a CPU"),
                     llvm::cl::init(defaults.machine.sm)};
  Option<bool> wgmma{*this, "wgmma",
                     llvm::cl::desc("whether the chip has wgmma"),
                     llvm::cl::init(defaults.machine.hasWgmma)};
  Option<std::string> micro{*this, "micro",
                            llvm::cl::desc("micro-kernel: auto, block or row"),
                            llvm::cl::init(defaults.micro)};
  Option<std::string> producers{
      *this, "producers",
      llvm::cl::desc("producers of q, k, v: auto, fuse or materialize"),
      llvm::cl::init(defaults.producers)};
  Option<std::string> schedule{
      *this, "schedule",
      llvm::cl::desc("fields of the schedule to set, as in {query_tile = 48}"),
      llvm::cl::init(defaults.schedule)};
  Option<bool> countPairs{
      *this, "count-pairs",
      llvm::cl::desc("return how many pairs each launch computes"),
      llvm::cl::init(defaults.countPairs)};

  attnc::PipelineOptions get() const {
    attnc::PipelineOptions options;
    options.machine.vectorBytes = vectorBytes;
    options.machine.vectorRegisters = vectorRegisters;
    options.machine.hasBf16Dot = bf16Dot;
    options.machine.sm = sm;
    options.machine.hasWgmma = wgmma;
    options.micro = micro;
    options.producers = producers;
    options.schedule = schedule;
    options.countPairs = countPairs;
    return options;
  }
};
} // namespace

void attnc::registerAttnPipelines() {
  PassPipelineRegistration<>("attn-to-stage2", "normal form",
                             buildStage2Pipeline);
  PassPipelineRegistration<CommandLineOptions>(
      "attn-to-stage3", "normal form with plan and schedule",
      [](OpPassManager &pm, const CommandLineOptions &options) {
        buildStage3Pipeline(pm, options.get());
      });
  PassPipelineRegistration<CommandLineOptions>(
      "attn-to-stage4", "launches of tiles with attn.fold",
      [](OpPassManager &pm, const CommandLineOptions &options) {
        buildStage4Pipeline(pm, options.get());
      });
}

void attnc::registerAttnPasses() {
  registerGeneratedPasses();
  registerAttnPipelines();
}
