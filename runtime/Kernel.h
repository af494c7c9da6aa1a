// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is behind attnc_kernel: the description, the functions, and storage that
// launches reuse.

#ifndef ATTNC_RUNTIME_KERNEL_H
#define ATTNC_RUNTIME_KERNEL_H

#include "CodeMapping.h"
#include "GpuKernel.h"
#include "KernelModel.h"
#include "attnc/runtime.h"

#include <atomic>
#include <memory>

namespace attnc {

/// A block of memory aligned to ATTNC_SCRATCH_ALIGNMENT that only grows.
class AlignedBuffer {
public:
  AlignedBuffer() = default;
  AlignedBuffer(const AlignedBuffer &) = delete;
  AlignedBuffer &operator=(const AlignedBuffer &) = delete;
  ~AlignedBuffer();

  /// At least `bytes`, contents lost if it had to grow; nullptr if there is no
  /// such memory, and for no bytes.
  uint8_t *reserve(size_t bytes);
  void clear();

private:
  uint8_t *memory = nullptr;
  size_t capacity = 0;
};

/// Everything that one launch computes before it runs, sized once for its
/// kernel. A kernel keeps a few, so that a launch allocates nothing and
/// launches of one kernel at the same time do not meet.
struct LaunchContext {
  explicit LaunchContext(const KernelModel &model);

  // One entry for each dimension of all arguments, from ArgModel::firstDim.
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  // One for each argument.
  std::vector<uint8_t *> data;
  std::vector<uint64_t> extents; ///< bytes from the first to past the last
  // One for each temporary.
  std::vector<uint64_t> tempOffsets;
  // One for each launch.
  std::vector<uint64_t> workgroups;
  // Of all launches, one after another.
  std::vector<uint64_t> words;

  uint64_t tempBytes = 0;
  uint64_t scratchOffset = 0;  ///< from the start of the workspace
  uint64_t scratchBytes = 0;   ///< for one thread, a multiple of a cache line
  uint32_t threads = 0;        ///< of any use to this call
  uint64_t workspaceBytes = 0; ///< from an aligned start
  AlignedBuffer workspace;
  DeviceBuffer deviceWorkspace; ///< of a kernel on a GPU
};

/// The kept contexts. Atomic slots and no lock: nothing to be left locked in
/// the child of a fork().
class ContextCache {
public:
  ~ContextCache() { clear(); }
  std::unique_ptr<LaunchContext> take(const KernelModel &model);
  void put(std::unique_ptr<LaunchContext> context);
  void clear();

private:
  static constexpr int kept = 8;
  std::atomic<LaunchContext *> slots[kept] = {};
};

} // namespace attnc

struct attnc_kernel {
  attnc::KernelModel model;
  attnc::CodeMapping code;
  std::vector<attnc_workgroup_fn> functions; ///< one for each launch
  int32_t image = -1;
  std::vector<std::string> imageFeatures; ///< for queries, joined by spaces
  std::vector<std::string> imageMissing;
  attnc_release_fn release = nullptr;
  void *owner = nullptr;
  std::unique_ptr<attnc::GpuKernel> gpu; ///< null: it runs on the CPU
  mutable attnc::ContextCache contexts;
};

#endif // ATTNC_RUNTIME_KERNEL_H
