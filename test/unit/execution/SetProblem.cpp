// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Specs over random pair sets, and their tensors.

#include "SetProblem.h"
#include "llvm/Support/raw_ostream.h"

using namespace attnc;
using namespace attnc::test;
using mlir::attn::PairsAttr;
using pairs::chance;
using pairs::draw;

namespace {
std::string number(int64_t x) { return std::to_string(x); }

/// Writes the spec of a case and draws its tensors.
class SetProblem {
public:
  SetProblem(const SetCase &c, pairs::Random &random) : c(c), random(random) {}

  Problem make() {
    addRows("q", c.heads, c.shape.n, c.shape.staticRows, c.d);
    addRows("k", c.keyHeads, c.shape.m, c.shape.staticKeys, c.d);
    addRows("v", c.keyHeads, c.shape.m, c.shape.staticKeys, c.dv);
    for (double x : problem.inputs.back().values)
      problem.largestValue = std::max(problem.largestValue, std::abs(x));
    addPositions();
    addSets();
    if (pairs::usesPredicate(c.mask) ||
        (c.sparsity && pairs::usesPredicate(c.sparsity))) {
      TensorSpec table{"table", ATTNC_DTYPE_BOOL, {pairs::kTableSize}, {}, {}};
      for (int64_t x = 0; x < pairs::kTableSize; ++x)
        table.values.push_back(draw(random, 0, 1));
      add(table, {false}, /*isOperand=*/false);
      clauses += pairs::predicateText();
    }
    return finish();
  }

private:
  const SetCase &c;
  pairs::Random &random;
  Problem problem;
  std::string clauses, arguments, types;

  static std::string typeOf(const TensorSpec &spec,
                            const std::vector<bool> &dynamic) {
    std::string text = "tensor<";
    for (size_t d = 0; d < spec.shape.size(); ++d)
      text += (dynamic[d] ? "?" : number(spec.shape[d])) + "x";
    bool isBool = spec.dtype == ATTNC_DTYPE_BOOL;
    return text + (isBool ? "i1" : attnc_dtype_name(spec.dtype)) + ">";
  }

  std::string add(TensorSpec spec, const std::vector<bool> &dynamic,
                  bool isOperand = true) {
    std::string type = typeOf(spec, dynamic);
    arguments += (arguments.empty() ? "%" : ", %") + spec.name + ": " + type;
    if (isOperand)
      types += (types.empty() ? "" : ", ") + type;
    problem.inputs.push_back(std::move(spec));
    return type;
  }

  void addRows(const std::string &name, int64_t heads, int64_t rows,
               bool isStatic, int64_t columns) {
    TensorSpec spec{
        name, ATTNC_DTYPE_F32, {c.batch, heads, rows, columns}, {}, {}};
    for (int64_t x = 0; x < spec.size(); ++x)
      spec.values.push_back(
          static_cast<float>(draw(random, -1000, 1000) / 700.0));
    add(spec, {c.dynamicLead, c.dynamicLead, !isStatic, false});
  }

  void addPositions() {
    auto clause = [&](bool present, const std::string &name, auto valueOf) {
      if (!present)
        return;
      TensorSpec spec{name, ATTNC_DTYPE_I32, {c.batch}, {}, {}};
      for (const pairs::Positions &at : c.positions)
        spec.values.push_back(valueOf(at));
      add(spec, {c.dynamicLead});
      clauses += " " + name + "(%" + name + ")";
    };
    using At = const pairs::Positions &;
    clause(c.shape.lengths, "lengths",
           [](At at) { return at.kEnd - at.kBegin; });
    clause(c.shape.qLengths, "q_lengths",
           [](At at) { return at.qEnd - at.qBegin; });
    clause(c.shape.qStart, "q_start", [](At at) { return at.qBegin; });
    clause(c.shape.kStart, "k_start", [](At at) { return at.kBegin; });
    if (c.shape.positionsStart)
      clauses += " positions = start";
  }

  /// Leading dims are none, [batch] or [batch, heads], each 1 or whole.
  void addSetOperand(int64_t operand) {
    bool isParameter = operand < pairs::NumParameters;
    std::vector<int64_t> lead;
    if (isParameter) {
      if (operand > 0 && chance(random, 70))
        lead = {c.batch};
    } else if (operand != pairs::DocumentParameter) {
      if (chance(random, 60))
        lead.push_back(chance(random, 75) ? c.batch : 1);
      if (!lead.empty() && chance(random, 40))
        lead.push_back(chance(random, 75) ? c.heads : 1);
    }
    TensorSpec spec;
    spec.name = "x" + number(operand);
    int64_t parts = 1;
    for (int64_t size : lead)
      parts *= size;
    int64_t heads = lead.size() == 2 ? lead[1] : 1;
    for (int64_t part = 0; part < parts; ++part) {
      pairs::SetOperand one = pairs::drawOperand(
          operand, c.shape, c.positions[part / heads], random);
      spec.values.insert(spec.values.end(), one.values.begin(),
                         one.values.end());
      spec.shape = one.shape;
    }
    std::vector<bool> dynamic;
    for (size_t d = 0; d < lead.size(); ++d)
      dynamic.push_back(c.dynamicLead);
    for (size_t d = 0; d < spec.shape.size(); ++d)
      dynamic.push_back(!(d == 0                        ? isStatic(operand)
                          : operand == pairs::DenseMask ? c.shape.staticKeys
                                                        : chance(random, 50)));
    spec.shape.insert(spec.shape.begin(), lead.begin(), lead.end());
    spec.dtype = ATTNC_DTYPE_BOOL;
    if (operand != pairs::KeysMask && operand != pairs::DenseMask)
      spec.dtype = isParameter          ? ATTNC_DTYPE_I64
                   : chance(random, 50) ? ATTNC_DTYPE_I32
                   : chance(random, 50) ? ATTNC_DTYPE_I64
                                        : ATTNC_DTYPE_I16;
    add(spec, dynamic);
  }

  /// Whether the first dim of an operand is static.
  bool isStatic(int64_t operand) {
    switch (operand) {
    case pairs::KeysMask:
    case pairs::KeyStarts:
    case pairs::KeyEnds:
      return c.shape.staticKeys;
    case pairs::DenseMask:
    case pairs::RowStarts:
    case pairs::RowEnds:
    case pairs::CsrRows:
    case pairs::TopKeys:
      return c.shape.staticRows;
    default:
      return chance(random, 50);
    }
  }

  void addSets() {
    std::vector<int64_t> order;
    for (auto [name, set] : {std::make_pair(" mask", c.mask),
                             std::make_pair(" sparsity", c.sparsity)}) {
      if (!set)
        continue;
      pairs::addMentions(set, order);
      llvm::raw_string_ostream os(clauses);
      os << name << " = #attn.pairs<";
      set.printExpression(os, [&](int64_t n) { os << "%x" << n; });
      os << '>';
    }
    for (int64_t operand : order)
      addSetOperand(operand);
  }

  Problem finish() {
    TensorSpec o{
        "o", ATTNC_DTYPE_F32, {c.batch, c.heads, c.shape.n, c.dv}, {}, {}};
    TensorSpec lse{
        "lse", ATTNC_DTYPE_F32, {c.batch, c.heads, c.shape.n}, {}, {}};
    std::vector<bool> dynamic{c.dynamicLead, c.dynamicLead, !c.shape.staticRows,
                              false};
    std::string results = typeOf(o, dynamic) + ", " + typeOf(lse, dynamic);
    problem.text = "func.func @spec(" + arguments + ") -> (" + results +
                   ") {\n  %o, %lse = attn.attention %q, %k, %v" + clauses +
                   " returns = [lse]\n      : " + types + " -> (" + results +
                   ")\n  return %o, %lse : " + results + "\n}\n";
    problem.outputs = {o, lse};
    // Results of few pairs are naively right by luck. A pair too many or too
    // few moves them by far more than this.
    problem.naiveErrors = {5e-7, 5e-7};
    return std::move(problem);
  }
};
} // namespace

SetCase attnc::test::drawSetCase(mlir::MLIRContext *context,
                                 pairs::Random &random, int64_t largest) {
  SetCase c;
  c.shape = pairs::drawShape(random, largest);
  c.mask = pairs::drawSet(context, random, draw(random, 0, 3));
  if (chance(random, 30))
    c.sparsity = pairs::drawSet(context, random, draw(random, 0, 2));
  c.batch = draw(random, 1, 3);
  c.keyHeads = draw(random, 1, 3);
  c.heads = c.keyHeads * draw(random, 1, 3);
  c.d = draw(random, 1, 20);
  c.dv = draw(random, 1, 20);
  c.dynamicLead = chance(random, 30);
  for (int64_t b = 0; b < c.batch; ++b)
    c.positions.push_back(pairs::drawPositions(c.shape, random));
  return c;
}

Problem attnc::test::makeSetProblem(const SetCase &c, pairs::Random &random) {
  return SetProblem(c, random).make();
}
