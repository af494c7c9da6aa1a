// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the keys of a plan's components are enumerated.

#include "passes/PlanWalk.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

WalkKind attnc::walkKindOf(PairsAttr atom) {
  switch (atom.getKind()) {
  case PairKind::Strided:
    return WalkKind::Lattice;
  case PairKind::Columns:
    return WalkKind::Columns;
  case PairKind::Csr:
  case PairKind::TopK:
  case PairKind::Log:
  case PairKind::Random:
    return WalkKind::List;
  case PairKind::Bsr:
    return WalkKind::Blocks;
  default:
    return WalkKind::None;
  }
}

PairsAttr attnc::walkedAtom(PlanAttr plan, ComponentAttr component) {
  return component.getWalk() ? plan.getAtoms()[component.getWalk() - 1]
                             : PairsAttr();
}

WalkKind attnc::walkKindOf(PlanAttr plan, ComponentAttr component) {
  PairsAttr atom = walkedAtom(plan, component);
  return atom ? walkKindOf(atom) : WalkKind::None;
}

bool attnc::hasLists(PlanAttr plan) {
  return llvm::any_of(plan.getComponents(), [&](ComponentAttr component) {
    return walkKindOf(plan, component) == WalkKind::List;
  });
}
