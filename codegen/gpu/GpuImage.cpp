// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A cubin and PTX for one chip.

#include "codegen/gpu/GpuImage.h"

#include "codegen/gpu/PtxEntries.h"
#include "codegen/gpu/Ptxas.h"
#include "codegen/llvm/Stage5.h"

using namespace mlir;
using namespace attnc;

std::vector<GpuLaunchDesc> attnc::gpu::launchGeometry(ModuleOp stage5) {
  std::vector<GpuLaunchDesc> geometry;
  for (func::FuncOp func : getLaunches(stage5)) {
    auto threads = func->getAttrOfType<IntegerAttr>(stage5::kThreadsAttr);
    if (!threads) {
      geometry.push_back({kThreads, /*sharedBytes=*/0, kBlocks});
      continue;
    }
    Type scratch = func.getArgumentTypes()[func.getNumArguments() - 2];
    geometry.push_back(
        {static_cast<uint32_t>(threads.getInt()),
         static_cast<uint32_t>(cast<MemRefType>(scratch).getDimSize(0)),
         /*blocks=*/0});
  }
  return geometry;
}

llvm::Expected<std::vector<ImageDesc>>
attnc::gpu::makeGpuImages(StringRef ptx, ArrayRef<GpuLaunchDesc> geometry,
                          const Target &target, bool withCubin) {
  ImageDesc image;
  image.target = target.name;
  image.sm = target.sm;
  image.smSuffix = static_cast<unsigned char>(target.smSuffix);
  image.geometry = geometry.vec();
  std::vector<ImageDesc> images;
  if (withCubin) {
    llvm::Expected<PtxasOutput> assembled = runPtxas(ptx, target.name);
    if (!assembled)
      return assembled.takeError();
    image.arch = ATTNC_ARCH_CUBIN;
    image.code = std::move(assembled->cubin);
    images.push_back(image);
  }
  image.arch = ATTNC_ARCH_PTX;
  image.code.assign(ptx.begin(), ptx.end());
  images.push_back(std::move(image));
  return images;
}
