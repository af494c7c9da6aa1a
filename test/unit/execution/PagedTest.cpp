// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over keys in pages against the reference: shuffled and shared
// pages, packed tables, sets, lists, half types, tables that hold nonsense.

#include "Harness.h"
#include "PagedCase.h"
#include "gtest/gtest.h"

using namespace attnc;
using namespace attnc::test;

namespace {
const char *const kMicro[] = {"block", "row"};

class Paged : public ::testing::TestWithParam<const char *> {
protected:
  Engine engine;

  Kernel jit(const Problem &problem) {
    Kernel kernel = engine.jit(problem, {GetParam(), "auto"});
    EXPECT_TRUE(kernel) << engine.takeDiagnostics() << problem.text;
    return kernel;
  }
  /// A launch whose status and results must be these.
  void expectReference(const Problem &problem, uint32_t status = 0) {
    Kernel kernel = jit(problem);
    ASSERT_TRUE(kernel);
    auto exact = engine.evaluate(problem, true);
    auto naive = engine.evaluate(problem, false);
    ASSERT_TRUE(exact && naive) << engine.takeDiagnostics() << problem.text;
    for (Place place : {Place::AtEnd, Place::AtBegin}) {
      RunResult result = engine.run(kernel, problem, place, 2);
      EXPECT_EQ(result.error.code, status ? ATTNC_ERROR_STATUS : ATTNC_OK)
          << result.message();
      EXPECT_EQ(result.damage, "");
      EXPECT_EQ(result.status, status);
      EXPECT_EQ(compare(problem, result.outputs, *exact, *naive).failure, "")
          << problem.text;
    }
  }
  /// A launch that reports and neither crashes nor reads outside.
  void expectStatus(const Problem &problem, uint32_t status) {
    Kernel kernel = jit(problem);
    ASSERT_TRUE(kernel);
    for (Place place : {Place::AtEnd, Place::AtBegin}) {
      RunResult result = engine.run(kernel, problem, place, 1);
      EXPECT_EQ(result.error.code, ATTNC_ERROR_STATUS) << result.message();
      EXPECT_EQ(result.status, status);
      EXPECT_EQ(result.damage, "");
    }
  }
};

TEST_P(Paged, LayoutsAndTypes) {
  int number = 0;
  for (int64_t pageSize : {1, 3, 16, 50})
    for (attnc_dtype dtype :
         {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16, ATTNC_DTYPE_F16, ATTNC_DTYPE_F64})
      for (bool isPacked : {false, true}) {
        PagedCase c;
        c.pageSize = pageSize;
        c.poolPages = pageSize == 1 ? 130 : pageSize == 3 ? 41 : 13;
        c.dtype = dtype;
        c.isPacked = isPacked;
        c.isDynamic = number % 2;
        c.rowsFirst = number % 3 == 0;
        c.sharedPages = number % 5 == 0 ? 1 : 0;
        c.lse = number % 4 == 1;
        c.d = number % 2 ? 32 : 24;
        c.dv = number % 3 ? 32 : 17;
        c.clauses = number % 2 ? " mask = #attn.pairs<causal>" : "";
        SCOPED_TRACE(c.describe());
        // The naive error of f64 is that of the reference: compared as f32 is.
        if (dtype == ATTNC_DTYPE_F64)
          c.lse = false;
        Problem problem = makePaged(c, 100 + number++);
        if (dtype == ATTNC_DTYPE_F64)
          problem.naiveErrors = {1e-15};
        expectReference(problem);
      }
}

TEST_P(Paged, Sets) {
  const char *masks[] = {
      "window<20, 0>",          "window<9, 0> | first<4>", "strided<3>",
      "columns<8, 2> & causal", "causal & !window<2, 0>",  "chunk<10>"};
  for (const char *mask : masks)
    for (int64_t pageSize : {5, 16}) {
      PagedCase c;
      c.pageSize = pageSize;
      c.poolPages = 31;
      c.lengths = {61, 9, 100};
      c.clauses = std::string(" mask = #attn.pairs<") + mask + ">";
      SCOPED_TRACE(c.describe());
      expectReference(makePaged(c, 7));
    }
}

TEST_P(Paged, OperandsOverKeys) {
  PagedCase c;
  int64_t m = c.maxPages() * c.pageSize;
  Random random(3);
  TensorSpec keep{"x0", ATTNC_DTYPE_BOOL, {c.batches(), m}, {}, {}};
  for (int64_t i = 0; i < keep.size(); ++i)
    keep.values.push_back(static_cast<double>(random.below(3) != 0));
  TensorSpec bias{"x1", ATTNC_DTYPE_F32, {c.n, m}, {}, {}};
  for (int64_t i = 0; i < bias.size(); ++i)
    bias.values.push_back(random.uniform(1));
  c.clauses = " bias(%x1) mask = #attn.pairs<keys(%x0)>";
  c.operandTypes = ", " + tensorType(bias.shape, bias.dtype) + ", " +
                   tensorType(keep.shape, keep.dtype);
  c.operands = {keep, bias};
  expectReference(makePaged(c, 8));
}

/// Lists of single keys and of key blocks go through the page table too.
TEST_P(Paged, Lists) {
  Random random(4);
  for (bool bad : {false, true}) {
    PagedCase c;
    c.pageSize = 5;
    c.lengths = {37, 64};
    TensorSpec idx{"x0", ATTNC_DTYPE_I32, {2, 1, c.n, 6}, {}, {}};
    for (int64_t i = 0; i < idx.size(); ++i)
      idx.values.push_back(static_cast<double>(random.below(37)));
    c.clauses = " sparsity = #attn.pairs<topk(%x0)>";
    c.operandTypes = ", " + tensorType(idx.shape, idx.dtype);
    c.operands = {idx};
    Problem problem = makePaged(c, 9);
    if (bad)
      for (int64_t t = 0; t < 4; ++t)
        problem.input("pages").values[t] = -7;
    SCOPED_TRACE(c.describe());
    expectReference(problem, bad ? ATTNC_STATUS_BAD_PAGE : 0);

    c.pageSize = 6;
    TensorSpec ptr{"x0", ATTNC_DTYPE_I32, {3}, {}, {0, 2, 4}};
    TensorSpec blocks{"x1", ATTNC_DTYPE_I32, {4}, {}, {0, 5, 3, 8}};
    c.clauses = " sparsity = #attn.pairs<bsr<4>(%x0, %x1)>";
    c.operandTypes = ", tensor<3xi32>, tensor<4xi32>";
    c.operands = {ptr, blocks};
    problem = makePaged(c, 10);
    if (bad)
      problem.input("pages").values[0] = 1 << 20;
    SCOPED_TRACE(c.describe());
    expectReference(problem, bad ? ATTNC_STATUS_BAD_PAGE : 0);
  }
}

/// Pages change where rows lie, not one bit of what is computed.
TEST_P(Paged, SameBitsAsContiguous) {
  for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16})
    for (const char *mask : {"", " mask = #attn.pairs<causal>"}) {
      PagedCase c;
      c.dtype = dtype;
      c.lengths = {300, 129, 1};
      c.n = 50;
      c.poolPages = 40;
      c.d = c.dv = 32;
      c.clauses = mask;
      Problem paged = makePaged(c, 11), whole = makeContiguous(c, paged);
      Kernel a = jit(paged), b = jit(whole);
      ASSERT_TRUE(a && b);
      RunResult x = engine.run(a, paged, Place::AtEnd, 1),
                y = engine.run(b, whole, Place::AtEnd, 1);
      ASSERT_TRUE(x.ok() && y.ok()) << x.message() << y.message();
      EXPECT_TRUE(sameBits(x.outputs, y.outputs)) << c.describe();
    }
}

/// A bad entry takes its keys away: the reference does without them as well.
TEST_P(Paged, BadPagesAreReportedAndSkipped) {
  for (bool isPacked : {false, true})
    for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16}) {
      PagedCase c;
      c.dtype = dtype;
      c.isPacked = isPacked;
      c.lengths = {150, 30, 17};
      c.lse = true;
      c.clauses = " mask = #attn.pairs<causal>";
      Problem problem = makePaged(c, 12);
      auto &entries = problem.input("pages").values;
      entries[0] = -1;
      entries[4] = 1e9;
      entries[5] = static_cast<double>(c.poolPages);
      int64_t second = isPacked ? c.pagesOf(0) + 1 : c.maxPages();
      entries[second] = entries[second + 1] = -3; // all of batch 1
      expectReference(problem, ATTNC_STATUS_BAD_PAGE);
    }
}

TEST_P(Paged, EmptyPool) {
  PagedCase c;
  c.isDynamic = true;
  Problem problem = makePaged(c, 13);
  for (const char *name : {"k", "v"}) {
    problem.input(name).shape[0] = 0;
    problem.input(name).values.clear();
  }
  expectStatus(problem, ATTNC_STATUS_BAD_PAGE);
}

TEST_P(Paged, BadOffsetsAndLengths) {
  PagedCase c;
  c.isPacked = true;
  const std::pair<std::vector<double>, uint32_t> offsets[] = {
      {{0, 4, 2, 11}, ATTNC_STATUS_BAD_ORDER | ATTNC_STATUS_BAD_LENGTH},
      {{0, 4, 9, 500}, ATTNC_STATUS_BAD_ORDER},
      {{-5, 4, 9, 11}, ATTNC_STATUS_BAD_INDEX},
      {{0, 4, 1 << 30, 11},
       ATTNC_STATUS_BAD_INDEX | ATTNC_STATUS_BAD_ORDER |
           ATTNC_STATUS_BAD_LENGTH}};
  for (auto &[values, status] : offsets) {
    Problem problem = makePaged(c, 14);
    problem.input("indptr").values = values;
    Kernel kernel = jit(problem);
    ASSERT_TRUE(kernel);
    RunResult result = engine.run(kernel, problem, Place::AtEnd, 1);
    EXPECT_EQ(result.error.code, ATTNC_ERROR_STATUS);
    // Keys of other batches' entries may do without a page.
    EXPECT_EQ(result.status & ~uint32_t(ATTNC_STATUS_BAD_PAGE), status);
  }
  c.isPacked = false;
  Problem problem = makePaged(c, 15);
  problem.input("len").values = {1e9, 64, -4};
  expectStatus(problem, ATTNC_STATUS_BAD_LENGTH | ATTNC_STATUS_BAD_PAGE);
}

TEST_P(Paged, SizesAreChecked) {
  PagedCase c;
  c.isDynamic = true;
  Problem problem = makePaged(c, 16);
  Kernel kernel = jit(problem);
  ASSERT_TRUE(kernel);
  auto refused = [&](auto change, const std::string &reason) {
    Problem other = problem;
    change(other);
    RunResult result = engine.run(kernel, other, Place::AtEnd, 1);
    EXPECT_EQ(result.error.code, ATTNC_ERROR_SHAPE);
    EXPECT_NE(std::string(result.error.message).find(reason), std::string::npos)
        << result.error.message;
  };
  auto resize = [](TensorSpec &spec, int64_t dim, int64_t size) {
    spec.shape[dim] = size;
    spec.values.resize(spec.size());
  };
  refused(
      [&](Problem &p) {
        resize(p.input("k"), 2, 0);
        resize(p.input("v"), 2, 0);
      },
      "a page needs a row");
  refused([&](Problem &p) { resize(p.input("v"), 0, 5); }, "same pages");
  refused([&](Problem &p) { resize(p.input("v"), 2, 5); }, "same rows");
  refused([&](Problem &p) { resize(p.input("pages"), 0, 2); },
          "a row for each batch");
}

/// V as columns of K (latent attention): read in place, also in pages.
TEST_P(Paged, ValuesInsideKeys) {
  for (bool isDynamic : {false, true})
    for (attnc_dtype dtype : {ATTNC_DTYPE_F32, ATTNC_DTYPE_BF16}) {
      PagedCase c;
      c.isLatent = true;
      c.isDynamic = isDynamic;
      c.dtype = dtype;
      c.keyHeads = 1;
      c.heads = 16;
      c.d = 72;
      c.dv = 64;
      c.clauses = " mask = #attn.pairs<causal>";
      SCOPED_TRACE(c.describe());
      expectReference(makePaged(c, 17));
    }
}

INSTANTIATE_TEST_SUITE_P(Micro, Paged, ::testing::ValuesIn(kMicro),
                         [](const auto &info) { return info.param; });
} // namespace
