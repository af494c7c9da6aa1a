// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What goes wrong at run time is a diagnostic, never a crash.

#include "TestSupport.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class RuntimeErrorTest : public ReferenceTest {
protected:
  void expectError(StringRef ir, ArrayRef<HostTensor> args, StringRef part) {
    std::string message = runFails(ir, args);
    EXPECT_NE(StringRef(message).find(part), StringRef::npos)
        << "expected: " << part.str() << "\ngot: " << message;
  }
  HostTensor i64(ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
    return HostTensor::fromInts(IntegerType::get(&context, 64), shape, values);
  }

  /// Everything dynamic: q [b, h, n, 4], k and v [b, g, m, 4].
  static std::string dynamic(StringRef clauses, StringRef arguments = "",
                             StringRef types = "") {
    return llvm::formatv(
        R"(func.func @f(%q: tensor<?x?x?x4xf32>, %k: tensor<?x?x?x4xf32>,
                        %v: tensor<?x?x?x4xf32>{1}) -> tensor<?x?x?x4xf32> {{
          %o = attn.attention %q, %k, %v {0}
            : tensor<?x?x?x4xf32>, tensor<?x?x?x4xf32>, tensor<?x?x?x4xf32>{2}
              -> tensor<?x?x?x4xf32>
          return %o : tensor<?x?x?x4xf32>
        })",
        clauses, arguments, types);
  }
  SmallVector<HostTensor> qkv(int64_t b = 2, int64_t h = 2, int64_t g = 1,
                              int64_t n = 3, int64_t m = 5) {
    return {random({b, h, n, 4}, 1), random({b, g, m, 4}, 2),
            random({b, g, m, 4}, 3)};
  }
  SmallVector<HostTensor> with(ArrayRef<HostTensor> more) {
    SmallVector<HostTensor> args = qkv();
    args.append(more.begin(), more.end());
    return args;
  }
};

TEST_F(RuntimeErrorTest, Arguments) {
  StringRef ir = "func.func @f(%a: tensor<2x?xf32>, %b: index) -> index {\n"
                 " return %b : index\n}";
  expectError(ir, {f32({2, 1}, {1, 2})}, "takes 2 arguments, got 1");
  expectError(ir, {f32({3, 1}, {1, 2, 3}), index(1)},
              "argument 0 of function 'f' is 'tensor<2x?xf32>', but got "
              "'tensor<3x1xf32>'");
  expectError(ir, {i32({2, 1}, {1, 2}), index(1)}, "argument 0");
  expectError(ir, {f32({2, 1}, {1, 2}), i32({}, {1})}, "argument 1");
  expectError(ir, {HostTensor(), index(1)}, "argument 0");
  expectError("func.func private @f(%a: index) -> index", {index(1)},
              "has no body");
}

TEST_F(RuntimeErrorTest, UnknownOperations) {
  context.allowUnregisteredDialects();
  expectError("func.func @f() {\n \"some.op\"() : () -> ()\n return\n}", {},
              "does not know the operation 'some.op'");
  expectError("func.func @f(%a: i128) -> i128 {\n return %a : i128\n}",
              {i64({}, {1})}, "argument 0");
  expectError("func.func @f(%a: i64) -> i128 {\n %b = arith.extsi %a : i64 to "
              "i128\n return %b : i128\n}",
              {i64({}, {1})}, "signless integers up to 64 bits only");
  expectError("func.func @f(%a: vector<2xf32>) { return }", {f32({2}, {1, 2})},
              "argument 0");
}

TEST_F(RuntimeErrorTest, Division) {
  for (StringRef op : {"divsi", "divui", "remsi", "remui", "floordivsi",
                       "ceildivsi", "ceildivui"}) {
    std::string ir = llvm::formatv(
        "func.func @f(%a: i32, %b: i32) -> i32 {{\n %c = arith.{0} %a, %b : "
        "i32\n return %c : i32\n}",
        op);
    expectError(ir, {i32({}, {1}), i32({}, {0})}, "division by zero");
  }
  for (StringRef op : {"divsi", "remsi"}) {
    std::string ir = llvm::formatv(
        "func.func @f(%a: i64, %b: i64) -> i64 {{\n %c = arith.{0} %a, %b : "
        "i64\n return %c : i64\n}",
        op);
    expectError(ir, {i64({}, {INT64_MIN}), i64({}, {-1})}, "overflows");
  }
  expectError("func.func @f(%a: index, %b: index) -> index {\n %c = "
              "affine.apply affine_map<(d0)[s0] -> (d0 mod s0)>(%a)[%b]\n "
              "return %c : index\n}",
              {index(1), index(0)}, "not positive");
}

TEST_F(RuntimeErrorTest, Bounds) {
  StringRef extract =
      "func.func @f(%x: tensor<?xf32>, %i: index) -> f32 {\n %c "
      "= tensor.extract %x[%i] : tensor<?xf32>\n return %c : "
      "f32\n}";
  expectError(extract, {f32({2}, {1, 2}), index(2)},
              "index 2 is out of bounds");
  expectError(extract, {f32({2}, {1, 2}), index(-1)}, "out of bounds");
  StringRef slice =
      "func.func @f(%x: tensor<?xf32>, %o: index, %s: index, %t: index) -> "
      "tensor<?xf32> {\n %c = tensor.extract_slice %x[%o] [%s] [%t] : "
      "tensor<?xf32> to tensor<?xf32>\n return %c : tensor<?xf32>\n}";
  HostTensor x = f32({4}, {1, 2, 3, 4});
  for (auto [o, s, t] :
       std::initializer_list<std::array<int64_t, 3>>{{2, 3, 1},
                                                     {-1, 1, 1},
                                                     {0, -1, 1},
                                                     {0, 3, 2},
                                                     {5, 0, 1},
                                                     {0, 2, 0},
                                                     {INT64_MAX, 1, 1},
                                                     {0, INT64_MAX, 1},
                                                     {1, 2, INT64_MAX}})
    expectError(slice, {x, index(o), index(s), index(t)},
                "leaves its 4 elements");
  EXPECT_TRUE(close(run(slice, {x, index(1), index(2), index(2)})[0], {2, 4}));
  EXPECT_TRUE(close(run(slice, {x, index(4), index(0), index(1)})[0],
                    std::vector<double>()));
}

TEST_F(RuntimeErrorTest, Sizes) {
  StringRef empty = "func.func @f(%n: index) -> tensor<?x?xf32> {\n %e = "
                    "tensor.empty(%n, %n) : tensor<?x?xf32>\n return %e : "
                    "tensor<?x?xf32>\n}";
  for (int64_t n : {int64_t(-1), int64_t(1) << 40, INT64_MAX})
    expectError(empty, {index(n)}, "beyond the evaluator's limit");
  expectError("func.func @f(%x: tensor<?xf32>) -> tensor<3xf32> {\n %c = "
              "tensor.cast %x : tensor<?xf32> to tensor<3xf32>\n return %c : "
              "tensor<3xf32>\n}",
              {f32({2}, {1, 2})}, "result has shape 2 at run time");
  expectError("func.func @f(%x: tensor<?xf32>, %y: tensor<?xf32>) -> "
              "tensor<?xf32> {\n %c = arith.addf %x, %y : tensor<?xf32>\n "
              "return %c : tensor<?xf32>\n}",
              {f32({2}, {1, 2}), f32({1}, {1})}, "shapes 2 and 1");
  expectError(
      "func.func @f(%x: tensor<?xf32>, %n: index) -> tensor<?x2xf32> {\n"
      " %c = tensor.expand_shape %x [[0, 1]] output_shape [%n, 2] : "
      "tensor<?xf32> into tensor<?x2xf32>\n return %c : "
      "tensor<?x2xf32>\n}",
      {f32({4}, {1, 2, 3, 4}), index(3)}, "cannot become");
  expectError(R"(func.func @f(%a: tensor<2x?xf32>, %b: tensor<?x2xf32>,
                              %c: tensor<2x2xf32>) -> tensor<2x2xf32> {
      %r = linalg.matmul ins(%a, %b : tensor<2x?xf32>, tensor<?x2xf32>)
        outs(%c : tensor<2x2xf32>) -> tensor<2x2xf32>
      return %r : tensor<2x2xf32>
    })",
              {random({2, 3}, 1), random({4, 2}, 2), random({2, 2}, 3)},
              "has 4 elements along dim 0 at run time");
}

TEST_F(RuntimeErrorTest, LoopsAndCalls) {
  StringRef loop =
      "func.func @f(%n: index, %s: index) {\n scf.for %i = %n to %n "
      "step %s {\n }\n return\n}";
  expectError(loop, {index(1), index(0)}, "step must be positive");
  expectError("func.func @f(%a: index) -> index {\n %b = func.call @f(%a) : "
              "(index) -> index\n return %b : index\n}",
              {index(1)}, "nest too deeply");
}

TEST_F(RuntimeErrorTest, AttentionShapes) {
  std::string ir = dynamic("");
  auto args = qkv(2, 3, 2);
  expectError(ir, args, "divide query heads");
  args = qkv();
  args[1] = random({2, 1, 4, 4}, 2);
  expectError(ir, args, "one number of rows");
  args = qkv();
  args[1] = random({1, 1, 5, 4}, 2);
  args[2] = random({1, 1, 5, 4}, 2);
  expectError(ir, args, "batch dims differ");
  expectError(dynamic("bias(%b)", ", %b: tensor<?x?xf32>", ", tensor<?x?xf32>"),
              with(random({3, 4}, 4)), "does not broadcast");
}

TEST_F(RuntimeErrorTest, AttentionLengths) {
  std::string ir =
      dynamic("lengths(%l)", ", %l: tensor<?xi32>", ", tensor<?xi32>");
  expectError(ir, with(i32({2}, {3, 6})), "lengths 6 is out of range");
  expectError(ir, with(i32({2}, {3, -1})), "lengths -1 is out of range");
  expectError(ir, with(i32({3}, {3, 3, 3})), "lengths has shape 3");
  ir = dynamic("q_start(%l)", ", %l: i64", ", i64");
  expectError(ir, with(i64({}, {INT64_MAX})), "q_start");
  ir = dynamic("q_lengths(%l)", ", %l: i64", ", i64");
  expectError(ir, with(i64({}, {4})), "q_lengths 4 is out of range");
}

TEST_F(RuntimeErrorTest, SetOperands) {
  auto sets = [](StringRef set, StringRef types) {
    SmallVector<StringRef> parts;
    types.split(parts, ' ');
    std::string arguments, list;
    for (auto [n, part] : llvm::enumerate(parts)) {
      arguments += (", %s" + Twine(n) + ": " + part).str();
      list += (", " + part).str();
    }
    return dynamic(("mask = #attn.pairs<" + set + ">").str(), arguments, list);
  };
  StringRef two = "tensor<?xi32> tensor<?xi32>";
  expectError(sets("csr(%s0, %s1)", two),
              with({i32({4}, {0, 1, 2, 9}), i32({3}, {0, 1, 2})}),
              "ptr gives row 2 the range 2 to 9 of 3 indices");
  expectError(sets("csr(%s0, %s1)", two),
              with({i32({3}, {0, 1, 2}), i32({3}, {0, 1, 2})}),
              "has an operand of shape 3");
  expectError(sets("bsr<1>(%s0, %s1)", two),
              with({i32({3}, {0, 1, 2}), i32({3}, {0, 1, 2})}),
              "row 2 is not among the 2");
  expectError(sets("bsr(%s0, %s1)", two), with({i32({1}, {0}), i32({1}, {0})}),
              "bsr has no block rows");
  expectError(sets("documents(%s0)", "tensor<?xi32>"),
              with(i32({3}, {0, 3, 2})), "boundaries that decrease");
  expectError(sets("keys(%s0)", "tensor<?xi1>"), with(i1({4}, {1, 1, 1, 1})),
              "has an operand of shape 4");
  expectError(sets("per_document(%s0) { prefix(%s1) }", two),
              with({i32({3}, {0, 2, 5}), i32({0}, {})}), "number 1 is needed");
  expectError(sets("window<%s0, 0>", "tensor<?xi32>"),
              with(i32({3}, {1, 2, 3})), "parameter of shape 3");
}

TEST_F(RuntimeErrorTest, Regions) {
  expectError(dynamic(R"(score_mod captures(%t : tensor<2xf32>) {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %x = tensor.extract %t[%j] : tensor<2xf32>
        attn.yield %x : f32
      })",
                      ", %t: tensor<2xf32>"),
              with(f32({2}, {1, 2})), "index 2 is out of bounds");
  expectError(dynamic(R"(mask = #attn.pairs<predicate<0>> predicate {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %x = arith.remui %i, %j : index
        %t = arith.cmpi eq, %x, %j : index
        attn.yield %t : i1
      })"),
              qkv(), "division by zero");
  std::string overflow = dynamic("mask = #attn.pairs<affine<\"(i, j) : (i * "
                                 "9223372036854775807 >= 0)\">>");
  expectError(overflow, qkv(), "affine set overflows");
}
} // namespace
