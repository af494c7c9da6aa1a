// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Predicate regions as JavaScript.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_REGIONSCRIPT_H
#define ATTNC_TOOLS_ATTNC_VIEW_REGIONSCRIPT_H

#include "tools/attnc/view/OperandScript.h"
#include "llvm/ADT/DenseMap.h"

namespace attnc {

/// Translates a predicate region (b, h, i, j) -> i1 of scalar operations.
/// Integers are sign-extended numbers and i1 is 0 or 1, as in the reference
/// evaluator; floats are doubles.
class RegionScript {
public:
  explicit RegionScript(OperandScript &operands) : operands(operands) {}

  /// Statements that return a boolean, of `c` (a context), `i` and `j`. Nothing
  /// when an operation or a capture cannot be had, see `why`.
  std::optional<std::string> write(mlir::Region &region);
  const std::string &why() const { return problem; }

private:
  OperandScript &operands;
  llvm::DenseMap<mlir::Value, std::string> names;
  std::string problem;

  std::string use(mlir::Value value);
  std::string constant(mlir::Attribute value);
  /// The expression of an operation's result; empty with a problem.
  std::string expression(mlir::Operation *op);
  std::string extract(mlir::Operation *op);
  std::string compare(mlir::Operation *op);
  std::string integerOperation(llvm::StringRef name, mlir::Operation *op);
  std::string floatOperation(llvm::StringRef name, mlir::Operation *op);
  std::string conversion(llvm::StringRef name, mlir::Operation *op);
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_REGIONSCRIPT_H
