// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the keys of a plan's components are enumerated.

#ifndef ATTNC_PASSES_PLANWALK_H
#define ATTNC_PASSES_PLANWALK_H

#include "dialect/Attn.h"

namespace attnc {

/// How the keys of an atom can be enumerated rather than tested.
enum class WalkKind {
  None,    // they cannot: the atom is tested
  Lattice, // keys a multiple of a stride from the query
  List,    // a list a query row: csr, topk, log, random
  Blocks,  // a list of key blocks a block of query rows: bsr
  Columns, // the last keys of every period
};

WalkKind walkKindOf(mlir::attn::PairsAttr atom);
/// The walk of a component of `plan`.
WalkKind walkKindOf(mlir::attn::PlanAttr plan,
                    mlir::attn::ComponentAttr component);
/// The atom that a component walks; null where it walks none.
mlir::attn::PairsAttr walkedAtom(mlir::attn::PlanAttr plan,
                                 mlir::attn::ComponentAttr component);

/// Whether a component of the plan walks a list a query row.
bool hasLists(mlir::attn::PlanAttr plan);

} // namespace attnc

#endif // ATTNC_PASSES_PLANWALK_H
