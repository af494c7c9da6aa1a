// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kept pairs of a plan as a formula, from its bounds and walks alone.

#include "passes/PlanCost.h"
#include "passes/PlanSides.h"
#include "passes/PlanWalk.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;
using llvm::SmallVector;
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

/// Whether nothing but distances and values bounds queries and keys.
static bool hasAllPairs(const Sides &sides) {
  LinearForm n = LinearForm::symbol(N), m = LinearForm::symbol(M);
  return sides.keyLower == Forms{LinearForm()} &&
         sides.keyUpper == Forms{m - LinearForm(1)} &&
         lengths(sides.rowUpper, sides.rowLower) == Forms{n} &&
         (sides.rowLower == Forms{LinearForm()} ||
          sides.rowLower == Forms{m - n});
}

/// The pairs within documents of length l; each has as many queries as keys.
static Term
documentsTerm(const Sides &sides,
              llvm::function_ref<std::string(int64_t)> operandName) {
  bool isCausal =
      sides.distanceLower.empty() && sides.distanceUpper == Forms{LinearForm()};
  bool isWhole = hasAllPairs(sides);
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
  // Row r of a block keeps r + 1 keys; the last block may be cut.
  if (sides.block > 0 && hasAllPairs(sides) &&
      sides.distanceUpper == Forms{LinearForm()} &&
      sides.distanceLower == Forms{LinearForm(1 - sides.block)} &&
      sides.documentBegin < 0 && sides.documentEnd < 0) {
    int64_t twice = sides.block + 1;
    return {twice % 2 ? "n*" + std::to_string(twice) + "/2"
                      : product("n", std::to_string(twice / 2)),
            /*isExact=*/false, /*needsFewQueries=*/false,
            /*needsSameRows=*/true};
  }
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

/// The sum of terms, with what must hold of the sizes.
static std::string sumText(ArrayRef<Term> terms) {
  std::string text;
  bool isExact = true, isRounded = false;
  bool needsFewQueries = false, needsSameRows = false;
  for (const Term &term : terms) {
    isExact &= term.isExact;
    isRounded |= term.isRounded;
    needsFewQueries |= term.needsFewQueries;
    needsSameRows |= term.needsSameRows;
    text += (text.empty() ? "" : " + ") + term.text;
  }
  return (isExact ? "" : "at most ") + std::string(isRounded ? "about " : "") +
         text +
         (needsSameRows     ? " for n = m"
          : needsFewQueries ? " for n <= m"
                            : "");
}

std::string attnc::keptPairsFormula(
    AttentionOp op, llvm::function_ref<std::string(int64_t)> parameterName) {
  Names names(op, parameterName);
  PlanAttr plan = op.getPlanAttr();
  // Once a term is rounded the others need not be told to the last pair.
  bool isLoose = llvm::any_of(plan.getComponents(), [&](ComponentAttr c) {
    return walkKindOf(plan, c) != WalkKind::None;
  });
  struct Group {
    HeadRange heads;
    SmallVector<Term> terms;
  };
  SmallVector<Group> groups;
  for (ComponentAttr component : plan.getComponents()) {
    bool isAll;
    HeadRange heads = headsOf(plan, component, isAll);
    Group *group =
        llvm::find_if(groups, [&](const Group &g) { return g.heads == heads; });
    if (group == groups.end()) {
      groups.push_back({heads, {}});
      group = &groups.back();
    }
    group->terms.push_back(
        termOf(plan, component, names, parameterName, isLoose));
  }
  if (groups.empty())
    return "0";
  if (groups.size() == 1 && groups[0].heads == HeadRange())
    return sumText(groups[0].terms);
  llvm::sort(groups, [](const Group &a, const Group &b) {
    return std::pair(a.heads.first, a.heads.end) <
           std::pair(b.heads.first, b.heads.end);
  });
  std::string text;
  for (const Group &group : groups)
    text += (text.empty() ? "" : "; ") + group.heads.text() + ": " +
            sumText(group.terms);
  return text;
}
