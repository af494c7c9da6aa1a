// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From #attn.pairs to the algebra.

#ifndef ATTNC_PASSES_PAIRNORMALFORM_H
#define ATTNC_PASSES_PAIRNORMALFORM_H

#include "dialect/Attn.h"
#include "passes/PairAlgebra.h"

namespace attnc {

/// What the operation's types and operands say of the symbols k_begin, k_end,
/// q_begin, q_end: starts that are known, and static sizes if `withSizes`.
/// Pairs exist where k_begin <= j < k_end and q_begin <= i < q_end.
PairFacts factsOf(mlir::attn::AttentionOp op, bool withSizes);

/// A symbol behind the four of `PlanSymbol`: a parameter or a value.
struct PlanTerm {
  int64_t parameter = -1; // number of a set operand
  mlir::attn::ValueKind kind = mlir::attn::ValueKind::Min;
  llvm::SmallVector<mlir::AffineExpr, 2> results; // in d0 and earlier symbols
  int64_t operand = -1;

  bool isParameter() const { return parameter >= 0; }
  bool operator==(const PlanTerm &other) const {
    return parameter == other.parameter && kind == other.kind &&
           results == other.results && operand == other.operand;
  }
};

/// Writes sets as unions of half spaces and tests. Symbols from FirstParameter
/// on are terms, numbered as they come up. Scopes are undone: a set inside
/// speaks of positions that are affine in i and terms. Leaves that are no union
/// of half spaces become atoms, in the scopes they stood in.
class PairTranslator {
public:
  /// Tells `algebra` what is known of the terms it makes. Without `op`
  /// parameters inside documents cannot be told from those of batches.
  explicit PairTranslator(PairAlgebra &algebra, mlir::MLIRContext *context,
                          mlir::attn::AttentionOp op = {})
      : algebra(algebra), context(context), op(op) {}

  /// Nothing when the union would be too large.
  std::optional<Disjunction> translate(mlir::attn::PairsAttr set,
                                       bool negate = false);

  /// The set as one atom.
  Disjunction testOf(mlir::attn::PairsAttr set);

  /// Atom number t is getAtoms()[t - 1].
  llvm::ArrayRef<mlir::attn::PairsAttr> getAtoms() const { return atoms; }
  /// Symbol s is getTerms()[s - FirstParameter].
  llvm::ArrayRef<PlanTerm> getTerms() const { return terms; }

private:
  /// Positions as a set sees them where it stands.
  struct Frame {
    mlir::attn::PairsAttr scope; // null at the top
    const Frame *parent = nullptr;
    /// The query: `query` = (moves ? i : 0) + `rest`.
    mlir::AffineExpr query;
    LinearForm rest;
    bool moves = true;
    /// Keys here are x where origin + scale x <= j < origin + scale (x + 1).
    LinearForm origin;
    int64_t scale = 1;
    LinearForm documentBegin, documentEnd, document; // inside per_document
    bool inDocument = false;
  };
  /// A bound in a frame's coordinates.
  using FrameBound = HalfSpace;
  /// All bounds and the test, or for `global` any of the bounds.
  struct Leaf {
    llvm::SmallVector<FrameBound, 4> bounds;
    mlir::attn::PairsAttr atom;
    bool isUnion = false;
  };
  enum class Extent { KeyBegin, KeyEnd, QueryEnd };

  PairAlgebra &algebra;
  mlir::MLIRContext *context;
  mlir::attn::AttentionOp op;
  llvm::SmallVector<mlir::attn::PairsAttr> atoms;
  llvm::SmallVector<PlanTerm> terms;

  unsigned termSymbol(PlanTerm term);
  LinearForm value(mlir::attn::ValueKind kind,
                   llvm::ArrayRef<mlir::AffineExpr> results,
                   int64_t operand = -1);
  std::optional<LinearForm> param(mlir::attn::PairParam param,
                                  const Frame &frame);
  LinearForm extent(Extent which, const Frame &frame);
  HalfSpace fromFrame(const FrameBound &bound, const Frame &frame);
  mlir::attn::PairsAttr wrap(mlir::attn::PairsAttr leaf, const Frame &frame);
  int64_t atomNumber(mlir::attn::PairsAttr set, const Frame &frame);

  std::optional<Disjunction> translate(mlir::attn::PairsAttr set, bool negate,
                                       const Frame &frame);
  std::optional<Disjunction> translateLeaf(mlir::attn::PairsAttr set,
                                           bool negate, const Frame &frame);
  std::optional<Disjunction> translateDocument(mlir::attn::PairsAttr set,
                                               bool negate, const Frame &frame);
  std::optional<Disjunction> translateBlocks(mlir::attn::PairsAttr set,
                                             bool negate, const Frame &frame);
  std::optional<Disjunction> translateAxes(mlir::attn::PairsAttr set,
                                           bool negate, const Frame &frame);
  std::optional<Disjunction> translateHeads(mlir::attn::PairsAttr set,
                                            bool negate, const Frame &frame);
  std::optional<Frame> blockFrame(mlir::attn::PairsAttr scope, int64_t size,
                                  const Frame &frame);
  void boundSymbol(unsigned symbol, const LinearForm &low,
                   const LinearForm &high, const Frame &frame);

  Leaf leafOf(mlir::attn::PairsAttr set, const Frame &frame);
  std::optional<Leaf> plainLeaf(mlir::attn::PairsAttr set, const Frame &frame);
  Leaf clampedWindow(mlir::attn::PairsAttr set, const Frame &frame);
  Leaf chunk(mlir::attn::PairsAttr set, const Frame &frame);
  Leaf affine(mlir::attn::PairsAttr set, const Frame &frame);
  bool affineBounds(mlir::AffineExpr expr, bool isEquality, const Frame &frame,
                    Leaf &leaf);
  std::optional<Disjunction>
  combine(llvm::ArrayRef<std::optional<Disjunction>> parts, bool isUnion);
};

} // namespace attnc

#endif // ATTNC_PASSES_PAIRNORMALFORM_H
