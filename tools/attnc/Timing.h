// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --timing: how fast a kernel is, and how far from the machine's
// limit.

#ifndef ATTNC_TOOLS_ATTNC_TIMING_H
#define ATTNC_TOOLS_ATTNC_TIMING_H

#include "tools/attnc/CompileReport.h"
#include "tools/attnc/Kernel.h"
#include "tools/attnc/Options.h"
#include "tools/attnc/Report.h"
#include "tools/attnc/Spec.h"
#include "tools/support/Tensor.h"
#include "llvm/Support/raw_ostream.h"

namespace attnc {

/// Work of a spec on given inputs, counted over the pairs that it keeps.
struct PairWork {
  int64_t pairs = 0;
  int64_t allPairs = 0;
  bool exact = true;
  /// 2 d + 2 dv a kept pair.
  double flops = 0;
};
/// Nothing where counting fails; that has been reported.
std::optional<PairWork> countWork(Spec &spec,
                                  const std::vector<Tensor> &inputs);

struct Timing {
  double first = 0, best = 0, median = 0; ///< seconds
  unsigned runs = 0, threads = 0;
  std::optional<int64_t> extraBytes; ///< at the peak of the first run
  bool extraIsExact = true;
  CompileReport compile;
};

/// The first run, its memory, and if `options` ask for it many more runs.
llvm::Expected<Timing> timeKernel(const Kernel &kernel,
                                  const Signature &signature,
                                  const std::vector<Tensor> &inputs,
                                  std::vector<Tensor> &outputs,
                                  const RunOptions &options);

/// Prints what was measured; `work` may be null where no spec tells it.
void printTiming(const Timing &timing, const PairWork *work, bool isDouble,
                 TimingFormat format, llvm::raw_ostream &os);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_TIMING_H
