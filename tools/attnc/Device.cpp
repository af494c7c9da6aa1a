// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Devices behind the runtime's driver table.

#include "tools/attnc/Device.h"
#include "attnc/ptx_driver.h"

using namespace attnc;

Device::~Device() = default;

namespace {
/// The PTX executor, on host memory.
struct SimulatedDevice : Device {
  explicit SimulatedDevice(ptx::SimulationOptions options)
      : simulator(std::move(options)) {
    driver = &simulator.driver();
    simulated = true;
    defaultTarget = "sm_80";
  }
  std::string getObservations() const override {
    return std::to_string(simulator.threadInstructions()) +
           " thread instructions, " +
           std::to_string(simulator.extraWavefronts()) +
           " wavefronts of bank conflicts";
  }
  ptx::Simulator simulator;
};

struct CudaDevice : Device {
  CudaDevice(const attnc_gpu_driver *cuda, int32_t id, std::string chip) {
    driver = cuda;
    number = id;
    defaultTarget = std::move(chip);
  }
};
} // namespace

static llvm::Error failure(const attnc_error &error) {
  return llvm::createStringError(llvm::StringRef(error.message));
}

bool Device::isName(llvm::StringRef name) {
  unsigned number;
  return name == "cpu" || name == "ptx-sim" || name == "cuda" ||
         (name.consume_front("cuda:") && !name.getAsInteger(10, number) &&
          number < (1u << 30));
}

llvm::Expected<std::shared_ptr<Device>> Device::open(llvm::StringRef name,
                                                     uint64_t seed) {
  if (!isName(name))
    return llvm::createStringError("--device=" + name +
                                   ": cpu, cuda, cuda:N or ptx-sim expected");
  if (name == "cpu")
    return std::make_shared<Device>();
  if (name == "ptx-sim") {
    ptx::SimulationOptions options;
    options.seed = seed;
    options.banks = true;
    return std::make_shared<SimulatedDevice>(std::move(options));
  }
  int32_t number = 0;
  if (name.consume_front("cuda:"))
    (void)name.getAsInteger(10, number);
  const attnc_gpu_driver *driver = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  char chip[64] = "";
  if (attnc_cuda_driver(&driver, &error) != ATTNC_OK ||
      driver->describe(driver->user, number, chip, sizeof(chip), &error) !=
          ATTNC_OK)
    return failure(error);
  return std::make_shared<CudaDevice>(driver, number, chip);
}

llvm::Expected<DeviceArray> DeviceArray::create(const Device &device,
                                                size_t bytes) {
  DeviceArray array(device, bytes);
  const attnc_gpu_driver &driver = *device.getDriver();
  attnc_error error = ATTNC_ERROR_INIT;
  if (bytes > 0 && driver.allocate(driver.user, device.getNumber(), bytes,
                                   &array.address, &error) != ATTNC_OK)
    return failure(error);
  return std::move(array);
}

DeviceArray::DeviceArray(DeviceArray &&other)
    : device(other.device), bytes(other.bytes), address(other.address) {
  other.address = 0;
}

DeviceArray::~DeviceArray() {
  if (address != 0)
    device->getDriver()->release(device->getDriver()->user, device->getNumber(),
                                 address);
}

llvm::Error DeviceArray::write(const void *data) {
  const attnc_gpu_driver &driver = *device->getDriver();
  attnc_error error = ATTNC_ERROR_INIT;
  if (bytes > 0 &&
      driver.write(driver.user, device->getNumber(), /*stream=*/nullptr,
                   address, data, bytes, &error) != ATTNC_OK)
    return failure(error);
  return llvm::Error::success();
}

llvm::Error DeviceArray::read(void *data) const {
  const attnc_gpu_driver &driver = *device->getDriver();
  attnc_error error = ATTNC_ERROR_INIT;
  if (bytes > 0 &&
      driver.read(driver.user, device->getNumber(), /*stream=*/nullptr, data,
                  address, bytes, &error) != ATTNC_OK)
    return failure(error);
  return llvm::Error::success();
}
