// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Launches allocate nothing: every allocation of the process is counted.

#include "TestKernels.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <numeric>

using namespace attnc;
using namespace attnc::test;

// Sanitizers bring an allocator of their own; other C libraries have no second
// name for theirs.
#if defined(__GLIBC__) && !defined(ATTNC_TEST_SANITIZED)

extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
}

namespace {
std::atomic<long> allocations{0};

void count() { allocations.fetch_add(1, std::memory_order_relaxed); }
} // namespace

extern "C" {
void *malloc(size_t size) noexcept {
  count();
  return __libc_malloc(size);
}
void *calloc(size_t number, size_t size) noexcept {
  count();
  return __libc_calloc(number, size);
}
void *realloc(void *memory, size_t size) noexcept {
  count();
  return __libc_realloc(memory, size);
}
void *memalign(size_t alignment, size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) noexcept {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}
}

namespace {

/// Adds 1 to f32, with scratch and a temporary, so that there is a workspace.
void addOne(const uint64_t *words, uint64_t workgroup, void *scratch,
            uint32_t *) {
  auto *in = reinterpret_cast<const float *>(words[0]);
  auto *out = reinterpret_cast<float *>(words[1]);
  auto *staged = static_cast<float *>(scratch);
  auto *temporary = reinterpret_cast<float *>(words[2]);
  staged[0] = in[workgroup];
  temporary[workgroup] = staged[0];
  out[workgroup] = temporary[workgroup] + 1;
}

KernelDesc addOneDesc() {
  KernelDesc desc;
  desc.name = "add_one";
  desc.producer = "test";
  desc.args = {{"in", ArgRole::Input, ATTNC_DTYPE_F32, {kDynamicSize}, 0},
               {"out", ArgRole::Output, ATTNC_DTYPE_F32, {kDynamicSize}, 0}};
  Formula rows = Formula::dim(0, 0);
  desc.temps = {{rows * Formula::constant(4)}};
  LaunchDesc launch;
  launch.name = "first";
  launch.grid = {rows};
  launch.words = {WordDesc::base(0), WordDesc::base(1), WordDesc::base(2)};
  launch.scratchBytes = 64;
  desc.launches = {launch, launch};
  desc.launches[1].name = "second";
  return desc;
}

/// How many allocations 100 launches make, after a first one.
long allocationsOfLaunches(const KernelPtr &kernel, uint32_t threads,
                           bool callersWorkspace) {
  std::vector<float> in(1000), out(1000);
  std::iota(in.begin(), in.end(), 0.0f);
  std::vector<attnc_tensor> tensors =
      views({{ATTNC_DTYPE_F32, in.data(), {1000}, {}},
             {ATTNC_DTYPE_F32, out.data(), {1000}, {}}});
  // `views` of a temporary list would dangle: shapes live here.
  int64_t size = 1000;
  for (attnc_tensor &tensor : tensors)
    tensor.shape = &size;
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = threads;
  std::vector<uint8_t> workspace;
  if (callersWorkspace) {
    size_t bytes = 0;
    EXPECT_EQ(attnc_workspace_size(kernel.get(), tensors.data(), 2, threads,
                                   &bytes, &error),
              ATTNC_OK);
    workspace.resize(bytes);
    options.workspace = workspace.data();
    options.workspace_size = workspace.size();
  }
  long before = 0;
  for (int i = 0; i <= 100; ++i) {
    attnc_result result =
        attnc_launch(kernel.get(), tensors.data(), 2, &options, &error);
    EXPECT_EQ(result, ATTNC_OK) << error.message;
    if (i == 0)
      before = allocations.load();
  }
  long made = allocations.load() - before;
  EXPECT_EQ(out[999], 1000.0f);
  return made;
}

} // namespace

TEST(Allocation, TheCounterCounts) {
  long before = allocations.load();
  std::vector<int> *made = new std::vector<int>(100);
  EXPECT_GE(allocations.load(), before + 2);
  delete made;
}

TEST(Allocation, LaunchesAllocateNothing) {
  KernelPtr kernel = createKernel(addOneDesc(), {addOne, addOne});
  for (uint32_t threads : {1, 2, 4})
    for (bool callers : {true, false})
      EXPECT_EQ(allocationsOfLaunches(kernel, threads, callers), 0)
          << threads << " threads, "
          << (callers ? "the caller's" : "the kernel's") << " workspace";
}

#endif // counted
