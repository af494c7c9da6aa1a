// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels that run: machine code out of a file, words, scratch, status, the
// caller's pool, floating-point control.

#include "TestKernels.h"

#include <atomic>
#include <cfloat>
#include <cstring>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace attnc;
using namespace attnc::test;

namespace {

attnc_result launch(const KernelPtr &kernel, const std::vector<Tensor> &tensors,
                    const attnc_launch_options *options = nullptr,
                    std::string *message = nullptr) {
  std::vector<attnc_tensor> list = views(tensors);
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_result result =
      attnc_launch(kernel.get(), list.data(), list.size(), options, &error);
  if (message)
    *message = error.message;
  else
    EXPECT_EQ(result, ATTNC_OK) << error.message;
  return result;
}

Tensor vectorOf(std::vector<int32_t> &data) {
  return {ATTNC_DTYPE_I32, data.data(), {int64_t(data.size())}, {}};
}

#if defined(__x86_64__)
//===----------------------------------------------------------------------===//
// Machine code out of a file
//===----------------------------------------------------------------------===//

TEST(Launch, RunsMachineCodeFromAFile) {
  KernelPtr kernel = loadKernel(serialize(incrementDesc()));
  attnc_kernel_info info = {};
  info.struct_size = sizeof(info);
  attnc_kernel_get_info(kernel.get(), &info);
  EXPECT_EQ(info.image, 1) << "the first image that this CPU can run";
  for (uint32_t threads = 1; threads <= 4; ++threads) {
    for (size_t n : {0, 1, 63, 64, 65, 1000, 100000}) {
      std::vector<int32_t> q(n), out(n, -1), expected(n);
      std::iota(q.begin(), q.end(), 5);
      std::iota(expected.begin(), expected.end(), 6);
      attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
      options.threads = threads;
      launch(kernel, {vectorOf(q), vectorOf(out)}, &options);
      EXPECT_EQ(out, expected);
    }
  }
}

TEST(Launch, ImagesAreChosenByName) {
  std::vector<uint8_t> file = serialize(incrementDesc());
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_load_options options = ATTNC_LOAD_OPTIONS_INIT;
  options.target = "x86-64";
  EXPECT_EQ(attnc_kernel_load_memory(file.data(), file.size(), &options,
                                     &kernel, &error),
            ATTNC_OK)
      << error.message;
  attnc_kernel_destroy(kernel);
  for (const char *target : {"x86-64-v99", "znver4"}) {
    options.target = target;
    EXPECT_EQ(attnc_kernel_load_memory(file.data(), file.size(), &options,
                                       &kernel, &error),
              ATTNC_ERROR_NO_IMAGE);
    EXPECT_NE(std::string(error.message).find(target), std::string::npos);
    EXPECT_EQ(kernel, nullptr);
  }
}

TEST(Launch, ImageQueriesTellWhatIsMissing) {
  KernelPtr kernel = loadKernel(serialize(incrementDesc()));
  attnc_image_info image = {};
  image.struct_size = sizeof(image);
  ASSERT_EQ(attnc_kernel_get_image(kernel.get(), 0, &image), ATTNC_OK);
  EXPECT_STREQ(image.target, "x86-64-v99");
  EXPECT_STREQ(image.features, "sse2 avx9000");
  EXPECT_STREQ(image.missing, "avx9000");
  EXPECT_EQ(image.code_bytes, 2u);
  ASSERT_EQ(attnc_kernel_get_image(kernel.get(), 1, &image), ATTNC_OK);
  EXPECT_STREQ(image.missing, "");
  EXPECT_EQ(attnc_kernel_get_image(kernel.get(), 2, &image),
            ATTNC_ERROR_INVALID_ARGUMENT);
}

TEST(Launch, StatusBecomesAnError) {
  KernelDesc desc = incrementDesc();
  // `check` first, then `increment`, which runs whatever `check` has found.
  LaunchDesc check;
  check.name = "check";
  check.grid = {Formula::dim(0, 0)};
  check.words = {WordDesc::base(0)};
  desc.launches.insert(desc.launches.begin(), check);
  desc.images[0].entries = {0, 0};
  desc.images[1].entries = {0x40, 0};
  KernelPtr kernel = loadKernel(serialize(desc));
  std::vector<int32_t> q(300, 1), out(300, -1);
  uint32_t status = 99;
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 3;
  options.status_out = &status;
  launch(kernel, {vectorOf(q), vectorOf(out)}, &options);
  EXPECT_EQ(status, 0u);
  EXPECT_EQ(out, std::vector<int32_t>(300, 2));
  q[299] = -7;
  out.assign(300, -1);
  std::string message;
  EXPECT_EQ(launch(kernel, {vectorOf(q), vectorOf(out)}, &options, &message),
            ATTNC_ERROR_STATUS);
  EXPECT_EQ(status, uint32_t(ATTNC_STATUS_BAD_INDEX));
  EXPECT_NE(message.find("an index outside its operand"), std::string::npos)
      << message;
  EXPECT_EQ(out[0], 2);
  EXPECT_EQ(out[299], -6);
}
#endif // x86-64

//===----------------------------------------------------------------------===//
// Words and scratch
//===----------------------------------------------------------------------===//

std::mutex recordMutex;
std::vector<uint64_t> recordedWords;
std::set<void *> recordedScratch;
std::multiset<uint64_t> recordedWorkgroups;

void recordFirst(const uint64_t *args, uint64_t workgroup, void *scratch,
                 uint32_t *) {
  std::memset(scratch, 0x5a, 1000);
  std::lock_guard<std::mutex> lock(recordMutex);
  recordedWords.assign(args, args + 6);
  recordedScratch.insert(scratch);
  recordedWorkgroups.insert(workgroup);
}

void recordSecond(const uint64_t *args, uint64_t, void *scratch, uint32_t *) {
  EXPECT_EQ(scratch, nullptr) << "asked for none";
  std::lock_guard<std::mutex> lock(recordMutex);
  EXPECT_EQ(args[0], recordedWords[2]) << "a temporary lives on";
  EXPECT_EQ(args[1] % 64, 0u);
  EXPECT_GE(args[1], args[0] + 2 * 500 * 4);
}

TEST(Launch, WordsScratchAndOrder) {
  KernelPtr kernel = createKernel(richDesc(), {recordFirst, recordSecond});
  std::vector<float> q(2 * 500 * 64), k(2 * 7 * 64);
  std::unique_ptr<float[], void (*)(void *)> out(
      static_cast<float *>(std::aligned_alloc(64, q.size() * 4)), std::free);
  std::vector<Tensor> tensors = {
      {ATTNC_DTYPE_F32, q.data(), {2, 500, 64}, {64, 128, 1}},
      {ATTNC_DTYPE_F32, k.data(), {2, 7, 64}, {}},
      {ATTNC_DTYPE_F32, out.get(), {2, 500, 64}, {}}};
  for (uint32_t threads = 1; threads <= 8; ++threads) {
    recordedScratch.clear();
    recordedWorkgroups.clear();
    attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
    options.threads = threads;
    launch(kernel, tensors, &options);
    EXPECT_EQ(recordedWords[0], reinterpret_cast<uintptr_t>(q.data()));
    EXPECT_EQ(recordedWords[1], reinterpret_cast<uintptr_t>(k.data()));
    EXPECT_EQ(recordedWords[2] % 64, 0u);
    EXPECT_EQ(recordedWords[3], 7u);
    EXPECT_EQ(recordedWords[4], 64u);
    EXPECT_EQ(recordedWords[5], 999u);
    EXPECT_LE(recordedScratch.size(), threads);
    void *previous = nullptr;
    for (void *scratch : recordedScratch) { // ascending
      EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch) % 64, 0u);
      if (previous) {
        EXPECT_GE(static_cast<char *>(scratch) - static_cast<char *>(previous),
                  1000);
      }
      previous = scratch;
    }
    // ceildiv(500, 96) * 2 workgroups, each once.
    EXPECT_EQ(recordedWorkgroups.size(), 12u);
    EXPECT_EQ(
        std::set<uint64_t>(recordedWorkgroups.begin(), recordedWorkgroups.end())
            .size(),
        12u);
  }
}

TEST(Launch, StrideWordsOfSingleElementsAreDense) {
  KernelDesc desc;
  desc.args = {{"q",
                ArgRole::Input,
                ATTNC_DTYPE_I32,
                {kDynamicSize, kDynamicSize, 4},
                0}};
  LaunchDesc launchDesc;
  launchDesc.words = {WordDesc::stride(0, 0), WordDesc::stride(0, 1)};
  desc.launches = {launchDesc};
  static uint64_t seen[2];
  KernelPtr kernel = createKernel(
      desc, {[](const uint64_t *args, uint64_t, void *, uint32_t *) {
        seen[0] = args[0];
        seen[1] = args[1];
      }});
  std::vector<int32_t> q(100);
  launch(kernel, {{ATTNC_DTYPE_I32, q.data(), {1, 3, 4}, {-5, 16, 1}}});
  EXPECT_EQ(seen[0], 12u);
  EXPECT_EQ(seen[1], 16u);
}

//===----------------------------------------------------------------------===//
// A grid whose workgroups count
//===----------------------------------------------------------------------===//

std::atomic<uint64_t> ran{0};

void countRun(const uint64_t *, uint64_t, void *, uint32_t *) { ++ran; }

/// No arguments; one launch of `workgroups`, with scratch.
KernelPtr countingKernel(int64_t workgroups,
                         attnc_workgroup_fn function = countRun) {
  KernelDesc desc;
  LaunchDesc launchDesc;
  launchDesc.grid = {Formula(workgroups)};
  launchDesc.scratchBytes = 64;
  desc.launches = {launchDesc};
  ran = 0;
  return createKernel(desc, {function});
}

int sequentialFor(void *user, uint32_t count, attnc_parallel_body_fn body,
                  void *context) {
  *static_cast<uint32_t *>(user) = count;
  for (uint32_t i = 0; i < count; ++i)
    body(context, i);
  return 0;
}

int threadsFor(void *, uint32_t count, attnc_parallel_body_fn body,
               void *context) {
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < count; ++i)
    threads.emplace_back(body, context, i);
  for (std::thread &thread : threads)
    thread.join();
  return 0;
}

TEST(Launch, CallersPool) {
  KernelPtr kernel = countingKernel(1000);
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 5;
  uint32_t count = 0;
  options.parallel_for = sequentialFor;
  options.parallel_for_user = &count;
  launch(kernel, {}, &options);
  EXPECT_EQ(count, 5u);
  EXPECT_EQ(ran.exchange(0), 1000u);
  options.parallel_for = threadsFor;
  launch(kernel, {}, &options);
  EXPECT_EQ(ran, 1000u);
  // No more bodies than there is work.
  kernel = countingKernel(3);
  options.parallel_for = sequentialFor;
  launch(kernel, {}, &options);
  EXPECT_EQ(count, 3u);
}

TEST(Launch, CallersPoolMayMisbehave) {
  KernelPtr kernel = countingKernel(10);
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 4;
  std::string message;
  options.parallel_for = [](void *, uint32_t, attnc_parallel_body_fn, void *) {
    return 0; // runs nothing
  };
  EXPECT_EQ(launch(kernel, {}, &options, &message), ATTNC_ERROR_PARALLEL);
  EXPECT_NE(message.find("before all workgroups"), std::string::npos);
  options.parallel_for = [](void *, uint32_t, attnc_parallel_body_fn, void *) {
    return -3;
  };
  EXPECT_EQ(launch(kernel, {}, &options, &message), ATTNC_ERROR_PARALLEL);
  EXPECT_NE(message.find("-3"), std::string::npos);
  // More bodies than asked for find no scratch and do nothing.
  options.parallel_for = [](void *user, uint32_t count,
                            attnc_parallel_body_fn body, void *context) {
    return threadsFor(user, count + 9, body, context);
  };
  EXPECT_EQ(launch(kernel, {}, &options, &message), ATTNC_OK) << message;
  EXPECT_EQ(ran, 10u);
}

TEST(Launch, GridsOfAllSizes) {
  for (int64_t workgroups : {0, 1, 2, 3, 63, 64, 65, 1000, 12345}) {
    KernelPtr kernel = countingKernel(workgroups);
    for (uint32_t threads : {1, 2, 3, 8}) {
      attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
      options.threads = threads;
      launch(kernel, {}, &options);
      EXPECT_EQ(ran.exchange(0), uint64_t(workgroups));
    }
  }
}

TEST(Launch, UnknownStatusBitsAreErrorsToo) {
  KernelPtr kernel = countingKernel(
      100, [](const uint64_t *, uint64_t workgroup, void *, uint32_t *status) {
        if (workgroup == 3)
          *status |= ATTNC_STATUS_BAD_PAGE;
        if (workgroup == 97)
          *status |= 0x8000;
      });
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 2;
  uint32_t status = 0;
  options.status_out = &status;
  std::string message;
  EXPECT_EQ(launch(kernel, {}, &options, &message), ATTNC_ERROR_STATUS);
  EXPECT_EQ(status, 0x8001u) << "all workgroups of the launch still ran";
  EXPECT_NE(message.find("page table"), std::string::npos) << message;
  EXPECT_NE(message.find("0x8001"), std::string::npos) << message;
}

TEST(Launch, OwnerIsReleasedOnce) {
  static int released;
  released = 0;
  std::vector<uint8_t> bytes = serialize(incrementDesc());
  attnc_release_fn release = [](void *owner) { ++*static_cast<int *>(owner); };
  attnc_workgroup_fn functions[] = {countRun};
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  for (size_t n : {0, 2}) {
    EXPECT_EQ(attnc_kernel_create(bytes.data(), bytes.size(), functions, n,
                                  release, &released, &kernel, &error),
              ATTNC_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(kernel, nullptr);
  }
  functions[0] = nullptr;
  EXPECT_EQ(attnc_kernel_create(bytes.data(), bytes.size(), functions, 1,
                                release, &released, &kernel, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(released, 0) << "a failed call does not take the owner";
  functions[0] = countRun;
  ASSERT_EQ(attnc_kernel_create(bytes.data(), bytes.size(), functions, 1,
                                release, &released, &kernel, &error),
            ATTNC_OK)
      << error.message;
  EXPECT_EQ(released, 0);
  attnc_kernel_destroy(kernel);
  EXPECT_EQ(released, 1);
  attnc_kernel_destroy(nullptr);
}

TEST(Launch, TrimKeepsTheKernelUsable) {
  KernelPtr kernel = countingKernel(10);
  launch(kernel, {});
  attnc_kernel_trim(kernel.get());
  attnc_kernel_trim(nullptr);
  launch(kernel, {});
  EXPECT_EQ(ran, 20u);
}

#if defined(__x86_64__)
std::atomic<int> flushed{0};

TEST(Launch, FloatControlIsTheDefaultOnEveryThread) {
  KernelPtr kernel =
      countingKernel(1000, [](const uint64_t *, uint64_t, void *, uint32_t *) {
        volatile float tiny = FLT_MIN;
        volatile float half = tiny * 0.5f;
        if (half == 0 || (_mm_getcsr() & ~0x3fu) != 0x1f80)
          ++flushed;
      });
  unsigned before = _mm_getcsr();
  unsigned callers = before | 0x8040 | 0x6000; // flush, round towards zero
  _mm_setcsr(callers);
  for (uint32_t threads : {1, 2}) {
    attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
    options.threads = threads;
    launch(kernel, {}, &options);
  }
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(flushed, 0);
  EXPECT_EQ(after, callers) << "and the caller's comes back";
}
#endif

} // namespace
