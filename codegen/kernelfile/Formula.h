// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Formulas over run-time sizes, as the kernel file stores them: postfix
// programs over int64. Built with operators, evaluated with every overflow
// checked, and printed in infix.

#ifndef ATTNC_CODEGEN_KERNELFILE_FORMULA_H
#define ATTNC_CODEGEN_KERNELFILE_FORMULA_H

#include "attnc/kernel_abi.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace attnc {

enum class FormulaOpcode : uint16_t {
  Const = ATTNC_OP_CONST,
  Dim = ATTNC_OP_DIM,
  Add = ATTNC_OP_ADD,
  Sub = ATTNC_OP_SUB,
  Mul = ATTNC_OP_MUL,
  FloorDiv = ATTNC_OP_FLOORDIV,
  CeilDiv = ATTNC_OP_CEILDIV,
  Mod = ATTNC_OP_MOD,
  Min = ATTNC_OP_MIN,
  Max = ATTNC_OP_MAX
};

struct FormulaOp {
  FormulaOpcode opcode = FormulaOpcode::Const;
  uint32_t tensor = 0; ///< Dim only: an argument's number
  uint32_t dim = 0;    ///< Dim only
  int64_t imm = 0;     ///< Const only

  bool operator==(const FormulaOp &other) const {
    return opcode == other.opcode && tensor == other.tensor &&
           dim == other.dim && imm == other.imm;
  }
};

/// A postfix program that leaves one value. Default-constructed it is invalid
/// until steps are added; the factories and operators below make valid ones
/// and fold constants where that cannot fail.
struct Formula {
  std::vector<FormulaOp> ops;

  Formula() = default;
  /// A constant.
  Formula(int64_t value);

  static Formula constant(int64_t value) { return Formula(value); }
  /// The size of an argument's dimension.
  static Formula dim(uint32_t tensor, uint32_t dim);

  /// The value, if the formula is one constant.
  std::optional<int64_t> getConstant() const;

  bool operator==(const Formula &other) const { return ops == other.ops; }
};

Formula operator+(const Formula &a, const Formula &b);
Formula operator-(const Formula &a, const Formula &b);
Formula operator*(const Formula &a, const Formula &b);
Formula floorDiv(const Formula &a, const Formula &b);
Formula ceilDiv(const Formula &a, const Formula &b);
Formula mod(const Formula &a, const Formula &b);
Formula min(const Formula &a, const Formula &b);
Formula max(const Formula &a, const Formula &b);
/// The smallest multiple of `multiple` that is not below `a`.
Formula alignTo(const Formula &a, const Formula &multiple);

/// Gives the size of a tensor's dimension; nothing if there is none.
using DimLookup =
    std::function<std::optional<int64_t>(uint32_t tensor, uint32_t dim)>;

/// The value; nothing on overflow, on division by zero, for an unknown
/// dimension, and for a malformed program. `error`, if given, then says which.
std::optional<int64_t> evaluateFormula(const Formula &formula,
                                       const DimLookup &lookup,
                                       std::string *error = nullptr);

/// Infix text with as few parentheses as needed, for example
/// `ceildiv(q.dim2, 96) * q.dim0`. A tensor beyond `names` prints as `arg7`.
/// A malformed program prints as `<malformed formula>`.
std::string formatFormula(const Formula &formula,
                          const std::vector<std::string> &names);

} // namespace attnc

#endif // ATTNC_CODEGEN_KERNELFILE_FORMULA_H
