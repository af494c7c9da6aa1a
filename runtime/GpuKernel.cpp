// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Choosing and loading images for GPUs.

#include "GpuKernel.h"

#include <algorithm>
#include <tuple>

using namespace attnc;

GpuKernel::GpuKernel(const KernelModel &model, const uint8_t *file,
                     const attnc_gpu_driver &driver, int32_t device,
                     const char *target)
    : model(model), driver(driver), defaultDevice(device),
      target(target ? target : "") {
  for (const ImageModel &image : model.images) {
    code.emplace_back();
    if (image.isGpu())
      code.back().assign(file + image.codeOffset,
                         file + image.codeOffset + image.codeSize);
  }
}

GpuKernel::~GpuKernel() {
  for (const auto &module : modules)
    driver.unload(driver.user, module->device, module->module);
}

/// Machine code before PTX, what is for later chips before what is for earlier
/// ones, what is for one chip alone before what others run too.
attnc_result GpuKernel::choose(int32_t device, size_t &image,
                               Error &error) const {
  char chip[64] = "";
  if (attnc_result result = callDriver(driver, driver.describe, error, device,
                                       chip, sizeof(chip)))
    return result;
  auto rank = [&](const ImageModel &x) {
    return std::make_tuple(x.arch == ATTNC_ARCH_CUBIN, x.sm, x.smSuffix != 0);
  };
  bool found = false;
  std::string list;
  for (size_t i = 0; i < model.images.size(); ++i) {
    const ImageModel &x = model.images[i];
    list += (list.empty() ? "" : ", ") + x.target +
            (x.arch == ATTNC_ARCH_PTX ? " (PTX)" : "");
    if (!x.isGpu() || (!target.empty() && x.target != target) ||
        !driver.takes(driver.user, device, x.arch, x.sm, x.smSuffix))
      continue;
    if (!found || rank(x) > rank(model.images[image]))
      image = i;
    found = true;
  }
  if (found)
    return ATTNC_OK;
  return error.fail(ATTNC_ERROR_NO_IMAGE,
                    "kernel '%s' has no code%s%s for %s device %d (%s); it has "
                    "%s",
                    model.name.c_str(), target.empty() ? "" : " of target ",
                    target.c_str(), driver.name, int(device), chip,
                    list.empty() ? "none at all" : list.c_str());
}

attnc_result GpuKernel::load(GpuModule &module, Error &error) const {
  const ImageModel &image = model.images[module.image];
  const std::vector<uint8_t> &bytes = code[module.image];
  if (attnc_result result =
          callDriver(driver, driver.load, error, module.device, image.arch,
                     static_cast<const void *>(bytes.data()), bytes.size(),
                     &module.module))
    return result;
  for (size_t l = 0; l < model.launches.size(); ++l) {
    std::string name = "attnc_launch_" + std::to_string(l);
    void *function = nullptr;
    if (attnc_result result = callDriver(
            driver, driver.function, error, module.device, module.module,
            name.c_str(), image.geometry[l].sharedBytes, &function)) {
      driver.unload(driver.user, module.device, module.module);
      return result;
    }
    module.functions.push_back(function);
  }
  return ATTNC_OK;
}

attnc_result GpuKernel::on(int32_t device, const GpuModule *&module,
                           Error &error) {
  std::lock_guard<std::mutex> guard(lock);
  for (const auto &known : modules)
    if (known->device == device) {
      module = known.get();
      return ATTNC_OK;
    }
  auto created = std::make_unique<GpuModule>();
  created->device = device;
  modules.reserve(modules.size() + 1);
  if (attnc_result result = choose(device, created->image, error))
    return result;
  if (attnc_result result = load(*created, error))
    return result;
  module = created.get();
  modules.push_back(std::move(created));
  return ATTNC_OK;
}

//===----------------------------------------------------------------------===//
// DeviceBuffer
//===----------------------------------------------------------------------===//

void DeviceBuffer::clear() {
  if (owner)
    owner->release(owner->user, ownerDevice, start);
  owner = nullptr;
  capacity = 0;
}

attnc_result DeviceBuffer::reserve(const attnc_gpu_driver &driver,
                                   int32_t device, size_t bytes,
                                   uint64_t &address, Error &error) {
  if (!owner || ownerDevice != device || capacity < bytes) {
    clear();
    if (attnc_result result =
            callDriver(driver, driver.allocate, error, device, bytes, &start))
      return result;
    owner = &driver;
    ownerDevice = device;
    capacity = bytes;
  }
  address = start;
  return ATTNC_OK;
}
