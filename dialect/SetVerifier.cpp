// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifier of pair sets, their operands and plans: C14, C15, C22, C23.

#include "dialect/VerifierSupport.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Sizes and shapes
//===----------------------------------------------------------------------===//

bool mlir::attn::differ(int64_t a, int64_t b) {
  return !ShapedType::isDynamic(a) && !ShapedType::isDynamic(b) && a != b;
}
bool mlir::attn::broadcasts(int64_t from, int64_t to) {
  return from == 1 || !differ(from, to);
}
bool mlir::attn::isIntegerLike(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIndex() ||
         (element.isSignlessInteger() && !element.isInteger(1));
}

bool mlir::attn::hasShape(Type type, ArrayRef<int64_t> dims) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() != static_cast<int64_t>(dims.size()))
    return false;
  return llvm::none_of(llvm::zip(tensor.getShape(), dims), [](auto pair) {
    return differ(std::get<0>(pair), std::get<1>(pair));
  });
}

std::string mlir::attn::shapeText(ArrayRef<int64_t> dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << '[';
  llvm::interleaveComma(dims, os, [&](int64_t d) {
    ShapedType::isDynamic(d) ? os << '?' : os << d;
  });
  os << ']';
  return text;
}

bool mlir::attn::isPerBatch(AttentionOp op, Type type) {
  return isPerBatch(op.getQueryType().getShape().take_front(op.getBatchRank()),
                    type);
}
bool mlir::attn::isPerBatch(ArrayRef<int64_t> batch, Type type) {
  return isIntegerLike(type) &&
         (isPerBatchUniform(type) || hasShape(type, batch));
}

//===----------------------------------------------------------------------===//
// Sets
//===----------------------------------------------------------------------===//

namespace {
class SetVerifier {
public:
  explicit SetVerifier(AttentionOp op)
      : op(op), used(op.getSetOperands().size()) {}

  LogicalResult verify() {
    for (PairsAttr set : {op.getMaskSet(), op.getSparsityAttr()})
      if (set && failed(verifySet(set, Scope{})))
        return failure();
    if (PlanAttr plan = op.getPlanAttr(); plan && failed(verifyPlan(plan)))
      return failure();
    for (auto [n, isUsed] : llvm::enumerate(used))
      if (!isUsed)
        return op.emitOpError("(C15) set operand ")
               << n << " is used by no pair set";
    return success();
  }

private:
  /// What positions mean where a set stands.
  struct Scope {
    bool relative = false; // inside blocks, axes or per_document
    bool document = false; // inside per_document
  };
  AttentionOp op;
  SmallVector<bool> used;

  /// C23. Atoms and parameters are no use of a set operand: only the sets are.
  LogicalResult verifyPlan(PlanAttr plan) {
    SmallVector<bool> usedBySets = used;
    for (PairsAttr atom : plan.getAtoms())
      if (failed(verifySet(atom, Scope{})))
        return failure();
    used = usedBySets;
    int64_t operands = op.getSetOperands().size();
    for (int64_t n : plan.getParameters())
      if (n < 0 || n >= operands ||
          !isPerBatch(op, op.getSetOperands()[n].getType()))
        return op.emitOpError("(C23) set operand ")
               << n << " cannot be a parameter of the plan";
    int64_t symbols = FirstParameter + plan.getParameters().size();
    for (ValueAttr value : plan.getValues())
      if (failed(verifyValue(value, symbols++)))
        return failure();
    int64_t atoms = plan.getAtoms().size();
    for (ComponentAttr component : plan.getComponents()) {
      if (component.getLower().getNumSymbols() > symbols)
        return op.emitOpError("(C23) a component takes ")
               << component.getLower().getNumSymbols() << " symbols, but "
               << symbols << " exist";
      for (int64_t test : component.getTestNumbers())
        if (test < -atoms || test > atoms)
          return op.emitOpError("(C23) a component tests atom ")
                 << test << " of " << atoms;
    }
    return success();
  }

  /// A value of the plan that may use symbols below `symbols`.
  LogicalResult verifyValue(ValueAttr value, int64_t symbols) {
    if (value.getMap() && value.getMap().getNumSymbols() > symbols)
      return op.emitOpError("(C23) a value takes ")
             << value.getMap().getNumSymbols() << " symbols, but " << symbols
             << " come before it";
    int64_t n = value.getOperand();
    if (n < 0)
      return success();
    int64_t operands = op.getSetOperands().size();
    auto type =
        n < operands
            ? dyn_cast<RankedTensorType>(op.getSetOperands()[n].getType())
            : RankedTensorType();
    int64_t lead = type ? type.getRank() - 1 : -1;
    bool fits = type && isIntegerLike(type) &&
                (lead == 0 || lead == op.getBatchRank() ||
                 (op.hasHeads() && lead == op.getBatchRank() + 1));
    if (!fits)
      return op.emitOpError("(C23) set operand ")
             << n << " cannot be read by a value of the plan";
    return success();
  }

  InFlightDiagnostic error(StringRef constraint, PairsAttr set) {
    return op.emitOpError() << '(' << constraint << ") '"
                            << getPairSetSpec(set.getKind()).name << "' ";
  }

  /// Marks operand n used; its type, or null after an error.
  Type operandType(PairsAttr set, int64_t n) {
    if (n < 0 || n >= static_cast<int64_t>(used.size())) {
      error("C15", set) << "names set operand " << n << " of " << used.size();
      return {};
    }
    used[n] = true;
    return op.getSetOperands()[n].getType();
  }

  LogicalResult verifyParams(PairsAttr set, Scope scope) {
    const PairSetSpec &spec = getPairSetSpec(set.getKind());
    for (auto [i, param] : llvm::enumerate(set.getParams())) {
      int64_t min = i < spec.params.size() ? spec.params[i].min : 0;
      if (!param.isOperand) {
        bool isDefault = i < spec.params.size() &&
                         spec.params[i].defaultValue == param.value;
        if (param.value < min && !isDefault)
          return error("C14", set) << "has a parameter below " << min;
        continue;
      }
      Type type = operandType(set, param.value);
      if (!type)
        return failure();
      auto tensor = dyn_cast<RankedTensorType>(type);
      bool perDocument = scope.document && isIntegerLike(type) && tensor &&
                         tensor.getRank() == 1;
      if (!perDocument && !isPerBatch(op, type))
        return error("C15", set)
               << "needs an integer parameter, one value or one a "
               << (scope.document ? "document" : "batch") << ", got " << type;
    }
    if (set.getKind() == PairKind::Columns &&
        set.getParams()[1].value > set.getParams()[0].value)
      return error("C14", set) << "keeps more columns than its period";
    if (set.getKind() == PairKind::Predicate &&
        set.getParams()[0].value >=
            static_cast<int64_t>(op.getPredicates().size()))
      return op.emitOpError("(C12) names predicate region ")
             << set.getParams()[0].value << " of " << op.getPredicates().size();
    return success();
  }

  /// A tensor [lead..., tail...]; lead is empty, batch or batch and heads,
  /// 1 broadcasting.
  LogicalResult verifyOperand(PairsAttr set, int64_t number,
                              ArrayRef<int64_t> tail, bool isBool) {
    Type type = operandType(set, number);
    if (!type)
      return failure();
    auto tensor = dyn_cast<RankedTensorType>(type);
    int64_t tailRank = tail.size(), batchRank = op.getBatchRank();
    bool fits =
        tensor && tensor.getRank() >= tailRank &&
        (isBool ? tensor.getElementType().isInteger(1) : isIntegerLike(type));
    if (fits) {
      int64_t lead = tensor.getRank() - tailRank;
      fits = lead == 0 || lead == batchRank ||
             (op.hasHeads() && lead == batchRank + 1);
      for (int64_t d = 0; fits && d < lead; ++d)
        fits =
            broadcasts(tensor.getDimSize(d), op.getQueryType().getDimSize(d));
      for (int64_t d = 0; fits && d < tailRank; ++d)
        fits = !differ(tensor.getDimSize(lead + d), tail[d]);
    }
    if (!fits)
      return error(set.getKind() == PairKind::Dense ? "C22" : "C15", set)
             << "needs a tensor of " << (isBool ? "i1" : "integers")
             << ", [batch..., heads] optional, then " << shapeText(tail)
             << ", got " << type;
    return success();
  }

  LogicalResult verifyOperands(PairsAttr set) {
    constexpr int64_t any = ShapedType::kDynamic;
    int64_t n = op.getQueryRows(), m = op.getKeyRows();
    ArrayRef<int64_t> ops = set.getOperands();
    switch (set.getKind()) {
    case PairKind::Keys:
      return verifyOperand(set, ops[0], {m}, true);
    case PairKind::Dense:
      return verifyOperand(set, ops[0], {n, m}, true);
    case PairKind::Documents:
    case PairKind::PerDocument:
      return verifyOperand(set, ops[0], {any}, false);
    case PairKind::TopK:
      return verifyOperand(set, ops[0], {n, any}, false);
    case PairKind::Ranges: {
      int64_t rows = set.getParams()[0].value ? n : m;
      return success(succeeded(verifyOperand(set, ops[0], {rows}, false)) &&
                     succeeded(verifyOperand(set, ops[1], {rows}, false)));
    }
    case PairKind::Csr: {
      int64_t rows = ShapedType::isDynamic(n) ? any : n + 1;
      return success(succeeded(verifyOperand(set, ops[0], {rows}, false)) &&
                     succeeded(verifyOperand(set, ops[1], {any}, false)));
    }
    case PairKind::Bsr:
      return success(succeeded(verifyOperand(set, ops[0], {any}, false)) &&
                     succeeded(verifyOperand(set, ops[1], {any}, false)));
    default:
      return success();
    }
  }

  /// Sets that speak of rows make no sense where positions are relative.
  static bool needsRows(PairKind kind) {
    return llvm::is_contained({PairKind::Keys, PairKind::Dense, PairKind::TopK,
                               PairKind::Ranges, PairKind::Csr, PairKind::Bsr,
                               PairKind::Documents, PairKind::PerDocument,
                               PairKind::Predicate, PairKind::Random},
                              kind);
  }

  LogicalResult verifyExtents(PairsAttr set) {
    int64_t cells = 1;
    for (PairParam extent : set.getParams())
      if (llvm::MulOverflow(cells, extent.value, cells))
        return error("C22", set) << "has more cells than 64 bits count";
    for (int64_t rows : {op.getQueryRows(), op.getKeyRows()})
      if (!ShapedType::isDynamic(rows) && rows > cells)
        return error("C22", set)
               << "has " << cells << " cells for " << rows << " positions";
    return success();
  }

  LogicalResult verifySet(PairsAttr set, Scope scope) {
    const PairSetSpec &spec = getPairSetSpec(set.getKind());
    int64_t operands = set.getOperands().size();
    if (operands < spec.minOperands || operands > spec.maxOperands)
      return error("C15", set) << "has the wrong number of operands";
    if (scope.relative && needsRows(set.getKind()))
      return error("C15", set) << "speaks of rows and cannot stand inside "
                                  "per_document, axes or blocks";
    if (failed(verifyParams(set, scope)) || failed(verifyOperands(set)))
      return failure();
    if (set.getKind() == PairKind::Axes && failed(verifyExtents(set)))
      return failure();
    if (llvm::is_contained(
            {PairKind::PerDocument, PairKind::Axes, PairKind::Blocks},
            set.getKind()))
      scope.relative = true;
    scope.document |= set.getKind() == PairKind::PerDocument;
    for (PairsAttr child : set.getChildren())
      if (failed(verifySet(child, scope)))
        return failure();
    return success();
  }
};
} // namespace

LogicalResult mlir::attn::verifyPairSets(AttentionOp op) {
  return SetVerifier(op).verify();
}
