// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From PTX to the images of a kernel file.

#ifndef ATTNC_CODEGEN_GPU_GPUIMAGE_H
#define ATTNC_CODEGEN_GPU_GPUIMAGE_H

#include "codegen/Target.h"
#include "codegen/kernelfile/KernelDesc.h"

#include "mlir/IR/BuiltinOps.h"

namespace attnc::gpu {

/// Threads, shared memory and blocks of each launch of a stage-5 module.
std::vector<GpuLaunchDesc> launchGeometry(mlir::ModuleOp stage5);

/// The cubin, if wanted, and the PTX, which later chips and the PTX executor
/// take.
llvm::Expected<std::vector<ImageDesc>>
makeGpuImages(llvm::StringRef ptx, llvm::ArrayRef<GpuLaunchDesc> geometry,
              const Target &target, bool withCubin);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_GPUIMAGE_H
