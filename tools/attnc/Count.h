// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --count: how many pairs a kernel really computes.

#ifndef ATTNC_TOOLS_ATTNC_COUNT_H
#define ATTNC_TOOLS_ATTNC_COUNT_H

#include "tools/attnc/Engine.h"

namespace attnc {

/// Compiles the spec once more, so that its launches count the keys of each
/// query row they compute scores of, runs it on `inputs` and prints the sum
/// beside the kept pairs. `outputs` have the spec's shapes. An exit code.
int countComputedPairs(Spec &spec, const SpecOptions &options,
                       const std::vector<Tensor> &inputs,
                       const std::vector<Tensor> &outputs, unsigned threads,
                       llvm::raw_ostream &os);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_COUNT_H
