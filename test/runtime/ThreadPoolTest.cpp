// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Threads: any number, nested, concurrent, after fork(), and what a launch
// costs.

#include "TestKernels.h"

#include "runtime/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;

namespace {

struct Counter {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> calls{0};
};

void enter(void *context) {
  Counter &counter = *static_cast<Counter *>(context);
  int now = ++counter.inside;
  int most = counter.most;
  while (now > most && !counter.most.compare_exchange_weak(most, now))
    ;
  ++counter.calls;
  std::this_thread::sleep_for(std::chrono::microseconds(200));
  --counter.inside;
}

TEST(ThreadPool, NeverMoreThreadsThanAskedFor) {
  for (uint32_t threads = 0; threads <= 8; ++threads) {
    Counter counter;
    ThreadPool::get().run(threads, enter, &counter);
    EXPECT_GE(counter.calls, 1);
    EXPECT_LE(counter.calls, std::max(1, int(threads)));
    EXPECT_EQ(counter.inside, 0) << "all that began have returned";
  }
}

TEST(ThreadPool, ThreadsReallyTakePart) {
  // Every body waits for the other: without a second thread this would hang.
  struct Meeting {
    std::atomic<int> here{0};
  } meeting;
  ThreadPool::get().run(
      2,
      [](void *context) {
        Meeting &meeting = *static_cast<Meeting *>(context);
        ++meeting.here;
        while (meeting.here < 2)
          std::this_thread::yield();
      },
      &meeting);
  EXPECT_EQ(meeting.here, 2);
}

TEST(ThreadPool, AvailableCpus) { EXPECT_GE(ThreadPool::availableCpus(), 1u); }

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// out[i] = a value that depends on the workgroup and went through scratch.
void mixThroughScratch(const uint64_t *args, uint64_t workgroup, void *scratch,
                       uint32_t *) {
  auto *out = reinterpret_cast<uint32_t *>(args[0]);
  auto *values = static_cast<uint32_t *>(scratch);
  for (uint32_t i = 0; i < 64; ++i)
    values[i] = uint32_t(workgroup) * 2654435761u + i;
  for (uint32_t round = 0; round < 20; ++round)
    for (uint32_t i = 0; i < 64; ++i)
      values[i] = values[i] * 1664525u + values[(i + 1) % 64];
  out[workgroup] = values[0];
}

KernelDesc mixDesc() {
  KernelDesc desc;
  desc.args = {{"out", ArgRole::Output, ATTNC_DTYPE_I32, {kDynamicSize}, 0}};
  LaunchDesc launch;
  launch.grid = {Formula::dim(0, 0)};
  launch.words = {WordDesc::base(0)};
  launch.scratchBytes = 256;
  // Twice, so that the threads also meet between launches.
  desc.launches = {launch, launch};
  return desc;
}

std::vector<uint32_t> runMix(attnc_kernel *kernel, int64_t n,
                             uint32_t threads) {
  std::vector<uint32_t> out(static_cast<size_t>(n));
  Tensor tensor = {ATTNC_DTYPE_I32, out.data(), {n}, {}};
  attnc_tensor view = tensor.view();
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = threads;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_launch(kernel, &view, 1, &options, &error), ATTNC_OK)
      << error.message;
  return out;
}

TEST(ThreadPool, SameBitsForAnyNumberOfThreads) {
  KernelPtr kernel =
      createKernel(mixDesc(), {mixThroughScratch, mixThroughScratch});
  std::vector<uint32_t> expected = runMix(kernel.get(), 5000, 1);
  for (uint32_t threads = 0; threads <= 8; ++threads)
    for (int repeat = 0; repeat < 20; ++repeat)
      ASSERT_EQ(runMix(kernel.get(), 5000, threads), expected);
}

TEST(ThreadPool, ConcurrentLaunchesOfOneKernel) {
  KernelPtr kernel =
      createKernel(mixDesc(), {mixThroughScratch, mixThroughScratch});
  std::vector<uint32_t> expected = runMix(kernel.get(), 300, 1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 12; ++c) // more than a kernel keeps contexts
    callers.emplace_back([&, c] {
      for (int i = 0; i < 200; ++i) {
        if (runMix(kernel.get(), 300, uint32_t(1 + c % 4)) != expected)
          ++wrong;
        if (c == 0 && i % 50 == 0)
          attnc_kernel_trim(kernel.get());
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

attnc_kernel *innerKernel;
std::vector<uint32_t> innerExpected;
std::atomic<int> innerWrong{0};

TEST(ThreadPool, NestedLaunches) {
  // The pool itself, from inside a body that it runs, several levels deep.
  KernelPtr inner =
      createKernel(mixDesc(), {mixThroughScratch, mixThroughScratch});
  innerKernel = inner.get();
  innerExpected = runMix(innerKernel, 100, 1);
  innerWrong = 0;
  auto nested = [](void *) {
    auto deeper = [](void *) {
      if (runMix(innerKernel, 100, 3) != innerExpected)
        ++innerWrong;
    };
    ThreadPool::get().run(3, deeper, nullptr);
  };
  for (int i = 0; i < 50; ++i)
    ThreadPool::get().run(4, nested, nullptr);
  EXPECT_EQ(innerWrong, 0);
}

#if !defined(ATTNC_TEST_TSAN) // which does not follow threads across fork()
TEST(ThreadPool, ForkGetsAFreshPool) {
  KernelPtr kernel =
      createKernel(mixDesc(), {mixThroughScratch, mixThroughScratch});
  std::vector<uint32_t> expected = runMix(kernel.get(), 500, 3);
  // Launches in the parent while it forks, so that locks are held.
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop)
      runMix(kernel.get(), 500, 3);
  });
  for (int i = 0; i < 30; ++i) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);
      bool good = true;
      for (int j = 0; j < 5; ++j)
        good &= runMix(kernel.get(), 500, 3) == expected;
      // And once more, two forks deep.
      pid_t grandchild = fork();
      if (grandchild == 0)
        _exit(runMix(kernel.get(), 500, 3) == expected ? 0 : 1);
      int status = 1;
      waitpid(grandchild, &status, 0);
      _exit(good && status == 0 ? 0 : 1);
    }
    int status = 1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  stop = true;
  busy.join();
}

TEST(ThreadPool, ExitEndsTheThreads) {
  // A child that launches and then returns through exit(), destructors and all.
  KernelPtr kernel =
      createKernel(mixDesc(), {mixThroughScratch, mixThroughScratch});
  auto launchAndExit = [&] {
    runMix(kernel.get(), 500, 4);
    kernel.reset();
    std::exit(0);
  };
  EXPECT_EXIT(launchAndExit(), testing::ExitedWithCode(0), "");
}
#endif

//===----------------------------------------------------------------------===//
// Cost
//===----------------------------------------------------------------------===//

/// Median seconds of one launch of a grid of `workgroups` that do nothing, with
/// a pause before each that sends the pool's threads to sleep if it is long.
double medianLaunch(int64_t workgroups, uint32_t threads,
                    std::chrono::microseconds pause, int launches) {
  KernelDesc desc = incrementDesc();
  desc.images.clear();
  desc.launches[0].scratchBytes = 4096;
  KernelPtr kernel = createKernel(
      desc, {[](const uint64_t *, uint64_t, void *, uint32_t *) {}});
  std::vector<int32_t> q(size_t(workgroups) * 64), out(q.size());
  Tensor tensors[] = {{ATTNC_DTYPE_I32, q.data(), {int64_t(q.size())}, {}},
                      {ATTNC_DTYPE_I32, out.data(), {int64_t(q.size())}, {}}};
  attnc_tensor list[] = {tensors[0].view(), tensors[1].view()};
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = threads;
  std::vector<double> times;
  for (int i = 0; i < launches; ++i) {
    if (pause.count() > 0)
      std::this_thread::sleep_for(pause);
    auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(attnc_launch(kernel.get(), list, 2, &options, nullptr), ATTNC_OK);
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    times.push_back(time.count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

TEST(ThreadPool, LaunchTakesMicroseconds) {
  std::chrono::microseconds none(0), asleep(2000);
  double one = medianLaunch(32, 1, none, 2000);
  double two = medianLaunch(32, 2, none, 2000);
  double idle = medianLaunch(32, 2, asleep, 100);
  std::printf("launch of 32 empty workgroups: %.2f us on one thread, %.2f us "
              "on two, %.2f us on two after 2 ms of rest\n",
              one * 1e6, two * 1e6, idle * 1e6);
  RecordProperty("one_thread_ns", int(one * 1e9));
  RecordProperty("two_threads_ns", int(two * 1e9));
#if !defined(ATTNC_TEST_SANITIZED)
  // Ten times what was measured on a busy machine.
  EXPECT_LT(one, 20e-6);
  EXPECT_LT(two, 200e-6);
  EXPECT_LT(idle, 1000e-6);
#endif
}

} // namespace
