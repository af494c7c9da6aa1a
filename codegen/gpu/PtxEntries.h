// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Entry functions in PTX for launches that are written for one thread.

#ifndef ATTNC_CODEGEN_GPU_PTXENTRIES_H
#define ATTNC_CODEGEN_GPU_PTXENTRIES_H

#include "codegen/llvm/LaunchWrapper.h"

namespace attnc::gpu {

/// The slow road's blocks: their threads share the workgroups of a launch, each
/// with scratch of its own in the workspace, so their number is limited.
inline constexpr uint32_t kThreads = 64;
inline constexpr uint32_t kBlocks = 256;

/// Adds `attnc_launch_<k>` for each launch to a module in the LLVM dialect:
///   (words by value, u64 status[, u64 workgroups, u64 scratch])
/// A launch with `threads` is a block for each workgroup. Of others thread t
/// runs the workgroups t, t + all threads, ... with its own part of the
/// scratch. What a thread reports it ORs into the status word.
mlir::LogicalResult addPtxEntries(mlir::ModuleOp module,
                                  llvm::ArrayRef<LaunchParams> launches);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_PTXENTRIES_H
