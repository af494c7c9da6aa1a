// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Run-time shapes and values of set operands, before any pair is tested.

#include "dialect/reference/Interpreter.h"
#include "dialect/reference/PairSetSemantics.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

namespace {
class OperandChecker {
public:
  explicit OperandChecker(const PairContext &context) : context(context) {}

  std::optional<std::string> check(PairsAttr set, bool inDocument) {
    for (PairParam param : set.getParams())
      if (param.isOperand && !problem)
        checkParam(set, param.value, inDocument);
    if (!problem)
      checkSet(set);
    inDocument |= set.getKind() == PairKind::PerDocument;
    for (PairsAttr inner : set.getChildren())
      if (!problem)
        check(inner, inDocument);
    return problem;
  }

private:
  const PairContext &context;
  std::optional<std::string> problem;

  void fail(PairsAttr set, const Twine &text) {
    problem = ("'" + getPairSetSpec(set.getKind()).name + "' " + text).str();
  }

  void checkParam(PairsAttr set, int64_t number, bool inDocument) {
    const HostTensor &tensor = context.operands[number];
    int64_t count = tensor.getNumElements();
    bool perDocument = inDocument && tensor.getRank() == 1;
    if (count != 1 && !perDocument &&
        tensor.getShape() != ArrayRef<int64_t>(context.batchShape))
      fail(set, "has a parameter of shape " + shapeText(tensor.getShape()) +
                    " for batches " + shapeText(context.batchShape));
  }

  /// [lead..., tail...]; -1 fits any size.
  void checkShape(PairsAttr set, unsigned number, ArrayRef<int64_t> tail) {
    ArrayRef<int64_t> shape =
        context.operands[set.getOperands()[number]].getShape();
    int64_t lead = shape.size() - tail.size();
    SmallVector<int64_t> whole(context.batchShape);
    whole.push_back(context.heads);
    bool fits = lead >= 0 && lead <= static_cast<int64_t>(whole.size());
    for (int64_t d = 0; fits && d < lead; ++d)
      fits = shape[d] == 1 || shape[d] == whole[d];
    for (auto [d, size] : llvm::enumerate(tail))
      fits = fits && (size < 0 || shape[lead + d] == size);
    if (!fits)
      fail(set, "has an operand of shape " + shapeText(shape) +
                    ", which does not fit the queries and keys");
  }

  void checkDocuments(PairsAttr set) {
    checkShape(set, 0, {-1});
    if (problem)
      return;
    const HostTensor &cu = context.operands[set.getOperands()[0]];
    int64_t run = cu.getShape().back();
    for (int64_t e = 0, n = cu.getNumElements(); e < n; ++e)
      if (e % run != 0 && cu.getInt(e) < cu.getInt(e - 1))
        return fail(set, "has boundaries that decrease, from " +
                             std::to_string(cu.getInt(e - 1)) + " to " +
                             std::to_string(cu.getInt(e)));
  }

  void checkSet(PairsAttr set) {
    int64_t n = context.queryRows, m = context.keyRows;
    switch (set.getKind()) {
    case PairKind::Keys:
      return checkShape(set, 0, {m});
    case PairKind::Dense:
      return checkShape(set, 0, {n, m});
    case PairKind::TopK:
      return checkShape(set, 0, {n, -1});
    case PairKind::Ranges:
      for (unsigned number : {0, 1})
        if (!problem)
          checkShape(set, number, {set.getParams()[0].value ? n : m});
      return;
    case PairKind::Csr:
    case PairKind::Bsr:
      checkShape(set, 0, {set.getKind() == PairKind::Csr ? n + 1 : -1});
      if (!problem)
        checkShape(set, 1, {-1});
      return;
    case PairKind::Documents:
    case PairKind::PerDocument:
      return checkDocuments(set);
    default:
      return;
    }
  }
};
} // namespace

std::optional<std::string>
reference::checkOperands(PairsAttr set, const PairContext &context) {
  return OperandChecker(context).check(set, /*inDocument=*/false);
}
