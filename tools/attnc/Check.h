// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run --check: how far results are from fp64, and whether that keeps the
// promise.

#ifndef ATTNC_TOOLS_ATTNC_CHECK_H
#define ATTNC_TOOLS_ATTNC_CHECK_H

#include "tools/attnc/Spec.h"
#include "tools/support/Tensor.h"
#include "llvm/Support/raw_ostream.h"

namespace attnc {

/// Compares, prints a table to `os`, and returns an exit code.
int checkResults(Spec &spec, const std::vector<Tensor> &inputs,
                 const std::vector<Tensor> &outputs, llvm::raw_ostream &os);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_CHECK_H
