// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The error promise of the design, section 8:
//
//   f32, f64      error <= 2 e0 + 4 ulp of the largest |v|
//   16-bit        error <= 1.1 e0 + one rounding of the largest |result|
//
// e0 is the error of the naive evaluation at the operands' precision. For f64
// that evaluation is the reference itself: there the problem says what to
// expect, from the same problem in f32, and the reference is allowed it too.

#include "Case.h"
#include "Harness.h"

#include <algorithm>
#include <cstring>
#include <limits>

using namespace attnc::test;

/// The distance of neighbouring numbers of a type around a magnitude.
static double ulpOf(attnc_dtype dtype, double magnitude) {
  int digits = 53;
  if (dtype == ATTNC_DTYPE_F32)
    digits = 24;
  else if (dtype == ATTNC_DTYPE_F16)
    digits = 11;
  else if (dtype == ATTNC_DTYPE_BF16)
    digits = 8;
  int exponent = magnitude > 0 ? std::ilogb(magnitude) : -20;
  if (dtype == ATTNC_DTYPE_F16)
    exponent = std::max(exponent, -14);
  return std::ldexp(1.0, exponent - digits + 1);
}

static bool isHalf(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_F16 || dtype == ATTNC_DTYPE_BF16;
}

/// NaN meets NaN and infinities their like; anything else that is not finite is
/// infinitely wrong.
static double difference(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b)))
    return 0;
  double d = std::abs(a - b);
  return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

static double boundOf(const Problem &problem, const TensorSpec &output,
                      double naive, double largest) {
  attnc_dtype type = problem.operand;
  double bound;
  if (isHalf(type)) {
    bound = 1.1 * naive + 0.5 * ulpOf(type, largest);
  } else {
    double scale = std::max(problem.largestValue, largest);
    bound = (type == ATTNC_DTYPE_F64 ? 3 : 2) * naive + 4 * ulpOf(type, scale);
  }
  // A log-sum-exp of f64 scores is an f32 maximum plus an f32 logarithm.
  if (attnc_dtype_size(output.dtype) < attnc_dtype_size(type))
    bound += 2 * ulpOf(output.dtype, std::max(largest, 1.0));
  return bound;
}

double attnc::test::largestError(const std::vector<double> &a,
                                 const std::vector<double> &b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    double d = difference(a[i], b[i]);
    largest = std::isfinite(d) ? std::max(largest, d) : largest;
  }
  return largest;
}

/// Raises `problem`'s naive errors to those of `other`, times `factor`.
static bool raiseNaiveErrors(Engine &engine, Problem &problem,
                             const Problem &other, double factor) {
  auto exact = engine.evaluate(other, true);
  auto naive = engine.evaluate(other, false);
  if (!exact || !naive)
    return false;
  problem.naiveErrors.resize(exact->size());
  for (size_t r = 0; r < exact->size(); ++r)
    problem.naiveErrors[r] =
        std::max(problem.naiveErrors[r],
                 factor * largestError((*exact)[r], (*naive)[r]));
  return true;
}

bool attnc::test::expectNaiveError(Engine &engine, Problem &problem, Case c,
                                   uint64_t seed) {
  if (c.dtype != ATTNC_DTYPE_F64)
    return true;
  c.dtype = ATTNC_DTYPE_F32;
  c.epilogue = Epilogue::None; // its cast would round more
  if (c.producer == Producer::Cast)
    c.producer = Producer::None;
  return raiseNaiveErrors(engine, problem, makeProblem(c, seed), 0x1p-29);
}

bool attnc::test::sampleNaiveError(Engine &engine, Problem &problem,
                                   const Case &c, uint64_t seed) {
  for (uint64_t sample = 1; sample <= 4; ++sample) {
    Problem other = makeProblem(c, seed + (sample << 40));
    if (!raiseNaiveErrors(engine, problem, other, 1) ||
        !expectNaiveError(engine, problem, c, seed + (sample << 40)))
      return false;
  }
  return true;
}

Comparison attnc::test::compare(const Problem &problem, const Values &results,
                                const Values &exact, const Values &naive) {
  Comparison worst;
  for (size_t r = 0; r < results.size(); ++r) {
    double e0 = largestError(naive[r], exact[r]), largest = 0;
    if (!problem.naiveErrors.empty())
      e0 = std::max(e0, problem.naiveErrors[r]);
    for (double x : exact[r])
      largest = std::isfinite(x) ? std::max(largest, std::abs(x)) : largest;
    double bound = boundOf(problem, problem.outputs[r], e0, largest);
    for (size_t i = 0; i < exact[r].size(); ++i) {
      double error = difference(results[r][i], exact[r][i]);
      if (error / bound > worst.error / (worst.bound ? worst.bound : 1)) {
        worst.error = error;
        worst.bound = bound;
      }
      if (!(error <= bound) && worst.failure.empty()) {
        std::string at;
        int64_t rest = static_cast<int64_t>(i);
        const std::vector<int64_t> &shape = problem.outputs[r].shape;
        for (size_t d = shape.size(); d-- > 0; rest /= shape[d])
          at = std::to_string(rest % shape[d]) + (at.empty() ? "" : ", ") + at;
        char text[256];
        std::snprintf(text, sizeof text,
                      "result %zu[%s] is %.9g, expected %.9g (naive %.9g): off "
                      "by %.3g, allowed %.3g",
                      r, at.c_str(), results[r][i], exact[r][i], naive[r][i],
                      error, bound);
        worst.failure = text;
      }
    }
  }
  return worst;
}

bool attnc::test::sameBits(const Values &a, const Values &b) {
  if (a.size() != b.size())
    return false;
  for (size_t r = 0; r < a.size(); ++r) {
    if (a[r].size() != b[r].size())
      return false;
    for (size_t i = 0; i < a[r].size(); ++i) {
      // A NaN's payload may be anything.
      bool nan = std::isnan(a[r][i]) && std::isnan(b[r][i]);
      if (!nan && std::memcmp(&a[r][i], &b[r][i], sizeof(double)) != 0)
        return false;
    }
  }
  return true;
}
