// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets in words, for people.

#include "passes/DescribePairs.h"

using namespace mlir::attn;

namespace {
class Describer {
public:
  explicit Describer(llvm::function_ref<std::string(int64_t)> operandName)
      : operandName(operandName) {}

  std::string describe(PairsAttr set) {
    switch (set.getKind()) {
    case PairKind::And:
      return join(set.getChildren(), ", and ");
    case PairKind::Or:
      return join(set.getChildren(), ", or ");
    case PairKind::Not:
      return "all keys but " + nested(set.getChildren()[0]);
    case PairKind::PerDocument:
      return "in the query's document (" + operand(set, 0) +
             "), by positions from its begin: " + inner(set, 0);
    case PairKind::Blocks:
      return "by blocks of " + count(set, 0, "position") + ": " + inner(set, 0);
    case PairKind::Axes:
      return describeAxes(set);
    case PairKind::ByHead:
      return describeHeads(set);
    default:
      return describeLeaf(set);
    }
  }

private:
  llvm::function_ref<std::string(int64_t)> operandName;

  std::string name(int64_t n) {
    return operandName ? operandName(n) : "$" + std::to_string(n);
  }
  std::string operand(PairsAttr set, int n) {
    return name(set.getOperands()[n]);
  }
  std::string param(PairsAttr set, int n) {
    PairParam p = set.getParams()[n];
    return p.isOperand ? name(p.value) : std::to_string(p.value);
  }
  static bool isConstant(PairsAttr set, int n, int64_t value) {
    return set.getParams()[n] == PairParam::constant(value);
  }
  std::string count(PairsAttr set, int n, const std::string &noun) {
    return param(set, n) + " " + noun + (isConstant(set, n, 1) ? "" : "s");
  }
  std::string inner(PairsAttr set, int n) {
    return describe(set.getChildren()[n]);
  }
  /// In brackets where the phrase has several parts.
  std::string nested(PairsAttr set) {
    bool isSimple = set.getChildren().empty();
    return isSimple ? describe(set) : "(" + describe(set) + ")";
  }
  std::string join(llvm::ArrayRef<PairsAttr> sets, const char *word) {
    std::string text;
    for (PairsAttr set : sets)
      text += (text.empty() ? "" : word) + nested(set);
    return text;
  }

  std::string describeWindow(PairsAttr set) {
    std::string text;
    if (set.getParams()[0] == set.getParams()[1])
      text = "keys within " + count(set, 0, "position") + " of the query";
    else if (isConstant(set, 1, 0))
      text = "keys from " + count(set, 0, "position") +
             " before the query up to it";
    else if (isConstant(set, 0, 0))
      text =
          "keys from the query to " + count(set, 1, "position") + " after it";
    else
      text = "keys from " + count(set, 0, "position") +
             " before the query to " + param(set, 1) + " after it";
    if (set.getParams()[2].value)
      text += ", the window shifted to stay inside the keys";
    return text;
  }

  std::string describeAxes(PairsAttr set) {
    std::string text = "on a grid of ";
    for (size_t axis = 0; axis < set.getParams().size(); ++axis)
      text += (axis ? " x " : "") + param(set, axis);
    for (size_t axis = 0; axis < set.getChildren().size(); ++axis)
      text += (axis ? "; along axis " : ", along axis ") +
              std::to_string(axis) + ": " + inner(set, axis);
    return text;
  }

  std::string describeHeads(PairsAttr set) {
    std::string text;
    size_t parts = set.getChildren().size();
    for (size_t n = 0; n < parts; ++n) {
      int64_t first = set.getParams()[n].value;
      text += (n ? "; heads " : "heads ");
      if (n + 1 == parts)
        text += "from " + std::to_string(first);
      else
        text += std::to_string(first) + " to " +
                std::to_string(set.getParams()[n + 1].value - 1);
      text += ": " + inner(set, n);
    }
    return text;
  }

  std::string describeLeaf(PairsAttr set) {
    switch (set.getKind()) {
    case PairKind::Full:
      return "every key";
    case PairKind::Empty:
      return "no key";
    case PairKind::Causal:
      return "keys at or before the query";
    case PairKind::Window:
      return describeWindow(set);
    case PairKind::Local:
      return "keys within " + count(set, 0, "position") + " of the query";
    case PairKind::Prefix:
    case PairKind::First:
      return "keys at positions below " + param(set, 0);
    case PairKind::Last:
      return "the last " + count(set, 0, "key");
    case PairKind::Global:
      return "keys at positions below " + param(set, 0) +
             " (every key for queries there)";
    case PairKind::Chunk:
      return "keys in the query's chunk of " + count(set, 0, "position") +
             (isConstant(set, 1, 0)
                  ? ""
                  : " (chunks shifted by " + param(set, 1) + ")");
    case PairKind::Strided:
      return "keys a multiple of " + count(set, 0, "position") + " away";
    case PairKind::Columns:
      return "the last " + count(set, 1, "key") + " of every " + param(set, 0) +
             " positions";
    case PairKind::Dilated:
      return "every key a multiple of " + count(set, 1, "position") +
             " away, up to " + count(set, 0, "step");
    case PairKind::Log:
      return "the query's own position and keys a power of two before it";
    case PairKind::Random:
      return count(set, 0, "pseudo-random key") + " a query (seed " +
             param(set, 1) + ")";
    default:
      return describeOperandSet(set);
    }
  }

  /// Sets that operands, regions or formulas spell out.
  std::string describeOperandSet(PairsAttr set) {
    switch (set.getKind()) {
    case PairKind::Keys:
      return "keys that " + operand(set, 0) + " marks";
    case PairKind::Dense:
      return "pairs that " + operand(set, 0) + " marks";
    case PairKind::Documents:
      return "keys in the query's document (" + operand(set, 0) + ")";
    case PairKind::Ranges:
      return (set.getParams()[0].value ? "keys in the query's range, "
                                       : "keys whose range holds the query, ") +
             operand(set, 0) + " to " + operand(set, 1);
    case PairKind::Csr:
      return "the keys that the query's row of " + operand(set, 1) +
             " lists (rows by " + operand(set, 0) + ")";
    case PairKind::Bsr:
      return "the key blocks that the query's block row of " + operand(set, 1) +
             " lists (rows by " + operand(set, 0) + ")";
    case PairKind::TopK:
      return "the keys that the query's row of " + operand(set, 0) + " lists";
    case PairKind::Predicate:
      return "pairs for which predicate region " + param(set, 0) + " holds";
    case PairKind::Affine: {
      std::string text;
      llvm::raw_string_ostream os(text);
      set.getAffineSet().getValue().print(os);
      return "pairs in the affine set " + text;
    }
    default:
      llvm_unreachable("operators and scopes are described by describe()");
    }
  }
};
} // namespace

std::string
attnc::describePairs(PairsAttr set,
                     llvm::function_ref<std::string(int64_t)> operandName) {
  return Describer(operandName).describe(set);
}
