// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans with keys outside, against every pair. ATTNC_TEST_SEED repeats a run.

#include "passes/PlanTranspose.h"
#include "PlanMeaning.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/PlanRowCost.h"
#include "gtest/gtest.h"
#include <cstdlib>

using namespace attnc;
using namespace attnc::test::pairs;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Transpose : public ::testing::Test {
protected:
  MLIRContext context{MLIRContext::Threading::DISABLED};
  Random random;
  int parts = 0, exactParts = 0, pairsSeen = 0;

  void SetUp() override {
    context.loadDialect<AttnDialect, affine::AffineDialect, func::FuncDialect,
                        linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect>();
    const char *given = std::getenv("ATTNC_TEST_SEED");
    uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 20260000;
    random.seed(seed);
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  }

  AttentionOp plan(const std::string &text, OwningOpRef<ModuleOp> &module) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    if (!module)
      return {};
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createExpandPass());
    pm.addNestedPass<func::FuncOp>(createPlanPairsPass());
    ScopedDiagnosticHandler quiet(&context,
                                  [](Diagnostic &) { return success(); });
    if (failed(pm.run(*module)))
      return {}; // too complex
    AttentionOp op;
    module->walk([&](AttentionOp found) { op = found; });
    return op;
  }

  void check(AttentionOp op, const std::string &text, const Shape &shape);
  void compare(PlanAttr plan, const TransposedPlan &transposed,
               const Values &values, const std::vector<int64_t> &numbers);
  void compareTiles(const TransposedPlan &transposed, const Values &values,
                    const std::vector<int64_t> &numbers,
                    const std::vector<int64_t> &symbols);
};

std::vector<int64_t> swapped(std::vector<int64_t> symbols) {
  std::swap(symbols[QBegin], symbols[KBegin]);
  std::swap(symbols[QEnd], symbols[KEnd]);
  return symbols;
}
} // namespace

/// Each pair of each component against the component's parts.
void Transpose::compare(PlanAttr plan, const TransposedPlan &transposed,
                        const Values &values,
                        const std::vector<int64_t> &numbers) {
  std::vector<int64_t> launch = symbolsOf(plan, values, numbers);
  std::vector<int64_t> launchOfKeys =
      swapped(symbolsOf(transposed.plan, values, numbers));
  ArrayRef<ComponentAttr> components = transposed.plan.getComponents();
  std::vector<std::vector<int64_t>> ofRow, ofKey;
  for (int64_t i = values.qBegin; i < values.qEnd; ++i)
    ofRow.push_back(symbolsOfRow(plan, values, numbers, launch, i));
  for (int64_t j = values.kBegin; j < values.kEnd; ++j)
    ofKey.push_back(
        symbolsOfRow(transposed.plan, values, numbers, launchOfKeys, j));
  for (auto [number, component] : llvm::enumerate(plan.getComponents()))
    for (int64_t i = values.qBegin; i < values.qEnd; ++i)
      for (int64_t j = values.kBegin; j < values.kEnd; ++j) {
        bool kept = boundsKeep(component, ofRow[i - values.qBegin], i, j) &&
                    testsKeep(component, plan, values, numbers, i, j);
        int holding = 0;
        bool isExact = true;
        for (auto [part, own] : llvm::zip(transposed.parts, components)) {
          if (part.source != number)
            continue;
          isExact &= part.isExact;
          holding += boundsKeep(own, ofKey[j - values.kBegin], j, i) &&
                     testsKeep(own, transposed.plan, values, numbers, i, j);
        }
        if (isExact)
          ASSERT_EQ(holding, kept) << "query " << i << ", key " << j;
        else if (kept)
          ASSERT_GE(holding, 1) << "query " << i << ", key " << j;
        pairsSeen += kept;
      }
}

/// The queries of a tile of keys hold those of each key, and no others at the
/// ends where corners do not decide.
void Transpose::compareTiles(const TransposedPlan &transposed,
                             const Values &values,
                             const std::vector<int64_t> &numbers,
                             const std::vector<int64_t> &symbols) {
  RowValues rowValues;
  rowValues.head = values.head;
  rowValues.read = [&](ValueAttr value, int64_t x) -> std::optional<int64_t> {
    const SetOperand &operand = values.operands[numbers[value.getOperand()]];
    auto last = static_cast<int64_t>(operand.values.size()) - 1;
    if (value.getKind() == ValueKind::Load)
      return last < 0 ? 0 : operand.at(std::clamp<int64_t>(x, 0, last));
    int64_t document = documentOf(operand, x);
    if (value.getKind() == ValueKind::Number)
      return document;
    return document < 0
               ? 0
               : operand.at(document + (value.getKind() == ValueKind::End));
  };
  for (ComponentAttr part : transposed.plan.getComponents()) {
    std::optional<RowComponent> rows =
        RowComponent::bind(transposed.plan, part, symbols, rowValues);
    ASSERT_TRUE(rows);
    int64_t tile = draw(random, 1, 12);
    for (int64_t j = values.kBegin; j < values.kEnd; j += tile) {
      int64_t count = std::min(tile, values.kEnd - j);
      auto queries = rows->visitedBy({j, count, count});
      ASSERT_TRUE(queries);
      for (int64_t key = j; key < j + count; ++key) {
        auto own = rows->visitedBy({key, 1, 1});
        ASSERT_TRUE(own);
        if (own->isEmpty())
          continue;
        ASSERT_LE(queries->first, own->first);
        ASSERT_GE(queries->last, own->last);
      }
    }
  }
}

/// Whether an operand, or a remainder, decides what an expression of a plan is.
static bool isDecidedByData(PlanAttr plan, AffineExpr expr) {
  unsigned firstValue = FirstParameter + plan.getParameters().size();
  bool isDecided = false;
  expr.walk([&](AffineExpr part) {
    isDecided |= part.getKind() == AffineExprKind::Mod;
    auto symbol = dyn_cast<AffineSymbolExpr>(part);
    if (!symbol || symbol.getPosition() < firstValue)
      return;
    ValueAttr value = plan.getValues()[symbol.getPosition() - firstValue];
    if (value.getKind() == ValueKind::Min || value.getKind() == ValueKind::Max)
      for (AffineExpr result : value.getMap().getResults())
        isDecided |= isDecidedByData(plan, result);
    else
      isDecided |= value.getKind() != ValueKind::Head;
  });
  return isDecided;
}

static bool isDecidedByData(PlanAttr plan, ComponentAttr component) {
  for (AffineMap map :
       {component.getLower(), component.getUpper(), component.getGuard()})
    if (map && llvm::any_of(map.getResults(), [&](AffineExpr expr) {
          return isDecidedByData(plan, expr);
        }))
      return true;
  return false;
}

void Transpose::check(AttentionOp op, const std::string &text,
                      const Shape &shape) {
  PlanAttr plan = op.getPlanAttr();
  std::vector<int64_t> numbers = operandNumbers(op, text);
  TransposedPlan transposed = transposePlan(plan);
  ASSERT_EQ(transposed.parts.size(), transposed.plan.getComponents().size());
  for (const TransposedPlan::Part &part : transposed.parts) {
    ++parts;
    exactParts += part.isExact;
    // All that bounds alone decide is exact.
    EXPECT_TRUE(part.isExact ||
                isDecidedByData(plan, plan.getComponents()[part.source]));
  }
  for (int run = 0; run < 3 && !HasFatalFailure(); ++run) {
    Values values = drawValues(shape, random);
    compare(plan, transposed, values, numbers);
    compareTiles(transposed, values, numbers,
                 swapped(symbolsOf(transposed.plan, values, numbers)));
  }
}

TEST_F(Transpose, PlainSetsAreExact) {
  for (int round = 0; round < 300; ++round) {
    Shape shape = drawShape(random);
    PairsAttr mask = drawPlainSet(&context, random, draw(random, 0, 3));
    std::string text = moduleText(shape, mask, {});
    SCOPED_TRACE("round " + std::to_string(round) + ":\n" + text);
    OwningOpRef<ModuleOp> module;
    AttentionOp op = plan(text, module);
    ASSERT_TRUE(op);
    check(op, text, shape);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_EQ(exactParts, parts);
  EXPECT_GT(pairsSeen, 0);
  std::printf("%d parts, %d pairs\n", parts, pairsSeen);
}

TEST_F(Transpose, NoPairOfAnySetIsLost) {
  for (int round = 0; round < 400; ++round) {
    Shape shape = drawShape(random, round % 8 ? 30 : 60);
    PairsAttr mask = drawSet(&context, random, draw(random, 0, 3));
    std::string text = moduleText(shape, mask, {});
    SCOPED_TRACE("round " + std::to_string(round) + ":\n" + text);
    OwningOpRef<ModuleOp> module;
    AttentionOp op = plan(text, module);
    if (!op)
      continue;
    check(op, text, shape);
    ASSERT_FALSE(HasFatalFailure());
  }
  // Data decide a third of these parts: `check` looks at each of the others.
  EXPECT_GE(exactParts * 100, parts * 60);
  EXPECT_GT(pairsSeen, 0);
  std::printf("%d parts, %d of them exact; %d pairs\n", parts, exactParts,
              pairsSeen);
}

/// Kinds of bounds that must be exact: all that the algebra makes of sets but
/// elements at a query's row and what lies outside its document.
TEST_F(Transpose, ClosedFormsOfAllScopes) {
  const char *const sets[] = {
      "causal",
      "window<5, 3>",
      "window<4, 4, clamped>",
      "chunk<6, offset = 2>",
      "!chunk<4>",
      "global<3> | last<2>",
      "documents($5)",
      "per_document($5) { causal & window<3, 0> }",
      "per_document($5) { prefix<4> | chunk<3> }",
      "blocks<4> { window<1, 0> | first<1> }",
      "per_document($5) { blocks<3> { window<1, 1> } }",
      "axes<6 x 5> { window<1, 1, clamped>, full }",
      "by_head(0, 1) { causal, window<2, 2> }",
      "ranges($6, $7)",
      "affine<\"(i, j)[n, m] : (i floordiv 3 - j floordiv 2 >= 0)\">",
      "affine<\"(i, j) : (2 * j - 3 * i + 7 >= 0, i - j + 20 >= 0)\">"};
  for (const char *set : sets) {
    auto mask = dyn_cast_or_null<PairsAttr>(
        parseAttribute("#attn.pairs<" + std::string(set) + ">", &context));
    ASSERT_TRUE(mask) << set;
    for (int run = 0; run < 4; ++run) {
      Shape shape = drawShape(random);
      std::string text = moduleText(shape, mask, {});
      SCOPED_TRACE(text);
      OwningOpRef<ModuleOp> module;
      AttentionOp op = plan(text, module);
      ASSERT_TRUE(op);
      check(op, text, shape);
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_EQ(exactParts, parts) << set;
    }
  }
  EXPECT_GT(parts, 0);
}
