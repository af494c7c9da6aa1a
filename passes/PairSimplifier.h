// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Simplification of #attn.pairs, by rules and by what the algebra can prove.

#ifndef ATTNC_PASSES_PAIRSIMPLIFIER_H
#define ATTNC_PASSES_PAIRSIMPLIFIER_H

#include "dialect/Attn.h"
#include "passes/PairNormalForm.h"

namespace attnc {

class PairSimplifier {
public:
  /// `facts` hold for the positions that sets at the top level speak of.
  explicit PairSimplifier(PairFacts facts)
      : algebra(std::move(facts), PairLimits{256, 300'000}) {}

  /// The same pairs, with `!` on single sets only, chains flat and without
  /// parts that change nothing. A fixed point: simplifying again changes
  /// nothing.
  mlir::attn::PairsAttr simplify(mlir::attn::PairsAttr set);

  /// Whether a is proven to be a subset of b.
  bool isSubset(mlir::attn::PairsAttr a, mlir::attn::PairsAttr b);

private:
  PairAlgebra algebra;
  std::optional<PairTranslator> translator;

  mlir::attn::PairsAttr rewrite(mlir::attn::PairsAttr set, bool negate);
  mlir::attn::PairsAttr rewriteScope(mlir::attn::PairsAttr set);
  mlir::attn::PairsAttr
  makeChain(mlir::attn::PairKind kind,
            llvm::ArrayRef<mlir::attn::PairsAttr> children);
  void dropImplied(mlir::attn::PairKind kind,
                   llvm::SmallVectorImpl<mlir::attn::PairsAttr> &children);
};

} // namespace attnc

#endif // ATTNC_PASSES_PAIRSIMPLIFIER_H
