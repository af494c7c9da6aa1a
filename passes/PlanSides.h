// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The bounds of a plan's components in the terms of formulas for people: n, m,
// first positions and parameters by name.

#ifndef ATTNC_PASSES_PLANSIDES_H
#define ATTNC_PASSES_PLANSIDES_H

#include "dialect/Attn.h"
#include "passes/PairAlgebra.h"
#include "llvm/Support/MathExtras.h"
#include <string>

namespace attnc {

using Forms = llvm::SmallVector<LinearForm>;

/// The query heads of a component: from `first` on, before `end`.
struct HeadRange {
  int64_t first = 0, end = INT64_MAX;

  bool operator==(const HeadRange &other) const {
    return first == other.first && end == other.end;
  }
  std::string text() const {
    if (end == INT64_MAX)
      return first == 0 ? "all heads" : "heads from " + std::to_string(first);
    if (end - first == 1)
      return "head " + std::to_string(first);
    return "heads " + std::to_string(first) + " to " + std::to_string(end - 1);
  }
};

/// `isAll`: whether its guards say nothing else.
inline HeadRange headsOf(mlir::attn::PlanAttr plan,
                         mlir::attn::ComponentAttr component, bool &isAll) {
  HeadRange range;
  isAll = true;
  if (!component.getGuard())
    return range;
  unsigned firstValue =
      mlir::attn::FirstParameter + plan.getParameters().size();
  for (mlir::AffineExpr expr : component.getGuard().getResults()) {
    std::optional<LinearForm> form =
        expr.isFunctionOfDim(0) ? std::nullopt : LinearForm::fromExpr(expr);
    if (!form || form->getNumSymbols() <= firstValue) {
      isAll = false;
      continue;
    }
    unsigned symbol = form->getNumSymbols() - 1;
    int64_t factor = form->getCoefficient(symbol), c = form->getConstant();
    bool isOfHead = plan.getValues()[symbol - firstValue].getKind() ==
                        mlir::attn::ValueKind::Head &&
                    *form == LinearForm::symbol(symbol, factor) + LinearForm(c);
    if (isOfHead && factor == 1) // h + c >= 0
      range.first = std::max(range.first, -c);
    else if (isOfHead && factor == -1) // c - h >= 0
      range.end = std::min(range.end, c + 1);
    else
      isAll = false;
  }
  return range;
}

/// What formulas speak of; parameters follow.
enum FormulaSymbol : unsigned { N, M, K0, Q0 };

/// The plan's symbols in these terms, as the operation ties them together.
class Names {
public:
  Names(mlir::attn::AttentionOp op,
        llvm::function_ref<std::string(int64_t)> parameterName)
      : names{"n", "m", "k0", "q0"} {
    LinearForm n = LinearForm::symbol(N);
    LinearForm kBegin = op.getKStart() ? LinearForm::symbol(K0) : LinearForm();
    LinearForm kEnd = kBegin + LinearForm::symbol(M);
    LinearForm qBegin = kEnd - n;
    if (op.getQStart())
      qBegin = LinearForm::symbol(Q0);
    else if (op.getPositionsStart())
      qBegin = LinearForm();
    values = {kBegin, kEnd, qBegin, qBegin + n};
    for (int64_t operand : op.getPlanAttr().getParameters()) {
      values.push_back(LinearForm::symbol(names.size()));
      names.push_back(parameterName(operand));
    }
    firstValue = values.size();
  }

  bool hasValue(const LinearForm &form) const {
    return form.getNumSymbols() > firstValue;
  }
  unsigned getFirstValue() const { return firstValue; }

  /// Of a form without values.
  LinearForm translate(const LinearForm &form) const {
    LinearForm result(form.getConstant());
    for (unsigned s = 0; s < form.getNumSymbols(); ++s)
      result = result + values[s] * form.getCoefficient(s);
    return result;
  }

  /// `lead` plus the form.
  std::string text(const LinearForm &form, std::string lead = "") const {
    auto add = [&](int64_t factor, const std::string &name) {
      if (lead.empty())
        lead = factor < 0 ? "-" : "";
      else
        lead += factor < 0 ? " - " : " + ";
      uint64_t size = factor < 0 ? -static_cast<uint64_t>(factor) : factor;
      if (name.empty())
        lead += std::to_string(size);
      else
        lead += (size == 1 ? "" : std::to_string(size) + "*") + name;
    };
    for (unsigned s = 0; s < form.getNumSymbols(); ++s)
      if (form.getCoefficient(s) != 0)
        add(form.getCoefficient(s), names[s]);
    if (form.getConstant() != 0 || lead.empty())
      add(form.getConstant(), "");
    return lead;
  }

  /// min(...) or max(...) of forms, each added to `lead`.
  std::string extreme(const char *function, const Forms &forms,
                      const Forms &withLead = {},
                      const std::string &lead = "") const {
    llvm::SmallVector<std::string> parts;
    for (const LinearForm &form : withLead)
      parts.push_back(text(form, lead));
    for (const LinearForm &form : forms)
      parts.push_back(text(form));
    if (parts.size() == 1)
      return parts[0];
    std::string result = std::string(function) + "(";
    for (size_t n = 0; n < parts.size(); ++n)
      result += (n ? ", " : "") + parts[n];
    return result + ")";
  }

private:
  llvm::SmallVector<std::string> names;
  Forms values;
  unsigned firstValue = 0;
};

/// Adds a bound; of those a constant apart only the tighter says something.
inline void addTighter(Forms &forms, const LinearForm &form, bool isUpper) {
  for (LinearForm &other : forms)
    if (LinearForm more = form - other; more.isConstant()) {
      if (isUpper == (more.getConstant() < 0))
        other = form;
      return;
    }
  forms.push_back(form);
}

/// A component's bounds, by what they bound.
struct Sides {
  Forms distanceLower, distanceUpper, keyLower, keyUpper, rowLower, rowUpper;
  /// Lengths of the keys between two bounds with the same value.
  Forms valueLengths;
  /// The operand of documents whose begin (end) bounds the keys; -1: none.
  int64_t documentBegin = -1, documentEnd = -1;
  /// Keys begin with the query's block of so many positions; 0: they do not.
  int64_t block = 0;
  /// Whether these bounds say all.
  bool isExact = true;

  Sides(mlir::attn::PlanAttr plan, mlir::attn::ComponentAttr component,
        const Names &names)
      : plan(plan), names(names) {
    Bounds lower = split(component.getLower(), /*isUpper=*/false);
    Bounds upper = split(component.getUpper(), /*isUpper=*/true);
    distanceLower = lower.distance, keyLower = lower.key;
    distanceUpper = upper.distance, keyUpper = upper.key;
    rowLower = split(component.getRowLower(), false).key;
    rowUpper = split(component.getRowUpper(), true).key;
    bool guardsHeads;
    headsOf(plan, component, guardsHeads);
    isExact &= guardsHeads;
    for (const LinearForm &u : upper.valued)
      for (const LinearForm &l : lower.valued)
        if (LinearForm length = u - l + LinearForm(1); !names.hasValue(length))
          valueLengths.push_back(names.translate(length));
  }

private:
  struct Bounds {
    Forms distance, key, valued;
  };
  mlir::attn::PlanAttr plan;
  const Names &names;

  Bounds split(mlir::AffineMap map, bool isUpper) {
    Bounds bounds;
    mlir::AffineExpr zero = mlir::getAffineConstantExpr(0, map.getContext());
    for (mlir::AffineExpr expr : map.getResults()) {
      std::optional<LinearForm> form =
          LinearForm::fromExpr(expr.replaceDims(zero));
      bool isOfQuery = expr.isFunctionOfDim(0);
      if (form && !names.hasValue(*form)) {
        addTighter(isOfQuery ? bounds.distance : bounds.key,
                   names.translate(*form), isUpper);
        continue;
      }
      if (form && !isOfQuery && isDocument(*form, isUpper))
        continue;
      isExact = false;
      if (!form || isOfQuery)
        continue;
      bounds.valued.push_back(*form);
      if (std::optional<LinearForm> distance = aroundQuery(*form, isUpper)) {
        addTighter(bounds.distance, names.translate(*distance), isUpper);
        if (!isUpper && distance->isConstant() &&
            *form == LinearForm::symbol(form->getNumSymbols() - 1))
          block = 1 - distance->getConstant();
      }
    }
    return bounds;
  }

  mlir::attn::ValueAttr valueOf(unsigned symbol) const {
    return plan.getValues()[symbol - names.getFirstValue()];
  }

  /// Whether the bound is the begin or the last key of the query's document.
  bool isDocument(const LinearForm &form, bool isUpper) {
    unsigned symbol = form.getNumSymbols() - 1;
    if (form != LinearForm::symbol(symbol) - LinearForm(isUpper ? 1 : 0))
      return false;
    mlir::attn::ValueAttr value = valueOf(symbol);
    if (value.getKind() != (isUpper ? mlir::attn::ValueKind::End
                                    : mlir::attn::ValueKind::Begin) ||
        !value.getMap() || value.getMap().getNumResults() != 1 ||
        !llvm::isa<mlir::AffineDimExpr>(value.getMap().getResult(0)))
      return false;
    int64_t &document = isUpper ? documentEnd : documentBegin;
    if (document >= 0)
      return false;
    document = value.getOperand();
    return true;
  }

  /// A bound i + form that is no tighter than one of a rounded query: factor *
  /// floor(i / b) * c + ... with factor * c = b.
  std::optional<LinearForm> aroundQuery(const LinearForm &form,
                                        bool isUpper) const {
    unsigned symbol = form.getNumSymbols() - 1;
    int64_t factor = form.getCoefficient(symbol);
    LinearForm rest = form - LinearForm::symbol(symbol, factor);
    mlir::attn::ValueAttr value = valueOf(symbol);
    if (names.hasValue(rest) || !value.getMap() || value.getOperand() >= 0 ||
        value.getMap().getNumResults() != 1)
      return std::nullopt;
    mlir::AffineExpr expr = value.getMap().getResult(0);
    auto binary = llvm::dyn_cast<mlir::AffineBinaryOpExpr>(expr);
    if (binary && binary.getKind() == mlir::AffineExprKind::Mul) {
      auto times = llvm::dyn_cast<mlir::AffineConstantExpr>(binary.getRHS());
      if (!times || llvm::MulOverflow(factor, times.getValue(), factor))
        return std::nullopt;
      binary = llvm::dyn_cast<mlir::AffineBinaryOpExpr>(binary.getLHS());
    }
    if (!binary || binary.getKind() != mlir::AffineExprKind::FloorDiv ||
        !llvm::isa<mlir::AffineDimExpr>(binary.getLHS()))
      return std::nullopt;
    auto divisor = llvm::dyn_cast<mlir::AffineConstantExpr>(binary.getRHS());
    if (!divisor || divisor.getValue() < 1 || divisor.getValue() != factor)
      return std::nullopt;
    return isUpper ? rest : rest - LinearForm(factor - 1);
  }
};

} // namespace attnc

#endif // ATTNC_PASSES_PLANSIDES_H
