// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Simplification of #attn.pairs, by rules and by what the algebra can prove.

#include "passes/PairSimplifier.h"
#include "passes/PairNormalForm.h"

using namespace attnc;
using namespace mlir::attn;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::SmallVectorImpl;

/// Chains longer than this are flattened and deduplicated, not reasoned about:
/// proofs cost the square of the length.
static constexpr size_t kMaxReasoning = 24;

static PairsAttr make(PairsAttr like, PairKind kind,
                      ArrayRef<PairsAttr> children = {}) {
  return PairsAttr::get(like.getContext(), kind, {}, {}, children);
}

static PairsAttr withChildren(PairsAttr set, ArrayRef<PairsAttr> children) {
  return PairsAttr::get(set.getContext(), set.getKind(), set.getParams(),
                        set.getOperands(), children, set.getAffineSet());
}

bool PairSimplifier::isSubset(PairsAttr a, PairsAttr b) {
  if (a == b || a.isEmpty() || b.isFull())
    return true;
  // One translator for all questions: what the algebra knows of a symbol must
  // stay true of it.
  if (!translator)
    translator.emplace(algebra, a.getContext());
  std::optional<Disjunction> rest = translator->translate(a);
  if (!rest)
    return false;
  std::optional<Disjunction> cover = translator->translate(b);
  if (!cover)
    return false;
  return algebra.isSubset(*rest, *cover).value_or(false);
}

PairsAttr PairSimplifier::simplify(PairsAttr set) {
  // Rules and proofs feed each other; every round makes the set smaller, so
  // this ends.
  for (PairsAttr before; before != set;) {
    before = set;
    set = rewrite(set, /*negate=*/false);
  }
  // Chains have been asked; a single set may be everything or nothing, too.
  PairsAttr empty = make(set, PairKind::Empty);
  PairsAttr full = make(set, PairKind::Full);
  return isSubset(set, empty) ? empty : isSubset(full, set) ? full : set;
}

PairsAttr PairSimplifier::rewrite(PairsAttr set, bool negate) {
  switch (set.getKind()) {
  case PairKind::Not:
    return rewrite(set.getChildren()[0], !negate);
  case PairKind::Full:
    return negate ? make(set, PairKind::Empty) : set;
  case PairKind::Empty:
    return negate ? make(set, PairKind::Full) : set;
  case PairKind::And:
  case PairKind::Or: {
    SmallVector<PairsAttr> children;
    for (PairsAttr child : set.getChildren())
      children.push_back(rewrite(child, negate));
    bool isUnion = (set.getKind() == PairKind::Or) != negate;
    return makeChain(isUnion ? PairKind::Or : PairKind::And, children);
  }
  default:
    break;
  }
  PairsAttr result = rewriteScope(set);
  if (!negate)
    return result;
  if (result.isFull() || result.isEmpty())
    return rewrite(result, true);
  return make(set, PairKind::Not, result);
}

/// Sets with sets inside.
PairsAttr PairSimplifier::rewriteScope(PairsAttr set) {
  if (set.getChildren().empty())
    return set;
  SmallVector<PairsAttr> children;
  bool sameHeads = set.getKind() == PairKind::ByHead;
  for (PairsAttr child : set.getChildren()) {
    // Inside a scope positions are others, of which nothing is known.
    children.push_back(sameHeads ? simplify(child)
                                 : PairSimplifier(PairFacts()).simplify(child));
  }
  bool anyEmpty =
      llvm::any_of(children, [](PairsAttr c) { return c.isEmpty(); });
  switch (set.getKind()) {
  case PairKind::PerDocument:
    if (children[0].isFull())
      return PairsAttr::get(set.getContext(), PairKind::Documents, {},
                            set.getOperands());
    [[fallthrough]];
  case PairKind::Axes:
    return anyEmpty ? make(set, PairKind::Empty) : withChildren(set, children);
  case PairKind::Blocks:
    if (anyEmpty || children[0].isFull())
      return children[0];
    return withChildren(set, children);
  case PairKind::ByHead:
    if (llvm::all_equal(children))
      return children[0];
    return withChildren(set, children);
  default:
    return withChildren(set, children);
  }
}

//===----------------------------------------------------------------------===//
// Chains
//===----------------------------------------------------------------------===//

/// A window with constant ends that is not clamped.
static bool isConstantWindow(PairsAttr set) {
  return set.getKind() == PairKind::Window &&
         llvm::none_of(set.getParams(),
                       [](PairParam p) { return p.isOperand; }) &&
         set.getParams()[2].value == 0;
}

/// Windows all hold the diagonal, so that their union, too, is a window; and
/// causal cuts a window's right side off.
static void mergeWindows(PairKind kind, SmallVectorImpl<PairsAttr> &children) {
  bool isUnion = kind == PairKind::Or;
  auto *first = llvm::find_if(children, isConstantWindow);
  if (first == children.end())
    return;
  int64_t left = first->getParams()[0].value;
  int64_t right = first->getParams()[1].value;
  auto merge = [&](int64_t &end, int64_t other) {
    end = isUnion ? std::max(end, other) : std::min(end, other);
  };
  size_t place = first - children.begin();
  SmallVector<PairsAttr> kept;
  for (auto [n, child] : llvm::enumerate(children)) {
    if (n != place && isConstantWindow(child)) {
      merge(left, child.getParams()[0].value);
      merge(right, child.getParams()[1].value);
    } else if (!isUnion && child.getKind() == PairKind::Causal) {
      merge(right, 0);
    } else {
      if (n == place)
        place = kept.size();
      kept.push_back(child);
    }
  }
  kept[place] =
      PairsAttr::get(children[0].getContext(), PairKind::Window,
                     {PairParam::constant(left), PairParam::constant(right),
                      PairParam::constant(0)});
  children.assign(kept);
}

/// Drops each child without which the chain keeps the same pairs.
void PairSimplifier::dropImplied(PairKind kind,
                                 SmallVectorImpl<PairsAttr> &children) {
  for (size_t n = 0; n < children.size() && children.size() > 1;) {
    SmallVector<PairsAttr> others(children.begin(), children.end());
    others.erase(others.begin() + n);
    PairsAttr rest =
        others.size() == 1 ? others[0] : make(others[0], kind, others);
    bool isImplied = kind == PairKind::And ? isSubset(rest, children[n])
                                           : isSubset(children[n], rest);
    if (isImplied)
      children.erase(children.begin() + n);
    else
      ++n;
  }
}

PairsAttr PairSimplifier::makeChain(PairKind kind, ArrayRef<PairsAttr> parts) {
  bool isUnion = kind == PairKind::Or;
  PairsAttr neutral =
      make(parts[0], isUnion ? PairKind::Empty : PairKind::Full);
  PairsAttr absorbing =
      make(parts[0], isUnion ? PairKind::Full : PairKind::Empty);
  SmallVector<PairsAttr> children;
  auto add = [&](PairsAttr child) {
    if (child != neutral && !llvm::is_contained(children, child))
      children.push_back(child);
  };
  for (PairsAttr part : parts) {
    if (part.getKind() == kind)
      llvm::for_each(part.getChildren(), add);
    else
      add(part);
  }
  if (llvm::is_contained(children, absorbing))
    return absorbing;
  mergeWindows(kind, children);
  if (children.size() > 1 && children.size() <= kMaxReasoning)
    dropImplied(kind, children);
  if (children.empty())
    return neutral;
  PairsAttr chain =
      children.size() == 1 ? children[0] : make(neutral, kind, children);
  if (children.size() <= kMaxReasoning &&
      (isUnion ? isSubset(absorbing, chain) : isSubset(chain, absorbing)))
    return absorbing;
  return chain;
}
