// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel on GPUs: which image each device takes, its module and functions.

#ifndef ATTNC_RUNTIME_GPUKERNEL_H
#define ATTNC_RUNTIME_GPUKERNEL_H

#include "Error.h"
#include "KernelModel.h"
#include "attnc/gpu_driver.h"

#include <memory>
#include <mutex>

namespace attnc {

/// The kernel's code on one device.
struct GpuModule {
  int32_t device;
  size_t image; ///< in KernelModel::images
  void *module;
  std::vector<void *> functions; ///< one for each launch
};

class GpuKernel {
public:
  /// Copies the images for GPUs out of the file. An empty target takes any.
  GpuKernel(const KernelModel &model, const uint8_t *file,
            const attnc_gpu_driver &driver, int32_t device, const char *target);
  GpuKernel(const GpuKernel &) = delete;
  GpuKernel &operator=(const GpuKernel &) = delete;
  ~GpuKernel();

  const attnc_gpu_driver &getDriver() const { return driver; }
  int32_t getDefaultDevice() const { return defaultDevice; }

  /// The module on a device, loaded when it is first asked for.
  attnc_result on(int32_t device, const GpuModule *&module, Error &error);

private:
  const KernelModel &model;
  const attnc_gpu_driver &driver;
  const int32_t defaultDevice;
  const std::string target;
  std::vector<std::vector<uint8_t>> code; ///< of each image; CPUs': empty
  std::mutex lock;
  std::vector<std::unique_ptr<GpuModule>> modules;

  attnc_result choose(int32_t device, size_t &image, Error &error) const;
  attnc_result load(GpuModule &module, Error &error) const;
};

/// Device memory that only grows, of one device at a time.
class DeviceBuffer {
public:
  DeviceBuffer() = default;
  DeviceBuffer(const DeviceBuffer &) = delete;
  DeviceBuffer &operator=(const DeviceBuffer &) = delete;
  ~DeviceBuffer() { clear(); }

  attnc_result reserve(const attnc_gpu_driver &driver, int32_t device,
                       size_t bytes, uint64_t &address, Error &error);
  void clear();

private:
  const attnc_gpu_driver *owner = nullptr;
  int32_t ownerDevice = 0;
  uint64_t start = 0;
  size_t capacity = 0;
};

/// Calls a function of the driver; its error becomes this call's.
template <typename Function, typename... Args>
attnc_result callDriver(const attnc_gpu_driver &driver, Function function,
                        Error &error, Args... args) {
  attnc_error own = ATTNC_ERROR_INIT;
  attnc_result result = function(driver.user, args..., &own);
  if (result == ATTNC_OK)
    return ATTNC_OK;
  return error.fail(result, "%s", own.message);
}

} // namespace attnc

#endif // ATTNC_RUNTIME_GPUKERNEL_H
