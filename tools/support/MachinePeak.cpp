// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loops of multiply-adds in registers and of reads from memory.

#include "tools/support/MachinePeak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace attnc;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Units of work a second of all threads together: each repeats `work`, which
/// does `units`, for `duration` seconds from a common start.
static double measureRate(unsigned threads, double units, double duration,
                          const std::function<void(unsigned)> &work) {
  std::atomic<unsigned> waiting{threads};
  std::vector<double> rates(threads, 0);
  auto body = [&](unsigned thread) {
    work(thread); // Wakes the clock and the vector units.
    --waiting;
    while (waiting.load() > 0)
      std::this_thread::yield();
    Clock::time_point start = Clock::now();
    // The best stretch, not the mean: another process must not lower a peak.
    double elapsed = 0;
    while (elapsed < duration) {
      work(thread);
      double now = secondsSince(start);
      rates[thread] = std::max(rates[thread], units / (now - elapsed));
      elapsed = now;
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned thread = 1; thread < threads; ++thread)
    helpers.emplace_back(body, thread);
  body(0);
  for (std::thread &helper : helpers)
    helper.join();
  double sum = 0;
  for (double rate : rates)
    sum += rate;
  return sum;
}

//===----------------------------------------------------------------------===//
// Multiply-adds
//===----------------------------------------------------------------------===//

namespace {

constexpr int64_t iterations = 200000;
/// Enough to hide the latency of two units, few enough for 16 registers.
constexpr int64_t chains = 12;

/// A loop of multiply-adds and how many lanes one of them has.
struct FmaLoop {
  void (*run)();
  int64_t lanes;
  const char *vectors;
};

} // namespace

// Each step is x = x * a + b with |a| < 1: never denormal, never infinite. The
// empty assembly hides the first values from the optimiser and needs the last,
// without costing an instruction.
#define ATTNC_TWELVE(X)                                                        \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ATTNC_INIT(I) auto x##I = start;
#define ATTNC_FMA_LOOP(NAME, TARGET, SET, FMA)                                 \
  __attribute__((target(TARGET), noinline)) static void NAME() {               \
    auto start = SET(1), a = SET(0.75), b = SET(0.25);                         \
    ATTNC_TWELVE(ATTNC_INIT)                                                   \
    ATTNC_TWELVE(ATTNC_KEEP)                                                   \
    for (int64_t i = 0; i < iterations; ++i) {                                 \
      ATTNC_TWELVE(FMA)                                                        \
    }                                                                          \
    ATTNC_TWELVE(ATTNC_KEEP)                                                   \
  }

#if defined(__x86_64__)
#define ATTNC_FMA_PS512(I) x##I = _mm512_fmadd_ps(x##I, a, b);
#define ATTNC_FMA_PD512(I) x##I = _mm512_fmadd_pd(x##I, a, b);
#define ATTNC_FMA_PS256(I) x##I = _mm256_fmadd_ps(x##I, a, b);
#define ATTNC_FMA_PD256(I) x##I = _mm256_fmadd_pd(x##I, a, b);
#define ATTNC_FMA_PS128(I) x##I = _mm_add_ps(_mm_mul_ps(x##I, a), b);
#define ATTNC_FMA_PD128(I) x##I = _mm_add_pd(_mm_mul_pd(x##I, a), b);
#define ATTNC_KEEP(I) asm volatile("" : "+v"(x##I));
ATTNC_FMA_LOOP(fmaPs512, "avx512f", _mm512_set1_ps, ATTNC_FMA_PS512)
ATTNC_FMA_LOOP(fmaPd512, "avx512f", _mm512_set1_pd, ATTNC_FMA_PD512)
#undef ATTNC_KEEP
#define ATTNC_KEEP(I) asm volatile("" : "+x"(x##I));
ATTNC_FMA_LOOP(fmaPs256, "avx2,fma", _mm256_set1_ps, ATTNC_FMA_PS256)
ATTNC_FMA_LOOP(fmaPd256, "avx2,fma", _mm256_set1_pd, ATTNC_FMA_PD256)
ATTNC_FMA_LOOP(fmaPs128, "sse2", _mm_set1_ps, ATTNC_FMA_PS128)
ATTNC_FMA_LOOP(fmaPd128, "sse2", _mm_set1_pd, ATTNC_FMA_PD128)

static std::vector<FmaLoop> availableLoops(bool f64) {
  std::vector<FmaLoop> loops;
  if (__builtin_cpu_supports("avx512f"))
    loops.push_back(f64 ? FmaLoop{fmaPd512, 8, "avx512f"}
                        : FmaLoop{fmaPs512, 16, "avx512f"});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    loops.push_back(f64 ? FmaLoop{fmaPd256, 4, "avx2"}
                        : FmaLoop{fmaPs256, 8, "avx2"});
  if (loops.empty())
    loops.push_back(f64 ? FmaLoop{fmaPd128, 2, "sse2"}
                        : FmaLoop{fmaPs128, 4, "sse2"});
  return loops;
}
#else
template <typename T>
static void fmaVector() {
  typedef T Vector __attribute__((vector_size(16)));
  volatile T seed = 1;
  Vector x[chains], a = Vector{} + T(0.75), b = Vector{} + T(0.25);
  for (Vector &v : x)
    v = Vector{} + T(seed);
  for (int64_t i = 0; i < iterations; ++i)
    for (int64_t c = 0; c < chains; ++c)
      x[c] = x[c] * a + b;
  for (Vector &v : x)
    seed = v[0];
}

static std::vector<FmaLoop> availableLoops(bool f64) {
  return {f64 ? FmaLoop{fmaVector<double>, 2, "vector"}
              : FmaLoop{fmaVector<float>, 4, "vector"}};
}
#endif

MachinePeak attnc::measureFmaPeak(bool doublePrecision, unsigned threads) {
  MachinePeak best;
  for (const FmaLoop &loop : availableLoops(doublePrecision)) {
    double flops = 2.0 * loop.lanes * chains * iterations;
    double rate = measureRate(std::max(threads, 1u), flops, 0.02,
                              [&](unsigned) { loop.run(); });
    if (rate > best.flops)
      best = {rate, loop.vectors, doublePrecision ? "f64" : "f32"};
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Reads
//===----------------------------------------------------------------------===//

double attnc::measureReadBandwidth(unsigned threads) {
  threads = std::max(threads, 1u);
  // Far more than the last-level caches hold.
  constexpr size_t bytes = size_t(192) << 20;
  size_t words = bytes / sizeof(uint64_t) / threads / 8 * 8;
  std::unique_ptr<uint64_t, decltype(&std::free)> data(
      static_cast<uint64_t *>(std::malloc(bytes)), &std::free);
  if (!data)
    return 0;
  std::memset(data.get(), 1, bytes);
  std::atomic<uint64_t> sink{0};
  auto work = [&](unsigned thread) {
    const uint64_t *from = data.get() + thread * words;
    uint64_t sums[8] = {};
    for (size_t i = 0; i < words; i += 8)
      for (size_t lane = 0; lane < 8; ++lane)
        sums[lane] += from[i + lane];
    for (uint64_t sum : sums)
      sink += sum;
  };
  return measureRate(threads, static_cast<double>(words) * sizeof(uint64_t),
                     0.05, work);
}
