// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans as their documentation says.

#include "PlanMeaning.h"

using namespace attnc;
using namespace attnc::test::pairs;
using namespace mlir;
using namespace mlir::attn;

std::vector<int64_t>
attnc::test::pairs::operandNumbers(AttentionOp op, const std::string &text) {
  // Argument n of the function carries the name behind the n-th `%`.
  std::vector<std::string> names;
  std::string header = text.substr(0, text.find("->"));
  for (size_t at = header.find('%'); at != std::string::npos;
       at = header.find('%', at + 1))
    names.push_back(header.substr(at + 1, header.find(':', at) - at - 1));
  std::vector<int64_t> numbers;
  for (Value operand : op.getSetOperands()) {
    const std::string &name =
        names[cast<BlockArgument>(operand).getArgNumber()];
    numbers.push_back(std::stoll(name.substr(1)));
  }
  return numbers;
}

std::vector<int64_t>
attnc::test::pairs::symbolsOf(PlanAttr plan, const Values &values,
                              const std::vector<int64_t> &numbers) {
  std::vector<int64_t> symbols{values.kBegin, values.kEnd, values.qBegin,
                               values.qEnd};
  for (int64_t parameter : plan.getParameters())
    symbols.push_back(values.operands[numbers[parameter]].at(0));
  return symbols;
}

static std::vector<int64_t> evaluate(AffineMap map, int64_t i,
                                     const std::vector<int64_t> &symbols) {
  std::vector<int64_t> results;
  SmallVector<AffineExpr> dims, syms;
  MLIRContext *context = map.getContext();
  if (map.getNumDims())
    dims.push_back(getAffineConstantExpr(i, context));
  for (unsigned s = 0; s < map.getNumSymbols(); ++s)
    syms.push_back(getAffineConstantExpr(symbols[s], context));
  for (AffineExpr expr : map.getResults())
    results.push_back(
        cast<AffineConstantExpr>(expr.replaceDimsAndSymbols(dims, syms))
            .getValue());
  return results;
}

std::vector<int64_t>
attnc::test::pairs::symbolsOfRow(PlanAttr plan, const Values &values,
                                 const std::vector<int64_t> &numbers,
                                 std::vector<int64_t> symbols, int64_t i) {
  for (ValueAttr value : plan.getValues()) {
    std::vector<int64_t> results;
    if (value.getMap())
      results = evaluate(value.getMap(), i, symbols);
    const SetOperand *operand =
        value.getOperand() < 0 ? nullptr
                               : &values.operands[numbers[value.getOperand()]];
    int64_t document = -1, last = 0;
    if (operand) {
      document = documentOf(*operand, results[0]);
      last = static_cast<int64_t>(operand->values.size()) - 1;
    }
    switch (value.getKind()) {
    case ValueKind::Min:
      symbols.push_back(*llvm::min_element(results));
      break;
    case ValueKind::Max:
      symbols.push_back(*llvm::max_element(results));
      break;
    case ValueKind::Head:
      symbols.push_back(values.head);
      break;
    case ValueKind::Begin:
      symbols.push_back(document < 0 ? 0 : operand->at(document));
      break;
    case ValueKind::End:
      symbols.push_back(document < 0 ? 0 : operand->at(document + 1));
      break;
    case ValueKind::Number:
      symbols.push_back(document);
      break;
    case ValueKind::Load:
      symbols.push_back(
          last < 0 ? 0 : operand->at(std::clamp<int64_t>(results[0], 0, last)));
      break;
    }
  }
  return symbols;
}

bool attnc::test::pairs::boundsKeep(ComponentAttr component,
                                    const std::vector<int64_t> &symbols,
                                    int64_t i, int64_t j) {
  if (component.getGuard())
    for (int64_t guard : evaluate(component.getGuard(), i, symbols))
      if (guard < 0)
        return false;
  for (int64_t bound : evaluate(component.getRowLower(), i, symbols))
    if (i < bound)
      return false;
  for (int64_t bound : evaluate(component.getRowUpper(), i, symbols))
    if (i > bound)
      return false;
  for (int64_t bound : evaluate(component.getLower(), i, symbols))
    if (j < bound)
      return false;
  for (int64_t bound : evaluate(component.getUpper(), i, symbols))
    if (j > bound)
      return false;
  return true;
}

bool attnc::test::pairs::testsKeep(ComponentAttr component, PlanAttr plan,
                                   const Values &values,
                                   const std::vector<int64_t> &numbers,
                                   int64_t i, int64_t j) {
  for (int64_t test : component.getTestNumbers()) {
    PairsAttr atom = renumberOperands(plan.getAtoms()[std::abs(test) - 1],
                                      ArrayRef(numbers.data(), numbers.size()));
    if (contains(atom, values, i, j) != (test > 0))
      return false;
  }
  return true;
}
