// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kept pairs of a plan as a formula, from its bounds and walks alone.

#include "passes/PairAlgebra.h"
#include "passes/PlanCost.h"
#include "passes/PlanWalk.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;
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
  unsigned firstValue = 0;
};

/// Adds a bound; of those a constant apart only the tighter says something.
void addTighter(Forms &forms, const LinearForm &form, bool isUpper) {
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
  /// Whether these bounds say all.
  bool isExact = true;

  Sides(PlanAttr plan, ComponentAttr component, const Names &names)
      : plan(plan), names(names) {
    Bounds lower = split(component.getLower(), /*isUpper=*/false);
    Bounds upper = split(component.getUpper(), /*isUpper=*/true);
    distanceLower = lower.distance, keyLower = lower.key;
    distanceUpper = upper.distance, keyUpper = upper.key;
    rowLower = split(component.getRowLower(), false).key;
    rowUpper = split(component.getRowUpper(), true).key;
    isExact &= !component.getGuard() || !component.getGuard().getNumResults();
    for (const LinearForm &u : upper.valued)
      for (const LinearForm &l : lower.valued)
        if (LinearForm length = u - l + LinearForm(1); !names.hasValue(length))
          valueLengths.push_back(names.translate(length));
  }

private:
  struct Bounds {
    Forms distance, key, valued;
  };
  PlanAttr plan;
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
      if (std::optional<LinearForm> distance = aroundQuery(*form, isUpper))
        addTighter(bounds.distance, names.translate(*distance), isUpper);
    }
    return bounds;
  }

  ValueAttr valueOf(unsigned symbol) const {
    return plan.getValues()[symbol - names.getFirstValue()];
  }

  /// Whether the bound is the begin or the last key of the query's document.
  bool isDocument(const LinearForm &form, bool isUpper) {
    unsigned symbol = form.getNumSymbols() - 1;
    if (form != LinearForm::symbol(symbol) - LinearForm(isUpper ? 1 : 0))
      return false;
    ValueAttr value = valueOf(symbol);
    if (value.getKind() != (isUpper ? ValueKind::End : ValueKind::Begin) ||
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
    ValueAttr value = valueOf(symbol);
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
} // namespace

/// upper - lower + 1 for all pairs of bounds; the extent is their minimum, so
/// that of lengths a constant apart only the smaller one counts.
static Forms lengths(const Forms &upper, const Forms &lower) {
  Forms kept;
  for (const LinearForm &u : upper) {
    for (const LinearForm &l : lower) {
      addTighter(kept, u - l + LinearForm(1), /*isUpper=*/true);
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
  bool isExact;                 // else "at most"
  bool needsFewQueries = false; // n <= m
  bool needsSameRows = false;   // n = m
  bool isRounded = false;       // "about"
};
} // namespace

/// Lengths that say more than all keys do, as no multiple of n or m.
static Forms shortLengths(const Forms &lengths) {
  Forms result;
  for (const LinearForm &form : lengths)
    if (form.getCoefficient(N) == 0 && form.getCoefficient(M) == 0)
      result.push_back(form);
  return result;
}

/// sum(keys of row i for i = first .. last).
static std::string rowSum(const Sides &sides, const Names &names) {
  std::string low =
      names.extreme("max", sides.keyLower, sides.distanceLower, "i");
  std::string keys =
      names.extreme("min", sides.keyUpper, sides.distanceUpper, "i");
  if (low != "0")
    keys += " - " + (isSum(low) ? "(" + low + ")" : low);
  return "sum(max(0, " + keys +
         " + 1) for i = " + names.extreme("max", sides.rowLower) + " .. " +
         names.extreme("min", sides.rowUpper) + ")";
}

/// The pairs within documents of length l; each has as many queries as keys.
static Term
documentsTerm(const Sides &sides,
              llvm::function_ref<std::string(int64_t)> operandName) {
  LinearForm n = LinearForm::symbol(N), m = LinearForm::symbol(M);
  bool isCausal =
      sides.distanceLower.empty() && sides.distanceUpper == Forms{LinearForm()};
  bool isWhole =
      sides.keyLower == Forms{LinearForm()} &&
      sides.keyUpper == Forms{m - LinearForm(1)} &&
      lengths(sides.rowUpper, sides.rowLower) == Forms{n} &&
      (sides.rowLower == Forms{LinearForm()} || sides.rowLower == Forms{m - n});
  bool isPlain = sides.distanceLower.empty() && sides.distanceUpper.empty();
  return {std::string("sum of ") + (isCausal ? "l*(l + 1)/2" : "l^2") +
              " over the documents of " + operandName(sides.documentBegin),
          sides.isExact && isWhole && (isCausal || isPlain),
          /*needsFewQueries=*/false, /*needsSameRows=*/true};
}

/// The pairs within the bounds, tests aside. `isLoose`: a bound that is easier
/// to read will do.
static Term boundsTerm(const Sides &sides, const Names &names,
                       llvm::function_ref<std::string(int64_t)> operandName,
                       bool isLoose) {
  Forms rows = lengths(sides.rowUpper, sides.rowLower);
  Forms keys = lengths(sides.keyUpper, sides.keyLower);
  std::string rowText = extent(rows, names);
  Forms band = lengths(sides.distanceUpper, sides.distanceLower);
  if (sides.documentBegin >= 0 && sides.documentBegin == sides.documentEnd &&
      band.empty() && sides.valueLengths.empty())
    return documentsTerm(sides, operandName);
  bool isExact =
      sides.isExact && sides.documentBegin < 0 && sides.documentEnd < 0;
  for (const LinearForm &form : sides.valueLengths)
    addTighter(band, form, /*isUpper=*/true);
  if (band.empty() && sides.distanceLower.empty() &&
      sides.distanceUpper.empty())
    return {product(rowText, extent(keys, names)), isExact};
  if (!band.empty()) {
    // A band is cut at its ends; m itself says nothing new.
    for (const LinearForm &form : keys)
      if (form != LinearForm::symbol(M))
        band.push_back(form);
    return {product(rowText, extent(band, names)), false};
  }
  if (std::optional<std::string> text = triangle(sides, names))
    return {*text, isExact, /*needsFewQueries=*/true};
  if (!isLoose)
    return {rowSum(sides, names), isExact};
  if (Forms few = shortLengths(keys); !few.empty())
    return {product(rowText, extent(few, names)), false};
  // No fewer keys are those up to the query's own position.
  Sides wider = sides;
  for (LinearForm &form : wider.distanceUpper)
    if (form.isConstant() && form.getConstant() < 0)
      form = LinearForm();
  for (LinearForm &form : wider.keyLower)
    if (form.isConstant() && form.getConstant() > 0)
      form = LinearForm();
  if (std::optional<std::string> text = triangle(wider, names))
    return {*text, false, /*needsFewQueries=*/true};
  return {rowSum(sides, names), isExact};
}

/// The pairs that a component keeps.
static Term termOf(PlanAttr plan, ComponentAttr component, const Names &names,
                   llvm::function_ref<std::string(int64_t)> operandName,
                   bool isLoose) {
  Sides sides(plan, component, names);
  WalkKind walk = walkKindOf(plan, component);
  PairsAttr atom = walkedAtom(plan, component);
  bool hasTests = component.getTestNumbers().size() > (atom ? 1 : 0);
  std::string rows = extent(lengths(sides.rowUpper, sides.rowLower), names);
  auto elements = [&](size_t number) {
    return "(elements of " + operandName(atom.getOperands()[number]) + ")";
  };
  if (walk == WalkKind::Lattice || walk == WalkKind::Columns) {
    Term term = boundsTerm(sides, names, operandName, /*isLoose=*/true);
    ArrayRef<PairParam> params = atom.getParams();
    bool isSumText = isSum(term.text) || term.needsSameRows;
    if (walk == WalkKind::Columns)
      term.text = product(std::to_string(params[1].value), term.text);
    else if (isSumText)
      term.text = "(" + term.text + ")";
    term.text += "/" + std::to_string(params[0].value);
    term.isRounded = true;
    term.isExact &= !hasTests;
    return term;
  }
  if (walk == WalkKind::None) {
    Term term = boundsTerm(sides, names, operandName, isLoose);
    term.isExact &= !hasTests;
    return term;
  }
  switch (atom.getKind()) {
  case PairKind::Log:
    return {product(rows, "log2(m) + 2"), false};
  case PairKind::Random:
    return {product(rows, std::to_string(atom.getParams()[0].value)), false};
  case PairKind::TopK:
    return {elements(0), false};
  case PairKind::Bsr: {
    int64_t size = atom.getParams()[0].value;
    std::string block = size ? std::to_string(size) : "block";
    return {elements(1) + "*" + block + "^2", false};
  }
  default: // csr
    return {elements(1), false};
  }
}

std::string attnc::keptPairsFormula(
    AttentionOp op, llvm::function_ref<std::string(int64_t)> parameterName) {
  Names names(op, parameterName);
  PlanAttr plan = op.getPlanAttr();
  std::string text;
  bool isExact = true, isRounded = false;
  bool needsFewQueries = false, needsSameRows = false;
  // Once a term is rounded the others need not be told to the last pair.
  bool isLoose = llvm::any_of(plan.getComponents(), [&](ComponentAttr c) {
    return walkKindOf(plan, c) != WalkKind::None;
  });
  for (ComponentAttr component : plan.getComponents()) {
    Term term = termOf(plan, component, names, parameterName, isLoose);
    isExact &= term.isExact;
    isRounded |= term.isRounded;
    needsFewQueries |= term.needsFewQueries;
    needsSameRows |= term.needsSameRows;
    text += (text.empty() ? "" : " + ") + term.text;
  }
  if (text.empty())
    return "0";
  return (isExact ? "" : "at most ") + std::string(isRounded ? "about " : "") +
         text +
         (needsSameRows     ? " for n = m"
          : needsFewQueries ? " for n <= m"
                            : "");
}
