// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A viewed attention as JavaScript: its plan as functions, its operands as
// data. See plan.js for what reads it.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_PLANSCRIPT_H
#define ATTNC_TOOLS_ATTNC_VIEW_PLANSCRIPT_H

#include "tools/attnc/view/View.h"

namespace attnc {

/// Data that one page may carry, before base64.
inline constexpr int64_t kPageDataLimit = int64_t(16) << 20;

/// A JavaScript object literal. Operands are embedded while `budget` (bytes)
/// lasts; an atom whose operands are not there has no set. An error has been
/// printed: an operand that the bounds need is too large.
mlir::FailureOr<std::string> planScript(ViewedAttention &attention,
                                        int64_t &budget);

/// A string literal that may stand inside a script element.
std::string scriptString(llvm::StringRef text);

/// `expr` with names for dims and symbols.
std::string affineScript(mlir::AffineExpr expr,
                         llvm::ArrayRef<std::string> dims,
                         llvm::function_ref<std::string(unsigned)> symbol);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_PLANSCRIPT_H
