// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parser of the pair-set text. MLIR's lexer knows no `&`, so the text inside
// `#attn.pairs<...>` is read here, straight from the source buffer, with
// locations that point into it.

#ifndef ATTN_DIALECT_PAIRSSYNTAX_H
#define ATTN_DIALECT_PAIRSSYNTAX_H

#include "dialect/Attn.h"
#include "llvm/Support/SMLoc.h"

namespace mlir::attn {

/// An operand written by name, `%len` or `%0#1`, in order of first mention.
struct NamedSetOperand {
  llvm::StringRef name; // with the %
  unsigned number;      // after #
  llvm::SMLoc loc;
};

struct ParsedPairs {
  PairsAttr set;
  llvm::SmallVector<NamedSetOperand> operands;
  const char *end = nullptr; // the closing `>` or the end of the text
};

/// Parses the expression at the begin of `text`, up to an unbalanced `>` or
/// the end. Errors go to `emitError` with a location inside `text`.
FailureOr<ParsedPairs>
parsePairs(MLIRContext *context, llvm::StringRef text,
           llvm::function_ref<InFlightDiagnostic(llvm::SMLoc)> emitError);

} // namespace mlir::attn

#endif // ATTN_DIALECT_PAIRSSYNTAX_H
