// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random specs of f16 and bf16 on tensor cores, in the PTX executor.

#ifndef ATTNC_TEST_UNIT_EXECUTION_TENSORCORES_H
#define ATTNC_TEST_UNIT_EXECUTION_TENSORCORES_H

#include "Case.h"
#include "Harness.h"

namespace attnc::test {

/// What rounds differ in. Sizes are drawn with equal chances.
struct TensorCoreRounds {
  int count;
  std::vector<int64_t> rows, headSizes;
  std::vector<std::string> targets, schedules;
  const char *micro;
  bool hasProducers; ///< and epilogues
};

/// Compiles, runs and compares each round, until one fails.
void checkTensorCores(const TensorCoreRounds &rounds);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_TENSORCORES_H
