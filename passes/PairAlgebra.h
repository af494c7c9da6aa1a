// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The algebra behind plans: pair sets as unions of conjunctions of half spaces
// and tests, with emptiness, implication, subtraction and disjoint unions.

#ifndef ATTNC_PASSES_PAIRALGEBRA_H
#define ATTNC_PASSES_PAIRALGEBRA_H

#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace attnc {

/// constant + sum of coefficients[s] * (symbol s).
class LinearForm {
public:
  LinearForm() = default;
  LinearForm(int64_t constant) : constant(constant) {}
  static LinearForm symbol(unsigned s, int64_t coefficient = 1);

  int64_t getConstant() const { return constant; }
  int64_t getCoefficient(unsigned s) const {
    return s < coefficients.size() ? coefficients[s] : 0;
  }
  /// 1 + the largest symbol with a coefficient.
  unsigned getNumSymbols() const { return coefficients.size(); }
  bool isConstant() const { return coefficients.empty(); }

  LinearForm operator+(const LinearForm &other) const;
  LinearForm operator-(const LinearForm &other) const;
  LinearForm operator-() const { return LinearForm() - *this; }
  LinearForm operator*(int64_t factor) const;
  bool operator==(const LinearForm &other) const {
    return constant == other.constant && coefficients == other.coefficients;
  }
  bool operator!=(const LinearForm &other) const { return !(*this == other); }

  mlir::AffineExpr toExpr(mlir::MLIRContext *context) const;
  /// The form of a symbols-only affine expression without division.
  static std::optional<LinearForm> fromExpr(mlir::AffineExpr expr);

private:
  llvm::SmallVector<int64_t, 6> coefficients; // no trailing zeros
  int64_t constant = 0;

  LinearForm combine(const LinearForm &other, int64_t factor) const;
};

/// Positions are below this in magnitude; farther constants bound nothing.
inline constexpr int64_t kPositionLimit = int64_t(1) << 60;

/// What a half space bounds: the distance j - i, the key j, the query i, or the
/// number 0, which makes it a condition on symbols alone.
enum class PairAxis { Distance, Key, Query, None };

/// axis <= bound when `upper`, else axis >= bound.
struct HalfSpace {
  PairAxis axis;
  bool upper;
  LinearForm bound;

  static HalfSpace atMost(PairAxis axis, LinearForm bound) {
    return {axis, true, std::move(bound)};
  }
  static HalfSpace atLeast(PairAxis axis, LinearForm bound) {
    return {axis, false, std::move(bound)};
  }
  /// The pairs outside: a half space again, since positions are integers.
  HalfSpace negated() const;
  bool operator==(const HalfSpace &other) const {
    return axis == other.axis && upper == other.upper && bound == other.bound;
  }
};

/// The pairs inside all `bounds` for which all `tests` hold. A test is the
/// number of an atom that no bounds say (data decides it, or a congruence),
/// from 1, negative when the atom must not hold.
struct Conjunction {
  llvm::SmallVector<HalfSpace, 4> bounds;
  llvm::SmallVector<int64_t, 2> tests;

  void add(const HalfSpace &bound);
  void addTest(int64_t test);
};

/// A union of conjunctions; none means the empty set.
using Disjunction = std::vector<Conjunction>;

/// What is known of the symbols and positions, whatever the set.
class PairFacts {
public:
  /// Declares form >= 0.
  void addNonNegative(LinearForm form) { forms.push_back(std::move(form)); }
  void addEqual(const LinearForm &a, const LinearForm &b) {
    addNonNegative(a - b);
    addNonNegative(b - a);
  }
  /// Declares that all pairs of all sets lie in `bound`.
  void addEverywhere(HalfSpace bound) { bounds.push_back(std::move(bound)); }
  /// The same of a bound that only matters to sets that speak of `symbol`: the
  /// many values of a large set would slow every question down.
  void addOfSymbol(unsigned symbol, HalfSpace bound) {
    ofSymbols.emplace_back(symbol, std::move(bound));
  }

  llvm::ArrayRef<LinearForm> getNonNegative() const { return forms; }
  /// Bounds of every set whose own bounds are `set`.
  llvm::SmallVector<HalfSpace> getBounds(llvm::ArrayRef<HalfSpace> set) const;

private:
  llvm::SmallVector<LinearForm> forms;
  llvm::SmallVector<HalfSpace> bounds;
  llvm::SmallVector<std::pair<unsigned, HalfSpace>> ofSymbols;
};

/// How far an algebra goes before it gives an answer up.
struct PairLimits {
  size_t conjunctions = 256; // of any union built on the way
  int64_t work = 1'000'000;  // of all questions, in microseconds or so
};

/// Operations on sets under facts. A set is empty when no values of the symbols
/// give it a pair; what is said to be empty, implied or a subset is proven to
/// be. Where limits are reached, functions that return an optional return
/// nothing.
class PairAlgebra {
public:
  explicit PairAlgebra(PairFacts facts = {}, PairLimits limits = {})
      : facts(std::move(facts)), limits(limits) {}

  /// Whether a union of this size may go on growing.
  bool isWithinLimits(size_t conjunctions) const {
    return conjunctions <= limits.conjunctions && work <= limits.work;
  }

  /// Once the work is used up, no more sets are found to be empty: `set` may
  /// then be empty all the same.
  bool isEmpty(const Conjunction &set) const;
  PairFacts &getFacts() { return facts; }
  /// Whether every pair of `set` lies in `bound`.
  bool implies(const Conjunction &set, const HalfSpace &bound) const;
  bool impliesTest(const Conjunction &set, int64_t test) const;

  /// Drops bounds that the others and the facts imply.
  void removeRedundant(Conjunction &set) const;
  /// set minus `other` as disjoint conjunctions without empty ones.
  Disjunction subtract(const Conjunction &set, const Conjunction &other) const;
  /// a & b.
  std::optional<Disjunction> intersect(const Disjunction &a,
                                       const Disjunction &b) const;
  /// Whether a is a subset of b.
  std::optional<bool> isSubset(const Disjunction &a,
                               const Disjunction &b) const;

  /// The same union with parts that cover each other, or that meet in one
  /// conjunction, joined.
  void coalesce(Disjunction &set) const;
  /// The same union as disjoint, non-empty, irredundant conjunctions: those
  /// without tests first.
  std::optional<Disjunction> makeDisjoint(Disjunction set) const;

private:
  PairFacts facts;
  PairLimits limits;
  mutable int64_t work = 0;

  std::optional<Conjunction> unite(const Conjunction &a,
                                   const Conjunction &b) const;
};

} // namespace attnc

#endif // ATTNC_PASSES_PAIRALGEBRA_H
