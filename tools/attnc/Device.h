// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a kernel runs: --device.

#ifndef ATTNC_TOOLS_ATTNC_DEVICE_H
#define ATTNC_TOOLS_ATTNC_DEVICE_H

#include "attnc/gpu_driver.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace attnc {

class Device {
public:
  /// "cpu", "cuda", "cuda:1" or "ptx-sim"; the seed is of ptx-sim's order of
  /// warps.
  static llvm::Expected<std::shared_ptr<Device>> open(llvm::StringRef name,
                                                      uint64_t seed);
  static bool isName(llvm::StringRef name);
  virtual ~Device();

  /// Null for the CPU.
  const attnc_gpu_driver *getDriver() const { return driver; }
  bool isGpu() const { return driver != nullptr; }
  bool isSimulator() const { return simulated; }
  int32_t getNumber() const { return number; }
  /// What was seen of the launches so far, for people; empty where nothing is.
  virtual std::string getObservations() const { return ""; }
  /// What to compile for where no target is named: "sm_80".
  std::string getDefaultTarget() const { return defaultTarget; }

protected:
  const attnc_gpu_driver *driver = nullptr;
  bool simulated = false;
  int32_t number = 0;
  std::string defaultTarget;
};

/// Memory of a device for one call.
class DeviceArray {
public:
  static llvm::Expected<DeviceArray> create(const Device &device, size_t bytes);
  DeviceArray(DeviceArray &&other);
  DeviceArray &operator=(DeviceArray &&) = delete;
  ~DeviceArray();

  uint64_t getAddress() const { return address; }
  llvm::Error write(const void *data);
  llvm::Error read(void *data) const;

private:
  DeviceArray(const Device &device, size_t bytes)
      : device(&device), bytes(bytes) {}
  const Device *device;
  size_t bytes;
  uint64_t address = 0;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_DEVICE_H
