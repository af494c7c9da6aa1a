// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What one execution test runs: the spec's text and the tensors it takes and
// gives, with their values and their places in memory.

#ifndef ATTNC_TEST_UNIT_EXECUTION_PROBLEM_H
#define ATTNC_TEST_UNIT_EXECUTION_PROBLEM_H

#include "attnc/kernel_abi.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attnc::test {

struct TensorSpec {
  std::string name;
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  std::vector<int64_t> shape;
  /// In elements; none means dense.
  std::vector<int64_t> strides;
  /// Row-major, rounded to the type where they are used. Inputs only.
  std::vector<double> values;
  /// The number of an input in whose memory this one lies; -1 for its own.
  int aliasOf = -1;
  /// Of an output: the number of the input that is updated to give it; the
  /// kernel has one argument for both.
  int updates = -1;

  int64_t size() const {
    int64_t count = 1;
    for (int64_t d : shape)
      count *= d;
    return count;
  }
};

struct Problem {
  std::string text;
  std::vector<TensorSpec> inputs, outputs;
  /// Largest finite |v|: what the error promise measures in.
  double largestValue = 0;
  /// The element type of q, k and v where they meet.
  attnc_dtype operand = ATTNC_DTYPE_F32;
  /// What naive evaluations of this kind of problem are off by, for each
  /// result, where this problem's own does not tell.
  std::vector<double> naiveErrors;

  TensorSpec &input(const std::string &name) {
    for (TensorSpec &tensor : inputs)
      if (tensor.name == name)
        return tensor;
    return inputs.front();
  }
};

/// SplitMix64: the same values on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// In [0, bound).
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(next() % static_cast<uint64_t>(bound));
  }
  /// In [-limit, limit).
  double uniform(double limit) {
    return (static_cast<double>(next() >> 11) * 0x1p-52 - 1.0) * limit;
  }

private:
  uint64_t state;
};

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_PROBLEM_H
