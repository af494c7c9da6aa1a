// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan's components in words.

#include "tools/attnc/view/PlanWords.h"
#include "passes/DescribePairs.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Words {
public:
  /// `isOfKeys`: the plan is one of keys (passes/PlanTranspose.h).
  Words(PlanAttr plan, function_ref<std::string(int64_t)> operandName,
        bool isOfKeys = false)
      : plan(plan), operandName(operandName), isOfKeys(isOfKeys) {}

  /// Several results as "max(a, b)".
  std::string results(AffineMap map, StringRef combine) {
    SmallVector<std::string> texts;
    for (AffineExpr expr : map.getResults())
      texts.push_back(sum(expr));
    std::string joined = llvm::join(texts, ", ");
    return texts.size() == 1 ? joined : combine.str() + "(" + joined + ")";
  }

  /// "x >= 0 and y >= 0".
  std::string guards(AffineMap map) {
    SmallVector<std::string> texts;
    for (AffineExpr expr : map.getResults())
      texts.push_back(sum(expr) + " >= 0");
    return llvm::join(texts, " and ");
  }

private:
  PlanAttr plan;
  function_ref<std::string(int64_t)> operandName;
  bool isOfKeys;

  std::string symbol(unsigned number) {
    static constexpr StringLiteral names[] = {"k_begin", "k_end", "q_begin",
                                              "q_end"};
    if (number < FirstParameter)
      return names[isOfKeys ? number ^ 2 : number].str();
    number -= FirstParameter;
    if (number < plan.getParameters().size())
      return operandName(plan.getParameters()[number]);
    return value(plan.getValues()[number - plan.getParameters().size()]);
  }

  std::string value(ValueAttr v) {
    switch (v.getKind()) {
    case ValueKind::Head:
      return "h";
    case ValueKind::Min:
    case ValueKind::Max:
      return results(v.getMap(), stringifyValueKind(v.getKind()));
    case ValueKind::Load:
      return operandName(v.getOperand()) + "[" + sum(v.getMap().getResult(0)) +
             "]";
    default:
      return operandName(v.getOperand()) + "." +
             stringifyValueKind(v.getKind()).str() + "(" +
             sum(v.getMap().getResult(0)) + ")";
    }
  }

  /// A sum: "i - 63".
  std::string sum(AffineExpr expr) {
    auto add = dyn_cast<AffineBinaryOpExpr>(expr);
    if (!add || add.getKind() != AffineExprKind::Add)
      return factor(expr);
    AffineExpr right = add.getRHS();
    std::string left = sum(add.getLHS());
    if (auto constant = dyn_cast<AffineConstantExpr>(right))
      if (constant.getValue() < 0 && constant.getValue() != INT64_MIN)
        return left + " - " + std::to_string(-constant.getValue());
    if (auto times = dyn_cast<AffineBinaryOpExpr>(right))
      if (times.getKind() == AffineExprKind::Mul)
        if (auto c = dyn_cast<AffineConstantExpr>(times.getRHS()))
          if (c.getValue() < 0 && c.getValue() != INT64_MIN)
            return left + " - " + factor(times.getLHS() * -c.getValue());
    return left + " + " + factor(right);
  }

  std::string divided(AffineBinaryOpExpr expr) {
    std::string text = sum(expr.getLHS());
    bool isSum = expr.getLHS().getKind() == AffineExprKind::Add;
    return isSum ? "(" + text + ")" : text;
  }

  std::string factor(AffineExpr expr) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return std::to_string(constant.getValue());
    if (isa<AffineDimExpr>(expr))
      return isOfKeys ? "j" : "i";
    if (auto s = dyn_cast<AffineSymbolExpr>(expr))
      return symbol(s.getPosition());
    auto binary = cast<AffineBinaryOpExpr>(expr);
    auto side = [&](AffineExpr e) {
      bool atom = isa<AffineConstantExpr, AffineDimExpr, AffineSymbolExpr>(e);
      return atom ? factor(e) : "(" + sum(e) + ")";
    };
    std::string left = side(binary.getLHS()), right = side(binary.getRHS());
    switch (binary.getKind()) {
    case AffineExprKind::Mul:
      return right == "-1" ? "-" + left : right + "*" + left;
    case AffineExprKind::Mod:
      return left + " mod " + right;
    case AffineExprKind::FloorDiv:
      return "floor(" + divided(binary) + " / " + right + ")";
    case AffineExprKind::CeilDiv:
      return "ceil(" + divided(binary) + " / " + right + ")";
    default:
      return "(" + sum(expr) + ")";
    }
  }
};
} // namespace

/// Bounds of what rows walk, "max(...) <= j <= min(...), for ... <= i <= ...".
static std::string boundWords(Words &words, ComponentAttr c, bool isOfKeys) {
  const char *row = isOfKeys ? "j" : "i", *walked = isOfKeys ? "i" : "j";
  const char *begin = isOfKeys ? "k_begin" : "q_begin";
  std::string end = isOfKeys ? "k_end - 1" : "q_end - 1";
  std::string text = words.results(c.getLower(), "max") + " <= " + walked +
                     " <= " + words.results(c.getUpper(), "min");
  // Without bounds of its own a component has the rows that exist.
  auto rows = [&](AffineMap map, const char *combine, std::string none) {
    return map.getNumResults() ? words.results(map, combine) : none;
  };
  std::string first = rows(c.getRowLower(), "max", begin);
  std::string last = rows(c.getRowUpper(), "min", end);
  if (first != begin || last != end)
    text += ", for " + first + " <= " + row + " <= " + last;
  if (c.getGuard())
    text += ", where " + words.guards(c.getGuard());
  return text;
}

std::string attnc::queryWords(const TransposedPlan &transposed, unsigned number,
                              function_ref<std::string(int64_t)> operandName) {
  Words words(transposed.plan, operandName, /*isOfKeys=*/true);
  return boundWords(words, transposed.plan.getComponents()[number],
                    /*isOfKeys=*/true) +
         (transposed.parts[number].isExact ? "" : " at most");
}

std::string
attnc::componentWords(PlanAttr plan, unsigned number,
                      function_ref<std::string(int64_t)> operandName) {
  ComponentAttr c = plan.getComponents()[number];
  Words words(plan, operandName);
  std::string text = boundWords(words, c, /*isOfKeys=*/false);
  for (int64_t test : c.getTestNumbers())
    text += (test < 0              ? ", but not "
             : test == c.getWalk() ? ", walking "
                                   : ", testing ") +
            describePairs(plan.getAtoms()[std::abs(test) - 1], operandName);
  return text;
}
