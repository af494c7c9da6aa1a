// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.append in place, alone and in front of attention, against the reference:
// contiguous, paged and packed caches, fused producers, rows without a place.

#include "Harness.h"
#include "PagedCase.h"
#include "gtest/gtest.h"

#include <map>

using namespace attnc;
using namespace attnc::test;

namespace {
enum class Cache { Contiguous, Table, Packed };

struct AppendCase {
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  Cache cache = Cache::Contiguous;
  std::vector<int64_t> lengths = {40, 7, 63}, counts; // none: all rows
  int64_t n = 7, heads = 2, d = 24;
  int64_t capacity = 64, pageSize = 16, poolPages = 14;
  bool isDynamic = false, attends = false;
  bool rounds = false; // rows come in f32 and are rounded on the way
  std::vector<int64_t> cacheStrides;

  int64_t batches() const { return static_cast<int64_t>(lengths.size()); }
  int64_t entries() const { return (capacity + pageSize - 1) / pageSize; }
};

class AppendWriter {
public:
  AppendWriter(const AppendCase &c, uint64_t seed) : c(c), random(seed) {}

  Problem make() {
    cacheShape =
        c.cache == Cache::Contiguous
            ? std::vector<int64_t>{c.batches(), c.heads, c.capacity, c.d}
            : std::vector<int64_t>{c.poolPages, c.heads, c.pageSize, c.d};
    attnc_dtype rowType = c.rounds ? ATTNC_DTYPE_F32 : c.dtype;
    std::vector<int64_t> rowShape{c.batches(), c.heads, c.n, c.d};
    addRows("rows", rowShape, rowType);
    addRows("cache", cacheShape, c.dtype);
    problem.inputs.back().strides = c.cacheStrides;
    addIntegers("len", {c.batches()}, c.lengths);
    if (!c.counts.empty())
      addIntegers("count", {c.batches()}, c.counts);
    addPages();
    std::string operands, clauses = " lengths(%len)";
    for (const char *name :
         {"rows", "cache", "len", "count", "pages", "indptr"})
      if (types.count(name))
        operands +=
            (operands.empty() ? "" : ", ") +
            (name == std::string("rows") && c.rounds ? type(rowShape, c.dtype)
                                                     : types[name]);
    if (!c.counts.empty())
      clauses += " row_lengths(%count)";
    std::string pages = c.cache == Cache::Table    ? " pages(%pages)"
                        : c.cache == Cache::Packed ? " pages(%pages, %indptr)"
                                                   : "";
    clauses += pages;
    std::string body;
    if (c.rounds)
      body += round(rowShape);
    std::string cacheType = types["cache"];
    body += std::string("  %new = attn.append ") +
            (c.rounds ? "%rounded" : "%rows") + " into %cache" + clauses +
            " : (" + operands + ") -> " + cacheType + "\n";
    std::string results = cacheType, values = "%new";
    if (c.attends)
      attend(body, pages, results, values);
    std::string list = c.attends ? "(" + results + ")" : results;
    problem.text = "func.func @append(" + arguments + ") -> " + list + " {\n" +
                   body + "  return " + values + " : " + results + "\n}\n";
    TensorSpec output = problem.inputs[1];
    output.updates = 1;
    problem.outputs.push_back(output);
    problem.operand = c.dtype;
    return std::move(problem);
  }

private:
  const AppendCase &c;
  Random random;
  Problem problem;
  std::vector<int64_t> cacheShape;
  std::map<std::string, std::string> types;
  std::string arguments;

  std::string type(const std::vector<int64_t> &shape, attnc_dtype dtype) {
    bool known = !c.isDynamic || shape.size() != 4;
    return tensorType(shape, dtype,
                      known ? std::vector<bool>(shape.size(), c.isDynamic)
                            : std::vector<bool>{true, true, true, false});
  }
  void add(TensorSpec spec) {
    types[spec.name] = type(spec.shape, spec.dtype);
    arguments +=
        (arguments.empty() ? "%" : ", %") + spec.name + ": " + types[spec.name];
    problem.inputs.push_back(std::move(spec));
  }
  void addRows(const std::string &name, const std::vector<int64_t> &shape,
               attnc_dtype dtype) {
    TensorSpec spec{name, dtype, shape, {}, {}};
    for (int64_t i = 0; i < spec.size(); ++i)
      spec.values.push_back(random.uniform(1.5));
    problem.largestValue = 1.5;
    add(std::move(spec));
  }
  void addIntegers(const std::string &name, const std::vector<int64_t> &shape,
                   const std::vector<int64_t> &values) {
    add({name,
         ATTNC_DTYPE_I32,
         shape,
         {},
         std::vector<double>(values.begin(), values.end())});
  }
  void addPages() {
    if (c.cache == Cache::Contiguous)
      return;
    std::vector<int64_t> order, indptr{0};
    for (int64_t i = 0; i < c.batches() * c.entries(); ++i)
      order.push_back((i * 5 + 3) % c.poolPages);
    for (int64_t b = 0; b < c.batches(); ++b)
      indptr.push_back((b + 1) * c.entries());
    if (c.cache == Cache::Table)
      return addIntegers("pages", {c.batches(), c.entries()}, order);
    addIntegers("pages", {static_cast<int64_t>(order.size())}, order);
    addIntegers("indptr", {c.batches() + 1}, indptr);
  }
  std::string round(const std::vector<int64_t> &shape) {
    std::string to = type(shape, c.dtype), from = types["rows"],
                map = "affine_map<(a, b, c, d) -> (a, b, c, d)>";
    std::string body, sizes;
    if (c.isDynamic)
      for (int d = 0; d < 3; ++d) {
        std::string n = std::to_string(d);
        body += "  %i" + n + " = arith.constant " + n + " : index\n  %n" + n +
                " = tensor.dim %rows, %i" + n + " : " + from + "\n";
        sizes += (sizes.empty() ? "%n" : ", %n") + n;
      }
    return body + "  %empty = tensor.empty(" + sizes + ") : " + to +
           "\n  %rounded = linalg.generic {indexing_maps = [" + map + ", " +
           map +
           "], iterator_types = [\"parallel\", \"parallel\", \"parallel\", "
           "\"parallel\"]} ins(%rows : " +
           from + ") outs(%empty : " + to +
           ") {\n  ^bb0(%x: f32, %u: bf16):\n    %t = arith.truncf %x : f32 to "
           "bf16\n    linalg.yield %t : bf16\n  } -> " +
           to + "\n";
  }
  /// Queries on the new rows, keys as their own values.
  void attend(std::string &body, const std::string &pages, std::string &results,
              std::string &values) {
    std::vector<int64_t> shape{c.batches(), 2 * c.heads, c.n, c.d};
    addRows("q", shape, c.dtype);
    std::string q = types["q"], cache = types["cache"];
    std::string counts = c.counts.empty() ? "" : " q_lengths(%count)";
    body += "  %o = attn.attention %q, %new, %new" + pages + " lengths(%len)" +
            counts + " mask = #attn.pairs<causal> : " + q + ", " + cache +
            ", " + cache + (types.count("pages") ? ", " + types["pages"] : "") +
            (types.count("indptr") ? ", " + types["indptr"] : "") + ", " +
            types["len"] + (c.counts.empty() ? "" : ", " + types["count"]) +
            " -> " + q + "\n";
    results = q + ", " + cache;
    values = "%o, %new";
    problem.outputs.push_back({"o", c.dtype, shape, {}, {}});
  }
};

class Append : public ::testing::Test {
protected:
  Engine engine;

  Kernel jit(const Problem &problem) {
    Kernel kernel = engine.jit(problem);
    EXPECT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
    return kernel;
  }
  void expectReference(const Problem &problem) {
    Kernel kernel = jit(problem);
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(kernel && exact && naive)
        << engine.takeDiagnostics() << problem.text;
    for (Place place : {Place::AtEnd, Place::AtBegin}) {
      RunResult result = engine.run(kernel, problem, place, 2);
      ASSERT_TRUE(result.ok()) << result.message() << problem.text;
      EXPECT_EQ(compare(problem, result.outputs, *exact, *naive).failure, "")
          << problem.text;
      // Rows are copied, not computed.
      EXPECT_EQ(result.outputs.back(), naive->back()) << problem.text;
    }
  }
  /// A launch that reports `status` and leaves the cache as it was but for the
  /// batches in `written`.
  RunResult expectStatus(const Problem &problem, uint32_t status) {
    Kernel kernel = jit(problem);
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
    EXPECT_EQ(result.error.code, ATTNC_ERROR_STATUS) << result.message();
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.damage, "");
    return result;
  }
};

const Cache kCaches[] = {Cache::Contiguous, Cache::Table, Cache::Packed};

TEST_F(Append, Rows) {
  for (Cache cache : kCaches)
    for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16})
      for (bool isDynamic : {false, true})
        for (bool attends : {false, true}) {
          AppendCase c;
          c.cache = cache;
          c.dtype = dtype;
          c.isDynamic = isDynamic;
          c.attends = attends;
          expectReference(AppendWriter(c, 21).make());
          c.counts = {3, 0, 7};
          expectReference(AppendWriter(c, 22).make());
        }
}

/// More rows than one workgroup or one page takes.
TEST_F(Append, ManyRows) {
  for (Cache cache : kCaches)
    for (int64_t pageSize : {1, 5, 64}) {
      AppendCase c;
      c.cache = cache;
      c.n = 150;
      c.lengths = {150, 193, 200};
      c.capacity = 200;
      c.pageSize = pageSize;
      c.poolPages = 3 * c.entries() + 1;
      while (c.poolPages % 5 == 0)
        ++c.poolPages;
      expectReference(AppendWriter(c, 23).make());
    }
}

TEST_F(Append, ProducersAreFused) {
  for (Cache cache : kCaches)
    for (bool isDynamic : {false, true}) {
      AppendCase c;
      c.cache = cache;
      c.dtype = ATTNC_DTYPE_BF16;
      c.rounds = true;
      c.isDynamic = isDynamic;
      c.attends = true;
      Problem problem = AppendWriter(c, 24).make();
      expectReference(problem);
      // No buffer for the rounded rows.
      auto kernel =
          engine.compile(problem, {"native"}, {"auto", "auto", "split = 0"});
      ASSERT_TRUE(kernel);
      EXPECT_TRUE(kernel->temps.empty());
      EXPECT_EQ(kernel->args[1].role, ArgRole::InOut);
    }
}

TEST_F(Append, StridedCache) {
  AppendCase c;
  c.cache = Cache::Table;
  // [pages, page size, heads, d] in memory.
  c.cacheStrides = {c.pageSize * c.heads * c.d, c.d, c.heads * c.d, 1};
  expectReference(AppendWriter(c, 25).make());
}

TEST_F(Append, NothingOutsideTheCache) {
  for (Cache cache : kCaches) {
    AppendCase c;
    c.cache = cache;
    Problem problem = AppendWriter(c, 26).make();
    problem.input("len").values = {65, 1 << 30, -5};
    RunResult result = expectStatus(problem, ATTNC_STATUS_BAD_LENGTH);
    Problem before = problem;
    Kernel kernel = jit(problem);
    before.input("len").values = {7, 7, 7};
    // A length below the number of rows has no place for them either.
    problem.input("len").values = {6, 0, 3};
    RunResult unchanged = expectStatus(problem, ATTNC_STATUS_BAD_LENGTH);
    EXPECT_EQ(result.outputs, unchanged.outputs);
    if (cache == Cache::Contiguous) {
      // Cache values as they are stored.
      const TensorSpec &old = problem.input("cache");
      for (size_t i = 0; i < old.values.size(); ++i)
        ASSERT_EQ(unchanged.outputs[0][i],
                  static_cast<double>(static_cast<float>(old.values[i])));
    }
  }
}

TEST_F(Append, BadPagesAreLeftOut) {
  for (Cache cache : {Cache::Table, Cache::Packed}) {
    AppendCase c;
    c.cache = cache;
    Problem problem = AppendWriter(c, 27).make();
    // Rows 33 .. 39 of batch 0 go to its entry 2.
    problem.input("pages").values[2] = -1;
    Problem without = problem;
    without.input("pages").values[2] = 1e9;
    RunResult result = expectStatus(problem, ATTNC_STATUS_BAD_PAGE);
    EXPECT_EQ(result.outputs,
              expectStatus(without, ATTNC_STATUS_BAD_PAGE).outputs);
  }
}

/// Rows of a cache that lie in one place cannot all be written.
TEST_F(Append, SharedRowsAreRefused) {
  AppendCase c;
  Problem shared = AppendWriter(c, 28).make();
  Kernel kernel = jit(shared);
  ASSERT_TRUE(kernel);
  shared.input("cache").strides = {0, c.capacity * c.d, c.d, 1};
  shared.outputs[0].strides = shared.input("cache").strides;
  RunResult result = engine.run(kernel, shared, Place::AtEnd, 1);
  EXPECT_EQ(result.error.code, ATTNC_ERROR_STRIDE);
  EXPECT_NE(std::string(result.error.message).find("updated argument 'arg1'"),
            std::string::npos)
      << result.error.message;
}
} // namespace
