// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What regions ask of set operands: attn.segment, attn.listed, the
// pseudo-random keys; and attn.check_order.

#include "TestSupport.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class PairOpsTest : public ReferenceTest {
protected:
  int64_t runInt(StringRef ir, ArrayRef<HostTensor> args, unsigned result = 0) {
    return static_cast<int64_t>(valuesOf(run(ir, args)[result])[0]);
  }
};

constexpr StringLiteral kRandomKey = R"(
func.func @f(%h: index, %i: index, %t: index, %b: index, %e: index) -> index {
  %j = attn.random_key(%h, %i, %t) from(%b) to(%e) seed 7
  return %j : index
})";
} // namespace

/// Key numbers computed from the generator's formula by another program.
TEST_F(PairOpsTest, RandomKeysArePinned) {
  const int64_t kPinned[][6] = {
      // head, i, t, begin, end, key
      {0, 0, 0, 0, 100, 6},
      {0, 0, 1, 0, 100, 99},
      {3, 17, 2, 0, 1000, 121},
      {1, -5, 0, -10, 30, 19},
      {0, 1099511627776, 4, 1099511627769, 1099511627866, 1099511627784},
      {11, 95, 63, 0, 96, 18},
      {2, 4, 1, 0, 1, 0}};
  for (auto [h, i, t, b, e, j] : kPinned)
    EXPECT_EQ(
        runInt(kRandomKey, {index(h), index(i), index(t), index(b), index(e)}),
        j)
        << h << " " << i << " " << t;
}

TEST_F(PairOpsTest, WithoutKeysTheRandomKeyIsNone) {
  for (auto [b, e] : {std::pair(0, 0), {5, 5}, {9, 3}, {-4, -4}})
    EXPECT_EQ(
        runInt(kRandomKey, {index(1), index(2), index(0), index(b), index(e)}),
        b - 1);
}

TEST_F(PairOpsTest, IsRandomKeyAsksAllOfThem) {
  constexpr StringLiteral ir = R"(
func.func @f(%j: index, %h: index, %i: index, %b: index, %e: index) -> i1 {
  %t = attn.is_random_key %j of(%h, %i) from(%b) to(%e) count 3 seed 7
  return %t : i1
})";
  for (int64_t i = -3; i < 9; ++i) {
    SmallVector<int64_t> keys;
    for (int64_t t = 0; t < 3; ++t)
      keys.push_back(runInt(
          kRandomKey, {index(2), index(i), index(t), index(-5), index(12)}));
    for (int64_t j = -7; j < 14; ++j)
      EXPECT_EQ(
          runInt(ir, {index(j), index(2), index(i), index(-5), index(12)}) != 0,
          llvm::is_contained(keys, j))
          << i << " " << j;
  }
}

TEST_F(PairOpsTest, SegmentsHoldTheirPositions) {
  constexpr StringLiteral ir = R"(
func.func @f(%cu: tensor<2x5xi32>, %b: index, %x: index) -> (index, index, index) {
  %d, %begin, %end = attn.segment %x of %cu[%b] : tensor<2x5xi32>
  return %d, %begin, %end : index, index, index
})";
  const int64_t cu[2][5] = {{0, 3, 3, 7, 9}, {-2, 0, 1, 1, 4}};
  HostTensor boundaries =
      i32({2, 5}, {cu[0][0], cu[0][1], cu[0][2], cu[0][3], cu[0][4], cu[1][0],
                   cu[1][1], cu[1][2], cu[1][3], cu[1][4]});
  for (int64_t b : {0, 1})
    for (int64_t x = -4; x < 12; ++x) {
      int64_t expected[] = {-1, 0, 0};
      for (int64_t d = 0; d < 4; ++d)
        if (cu[b][d] <= x && x < cu[b][d + 1]) {
          expected[0] = d;
          expected[1] = cu[b][d];
          expected[2] = cu[b][d + 1];
        }
      for (unsigned r = 0; r < 3; ++r)
        EXPECT_EQ(runInt(ir, {boundaries, index(b), index(x)}, r), expected[r])
            << b << " " << x;
    }
}

TEST_F(PairOpsTest, ListsAreReadBetweenTheirEnds) {
  constexpr StringLiteral ir = R"(
func.func @f(%list: tensor<6xi32>, %x: index, %b: index, %e: index) -> i1 {
  %t = attn.listed %x of %list[] from(%b) to(%e) : tensor<6xi32>
  return %t : i1
})";
  const int64_t values[] = {4, 2, 2, 9, -1, 5};
  HostTensor list = i32({6}, values);
  for (int64_t b : {-9, 0, 2, 5, 6, 9})
    for (int64_t e : {-9, 0, 1, 4, 6, 9})
      for (int64_t x : {-1, 2, 4, 5, 9, 7}) {
        bool expected = false;
        for (int64_t t = std::max<int64_t>(b, 0),
                     last = std::min<int64_t>(e, 6);
             t < last; ++t)
          expected |= values[t] == x;
        EXPECT_EQ(runInt(ir, {list, index(x), index(b), index(e)}) != 0,
                  expected)
            << b << " " << e << " " << x;
      }
}

TEST_F(PairOpsTest, OrderIsCheckedWhereAskedFor) {
  constexpr StringLiteral ir = R"(
func.func @f(%cu: tensor<2x3xi32>, %b: index, %when: i1) -> index {
  attn.check_order %cu[%b] when(%when) : tensor<2x3xi32>
  return %b : index
})";
  HostTensor cu = i32({2, 3}, {1, 1, 4, 0, 5, 3});
  HostTensor yes = i1({}, {1}), no = i1({}, {0});
  EXPECT_EQ(runInt(ir, {cu, index(0), yes}), 0);
  EXPECT_EQ(runInt(ir, {cu, index(1), no}), 1);
  EXPECT_NE(runFails(ir, {cu, index(1), yes}).find("decrease, from 5 to 3"),
            std::string::npos);
  EXPECT_NE(runFails(ir, {cu, index(2), yes}).find("out of bounds"),
            std::string::npos);
}
