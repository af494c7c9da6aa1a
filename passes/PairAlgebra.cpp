// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The algebra behind plans.

#include "passes/PairAlgebra.h"
#include "passes/ConstraintSystem.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include <tuple>

using namespace attnc;
using llvm::ArrayRef;
using llvm::SmallVector;

//===----------------------------------------------------------------------===//
// LinearForm, HalfSpace, Conjunction
//===----------------------------------------------------------------------===//

LinearForm LinearForm::symbol(unsigned s, int64_t coefficient) {
  LinearForm form;
  if (coefficient != 0) {
    form.coefficients.resize(s + 1);
    form.coefficients[s] = coefficient;
  }
  return form;
}

/// a + factor * b, held within 64 bits: only plans written by hand get there.
static int64_t addScaled(int64_t a, int64_t factor, int64_t b) {
  __int128 sum = a + static_cast<__int128>(factor) * b;
  return sum > INT64_MAX   ? INT64_MAX
         : sum < INT64_MIN ? INT64_MIN
                           : static_cast<int64_t>(sum);
}

LinearForm LinearForm::combine(const LinearForm &other, int64_t factor) const {
  LinearForm form;
  form.constant = addScaled(constant, factor, other.constant);
  form.coefficients.resize(std::max(getNumSymbols(), other.getNumSymbols()));
  for (auto [s, c] : llvm::enumerate(form.coefficients))
    c = addScaled(getCoefficient(s), factor, other.getCoefficient(s));
  while (!form.coefficients.empty() && form.coefficients.back() == 0)
    form.coefficients.pop_back();
  return form;
}

LinearForm LinearForm::operator+(const LinearForm &other) const {
  return combine(other, 1);
}

LinearForm LinearForm::operator-(const LinearForm &other) const {
  return combine(other, -1);
}

LinearForm LinearForm::operator*(int64_t factor) const {
  return LinearForm().combine(*this, factor);
}

mlir::AffineExpr LinearForm::toExpr(mlir::MLIRContext *context) const {
  mlir::AffineExpr expr = mlir::getAffineConstantExpr(0, context);
  for (auto [s, c] : llvm::enumerate(coefficients))
    expr = expr + mlir::getAffineSymbolExpr(s, context) * c;
  return expr + constant;
}

std::optional<LinearForm> LinearForm::fromExpr(mlir::AffineExpr expr) {
  switch (expr.getKind()) {
  case mlir::AffineExprKind::Constant:
    return LinearForm(llvm::cast<mlir::AffineConstantExpr>(expr).getValue());
  case mlir::AffineExprKind::SymbolId:
    return symbol(llvm::cast<mlir::AffineSymbolExpr>(expr).getPosition());
  case mlir::AffineExprKind::Add: {
    auto add = llvm::cast<mlir::AffineBinaryOpExpr>(expr);
    std::optional<LinearForm> lhs = fromExpr(add.getLHS());
    std::optional<LinearForm> rhs = fromExpr(add.getRHS());
    if (!lhs || !rhs)
      return std::nullopt;
    return *lhs + *rhs;
  }
  case mlir::AffineExprKind::Mul: {
    auto mul = llvm::cast<mlir::AffineBinaryOpExpr>(expr);
    std::optional<LinearForm> lhs = fromExpr(mul.getLHS());
    auto factor = llvm::dyn_cast<mlir::AffineConstantExpr>(mul.getRHS());
    if (!lhs || !factor)
      return std::nullopt;
    return *lhs * factor.getValue();
  }
  default:
    return std::nullopt;
  }
}

HalfSpace HalfSpace::negated() const {
  return {axis, !upper, bound + LinearForm(upper ? 1 : -1)};
}

void Conjunction::add(const HalfSpace &bound) {
  if (!llvm::is_contained(bounds, bound))
    bounds.push_back(bound);
}

void Conjunction::addTest(int64_t test) {
  if (!llvm::is_contained(tests, test))
    tests.push_back(test);
}

//===----------------------------------------------------------------------===//
// Emptiness and implication
//===----------------------------------------------------------------------===//

/// Adds inequalities over i, j and the symbols.
static void addRow(ConstraintSystem &system, int64_t i, int64_t j,
                   const LinearForm &form, int64_t factor) {
  SmallVector<int64_t, 10> row{i, j};
  for (unsigned s = 0; s < form.getNumSymbols(); ++s)
    row.push_back(factor * form.getCoefficient(s));
  system.add(row, factor * form.getConstant());
}

static void addHalfSpace(ConstraintSystem &system, const HalfSpace &half) {
  int64_t sign = half.upper ? -1 : 1; // sign * (axis - bound) >= 0
  int64_t i = half.axis == PairAxis::Query      ? 1
              : half.axis == PairAxis::Distance ? -1
                                                : 0;
  bool hasKey = half.axis == PairAxis::Key || half.axis == PairAxis::Distance;
  int64_t j = hasKey ? 1 : 0;
  addRow(system, sign * i, sign * j, half.bound, -sign);
}

SmallVector<HalfSpace> PairFacts::getBounds(ArrayRef<HalfSpace> set) const {
  SmallVector<HalfSpace> result(bounds);
  if (ofSymbols.empty())
    return result;
  auto uses = [](ArrayRef<HalfSpace> halves, unsigned symbol) {
    return llvm::any_of(halves, [&](const HalfSpace &half) {
      return half.bound.getCoefficient(symbol) != 0;
    });
  };
  // What is known of one symbol may speak of another.
  SmallVector<bool> taken(ofSymbols.size());
  for (bool grew = true; grew;) {
    grew = false;
    for (auto [n, entry] : llvm::enumerate(ofSymbols))
      if (!taken[n] && (uses(set, entry.first) || uses(result, entry.first))) {
        taken[n] = grew = true;
        result.push_back(entry.second);
      }
  }
  return result;
}

bool PairAlgebra::isEmpty(const Conjunction &set) const {
  for (int64_t test : set.tests)
    if (llvm::is_contained(set.tests, -test))
      return true;
  if (work > limits.work)
    return false;
  unsigned numSymbols = 0;
  auto count = [&](const LinearForm &form) {
    numSymbols = std::max(numSymbols, form.getNumSymbols());
  };
  llvm::for_each(facts.getNonNegative(), count);
  SmallVector<HalfSpace> known = facts.getBounds(set.bounds);
  for (const HalfSpace &half : known)
    count(half.bound);
  for (const HalfSpace &half : set.bounds)
    count(half.bound);
  ConstraintSystem system(2 + numSymbols);
  for (const LinearForm &form : facts.getNonNegative())
    addRow(system, 0, 0, form, 1);
  for (const HalfSpace &half : known)
    addHalfSpace(system, half);
  for (const HalfSpace &half : set.bounds)
    addHalfSpace(system, half);
  return system.isEmpty(work);
}

bool PairAlgebra::implies(const Conjunction &set,
                          const HalfSpace &bound) const {
  if (llvm::is_contained(set.bounds, bound))
    return true;
  Conjunction outside = set;
  outside.add(bound.negated());
  return isEmpty(outside);
}

bool PairAlgebra::impliesTest(const Conjunction &set, int64_t test) const {
  return llvm::is_contained(set.tests, test);
}

void PairAlgebra::removeRedundant(Conjunction &set) const {
  for (size_t n = set.bounds.size(); n-- > 0;) {
    Conjunction others = set;
    others.bounds.erase(others.bounds.begin() + n);
    if (implies(others, set.bounds[n]))
      set = std::move(others);
  }
}

//===----------------------------------------------------------------------===//
// Subtraction, intersection, unions
//===----------------------------------------------------------------------===//

Disjunction PairAlgebra::subtract(const Conjunction &set,
                                  const Conjunction &other) const {
  Conjunction common = set;
  for (const HalfSpace &bound : other.bounds)
    common.add(bound);
  for (int64_t test : other.tests)
    common.addTest(test);
  if (isEmpty(common))
    return {set};
  // Pairs leave `other` through the first bound (or test) they break.
  Disjunction parts;
  Conjunction inside = set;
  for (const HalfSpace &bound : other.bounds) {
    Conjunction part = inside;
    part.add(bound.negated());
    if (isEmpty(part))
      continue; // implied
    parts.push_back(std::move(part));
    inside.add(bound);
  }
  for (int64_t test : other.tests) {
    if (impliesTest(inside, test))
      continue;
    Conjunction part = inside;
    part.addTest(-test);
    parts.push_back(std::move(part));
    inside.addTest(test);
  }
  return parts;
}

std::optional<Disjunction> PairAlgebra::intersect(const Disjunction &a,
                                                  const Disjunction &b) const {
  Disjunction result;
  for (const Conjunction &x : a) {
    for (const Conjunction &y : b) {
      Conjunction both = x;
      for (const HalfSpace &bound : y.bounds)
        both.add(bound);
      for (int64_t test : y.tests)
        both.addTest(test);
      if (isEmpty(both))
        continue;
      result.push_back(std::move(both));
      if (!isWithinLimits(result.size()))
        return std::nullopt;
    }
  }
  return result;
}

std::optional<bool> PairAlgebra::isSubset(const Disjunction &a,
                                          const Disjunction &b) const {
  for (const Conjunction &part : a) {
    Disjunction rest;
    if (!isEmpty(part))
      rest.push_back(part);
    for (const Conjunction &cover : b) {
      Disjunction next;
      for (const Conjunction &piece : rest)
        llvm::append_range(next, subtract(piece, cover));
      rest = std::move(next);
      if (!isWithinLimits(rest.size()))
        return std::nullopt;
    }
    if (!rest.empty())
      return false;
  }
  return true;
}

/// a | b as one conjunction, when it is one: the bounds that hold on both
/// sides, if nothing else lies within them.
std::optional<Conjunction> PairAlgebra::unite(const Conjunction &a,
                                              const Conjunction &b) const {
  Conjunction hull;
  auto keep = [&](const Conjunction &from, const Conjunction &other) {
    for (const HalfSpace &bound : from.bounds)
      if (implies(other, bound))
        hull.add(bound);
    for (int64_t test : from.tests)
      if (impliesTest(other, test))
        hull.addTest(test);
  };
  keep(a, b);
  keep(b, a);
  for (const Conjunction &rest : subtract(hull, a))
    if (!subtract(rest, b).empty())
      return std::nullopt;
  return hull;
}

void PairAlgebra::coalesce(Disjunction &set) const {
  llvm::erase_if(set, [&](const Conjunction &c) { return isEmpty(c); });
  for (size_t x = 0; x < set.size(); ++x) {
    for (size_t y = x + 1; y < set.size(); ++y) {
      std::optional<Conjunction> both = unite(set[x], set[y]);
      if (!both)
        continue;
      set[x] = std::move(*both);
      set.erase(set.begin() + y);
      y = x; // the larger part may meet those seen before
    }
  }
}

/// Tests last, so that what is sure is taken out of what must be tested; among
/// the rest large parts first, so that small ones lose pieces.
static void sortParts(Disjunction &set) {
  auto rank = [&](size_t n) {
    return std::make_tuple(set[n].tests.size(), set[n].bounds.size(), n);
  };
  SmallVector<size_t> order = llvm::to_vector(llvm::seq<size_t>(0, set.size()));
  llvm::sort(order, [&](size_t a, size_t b) { return rank(a) < rank(b); });
  Disjunction sorted;
  for (size_t n : order)
    sorted.push_back(std::move(set[n]));
  set = std::move(sorted);
}

std::optional<Disjunction> PairAlgebra::makeDisjoint(Disjunction set) const {
  coalesce(set);
  for (Conjunction &part : set)
    removeRedundant(part);
  sortParts(set);
  Disjunction result;
  for (size_t n = 0; n < set.size(); ++n) {
    Disjunction pieces{set[n]};
    for (size_t earlier = 0; earlier < n; ++earlier) {
      Disjunction next;
      for (const Conjunction &piece : pieces)
        llvm::append_range(next, subtract(piece, set[earlier]));
      pieces = std::move(next);
      if (!isWithinLimits(pieces.size()))
        return std::nullopt;
    }
    llvm::append_range(result, pieces);
    if (!isWithinLimits(result.size()))
      return std::nullopt;
  }
  coalesce(result);
  for (Conjunction &part : result)
    removeRedundant(part);
  sortParts(result);
  if (!isWithinLimits(result.size()))
    return std::nullopt;
  return result;
}
