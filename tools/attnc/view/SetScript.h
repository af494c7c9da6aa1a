// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets as JavaScript expressions over sets.js.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_SETSCRIPT_H
#define ATTNC_TOOLS_ATTNC_VIEW_SETSCRIPT_H

#include "tools/attnc/view/OperandScript.h"

namespace attnc {

class SetScript {
public:
  SetScript(ViewedAttention &attention, OperandScript &operands)
      : attention(attention), operands(operands) {}

  /// The expression; nothing when a part cannot be had, see `why`.
  std::optional<std::string> write(mlir::attn::PairsAttr set);
  /// Why the last set could not be written.
  const std::string &why() const { return problem; }

private:
  ViewedAttention &attention;
  OperandScript &operands;
  std::string problem;

  std::string expression(mlir::attn::PairsAttr set);
  std::string call(llvm::StringRef function, mlir::attn::PairsAttr set);
  std::string children(mlir::attn::PairsAttr set);
  std::string parameter(mlir::attn::PairsAttr set, unsigned number);
  std::string operand(mlir::attn::PairsAttr set, unsigned number);
  std::string constants(mlir::attn::PairsAttr set);
  std::string operandSet(mlir::attn::PairsAttr set);
  std::string affineSet(mlir::attn::PairsAttr set);
  std::string predicate(mlir::attn::PairsAttr set);
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_SETSCRIPT_H
