// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands of pair sets as data of a page.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_OPERANDSCRIPT_H
#define ATTNC_TOOLS_ATTNC_VIEW_OPERANDSCRIPT_H

#include "tools/attnc/view/View.h"

namespace attnc {

/// The operands that an attention's script reads, each embedded once.
class OperandScript {
public:
  OperandScript(ViewedAttention &attention, int64_t &budget)
      : attention(attention), budget(budget) {}

  /// The number by which the script reads a value, which is embedded now or was
  /// before; nothing when it does not fit the budget.
  std::optional<unsigned> embed(mlir::Value value);
  std::optional<unsigned> embedSetOperand(int64_t number) {
    return embed(attention.op.getSetOperands()[number]);
  }
  /// All of them, as an array of {shape, count, type, data}.
  std::string print() const;

private:
  ViewedAttention &attention;
  int64_t &budget;
  llvm::SmallVector<mlir::Value> values;
  std::vector<std::string> entries;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_OPERANDSCRIPT_H
