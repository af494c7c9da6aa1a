// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random pair sets of all kinds, compiled for both micro-kernels, against the
// reference; and sets whose operands hold nonsense.
//
//   ATTNC_TEST_SEED=7     other sets and values
//   ATTNC_TEST_CASE=12    that set alone

#include "Harness.h"
#include "Rounds.h"
#include "SetProblem.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "tools/support/Dialects.h"
#include "gtest/gtest.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace attnc;
using namespace attnc::test;
using mlir::attn::PairKind;
using mlir::attn::PairsAttr;
using pairs::chance;
using pairs::draw;

namespace {
class PairSets : public ::testing::Test {
protected:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  Engine engine;
  uint64_t seed = 1;

  void SetUp() override {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    seed = announcedSeed();
  }

  /// Whether a launch ran to its end: lists may name keys that do not exist,
  /// which it reports and leaves out.
  static bool isComplete(const RunResult &result) {
    constexpr uint32_t kIndex = 2, kOrder = 8;
    bool reportsLists =
        result.status != 0 && (result.status & ~(kIndex | kOrder)) == 0;
    return result.damage.empty() && (result.ok() || reportsLists);
  }

  /// Runs at both ends of memory; the results, if they are the same bits.
  std::optional<Values> run(const Kernel &kernel, const Problem &problem) {
    RunResult end = engine.run(kernel, problem, Place::AtEnd, 1);
    EXPECT_TRUE(isComplete(end)) << end.message();
    RunResult begin = engine.run(kernel, problem, Place::AtBegin, 3);
    EXPECT_TRUE(isComplete(begin)) << begin.message();
    if (!isComplete(end) || !isComplete(begin))
      return std::nullopt;
    EXPECT_TRUE(sameBits(end.outputs, begin.outputs));
    return end.outputs;
  }

  Kernel jit(const Problem &problem, const char *micro,
             const std::string &schedule = "") {
    Kernel kernel = engine.jit(problem, {micro, "auto", schedule});
    if (!kernel)
      explainFailure(engine.takeDiagnostics());
    return kernel;
  }

  /// The same problem after attn-tile; nothing where the planner gives up.
  std::optional<Problem> tile(const Problem &problem) {
    std::string errors;
    mlir::ScopedDiagnosticHandler handler(
        &context, [&](mlir::Diagnostic &d) { errors += d.str() + "\n"; });
    auto module = mlir::parseSourceString<mlir::ModuleOp>(
        problem.text, mlir::ParserConfig(&context));
    mlir::PassManager pm(&context);
    auto &functions = pm.nest<mlir::func::FuncOp>();
    functions.addPass(createExpandPass());
    functions.addPass(createSimplifyPairsPass());
    functions.addPass(createPlanPairsPass());
    functions.addPass(createSchedulePass());
    functions.addPass(createTilePass());
    if (!module || mlir::failed(pm.run(*module))) {
      explainFailure(errors);
      return std::nullopt;
    }
    Problem tiled = problem;
    tiled.text.clear();
    llvm::raw_string_ostream os(tiled.text);
    module->print(os);
    return tiled;
  }

  void explainFailure(const std::string &reason) {
    if (reason.find("too complex to be planned") < reason.size() ||
        reason.find("disjoint components") < reason.size())
      ++tooComplex;
    else
      ADD_FAILURE() << "does not compile: " << reason;
  }
  int tooComplex = 0;
};

const char *const kMicro[] = {"block", "row"};
} // namespace

/// Many small cases, without machine code: the tests of a fold and the bounds
/// of its plan keep the pairs that the sets keep.
TEST_F(PairSets, TilesAgreeWithTheReference) {
  constexpr int kRounds = 4000;
  int compared = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000037 + round);
    SetCase c = drawSetCase(&context, random, chance(random, 10) ? 96 : 16);
    c.batch = std::min<int64_t>(c.batch, 2);
    c.positions.resize(c.batch);
    c.d = c.dv = 1;
    Problem problem = makeSetProblem(c, random);
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(seed) + ":\n" + problem.text);
    auto exact = engine.evaluate(problem, true);
    ASSERT_TRUE(exact) << engine.takeDiagnostics();
    std::optional<Problem> tiled = tile(problem);
    ASSERT_FALSE(HasFailure());
    if (!tiled)
      continue;
    auto results = engine.evaluate(*tiled, true);
    ASSERT_TRUE(results) << engine.takeDiagnostics() << tiled->text;
    // Sums may come in another order; pairs may not.
    for (auto [result, wanted] : llvm::zip_equal(*results, *exact))
      for (auto [x, y] : llvm::zip_equal(result, wanted))
        ASSERT_TRUE(x == y || std::abs(x - y) < 1e-12) << x << " " << y << "\n"
                                                       << tiled->text;
    ++compared;
  }
  EXPECT_GE(compared, kRounds * 9 / 10);
  std::printf("%d cases, %d too complex\n", compared, tooComplex);
}

TEST_F(PairSets, AgreeWithTheReference) {
  constexpr int kRounds = 100;
  double largest = 0;
  std::string title;
  for (int round = 0; round < kRounds; ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000003 + round);
    SetCase c = drawSetCase(&context, random, chance(random, 30) ? 96 : 40);
    Problem problem = makeSetProblem(c, random);
    title =
        "round " + std::to_string(round) + " of seed " + std::to_string(seed);
    SCOPED_TRACE(title + ":\n" + problem.text);
    setFaultReport(&problem, &title);
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    for (const char *micro : kMicro) {
      SCOPED_TRACE(micro);
      Kernel kernel = jit(problem, micro);
      if (!kernel)
        continue;
      if (auto results = run(kernel, problem)) {
        Comparison comparison = compare(problem, *results, *exact, *naive);
        EXPECT_EQ(comparison.failure, "");
        largest = std::max(largest, comparison.error);
      }
    }
    setFaultReport(nullptr, nullptr);
    if (HasFailure())
      break;
  }
  EXPECT_LE(tooComplex, kRounds / 5);
  std::printf("largest error %g; %d of %d kernels too complex\n", largest,
              tooComplex, 2 * kRounds);
}

/// Tiles of few rows, so that masks, lists and launches that go on from each
/// other's states are shared out among threads in every way.
TEST_F(PairSets, ThreadsDoNotChangeBits) {
  constexpr int kRounds = 30;
  std::string title;
  int runs = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000039 + round);
    SetCase c = drawSetCase(&context, random, 96);
    Problem problem = makeSetProblem(c, random);
    title =
        "round " + std::to_string(round) + " of seed " + std::to_string(seed);
    SCOPED_TRACE(title + ":\n" + problem.text);
    setFaultReport(&problem, &title);
    for (const char *schedule :
         {"micro = block, lanes = 4, register_vectors = 1, query_tile = 4",
          "micro = row, query_tile = 3, heads = 1, order = down_across"}) {
      Kernel kernel = jit(problem, "auto", schedule);
      if (!kernel)
        continue;
      RunResult one = engine.run(kernel, problem, Place::AtEnd, 1);
      EXPECT_TRUE(isComplete(one)) << one.message();
      for (uint32_t threads : {2, 3, 4}) {
        RunResult several = engine.run(kernel, problem, Place::AtEnd, threads);
        EXPECT_TRUE(isComplete(several)) << several.message();
        EXPECT_EQ(several.status, one.status);
        EXPECT_TRUE(sameBits(several.outputs, one.outputs))
            << threads << " threads, " << schedule;
      }
      ++runs;
    }
    setFaultReport(nullptr, nullptr);
    if (HasFailure())
      break;
  }
  EXPECT_GE(runs, kRounds);
}

/// Whether nonsense in an operand is possible at all.
static bool readsIntegers(PairsAttr set) {
  bool reads = false;
  set.visit([&](PairsAttr part) {
    reads |= !part.getOperands().empty() && part.getKind() != PairKind::Keys &&
             part.getKind() != PairKind::Dense;
  });
  return reads;
}

/// Row pointers, lists, boundaries and ranges of any numbers: a kernel may
/// compute anything of them, but reads and writes nothing outside its operands,
/// ends, and says the same each time.
TEST_F(PairSets, NonsenseInOperandsDoesNoHarm) {
  constexpr int kRounds = 60;
  const double kNonsense[] = {-1,   0,       1,      3,     1e3,
                              -1e3, 30000,   -30000, 1e9,   -1e9,
                              1e15, -9.2e18, 9.2e18, 2.0e9, 17};
  std::string title;
  int runs = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (isSkipped(round))
      continue;
    pairs::Random random(seed * 1000033 + round);
    SetCase c = drawSetCase(&context, random, 40);
    while (!readsIntegers(c.mask))
      c.mask = pairs::drawSet(&context, random, draw(random, 0, 2));
    Problem problem = makeSetProblem(c, random);
    for (TensorSpec &input : problem.inputs)
      if (input.name[0] == 'x' && input.dtype != ATTNC_DTYPE_BOOL)
        for (double &x : input.values) {
          double limit = input.dtype == ATTNC_DTYPE_I16   ? 32000
                         : input.dtype == ATTNC_DTYPE_I32 ? 2.1e9
                                                          : 9.3e18;
          if (chance(random, 60))
            x = kNonsense[draw(random, 0, std::size(kNonsense) - 1)];
          x = std::max(-limit, std::min(limit, x));
        }
    title =
        "round " + std::to_string(round) + " of seed " + std::to_string(seed);
    SCOPED_TRACE(title + ":\n" + problem.text);
    setFaultReport(&problem, &title);
    for (const char *micro : kMicro)
      if (Kernel kernel = jit(problem, micro)) {
        run(kernel, problem);
        ++runs;
      }
    setFaultReport(nullptr, nullptr);
    if (HasFailure())
      break;
  }
  EXPECT_GE(runs, kRounds);
}
