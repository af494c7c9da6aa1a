// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Building, evaluating and printing formulas.

#include "codegen/kernelfile/Formula.h"

#include "attnc/formula_eval.h"

#include <limits>

using namespace attnc;

namespace {

std::vector<attnc_formula_op> toAbi(const Formula &formula) {
  std::vector<attnc_formula_op> ops;
  ops.reserve(formula.ops.size());
  for (const FormulaOp &op : formula.ops) {
    // A dimension that the format cannot hold becomes one that no tensor has.
    uint32_t most = std::numeric_limits<uint16_t>::max();
    ops.push_back({static_cast<uint16_t>(op.opcode),
                   static_cast<uint16_t>(op.dim < most ? op.dim : most),
                   op.tensor, op.imm});
  }
  return ops;
}

int lookupThrough(const void *context, uint32_t tensor, uint32_t dim,
                  int64_t *size) {
  std::optional<int64_t> found =
      (*static_cast<const DimLookup *>(context))(tensor, dim);
  if (!found)
    return 0;
  *size = *found;
  return 1;
}

Formula combine(FormulaOpcode opcode, const Formula &a, const Formula &b) {
  std::optional<int64_t> left = a.getConstant(), right = b.getConstant();
  int64_t value;
  // What overflows is kept, to fail where it is evaluated.
  if (left && right &&
      attnc_formula_apply(static_cast<uint16_t>(opcode), *left, *right,
                          &value) == ATTNC_FORMULA_OK)
    return Formula(value);
  Formula result;
  result.ops = a.ops;
  result.ops.insert(result.ops.end(), b.ops.begin(), b.ops.end());
  FormulaOp op;
  op.opcode = opcode;
  result.ops.push_back(op);
  return result;
}

bool isConstant(const Formula &f, int64_t value) {
  std::optional<int64_t> constant = f.getConstant();
  return constant && *constant == value;
}

} // namespace

Formula::Formula(int64_t value) {
  FormulaOp op;
  op.imm = value;
  ops.push_back(op);
}

Formula Formula::dim(uint32_t tensor, uint32_t dim) {
  FormulaOp op;
  op.opcode = FormulaOpcode::Dim;
  op.tensor = tensor;
  op.dim = dim;
  Formula result;
  result.ops.push_back(op);
  return result;
}

std::optional<int64_t> Formula::getConstant() const {
  if (ops.size() != 1 || ops[0].opcode != FormulaOpcode::Const)
    return std::nullopt;
  return ops[0].imm;
}

Formula attnc::operator+(const Formula &a, const Formula &b) {
  if (isConstant(a, 0))
    return b;
  if (isConstant(b, 0))
    return a;
  return combine(FormulaOpcode::Add, a, b);
}

Formula attnc::operator-(const Formula &a, const Formula &b) {
  return isConstant(b, 0) ? a : combine(FormulaOpcode::Sub, a, b);
}

Formula attnc::operator*(const Formula &a, const Formula &b) {
  if (isConstant(a, 1))
    return b;
  if (isConstant(b, 1))
    return a;
  return combine(FormulaOpcode::Mul, a, b);
}

Formula attnc::floorDiv(const Formula &a, const Formula &b) {
  return isConstant(b, 1) ? a : combine(FormulaOpcode::FloorDiv, a, b);
}

Formula attnc::ceilDiv(const Formula &a, const Formula &b) {
  return isConstant(b, 1) ? a : combine(FormulaOpcode::CeilDiv, a, b);
}

Formula attnc::mod(const Formula &a, const Formula &b) {
  return combine(FormulaOpcode::Mod, a, b);
}

Formula attnc::min(const Formula &a, const Formula &b) {
  return combine(FormulaOpcode::Min, a, b);
}

Formula attnc::max(const Formula &a, const Formula &b) {
  return combine(FormulaOpcode::Max, a, b);
}

Formula attnc::alignTo(const Formula &a, const Formula &multiple) {
  return ceilDiv(a, multiple) * multiple;
}

std::optional<int64_t> attnc::evaluateFormula(const Formula &formula,
                                              const DimLookup &lookup,
                                              std::string *error) {
  std::vector<attnc_formula_op> ops = toAbi(formula);
  int64_t value = 0;
  attnc_formula_result result = attnc_formula_eval(
      ops.data(), ops.size(), lookupThrough, &lookup, &value);
  if (result == ATTNC_FORMULA_OK)
    return value;
  if (error)
    *error = attnc_formula_result_text(result);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

namespace {

/// How tightly an infix text holds together.
enum class Binding { Sum, Product, Atom };

struct Text {
  std::string text;
  Binding binding;
};

std::string inParentheses(const Text &operand, Binding atLeast) {
  return operand.binding < atLeast ? "(" + operand.text + ")" : operand.text;
}

Text printLeaf(const FormulaOp &op, const std::vector<std::string> &names) {
  if (op.opcode == FormulaOpcode::Const)
    // A negative number is a sum as far as parentheses go: a - (-1).
    return {std::to_string(op.imm), op.imm < 0 ? Binding::Sum : Binding::Atom};
  std::string name = op.tensor < names.size()
                         ? names[op.tensor]
                         : "arg" + std::to_string(op.tensor);
  return {name + ".dim" + std::to_string(op.dim), Binding::Atom};
}

Text printCall(const char *function, const Text &a, const Text &b) {
  return {std::string(function) + "(" + a.text + ", " + b.text + ")",
          Binding::Atom};
}

Text printBinary(FormulaOpcode opcode, const Text &a, const Text &b) {
  switch (opcode) {
  case FormulaOpcode::Add:
    return {a.text + " + " + inParentheses(b, Binding::Product), Binding::Sum};
  case FormulaOpcode::Sub:
    return {a.text + " - " + inParentheses(b, Binding::Product), Binding::Sum};
  case FormulaOpcode::Mul:
    return {inParentheses(a, Binding::Product) + " * " +
                inParentheses(b, Binding::Atom),
            Binding::Product};
  case FormulaOpcode::FloorDiv:
    return printCall("floordiv", a, b);
  case FormulaOpcode::CeilDiv:
    return printCall("ceildiv", a, b);
  case FormulaOpcode::Mod:
    return printCall("mod", a, b);
  case FormulaOpcode::Min:
    return printCall("min", a, b);
  default:
    return printCall("max", a, b);
  }
}

} // namespace

std::string attnc::formatFormula(const Formula &formula,
                                 const std::vector<std::string> &names) {
  std::vector<attnc_formula_op> ops = toAbi(formula);
  if (attnc_formula_check(ops.data(), ops.size()) != ATTNC_FORMULA_OK)
    return "<malformed formula>";
  std::vector<Text> stack;
  for (const FormulaOp &op : formula.ops) {
    if (op.opcode == FormulaOpcode::Const || op.opcode == FormulaOpcode::Dim) {
      stack.push_back(printLeaf(op, names));
      continue;
    }
    Text right = std::move(stack.back());
    stack.pop_back();
    stack.back() = printBinary(op.opcode, stack.back(), right);
  }
  return stack.back().text;
}
