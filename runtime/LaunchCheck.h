// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The checks and the arithmetic before a launch.

#ifndef ATTNC_RUNTIME_LAUNCHCHECK_H
#define ATTNC_RUNTIME_LAUNCHCHECK_H

#include "Error.h"
#include "Kernel.h"

namespace attnc {

/// The tensor of the caller's array, whose elements may be of another size: no
/// more than struct_size bytes of it may be read.
const attnc_tensor &tensorAt(const attnc_tensor *tensors, size_t index);

/// Compares the tensors with the kernel's arguments and its constraints, and
/// fills the context's sizes, strides, data and extents. `withData` is false
/// where only sizes matter: data pointers are then neither read nor checked.
attnc_result checkTensors(const KernelModel &model, const attnc_tensor *tensors,
                          size_t numTensors, bool withData,
                          LaunchContext &context, Error &error);

/// Works out grids, temporaries, scratch and the workspace's size, for at most
/// `threads` threads.
attnc_result planLaunches(const KernelModel &model, uint32_t threads,
                          LaunchContext &context, Error &error);

/// Fills the words of all launches, given the workspace's aligned start.
attnc_result fillWords(const KernelModel &model, uint8_t *workspace,
                       LaunchContext &context, Error &error);

/// Whether the workspace's bytes stay clear of all arguments.
attnc_result checkWorkspaceOverlap(const KernelModel &model, const void *start,
                                   size_t bytes, const LaunchContext &context,
                                   Error &error);

} // namespace attnc

#endif // ATTNC_RUNTIME_LAUNCHCHECK_H
