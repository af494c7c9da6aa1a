// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From disjoint conjunctions to #attn.plan.

#ifndef ATTNC_PASSES_PLANBUILDER_H
#define ATTNC_PASSES_PLANBUILDER_H

#include "passes/PairNormalForm.h"

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

/// The plan of disjoint conjunctions over the translator's terms and atoms.
/// Those that no component uses are left out.
mlir::attn::PlanAttr buildPlan(mlir::MLIRContext *context,
                               llvm::ArrayRef<Conjunction> components,
                               const PairTranslator &translator);

} // namespace attnc

#endif // ATTNC_PASSES_PLANBUILDER_H
