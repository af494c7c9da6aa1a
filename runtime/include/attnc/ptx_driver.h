// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The PTX executor as a GPU of the runtime: kernels that are loaded with its
// table run their PTX on the CPU. Part of the library attnc_ptx.

#ifndef ATTNC_PTX_DRIVER_H
#define ATTNC_PTX_DRIVER_H

#include "attnc/gpu_driver.h"
#include "attnc/ptx_executor.h"

namespace attnc {
namespace ptx {

struct SimulationOptions {
  uint64_t seed = 0; ///< of the first launch; each later one takes the next
  bool races = true;
  bool banks = false;
  std::function<bool(uint64_t, uint64_t)> progress; ///< as in LaunchOptions
};

/// One device, number 0, which takes PTX up to sm_90a. A launch during which
/// the executor finds something fails with ATTNC_ERROR_DEVICE, and the message
/// says what. Must outlive the kernels that use it.
class Simulator {
public:
  explicit Simulator(SimulationOptions options = {});
  ~Simulator();
  Simulator(const Simulator &) = delete;
  Simulator &operator=(const Simulator &) = delete;

  const attnc_gpu_driver &driver() const;
  /// The caller's memory as the device's, in place; 0 if that fails. The
  /// table's `release` ends it.
  uint64_t map(void *data, size_t size, bool writable);
  /// Of all launches so far.
  uint64_t threadInstructions() const;
  uint64_t extraWavefronts() const;

  struct Impl;

private:
  std::unique_ptr<Impl> impl;
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_PTX_DRIVER_H
