// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets: tables written by hand from the definitions, and the agreement of
// membership tests with intervals on random sets.

#include "TestSupport.h"
#include "dialect/reference/PairIntervals.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;
using namespace attnc::test;

namespace {
struct SetOperand {
  std::string type; // of the operand, `tensor<4xi32>`
  HostTensor value;
};

class PairSetTest : public ReferenceTest {
protected:
  /// The pairs a set keeps for one head: a row of x and . for each query.
  std::vector<std::string> table(StringRef set, int64_t n, int64_t m,
                                 ArrayRef<SetOperand> operands = {},
                                 StringRef clauses = "", int64_t heads = 1) {
    std::string text;
    llvm::raw_string_ostream os(text);
    auto rows = [&](int64_t x) {
      return "tensor<" + std::to_string(heads) + "x" + std::to_string(x) +
             "x1xf32>";
    };
    os << "func.func @f(%q: " << rows(n) << ", %k: " << rows(m)
       << ", %v: " << rows(m);
    for (auto [i, operand] : llvm::enumerate(operands))
      os << ", %" << char('a' + i) << ": " << operand.type;
    os << ") -> " << rows(n) << " {\n %o = attn.attention %q, %k, %v "
       << clauses << " mask = #attn.pairs<" << set << "> : " << rows(n) << ", "
       << rows(m) << ", " << rows(m);
    for (const SetOperand &operand : operands)
      os << ", " << operand.type;
    os << " -> " << rows(n) << "\n return %o : " << rows(n) << "\n}";
    func::FuncOp function = parseFunction(text);
    if (!function)
      return {};
    SmallVector<HostTensor> args{random({heads, n, 1}, 1),
                                 random({heads, m, 1}, 2),
                                 random({heads, m, 1}, 3)};
    for (const SetOperand &operand : operands)
      args.push_back(operand.value);
    std::vector<std::string> result(heads * n, std::string(m, '.'));
    LogicalResult done =
        forEachKeptPair(attentionOf(function), args,
                        [&](int64_t, int64_t h, int64_t a, int64_t c) {
                          result[h * n + a][c] = 'x';
                        });
    EXPECT_TRUE(succeeded(done)) << messages << text;
    return result;
  }

  using Table = std::vector<std::string>;
};

TEST_F(PairSetTest, FullAndEmpty) {
  EXPECT_EQ(table("full", 2, 3), (Table{"xxx", "xxx"}));
  EXPECT_EQ(table("empty", 2, 3), (Table{"...", "..."}));
}

TEST_F(PairSetTest, Causal) {
  EXPECT_EQ(table("causal", 3, 3), (Table{"x..", "xx.", "xxx"}));
  // The last query sits on the last key, or row 0 on position 0.
  EXPECT_EQ(table("causal", 2, 4), (Table{"xxx.", "xxxx"}));
  EXPECT_EQ(table("causal", 4, 2), (Table{"..", "..", "x.", "xx"}));
  EXPECT_EQ(table("causal", 2, 4, {}, "positions = start"),
            (Table{"x...", "xx.."}));
}

TEST_F(PairSetTest, Window) {
  EXPECT_EQ(table("window<1, 0>", 4, 4),
            (Table{"x...", "xx..", ".xx.", "..xx"}));
  EXPECT_EQ(table("window<0, 2>", 4, 4),
            (Table{"xxx.", ".xxx", "..xx", "...x"}));
  EXPECT_EQ(table("window<1, 1, clamped>", 5, 5),
            (Table{"xxx..", "xxx..", ".xxx.", "..xxx", "..xxx"}));
  EXPECT_EQ(table("window<3, 3, clamped>", 2, 3), (Table{"xxx", "xxx"}));
  EXPECT_EQ(table("local<1>", 3, 3), (Table{"xx.", "xxx", ".xx"}));
  EXPECT_EQ(table("window<%a, 0>", 3, 3, {{"index", index(1)}}),
            (Table{"x..", "xx.", ".xx"}));
}

TEST_F(PairSetTest, PrefixesAndEnds) {
  EXPECT_EQ(table("prefix<2>", 2, 4), (Table{"xx..", "xx.."}));
  EXPECT_EQ(table("prefix(%a)", 2, 4, {{"i32", i32({}, {1})}}),
            (Table{"x...", "x..."}));
  EXPECT_EQ(table("first<1>", 2, 3), (Table{"x..", "x.."}));
  EXPECT_EQ(table("last<2>", 2, 3), (Table{".xx", ".xx"}));
  EXPECT_EQ(table("global<1>", 3, 3), (Table{"xxx", "x..", "x.."}));
}

TEST_F(PairSetTest, Chunk) {
  EXPECT_EQ(table("chunk<2>", 5, 5),
            (Table{"xx...", "xx...", "..xx.", "..xx.", "....x"}));
  EXPECT_EQ(table("chunk<3, offset = 1>", 5, 5),
            (Table{"x....", ".xxx.", ".xxx.", ".xxx.", "....x"}));
}

TEST_F(PairSetTest, Lattices) {
  EXPECT_EQ(table("strided<2>", 3, 5), (Table{"x.x.x", ".x.x.", "x.x.x"}));
  EXPECT_EQ(table("columns<3, 1>", 2, 7), (Table{"..x..x.", "..x..x."}));
  EXPECT_EQ(table("columns<4, 2>", 1, 8), (Table{"..xx..xx"}));
  EXPECT_EQ(table("dilated<1, 2>", 5, 5),
            (Table{"x.x..", ".x.x.", "x.x.x", ".x.x.", "..x.x"}));
  EXPECT_EQ(table("log", 6, 6), (Table{"x.....", "xx....", "xxx...", ".xxx..",
                                       "x.xxx.", ".x.xxx"}));
}

/// The generator, written out again; its mixing function against a known value.
TEST_F(PairSetTest, RandomFollowsItsDefinition) {
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t h = 0; h < 3; ++h)
      for (int64_t t = 0; t < 4; ++t) {
        uint64_t hash = splitMix(splitMix(splitMix(splitMix(99) ^ h) ^ i) ^ t);
        EXPECT_EQ(randomKey(99, h, i, t, 5, 17), 5 + int64_t(hash % 12));
      }
  EXPECT_EQ(splitMix(0), 0xE220A8397B1DCDAFu); // SplitMix64's first output
  std::vector<std::string> rows =
      table("random<3, seed = 1>", 6, 32, {}, "", 2);
  for (const std::string &row : rows) {
    int64_t kept = llvm::count(row, 'x');
    EXPECT_TRUE(kept >= 1 && kept <= 3) << row;
  }
  EXPECT_NE(rows[0], rows[6]); // another head, another pattern
  EXPECT_EQ(table("random<0>", 1, 4), (Table{"...."}));
}

TEST_F(PairSetTest, Affine) {
  EXPECT_EQ(table("affine<\"(i, j)[n, m] : (j - i == 0)\">", 3, 3),
            (Table{"x..", ".x.", "..x"}));
  EXPECT_EQ(table("affine<\"(i, j)[n, m] : (m - 1 - j - i >= 0)\">", 3, 3),
            (Table{"xxx", "xx.", "x.."}));
}

TEST_F(PairSetTest, KeysAndDense) {
  EXPECT_EQ(table("keys(%a)", 2, 4, {{"tensor<4xi1>", i1({4}, {1, 0, 0, 1})}}),
            (Table{"x..x", "x..x"}));
  EXPECT_EQ(
      table("dense(%a)", 2, 2, {{"tensor<2x2xi1>", i1({2, 2}, {0, 1, 1, 0})}}),
      (Table{".x", "x."}));
}

TEST_F(PairSetTest, Documents) {
  SetOperand cu{"tensor<4xi32>", i32({4}, {0, 2, 2, 5})};
  EXPECT_EQ(
      table("documents(%a)", 6, 6, {cu}),
      (Table{"xx....", "xx....", "..xxx.", "..xxx.", "..xxx.", "......"}));
  EXPECT_EQ(
      table("per_document(%a) { causal }", 6, 6, {cu}),
      (Table{"x.....", "xx....", "..x...", "..xx..", "..xxx.", "......"}));
  EXPECT_EQ(
      table("per_document(%a) { first<1> | last<1> }", 6, 6, {cu}),
      (Table{"xx....", "xx....", "..x.x.", "..x.x.", "..x.x.", "......"}));
  EXPECT_EQ(
      table("per_document(%a) { prefix(%b) }", 6, 6,
            {cu, {"tensor<3xi32>", i32({3}, {1, 7, 2})}}),
      (Table{"x.....", "x.....", "..xx..", "..xx..", "..xx..", "......"}));
}

TEST_F(PairSetTest, Ranges) {
  SetOperand start{"tensor<3xi32>", i32({3}, {0, 1, 2})};
  SetOperand end{"tensor<3xi32>", i32({3}, {1, 3, 2})};
  EXPECT_EQ(table("ranges(%a, %b)", 3, 3, {start, end}),
            (Table{"x..", ".x.", ".x."}));
  EXPECT_EQ(table("ranges<by_query>(%a, %b)", 3, 3, {start, end}),
            (Table{"x..", ".xx", "..."}));
}

TEST_F(PairSetTest, SparseRows) {
  EXPECT_EQ(table("csr(%a, %b)", 3, 4,
                  {{"tensor<4xi32>", i32({4}, {0, 2, 2, 3})},
                   {"tensor<3xi32>", i32({3}, {3, 0, 1})}}),
            (Table{"x..x", "....", ".x.."}));
  SetOperand ptr{"tensor<3xi32>", i32({3}, {0, 1, 2})};
  SetOperand idx{"tensor<2xi32>", i32({2}, {1, 0})};
  EXPECT_EQ(table("bsr<2>(%a, %b)", 4, 4, {ptr, idx}),
            (Table{"..xx", "..xx", "xx..", "xx.."}));
  // Without a size blocks are ceil(5 / 2) = 3.
  EXPECT_EQ(table("bsr(%a, %b)", 5, 5, {ptr, idx}),
            (Table{"...xx", "...xx", "...xx", "xxx..", "xxx.."}));
  EXPECT_EQ(table("topk(%a)", 3, 4,
                  {{"tensor<3x2xi32>", i32({3, 2}, {3, 0, -1, -1, 2, 2})}}),
            (Table{"x..x", "....", "..x."}));
}

TEST_F(PairSetTest, Scopes) {
  EXPECT_EQ(
      table("axes<2 x 3> { full, window<0, 0> }", 6, 6),
      (Table{"x..x..", ".x..x.", "..x..x", "x..x..", ".x..x.", "..x..x"}));
  EXPECT_EQ(table("axes<2 x 2> { causal, last<1> }", 4, 4),
            (Table{".x..", ".x..", ".x.x", ".x.x"}));
  EXPECT_EQ(table("blocks<2> { causal }", 5, 5),
            (Table{"xx...", "xx...", "xxxx.", "xxxx.", "xxxxx"}));
  EXPECT_EQ(table("blocks<2> { last<1> }", 2, 5), (Table{"....x", "....x"}));
  EXPECT_EQ(table("by_head(0, 2) { causal, full }", 2, 2, {}, "", 3),
            (Table{"x.", "xx", "x.", "xx", "xx", "xx"}));
}

TEST_F(PairSetTest, Operators) {
  EXPECT_EQ(table("causal & !first<1> | last<1>", 3, 3),
            (Table{"..x", ".xx", ".xx"}));
  EXPECT_EQ(table("causal & (!first<1> | last<1>)", 3, 3),
            (Table{"...", ".x.", ".xx"}));
}

TEST_F(PairSetTest, Predicate) {
  EXPECT_EQ(table("predicate<0>", 3, 3, {}, R"(predicate {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %s = arith.addi %i, %j : index
      %c = arith.constant 2 : index
      %t = arith.cmpi eq, %s, %c : index
      attn.yield %t : i1 })"),
            (Table{"..x", ".x.", "x.."}));
}

TEST_F(PairSetTest, StartsMovePositions) {
  EXPECT_EQ(table("causal", 2, 3, {}, ""), (Table{"xx.", "xxx"}));
  std::string ir = R"(
    func.func @f(%q: tensor<2x1xf32>, %k: tensor<3x1xf32>, %v: tensor<3x1xf32>,
                 %a: i64, %b: i64) -> tensor<2x1xf32> {
      %o = attn.attention %q, %k, %v q_start(%a) k_start(%b)
        mask = #attn.pairs<causal & first<3>>
        : tensor<2x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, i64, i64
          -> tensor<2x1xf32>
      return %o : tensor<2x1xf32>
    })";
  func::FuncOp function = parseFunction(ir);
  Type i64 = IntegerType::get(&context, 64);
  std::vector<std::pair<int64_t, int64_t>> kept;
  SmallVector<HostTensor> args{random({2, 1}, 1), random({3, 1}, 2),
                               random({3, 1}, 3),
                               HostTensor::fromScalar(i64, intScalar(1)),
                               HostTensor::fromScalar(i64, intScalar(1))};
  // Queries at 1, 2; keys at 1, 2, 3.
  ASSERT_TRUE(succeeded(forEachKeptPair(
      attentionOf(function), args, [&](int64_t, int64_t, int64_t a, int64_t c) {
        kept.push_back({a, c});
      })));
  EXPECT_EQ(kept,
            (std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {1, 0}, {1, 1}}));
}

//===----------------------------------------------------------------------===//
// Intervals against membership, on random sets
//===----------------------------------------------------------------------===//

class RandomSets : public PairSetTest {
protected:
  uint64_t state = 1;
  uint64_t next(uint64_t below) { return splitMix(++state) % below; }
  std::string number(uint64_t below) { return std::to_string(next(below)); }

  /// Sets that may stand anywhere.
  std::string leaf(bool relative) {
    switch (next(relative ? 16 : 25)) {
    case 0:
      return "full";
    case 1:
      return "empty";
    case 2:
      return "causal";
    case 3:
      return "window<" + number(6) + ", " + number(6) + ">";
    case 4:
      return "window<" + number(9) + ", " + number(9) + ", clamped>";
    case 5:
      return "local<" + number(6) + ">";
    case 6:
      return "prefix<" + number(12) + ">";
    case 7:
      return "chunk<" + std::to_string(1 + next(7)) +
             ", offset = " + number(9) + ">";
    case 8:
      return "strided<" + std::to_string(1 + next(6)) + ">";
    case 9:
      return "columns<5, " + number(6) + ">";
    case 10:
      return "first<" + number(9) + ">";
    case 11:
      return "last<" + number(9) + ">";
    case 12:
      return "global<" + number(9) + ">";
    case 13:
      return "dilated<" + number(4) + ", " + std::to_string(1 + next(4)) + ">";
    case 14:
      return "log";
    case 15:
      return "affine<\"(i, j)[n, m] : (i * 2 - j + " + number(9) +
             " >= 0, m - j - 1 >= 0)\">";
    case 16:
      return "random<" + number(5) + ", seed = " + number(99) + ">";
    case 17:
      return "keys($0)";
    case 18:
      return "dense($1)";
    case 19:
      return "documents($2)";
    case 20:
      return next(2) ? "ranges($3, $4)" : "ranges<by_query>($5, $6)";
    case 21:
      return "csr($7, $8)";
    case 22:
      return next(2) ? "bsr<3>($9, $10)" : "bsr($9, $10)";
    case 23:
      return "topk($11)";
    default:
      return "window<$12, " + number(4) + ">";
    }
  }

  std::string set(int depth, bool relative) {
    if (depth == 0)
      return leaf(relative);
    switch (next(relative ? 6 : 9)) {
    case 0:
      return "(" + set(depth - 1, relative) + " & " + set(depth - 1, relative) +
             ")";
    case 1:
      return "(" + set(depth - 1, relative) + " | " + set(depth - 1, relative) +
             ")";
    case 2:
      return "!" + set(depth - 1, relative);
    case 3:
      return "blocks<" + std::to_string(1 + next(5)) + "> { " +
             set(depth - 1, true) + " }";
    case 4:
      return "axes<3 x 7> { " + set(depth - 1, true) + ", " +
             set(depth - 1, true) + " }";
    case 5:
      return "axes<2 x 3 x 4> { " + set(depth - 1, true) + ", " +
             set(depth - 1, true) + ", " + set(depth - 1, true) + " }";
    case 6:
      return "per_document($2) { " + set(depth - 1, true) + " }";
    case 7:
      return "by_head(0, 1) { " + set(depth - 1, relative) + ", " +
             set(depth - 1, relative) + " }";
    default:
      return leaf(relative);
    }
  }

  HostTensor ints(ArrayRef<int64_t> shape, int64_t low, int64_t high) {
    HostTensor tensor(IntegerType::get(&context, 32), shape);
    for (Scalar &value : tensor.mutableValues())
      value.i = low + int64_t(next(high - low + 1));
    return tensor;
  }
  HostTensor ascending(int64_t size, int64_t step) {
    HostTensor tensor(IntegerType::get(&context, 32), {size});
    int64_t at = 0;
    for (Scalar &value : tensor.mutableValues()) {
      value.i = at;
      at += int64_t(next(step + 1));
    }
    return tensor;
  }

  PairContext randomContext() {
    PairContext c;
    c.heads = 2;
    c.head = next(2);
    c.queryRows = 1 + next(9);
    c.keyRows = 1 + next(20);
    c.kBegin = int64_t(next(8)) - 2;
    c.kEnd = c.kBegin + int64_t(next(c.keyRows + 1));
    c.qBegin = c.kEnd - int64_t(next(12));
    c.qEnd = c.qBegin + c.queryRows;
    int64_t n = c.queryRows, m = c.keyRows;
    HostTensor ptr = ascending(n + 1, 3);
    HostTensor blockPtr = ascending((n + 2) / 3 + 1, 2);
    int64_t last = ptr.getInt(n), lastBlock = blockPtr.getInt((n + 2) / 3);
    c.operands = {ints({m}, 0, 1),
                  ints({n, m}, 0, 1),
                  ascending(5, 6),
                  ints({m}, -2, 9),
                  ints({m}, 0, 20),
                  ints({n}, -2, 9),
                  ints({n}, 0, 20),
                  ptr,
                  ints({last + 1}, -3, 20),
                  blockPtr,
                  ints({lastBlock + 1}, -2, 7),
                  ints({n, 4}, -1, 20),
                  ints({1}, 0, 6)};
    return c;
  }
};

TEST_F(RandomSets, IntervalsAgreeWithMembership) {
  for (int round = 0; round < 4000; ++round) {
    std::string text = set(static_cast<int>(next(4)), false);
    auto attribute = dyn_cast_or_null<attn::PairsAttr>(
        parseAttribute("#attn.pairs<" + text + ">", &context));
    ASSERT_TRUE(attribute) << text << messages;
    PairContext context = randomContext();
    // The keys that exist may have holes, as pages leave them.
    Intervals universe;
    int64_t middle = context.kBegin + (context.kEnd - context.kBegin) / 2;
    if (middle > context.kBegin)
      universe.push_back({context.kBegin, middle});
    if (middle + 1 < context.kEnd)
      universe.push_back({middle + 1, context.kEnd});
    for (int64_t i = context.qBegin; i < context.qEnd; ++i) {
      Intervals kept = keysOf(attribute, context, i, universe);
      ASSERT_FALSE(context.failed()) << text << " " << *context.problem;
      for (Interval interval : universe)
        for (int64_t j = interval.begin; j < interval.end; ++j) {
          bool inside = llvm::any_of(
              kept, [&](Interval k) { return k.begin <= j && j < k.end; });
          ASSERT_EQ(inside, contains(attribute, context, i, j))
              << text << " at i = " << i << ", j = " << j << ", keys "
              << context.kBegin << " to " << context.kEnd;
        }
      for (size_t x = 0; x < kept.size(); ++x) {
        ASSERT_LT(kept[x].begin, kept[x].end);
        if (x > 0)
          ASSERT_LE(kept[x - 1].end, kept[x].begin) << text;
      }
      Intervals inside = intersect(kept, universe);
      ASSERT_EQ(countPositions(inside), countPositions(kept)) << text;
    }
  }
}
} // namespace
