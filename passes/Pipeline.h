// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The only order of passes, up to attn.fold. Code generators go on from there.

#ifndef ATTNC_PASSES_PIPELINE_H
#define ATTNC_PASSES_PIPELINE_H

#include "mlir/Pass/PassManager.h"
#include "passes/MachineModel.h"
#include <string>

namespace attnc {

struct PipelineOptions {
  MachineModel machine;
  std::string micro = "auto";     // or block, row
  std::string producers = "auto"; // or fuse, materialize
  /// Fields of #attn.schedule to set: "query_tile = 48, k = fuse".
  std::string schedule;
  std::string scheduleFrom = "asked for"; // where they come from, for `why`
  bool countPairs = false;                // launches return what they compute
};

/// Each brings a module from whatever earlier stage it is at to the named one.
/// What a stage has settled stays: a plan or schedule in the input is kept.
void buildStage2Pipeline(mlir::OpPassManager &pm);
void buildStage3Pipeline(mlir::OpPassManager &pm,
                         const PipelineOptions &options);
void buildStage4Pipeline(mlir::OpPassManager &pm,
                         const PipelineOptions &options);

/// attn-to-stage2, attn-to-stage3 and attn-to-stage4 for command lines.
void registerAttnPipelines();

} // namespace attnc

#endif // ATTNC_PASSES_PIPELINE_H
