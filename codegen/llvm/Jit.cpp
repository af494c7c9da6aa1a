// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One small ORC session per kernel: no threads, no symbols of the process, and
// it goes when the kernel goes.

#include "codegen/llvm/Jit.h"

#include "codegen/kernelfile/KernelWriter.h"
#include "codegen/llvm/FlatImage.h"
#include "codegen/llvm/LaunchWrapper.h"

#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

using namespace attnc;
using namespace llvm;

static void releaseJit(void *owner) { delete static_cast<orc::LLJIT *>(owner); }

/// The linker needs a data layout, not a target machine: creating one would
/// only cost time.
static Expected<std::unique_ptr<orc::LLJIT>>
createJit(const attnc::Target &target) {
  orc::JITTargetMachineBuilder machine((Triple(target.triple)));
  machine.setCPU(target.cpu);
  return orc::LLJITBuilder()
      .setJITTargetMachineBuilder(std::move(machine))
      .setPlatformSetUp(orc::setUpInactivePlatform)
      .setLinkProcessSymbolsByDefault(false)
      .create();
}

Expected<KernelHandle> attnc::jitKernel(std::unique_ptr<MemoryBuffer> object,
                                        const KernelDesc &description,
                                        const attnc::Target &target) {
  if (Error error = checkNoExternalSymbols(object->getMemBufferRef()))
    return std::move(error);
  auto jit = createJit(target);
  if (!jit)
    return jit.takeError();
  if (Error error = (*jit)->addObjectFile(std::move(object)))
    return std::move(error);
  std::vector<attnc_workgroup_fn> functions;
  for (size_t i = 0; i < description.launches.size(); ++i) {
    auto address = (*jit)->lookup(entryName(i));
    if (!address)
      return address.takeError();
    functions.push_back(address->toPtr<attnc_workgroup_fn>());
  }
  std::string problem;
  auto bytes = writeKernel(description, problem);
  if (!bytes)
    return createStringError("cannot describe the kernel: " + problem);
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  if (attnc_kernel_create(bytes->data(), bytes->size(), functions.data(),
                          functions.size(), releaseJit, jit->get(), &kernel,
                          &error) != ATTNC_OK)
    return createStringError(Twine("cannot open the kernel: ") + error.message);
  jit->release(); // the kernel's now
  return KernelHandle(kernel);
}
