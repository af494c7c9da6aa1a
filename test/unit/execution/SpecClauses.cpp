// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention operation of a case: positions, pair sets, scores.

#include "SpecWriter.h"

using namespace attnc::test;

static std::string join(const std::vector<std::vector<Tensor> *> &slots) {
  std::string types;
  for (std::vector<Tensor> *slot : slots)
    for (const Tensor &t : *slot)
      types += ", " + typeOf(t);
  return types;
}

void SpecWriter::attention(const Tensor &q, const Tensor &k, const Tensor &v) {
  addPositions();
  std::string sets = addMask();
  addScore();
  std::string results = typeOf(with(queryLead, {n, {c.dv}}), c.dtype);
  body += c.lse ? "  %o, %lse = " : "  %o = ";
  body += "attn.attention " + q.name + ", " + k.name + ", " + v.name +
          clauses.text + sets;
  if (c.lse) {
    body += " returns = [lse]";
    results = "(" + results + ", " +
              typeOf(with(queryLead, {n}), ATTNC_DTYPE_F32) + ")";
  }
  body += "\n      : " + typeOf(q) + ", " + typeOf(k) + ", " + typeOf(v) +
          join({&clauses.lengths, &clauses.queryLengths, &clauses.queryStart,
                &clauses.keyStart, &clauses.bias, &clauses.sets}) +
          " -> " + results + "\n";
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

void SpecWriter::addClause(const std::string &name, std::vector<Tensor> &slot,
                           std::vector<double> values, bool uniform) {
  Dims dims = perBatch();
  attnc_dtype dtype = ATTNC_DTYPE_I32;
  if (uniform) {
    dims = {{1}};
    values.resize(1);
    dtype = ATTNC_DTYPE_I64;
  }
  slot.push_back(argument(name, dims, dtype, std::move(values)));
  clauses.text += " " + name + "(%" + name + ")";
}

void SpecWriter::addPositions() {
  std::vector<double> lengths(keyLengths.begin(), keyLengths.end()),
      queries(queryLengths.begin(), queryLengths.end());
  std::vector<double> queryStart, keyStart;
  for (int64_t b = 0; b < batches(); ++b) {
    queryStart.push_back(
        static_cast<double>(random.below(c.m + 1) - c.n / 2 + 7 * b));
    keyStart.push_back(static_cast<double>(b == 0 ? 100 : 5 - 9 * b));
  }
  switch (c.positions) {
  case Positions::Default:
  case Positions::Count:
    return;
  case Positions::Start:
    clauses.text += " positions = start";
    return;
  case Positions::Lengths:
    return addClause("lengths", clauses.lengths, lengths);
  case Positions::BothLengths:
    addClause("q_lengths", clauses.queryLengths, queries);
    return addClause("lengths", clauses.lengths, lengths);
  case Positions::UniformLengths:
    addClause("lengths", clauses.lengths, lengths, true);
    return addClause("q_lengths", clauses.queryLengths, queries, true);
  case Positions::QueryStart:
    return addClause("q_start", clauses.queryStart, queryStart);
  case Positions::KeyStart:
    return addClause("k_start", clauses.keyStart, keyStart);
  case Positions::LengthsAndStarts:
    addClause("lengths", clauses.lengths, lengths);
    for (double &start : queryStart)
      start += keyStart[0];
    keyStart.assign(keyStart.size(), keyStart[0]);
    addClause("q_start", clauses.queryStart, queryStart);
    return addClause("k_start", clauses.keyStart, keyStart);
  case Positions::QueryLengthsAndKeyStart:
    addClause("k_start", clauses.keyStart, keyStart);
    return addClause("q_lengths", clauses.queryLengths, queries);
  }
}

//===----------------------------------------------------------------------===//
// Pair sets
//===----------------------------------------------------------------------===//

std::string SpecWriter::addMask() {
  auto set = [&](const std::string &name, const Dims &dims, attnc_dtype dtype,
                 std::vector<double> values) {
    addSet(argument(name, dims, dtype, std::move(values)));
  };
  auto pairs = [](const std::string &expression) {
    return " mask = #attn.pairs<" + expression + ">";
  };
  switch (c.mask) {
  case Mask::Full:
  case Mask::Count:
    return "";
  case Mask::Empty:
    return pairs("empty");
  case Mask::Causal:
    return pairs("causal");
  case Mask::NotCausal:
    return pairs("!causal");
  case Mask::Window:
    return pairs("window<5, 3>");
  case Mask::WideWindow:
    return pairs("window<70, 0>");
  case Mask::Local:
    return pairs("local<33>");
  case Mask::WindowOperands:
    set("left", {}, ATTNC_DTYPE_I32, {20});
    set("right", perBatch(), ATTNC_DTYPE_I32, integers(perBatch(), 0, 9));
    return pairs("window<%left, %right>");
  case Mask::Prefix:
    return pairs("prefix<20>");
  case Mask::PrefixOperand:
    set("pre", perBatch(), ATTNC_DTYPE_I64, integers(perBatch(), 0, c.m));
    return pairs("prefix(%pre)");
  case Mask::First:
    return pairs("first<3>");
  case Mask::Last:
    return pairs("last<10>");
  case Mask::Global:
    return pairs("global<3> | local<8>");
  case Mask::FirstOrWindow:
    return pairs("first<4> | window<16, 0>");
  case Mask::PrefixOrCausal:
    set("pre", perBatch(), ATTNC_DTYPE_I32, integers(perBatch(), 0, c.m));
    return pairs("prefix(%pre) | causal");
  case Mask::CausalNotWindow:
    return pairs("causal & !window<7, 0>");
  case Mask::CausalAndSinks:
    return pairs("causal & (window<30, 0> | first<2>)");
  case Mask::Keys:
    set("keep", with(batch, {m}), ATTNC_DTYPE_BOOL, keyMask);
    return pairs("keys(%keep)");
  case Mask::CausalAndKeys:
    set("keep", with(batch, {m}), ATTNC_DTYPE_BOOL, keyMask);
    return pairs("causal & keys(%keep)");
  case Mask::WindowAndKeys:
    set("keep", with(batch, {m}), ATTNC_DTYPE_BOOL, keyMask);
    return pairs("window<30, 4> & keys(%keep)");
  case Mask::KeysPerHead:
    set("keep", with(queryLead, {m}), ATTNC_DTYPE_BOOL,
        bits(with(queryLead, {m}), 50));
    return pairs("!keys(%keep)");
  case Mask::Dense:
    set("keep", {n, m}, ATTNC_DTYPE_BOOL, bits({n, m}, 40));
    return pairs("dense(%keep)");
  case Mask::DensePerHead:
    set("keep", with(queryLead, {n, m}), ATTNC_DTYPE_BOOL,
        bits(with(queryLead, {n, m}), 70));
    return pairs("dense(%keep) & causal");
  case Mask::DenseOrFirst:
    set("keep", {n, m}, ATTNC_DTYPE_BOOL, bits({n, m}, 5));
    set("known", {m}, ATTNC_DTYPE_BOOL, bits({m}, 50));
    return pairs("dense(%keep) | first<2> | keys(%known) & local<6>");
  case Mask::Sparsity:
    return pairs("causal") + " sparsity = #attn.pairs<local<9> | first<5>>";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

void SpecWriter::addScore() {
  bool everything = c.score == Score::Everything;
  if (c.score == Score::Softcap || everything)
    clauses.text += " kernel = #attn.softmax<softcap = 1.5>";
  if (c.score == Score::Scale || everything)
    clauses.text += " scale = 0.1875";
  addBias();
  addScoreMod();
}

void SpecWriter::addBias() {
  Dims dims;
  attnc_dtype dtype = c.dtype;
  Dim one{1, c.dynamic == Dynamic::All};
  switch (c.score) {
  case Score::Bias:
    dims = with(queryLead, {n, m});
    break;
  case Score::BiasOfKeys:
    dims = rank >= 3 ? Dims{queryLead.back(), one, m} : Dims{one, m};
    break;
  case Score::BiasOfRows:
    dims = {n, one};
    break;
  case Score::BiasOtherType:
    dims = {n, m};
    dtype = c.dtype == ATTNC_DTYPE_F32 ? ATTNC_DTYPE_BF16 : ATTNC_DTYPE_F32;
    break;
  case Score::Everything:
    dims = rank >= 4 ? with(batch, {{1}, n, m}) : Dims{n, m};
    break;
  default:
    return;
  }
  clauses.bias.push_back(argument("bias", dims, dtype, uniform(dims, 1.0)));
  clauses.text += " bias(%bias)";
}

void SpecWriter::addScoreMod() {
  std::string captures;
  std::string region = scoreModBody(captures);
  if (region.empty())
    return;
  std::string s = elementType(compute);
  clauses.text += "\n      score_mod" + captures + " {\n      ^bb0(%s: " + s +
                  ", %b: index, %h: index, %i: index, %j: index):\n" + region +
                  "        attn.yield %t : " + s + "\n      }";
}

std::string SpecWriter::scoreModBody(std::string &captures) {
  std::string s = elementType(compute);
  Dim heads = rank >= 3 ? queryLead.back() : Dim{1};
  auto capture = [&](const std::string &name, const Dims &dims) {
    Tensor t = argument(name, dims, compute, uniform(dims, 0.25));
    captures = " captures(" + t.name + " : " + typeOf(t) + ")";
    return typeOf(t);
  };
  switch (c.score) {
  case Score::Alibi:
  case Score::Everything: {
    std::string type = capture("slopes", {heads});
    return "        %slope = tensor.extract %slopes[%h] : " + type +
           "\n        %distance = arith.subi %i, %j : index\n"
           "        %steps = arith.index_cast %distance : index to i32\n"
           "        %far = arith.sitofp %steps : i32 to " +
           s + "\n        %penalty = arith.mulf %slope, %far : " + s +
           "\n        %t = arith.subf %s, %penalty : " + s + "\n";
  }
  case Score::Relative: {
    std::string type = capture("relative", {heads, {13}});
    return "        %low = arith.constant -6 : index\n"
           "        %high = arith.constant 6 : index\n"
           "        %far = arith.subi %i, %j : index\n"
           "        %near = arith.maxsi %far, %low : index\n"
           "        %clamped = arith.minsi %near, %high : index\n"
           "        %at = arith.addi %clamped, %high : index\n"
           "        %r = tensor.extract %relative[%h, %at] : " +
           type + "\n        %t = arith.addf %s, %r : " + s + "\n";
  }
  case Score::Holes: // some scores are -inf, and with few keys whole rows
    return "        %three = arith.constant 3 : index\n"
           "        %zero = arith.constant 0 : index\n"
           "        %sum = arith.addi %i, %j : index\n"
           "        %both = arith.addi %sum, %b : index\n"
           "        %rest = arith.remsi %both, %three : index\n"
           "        %hole = arith.cmpi eq, %rest, %zero : index\n"
           "        %none = arith.constant " +
           std::string(compute == ATTNC_DTYPE_F64 ? "0xFFF0000000000000"
                                                  : "0xFF800000") +
           " : " + s + "\n        %t = arith.select %hole, %none, %s : " + s +
           "\n";
  default:
    return "";
  }
}
