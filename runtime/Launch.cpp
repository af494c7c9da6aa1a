// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnc_launch: checks, workspace, and the loop over workgroups.

#include "CpuFeatures.h"
#include "GpuLaunch.h"
#include "LaunchCheck.h"
#include "Options.h"
#include "ThreadPool.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace attnc;

//===----------------------------------------------------------------------===//
// Storage between launches
//===----------------------------------------------------------------------===//

AlignedBuffer::~AlignedBuffer() { std::free(memory); }

void AlignedBuffer::clear() {
  std::free(memory);
  memory = nullptr;
  capacity = 0;
}

uint8_t *AlignedBuffer::reserve(size_t bytes) {
  if (bytes <= capacity)
    return memory;
  clear();
  void *grown = nullptr;
  if (posix_memalign(&grown, ATTNC_SCRATCH_ALIGNMENT, bytes) != 0)
    return nullptr;
  memory = static_cast<uint8_t *>(grown);
  capacity = bytes;
  return memory;
}

LaunchContext::LaunchContext(const KernelModel &model)
    : sizes(model.totalDims), strides(model.totalDims), data(model.args.size()),
      extents(model.args.size()), tempOffsets(model.temps.size()),
      workgroups(model.launches.size()), words(model.totalWords) {}

std::unique_ptr<LaunchContext> ContextCache::take(const KernelModel &model) {
  for (std::atomic<LaunchContext *> &slot : slots)
    if (slot.load(std::memory_order_relaxed))
      if (LaunchContext *context = slot.exchange(nullptr))
        return std::unique_ptr<LaunchContext>(context);
  return std::make_unique<LaunchContext>(model);
}

void ContextCache::put(std::unique_ptr<LaunchContext> context) {
  for (std::atomic<LaunchContext *> &slot : slots) {
    LaunchContext *empty = nullptr;
    if (slot.compare_exchange_strong(empty, context.get())) {
      context.release();
      return;
    }
  }
}

void ContextCache::clear() {
  for (std::atomic<LaunchContext *> &slot : slots)
    delete slot.exchange(nullptr);
}

namespace {

/// A context for the length of one call.
class BorrowedContext {
public:
  explicit BorrowedContext(const attnc_kernel &kernel)
      : cache(kernel.contexts), context(cache.take(kernel.model)) {}
  ~BorrowedContext() { cache.put(std::move(context)); }
  LaunchContext &operator*() { return *context; }

private:
  ContextCache &cache;
  std::unique_ptr<LaunchContext> context;
};

//===----------------------------------------------------------------------===//
// Running one grid
//===----------------------------------------------------------------------===//

/// Gives kernels the machine's default floating-point control, so that the
/// result is the same on every thread, whatever the application has set on it.
class DefaultFloatControl {
public:
#if defined(__x86_64__)
  DefaultFloatControl() : saved(_mm_getcsr()) {
    if (saved != defaultControl)
      _mm_setcsr(defaultControl);
  }
  ~DefaultFloatControl() {
    if (_mm_getcsr() != saved)
      _mm_setcsr(saved);
  }

private:
  static constexpr unsigned defaultControl = 0x1f80;
  unsigned saved;
#else
  DefaultFloatControl() {}
  ~DefaultFloatControl() {}
#endif
};

struct GridRun {
  attnc_workgroup_fn function;
  const uint64_t *words;
  uint64_t workgroups;
  uint64_t chunk; ///< workgroups taken at once
  uint8_t *scratch;
  uint64_t scratchBytes;
  uint32_t threads;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> finished{0};
  std::atomic<uint32_t> joined{0};
  std::atomic<uint32_t> status{0};
};

/// Code from an image or a JIT has no type signature in front of it for
/// clang's function sanitizer to read.
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
void runRange(const GridRun &grid, uint64_t begin, uint64_t end, void *scratch,
              uint32_t *status) {
  for (uint64_t workgroup = begin; workgroup < end; ++workgroup)
    grid.function(grid.words, workgroup, scratch, status);
}

/// What each thread of a grid does. A slot of the scratch belongs to the call,
/// not to a thread's number, since a caller's pool may number as it likes.
void runGridBody(void *context) {
  GridRun &grid = *static_cast<GridRun *>(context);
  uint32_t slot = grid.joined.fetch_add(1, std::memory_order_relaxed);
  if (slot >= grid.threads)
    return;
  DefaultFloatControl floatControl;
  void *scratch =
      grid.scratchBytes ? grid.scratch + slot * grid.scratchBytes : nullptr;
  uint32_t status = 0;
  uint64_t count = 0;
  for (;;) {
    uint64_t begin = grid.next.fetch_add(grid.chunk, std::memory_order_relaxed);
    if (begin >= grid.workgroups)
      break;
    uint64_t end = begin + std::min(grid.chunk, grid.workgroups - begin);
    runRange(grid, begin, end, scratch, &status);
    count += end - begin;
  }
  grid.status.fetch_or(status, std::memory_order_relaxed);
  grid.finished.fetch_add(count, std::memory_order_release);
}

void runGridBodyIndexed(void *context, uint32_t) { runGridBody(context); }

/// One at a time while that is cheap enough: fewer, larger pieces only where
/// each thread still gets many.
uint64_t chooseChunk(uint64_t workgroups, uint32_t threads) {
  constexpr uint64_t piecesForEachThread = 64;
  return std::max<uint64_t>(1, workgroups / threads / piecesForEachThread);
}

attnc_result runOnCallersPool(GridRun &grid,
                              const attnc_launch_options &options,
                              const char *name, Error &error) {
  int failed = options.parallel_for(options.parallel_for_user, grid.threads,
                                    runGridBodyIndexed, &grid);
  if (failed != 0)
    return error.fail(ATTNC_ERROR_PARALLEL,
                      "launch %s: the caller's parallel_for returned %d", name,
                      failed);
  if (grid.finished.load(std::memory_order_acquire) != grid.workgroups)
    return error.fail(ATTNC_ERROR_PARALLEL,
                      "launch %s: the caller's parallel_for returned before "
                      "all workgroups were done",
                      name);
  return ATTNC_OK;
}

attnc_result runLaunches(const attnc_kernel &kernel, LaunchContext &context,
                         uint8_t *workspace,
                         const attnc_launch_options &options, uint32_t &status,
                         Error &error) {
  const uint64_t *words = context.words.data();
  for (size_t l = 0; l < kernel.model.launches.size(); ++l) {
    const LaunchModel &launch = kernel.model.launches[l];
    GridRun grid;
    grid.function = kernel.functions[l];
    grid.words = words;
    words += launch.words.size();
    grid.workgroups = context.workgroups[l];
    if (grid.workgroups == 0)
      continue;
    grid.threads =
        uint32_t(std::min<uint64_t>(context.threads, grid.workgroups));
    grid.chunk = chooseChunk(grid.workgroups, grid.threads);
    grid.scratch = workspace + context.scratchOffset;
    grid.scratchBytes = launch.scratchBytes ? context.scratchBytes : 0;
    if (options.parallel_for) {
      if (attnc_result result =
              runOnCallersPool(grid, options, launch.name.c_str(), error))
        return result;
    } else if (grid.threads == 1) {
      runGridBody(&grid);
    } else {
      ThreadPool::get().run(grid.threads, runGridBody, &grid);
    }
    // Kernels leave bad data out and go on, so the launches behind do, too.
    status |= grid.status.load(std::memory_order_relaxed);
  }
  return ATTNC_OK;
}

attnc_result failStatus(const KernelModel &model, uint32_t status,
                        Error &error) {
  uint32_t known = ATTNC_STATUS_BAD_PAGE | ATTNC_STATUS_BAD_INDEX |
                   ATTNC_STATUS_BAD_LENGTH | ATTNC_STATUS_BAD_ORDER;
  return error.fail(
      ATTNC_ERROR_STATUS, "kernel '%s' found bad data:%s%s%s%s%s (status 0x%x)",
      model.name.c_str(),
      status & ATTNC_STATUS_BAD_PAGE ? " a page table entry outside its pool;"
                                     : "",
      status & ATTNC_STATUS_BAD_INDEX ? " an index outside its operand;" : "",
      status & ATTNC_STATUS_BAD_LENGTH
          ? " a length or position outside its operand;"
          : "",
      status & ATTNC_STATUS_BAD_ORDER ? " offsets that decrease;" : "",
      status & ~known ? " an error of unknown kind;" : "", status);
}

//===----------------------------------------------------------------------===//
// Options and workspace
//===----------------------------------------------------------------------===//

uint32_t resolveThreads(uint32_t threads) {
  if (threads == 0)
    threads = attnc_default_threads();
  return std::min(threads, ThreadPool::maxThreads);
}

uint32_t detectDefaultThreads() {
  if (const char *text = std::getenv("ATTNC_NUM_THREADS")) {
    char *end = nullptr;
    errno = 0;
    long value = std::strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && value > 0)
      return uint32_t(std::min<long>(value, ThreadPool::maxThreads));
  }
  return std::min(ThreadPool::availableCpus(), ThreadPool::maxThreads);
}

uint8_t *alignUp(void *pointer) {
  uintptr_t mask = ATTNC_SCRATCH_ALIGNMENT - 1;
  return reinterpret_cast<uint8_t *>(
      (reinterpret_cast<uintptr_t>(pointer) + mask) & ~mask);
}

/// What the caller must bring: room to align the start besides.
uint64_t callerWorkspaceBytes(const LaunchContext &context) {
  return context.workspaceBytes
             ? context.workspaceBytes + ATTNC_SCRATCH_ALIGNMENT - 1
             : 0;
}

attnc_result chooseWorkspace(const attnc_kernel &kernel, LaunchContext &context,
                             const attnc_launch_options &options,
                             uint8_t *&workspace, Error &error) {
  workspace = nullptr;
  if (options.workspace) {
    uint64_t needed = callerWorkspaceBytes(context);
    if (options.workspace_size < needed)
      return error.fail(ATTNC_ERROR_WORKSPACE,
                        "the workspace has %zu bytes; this call needs %llu",
                        options.workspace_size,
                        static_cast<unsigned long long>(needed));
    workspace = alignUp(options.workspace);
    return checkWorkspaceOverlap(kernel.model, options.workspace, needed,
                                 context, error);
  }
  if (context.workspaceBytes == 0)
    return ATTNC_OK;
  workspace = context.workspace.reserve(context.workspaceBytes);
  if (!workspace)
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY,
                      "cannot allocate a workspace of %llu bytes",
                      static_cast<unsigned long long>(context.workspaceBytes));
  return ATTNC_OK;
}

attnc_result finish(const KernelModel &model,
                    const attnc_launch_options &options, attnc_result result,
                    uint32_t status, Error &error) {
  if (options.status_out)
    *options.status_out = status;
  if (result == ATTNC_OK && status != 0)
    return failStatus(model, status, error);
  return result;
}

attnc_result launch(attnc_kernel &kernel, const attnc_tensor *tensors,
                    size_t numTensors, const attnc_launch_options &options,
                    Error &error) {
  if (options.reserved != 0)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "options.reserved must be 0");
  BorrowedContext borrowed(kernel);
  LaunchContext &context = *borrowed;
  const KernelModel &model = kernel.model;
  if (attnc_result result = checkTensors(model, tensors, numTensors,
                                         /*withData=*/true, context, error))
    return result;
  int32_t device = 0;
  if (attnc_result result =
          chooseDevice(kernel, tensors, numTensors, device, error))
    return result;
  uint32_t status = 0;
  if (kernel.gpu) {
    attnc_result result =
        launchOnGpu(kernel, device, context, options, status, error);
    return finish(model, options, result, status, error);
  }
  if (attnc_result result =
          planLaunches(model, resolveThreads(options.threads), context, error))
    return result;
  uint8_t *workspace = nullptr;
  if (attnc_result result =
          chooseWorkspace(kernel, context, options, workspace, error))
    return result;
  if (attnc_result result = fillWords(model, workspace, context, error))
    return result;
  attnc_result result =
      runLaunches(kernel, context, workspace, options, status, error);
  return finish(model, options, result, status, error);
}

} // namespace

//===----------------------------------------------------------------------===//
// C interface
//===----------------------------------------------------------------------===//

uint32_t attnc_default_threads(void) {
  // Not a local static: its guard could be left locked by fork().
  static std::atomic<uint32_t> detected{0};
  uint32_t threads = detected.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = detectDefaultThreads();
    detected.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

attnc_result attnc_workspace_size(const attnc_kernel *kernel,
                                  const attnc_tensor *tensors,
                                  size_t num_tensors, uint32_t threads,
                                  size_t *bytes, attnc_error *error_out) {
  Error error(error_out);
  if (bytes)
    *bytes = 0;
  if (!kernel || !bytes)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "%s is NULL",
                      kernel ? "bytes" : "kernel");
  try {
    BorrowedContext borrowed(*kernel);
    LaunchContext &context = *borrowed;
    if (attnc_result result = checkTensors(kernel->model, tensors, num_tensors,
                                           /*withData=*/false, context, error))
      return result;
    if (kernel->gpu) {
      int32_t device = 0;
      uint64_t needed = 0;
      if (attnc_result result =
              chooseDevice(*kernel, tensors, num_tensors, device, error))
        return result;
      if (attnc_result result =
              planOnGpu(*kernel, device, context, needed, error))
        return result;
      *bytes = size_t(needed + ATTNC_SCRATCH_ALIGNMENT - 1);
      return ATTNC_OK;
    }
    if (attnc_result result = planLaunches(
            kernel->model, resolveThreads(threads), context, error))
      return result;
    *bytes = size_t(callerWorkspaceBytes(context));
    return ATTNC_OK;
  } catch (const std::bad_alloc &) {
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY, "out of memory");
  }
}

attnc_result attnc_launch(attnc_kernel *kernel, const attnc_tensor *tensors,
                          size_t num_tensors,
                          const attnc_launch_options *options,
                          attnc_error *error_out) {
  Error error(error_out);
  if (!kernel)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "kernel is NULL");
  attnc_launch_options taken = ATTNC_LAUNCH_OPTIONS_INIT;
  if (options && !copyOptions(taken, *options))
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "options.struct_size is %zu", options->struct_size);
  if (taken.status_out)
    *taken.status_out = 0;
  try {
    return launch(*kernel, tensors, num_tensors, taken, error);
  } catch (const std::bad_alloc &) {
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY, "out of memory");
  }
}
