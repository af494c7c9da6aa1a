// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --count.

#include "tools/attnc/Count.h"
#include "dialect/Attn.h"
#include "tools/attnc/Report.h"
#include "tools/attnc/ShapeSolver.h"
#include "llvm/Support/Format.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

/// [batch..., heads, n] of every attention; nothing, after an error, where they
/// differ or are not known.
static std::optional<std::vector<int64_t>>
rowsShape(Spec &spec, const std::vector<Tensor> &inputs) {
  ShapeSolver sizes(spec.getFunction());
  for (auto [argument, tensor] :
       llvm::zip(spec.getFunction().getArguments(), inputs))
    sizes.bindChecked(argument, tensor.shape);
  std::optional<std::vector<int64_t>> shape;
  WalkResult walk = spec.getFunction().walk([&](AttentionOp op) {
    std::vector<int64_t> own;
    for (int64_t d = 0, e = op.getQueryType().getRank() - 1; d < e; ++d) {
      std::optional<int64_t> size = sizes.getSize(op.getQuery(), d);
      if (!size)
        return WalkResult::interrupt();
      own.push_back(*size);
    }
    if (shape && *shape != own)
      return WalkResult::interrupt();
    shape = own;
    return WalkResult::advance();
  });
  if (walk.wasInterrupted() || !shape) {
    printError("--count: takes attentions whose queries have one known shape");
    return std::nullopt;
  }
  return shape;
}

int attnc::countComputedPairs(Spec &spec, const SpecOptions &options,
                              const std::vector<Tensor> &inputs,
                              const std::vector<Tensor> &outputs,
                              unsigned threads, llvm::raw_ostream &os) {
  std::optional<std::vector<int64_t>> shape = rowsShape(spec, inputs);
  if (!shape)
    return ExitError;
  SpecOptions counting = options;
  counting.countPairs = true;
  std::vector<Target> targets;
  if (int code = chooseTargets(counting, targets))
    return code;
  CompileReport report;
  FailureOr<Kernel> kernel =
      compileInProcess(spec, counting, targets.front(), report);
  if (failed(kernel))
    return ExitError;
  std::vector<Tensor> results;
  // The kernel's counts come behind the results that it writes anew.
  Signature signature = spec.getSignature();
  std::vector<Argument> written = kernel->getSignature().outputs;
  llvm::erase_if(written, [](const Argument &a) { return a.updates; });
  size_t counts = llvm::count_if(signature.outputs,
                                 [](const Argument &a) { return !a.updates; });
  signature.outputs.insert(signature.outputs.end(), written.begin() + counts,
                           written.end());
  for (auto [n, argument] : llvm::enumerate(signature.outputs)) {
    llvm::Expected<Tensor> tensor =
        argument.updates
            ? inputs[*argument.updates].copy()
            : Tensor::create(argument.dtype,
                             n < outputs.size() ? outputs[n].shape : *shape);
    if (!tensor) {
      printError(tensor.takeError());
      return ExitError;
    }
    results.push_back(std::move(*tensor));
  }
  if (auto seconds = kernel->launch(signature, inputs, results, threads);
      !seconds) {
    printError(seconds.takeError());
    return ExitError;
  }
  double computed = 0;
  for (const Tensor &counts : llvm::drop_begin(results, outputs.size()))
    for (int64_t i = 0, e = counts.getNumElements(); i < e; ++i)
      computed += counts.getNumber(i);
  os << llvm::format("count    %.0f pairs computed", computed);
  if (std::optional<PairWork> work = countWork(spec, inputs)) {
    os << ", " << work->pairs << " of them kept";
    if (work->pairs > 0)
      os << llvm::format(" (%.2f computed a kept one)",
                         computed / static_cast<double>(work->pairs));
  }
  os << '\n';
  return ExitOk;
}
