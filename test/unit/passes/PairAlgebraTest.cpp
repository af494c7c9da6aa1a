// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The algebra of half spaces, case by case.

#include "passes/PairAlgebra.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/ConstraintSystem.h"
#include "gtest/gtest.h"

using namespace attnc;

namespace {
constexpr PairAxis D = PairAxis::Distance, K = PairAxis::Key,
                   Q = PairAxis::Query;

HalfSpace le(PairAxis axis, LinearForm bound) {
  return HalfSpace::atMost(axis, bound);
}
HalfSpace ge(PairAxis axis, LinearForm bound) {
  return HalfSpace::atLeast(axis, bound);
}
LinearForm sym(unsigned s) { return LinearForm::symbol(s); }

Conjunction all(std::initializer_list<HalfSpace> bounds,
                std::initializer_list<int64_t> tests = {}) {
  Conjunction set;
  for (const HalfSpace &bound : bounds)
    set.add(bound);
  for (int64_t test : tests)
    set.addTest(test);
  return set;
}

bool operator==(const Conjunction &a, const Conjunction &b) {
  return llvm::all_of(a.bounds,
                      [&](const HalfSpace &h) {
                        return llvm::is_contained(b.bounds, h);
                      }) &&
         a.bounds.size() == b.bounds.size() && a.tests == b.tests;
}
} // namespace

TEST(LinearForm, GoesToAffineExpressionsAndBack) {
  mlir::MLIRContext context;
  LinearForm form = sym(1) * 3 - sym(4) + LinearForm(-7);
  std::optional<LinearForm> back = LinearForm::fromExpr(form.toExpr(&context));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == form);
  EXPECT_EQ(form.getNumSymbols(), 5u);
  EXPECT_TRUE((form - form).isConstant());
  mlir::AffineExpr s0 = mlir::getAffineSymbolExpr(0, &context);
  EXPECT_FALSE(LinearForm::fromExpr(s0.floorDiv(2)));
  EXPECT_FALSE(LinearForm::fromExpr(s0 % 3 + 1));
  EXPECT_FALSE(LinearForm::fromExpr(mlir::getAffineDimExpr(0, &context) + s0));
}

TEST(HalfSpace, NegationIsTheRestOfTheIntegers) {
  HalfSpace half = le(D, 3);
  EXPECT_TRUE(half.negated() == ge(D, 4));
  EXPECT_TRUE(half.negated().negated() == half);
  EXPECT_TRUE(ge(K, sym(0)).negated() == le(K, sym(0) - LinearForm(1)));
}

TEST(ConstraintSystem, DifferencesAreDecidedOverIntegers) {
  int64_t work = 0;
  ConstraintSystem cycle(3); // x >= y + 1, y >= z + 1, z >= x - 1
  cycle.add({1, -1, 0}, -1);
  cycle.add({0, 1, -1}, -1);
  EXPECT_FALSE(cycle.isEmpty(work));
  cycle.add({-1, 0, 1}, 1);
  EXPECT_TRUE(cycle.isEmpty(work));
  EXPECT_GT(work, 0);
}

TEST(ConstraintSystem, SumsOfThreeGoToTheSimplex) {
  int64_t work = 0;
  ConstraintSystem system(3); // x + y >= z + 5, x <= 2, y <= 2, z >= 0
  system.add({1, 1, -1}, -5);
  system.add({-1, 0, 0}, 2);
  system.add({0, -1, 0}, 2);
  EXPECT_FALSE(system.isEmpty(work));
  system.add({0, 0, 1}, 0);
  EXPECT_TRUE(system.isEmpty(work));
}

TEST(ConstraintSystem, LargerCoefficientsAreNoDifferences) {
  int64_t work = 0;
  ConstraintSystem system(2); // 2 x >= y, y >= 2, x <= 1
  system.add({2, -1}, 0);
  system.add({0, 1}, -2);
  system.add({-1, 0}, 1);
  EXPECT_FALSE(system.isEmpty(work));
  system.add({0, 1}, -3);
  EXPECT_TRUE(system.isEmpty(work));
}

TEST(ConstraintSystem, ConstantsAlone) {
  int64_t work = 0;
  ConstraintSystem system(2);
  system.add({0, 0}, 0);
  EXPECT_FALSE(system.isEmpty(work));
  system.add({}, -1);
  EXPECT_TRUE(system.isEmpty(work));
}

TEST(PairAlgebra, DistanceTiesKeysToQueries) {
  PairAlgebra algebra;
  // j <= i, i <= 3, j >= 4.
  EXPECT_TRUE(algebra.isEmpty(all({le(D, 0), le(Q, 3), ge(K, 4)})));
  EXPECT_FALSE(algebra.isEmpty(all({le(D, 1), le(Q, 3), ge(K, 4)})));
  EXPECT_TRUE(algebra.implies(all({le(D, 2), le(Q, 3)}), le(K, 5)));
  EXPECT_FALSE(algebra.implies(all({le(D, 2), le(Q, 3)}), le(K, 4)));
}

TEST(PairAlgebra, SymbolsMayBeAnythingUnlessFactsSayMore) {
  Conjunction set = all({le(D, -sym(4)), ge(D, 1)});
  EXPECT_FALSE(PairAlgebra().isEmpty(set)); // symbol 4 may be negative
  PairFacts facts;
  facts.addNonNegative(sym(4));
  EXPECT_TRUE(PairAlgebra(facts).isEmpty(set));
  PairFacts everywhere;
  everywhere.addEverywhere(le(D, 0));
  EXPECT_TRUE(PairAlgebra(everywhere).isEmpty(set));
}

TEST(PairAlgebra, EqualSymbolsAreOne) {
  PairFacts facts;
  facts.addEqual(sym(1), sym(3));
  EXPECT_TRUE(PairAlgebra(facts).implies(all({le(K, sym(1))}), le(K, sym(3))));
  EXPECT_FALSE(PairAlgebra().implies(all({le(K, sym(1))}), le(K, sym(3))));
}

TEST(PairAlgebra, OppositeTestsAreEmpty) {
  PairAlgebra algebra;
  EXPECT_TRUE(algebra.isEmpty(all({}, {2, 1, -2})));
  EXPECT_FALSE(algebra.isEmpty(all({}, {2, -1})));
}

TEST(PairAlgebra, RedundantBoundsGo) {
  PairAlgebra algebra;
  Conjunction set = all({le(D, 5), le(D, 0), ge(D, -9), le(D, 7)});
  algebra.removeRedundant(set);
  EXPECT_TRUE(set == all({le(D, 0), ge(D, -9)}));
}

TEST(PairAlgebra, DifferenceIsDisjointAndComplete) {
  PairAlgebra algebra;
  Conjunction window = all({ge(D, -2), le(D, 2)});
  Disjunction rest = algebra.subtract(window, all({le(K, 9), ge(Q, 4)}));
  ASSERT_EQ(rest.size(), 2u);
  for (int64_t i = -20; i < 20; ++i) {
    for (int64_t j = -20; j < 20; ++j) {
      int parts = 0;
      for (const Conjunction &part : rest) {
        bool inside = true;
        for (const HalfSpace &half : part.bounds) {
          int64_t x = half.axis == D ? j - i : half.axis == K ? j : i;
          int64_t bound = half.bound.getConstant();
          inside &= half.upper ? x <= bound : x >= bound;
        }
        parts += inside;
      }
      bool expected = std::abs(j - i) <= 2 && !(j <= 9 && i >= 4);
      EXPECT_EQ(parts, expected) << i << ", " << j;
    }
  }
}

TEST(PairAlgebra, DifferenceOfApartSetsIsTheFirst) {
  PairAlgebra algebra;
  Conjunction left = all({le(D, -3)});
  Disjunction rest = algebra.subtract(left, all({ge(D, 3)}, {1}));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_TRUE(rest[0] == left);
  EXPECT_TRUE(algebra.subtract(left, all({le(D, 0)})).empty());
}

TEST(PairAlgebra, TestsSplitWhatTheyLeave) {
  PairAlgebra algebra;
  Disjunction rest =
      algebra.subtract(all({le(D, 0)}), all({le(D, 0), le(K, 3)}, {1}));
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_TRUE(rest[0] == all({le(D, 0), ge(K, 4)}));
  EXPECT_TRUE(rest[1] == all({le(D, 0), le(K, 3)}, {-1}));
}

TEST(PairAlgebra, SubsetsNeedNoSinglePartThatCovers) {
  PairAlgebra algebra;
  Disjunction window{all({ge(D, -4), le(D, 4)})};
  Disjunction halves{all({le(D, 0)}), all({ge(D, 1)}, {1}),
                     all({ge(D, 1)}, {-1})};
  EXPECT_EQ(algebra.isSubset(window, halves), true);
  halves.pop_back();
  EXPECT_EQ(algebra.isSubset(window, halves), false);
  EXPECT_EQ(algebra.isSubset({}, halves), true);
}

TEST(PairAlgebra, PartsThatMeetAreJoined) {
  PairAlgebra algebra;
  Disjunction set{all({ge(K, 4), le(K, 9)}), all({le(D, 0)}, {1}),
                  all({le(K, 3)}), all({le(D, 0)}, {-1})};
  algebra.coalesce(set);
  ASSERT_EQ(set.size(), 2u);
  EXPECT_TRUE(set[0] == all({le(K, 9)}));
  EXPECT_TRUE(set[1] == all({le(D, 0)}));
}

TEST(PairAlgebra, PartsWithAGapStayApart) {
  PairAlgebra algebra;
  Disjunction set{all({le(K, 3)}), all({ge(K, 5)})};
  algebra.coalesce(set);
  EXPECT_EQ(set.size(), 2u);
  // Neither do two overlapping parts that make no single one.
  Disjunction corner{all({le(K, 3)}), all({le(Q, 3)})};
  algebra.coalesce(corner);
  EXPECT_EQ(corner.size(), 2u);
}

TEST(PairAlgebra, DisjointPartsWithoutTestsComeFirst) {
  PairAlgebra algebra;
  std::optional<Disjunction> set = algebra.makeDisjoint(
      {all({le(D, 0)}, {1}), all({le(K, 3)}), all({ge(Q, 9), ge(K, 7)})});
  ASSERT_TRUE(set);
  ASSERT_EQ(set->size(), 4u); // the tested part loses a corner
  for (size_t n = 0; n < set->size(); ++n)
    EXPECT_EQ((*set)[n].tests.size(), n < 2 ? 0u : 1u) << n;
  for (size_t a = 0; a < set->size(); ++a)
    for (size_t b = a + 1; b < set->size(); ++b)
      EXPECT_TRUE(algebra.intersect({(*set)[a]}, {(*set)[b]}).value().empty());
}

TEST(PairAlgebra, LimitsEndTheWork) {
  Disjunction rows, keys;
  for (int64_t n = 0; n < 8; ++n) {
    rows.push_back(all({ge(Q, 10 * n), le(Q, 10 * n + 3)}));
    keys.push_back(all({ge(K, 10 * n), le(K, 10 * n + 3)}));
  }
  EXPECT_EQ(PairAlgebra().intersect(rows, keys)->size(), 64u);
  PairLimits few;
  few.conjunctions = 63;
  EXPECT_FALSE(PairAlgebra({}, few).intersect(rows, keys));
  PairLimits little;
  little.work = 20;
  EXPECT_FALSE(PairAlgebra({}, little).intersect(rows, keys));
  EXPECT_FALSE(PairAlgebra({}, little).makeDisjoint(rows));
}
