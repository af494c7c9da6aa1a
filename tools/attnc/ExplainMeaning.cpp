// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc explain: names, and what a spec means.

#include "passes/DescribePairs.h"
#include "tools/attnc/Explainer.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

std::string attnc::valueName(const Signature &signature, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (isa<func::FuncOp>(argument.getOwner()->getParentOp()))
      return signature.inputs[argument.getArgNumber()].name;
  Operation *op = value.getDefiningOp();
  if (auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op))
    if (linalgOp.getNumDpsInputs() > 0)
      return "f(" +
             valueName(signature, linalgOp.getDpsInputOperand(0)->get()) + ")";
  if (op && op->hasTrait<OpTrait::Elementwise>() && op->getNumOperands() > 0)
    return "f(" + valueName(signature, op->getOperand(0)) + ")";
  return "a computed value";
}

std::string Explainer::nameOf(Value value) {
  return valueName(spec.getSignature(), value);
}

/// n, m, B, H, G where a size is one of these, a number where it is static.
std::string Explainer::dimName(AttentionOp op, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return std::to_string(type.getDimSize(dim));
  int64_t rank = op.getQueryType().getRank();
  auto is = [&](Value other, int64_t otherDim) {
    return sizes.broadcastsTo(tensor, dim, other, otherDim);
  };
  if (is(op.getQuery(), rank - 2))
    return "n";
  if (!op.getPages() && is(op.getKey(), rank - 2))
    return "m";
  for (int64_t d = 0; d < op.getBatchRank(); ++d)
    if (is(op.getQuery(), d))
      return op.getBatchRank() == 1 ? "B" : "B" + std::to_string(d);
  if (op.hasHeads() && is(op.getQuery(), rank - 3))
    return "H";
  if (op.hasHeads() && is(op.getKey(), rank - 3))
    return "G";
  return nameOf(tensor) + "." + std::to_string(dim);
}

std::string attnc::typeName(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

//===----------------------------------------------------------------------===//
// Meaning
//===----------------------------------------------------------------------===//

void Explainer::explainPairs(AttentionOp op) {
  auto operand = [&](int64_t number) {
    return nameOf(op.getSetOperands()[number]);
  };
  PairsAttr mask = op.getMaskSet();
  report.line("pairs", describePairs(mask, operand));
  report.text(std::string(op.getPositionsStart() || op.getQStart()
                              ? "The first query is at position " +
                                    (op.getQStart() ? nameOf(op.getQStart())
                                                    : std::string("0"))
                              : "The last query is at the last key's "
                                "position") +
              (op.getLengths()
                   ? "; keys from " + nameOf(op.getLengths()) + " on are none."
                   : "."));
  if (op.getSparsityAttr())
    report.line("sparsity", describePairs(op.getSparsityAttr(), operand) +
                                " (an approximation: --check tells its cost)");
  bool predicate = false;
  for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()})
    if (set)
      set.visit([&](PairsAttr node) {
        predicate |= node.getKind() == PairKind::Predicate;
      });
  if (predicate)
    report.text("A predicate region is asked for every pair of a tile at run "
                "time: nothing can be known of it before.");
}

void Explainer::explainScore(AttentionOp op) {
  std::string score = "dot product of " + std::to_string(op.getHeadDim()) +
                      " numbers, times " + numberText(op.getScaleValue());
  if (auto softmax = dyn_cast<SoftmaxAttr>(op.getAccumulator()))
    if (softmax.getSoftcap())
      score += ", capped to +-" +
               numberText(softmax.getSoftcap().getValueAsDouble()) + " by tanh";
  if (op.getBias())
    score += ", plus " + nameOf(op.getBias());
  if (!op.getScoreMod().empty())
    score += ", then the score_mod region";
  report.line("score", score);
  std::string kernel = typeName(op.getQueryType().getElementType());
  std::string name;
  llvm::raw_string_ostream(name) << op.getAccumulator();
  StringRef shortName(name);
  shortName.consume_front("#attn.");
  report.line(
      "combine",
      shortName.str() + (op.getSink() ? " with sinks" : "") +
          (op.getProbMod().empty() ? "" : ", prob_mod on the probabilities") +
          "; operands " + kernel + ", sums in " +
          typeName(op.getComputeType()));
}

void Explainer::explainMeaning(AttentionOp op) {
  auto shape = [&](const char *role, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<std::string> dims;
    for (int64_t d = 0; d < type.getRank(); ++d)
      dims.push_back(dimName(op, value, d));
    std::string name = nameOf(value);
    return (name == role ? name : role + (" = " + name)) + " [" +
           llvm::join(dims, ", ") + "]";
  };
  report.line("reads", shape("q", op.getQuery()) + ", " +
                           shape("k", op.getKey()) + ", " +
                           shape("v", op.getValue()));
  int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
  if (op.hasHeads() && heads > 0 && keyHeads > 0 && heads != keyHeads)
    report.text(std::to_string(heads / keyHeads) +
                " query heads share a key head");
  explainPairs(op);
  explainScore(op);
}
