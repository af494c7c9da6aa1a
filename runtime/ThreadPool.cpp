// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A list of jobs under one mutex. A job lives on its caller's stack; a thread
// that joins it counts in `active`, and dropping that count is the last time
// it touches the job.
//
// The pool is initialised at compile time and has no destructor: it works
// before and after everything else in the process, and closing the library
// leaves no memory behind.

#include "ThreadPool.h"

#include <algorithm>
#include <new>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

using namespace attnc;

struct ThreadPool::Job {
  Body body;
  void *context;
  uint32_t placesLeft = 0;
  std::atomic<uint32_t> active{0};
  Job *next = nullptr;
};

ThreadPool ThreadPool::instance;

/// Holds the mutex for a scope, with pauses.
class ThreadPool::Lock {
public:
  explicit Lock(ThreadPool &pool) : pool(pool) { lock(); }
  ~Lock() {
    if (held)
      unlock();
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

  void lock() {
    pthread_mutex_lock(&pool.mutex);
    held = true;
  }
  void unlock() {
    held = false;
    pthread_mutex_unlock(&pool.mutex);
  }
  void wait(pthread_cond_t &condition) {
    pthread_cond_wait(&condition, &pool.mutex);
  }

private:
  ThreadPool &pool;
  bool held = false;
};

namespace attnc {

/// Ends the threads before the library's code goes away, at exit or in dlclose,
/// and forgets them in the child of a fork().
struct PoolLifetime {
  PoolLifetime() { pthread_atfork(nullptr, nullptr, ThreadPool::afterFork); }
  ~PoolLifetime() { ThreadPool::instance.stop(); }
};

static PoolLifetime lifetime;

} // namespace attnc

namespace {

inline void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Signals are for the application's own threads.
class SignalsBlocked {
public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &saved, nullptr); }

private:
  sigset_t saved;
};

/// The process's CPUs, counted once. Not a local static: its guard could be
/// left locked by fork().
bool severalCpus() {
  static std::atomic<uint32_t> counted{0};
  uint32_t cpus = counted.load(std::memory_order_relaxed);
  if (cpus == 0) {
    cpus = ThreadPool::availableCpus();
    counted.store(cpus, std::memory_order_relaxed);
  }
  return cpus > 1;
}

} // namespace

/// The parent's other threads are gone, whatever they were doing. Runs in the
/// child before anything else does.
void ThreadPool::afterFork() { new (&instance) ThreadPool; }

uint32_t ThreadPool::availableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
    return uint32_t(CPU_COUNT(&set));
  // More CPUs than the set can name.
  return uint32_t(std::max(1l, sysconf(_SC_NPROCESSORS_ONLN)));
}

void *ThreadPool::workerMain(void *pool) {
  static_cast<ThreadPool *>(pool)->work();
  return nullptr;
}

/// Called with the mutex held. Fewer threads than asked for is no error: the
/// work is shared by those that exist.
void ThreadPool::addWorkers(uint32_t count) {
  if (numWorkers >= count || stopping)
    return;
  SignalsBlocked blocked;
  while (numWorkers < count) {
    if (pthread_create(&workers[numWorkers], nullptr, workerMain, this) != 0)
      return;
    pthread_setname_np(workers[numWorkers++], "attnc-worker");
  }
}

/// Called with the mutex held.
void ThreadPool::unlink(Job *job) {
  for (Job **link = &jobs; *link; link = &(*link)->next) {
    if (*link == job) {
      *link = job->next;
      return;
    }
  }
}

/// Waits some microseconds, in case the answer comes soon. Not where threads
/// outnumber CPUs, since it would then keep the answer from coming.
bool ThreadPool::spinUntil(const std::atomic<uint32_t> &value,
                           bool zero) const {
  constexpr int rounds = 1000;
  for (int i = 0; i < rounds && severalCpus(); ++i) {
    if ((value.load(std::memory_order_acquire) == 0) == zero)
      return true;
    if (stopping.load(std::memory_order_relaxed))
      return false;
    pauseCpu();
  }
  return (value.load(std::memory_order_acquire) == 0) == zero;
}

void ThreadPool::run(uint32_t threads, Body body, void *context) {
  threads = std::min(threads, maxThreads);
  if (threads <= 1)
    return body(context);

  Job job = {body, context};
  Lock lock(*this);
  addWorkers(threads - 1);
  job.placesLeft = std::min(threads - 1, numWorkers);
  uint32_t toWake = std::min(job.placesLeft, sleepers);
  if (job.placesLeft > 0) {
    Job **link = &jobs;
    while (*link)
      link = &(*link)->next;
    *link = &job;
    places.fetch_add(job.placesLeft, std::memory_order_release);
  }
  lock.unlock();
  for (uint32_t i = 0; i < toWake; ++i)
    pthread_cond_signal(&workAvailable);

  body(context);

  // Nobody joins from here on; wait for those that did.
  lock.lock();
  if (job.placesLeft > 0) {
    unlink(&job);
    places.fetch_sub(job.placesLeft, std::memory_order_relaxed);
  }
  lock.unlock();
  if (spinUntil(job.active, /*zero=*/true))
    return;
  lock.lock();
  while (job.active.load(std::memory_order_acquire) != 0)
    lock.wait(jobDone);
}

void ThreadPool::work() {
  Lock lock(*this);
  while (!stopping) {
    Job *job = jobs;
    if (!job) {
      lock.unlock();
      spinUntil(places, /*zero=*/false);
      lock.lock();
      ++sleepers;
      while (!jobs && !stopping)
        lock.wait(workAvailable);
      --sleepers;
      continue;
    }
    job->active.fetch_add(1, std::memory_order_relaxed);
    places.fetch_sub(1, std::memory_order_relaxed);
    if (--job->placesLeft == 0)
      unlink(job);
    lock.unlock();
    job->body(job->context);
    bool last = job->active.fetch_sub(1, std::memory_order_acq_rel) == 1;
    // The job may be gone from here on.
    lock.lock();
    if (last)
      pthread_cond_broadcast(&jobDone);
  }
}

/// A caller may still be inside run(), at exit: it goes on alone.
void ThreadPool::stop() {
  Lock lock(*this);
  stopping = true;
  uint32_t count = numWorkers;
  numWorkers = 0;
  lock.unlock();
  pthread_cond_broadcast(&workAvailable);
  for (uint32_t i = 0; i < count; ++i)
    pthread_join(workers[i], nullptr);
}
