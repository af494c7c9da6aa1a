// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a component's bounds move from one query to the next.

#include "passes/PlanTrend.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
enum class Trend { Constant, Rising, Other };

class TrendAnalysis {
public:
  explicit TrendAnalysis(PlanAttr plan) {
    trends.assign(FirstParameter + plan.getParameters().size(),
                  Trend::Constant);
    for (ValueAttr value : plan.getValues())
      trends.push_back(ofValue(value));
  }

  Trend of(AffineMap map) const {
    Trend all = Trend::Constant;
    for (AffineExpr expr : map.getResults())
      all = join(all, of(expr));
    return all;
  }

private:
  SmallVector<Trend> trends; // of symbols

  static Trend join(Trend a, Trend b) { return std::max(a, b); }

  /// The largest and the smallest of numbers that rise rise.
  Trend ofValue(ValueAttr value) const {
    switch (value.getKind()) {
    case ValueKind::Min:
    case ValueKind::Max:
      return of(value.getMap());
    case ValueKind::Head: // a tile has one head where the plan asks for it
      return Trend::Constant;
    default:
      return Trend::Other;
    }
  }

  Trend of(AffineExpr expr) const {
    if (isa<AffineConstantExpr>(expr))
      return Trend::Constant;
    if (isa<AffineDimExpr>(expr))
      return Trend::Rising;
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
      return trends[symbol.getPosition()];
    auto binary = cast<AffineBinaryOpExpr>(expr);
    Trend lhs = of(binary.getLHS()), rhs = of(binary.getRHS());
    if (expr.getKind() == AffineExprKind::Add)
      return join(lhs, rhs);
    Trend both = join(lhs, rhs);
    if (both == Trend::Constant)
      return both;
    auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    bool keepsOrder = factor && factor.getValue() >= 0 &&
                      expr.getKind() != AffineExprKind::Mod;
    return keepsOrder ? lhs : Trend::Other;
  }
};
} // namespace

bool attnc::cornersDecide(PlanAttr plan, ComponentAttr component) {
  TrendAnalysis analysis(plan);
  if (component.getGuard() &&
      analysis.of(component.getGuard()) != Trend::Constant)
    return false;
  return analysis.of(component.getLower()) != Trend::Other &&
         analysis.of(component.getUpper()) != Trend::Other;
}

int attnc::keysTrend(PlanAttr plan) {
  TrendAnalysis analysis(plan);
  bool more = false, fewer = false;
  for (ComponentAttr component : plan.getComponents()) {
    Trend lower = analysis.of(component.getLower());
    Trend upper = analysis.of(component.getUpper());
    if (lower == Trend::Other || upper == Trend::Other)
      return 0;
    // Where both rise, an interval moves and keeps its size.
    more |= upper == Trend::Rising && lower == Trend::Constant;
    fewer |= lower == Trend::Rising && upper == Trend::Constant;
  }
  return more == fewer ? 0 : more ? 1 : -1;
}
