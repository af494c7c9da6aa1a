// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnc_launch on a GPU, after the checks that all devices share.

#ifndef ATTNC_RUNTIME_GPULAUNCH_H
#define ATTNC_RUNTIME_GPULAUNCH_H

#include "LaunchCheck.h"

namespace attnc {

/// The device that the tensors lie on. For a kernel on the CPU an error unless
/// that is the CPU.
attnc_result chooseDevice(const attnc_kernel &kernel,
                          const attnc_tensor *tensors, size_t numTensors,
                          int32_t &device, Error &error);

/// Bytes that the workspace of such a launch has from an aligned start; plans
/// the launches.
attnc_result planOnGpu(const attnc_kernel &kernel, int32_t device,
                       LaunchContext &context, uint64_t &bytes, Error &error);

/// Runs all launches. `status` is what the kernel reported, if the call waits
/// for it.
attnc_result launchOnGpu(const attnc_kernel &kernel, int32_t device,
                         LaunchContext &context,
                         const attnc_launch_options &options, uint32_t &status,
                         Error &error);

} // namespace attnc

#endif // ATTNC_RUNTIME_GPULAUNCH_H
