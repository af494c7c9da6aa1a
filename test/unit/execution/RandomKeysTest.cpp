// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pseudo-random keys of compiled kernels, walked and tested, are those that
// the documented generator gives.

#include "Harness.h"
#include "gtest/gtest.h"

#include <set>

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr int64_t kBatch = 2, kHeads = 3, kQueries = 33, kKeys = 48;

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::set<int64_t> keysOf(int64_t seed, int64_t count, int64_t head, int64_t i,
                         int64_t begin, int64_t end) {
  std::set<int64_t> keys;
  for (int64_t t = 0; t < count && begin < end; ++t) {
    uint64_t hash = mix(mix(mix(mix(seed) ^ head) ^ i) ^ t);
    keys.insert(begin + static_cast<int64_t>(hash % uint64_t(end - begin)));
  }
  return keys;
}

/// Scores of 0 over values that are rows of the unit matrix: a result's row
/// shows which keys were kept, each with the same weight.
Problem unitProblem(const std::string &mask, int64_t length, int64_t start) {
  Problem problem;
  std::string q = "tensor<2x3x33x4xf32>", k = "tensor<2x1x48x4xf32>",
              v = "tensor<2x1x48x48xf32>", o = "tensor<2x3x33x48xf32>";
  problem.text = "func.func @spec(%q: " + q + ", %k: " + k + ", %v: " + v +
                 ", %len: tensor<i64>, %start: tensor<i64>) -> " + o +
                 " {\n  %o = attn.attention %q, %k, %v lengths(%len) "
                 "k_start(%start) mask = #attn.pairs<" +
                 mask + ">\n      : " + q + ", " + k + ", " + v +
                 ", tensor<i64>, tensor<i64> -> " + o + "\n  return %o : " + o +
                 "\n}\n";
  auto add = [&](const char *name, std::vector<int64_t> shape) -> TensorSpec & {
    problem.inputs.push_back(
        {name, ATTNC_DTYPE_F32, std::move(shape), {}, {}, -1});
    TensorSpec &spec = problem.inputs.back();
    spec.values.assign(spec.size(), 0.0);
    return spec;
  };
  add("q", {kBatch, kHeads, kQueries, 4});
  add("k", {kBatch, 1, kKeys, 4});
  TensorSpec &values = add("v", {kBatch, 1, kKeys, kKeys});
  for (int64_t x = 0; x < values.size(); ++x)
    values.values[x] = x / kKeys % kKeys == x % kKeys;
  for (auto [name, value] : {std::pair("len", length), {"start", start}}) {
    TensorSpec &spec = add(name, {});
    spec.dtype = ATTNC_DTYPE_I64;
    spec.values = {static_cast<double>(value)};
  }
  problem.outputs.push_back(
      {"o", ATTNC_DTYPE_F32, {kBatch, kHeads, kQueries, kKeys}, {}, {}, -1});
  problem.largestValue = 1;
  return problem;
}
} // namespace

TEST(RandomKeys, KernelsTakeThoseOfTheGenerator) {
  Engine engine;
  for (const char *micro : {"block", "row"})
    for (bool isComplement : {false, true})
      for (auto [count, seed] : {std::pair(1, 0), {5, 7}, {40, 123456789}})
        for (auto [length, start] :
             {std::pair(48, 0), {48, 1000}, {31, -20}, {1, 3}, {0, 0}}) {
          std::string mask = (isComplement ? "!random<" : "random<") +
                             std::to_string(count) +
                             ", seed = " + std::to_string(seed) + ">";
          Problem problem = unitProblem(mask, length, start);
          SCOPED_TRACE(problem.text + micro);
          Kernel kernel = engine.jit(problem, {micro, "auto"});
          ASSERT_TRUE(kernel) << engine.takeDiagnostics();
          RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
          ASSERT_TRUE(result.ok()) << result.message();
          int64_t end = start + length;
          for (int64_t row = 0; row < kBatch * kHeads * kQueries; ++row) {
            // The last query sits on the last key.
            int64_t i = end - kQueries + row % kQueries;
            std::set<int64_t> drawn =
                keysOf(seed, count, row / kQueries % kHeads, i, start, end);
            int64_t kept = isComplement ? length - int64_t(drawn.size())
                                        : int64_t(drawn.size());
            for (int64_t c = 0; c < kKeys; ++c) {
              bool isKept =
                  c < length && (drawn.count(start + c) != 0) != isComplement;
              ASSERT_NEAR(result.outputs[0][row * kKeys + c],
                          isKept ? 1.0 / static_cast<double>(kept) : 0.0, 1e-6)
                  << "row " << row << ", key row " << c;
            }
          }
        }
}
