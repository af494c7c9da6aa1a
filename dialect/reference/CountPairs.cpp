// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counting and listing the pairs that an attention keeps.

#include "dialect/reference/AttentionBinding.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

namespace {
/// An interpreter that has computed what an attention's pairs depend on.
struct PairRun {
  std::unique_ptr<Interpreter> interpreter;
  std::unique_ptr<AttentionBinding> binding;
};
} // namespace

static FailureOr<PairRun> bindPairs(AttentionOp op, ArrayRef<HostTensor> args,
                                    const EvaluateOptions &options) {
  auto function = op->getParentOfType<func::FuncOp>();
  if (!function || op->getBlock() != &function.front() ||
      !function.getBody().hasOneBlock())
    return op.emitOpError("pairs are counted in the entry block of a function "
                          "only");
  PairRun run;
  run.interpreter = std::make_unique<Interpreter>(function, options);
  if (failed(run.interpreter->bindArguments(args)) ||
      failed(run.interpreter->evaluateSlice(
          AttentionBinding::getPairOperands(op))))
    return failure();
  FailureOr<std::unique_ptr<AttentionBinding>> binding =
      AttentionBinding::create(op, *run.interpreter, /*needsValues=*/false);
  if (failed(binding))
    return failure();
  run.binding = std::move(*binding);
  return run;
}

/// Kept keys of a row.
static FailureOr<int64_t> countRow(AttentionBinding &binding, int64_t row) {
  if (!binding.hasPlan()) {
    FailureOr<Intervals> kept = binding.keptIntervals(row);
    if (failed(kept))
      return failure();
    return countPositions(*kept);
  }
  KeyRows keys;
  if (failed(binding.keptKeys(row, keys)))
    return failure();
  binding.getContext().tests += binding.getSizes().m;
  return keys.size();
}

namespace {
/// Counts one (batch, head) after the other within a budget of tests.
class PairCounter {
public:
  PairCounter(AttentionBinding &binding, int64_t groups, int64_t maxTests)
      : binding(binding), groups(groups), maxTests(maxTests) {}

  /// Pairs of the binding's current batch and head. The first rows tell what a
  /// row costs; if all rows cost too much, evenly spread ones are counted.
  FailureOr<int64_t> count(bool &exact) {
    int64_t n = binding.getQueryLength();
    int64_t &tests = binding.getContext().tests;
    int64_t probes = std::min<int64_t>(n, 16);
    tests = 0;
    for (int64_t p = 0; p < probes; ++p)
      if (failed(countRow(binding, p * n / probes)))
        return failure();
    double perRow = probes ? double(tests) / probes : 0;
    double budget = double(maxTests) / std::max<int64_t>(groups, 1);
    int64_t rows = n;
    if (perRow * n > budget) {
      exact = false;
      rows = std::max<int64_t>(static_cast<int64_t>(budget / perRow), probes);
    }
    int64_t pairs = 0;
    for (int64_t r = 0; r < rows; ++r) {
      // The middle of the r-th part of the rows; row r when all are counted.
      FailureOr<int64_t> kept =
          countRow(binding, rows == n ? r : (2 * r + 1) * n / (2 * rows));
      if (failed(kept))
        return failure();
      pairs += *kept;
    }
    if (rows == n)
      return pairs;
    return static_cast<int64_t>(double(pairs) / rows * n);
  }

private:
  AttentionBinding &binding;
  int64_t groups, maxTests;
};
} // namespace

FailureOr<PairCount> attnc::countKeptPairs(AttentionOp op,
                                           ArrayRef<HostTensor> args,
                                           const CountOptions &options) {
  FailureOr<PairRun> run = bindPairs(op, args, options.evaluate);
  if (failed(run))
    return failure();
  AttentionBinding &binding = *run->binding;
  const AttentionSizes &sizes = binding.getSizes();
  bool heads = dependsOnHead(op.getPairs(), binding.getContext());
  int64_t perBatch = heads ? sizes.heads : std::min<int64_t>(sizes.heads, 1);
  PairCounter counter(binding, sizes.batches * perBatch, options.maxTests);
  PairCount result;
  for (int64_t b = 0; b < sizes.batches; ++b)
    for (int64_t h = 0; h < perBatch; ++h) {
      binding.setBatchAndHead(b, h);
      FailureOr<int64_t> pairs = counter.count(result.exact);
      if (failed(pairs))
        return failure();
      result.pairs += *pairs * (heads ? 1 : sizes.heads);
    }
  result.allPairs = sizes.batches * sizes.heads * sizes.n * sizes.m;
  return result;
}

LogicalResult attnc::forEachKeptPair(
    AttentionOp op, ArrayRef<HostTensor> args,
    function_ref<void(int64_t, int64_t, int64_t, int64_t)> fn,
    const EvaluateOptions &options) {
  FailureOr<PairRun> run = bindPairs(op, args, options);
  if (failed(run))
    return failure();
  AttentionBinding &binding = *run->binding;
  const AttentionSizes &sizes = binding.getSizes();
  KeyRows keys;
  for (int64_t b = 0; b < sizes.batches; ++b)
    for (int64_t h = 0; h < sizes.heads; ++h) {
      binding.setBatchAndHead(b, h);
      for (int64_t a = 0; a < sizes.n; ++a) {
        if (failed(binding.keptKeys(a, keys)))
          return failure();
        for (int64_t c : keys)
          fn(b, h, a, c);
      }
    }
  return success();
}
