// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime's own threads: made when first needed, kept for the process,
// shared by all launches.

#ifndef ATTNC_RUNTIME_THREADPOOL_H
#define ATTNC_RUNTIME_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <pthread.h>

namespace attnc {

/// Runs one body on several threads at once. The calling thread always takes
/// part, so a launch makes progress with no help at all: that is what makes
/// launches from many threads, from inside a body, after fork() and during exit
/// safe.
class ThreadPool {
public:
  using Body = void (*)(void *context);

  /// The process's pool. In the child of a fork() it starts anew, since the
  /// parent's threads do not exist there.
  static ThreadPool &get() { return instance; }

  /// CPUs that this process may run on.
  static uint32_t availableCpus();

  /// The most threads that one run uses.
  static constexpr uint32_t maxThreads = 1024;

  /// Calls body(context) on the calling thread and on up to `threads` - 1
  /// others, and returns when all that began have returned. `body` is expected
  /// to share out its work itself and to return at once if none is left.
  void run(uint32_t threads, Body body, void *context);

private:
  struct Job;
  class Lock;

  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t workAvailable = PTHREAD_COND_INITIALIZER;
  pthread_cond_t jobDone = PTHREAD_COND_INITIALIZER;
  Job *jobs = nullptr;             ///< those with places left, oldest first
  std::atomic<uint32_t> places{0}; ///< sum of places left, for spinning
  std::atomic<bool> stopping{false};
  uint32_t sleepers = 0;
  uint32_t numWorkers = 0;
  pthread_t workers[maxThreads] = {};

  constexpr ThreadPool() = default;
  void addWorkers(uint32_t count);
  void work();
  void stop();
  void unlink(Job *job);
  bool spinUntil(const std::atomic<uint32_t> &value, bool zero) const;

  static void *workerMain(void *pool);
  static void afterFork();
  static ThreadPool instance;
  friend struct PoolLifetime;
};

} // namespace attnc

#endif // ATTNC_RUNTIME_THREADPOOL_H
