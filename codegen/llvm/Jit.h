// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a freshly compiled object in this process, through ORC.

#ifndef ATTNC_CODEGEN_LLVM_JIT_H
#define ATTNC_CODEGEN_LLVM_JIT_H

#include "attnc/runtime.h"
#include "codegen/Target.h"
#include "codegen/kernelfile/KernelDesc.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>

namespace attnc {

struct KernelDeleter {
  void operator()(attnc_kernel *kernel) const { attnc_kernel_destroy(kernel); }
};
using KernelHandle = std::unique_ptr<attnc_kernel, KernelDeleter>;

/// Links `object`, whose launches are the symbols attnc_launch_<k>, and opens
/// it under `description` (which has no images). The kernel owns the code.
llvm::Expected<KernelHandle>
jitKernel(std::unique_ptr<llvm::MemoryBuffer> object,
          const KernelDesc &description, const Target &target);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_JIT_H
