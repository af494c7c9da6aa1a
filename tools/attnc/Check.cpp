// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --check. The promise, for each result, with e the error against an
// fp64 evaluation and e0 that of a naive evaluation at the operands' precision:
//
//   f32 and wider operands   e <= 2 e0 + 4 ulp of the largest |v|
//   16-bit operands          e <= 1.1 e0 + 1 ulp of the largest |result|
//
// where for f64, whose naive evaluation is the reference itself, e0 is taken as
// sqrt(keys) / 2 ulp: the rounding errors that any sum of that length has.

#include "tools/attnc/Check.h"
#include "tools/attnc/Options.h"
#include "tools/attnc/Reference.h"
#include "tools/support/Terminal.h"
#include "llvm/Support/Format.h"

#include <cmath>
#include <limits>

using namespace attnc;
using namespace mlir;

/// Multiply-adds of a whole evaluation that nobody minds waiting for.
static constexpr double wholeBudget = 1.5e9;
/// What would take hours.
static constexpr double hopelessCost = 1e12;
/// Blocks of rows that are evaluated where the whole is too much.
static constexpr int64_t sampledBlocks = 8;

namespace {

/// Errors of one result, over all rows or the sampled ones.
struct Comparison {
  double error = 0;      // largest |result - exact|
  double naive = 0;      // largest |naive - exact|
  double largest = 0;    // largest finite |exact|
  double sparsity = 0;   // largest |without sparsity - exact|
  double sparsityL2 = 0; // squared sums for the relative error
  double exactL2 = 0;
};

class Checker {
public:
  Checker(Spec &spec, const std::vector<Tensor> &inputs,
          const std::vector<Tensor> &outputs)
      : spec(spec), inputs(inputs), outputs(outputs), reference(spec, inputs),
        comparisons(outputs.size()) {}

  LogicalResult run();
  int print(llvm::raw_ostream &os);

private:
  void chooseBlocks();
  LogicalResult compareBlock(RowBlock block);
  void compare(size_t number, const HostTensor &exact, const HostTensor &naive,
               const HostTensor *dense, RowBlock block);
  double bound(size_t number);
  bool isHalf();

  Spec &spec;
  const std::vector<Tensor> &inputs;
  const std::vector<Tensor> &outputs;
  Reference reference;
  std::vector<Comparison> comparisons;
  std::vector<RowBlock> blocks;
  int64_t sampledRows = 0;
  double largestValue = 0;
};

} // namespace

/// Difference where NaN meets NaN and infinities meet their like; anything else
/// that is not finite is infinitely wrong.
static double difference(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b)))
    return 0;
  double d = std::abs(a - b);
  return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

/// The distance of neighbouring numbers of a type around a magnitude.
static double ulpOf(attnc_dtype dtype, double magnitude) {
  int digits = 53, smallest = -1074;
  if (dtype == ATTNC_DTYPE_F32)
    digits = 24, smallest = -149;
  else if (dtype == ATTNC_DTYPE_F16)
    digits = 11, smallest = -24;
  else if (dtype == ATTNC_DTYPE_BF16)
    digits = 8, smallest = -133;
  if (magnitude <= 0 || !std::isfinite(magnitude))
    return std::ldexp(1.0, smallest);
  return std::ldexp(1.0,
                    std::max(std::ilogb(magnitude) - digits + 1, smallest));
}

void Checker::chooseBlocks() {
  int64_t rows = reference.getRows();
  if (reference.getCost() <= wholeBudget ||
      !reference.whyNotSampled().empty()) {
    blocks = {RowBlock{}};
    return;
  }
  double share = wholeBudget / reference.getCost();
  int64_t count =
      std::max<int64_t>(1, static_cast<int64_t>(share * rows / sampledBlocks));
  count = std::min<int64_t>(count, 64);
  // From the first row to the last, where masks have their corners.
  for (int64_t i = 0; i < sampledBlocks; ++i)
    blocks.push_back({(rows - count) * i / (sampledBlocks - 1), count});
  sampledRows = count * sampledBlocks;
}

LogicalResult Checker::run() {
  chooseBlocks();
  if (sampledRows == 0 && reference.getCost() > hopelessCost) {
    printError("--check would take too long at these sizes, and rows cannot be "
               "sampled: " +
               reference.whyNotSampled());
    return failure();
  }
  Progress progress("checking");
  for (auto [number, block] : llvm::enumerate(blocks)) {
    if (failed(compareBlock(block)))
      return failure();
    progress.update(number + 1, blocks.size());
  }
  return success();
}

LogicalResult Checker::compareBlock(RowBlock block) {
  FailureOr<ReferenceValues> exact =
      reference.evaluate({Precision::Exact, false}, block);
  if (failed(exact))
    return failure();
  FailureOr<ReferenceValues> naive =
      reference.evaluate({Precision::Operand, false}, block);
  if (failed(naive))
    return failure();
  std::optional<ReferenceValues> dense;
  if (reference.hasSparsity()) {
    FailureOr<ReferenceValues> values =
        reference.evaluate({Precision::Exact, true}, block);
    if (failed(values))
      return failure();
    dense = std::move(*values);
  }
  largestValue = std::max(largestValue, exact->largestValue);
  for (size_t number = 0; number < outputs.size(); ++number)
    compare(number, exact->results[number], naive->results[number],
            dense ? &dense->results[number] : nullptr, block);
  return success();
}

void Checker::compare(size_t number, const HostTensor &exact,
                      const HostTensor &naive, const HostTensor *dense,
                      RowBlock block) {
  const Tensor &output = outputs[number];
  Comparison &c = comparisons[number];
  std::vector<bool> rowDims = reference.getRowDims(number);
  SmallVector<int64_t> strides = rowMajorStrides(output.shape);
  ArrayRef<int64_t> shape = exact.getShape();
  SmallVector<int64_t> index(shape.size(), 0);
  auto value = [](const HostTensor &t, int64_t i) {
    return t.isFloat() ? t.getFloat(i) : static_cast<double>(t.getInt(i));
  };
  for (int64_t i = 0, e = exact.getNumElements(); i < e; ++i) {
    int64_t at = 0;
    for (auto [d, x] : llvm::enumerate(index))
      at += (x + (block.count && rowDims[d] ? block.begin : 0)) * strides[d];
    double truth = value(exact, i),
           error = difference(output.getNumber(at), truth);
    c.error = std::max(c.error, error);
    c.naive = std::max(c.naive, difference(value(naive, i), truth));
    if (std::isfinite(truth))
      c.largest = std::max(c.largest, std::abs(truth));
    if (dense) {
      double delta = difference(value(*dense, i), truth);
      c.sparsity = std::max(c.sparsity, delta);
      c.sparsityL2 += delta * delta;
      double whole = value(*dense, i);
      c.exactL2 += std::isfinite(whole) ? whole * whole : 0;
    }
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];)
      index[d] = 0;
  }
}

//===----------------------------------------------------------------------===//
// Verdict
//===----------------------------------------------------------------------===//

/// Whether attention works on 16-bit operands.
bool Checker::isHalf() {
  std::optional<bool> half;
  spec.getFunction().walk([&](attn::AttentionOp op) {
    half = half.value_or(false) ||
           op.getQueryType().getElementTypeBitWidth() == 16;
  });
  // Stage 4 has no attention any more.
  return half ? *half : llvm::any_of(inputs, [](const Tensor &input) {
    return input.dtype == ATTNC_DTYPE_F16 || input.dtype == ATTNC_DTYPE_BF16;
  });
}

double Checker::bound(size_t number) {
  const Comparison &c = comparisons[number];
  attnc_dtype dtype = outputs[number].dtype;
  if (!isFloat(dtype))
    return 0;
  if (isHalf())
    return 1.1 * c.naive + ulpOf(dtype, c.largest);
  double ulp = ulpOf(dtype, std::max(largestValue, c.largest));
  if (dtype == ATTNC_DTYPE_F64) {
    int64_t keys = 1;
    for (const Tensor &input : inputs)
      for (int64_t size : input.shape)
        keys = std::max(keys, size);
    return (std::sqrt(static_cast<double>(keys)) + 4) * ulp;
  }
  return 2 * c.naive + 4 * ulp;
}

int Checker::print(llvm::raw_ostream &os) {
  bool good = true;
  for (auto [number, argument] : llvm::enumerate(spec.getSignature().outputs)) {
    const Comparison &c = comparisons[number];
    double limit = bound(number);
    bool kept = c.error <= limit;
    good &= kept;
    os << "check " << argument.name << ": ";
    paint(os, kept ? llvm::raw_ostream::GREEN : llvm::raw_ostream::RED,
          kept ? "ok" : "FAILED");
    os << llvm::format("\n  error    %.2e against fp64, at most %.2e allowed "
                       "(%.2e of the largest |%s|)\n",
                       c.error, limit,
                       c.largest > 0 ? c.error / c.largest : 0.0,
                       argument.name.c_str());
    os << llvm::format("  naive    %.2e, evaluated in %s\n", c.naive,
                       isHalf() ? "16 bits, operation by operation"
                                : "sequence at the operands' precision");
    if (reference.hasSparsity())
      os << llvm::format(
          "  sparsity costs %.2e at most, %.2e in relative L2 norm\n",
          c.sparsity,
          c.exactL2 > 0 ? std::sqrt(c.sparsityL2 / c.exactL2) : 0.0);
  }
  if (sampledRows)
    os << "  on " << sampledRows << " of " << reference.getRows()
       << " query rows: all would take too long\n";
  return good ? ExitOk : ExitCheckFailed;
}

int attnc::checkResults(Spec &spec, const std::vector<Tensor> &inputs,
                        const std::vector<Tensor> &outputs,
                        llvm::raw_ostream &os) {
  Checker checker(spec, inputs, outputs);
  if (failed(checker.run()))
    return ExitError;
  return checker.print(os);
}
