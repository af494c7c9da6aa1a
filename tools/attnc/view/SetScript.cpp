// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets as JavaScript.

#include "tools/attnc/view/SetScript.h"
#include "tools/attnc/view/PlanScript.h"
#include "tools/attnc/view/RegionScript.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

std::optional<std::string> SetScript::write(PairsAttr set) {
  problem.clear();
  std::string text = expression(set);
  return problem.empty() ? std::optional<std::string>(text) : std::nullopt;
}

std::string SetScript::operand(PairsAttr set, unsigned number) {
  int64_t n = set.getOperands()[number];
  std::optional<unsigned> embedded = operands.embedSetOperand(n);
  if (embedded)
    return std::to_string(*embedded);
  problem = "'" + attention.operandName(n) + "' is too large to be embedded";
  return "";
}

std::string SetScript::parameter(PairsAttr set, unsigned number) {
  PairParam param = set.getParams()[number];
  if (!param.isOperand)
    return std::to_string(param.value);
  std::optional<unsigned> embedded = operands.embedSetOperand(param.value);
  if (embedded)
    return "sets.parameter(" + std::to_string(*embedded) + ")";
  problem = "a parameter is too large to be embedded";
  return "";
}

/// The parameters, and nothing else.
std::string SetScript::call(StringRef function, PairsAttr set) {
  SmallVector<std::string> arguments;
  for (unsigned n = 0; n < set.getParams().size(); ++n)
    arguments.push_back(parameter(set, n));
  return "sets." + function.str() + "(" + llvm::join(arguments, ", ") + ")";
}

std::string SetScript::children(PairsAttr set) {
  SmallVector<std::string> texts;
  for (PairsAttr child : set.getChildren())
    texts.push_back(expression(child));
  return llvm::join(texts, ", ");
}

std::string SetScript::constants(PairsAttr set) {
  SmallVector<std::string> texts;
  for (unsigned n = 0; n < set.getParams().size(); ++n)
    texts.push_back(parameter(set, n));
  return "[" + llvm::join(texts, ", ") + "]";
}

std::string SetScript::affineSet(PairsAttr set) {
  IntegerSet constraints = set.getAffineSet().getValue();
  SmallVector<std::string> tests;
  for (auto [n, expr] : llvm::enumerate(constraints.getConstraints()))
    tests.push_back(affineScript(expr, {"i", "j"},
                                 [](unsigned symbol) {
                                   return symbol == 0 ? "s.qEnd" : "s.kEnd";
                                 }) +
                    (constraints.isEq(n) ? " === 0" : " >= 0"));
  return "sets.formula((c, s, i, j) => " +
         (tests.empty() ? "true" : llvm::join(tests, " && ")) + ")";
}

std::string SetScript::predicate(PairsAttr set) {
  RegionScript script(operands);
  std::optional<std::string> body =
      script.write(attention.op.getPredicates()[set.getParams()[0].value]);
  if (!body)
    problem = script.why();
  return "sets.formula((c, s, i, j) => {\n" + body.value_or("") + "        })";
}

std::string SetScript::operandSet(PairsAttr set) {
  SmallVector<std::string> arguments;
  for (unsigned n = 0; n < set.getOperands().size(); ++n)
    arguments.push_back(operand(set, n));
  if (set.getKind() == PairKind::Ranges)
    arguments.push_back(set.getParams()[0].value ? "true" : "false");
  if (set.getKind() == PairKind::Bsr)
    arguments.push_back(parameter(set, 0));
  StringRef name = getPairSetSpec(set.getKind()).name;
  return "sets." + name.str() + "(" + llvm::join(arguments, ", ") + ")";
}

std::string SetScript::expression(PairsAttr set) {
  switch (set.getKind()) {
  case PairKind::Window:
    return "sets.windowed(" + parameter(set, 0) + ", " + parameter(set, 1) +
           (set.getParams()[2].value ? ", true)" : ", false)");
  case PairKind::Local:
    return "sets.windowed(" + parameter(set, 0) + ", " + parameter(set, 0) +
           ", false)";
  case PairKind::First:
    return call("prefix", set);
  case PairKind::Random: // the seed is a 64-bit number
    return "sets.random(" + parameter(set, 0) + ", " +
           std::to_string(set.getParams()[1].value) + "n)";
  case PairKind::Affine:
    return affineSet(set);
  case PairKind::Predicate:
    return predicate(set);
  case PairKind::Keys:
  case PairKind::Documents:
  case PairKind::Ranges:
  case PairKind::Csr:
  case PairKind::Bsr:
  case PairKind::TopK:
  case PairKind::Dense:
    return operandSet(set);
  case PairKind::PerDocument:
    return "sets.perDocument(" + operand(set, 0) + ", " + children(set) + ")";
  case PairKind::Axes:
    return "sets.axes(" + constants(set) + ", [" + children(set) + "])";
  case PairKind::Blocks:
    return "sets.blocks(" + parameter(set, 0) + ", " + children(set) + ")";
  case PairKind::ByHead:
    return "sets.byHead(" + constants(set) + ", [" + children(set) + "])";
  case PairKind::And:
    return "sets.and(" + children(set) + ")";
  case PairKind::Or:
    return "sets.or(" + children(set) + ")";
  case PairKind::Not:
    return "sets.not(" + children(set) + ")";
  default: // the others are called as they are written
    return call(getPairSetSpec(set.getKind()).name, set);
  }
}
