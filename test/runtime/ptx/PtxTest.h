// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small kernels from a few lines of PTX, and what they compute.

#ifndef ATTNC_TEST_RUNTIME_PTX_PTXTEST_H
#define ATTNC_TEST_RUNTIME_PTX_PTXTEST_H

#include "attnc/ptx_executor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace attnc {
namespace test {

/// A module with one entry `k` around the body. Its parameters are `in` and
/// `out`, already in %in and %out; %thread, %lane and registers of each type
/// are declared: %p0…, %h0…, %r0…, %q0… (64 bits), %f0…, %g0… (f64).
std::string module(const std::string &body, unsigned target = 90,
                   const std::string &globals = "",
                   const std::string &attributes = "");

struct Outcome {
  ptx::LaunchResult result;
  std::vector<uint8_t> out;

  template <typename T>
  std::vector<T> as() const {
    std::vector<T> values(out.size() / sizeof(T));
    memcpy(values.data(), out.data(), values.size() * sizeof(T));
    return values;
  }
  std::string firstMessage() const {
    return result.findings.empty() ? result.error.message
                                   : result.findings[0].message;
  }
  bool found(ptx::Finding::Kind kind) const {
    for (const ptx::Finding &finding : result.findings)
      if (finding.kind == kind)
        return true;
    return false;
  }
};

struct RunOptions {
  unsigned threads = 32, blocks = 1, shared = 0;
  uint64_t seed = 0;
  bool uninitialized = false;
  uint64_t limit = 1 << 22;
};

/// Runs a whole module; fails the test where it does not load.
Outcome runModule(const std::string &text, const void *in, size_t inSize,
                  size_t outSize, const RunOptions &options = {});
Outcome runBody(const std::string &body, const std::vector<uint32_t> &in,
                size_t outSize, const RunOptions &options = {});

/// The diagnostic of a module that must not load.
ptx::Diagnostic loadError(const std::string &text);

/// d = f(a, b, c, e) for each of up to 1024 elements, one a thread; `code` uses
/// %a, %b, %c and sets %d. Registers have the bits of the types.
std::vector<uint64_t> evaluate(const std::string &code, unsigned bitsIn,
                               unsigned bitsOut, const std::vector<uint64_t> &a,
                               const std::vector<uint64_t> &b = {},
                               const std::vector<uint64_t> &c = {});

template <typename To, typename From>
To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

/// Numbers with many bit patterns: small, large, powers of two, random.
std::vector<uint64_t> patterns(unsigned bits, unsigned count, unsigned seed);

} // namespace test
} // namespace attnc

#endif // ATTNC_TEST_RUNTIME_PTX_PTXTEST_H
