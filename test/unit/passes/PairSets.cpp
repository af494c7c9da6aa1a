// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random pair sets and what they mean.

#include "PairSets.h"
#include "llvm/Support/raw_ostream.h"

using namespace attnc::test;
using namespace mlir::attn;
using llvm::SmallVector;

int64_t attnc::test::draw(Random &random, int64_t lo, int64_t hi) {
  return lo + static_cast<int64_t>(random() % (hi - lo + 1));
}

static bool chance(Random &random, int percent) {
  return draw(random, 1, 100) <= percent;
}

//===----------------------------------------------------------------------===//
// Random sets
//===----------------------------------------------------------------------===//

static PairParam drawParam(Random &random, int64_t hi) {
  if (chance(random, 25))
    return PairParam::operand(draw(random, 0, NumParameters - 1));
  return PairParam::constant(draw(random, 0, hi));
}

static PairsAttr drawLeaf(mlir::MLIRContext *context, Random &random) {
  auto make = [&](PairKind kind, llvm::ArrayRef<PairParam> params = {},
                  llvm::ArrayRef<int64_t> operands = {}) {
    return PairsAttr::get(context, kind, params, operands);
  };
  switch (draw(random, 0, 24)) {
  case 0:
    return make(chance(random, 50) ? PairKind::Full : PairKind::Empty);
  case 1:
  case 2:
    return make(PairKind::Keys, {}, {KeysMask});
  case 3:
  case 4:
    return make(PairKind::Dense, {}, {DenseMask});
  case 5:
  case 6:
    return make(PairKind::Prefix, drawParam(random, 20));
  case 7:
  case 8:
    return make(PairKind::First, drawParam(random, 8));
  case 9:
  case 10:
    return make(PairKind::Last, drawParam(random, 8));
  case 11:
  case 12:
    return make(PairKind::Local, drawParam(random, 10));
  case 13:
  case 14:
  case 15:
    return make(PairKind::Global, drawParam(random, 8));
  case 16:
  case 17:
  case 18:
  case 19:
    return make(PairKind::Causal);
  default:
    return make(PairKind::Window, {drawParam(random, 12), drawParam(random, 12),
                                   PairParam::constant(0)});
  }
}

PairsAttr attnc::test::drawSet(mlir::MLIRContext *context, Random &random,
                               int depth) {
  if (depth == 0 || chance(random, 25))
    return drawLeaf(context, random);
  if (chance(random, 20))
    return PairsAttr::get(context, PairKind::Not, {}, {},
                          {drawSet(context, random, depth - 1)});
  SmallVector<PairsAttr> children;
  for (int64_t n = draw(random, 2, 3); n > 0; --n)
    children.push_back(drawSet(context, random, depth - 1));
  return PairsAttr::get(context,
                        chance(random, 50) ? PairKind::And : PairKind::Or, {},
                        {}, children);
}

//===----------------------------------------------------------------------===//
// Random operations and runs
//===----------------------------------------------------------------------===//

Shape attnc::test::drawShape(Random &random) {
  Shape shape;
  shape.n = chance(random, 15) ? 1 : draw(random, 1, 40);
  shape.m = chance(random, 30) ? shape.n : draw(random, 1, 40);
  shape.staticRows = chance(random, 40);
  shape.staticKeys = chance(random, 40);
  shape.lengths = chance(random, 40);
  shape.qLengths = chance(random, 25);
  shape.qStart = chance(random, 30);
  shape.kStart = chance(random, 25);
  shape.positionsStart = !shape.qStart && chance(random, 25);
  return shape;
}

Values attnc::test::drawValues(const Shape &shape, Random &random) {
  Values values;
  int64_t keys = shape.lengths ? draw(random, 0, shape.m) : shape.m;
  int64_t queries = shape.qLengths ? draw(random, 0, shape.n) : shape.n;
  values.kBegin = shape.kStart ? draw(random, -8, 30) : 0;
  values.kEnd = values.kBegin + keys;
  if (shape.qStart)
    values.qBegin = draw(random, -20, 40);
  else
    values.qBegin = shape.positionsStart ? 0 : values.kEnd - queries;
  values.qEnd = values.qBegin + queries;
  for (int64_t p = 0; p < NumParameters; ++p)
    values.parameters.push_back(draw(random, 0, 16));
  for (int64_t c = 0; c < shape.m; ++c)
    values.keys.push_back(draw(random, 0, 1));
  values.denseWidth = shape.m;
  for (int64_t c = 0; c < shape.n * shape.m; ++c)
    values.dense.push_back(draw(random, 0, 1));
  return values;
}

bool attnc::test::contains(PairsAttr set, const Values &values, int64_t i,
                           int64_t j) {
  auto param = [&](int index) {
    PairParam p = set.getParams()[index];
    return p.isOperand ? values.parameters[p.value] : p.value;
  };
  auto inside = [&](PairsAttr child) { return contains(child, values, i, j); };
  switch (set.getKind()) {
  case PairKind::Full:
    return true;
  case PairKind::Empty:
    return false;
  case PairKind::Causal:
    return j <= i;
  case PairKind::Window:
    return -param(0) <= j - i && j - i <= param(1);
  case PairKind::Local:
    return std::abs(j - i) <= param(0);
  case PairKind::Prefix:
  case PairKind::First:
    return j < param(0);
  case PairKind::Last:
    return j >= values.kEnd - param(0);
  case PairKind::Global:
    return i < param(0) || j < param(0);
  case PairKind::Keys:
    return values.keys[j - values.kBegin];
  case PairKind::Dense:
    return values
        .dense[(i - values.qBegin) * values.denseWidth + j - values.kBegin];
  case PairKind::And:
    return llvm::all_of(set.getChildren(), inside);
  case PairKind::Or:
    return llvm::any_of(set.getChildren(), inside);
  case PairKind::Not:
    return !inside(set.getChildren()[0]);
  default:
    llvm_unreachable("drawSet makes no such set");
  }
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static bool uses(int64_t operand, PairsAttr set) {
  bool found = false;
  if (set)
    set.visit([&](PairsAttr part) {
      found |= llvm::is_contained(part.getOperands(), operand);
      found |=
          llvm::is_contained(part.getParams(), PairParam::operand(operand));
    });
  return found;
}

/// Operands that `set` mentions and `order` has not, in order of mention.
static void addMentions(PairsAttr set, std::vector<int64_t> &order) {
  std::string ignored;
  llvm::raw_string_ostream os(ignored);
  set.printExpression(os, [&](int64_t n) {
    if (!llvm::is_contained(order, n))
      order.push_back(n);
  });
}

std::string attnc::test::moduleText(const Shape &shape, PairsAttr mask,
                                    PairsAttr sparsity) {
  auto size = [](int64_t rows, bool isStatic) {
    return isStatic ? std::to_string(rows) : std::string("?");
  };
  std::string n = size(shape.n, shape.staticRows);
  std::string m = size(shape.m, shape.staticKeys);
  std::string q = "tensor<" + n + "x8xf32>", k = "tensor<" + m + "x8xf32>";
  std::vector<std::pair<std::string, std::string>> arguments = {
      {"q", q}, {"k", k}, {"v", k}};
  std::string clauses;
  auto clause = [&](bool present, const char *name) {
    if (!present)
      return;
    arguments.push_back({name, "i64"});
    clauses += std::string(" ") + name + "(%" + name + ")";
  };
  clause(shape.lengths, "lengths");
  clause(shape.qLengths, "q_lengths");
  clause(shape.qStart, "q_start");
  clause(shape.kStart, "k_start");
  if (shape.positionsStart)
    clauses += " positions = start";
  std::vector<int64_t> order;
  llvm::raw_string_ostream os(clauses);
  for (auto [name, set] :
       {std::make_pair(" mask", mask), std::make_pair(" sparsity", sparsity)}) {
    if (!set)
      continue;
    addMentions(set, order);
    os << name << " = #attn.pairs<";
    set.printExpression(os, [&](int64_t operand) { os << "%x" << operand; });
    os << '>';
  }
  for (int64_t operand : order) {
    assert(uses(operand, mask) || uses(operand, sparsity));
    std::string type = operand == KeysMask    ? "tensor<" + m + "xi1>"
                       : operand == DenseMask ? "tensor<" + n + "x" + m + "xi1>"
                                              : "i64";
    arguments.push_back({"x" + std::to_string(operand), type});
  }
  std::string text = "func.func @f(", types;
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    text += (index ? ", %" : "%") + argument.first + ": " + argument.second;
    types += (index ? ", " : "") + argument.second;
  }
  return text + ") -> " + q + " {\n  %o = attn.attention %q, %k, %v" + clauses +
         " : " + types + " -> " + q + "\n  return %o : " + q + "\n}\n";
}
