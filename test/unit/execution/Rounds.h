// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rounds of random cases: which seed, which of them, and what they draw.

#ifndef ATTNC_TEST_UNIT_EXECUTION_ROUNDS_H
#define ATTNC_TEST_UNIT_EXECUTION_ROUNDS_H

#include "Problem.h"

#include <cstdio>
#include <cstdlib>

namespace attnc::test {

/// ATTNC_TEST_SEED, or 1.
inline uint64_t givenSeed() {
  const char *text = std::getenv("ATTNC_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

/// The same, printed, so that a failure can be run again.
inline uint64_t announcedSeed() {
  uint64_t seed = givenSeed();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

/// Whether ATTNC_TEST_CASE asks for another round.
inline bool isSkipped(int round) {
  const char *only = std::getenv("ATTNC_TEST_CASE");
  return only && std::strtol(only, nullptr, 10) != round;
}

template <typename T, size_t N>
T pick(Random &random, const T (&values)[N]) {
  return values[random.below(N)];
}

/// One of an enumeration that ends with Count.
template <typename E>
E pick(Random &random) {
  return static_cast<E>(random.below(static_cast<int64_t>(E::Count)));
}

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_ROUNDS_H
