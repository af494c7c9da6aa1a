// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Promises of kernels beyond their numbers: what masked keys hold does not
// matter, bits do not depend on threads and batches, bad calls are refused.

#include "Case.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <limits>

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

class Behaviour : public ::testing::Test {
protected:
  Engine engine;

  Kernel jit(const Problem &problem, const Case &c = {}) {
    Kernel kernel = engine.jit(problem, {c.micro, c.producers});
    EXPECT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
    return kernel;
  }
  /// The results of a launch that must succeed.
  Values run(const Kernel &kernel, const Problem &problem,
             uint32_t threads = 1) {
    RunResult result = engine.run(kernel, problem, Place::AtEnd, threads);
    EXPECT_TRUE(result.ok()) << result.message() << "\n" << problem.text;
    return result.outputs;
  }
  void expectPromise(const Problem &problem, const Values &results) {
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
    EXPECT_EQ(compare(problem, results, *exact, *naive).failure, "")
        << problem.text;
  }
  /// A case's problem; f64 knows its naive error.
  Problem make(const Case &c, uint64_t seed) {
    Problem problem = makeProblem(c, seed);
    EXPECT_TRUE(expectNaiveError(engine, problem, c, seed));
    return problem;
  }
  /// A launch that must be refused with a message about `reason`.
  void expectRefused(const Kernel &kernel, const Problem &problem,
                     attnc_result code, const std::string &reason) {
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
    EXPECT_EQ(result.error.code, code) << result.error.message;
    EXPECT_NE(std::string(result.error.message).find(reason), std::string::npos)
        << "'" << result.error.message << "' does not say '" << reason << "'";
    for (const std::vector<double> &output : result.outputs)
      for (double x : output)
        EXPECT_TRUE(std::isnan(x)) << "written though refused";
  }
};

/// Each micro-kernel.
const char *const kMicro[] = {"block", "row"};

Case smallCase(const char *micro) {
  Case c;
  c.n = 65;
  c.m = 130;
  c.d = 24;
  c.dv = 33;
  c.rank = 4;
  c.heads = Heads::FourOnTwo;
  c.micro = micro;
  c.lse = true;
  return c;
}

/// Sets key row `c` of every batch and head of a dense operand.
void setKeyRow(TensorSpec &tensor, int64_t c, double value) {
  int64_t columns = tensor.shape.back(),
          rows = tensor.shape[tensor.shape.size() - 2];
  for (int64_t r = 0; r < tensor.size() / columns; ++r)
    if (r % rows == c)
      std::fill_n(tensor.values.begin() + r * columns, columns, value);
}

/// How a formula grows with queries and keys together: 0 where no term is a
/// product of both. Arguments take the sizes of the case at other n and m.
int64_t mixedGrowth(const Formula &formula, Case c) {
  auto at = [&](int64_t n, int64_t m) {
    c.n = n;
    c.m = m;
    Problem problem = makeProblem(c, 1, true);
    auto size = [&](uint32_t tensor, uint32_t dim) -> std::optional<int64_t> {
      size_t inputs = problem.inputs.size();
      const TensorSpec &spec = tensor < inputs
                                   ? problem.inputs[tensor]
                                   : problem.outputs[tensor - inputs];
      return spec.shape[dim];
    };
    std::optional<int64_t> value = evaluateFormula(formula, size);
    EXPECT_TRUE(value);
    return value.value_or(0);
  };
  return at(200, 300) - at(200, 100) - at(100, 300) + at(100, 100);
}

void resize(TensorSpec &tensor, size_t dim, int64_t size) {
  tensor.shape[dim] = size;
  tensor.strides.clear();
  tensor.values.assign(tensor.size(), 1.0);
}
} // namespace

//===----------------------------------------------------------------------===//
// What masked keys hold
//===----------------------------------------------------------------------===//

/// One key is NaN or infinite, in K or in V: rows that see it show it as the
/// reference does, and no other row changes. Values of half a word are loaded
/// into blocks, others read in place.
TEST_F(Behaviour, NonFiniteKeysReachOnlyRowsThatSeeThem) {
  const std::pair<Mask, attnc_dtype> kinds[] = {
      {Mask::Full, ATTNC_DTYPE_F32},
      {Mask::Causal, ATTNC_DTYPE_F32},
      {Mask::Window, ATTNC_DTYPE_F32},
      {Mask::Dense, ATTNC_DTYPE_F32},
      {Mask::FirstOrWindow, ATTNC_DTYPE_F32},
      {Mask::WindowAndKeys, ATTNC_DTYPE_F32},
      {Mask::WindowAndKeys, ATTNC_DTYPE_BF16}};
  for (const char *micro : kMicro)
    for (auto [mask, dtype] : kinds) {
      Case c = smallCase(micro);
      c.mask = mask;
      c.dtype = dtype;
      Problem clean = makeProblem(c, 7);
      Kernel kernel = jit(clean, c);
      Values before = run(kernel, clean);
      for (const char *operand : {"k", "v"})
        for (double value : {kNaN, kInf, -kInf}) {
          Problem dirty = clean;
          setKeyRow(dirty.input(operand), 97, value);
          Values after = run(kernel, dirty);
          expectPromise(dirty, after);
          size_t infected = 0, finite = 0;
          for (double x : after[0])
            (std::isfinite(x) ? finite : infected) += 1;
          EXPECT_GT(infected, 0u);
          EXPECT_EQ(finite == 0, mask == Mask::Full);
        }
    }
}

/// Keys that no row keeps may hold anything at all.
TEST_F(Behaviour, KeysThatNobodyKeepsMayHoldAnything) {
  for (const char *micro : kMicro)
    for (attnc_dtype dtype :
         {ATTNC_DTYPE_F32, ATTNC_DTYPE_F64, ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16})
      for (bool keys : {false, true}) {
        Case c = smallCase(micro);
        c.dtype = dtype;
        c.mask = keys ? Mask::CausalAndKeys : Mask::WideWindow;
        c.positions = Positions::BothLengths;
        c.poison = true;
        Problem problem = make(c, 8);
        Values results = run(jit(problem, c), problem);
        for (double x : results[0])
          ASSERT_TRUE(std::isfinite(x)) << c.describe();
        expectPromise(problem, results);
      }
}

//===----------------------------------------------------------------------===//
// Rows without pairs
//===----------------------------------------------------------------------===//

TEST_F(Behaviour, RowsWithoutPairsGiveZerosAndMinusInfinity) {
  for (const char *micro : kMicro)
    for (attnc_dtype dtype :
         {ATTNC_DTYPE_F32, ATTNC_DTYPE_F64, ATTNC_DTYPE_F16, ATTNC_DTYPE_BF16})
      for (Mask mask : {Mask::Empty, Mask::Causal, Mask::Dense}) {
        Case c = smallCase(micro);
        c.dtype = dtype;
        c.mask = mask;
        c.n = 130; // causal with more queries than keys: none for the first
        c.m = 65;
        Problem problem = make(c, 9);
        if (mask == Mask::Dense)
          std::fill_n(problem.input("keep").values.begin(), 65 * 65, 0.0);
        Values results = run(jit(problem, c), problem);
        expectPromise(problem, results);
        for (size_t row = 0; row < results[1].size(); ++row) {
          bool empty = mask == Mask::Empty || row % 130 < 65;
          ASSERT_EQ(results[1][row] == -kInf, empty) << row;
          for (int64_t x = 0; x < c.dv && empty; ++x)
            ASSERT_EQ(results[0][row * c.dv + x], 0.0) << row;
        }
      }
}

TEST_F(Behaviour, NoKeysAndNoQueries) {
  for (const char *micro : kMicro) {
    Case c = smallCase(micro);
    c.dynamic = Dynamic::All;
    Kernel kernel = jit(makeProblem(c, 1), c);
    c.m = 0;
    Problem noKeys = makeProblem(c, 1);
    Values results = run(kernel, noKeys);
    for (double x : results[0])
      ASSERT_EQ(x, 0.0);
    for (double x : results[1])
      ASSERT_EQ(x, -kInf);
    c.n = 0;
    c.m = 5;
    EXPECT_TRUE(run(kernel, makeProblem(c, 1))[0].empty());
  }
}

//===----------------------------------------------------------------------===//
// The same bits
//===----------------------------------------------------------------------===//

TEST_F(Behaviour, ThreadsDoNotChangeBits) {
  for (const char *micro : kMicro) {
    Case c = smallCase(micro);
    c.n = 200;
    c.mask = Mask::CausalAndSinks;
    c.producer = Producer::NormThenRotary;
    c.producers = "materialize";
    Problem problem = makeProblem(c, 3);
    Kernel kernel = jit(problem, c);
    Values one = run(kernel, problem, 1);
    expectPromise(problem, one);
    for (uint32_t threads : {2, 5})
      EXPECT_TRUE(sameBits(one, run(kernel, problem, threads)))
          << threads << " threads, " << micro;
  }
}

/// Takes item `b` of the batch out of a dense problem, with `m` key rows.
static Problem itemOf(const Problem &problem, int64_t b, int64_t m) {
  Problem item = problem;
  auto cut = [&](TensorSpec &tensor, bool isKey) {
    int64_t part = tensor.size() / tensor.shape[0];
    std::vector<double> values;
    if (!tensor.values.empty())
      values.assign(tensor.values.begin() + b * part,
                    tensor.values.begin() + (b + 1) * part);
    tensor.shape[0] = 1;
    tensor.strides.clear();
    if (isKey) {
      int64_t columns = tensor.shape[3], rows = tensor.shape[2];
      tensor.values.clear();
      for (int64_t r = 0; r < part / columns; ++r)
        if (r % rows < m)
          tensor.values.insert(tensor.values.end(),
                               values.begin() + r * columns,
                               values.begin() + (r + 1) * columns);
      tensor.shape[2] = m;
    } else {
      tensor.values = values;
    }
  };
  for (TensorSpec &tensor : item.inputs)
    cut(tensor, tensor.name == "k" || tensor.name == "v");
  for (TensorSpec &tensor : item.outputs)
    cut(tensor, false);
  return item;
}

/// An item gives the same bits in a batch, alone, and without its padding.
TEST_F(Behaviour, BatchesDoNotChangeBits) {
  for (const char *micro : kMicro)
    for (Mask mask : {Mask::Full, Mask::Causal, Mask::WideWindow}) {
      Case c = smallCase(micro);
      c.mask = mask;
      c.dynamic = Dynamic::All;
      c.positions = Positions::Lengths;
      Problem batch = makeProblem(c, 4);
      batch.input("lengths").values = {130, 71, 1};
      Kernel kernel = jit(batch, c);
      Values all = run(kernel, batch, 2);
      for (int64_t b = 0; b < 3; ++b) {
        int64_t length = static_cast<int64_t>(batch.input("lengths").values[b]);
        Values expected;
        for (const std::vector<double> &values : all) {
          size_t part = values.size() / 3;
          expected.emplace_back(values.begin() + b * part,
                                values.begin() + (b + 1) * part);
        }
        for (int64_t m : {c.m, length})
          EXPECT_TRUE(sameBits(run(kernel, itemOf(batch, b, m)), expected))
              << c.describe() << ", item " << b << " with " << m << " rows";
      }
    }
}

/// Only differences of positions count, so far starts change nothing.
TEST_F(Behaviour, FarPositionsDoNotChangeBits) {
  for (const char *micro : kMicro)
    for (Mask mask : {Mask::Causal, Mask::Window, Mask::CausalNotWindow}) {
      Case c = smallCase(micro);
      c.mask = mask;
      c.rank = 3;
      c.positions = Positions::LengthsAndStarts;
      c.score = Score::Alibi;
      Problem problem = makeProblem(c, 5);
      // Starts of 64 bits, whatever type the case gives them.
      for (size_t at = 0;
           (at = problem.text.find("tensor<i32>", at)) != std::string::npos;)
        problem.text.replace(at, 11, "tensor<i64>");
      for (const char *name : {"lengths", "q_start", "k_start"})
        problem.input(name).dtype = ATTNC_DTYPE_I64;
      problem.input("q_start").values = {30};
      problem.input("k_start").values = {0};
      Kernel kernel = jit(problem, c);
      Values near = run(kernel, problem);
      expectPromise(problem, near);
      for (double far : {0x1p40, -0x1p40, 0x1p52}) {
        problem.input("q_start").values = {far + 30};
        problem.input("k_start").values = {far};
        EXPECT_TRUE(sameBits(near, run(kernel, problem)))
            << c.describe() << " at " << far;
      }
    }
}

//===----------------------------------------------------------------------===//
// Operands in memory
//===----------------------------------------------------------------------===//

/// V may be a slice of K (multi-head latent attention).
TEST_F(Behaviour, ValuesMayAliasKeys) {
  for (const char *micro : kMicro) {
    Case c = smallCase(micro);
    c.dv = 16;
    c.mask = Mask::Causal;
    Problem problem = makeProblem(c, 6);
    TensorSpec &k = problem.input("k"), &v = problem.input("v");
    v.aliasOf = 1;
    v.strides = k.strides;
    for (int64_t r = 0; r < v.size() / c.dv; ++r)
      std::copy_n(k.values.begin() + r * c.d, c.dv,
                  v.values.begin() + r * c.dv);
    expectPromise(problem, run(jit(problem, c), problem));
  }
}

/// 21 queries at the end of 67 keys; `index` is of a captured table t of 67.
static Problem tableProblem(const std::string &mask, const std::string &index) {
  Problem problem;
  problem.text = R"(
func.func @spec(%q: tensor<21x8xf32>, %k: tensor<?x8xf32>,
                %v: tensor<?x8xf32>, %t: tensor<?xf32>) -> tensor<21x8xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<)" +
                 mask + R"(> score_mod captures(%t : tensor<?xf32>) {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %last = arith.constant 66 : index
        %back = arith.subi %i, %j : index
        %mirrored = arith.subi %last, %back : index
        %x = tensor.extract %t[)" +
                 index + R"(] : tensor<?xf32>
        %y = arith.addf %s, %x : f32
        attn.yield %y : f32
      } : tensor<21x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<21x8xf32>
  return %o : tensor<21x8xf32>
}
)";
  Random random(11);
  auto add = [&](const std::string &name, std::vector<int64_t> shape) {
    TensorSpec tensor;
    tensor.name = name;
    tensor.shape = std::move(shape);
    for (int64_t i = 0; i < tensor.size(); ++i)
      tensor.values.push_back(random.uniform(1.0));
    problem.inputs.push_back(tensor);
  };
  add("q", {21, 8});
  add("k", {67, 8});
  add("v", {67, 8});
  add("t", {67});
  problem.outputs.push_back({"o", ATTNC_DTYPE_F32, {21, 8}, {}, {}, -1});
  problem.largestValue = 1;
  return problem;
}

/// A captured table is read where kept pairs ask for it, from its first element
/// to its last. Pairs that are masked out ask for what lies before and behind.
TEST_F(Behaviour, CapturedTablesAreNotReadBeyond) {
  std::string title = "captured table";
  for (const char *micro : kMicro)
    for (auto [mask, index] : {std::pair("full", "%j"),
                               {"causal", "%back"},
                               {"causal", "%mirrored"}}) {
      Problem problem = tableProblem(mask, index);
      Case c;
      c.micro = micro;
      Kernel kernel = jit(problem, c);
      setFaultReport(&problem, &title);
      Values results = run(kernel, problem);
      expectPromise(problem, results);
      RunResult begin = engine.run(kernel, problem, Place::AtBegin, 1);
      EXPECT_TRUE(sameBits(results, begin.outputs));
      setFaultReport(nullptr, nullptr);
    }
}

//===----------------------------------------------------------------------===//
// Kernel files
//===----------------------------------------------------------------------===//

TEST_F(Behaviour, KernelFilesOfEveryLevel) {
  std::vector<std::string> levels = runnableLevels();
  ASSERT_FALSE(levels.empty());
  for (attnc_dtype dtype :
       {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16, ATTNC_DTYPE_F16, ATTNC_DTYPE_F64})
    for (const char *micro : kMicro) {
      Case c = smallCase(micro);
      c.dtype = dtype;
      c.mask = Mask::Causal;
      c.score = Score::Everything;
      c.producer = Producer::Rotary;
      c.epilogue = Epilogue::Everything;
      Problem problem = make(c, 10);
      auto kernel = engine.compile(problem, levels, {c.micro, c.producers});
      ASSERT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
      for (const std::string &level : levels) {
        std::string error;
        Kernel loaded = Engine::load(*kernel, level, error);
        ASSERT_TRUE(loaded) << error;
        expectPromise(problem, run(loaded, problem));
      }
    }
}

/// Buffers between launches grow with the queries or with the keys, never with
/// their product, and scratch grows with neither.
TEST_F(Behaviour, NothingOfQueriesTimesKeysIsAllocated) {
  for (const char *micro : kMicro)
    for (Producer producer : {Producer::NormThenRotary, Producer::Dequantize}) {
      Case c = smallCase(micro);
      c.dynamic = Dynamic::All;
      c.mask = Mask::DensePerHead;
      c.score = Score::Bias;
      c.producer = producer;
      c.producers = "materialize";
      Problem problem = makeProblem(c, 1, true);
      auto kernel = engine.compile(problem, {"native"}, {micro, c.producers});
      ASSERT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
      EXPECT_FALSE(kernel->temps.empty());
      for (const TempDesc &temp : kernel->temps)
        EXPECT_EQ(mixedGrowth(temp.bytes, c), 0)
            << formatFormula(temp.bytes, tensorNames(*kernel));
      for (const LaunchDesc &launch : kernel->launches)
        EXPECT_LT(launch.scratchBytes, 1u << 20) << launch.name;
    }
}

//===----------------------------------------------------------------------===//
// Bad data, bad calls
//===----------------------------------------------------------------------===//

TEST_F(Behaviour, BadLengthsAreReported) {
  for (const char *micro : kMicro)
    for (const char *name : {"lengths", "q_lengths"})
      for (double bad : {-1.0, 131.0, 0x1p30, -0x1p31}) {
        Case c = smallCase(micro);
        c.n = 130;
        c.positions = Positions::BothLengths;
        Problem problem = makeProblem(c, 2);
        Kernel kernel = jit(problem, c);
        EXPECT_EQ(engine.run(kernel, problem, Place::AtEnd, 1).status,
                  uint32_t(ATTNC_STATUS_OK));
        problem.input(name).values[1] = bad;
        RunResult result = engine.run(kernel, problem, Place::AtEnd, 2);
        EXPECT_EQ(result.error.code, ATTNC_ERROR_STATUS);
        EXPECT_EQ(result.status, uint32_t(ATTNC_STATUS_BAD_LENGTH));
        EXPECT_EQ(result.damage, "");
        EXPECT_FALSE(engine.evaluate(problem, true));
        EXPECT_NE(engine.takeDiagnostics().find(name), std::string::npos);
      }
}

TEST_F(Behaviour, ConstraintsOfDynamicSizesAreChecked) {
  Case c = smallCase("block");
  c.dynamic = Dynamic::All;
  c.positions = Positions::Lengths;
  c.score = Score::Bias;
  c.mask = Mask::Keys;
  c.producer = Producer::Rotary;
  Problem good = makeProblem(c, 2);
  Kernel kernel = jit(good, c);
  run(kernel, good);
  auto refused = [&](const std::string &reason, auto &&change) {
    Problem bad = good;
    change(bad);
    expectRefused(kernel, bad, ATTNC_ERROR_SHAPE, reason);
  };
  refused("(C3)", [](Problem &p) {
    resize(p.input("k"), 0, 2);
    resize(p.input("v"), 0, 2);
  });
  refused("(C4) k and v", [](Problem &p) { resize(p.input("v"), 1, 1); });
  refused("(C4) key heads", [](Problem &p) {
    resize(p.input("k"), 1, 3);
    resize(p.input("v"), 1, 3);
  });
  refused("(C6)", [](Problem &p) { resize(p.input("v"), 2, 129); });
  refused("(C8)", [](Problem &p) { resize(p.input("lengths"), 0, 2); });
  refused("(C10)", [](Problem &p) { resize(p.input("bias"), 3, 2); });
  refused("(C15)", [](Problem &p) { resize(p.input("keep"), 1, 129); });
  refused("matching sizes", [](Problem &p) { resize(p.input("q_cos"), 0, 3); });
  refused("what the inputs give",
          [](Problem &p) { resize(p.outputs[0], 2, 64); });
  refused("what the inputs give",
          [](Problem &p) { resize(p.outputs[1], 0, 4); });
}
