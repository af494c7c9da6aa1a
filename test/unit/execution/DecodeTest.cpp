// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Few queries on many keys: the row micro-kernel in every shape of its loops,
// keys that go to several tiles, and batches that mix sequences of one new
// query with long ones.

#include "Harness.h"
#include "PagedCase.h"
#include "gtest/gtest.h"

#include <limits>

using namespace attnc;
using namespace attnc::test;

namespace {
constexpr attnc_dtype kTypes[] = {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16,
                                  ATTNC_DTYPE_F16, ATTNC_DTYPE_F64};

struct DecodeCase {
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  int64_t n = 1, m = 200, heads = 4, keyHeads = 1, d = 32, dv = 32;
  std::vector<int64_t> lengths = {200};
  std::vector<int64_t> queryLengths; // none: n of each batch
  bool dynamicRows = false;
  bool lse = true;
  std::string mask;    // of "keep", a keys() operand, too
  std::string clauses; // others, without operands
  std::string schedule;

  int64_t batches() const { return static_cast<int64_t>(lengths.size()); }
  std::string describe() const {
    return std::string(attnc_dtype_name(dtype)) + ", n " + std::to_string(n) +
           ", m " + std::to_string(m) + ", heads " + std::to_string(heads) +
           "/" + std::to_string(keyHeads) + ", d " + std::to_string(d) + "/" +
           std::to_string(dv) + ", " + mask + clauses + ", " + schedule;
  }
};

std::string specOf(const DecodeCase &c) {
  auto type = [&](int64_t heads, int64_t rows, int64_t columns, bool dynamic) {
    return tensorType({0, heads, rows, columns}, c.dtype,
                      {true, false, dynamic, false});
  };
  std::string q = type(c.heads, c.n, c.d, c.dynamicRows),
              k = type(c.keyHeads, c.m, c.d, true),
              v = type(c.keyHeads, c.m, c.dv, true),
              o = type(c.heads, c.n, c.dv, c.dynamicRows),
              perBatch = "tensor<?xi32>", keep = "tensor<?x?xi1>";
  std::string lse = tensorType({0, c.heads, c.n}, ATTNC_DTYPE_F32,
                               {true, false, c.dynamicRows});
  bool hasKeep = c.mask.find("%keep") != std::string::npos;
  bool hasQueries = !c.queryLengths.empty();
  std::string arguments = "%q: " + q + ", %k: " + k + ", %v: " + v +
                          ", %len: " + perBatch,
              types = q + ", " + k + ", " + v + ", " + perBatch,
              results = c.lse ? "(" + o + ", " + lse + ")" : o;
  if (hasQueries) {
    arguments += ", %ql: " + perBatch;
    types += ", " + perBatch;
  }
  if (hasKeep) {
    arguments += ", %keep: " + keep;
    types += ", " + keep;
  }
  return "func.func @spec(" + arguments + ") -> " + results + " {\n  %o" +
         (c.lse ? ":2" : "") + " = attn.attention %q, %k, %v lengths(%len)" +
         (hasQueries ? " q_lengths(%ql)" : "") +
         (c.mask.empty() ? "" : " mask = #attn.pairs<" + c.mask + ">") +
         c.clauses + (c.lse ? " returns = [lse]" : "") + " : " + types +
         " -> " + results + "\n  return " +
         (c.lse ? "%o#0, %o#1 : " + o + ", " + lse : "%o : " + o) + "\n}\n";
}

/// Rows of k and v that no batch has hold NaN, as do queries that do not exist.
Problem makeDecode(const DecodeCase &c, uint64_t seed) {
  Random random(seed);
  Problem problem;
  problem.operand = c.dtype;
  problem.text = specOf(c);
  auto rows = [&](const std::string &name, int64_t heads, int64_t count,
                  int64_t columns, const std::vector<int64_t> &live) {
    TensorSpec spec{
        name, c.dtype, {c.batches(), heads, count, columns}, {}, {}};
    for (int64_t r = 0; r < spec.size() / columns; ++r)
      for (int64_t x = 0; x < columns; ++x)
        spec.values.push_back(r % count < live[r / count / heads]
                                  ? random.uniform(1.5)
                                  : std::nan(""));
    for (double x : spec.values)
      if (std::isfinite(x))
        problem.largestValue = std::max(problem.largestValue, std::abs(x));
    problem.inputs.push_back(std::move(spec));
  };
  std::vector<int64_t> queries = c.queryLengths.empty()
                                     ? std::vector<int64_t>(c.batches(), c.n)
                                     : c.queryLengths;
  rows("q", c.heads, c.n, c.d, queries);
  rows("k", c.keyHeads, c.m, c.d, c.lengths);
  rows("v", c.keyHeads, c.m, c.dv, c.lengths);
  auto perBatch = [&](const char *name, const std::vector<int64_t> &values) {
    TensorSpec spec{name, ATTNC_DTYPE_I32, {c.batches()}, {}, {}};
    spec.values.assign(values.begin(), values.end());
    problem.inputs.push_back(std::move(spec));
  };
  perBatch("len", c.lengths);
  if (!c.queryLengths.empty())
    perBatch("ql", c.queryLengths);
  if (c.mask.find("%keep") != std::string::npos) {
    TensorSpec keep{"keep", ATTNC_DTYPE_BOOL, {c.batches(), c.m}, {}, {}};
    for (int64_t i = 0; i < keep.size(); ++i)
      keep.values.push_back(static_cast<double>(random.below(4) != 0));
    problem.inputs.push_back(std::move(keep));
  }
  problem.outputs.push_back(
      {"o", c.dtype, {c.batches(), c.heads, c.n, c.dv}, {}, {}, -1});
  if (c.lse)
    problem.outputs.push_back(
        {"lse", ATTNC_DTYPE_F32, {c.batches(), c.heads, c.n}, {}, {}, -1});
  // The naive error of f64 is that of the reference: compared as f32 is.
  if (c.dtype == ATTNC_DTYPE_F64)
    problem.naiveErrors.assign(problem.outputs.size(), 1e-15);
  return problem;
}

/// Batch b of a problem alone, with room for n queries and m keys.
Problem itemOf(const DecodeCase &c, const Problem &problem, int64_t b,
               int64_t n, int64_t m) {
  Problem item = problem;
  auto cut = [&](TensorSpec &tensor, int64_t rows) {
    int64_t part = tensor.size() / c.batches();
    std::vector<double> own;
    if (!tensor.values.empty())
      own.assign(tensor.values.begin() + b * part,
                 tensor.values.begin() + (b + 1) * part);
    tensor.shape[0] = 1;
    tensor.values = own;
    if (tensor.shape.size() < 3)
      return;
    int64_t before = tensor.shape[2];
    tensor.shape[2] = rows;
    if (own.empty())
      return;
    int64_t columns = tensor.shape[3];
    tensor.values.clear();
    for (int64_t h = 0; h < tensor.shape[1]; ++h)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t x = 0; x < columns; ++x)
          tensor.values.push_back(
              r < before ? own[(h * before + r) * columns + x] : std::nan(""));
  };
  for (TensorSpec &tensor : item.inputs)
    cut(tensor, tensor.name == "q" ? n : m);
  for (TensorSpec &tensor : item.outputs)
    cut(tensor, n);
  return item;
}

class Decode : public ::testing::Test {
protected:
  Engine engine;

  Kernel jit(const Problem &problem, const DecodeCase &c) {
    Kernel kernel = engine.jit(problem, {"auto", "auto", c.schedule});
    EXPECT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
    return kernel;
  }
  Values run(const Kernel &kernel, const Problem &problem, uint32_t threads,
             Place place = Place::AtEnd) {
    RunResult result = engine.run(kernel, problem, place, threads);
    EXPECT_TRUE(result.ok()) << result.message() << "\n" << problem.text;
    return result.outputs;
  }
  /// The promise, at both guard pages.
  void expectReference(const DecodeCase &c, uint64_t seed) {
    SCOPED_TRACE(c.describe());
    Problem problem = makeDecode(c, seed);
    std::string title = c.describe();
    Kernel kernel = jit(problem, c);
    ASSERT_TRUE(kernel);
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics() << problem.text;
    setFaultReport(&problem, &title);
    for (Place place : {Place::AtEnd, Place::AtBegin})
      EXPECT_EQ(compare(problem, run(kernel, problem, 2, place), *exact, *naive)
                    .failure,
                "")
          << problem.text;
    setFaultReport(nullptr, nullptr);
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// Head sizes of less than a vector, of one and a part, of more than a register
/// file; groups of 1, 2, 3 and more queries.
TEST_F(Decode, HeadSizesAndGroups) {
  const std::pair<int64_t, int64_t> sizes[] = {{4, 4},    {15, 7},   {16, 24},
                                               {33, 40},  {72, 80},  {128, 128},
                                               {192, 96}, {328, 296}};
  const std::pair<int64_t, int64_t> heads[] = {{1, 1}, {2, 1}, {3, 1},
                                               {4, 4}, {8, 2}, {20, 1}};
  uint64_t seed = 1;
  for (auto [d, dv] : sizes)
    for (attnc_dtype dtype : kTypes) {
      DecodeCase c;
      c.dtype = dtype;
      c.d = d;
      c.dv = dv;
      std::tie(c.heads, c.keyHeads) = heads[seed % std::size(heads)];
      c.n = seed % 3 == 0 ? 5 : 1;
      c.m = 75;
      c.lengths = {75, 16, 1};
      c.mask = seed % 2 ? "causal" : "";
      expectReference(c, seed++);
    }
}

/// Scores that a region changes, soft caps and masks that test.
TEST_F(Decode, RegionsAndTests) {
  uint64_t seed = 50;
  for (attnc_dtype dtype : kTypes)
    for (const char *mask : {"causal & keys(%keep)", "window<30, 0> | first<3>",
                             "columns<8, 3> & causal", "empty"})
      for (const char *clauses :
           {"", " kernel = #attn.softmax<softcap = 3.0>"}) {
        DecodeCase c;
        c.dtype = dtype;
        c.n = 4;
        c.heads = 4;
        c.keyHeads = 2;
        c.m = 90;
        c.lengths = {90, 31};
        c.mask = mask;
        c.clauses = clauses;
        expectReference(c, seed++);
      }
}

//===----------------------------------------------------------------------===//
// Splits
//===----------------------------------------------------------------------===//

/// Sequences of no key, of less than a split, of a split and one more.
TEST_F(Decode, SplitsAgainstReference) {
  uint64_t seed = 100;
  for (attnc_dtype dtype : kTypes)
    for (const char *mask : {"", "causal", "window<70, 0>", "keys(%keep)",
                             "columns<8, 3>", "window<9, 0> | first<4>"})
      for (int64_t n : {1, 7}) {
        DecodeCase c;
        c.dtype = dtype;
        c.n = n;
        c.heads = n == 1 ? 8 : 2;
        c.keyHeads = 2;
        c.lengths = {200, 64, 65, 63, 1, 0};
        c.mask = mask;
        c.lse = seed % 3 != 0;
        c.schedule = "split = 64";
        expectReference(c, seed++);
      }
}

/// A long sequence by the splits that attn-schedule chooses.
TEST_F(Decode, ChosenSplits) {
  for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16}) {
    DecodeCase c;
    c.dtype = dtype;
    c.d = c.dv = 128;
    c.m = 9000;
    c.lengths = {9000, 2000};
    c.lse = true;
    expectReference(c, 7);
  }
}

TEST_F(Decode, SplitsOfPages) {
  for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16})
    for (const char *mask : {"", " mask = #attn.pairs<causal>"}) {
      PagedCase paged;
      paged.dtype = dtype;
      paged.lengths = {300, 129, 40, 1};
      paged.n = 2;
      paged.poolPages = 40;
      paged.d = paged.dv = 32;
      paged.clauses = mask;
      Problem problem = makePaged(paged, 11),
              whole = makeContiguous(paged, problem);
      DecodeCase c;
      c.schedule = "split = 48, key_block = 16";
      Kernel a = jit(problem, c), b = jit(whole, c);
      ASSERT_TRUE(a && b);
      auto exact = engine.evaluate(problem, true);
      auto naive = engine.evaluate(problem, false);
      ASSERT_TRUE(exact && naive) << engine.takeDiagnostics();
      Values x = run(a, problem, 2);
      EXPECT_EQ(compare(problem, x, *exact, *naive).failure, "");
      EXPECT_TRUE(sameBits(x, run(b, whole, 1)));
    }
}

/// A NaN reaches the rows that see it and no others, whichever split it is in.
TEST_F(Decode, NonFiniteKeysOfSplits) {
  for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16}) {
    DecodeCase c;
    c.dtype = dtype;
    c.n = 4;
    c.mask = "causal";
    c.schedule = "split = 64";
    Problem problem = makeDecode(c, 21);
    Kernel kernel = jit(problem, c);
    for (const char *operand : {"k", "v"})
      for (double value : {std::nan(""), HUGE_VAL}) {
        Problem dirty = problem;
        // Keys 198 and on are those of the last two queries.
        std::vector<double> &values = dirty.input(operand).values;
        std::fill_n(values.begin() + 198 * c.d, c.d, value);
        Values results = run(kernel, dirty, 1);
        auto exact = engine.evaluate(dirty, true);
        auto naive = engine.evaluate(dirty, false);
        ASSERT_TRUE(exact && naive);
        EXPECT_EQ(compare(dirty, results, *exact, *naive).failure, "");
        for (int64_t i = 0; i < c.heads * c.n; ++i)
          EXPECT_TRUE(i % c.n >= 2 || std::isfinite(results[0][i * c.dv]));
      }
  }
}

//===----------------------------------------------------------------------===//
// The same bits
//===----------------------------------------------------------------------===//

/// Results depend on the sequence's own lengths: not on threads, not on what
/// else is in the batch, not on the room that operands have.
TEST_F(Decode, BitsDependOnOwnLengths) {
  for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16})
    for (bool isMixed : {false, true})
      for (const char *mask : {"", "causal", "window<600, 0>"}) {
        DecodeCase c;
        c.dtype = dtype;
        c.heads = 4;
        c.keyHeads = 2;
        c.m = 1400;
        c.lengths = {1400, 900, 256, 257, 33, 0};
        c.mask = mask;
        if (isMixed) {
          c.dynamicRows = true;
          c.n = 120;
          c.queryLengths = {1, 120, 8, 9, 3, 0};
        } else {
          c.n = 4;
          c.schedule = "split = 256";
        }
        SCOPED_TRACE(c.describe());
        Problem batch = makeDecode(c, 31);
        Kernel kernel = jit(batch, c);
        ASSERT_TRUE(kernel);
        Values all = run(kernel, batch, 1);
        for (uint32_t threads : {2, 3, 4})
          EXPECT_TRUE(sameBits(all, run(kernel, batch, threads)))
              << threads << " threads";
        for (int64_t b = 0; b < c.batches(); ++b)
          for (int64_t m : {c.m, c.lengths[b], c.lengths[b] + 77}) {
            int64_t n = isMixed && m != c.m ? c.queryLengths[b] : c.n;
            Values alone = run(kernel, itemOf(c, batch, b, n, m), 1);
            for (size_t r = 0; r < all.size(); ++r) {
              int64_t columns = r == 0 ? c.dv : 1;
              for (int64_t h = 0; h < c.heads; ++h) {
                auto at = all[r].begin() + (b * c.heads + h) * c.n * columns;
                auto own = alone[r].begin() + h * n * columns;
                EXPECT_TRUE(sameBits({{at, at + n * columns}},
                                     {{own, own + n * columns}}))
                    << "batch " << b << ", head " << h << ", room for " << m;
              }
            }
          }
      }
}

//===----------------------------------------------------------------------===//
// Batches that mix few queries with many
//===----------------------------------------------------------------------===//

TEST_F(Decode, MixedBatchesAgainstReference) {
  uint64_t seed = 200;
  for (attnc_dtype dtype : kTypes)
    for (auto [heads, keyHeads] :
         {std::pair<int64_t, int64_t>(4, 2), {16, 1}, {3, 3}})
      for (const char *mask : {"", "causal", "window<40, 0> & keys(%keep)"}) {
        DecodeCase c;
        c.dtype = dtype;
        c.heads = heads;
        c.keyHeads = keyHeads;
        c.n = 70;
        c.m = 110;
        c.dynamicRows = true;
        c.lengths = {110, 110, 61, 40, 9, 5};
        c.queryLengths = {1, 70, 8, 9, 0, 5};
        c.mask = mask;
        c.d = seed % 2 ? 32 : 20;
        expectReference(c, seed++);
      }
}
