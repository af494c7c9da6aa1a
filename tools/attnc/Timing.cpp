// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --timing.

#include "tools/attnc/Timing.h"
#include "attnc/runtime.h"
#include "mlir/IR/IRMapping.h"
#include "tools/attnc/Reference.h"
#include "tools/support/MachinePeak.h"
#include "tools/support/PeakMemory.h"
#include "tools/support/Terminal.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <chrono>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

/// A function that holds a copy of `op` alone, with head size 1 for q, k and v:
/// pairs do not depend on it, and counting must not cost memory that --timing
/// is about to report. `args` gets its arguments, from `inputs`. Null where an
/// operand is computed.
static func::FuncOp isolate(AttentionOp op, const std::vector<Tensor> &inputs,
                            ShapeSolver &sizes, ModuleOp into,
                            SmallVectorImpl<HostTensor> &args) {
  OpBuilder b(into.getBodyRegion());
  SmallVector<Type> types;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (operand.getOperandNumber() < 3) {
      SmallVector<int64_t> shape;
      for (int64_t d = 0; d < type.getRank() - 1; ++d)
        shape.push_back(sizes.getSize(value, d).value_or(0));
      shape.push_back(1);
      types.push_back(RankedTensorType::get(shape, type.getElementType()));
      args.push_back(HostTensor(type.getElementType(), shape));
      continue;
    }
    auto argument = dyn_cast<BlockArgument>(value);
    if (!argument)
      return {};
    types.push_back(value.getType());
    args.push_back(
        toHostTensor(value.getType(), inputs[argument.getArgNumber()]));
  }
  auto function = func::FuncOp::create(b, op.getLoc(), "pairs",
                                       b.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  IRMapping mapping;
  mapping.map(op->getOperands(), entry->getArguments());
  b.setInsertionPointToStart(entry);
  b.clone(*op, mapping);
  func::ReturnOp::create(b, op.getLoc());
  return function;
}

static FailureOr<PairCount> countPairs(Spec &spec, AttentionOp op,
                                       const std::vector<Tensor> &inputs,
                                       ShapeSolver &sizes) {
  OwningOpRef<ModuleOp> scratch = ModuleOp::create(op.getLoc());
  SmallVector<HostTensor> args;
  if (func::FuncOp alone = isolate(op, inputs, sizes, *scratch, args))
    return countKeptPairs(*alone.getOps<AttentionOp>().begin(), args);
  args.clear();
  for (auto [argument, tensor] :
       llvm::zip(spec.getFunction().getArguments(), inputs))
    args.push_back(toHostTensor(argument.getType(), tensor));
  return countKeptPairs(op, args);
}

std::optional<PairWork> attnc::countWork(Spec &spec,
                                         const std::vector<Tensor> &inputs) {
  SmallVector<AttentionOp> ops;
  spec.getFunction().walk([&](AttentionOp op) { ops.push_back(op); });
  if (ops.empty())
    return std::nullopt;
  ShapeSolver sizes(spec.getFunction());
  for (auto [argument, tensor] :
       llvm::zip(spec.getFunction().getArguments(), inputs))
    sizes.bindChecked(argument, tensor.shape);
  PairWork work;
  for (AttentionOp op : ops) {
    FailureOr<PairCount> count = countPairs(spec, op, inputs, sizes);
    if (failed(count))
      return std::nullopt;
    work.pairs += count->pairs;
    work.allPairs += count->allPairs;
    work.exact &= count->exact;
    work.flops += 2.0 * count->pairs * (op.getHeadDim() + op.getValueDim());
  }
  return work;
}

//===----------------------------------------------------------------------===//
// Measurement
//===----------------------------------------------------------------------===//

llvm::Expected<Timing> attnc::timeKernel(const Kernel &kernel,
                                         const Signature &signature,
                                         const std::vector<Tensor> &inputs,
                                         std::vector<Tensor> &outputs,
                                         const RunOptions &options) {
  Timing timing;
  timing.threads = options.threads ? options.threads : attnc_default_threads();
  llvm::Error error = llvm::Error::success();
  auto launch = [&]() -> double {
    llvm::Expected<double> seconds =
        kernel.launch(signature, inputs, outputs, options.threads);
    if (seconds)
      return *seconds;
    error = llvm::joinErrors(std::move(error), seconds.takeError());
    return 0;
  };
  PeakMemory memory;
  timing.first = launch();
  if (error)
    return std::move(error);
  timing.extraBytes = memory.getExtraBytes();
  timing.extraIsExact = memory.isExact();
  timing.best = timing.median = timing.first;
  timing.runs = 1;
  if (options.timing == TimingFormat::None && options.repeat == 0)
    return timing;

  // About a second, at least 3 runs and at most 1000. The first run, which
  // faults pages in, does not count unless it is the only one.
  unsigned runs = options.repeat;
  if (runs == 0)
    runs = static_cast<unsigned>(
        std::clamp(1.0 / std::max(timing.first, 1e-9), 3.0, 1000.0));
  if (options.repeat == 0 && timing.first > 5)
    return timing;
  std::vector<double> times;
  Progress progress("timing");
  for (unsigned run = 0; run < runs; ++run) {
    times.push_back(launch());
    if (error)
      return std::move(error);
    progress.update(run + 1, runs);
  }
  llvm::sort(times);
  timing.best = times.front();
  timing.median = times[times.size() / 2];
  timing.runs = runs;
  return timing;
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static void printJson(const Timing &timing, const PairWork *work,
                      const MachinePeak &peak, llvm::raw_ostream &os) {
  llvm::json::Object object{{"seconds", timing.best},
                            {"median_seconds", timing.median},
                            {"first_seconds", timing.first},
                            {"runs", static_cast<int64_t>(timing.runs)},
                            {"threads", static_cast<int64_t>(timing.threads)},
                            {"fma_peak_flops", peak.flops},
                            {"fma_peak_vectors", peak.vectors},
                            {"fma_peak_type", peak.type}};
  if (timing.extraBytes) {
    object["peak_extra_bytes"] = *timing.extraBytes;
    object["peak_extra_is_exact"] = timing.extraIsExact;
  }
  if (work) {
    object["kept_pairs"] = work->pairs;
    object["all_pairs"] = work->allPairs;
    object["pairs_are_exact"] = work->exact;
    object["flops"] = work->flops;
    object["flops_per_second"] = work->flops / timing.best;
    object["share_of_fma_peak"] = work->flops / timing.best / peak.flops;
  }
  timing.compile.addTo(object);
  os << llvm::json::Value(std::move(object)) << '\n';
}

static void printText(const Timing &timing, const PairWork *work,
                      const MachinePeak &peak, llvm::raw_ostream &os) {
  os << "time     best " << durationText(timing.best) << ", median "
     << durationText(timing.median) << " of " << timing.runs
     << (timing.runs == 1 ? " run, " : " runs, ") << timing.threads
     << (timing.threads == 1 ? " thread\n" : " threads\n");
  if (work && work->allPairs > 0) {
    double rate = work->flops / timing.best;
    os << "pairs    " << (work->exact ? "" : "about ") << countText(work->pairs)
       << " kept of " << countText(work->allPairs)
       << llvm::format(" (%.1f%%)\n", 100.0 * work->pairs / work->allPairs)
       << llvm::format(
              "speed    %.1f GFLOP/s at kept pairs: %.1f%% of the %s FMA "
              "peak,\n         %.1f GFLOP/s measured here (%s)\n",
              rate / 1e9, 100 * rate / peak.flops, peak.type, peak.flops / 1e9,
              peak.vectors);
  }
  if (timing.extraBytes)
    os << "memory   " << (timing.extraIsExact ? "" : "at most ")
       << bytesText(*timing.extraBytes)
       << " at the peak, over inputs and outputs\n";
  if (!timing.compile.empty())
    timing.compile.print(os);
}

void attnc::printTiming(const Timing &timing, const PairWork *work,
                        bool isDouble, TimingFormat format,
                        llvm::raw_ostream &os) {
  MachinePeak peak = measureFmaPeak(isDouble, timing.threads);
  if (format == TimingFormat::Json)
    printJson(timing, work, peak, os);
  else
    printText(timing, work, peak, os);
}
