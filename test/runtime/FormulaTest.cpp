// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Formulas: values, every error, folding and printing.

#include "codegen/kernelfile/Formula.h"
#include "attnc/formula_eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace attnc;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

std::optional<int64_t> lookup(uint32_t tensor, uint32_t dim) {
  if (tensor > 1 || dim > 2)
    return std::nullopt;
  static const int64_t sizes[2][3] = {{2, 1000, 64}, {0, kMax, -7}};
  return sizes[tensor][dim];
}

/// A binary step that the factories cannot fold away.
Formula binary(FormulaOpcode opcode, int64_t a, int64_t b) {
  Formula formula;
  formula.ops = {{FormulaOpcode::Const, 0, 0, a},
                 {FormulaOpcode::Const, 0, 0, b},
                 {opcode, 0, 0, 0}};
  return formula;
}

std::optional<int64_t> value(FormulaOpcode opcode, int64_t a, int64_t b) {
  return evaluateFormula(binary(opcode, a, b), lookup);
}

std::string errorOf(const Formula &formula) {
  std::string error;
  EXPECT_FALSE(evaluateFormula(formula, lookup, &error).has_value());
  return error;
}

TEST(Formula, Arithmetic) {
  EXPECT_EQ(value(FormulaOpcode::Add, 3, -5), -2);
  EXPECT_EQ(value(FormulaOpcode::Sub, 3, -5), 8);
  EXPECT_EQ(value(FormulaOpcode::Mul, -3, 5), -15);
  EXPECT_EQ(value(FormulaOpcode::Min, -3, 5), -3);
  EXPECT_EQ(value(FormulaOpcode::Max, -3, 5), 5);
}

TEST(Formula, DivisionRoundsTowardsInfinities) {
  for (int64_t a = -20; a <= 20; ++a) {
    for (int64_t b = -6; b <= 6; ++b) {
      if (b == 0)
        continue;
      int64_t floor = *value(FormulaOpcode::FloorDiv, a, b);
      int64_t ceil = *value(FormulaOpcode::CeilDiv, a, b);
      int64_t mod = *value(FormulaOpcode::Mod, a, b);
      EXPECT_EQ(floor, int64_t(std::floor(double(a) / double(b))));
      EXPECT_EQ(ceil, int64_t(std::ceil(double(a) / double(b))));
      EXPECT_EQ(floor * b + mod, a);
      EXPECT_TRUE(mod == 0 || (mod < 0) == (b < 0));
    }
  }
}

TEST(Formula, OverflowIsAnError) {
  EXPECT_FALSE(value(FormulaOpcode::Add, kMax, 1));
  EXPECT_FALSE(value(FormulaOpcode::Sub, kMin, 1));
  EXPECT_FALSE(value(FormulaOpcode::Mul, kMax / 2 + 1, 2));
  EXPECT_FALSE(value(FormulaOpcode::FloorDiv, kMin, -1));
  EXPECT_FALSE(value(FormulaOpcode::CeilDiv, kMin, -1));
  EXPECT_EQ(value(FormulaOpcode::Mod, kMin, -1), 0);
  EXPECT_EQ(value(FormulaOpcode::CeilDiv, kMax, 1), kMax);
  EXPECT_EQ(value(FormulaOpcode::FloorDiv, kMin, 1), kMin);
  EXPECT_EQ(errorOf(Formula::dim(1, 1) + 1), "the value exceeds 64 bits");
}

TEST(Formula, DivisionByZeroIsAnError) {
  for (FormulaOpcode opcode :
       {FormulaOpcode::FloorDiv, FormulaOpcode::CeilDiv, FormulaOpcode::Mod})
    EXPECT_EQ(errorOf(binary(opcode, 7, 0)), "division by zero");
  EXPECT_EQ(errorOf(ceilDiv(5, Formula::dim(1, 0))), "division by zero");
}

TEST(Formula, UnknownDimensionIsAnError) {
  EXPECT_EQ(errorOf(Formula::dim(2, 0)), "no such dimension");
  EXPECT_EQ(errorOf(Formula::dim(0, 3)), "no such dimension");
  EXPECT_EQ(errorOf(Formula::dim(0, 1u << 31)), "no such dimension");
}

TEST(Formula, MalformedProgramsAreErrors) {
  Formula empty, two, missing, unknown, deep;
  two.ops = {{FormulaOpcode::Const, 0, 0, 1}, {FormulaOpcode::Const, 0, 0, 2}};
  missing.ops = {{FormulaOpcode::Const, 0, 0, 1},
                 {FormulaOpcode::Add, 0, 0, 0}};
  unknown.ops = {{static_cast<FormulaOpcode>(99), 0, 0, 0}};
  for (int i = 0; i <= ATTNC_MAX_FORMULA_STACK; ++i)
    deep.ops.push_back({FormulaOpcode::Const, 0, 0, 1});
  for (int i = 0; i < ATTNC_MAX_FORMULA_STACK; ++i)
    deep.ops.push_back({FormulaOpcode::Add, 0, 0, 0});
  for (const Formula &formula : {empty, two, missing, unknown, deep}) {
    EXPECT_EQ(errorOf(formula), "malformed formula");
    EXPECT_EQ(formatFormula(formula, {}), "<malformed formula>");
  }
  // One less fits exactly.
  deep.ops.erase(deep.ops.begin());
  deep.ops.pop_back();
  EXPECT_EQ(evaluateFormula(deep, lookup), ATTNC_MAX_FORMULA_STACK);
}

TEST(Formula, FoldsConstants) {
  Formula n = Formula::dim(0, 1);
  EXPECT_EQ((Formula(3) * 4 + 5).getConstant(), 17);
  EXPECT_EQ(ceilDiv(7, 2).getConstant(), 4);
  EXPECT_EQ(n + 0, n);
  EXPECT_EQ(Formula(0) + n, n);
  EXPECT_EQ(n - 0, n);
  EXPECT_EQ(n * 1, n);
  EXPECT_EQ(Formula(1) * n, n);
  EXPECT_EQ(floorDiv(n, 1), n);
  EXPECT_EQ(ceilDiv(n, 1), n);
  // What cannot be computed stays, and fails when evaluated.
  EXPECT_FALSE((Formula(kMax) + 1).getConstant());
  EXPECT_FALSE(floorDiv(1, 0).getConstant());
  EXPECT_FALSE(n.getConstant());
}

TEST(Formula, EvaluatesTrees) {
  Formula b = Formula::dim(0, 0), n = Formula::dim(0, 1);
  EXPECT_EQ(evaluateFormula(b * ceilDiv(n, 96), lookup), 22);
  EXPECT_EQ(evaluateFormula(alignTo(n, 96), lookup), 1056);
  EXPECT_EQ(evaluateFormula(mod(n, 96) + min(b, n) * max(b, n), lookup), 2040);
}

TEST(Formula, PrintsInfix) {
  std::vector<std::string> names = {"q", "k"};
  Formula b = Formula::dim(0, 0), n = Formula::dim(0, 2),
          m = Formula::dim(1, 2);
  auto text = [&](const Formula &f) { return formatFormula(f, names); };
  EXPECT_EQ(text(ceilDiv(n, 96)), "ceildiv(q.dim2, 96)");
  EXPECT_EQ(text(b * ceilDiv(n, 96)), "q.dim0 * ceildiv(q.dim2, 96)");
  EXPECT_EQ(text((n + m) * b), "(q.dim2 + k.dim2) * q.dim0");
  EXPECT_EQ(text(n + m * b), "q.dim2 + k.dim2 * q.dim0");
  EXPECT_EQ(text(n - (m - b)), "q.dim2 - (k.dim2 - q.dim0)");
  EXPECT_EQ(text(n - m - b), "q.dim2 - k.dim2 - q.dim0");
  EXPECT_EQ(text(n * (m * b)), "q.dim2 * (k.dim2 * q.dim0)");
  EXPECT_EQ(text(n - -1), "q.dim2 - (-1)");
  EXPECT_EQ(text(n * -1), "q.dim2 * (-1)");
  EXPECT_EQ(text(max(n - m, 0)), "max(q.dim2 - k.dim2, 0)");
  EXPECT_EQ(text(min(mod(n, 8), floorDiv(m, 2))),
            "min(mod(q.dim2, 8), floordiv(k.dim2, 2))");
  EXPECT_EQ(text(Formula::dim(7, 1)), "arg7.dim1");
}

} // namespace
