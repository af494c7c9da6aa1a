// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values for arguments that nobody gave: random where any value will do, and
// sensible where an argument means something (lengths, page tables, offsets).

#ifndef ATTNC_TOOLS_ATTNC_FILL_H
#define ATTNC_TOOLS_ATTNC_FILL_H

#include "mlir/IR/Value.h"
#include "tools/attnc/Random.h"
#include "tools/attnc/ShapeSolver.h"
#include "tools/support/Tensor.h"

namespace attnc {

/// Fills `tensor`, the value of function argument `argument`. Returns what it
/// did in words, or an error where it cannot know what the argument means.
llvm::Expected<std::string> fillArgument(Tensor &tensor,
                                         mlir::BlockArgument argument,
                                         ShapeSolver &sizes,
                                         const Random &random);

/// The same where there is no spec to tell the meaning: floats only.
llvm::Expected<std::string> fillUnknown(Tensor &tensor, const Random &random);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_FILL_H
