// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The machine's limits, compiled for it (limits.py): arithmetic that waits for
// nothing, and reading memory once. Each function times itself, from the first
// thread's start to the last one's end, so that starting threads does not
// count.

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { VectorBytes = 64 };
#elif defined(__AVX__)
enum { VectorBytes = 32 };
#else
enum { VectorBytes = 16 };
#endif
// Two units with a latency of at most six cycles want twelve independent sums.
enum { Sums = 12, MaxThreads = 256, Lanes = VectorBytes / sizeof(float) };

typedef float Floats __attribute__((vector_size(VectorBytes)));
typedef uint64_t Words
    __attribute__((vector_size(VectorBytes), aligned(1), may_alias));

typedef struct {
  void (*body)(void *job, int thread, int threads);
  void *job;
  int thread, threads;
  pthread_barrier_t *barrier;
  struct timespec begin, end;
} Worker;

static void *work(void *argument) {
  Worker *worker = argument;
  pthread_barrier_wait(worker->barrier);
  clock_gettime(CLOCK_MONOTONIC, &worker->begin);
  worker->body(worker->job, worker->thread, worker->threads);
  clock_gettime(CLOCK_MONOTONIC, &worker->end);
  return NULL;
}

static double seconds(struct timespec time) {
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

// Runs body on this thread and threads - 1 others; seconds, or -1.
static double run(void (*body)(void *, int, int), void *job, int threads) {
  Worker workers[MaxThreads];
  pthread_t handles[MaxThreads];
  pthread_barrier_t barrier;
  if (threads < 1 || threads > MaxThreads ||
      pthread_barrier_init(&barrier, NULL, threads))
    return -1;
  for (int t = 0; t < threads; ++t)
    workers[t] = (Worker){.body = body,
                          .job = job,
                          .thread = t,
                          .threads = threads,
                          .barrier = &barrier};
  for (int t = 1; t < threads; ++t)
    if (pthread_create(&handles[t], NULL, work, &workers[t]))
      return -1; // The threads that wait are lost with the process, which gives
                 // up.
  work(&workers[0]);
  for (int t = 1; t < threads; ++t)
    pthread_join(handles[t], NULL);
  pthread_barrier_destroy(&barrier);
  double begin = seconds(workers[0].begin), end = seconds(workers[0].end);
  for (int t = 1; t < threads; ++t) {
    double first = seconds(workers[t].begin), last = seconds(workers[t].end);
    begin = first < begin ? first : begin;
    end = last > end ? last : end;
  }
  return end - begin;
}

// Sums as variables: compilers keep an array that assembly names in memory.
#define EACH_SUM(DO)                                                           \
  DO(s0)                                                                       \
  DO(s1) DO(s2) DO(s3) DO(s4) DO(s5) DO(s6) DO(s7) DO(s8) DO(s9) DO(s10) DO(s11)
// The value leaves the optimiser's sight, so that no round is folded away.
#define HIDE(sum) __asm__ volatile("" : "+x"(sum));

static void multiplyAdd(void *job, int thread, int threads) {
  long rounds = *(long *)job;
  Floats factor = (Floats){0} + 0.5f, term = (Floats){0} + 0.25f;
#define DECLARE(sum) Floats sum = (Floats){0};
#define STEP(sum) sum = sum * factor + term;
  EACH_SUM(DECLARE)
  for (long round = 0; round < rounds; ++round) {
    EACH_SUM(STEP)
    EACH_SUM(HIDE)
  }
#undef DECLARE
#undef STEP
}

double limit_fma(int threads, long rounds) {
  return run(multiplyAdd, &rounds, threads);
}
// Floating-point operations of one thread in one round.
double limit_fma_flops(void) { return 2.0 * Sums * Lanes; }

#ifdef __AVX512BF16__
static void dotBF16(void *job, int thread, int threads) {
  long rounds = *(long *)job;
  __m512bh pairs = (__m512bh)_mm512_set1_epi32(0x3f003f00);
#define DECLARE(sum) __m512 sum = _mm512_setzero_ps();
#define STEP(sum) sum = _mm512_dpbf16_ps(sum, pairs, pairs);
  EACH_SUM(DECLARE)
  for (long round = 0; round < rounds; ++round) {
    EACH_SUM(STEP)
    EACH_SUM(HIDE)
  }
#undef DECLARE
#undef STEP
}

double limit_bf16(int threads, long rounds) {
  return run(dotBF16, &rounds, threads);
}
double limit_bf16_flops(void) { return 4.0 * Sums * 16; }
#else
double limit_bf16(int threads, long rounds) { return -1; }
double limit_bf16_flops(void) { return 0; }
#endif

typedef struct {
  const char *const *blocks;
  const size_t *sizes;
  int count;
} Read;

static void readAll(void *job, int thread, int threads) {
  const Read *read = job;
  Words sums[8] = {{0}};
  for (int b = 0; b < read->count; ++b) {
    size_t lines = read->sizes[b] / (8 * VectorBytes);
    const char *data =
        read->blocks[b] + lines * thread / threads * (8 * VectorBytes);
    const char *end =
        read->blocks[b] + lines * (thread + 1) / threads * (8 * VectorBytes);
    for (; data < end; data += 8 * VectorBytes) {
#pragma GCC unroll 8
      for (int s = 0; s < 8; ++s) {
        __builtin_prefetch(data + s * VectorBytes + 4096);
        sums[s] |= *(const Words *)(data + s * VectorBytes);
      }
    }
  }
  for (int s = 0; s < 8; ++s)
    __asm__ volatile("" ::"x"(sums[s]));
}

// Reads the blocks of memory, each shared among the threads.
double limit_read(int threads, const char *const *blocks, const size_t *sizes,
                  int count) {
  Read read = {blocks, sizes, count};
  return run(readAll, &read, threads);
}
