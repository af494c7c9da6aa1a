// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accumulators on one query row.

#include "dialect/reference/RowFold.h"
#include <array>
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

constexpr double kInf = std::numeric_limits<double>::infinity();

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

double FoldMath::dot(const Scalar *x, const Scalar *y, int64_t size) const {
  double sum = 0;
  if (!rounds) {
    for (int64_t e = 0; e < size; ++e)
      sum += x[e].f * y[e].f;
    return sum;
  }
  for (int64_t e = 0; e < size; ++e)
    sum = toSum(sum + toSum(x[e].f * y[e].f));
  return toOperand(sum);
}

double FoldMath::sumOfProducts(const double *x, const double *y,
                               int64_t size) const {
  double sum = 0;
  for (int64_t e = 0; e < size; ++e)
    sum = toSum(sum + toSum(x[e] * y[e]));
  return sum;
}

double FoldMath::feature(Feature feature, double x) const {
  switch (feature) {
  case Feature::Identity:
    return x;
  case Feature::Elu1:
    return toOperand(x > 0 ? x + 1 : std::exp(x)); // exp keeps NaN
  case Feature::Relu:
    return x < 0 ? 0 : x;
  case Feature::Exp:
    return toOperand(std::exp(x));
  }
  llvm_unreachable("every feature map is handled");
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

static RowWeights softmaxWeights(const FoldMath &math, ArrayRef<double> scores,
                                 std::optional<double> sink) {
  RowWeights row;
  row.weights.assign(scores.size(), 0.0);
  double largest = -kInf;
  for (double s : scores) // a NaN, once there, stays
    largest = std::isnan(s) || s > largest ? s : largest;
  if (scores.empty() || largest == -kInf)
    return row;
  if (sink && !(*sink <= largest))
    largest = *sink;
  double sum = 0;
  auto exponential = [&](double s) {
    double e = math.toOperand(std::exp(math.toOperand(s - largest)));
    sum = math.toSum(sum + e);
    return e;
  };
  for (auto [weight, s] : llvm::zip(row.weights, scores))
    weight = exponential(s);
  if (sink)
    exponential(*sink);
  double total = math.toOperand(sum);
  for (double &weight : row.weights)
    weight = math.toOperand(weight / total);
  row.lse = math.toSum(largest + math.toSum(std::log(sum)));
  return row;
}

RowWeights reference::computeWeights(Attribute kernel, const FoldMath &math,
                                     ArrayRef<double> scores,
                                     std::optional<double> sink) {
  if (isa<SoftmaxAttr>(kernel))
    return softmaxWeights(math, scores, sink);
  RowWeights row;
  row.weights.assign(scores.begin(), scores.end());
  if (auto sigmoid = dyn_cast<SigmoidAttr>(kernel)) {
    double bias =
        sigmoid.getBias() ? sigmoid.getBias().getValueAsDouble() : 0.0;
    for (double &w : row.weights)
      w = math.toOperand(1 / (1 + std::exp(-math.toOperand(w + bias))));
  } else if (isa<ReluAttr>(kernel)) {
    for (double &w : row.weights)
      w = w < 0 ? 0 : w; // keeps NaN
  }
  return row;
}

void reference::combineValues(const FoldMath &math, ArrayRef<double> weights,
                              function_ref<const Scalar *(size_t)> value,
                              MutableArrayRef<double> out) {
  std::fill(out.begin(), out.end(), 0.0);
  for (auto [k, weight] : llvm::enumerate(weights)) {
    const Scalar *row = value(k);
    if (!math.rounds) {
      for (size_t e = 0; e < out.size(); ++e)
        out[e] += weight * row[e].f;
      continue;
    }
    for (size_t e = 0; e < out.size(); ++e)
      out[e] = math.toSum(out[e] + math.toSum(weight * row[e].f));
  }
  for (double &x : out)
    x = math.toOperand(x);
}

std::array<double, 5> reference::computeStatistics(const FoldMath &math,
                                                   ArrayRef<double> probs,
                                                   ArrayRef<int64_t> keyRows,
                                                   int64_t i, int64_t kBegin) {
  std::array<double, 5> result = {};
  auto add = [&](double &to, double x) { to = math.toSum(to + math.toSum(x)); };
  for (auto [p, c] : llvm::zip_equal(probs, keyRows)) {
    double distance =
        std::abs(static_cast<double>(i) - (static_cast<double>(kBegin) + c));
    if (p != 0)
      add(result[0], -p * std::log(p));
    result[1] = p <= result[1] ? result[1] : p;
    add(result[2], p * distance);
    if (kBegin + c == i - 1)
      result[3] = p;
    if (c == 0)
      result[4] = p;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Linear attention
//===----------------------------------------------------------------------===//

void LinearRow::run(size_t keys, MutableArrayRef<double> out) {
  SmallVector<double> e(query);
  int64_t d = e.size();
  double denominator = 0;
  auto add = [&](double weight, const Scalar *row) {
    for (size_t x = 0; x < out.size(); ++x)
      out[x] = math.toSum(out[x] + math.toSum(weight * row[x].f));
  };
  std::fill(out.begin(), out.end(), 0.0);
  for (size_t k = keys; k-- > 0;) {
    double weight = math.sumOfProducts(e.data(), key(k), d);
    add(weight, value(k));
    denominator = math.toSum(denominator + weight);
    if (decay)
      for (int64_t x = 0; x < d; ++x)
        e[x] = math.toSum(e[x] * decay(k, x));
  }
  if (state && keys > 0)
    for (int64_t x = 0; x < d; ++x)
      add(e[x], state + x * out.size());
  bool divides = kernel.getNorm() == Norm::Sum && keys > 0;
  for (double &x : out)
    x = divides
            ? math.toOperand(math.toOperand(x) / math.toOperand(denominator))
            : math.toOperand(x);
}
