// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Columns of a grid that components test.

#include "passes/PlanStrips.h"
#include "llvm/Support/MathExtras.h"

using namespace attnc;
using namespace mlir::attn;

/// Larger windows than this are as wide as any grid.
static constexpr int64_t kFar = int64_t(1) << 40;

static std::optional<int64_t> constantOf(PairParam param) {
  if (param.isOperand)
    return std::nullopt;
  return std::clamp(param.value, -kFar, kFar);
}

/// The one child of an `axes` that is not `full`, if it is the last.
static PairsAttr innermost(PairsAttr atom) {
  if (atom.getKind() != PairKind::Axes)
    return {};
  llvm::ArrayRef<PairsAttr> children = atom.getChildren();
  for (PairsAttr child : children.drop_back())
    if (!child.isFull())
      return {};
  return children.back();
}

std::optional<GridColumns> GridColumns::of(PlanAttr plan,
                                           ComponentAttr component) {
  if (component.getWalk())
    return std::nullopt;
  for (int64_t test : component.getTestNumbers()) {
    if (test < 0)
      continue;
    PairsAttr atom = plan.getAtoms()[test - 1], set = innermost(atom);
    if (!set)
      continue;
    GridColumns columns;
    columns.extent = atom.getParams().back().value;
    columns.test = test;
    llvm::ArrayRef<PairParam> params = set.getParams();
    std::optional<int64_t> left, right;
    switch (set.getKind()) {
    case PairKind::Window:
      left = constantOf(params[0]), right = constantOf(params[1]);
      columns.kind = params[2].value ? Kind::Clamped : Kind::Window;
      break;
    case PairKind::Local:
      left = right = constantOf(params[0]);
      break;
    case PairKind::Chunk:
      left = params[0].value;
      right = llvm::mod(params[1].value, params[0].value);
      columns.kind = Kind::Chunk;
      break;
    default:
      break;
    }
    if (!left || !right)
      continue;
    columns.left = *left;
    columns.right = *right;
    return columns;
  }
  return std::nullopt;
}

int64_t GridColumns::begin(int64_t x) const {
  switch (kind) {
  case Kind::Window:
    return x - left;
  case Kind::Clamped:
    return std::max<int64_t>(std::min(x - left, extent - 1 - left - right), 0);
  case Kind::Chunk:
    return llvm::divideFloorSigned(x - right, left) * left + right;
  }
  llvm_unreachable("every kind has columns");
}

int64_t GridColumns::end(int64_t x) const {
  switch (kind) {
  case Kind::Window:
    return x + right;
  case Kind::Clamped:
    return begin(x) + left + right;
  case Kind::Chunk:
    return begin(x) + left - 1;
  }
  llvm_unreachable("every kind has columns");
}

std::optional<GridColumns>
attnc::stripOf(PlanAttr plan, ComponentAttr component, int64_t strip) {
  if (strip < 2)
    return std::nullopt;
  std::optional<GridColumns> columns = GridColumns::of(plan, component);
  if (!columns || columns->getExtent() <= strip ||
      columns->getExtent() % strip != 0)
    return std::nullopt;
  return columns;
}
