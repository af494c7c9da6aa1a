// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From #attn.pairs to the algebra and back to #attn.plan.

#ifndef ATTNC_PASSES_PAIRNORMALFORM_H
#define ATTNC_PASSES_PAIRNORMALFORM_H

#include "dialect/Attn.h"
#include "passes/PairAlgebra.h"

namespace attnc {

/// What the operation's types and operands say of the symbols k_begin, k_end,
/// q_begin, q_end: starts that are known, and static sizes if `withSizes`.
/// Pairs exist where k_begin <= j < k_end and q_begin <= i < q_end.
PairFacts factsOf(mlir::attn::AttentionOp op, bool withSizes);

/// Writes sets as unions of half spaces and tests. Symbols are numbered as in
/// a plan: parameter operands follow the four of `PlanSymbol` in order of first
/// use. Sets that are no union of half spaces become atoms.
class PairTranslator {
public:
  explicit PairTranslator(const PairAlgebra &algebra) : algebra(algebra) {}

  /// Nothing when the union would be too large.
  std::optional<Disjunction> translate(mlir::attn::PairsAttr set,
                                       bool negate = false);

  /// Atom number t is getAtoms()[t - 1].
  llvm::ArrayRef<mlir::attn::PairsAttr> getAtoms() const { return atoms; }
  /// Set-operand numbers behind the symbols from FirstParameter on.
  llvm::ArrayRef<int64_t> getParameters() const { return parameters; }

private:
  const PairAlgebra &algebra;
  llvm::SmallVector<mlir::attn::PairsAttr> atoms;
  llvm::SmallVector<int64_t> parameters;

  LinearForm form(mlir::attn::PairParam param);
  int64_t atomNumber(mlir::attn::PairsAttr set);
  std::optional<llvm::SmallVector<HalfSpace>>
  boundsOf(mlir::attn::PairsAttr set);
  std::optional<Disjunction>
  combine(llvm::ArrayRef<std::optional<Disjunction>> parts, bool isUnion);
};

/// The plan of disjoint conjunctions. Atoms and parameters that none of them
/// uses are left out.
mlir::attn::PlanAttr buildPlan(mlir::MLIRContext *context,
                               llvm::ArrayRef<Conjunction> components,
                               llvm::ArrayRef<mlir::attn::PairsAttr> atoms,
                               llvm::ArrayRef<int64_t> parameters);

} // namespace attnc

#endif // ATTNC_PASSES_PAIRNORMALFORM_H
