// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kept pairs of a plan as a formula, from the bounds of its components alone.

#include "passes/PairAlgebra.h"
#include "passes/PlanBuilder.h"
#include "passes/PlanCost.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::SmallVector;
using Forms = SmallVector<LinearForm>;

namespace {
/// What formulas speak of; parameters follow.
enum FormulaSymbol : unsigned { N, M, K0, Q0 };

/// The plan's symbols in these terms, as the operation ties them together.
class Names {
public:
  Names(AttentionOp op, llvm::function_ref<std::string(int64_t)> parameterName)
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
    firstValue = names.size();
    for (ValueAttr value : op.getPlanAttr().getValues()) {
      values.push_back(LinearForm::symbol(names.size()));
      names.push_back(valueName(value, parameterName));
    }
  }

  /// Whether a form changes from row to row in more than i.
  bool dependsOnRow(const LinearForm &form) const {
    return form.getNumSymbols() > firstValue;
  }

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
    SmallVector<std::string> parts;
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
  SmallVector<std::string> names;
  Forms values;
  size_t firstValue = 0;

  std::string
  valueName(ValueAttr value,
            llvm::function_ref<std::string(int64_t)> parameterName) const {
    switch (value.getKind()) {
    case ValueKind::Begin:
      return "begin(i)";
    case ValueKind::End:
      return "end(i)";
    case ValueKind::Number:
      return "document(i)";
    case ValueKind::Head:
      return "head";
    case ValueKind::Load:
      return parameterName(value.getOperand()) + "(i)";
    default:
      return "x" + std::to_string(names.size() - firstValue + 1) + "(i)";
    }
  }
};

/// A component's bounds, by what they bound.
struct Sides {
  Forms distanceLower, distanceUpper, keyLower, keyUpper, rowLower, rowUpper;

  Sides(ComponentAttr component, const Names &names) {
    auto sort = [&](mlir::AffineMap map, Forms &sloped, Forms &level) {
      mlir::AffineExpr zero = mlir::getAffineConstantExpr(0, map.getContext());
      for (mlir::AffineExpr expr : map.getResults())
        if (std::optional<LinearForm> form =
                LinearForm::fromExpr(expr.replaceDims(zero)))
          (expr.isFunctionOfDim(0) ? sloped : level)
              .push_back(names.translate(*form));
    };
    sort(component.getLower(), distanceLower, keyLower);
    sort(component.getUpper(), distanceUpper, keyUpper);
    sort(component.getRowLower(), rowLower, rowLower);
    sort(component.getRowUpper(), rowUpper, rowUpper);
  }
};
} // namespace

/// upper - lower + 1 for all pairs of bounds; the extent is their minimum, so
/// that of lengths a constant apart only the smaller one counts.
static Forms lengths(const Forms &upper, const Forms &lower) {
  Forms kept;
  for (const LinearForm &u : upper) {
    for (const LinearForm &l : lower) {
      LinearForm length = u - l + LinearForm(1);
      auto *comparable = llvm::find_if(kept, [&](const LinearForm &other) {
        return (length - other).isConstant();
      });
      if (comparable == kept.end())
        kept.push_back(length);
      else if (length.getConstant() < comparable->getConstant())
        *comparable = length;
    }
  }
  return kept;
}

/// Whether `+` or `-` stands outside all brackets.
static bool isSum(llvm::StringRef text) {
  int depth = 0;
  for (char c : text) {
    depth += (c == '(') - (c == ')');
    if (depth == 0 && (c == '+' || c == '-'))
      return true;
  }
  return false;
}

static std::string product(const std::string &a, const std::string &b) {
  auto factor = [](const std::string &text) {
    return isSum(text) ? "(" + text + ")" : text;
  };
  if (a == "1" || b == "1")
    return a == "1" ? b : a;
  return factor(a) + "*" + factor(b);
}

/// The pairs on one side of a diagonal that begins or ends at a corner of the
/// n x m rectangle, for n <= m; nothing for other diagonals.
static std::optional<std::string> triangle(const Sides &sides,
                                           const Names &names) {
  Forms rows = lengths(sides.rowUpper, sides.rowLower);
  Forms keys = lengths(sides.keyUpper, sides.keyLower);
  LinearForm n = LinearForm::symbol(N), m = LinearForm::symbol(M);
  if (rows != Forms{n} || keys != Forms{m})
    return std::nullopt;
  // Keys of the row that keeps most, and whether all others lose one more a
  // row: m for a full last (first) row, n (n - 1) for a triangle with (without)
  // its diagonal.
  LinearForm most;
  if (sides.distanceUpper.size() == 1 && sides.distanceLower.empty())
    most = sides.rowUpper[0] + sides.distanceUpper[0] - sides.keyLower[0] +
           LinearForm(1);
  else if (sides.distanceLower.size() == 1 && sides.distanceUpper.empty())
    most = sides.keyUpper[0] - sides.rowLower[0] - sides.distanceLower[0] +
           LinearForm(1);
  else
    return std::nullopt;
  if (most == n)
    return "n*(n + 1)/2";
  if (most == n - LinearForm(1))
    return "n*(n - 1)/2";
  if (most == m)
    return "n*m - n*(n - 1)/2";
  return std::nullopt;
}

/// The smallest of the lengths, or 0 where that may be negative.
static std::string extent(const Forms &forms, const Names &names) {
  std::string text = names.extreme("min", forms);
  for (const LinearForm &form : forms) {
    bool mayBeNegative = form.getConstant() < 0;
    for (unsigned s = 0; s < form.getNumSymbols(); ++s)
      mayBeNegative |= form.getCoefficient(s) < 0;
    if (mayBeNegative)
      return "max(0, " + text + ")";
  }
  return text;
}

namespace {
struct Term {
  std::string text;
  bool isExact;
  bool needsFewQueries = false; // n <= m
  bool isRough = false;         // rounded, rather than a bound
};
} // namespace

static std::string rowSum(const Sides &sides, const Names &names) {
  return "sum(max(0, " +
         names.extreme("min", sides.keyUpper, sides.distanceUpper, "i") +
         " - " +
         names.extreme("max", sides.keyLower, sides.distanceLower, "i") +
         " + 1) for i = " + names.extreme("max", sides.rowLower) + " .. " +
         names.extreme("min", sides.rowUpper) + ")";
}

/// The pairs within a component's bounds.
static Term boundsTerm(ComponentAttr component, const Names &names) {
  Sides sides(component, names);
  Forms rows = lengths(sides.rowUpper, sides.rowLower);
  Forms keys = lengths(sides.keyUpper, sides.keyLower);
  bool isExact = component.getTestNumbers().empty();
  bool isOfRow = false;
  for (const Forms *forms : {&sides.keyLower, &sides.keyUpper,
                             &sides.distanceLower, &sides.distanceUpper})
    for (const LinearForm &form : *forms)
      isOfRow |= names.dependsOnRow(form);
  if (isOfRow)
    return {rowSum(sides, names), isExact};
  if (sides.distanceLower.empty() && sides.distanceUpper.empty())
    return {product(extent(rows, names), extent(keys, names)), isExact};
  if (std::optional<std::string> text = triangle(sides, names))
    return {*text, isExact, /*needsFewQueries=*/true};
  Forms band = lengths(sides.distanceUpper, sides.distanceLower);
  if (!band.empty()) {
    // A band is cut at its ends; m itself says nothing new.
    for (const LinearForm &form : keys)
      if (form != LinearForm::symbol(M))
        band.push_back(form);
    return {product(extent(rows, names), extent(band, names)), false};
  }
  return {rowSum(sides, names), isExact};
}

/// What the component keeps: its bounds' pairs, thinned by the atom it walks.
static Term termOf(PlanAttr plan, ComponentAttr component, const Names &names) {
  Term term = boundsTerm(component, names);
  PairsAttr atom = walkedAtom(plan, component);
  bool isTested = component.getTestNumbers().size() > (atom ? 1 : 0);
  auto param = [&](unsigned n) {
    return std::to_string(atom.getParams()[n].value);
  };
  switch (walkKindOf(plan, component)) {
  case WalkKind::None:
  case WalkKind::Blocks:
    return term;
  case WalkKind::Lattice:
    return {"(" + term.text + ")/" + param(0), false, term.needsFewQueries,
            !isTested};
  case WalkKind::Columns:
    return {"(" + term.text + ")*" + param(1) + "/" + param(0), false,
            term.needsFewQueries, !isTested};
  case WalkKind::List:
    break;
  }
  switch (atom.getKind()) {
  case PairKind::Log:
    return {"n*(log2(m) + 2)", false};
  case PairKind::Random:
    return {"n*" + param(0), false};
  default:
    return {"the entries of its list", false};
  }
}

std::string attnc::keptPairsFormula(
    AttentionOp op, llvm::function_ref<std::string(int64_t)> parameterName) {
  Names names(op, parameterName);
  std::string text;
  bool isExact = true, needsFewQueries = false, isRough = false;
  for (ComponentAttr component : op.getPlanAttr().getComponents()) {
    Term term = termOf(op.getPlanAttr(), component, names);
    isExact &= term.isExact || term.isRough;
    isRough |= term.isRough;
    needsFewQueries |= term.needsFewQueries;
    text += (text.empty() ? "" : " + ") + term.text;
  }
  if (text.empty())
    return "0";
  return (!isExact  ? "at most "
          : isRough ? "about "
                    : "") +
         text + (needsFewQueries ? " for n <= m" : "");
}
