// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounds of keys in the query solved for the query, as bounds in the key.

#include "passes/PlanTranspose.h"
#include "passes/PairAlgebra.h"
#include "passes/PlanRestriction.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

/// Alternatives a component; more are given up.
static constexpr size_t kMaxPieces = 8;
/// How far a bound may scale a key's position: 64 bits hold the product.
static constexpr int64_t kMaxScale = int64_t(1) << 20;

namespace {
/// Conditions that hold together: lower <= i <= upper, guard >= 0, each a
/// function of the key.
struct Piece {
  SmallVector<AffineExpr, 3> lower, upper, guard;

  void append(const Piece &other) {
    llvm::append_range(lower, other.lower);
    llvm::append_range(upper, other.upper);
    llvm::append_range(guard, other.guard);
  }
};
/// Alternatives that exclude each other.
using Pieces = SmallVector<Piece, 2>;

/// a and b, where neither is unknown.
std::optional<Pieces> both(const std::optional<Pieces> &a,
                           const std::optional<Pieces> &b) {
  if (!a || !b || a->size() * b->size() > kMaxPieces)
    return std::nullopt;
  Pieces all;
  for (const Piece &x : *a)
    for (const Piece &y : *b) {
      all.push_back(x);
      all.back().append(y);
    }
  return all;
}

/// The transposition of one component. Expressions of the query (dim 0 is i)
/// are in the original's symbols; those of the key (dim 0 is j) in the
/// transposed plan's.
class ComponentTransposer {
public:
  ComponentTransposer(PlanAttr plan, ComponentAttr component)
      : plan(plan), component(component), context(plan.getContext()),
        firstValue(FirstParameter + plan.getParameters().size()) {
    findDocument();
    for (unsigned s = 0; s < plan.getNumSymbols(); ++s)
      swapped.push_back(
          getAffineSymbolExpr(s < FirstParameter ? s ^ 2 : s, context));
    for (ValueAttr value : plan.getValues())
      isOfKey.push_back(isSameForKey(value));
  }

  struct Result {
    Pieces pieces;
    SmallVector<int64_t> tests;
    bool isExact = true;
  };

  Result run() {
    Result result;
    result.pieces.emplace_back();
    AffineExpr j = getAffineDimExpr(0, context);
    auto demand = [&](const std::optional<Pieces> &condition) {
      std::optional<Pieces> all = both(result.pieces, condition);
      if (all)
        result.pieces = std::move(*all);
      result.isExact &= all.has_value();
    };
    if (document >= 0)
      demand(sameDocument());
    for (AffineExpr bound : component.getLower().getResults())
      if (!isDocumentBound(bound, /*isUpper=*/false))
        demand(atMost(bound, j));
    for (AffineExpr bound : component.getUpper().getResults())
      if (!isDocumentBound(bound, /*isUpper=*/true))
        demand(atLeast(bound, j));
    Piece rows;
    for (AffineExpr bound : component.getRowLower().getResults())
      rows.lower.push_back(ofKey(bound));
    for (AffineExpr bound : component.getRowUpper().getResults())
      rows.upper.push_back(ofKey(bound));
    demand(Pieces{rows});
    AffineExpr zero = getAffineConstantExpr(0, context);
    if (AffineMap guard = component.getGuard())
      for (AffineExpr condition : guard.getResults())
        demand(atLeast(condition, zero));
    for (int64_t test : component.getTestNumbers())
      if (!isRange(test))
        result.tests.push_back(test);
    return result;
  }

  /// Tests that became bounds: ranges by key.
  bool isRange(int64_t test) const {
    PairsAttr atom = plan.getAtoms()[std::abs(test) - 1];
    return test > 0 && atom.getKind() == PairKind::Ranges &&
           atom.getParams()[0].value == 0;
  }

private:
  PlanAttr plan;
  ComponentAttr component;
  MLIRContext *context;
  unsigned firstValue;
  /// What a symbol is in the transposed plan.
  SmallVector<AffineExpr> swapped;
  /// The boundaries whose documents hold query and key alike; -1: none.
  int64_t document = -1;
  SmallVector<AffineExpr, 2> documentBounds; // that say so
  SmallVector<bool> isOfKey;                 // values that the key has, too

  const ValueAttr *valueOf(AffineExpr expr) const {
    auto symbol = dyn_cast<AffineSymbolExpr>(expr);
    if (!symbol || symbol.getPosition() < firstValue)
      return nullptr;
    return &plan.getValues()[symbol.getPosition() - firstValue];
  }

  //===--------------------------------------------------------------------===//
  // Documents
  //===--------------------------------------------------------------------===//

  /// Whether a value is of the document that holds the query itself.
  static bool isOfDocument(ValueAttr value, ValueKind kind) {
    return value.getKind() == kind && value.getMap() &&
           value.getMap().getNumResults() == 1 &&
           isa<AffineDimExpr>(value.getMap().getResult(0));
  }

  /// What a bound adds to Begin or End of the query's document.
  std::optional<int64_t> offsetFrom(AffineExpr bound, ValueKind kind,
                                    AffineExpr &end) const {
    std::optional<LinearForm> form =
        bound.isFunctionOfDim(0) ? std::nullopt : LinearForm::fromExpr(bound);
    if (!form || form->getNumSymbols() == 0)
      return std::nullopt;
    LinearForm symbol = LinearForm::symbol(form->getNumSymbols() - 1);
    end = symbol.toExpr(context);
    const ValueAttr *value = valueOf(end);
    LinearForm rest = *form - symbol;
    if (!value || !isOfDocument(*value, kind) || !rest.isConstant())
      return std::nullopt;
    return rest.getConstant();
  }

  /// A component at or behind Begin and before End of the query's document
  /// keeps keys of one document with the query.
  void findDocument() {
    AffineExpr begin, end;
    for (AffineExpr low : component.getLower().getResults())
      for (AffineExpr high : component.getUpper().getResults()) {
        std::optional<int64_t> behind =
            offsetFrom(low, ValueKind::Begin, begin);
        std::optional<int64_t> before = offsetFrom(high, ValueKind::End, end);
        if (!behind || !before || *behind < 0 || *before >= 0)
          continue;
        int64_t operand = valueOf(begin)->getOperand();
        if (operand != valueOf(end)->getOperand())
          continue;
        document = operand;
        documentBounds = {begin, end - 1};
        return;
      }
  }

  bool isDocumentBound(AffineExpr bound, bool isUpper) const {
    return document >= 0 && documentBounds[isUpper] == bound;
  }

  /// The key's document holds the query.
  Pieces sameDocument() const {
    Piece piece;
    piece.lower.push_back(ofKey(documentBounds[0]));
    piece.upper.push_back(ofKey(documentBounds[1]));
    return {piece};
  }

  /// Whether a value of the query is one of the key: it depends on nothing of
  /// the query but the document, or on nothing at all.
  bool isSameForKey(ValueAttr value) const {
    if (value.getKind() == ValueKind::Head)
      return true;
    for (ValueKind kind : {ValueKind::Begin, ValueKind::End, ValueKind::Number})
      if (isOfDocument(value, kind))
        return document >= 0 && value.getOperand() == document;
    return isFreeOfQuery(value.getMap());
  }

  bool isFreeOfQuery(AffineMap map) const {
    return map && llvm::all_of(map.getResults(), [&](AffineExpr expr) {
             return isFreeOfQuery(expr);
           });
  }
  bool isFreeOfQuery(AffineExpr expr) const {
    if (expr.isFunctionOfDim(0))
      return false;
    bool isFree = true;
    expr.walk([&](AffineExpr part) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
        if (symbol.getPosition() >= firstValue)
          isFree &= isOfKey[symbol.getPosition() - firstValue];
    });
    return isFree;
  }

  /// An expression without the query as one of the key.
  AffineExpr ofKey(AffineExpr expr) const {
    return expr.replaceSymbols(swapped);
  }

  //===--------------------------------------------------------------------===//
  // Solving
  //===--------------------------------------------------------------------===//

  /// What `expr` is a sum of: parts with the query, each with a factor, and the
  /// rest.
  struct Sum {
    SmallVector<std::pair<AffineExpr, int64_t>, 2> parts;
    AffineExpr rest; // of the key
  };

  bool addTo(Sum &sum, AffineExpr expr, int64_t factor) const {
    if (isFreeOfQuery(expr)) {
      sum.rest = sum.rest + ofKey(expr) * factor;
      return true;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && expr.getKind() == AffineExprKind::Add)
      return addTo(sum, binary.getLHS(), factor) &&
             addTo(sum, binary.getRHS(), factor);
    if (binary && expr.getKind() == AffineExprKind::Mul)
      if (auto times = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
        int64_t product;
        return !llvm::MulOverflow(factor, times.getValue(), product) &&
               addTo(sum, binary.getLHS(), product);
      }
    for (auto &[part, count] : sum.parts)
      if (part == expr)
        return !llvm::AddOverflow(count, factor, count);
    sum.parts.push_back({expr, factor});
    return true;
  }

  /// expr <= x, for an expression of the query and one of the key.
  std::optional<Pieces> atMost(AffineExpr expr, AffineExpr x) const {
    return solve(expr, x, /*isAtMost=*/true);
  }
  std::optional<Pieces> atLeast(AffineExpr expr, AffineExpr x) const {
    return solve(expr, x, /*isAtMost=*/false);
  }

  std::optional<Pieces> solve(AffineExpr expr, AffineExpr x,
                              bool isAtMost) const {
    Sum sum{{}, getAffineConstantExpr(0, context)};
    if (!addTo(sum, expr, 1))
      return std::nullopt;
    llvm::erase_if(sum.parts, [](auto &part) { return part.second == 0; });
    AffineExpr left = x - sum.rest; // what the parts must reach or not exceed
    if (sum.parts.empty()) {
      Piece piece;
      piece.guard.push_back(isAtMost ? left : -left);
      return Pieces{piece};
    }
    if (sum.parts.size() > 1)
      return std::nullopt;
    auto [part, factor] = sum.parts.front();
    // factor * part <= left
    if (factor < 0) {
      if (factor < -kMaxScale)
        return std::nullopt;
      factor = -factor;
      left = -left;
      isAtMost = !isAtMost;
    }
    left = isAtMost ? left.floorDiv(factor) : left.ceilDiv(factor);
    return solvePart(part, left, isAtMost);
  }

  /// part <= x, or >= x, where the part is the query, a value of it or a
  /// quotient.
  std::optional<Pieces> solvePart(AffineExpr part, AffineExpr x,
                                  bool isAtMost) const {
    if (isa<AffineDimExpr>(part)) {
      Piece piece;
      (isAtMost ? piece.upper : piece.lower).push_back(x);
      return Pieces{piece};
    }
    if (const ValueAttr *value = valueOf(part))
      return solveValue(*value, x, isAtMost);
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (!binary)
      return std::nullopt;
    auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    if (!divisor || divisor.getValue() < 1 || divisor.getValue() > kMaxScale)
      return std::nullopt;
    int64_t c = divisor.getValue();
    switch (part.getKind()) {
    case AffineExprKind::FloorDiv: // floor(e / c) <= x: e <= c x + c - 1
      return solve(binary.getLHS(), x * c + (isAtMost ? c - 1 : 0), isAtMost);
    case AffineExprKind::CeilDiv: // ceil(e / c) >= x: e >= c x - c + 1
      return solve(binary.getLHS(), x * c - (isAtMost ? 0 : c - 1), isAtMost);
    default:
      return std::nullopt;
    }
  }

  std::optional<Pieces> solveValue(ValueAttr value, AffineExpr x,
                                   bool isAtMost) const {
    if (value.getKind() != ValueKind::Min && value.getKind() != ValueKind::Max)
      return std::nullopt; // data decide
    ArrayRef<AffineExpr> results = value.getMap().getResults();
    bool isUnion = (value.getKind() == ValueKind::Min) == isAtMost;
    Pieces all;
    if (!isUnion) {
      std::optional<Pieces> common = Pieces{Piece()};
      for (AffineExpr result : results)
        common = both(common, solve(result, x, isAtMost));
      return common;
    }
    // One result, or not that one and one of the others.
    std::optional<Pieces> none = Pieces{Piece()};
    for (AffineExpr result : results) {
      std::optional<Pieces> here = both(none, solve(result, x, isAtMost));
      if (!here || all.size() + here->size() > kMaxPieces)
        return std::nullopt;
      llvm::append_range(all, *here);
      none = both(none, solve(result, x + (isAtMost ? 1 : -1), !isAtMost));
    }
    return all;
  }
};

/// Builds the plan of the keys.
class PlanTransposer {
public:
  explicit PlanTransposer(PlanAttr plan)
      : plan(plan), context(plan.getContext()) {
    values.assign(plan.getValues().begin(), plan.getValues().end());
    // Of values only those are used that a key has, too; they, and all others,
    // are now functions of the key.
    SmallVector<AffineExpr> swapped;
    for (unsigned s = 0; s < plan.getNumSymbols(); ++s)
      swapped.push_back(
          getAffineSymbolExpr(s < FirstParameter ? s ^ 2 : s, context));
    for (ValueAttr &value : values)
      if (AffineMap map = value.getMap())
        value = ValueAttr::get(
            context, value.getKind(),
            map.replaceDimsAndSymbols({getAffineDimExpr(0, context)}, swapped,
                                      1, map.getNumSymbols()),
            value.getOperand());
  }

  TransposedPlan run() {
    TransposedPlan result;
    SmallVector<ComponentAttr> components;
    for (auto [number, component] : llvm::enumerate(plan.getComponents())) {
      ComponentTransposer transposer(plan, component);
      ComponentTransposer::Result pieces = transposer.run();
      for (Piece &piece : pieces.pieces) {
        for (int64_t test : component.getTestNumbers())
          if (transposer.isRange(test))
            addRange(piece, plan.getAtoms()[test - 1]);
        drafts.push_back({std::move(piece), pieces.tests});
        result.parts.push_back({static_cast<unsigned>(number), pieces.isExact});
      }
    }
    for (const Draft &draft : drafts)
      components.push_back(build(draft));
    // Values of queries alone are dropped.
    result.plan =
        restrictPlan(PlanAttr::get(context, components, plan.getAtoms(),
                                   plan.getParameters(), values),
                     components);
    return result;
  }

private:
  struct Draft {
    Piece piece;
    SmallVector<int64_t> tests;
  };
  PlanAttr plan;
  MLIRContext *context;
  SmallVector<ValueAttr> values;
  SmallVector<Draft> drafts;

  AffineExpr symbol(unsigned s) { return getAffineSymbolExpr(s, context); }

  /// start[c] <= i < end[c] of the key's row c.
  void addRange(Piece &piece, PairsAttr ranges) {
    auto load = [&](int64_t operand) {
      unsigned number = FirstParameter + plan.getParameters().size();
      AffineExpr row = getAffineDimExpr(0, context) - symbol(QBegin);
      for (ValueAttr value : values) {
        if (value.getKind() == ValueKind::Load &&
            value.getOperand() == operand && value.getMap().getResult(0) == row)
          return symbol(number);
        ++number;
      }
      values.push_back(ValueAttr::get(context, ValueKind::Load,
                                      AffineMap::get(1, number, row), operand));
      return symbol(number);
    };
    piece.lower.push_back(load(ranges.getOperands()[0]));
    piece.upper.push_back(load(ranges.getOperands()[1]) - 1);
  }

  ComponentAttr build(const Draft &draft) {
    Piece piece = draft.piece;
    // Where rows exist; in these symbols keys are the queries of a plan.
    auto add = [](SmallVectorImpl<AffineExpr> &list, AffineExpr bound) {
      if (!llvm::is_contained(list, bound))
        list.push_back(bound);
    };
    add(piece.lower, symbol(KBegin));
    add(piece.upper, symbol(KEnd) - 1);
    SmallVector<AffineExpr, 2> rowLower{symbol(QBegin)},
        rowUpper{symbol(QEnd) - 1};
    SmallVector<AffineExpr, 2> guard;
    for (AffineExpr condition : piece.guard)
      if (auto [bound, isUpper] = ofKeyRow(condition); bound)
        add(isUpper ? rowUpper : rowLower, bound);
      else
        add(guard, condition);
    unsigned symbols =
        FirstParameter + plan.getParameters().size() + values.size();
    auto map = [&](unsigned dims, ArrayRef<AffineExpr> results) {
      SmallVector<AffineExpr> simple;
      for (AffineExpr expr : results)
        simple.push_back(simplifyAffineExpr(expr, dims, symbols));
      return AffineMap::get(dims, symbols, simple, context);
    };
    DenseI64ArrayAttr tests;
    if (!draft.tests.empty())
      tests = DenseI64ArrayAttr::get(context, draft.tests);
    return ComponentAttr::get(context, map(1, piece.lower), map(1, piece.upper),
                              map(0, rowLower), map(0, rowUpper),
                              guard.empty() ? AffineMap() : map(1, guard),
                              tests, 0);
  }

  /// The bound of the key's row that a condition is, j - c >= 0 or c - j >= 0
  /// where c takes no values; null for others.
  std::pair<AffineExpr, bool> ofKeyRow(AffineExpr condition) {
    unsigned firstValue = FirstParameter + plan.getParameters().size();
    unsigned key = firstValue + values.size();
    std::optional<LinearForm> form =
        LinearForm::fromExpr(condition.replaceDims(symbol(key)));
    if (!form)
      return {};
    int64_t factor = form->getCoefficient(key);
    LinearForm rest = *form - LinearForm::symbol(key, factor);
    if (rest.getNumSymbols() > firstValue || (factor != 1 && factor != -1))
      return {};
    return {(factor == 1 ? -rest : rest).toExpr(context), factor == -1};
  }
};
} // namespace

TransposedPlan attnc::transposePlan(PlanAttr plan) {
  return PlanTransposer(plan).run();
}
