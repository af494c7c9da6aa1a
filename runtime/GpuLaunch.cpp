// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Workspace, parameters and geometry of launches on a GPU.

#include "GpuLaunch.h"

#include <algorithm>
#include <cstddef>

using namespace attnc;

/// The status word has a line of its own behind the workspace.
static constexpr uint64_t kStatusBytes = ATTNC_SCRATCH_ALIGNMENT;

attnc_result attnc::chooseDevice(const attnc_kernel &kernel,
                                 const attnc_tensor *tensors, size_t numTensors,
                                 int32_t &device, Error &error) {
  device = kernel.gpu ? kernel.gpu->getDefaultDevice() : 0;
  bool isChosen = false;
  for (size_t i = 0; i < numTensors; ++i) {
    const attnc_tensor &tensor = tensorAt(tensors, i);
    if (tensor.struct_size < sizeof(attnc_tensor) || tensor.device_type == 0)
      continue;
    const char *name = kernel.model.args[i].name.c_str();
    attnc_device_type wanted =
        kernel.gpu ? ATTNC_DEVICE_CUDA : ATTNC_DEVICE_CPU;
    if (tensor.device_type != wanted)
      return error.fail(ATTNC_ERROR_DATA,
                        "argument '%s' lies on a device of type %d (DLPack); "
                        "the kernel was loaded for %s",
                        name, int(tensor.device_type),
                        kernel.gpu ? "a GPU (2)" : "the CPU (1)");
    if (!kernel.gpu)
      continue;
    if (isChosen && tensor.device_id != device)
      return error.fail(ATTNC_ERROR_DATA,
                        "argument '%s' lies on device %d, others on device %d",
                        name, int(tensor.device_id), int(device));
    device = tensor.device_id;
    isChosen = true;
  }
  return ATTNC_OK;
}

attnc_result attnc::planOnGpu(const attnc_kernel &kernel, int32_t device,
                              LaunchContext &context, uint64_t &bytes,
                              Error &error) {
  const GpuModule *module = nullptr;
  if (attnc_result result = kernel.gpu->on(device, module, error))
    return result;
  uint32_t threads = 1;
  for (const GpuLaunchModel &launch :
       kernel.model.images[module->image].geometry)
    threads = std::max(threads, launch.blocks * launch.threads);
  if (attnc_result result = planLaunches(kernel.model, threads, context, error))
    return result;
  bytes = context.workspaceBytes + kStatusBytes;
  return ATTNC_OK;
}

namespace {

/// One call: where its workspace and its status word are.
class GpuCall {
public:
  GpuCall(const attnc_kernel &kernel, const GpuModule &module,
          LaunchContext &context, const attnc_launch_options &options)
      : kernel(kernel), driver(kernel.gpu->getDriver()), module(module),
        context(context), options(options) {}

  attnc_result run(uint64_t bytes, uint32_t &status, Error &error);

private:
  const attnc_kernel &kernel;
  const attnc_gpu_driver &driver;
  const GpuModule &module;
  LaunchContext &context;
  const attnc_launch_options &options;
  uint64_t workspace = 0, status = 0;

  attnc_result placeWorkspace(uint64_t bytes, Error &error);
  attnc_result runLaunch(size_t number, uint64_t *words, Error &error);
};

attnc_result GpuCall::placeWorkspace(uint64_t bytes, Error &error) {
  if (options.workspace) {
    uint64_t needed = bytes + ATTNC_SCRATCH_ALIGNMENT - 1;
    if (options.workspace_size < needed)
      return error.fail(ATTNC_ERROR_WORKSPACE,
                        "the workspace has %zu bytes; this call needs %llu",
                        options.workspace_size,
                        static_cast<unsigned long long>(needed));
    if (attnc_result result = checkWorkspaceOverlap(
            kernel.model, options.workspace, size_t(needed), context, error))
      return result;
    workspace = (reinterpret_cast<uintptr_t>(options.workspace) +
                 ATTNC_SCRATCH_ALIGNMENT - 1) &
                ~uint64_t(ATTNC_SCRATCH_ALIGNMENT - 1);
  } else if (options.device_status && context.workspaceBytes > 0) {
    return error.fail(
        ATTNC_ERROR_WORKSPACE,
        "a launch that does not wait (device_status) needs a "
        "workspace of %llu bytes of the caller's",
        static_cast<unsigned long long>(bytes + ATTNC_SCRATCH_ALIGNMENT - 1));
  } else if (!options.device_status) {
    if (attnc_result result = context.deviceWorkspace.reserve(
            driver, module.device, size_t(bytes), workspace, error))
      return result;
  }
  status = options.device_status ? options.device_status
                                 : workspace + context.workspaceBytes;
  return ATTNC_OK;
}

attnc_result GpuCall::runLaunch(size_t number, uint64_t *words, Error &error) {
  const GpuLaunchModel &geometry =
      kernel.model.images[module.image].geometry[number];
  const LaunchModel &launch = kernel.model.launches[number];
  uint64_t workgroups = context.workgroups[number], blocks = workgroups;
  uint64_t scratch = workspace + context.scratchOffset, none = 0;
  if (geometry.blocks)
    blocks = std::min<uint64_t>(geometry.blocks,
                                (workgroups - 1) / geometry.threads + 1);
  if (blocks > INT32_MAX)
    return error.fail(
        ATTNC_ERROR_OVERFLOW,
        "launch %s has %llu workgroups, more than a grid's blocks",
        launch.name.c_str(), static_cast<unsigned long long>(workgroups));
  void *params[] = {launch.words.empty() ? &none : words, &status, &workgroups,
                    &scratch};
  size_t sizes[] = {std::max<size_t>(launch.words.size(), 1) * 8, 8, 8, 8};
  attnc_gpu_launch call = {sizeof(call),
                           module.functions[number],
                           uint32_t(blocks),
                           geometry.threads,
                           geometry.sharedBytes,
                           geometry.blocks ? 4u : 2u,
                           params,
                           sizes,
                           options.stream};
  return callDriver(driver, driver.launch, error, module.device,
                    static_cast<const attnc_gpu_launch *>(&call));
}

attnc_result GpuCall::run(uint64_t bytes, uint32_t &reported, Error &error) {
  if (attnc_result result = placeWorkspace(bytes, error))
    return result;
  if (attnc_result result = fillWords(
          kernel.model, reinterpret_cast<uint8_t *>(workspace), context, error))
    return result;
  bool waits = options.device_status == 0;
  if (waits)
    if (attnc_result result =
            callDriver(driver, driver.zero, error, module.device,
                       options.stream, status, size_t(4)))
      return result;
  uint64_t *words = context.words.data();
  for (size_t l = 0; l < kernel.model.launches.size(); ++l) {
    if (context.workgroups[l] > 0)
      if (attnc_result result = runLaunch(l, words, error))
        return result;
    words += kernel.model.launches[l].words.size();
  }
  if (!waits)
    return ATTNC_OK;
  return callDriver(driver, driver.read, error, module.device, options.stream,
                    static_cast<void *>(&reported), status, size_t(4));
}

} // namespace

attnc_result attnc::launchOnGpu(const attnc_kernel &kernel, int32_t device,
                                LaunchContext &context,
                                const attnc_launch_options &options,
                                uint32_t &status, Error &error) {
  if (options.parallel_for)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "parallel_for is for kernels on the CPU");
  uint64_t bytes = 0;
  if (attnc_result result = planOnGpu(kernel, device, context, bytes, error))
    return result;
  const GpuModule *module = nullptr;
  if (attnc_result result = kernel.gpu->on(device, module, error))
    return result;
  return GpuCall(kernel, *module, context, options).run(bytes, status, error);
}
