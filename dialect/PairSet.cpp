// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table behind the pair-set text.

#include "dialect/PairSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir::attn;
using P = PairParamSpec;

// Positional (operand allowed), positional constant, named, flag.
static const P kWindow[] = {{P::Positional, "left", 0, std::nullopt, true},
                            {P::Positional, "right", 0, std::nullopt, true},
                            {P::Flag, "clamped", 0, 0, false}};
static const P kLocal[] = {{P::Positional, "width", 0, std::nullopt, true}};
static const P kPrefix[] = {{P::Positional, "length", 0, std::nullopt, true}};
static const P kChunk[] = {{P::Positional, "size", 1, std::nullopt, false},
                           {P::Named, "offset", 0, 0, false}};
static const P kStrided[] = {{P::Positional, "stride", 1, std::nullopt, false}};
static const P kColumns[] = {{P::Positional, "period", 1, std::nullopt, false},
                             {P::Positional, "count", 0, std::nullopt, false}};
static const P kExtent[] = {{P::Positional, "count", 0, std::nullopt, true}};
static const P kDilated[] = {
    {P::Positional, "width", 0, std::nullopt, false},
    {P::Positional, "dilation", 1, std::nullopt, false}};
static const P kRandom[] = {{P::Positional, "count", 0, std::nullopt, false},
                            {P::Named, "seed", 0, 0, false}};
static const P kPredicate[] = {
    {P::Positional, "region", 0, std::nullopt, false}};
static const P kRanges[] = {{P::Flag, "by_query", 0, 0, false}};
static const P kBsr[] = {{P::Positional, "block", 1, 0, false}};
static const P kBlocks[] = {{P::Positional, "size", 1, std::nullopt, false}};

static const PairSetSpec kSpecs[] = {
    {PairKind::Full, "full", {}, 0, 0, 0, 0},
    {PairKind::Empty, "empty", {}, 0, 0, 0, 0},
    {PairKind::Causal, "causal", {}, 0, 0, 0, 0},
    {PairKind::Window, "window", kWindow, 0, 0, 0, 0},
    {PairKind::Local, "local", kLocal, 0, 0, 0, 0},
    {PairKind::Prefix, "prefix", kPrefix, 0, 0, 0, 0},
    {PairKind::Chunk, "chunk", kChunk, 0, 0, 0, 0},
    {PairKind::Strided, "strided", kStrided, 0, 0, 0, 0},
    {PairKind::Columns, "columns", kColumns, 0, 0, 0, 0},
    {PairKind::First, "first", kExtent, 0, 0, 0, 0},
    {PairKind::Last, "last", kExtent, 0, 0, 0, 0},
    {PairKind::Global, "global", kExtent, 0, 0, 0, 0},
    {PairKind::Dilated, "dilated", kDilated, 0, 0, 0, 0},
    {PairKind::Log, "log", {}, 0, 0, 0, 0},
    {PairKind::Random, "random", kRandom, 0, 0, 0, 0},
    {PairKind::Affine, "affine", {}, 0, 0, 0, 0},
    {PairKind::Predicate, "predicate", kPredicate, 0, 0, 0, 0},
    {PairKind::Keys, "keys", {}, 1, 1, 0, 0},
    {PairKind::Documents, "documents", {}, 1, 1, 0, 0},
    {PairKind::Ranges, "ranges", kRanges, 2, 2, 0, 0},
    {PairKind::Csr, "csr", {}, 2, 2, 0, 0},
    {PairKind::Bsr, "bsr", kBsr, 2, 2, 0, 0},
    {PairKind::TopK, "topk", {}, 1, 1, 0, 0},
    {PairKind::Dense, "dense", {}, 1, 1, 0, 0},
    {PairKind::PerDocument, "per_document", {}, 1, 1, 1, 1},
    {PairKind::Axes, "axes", {}, 0, 0, 2, 3},
    {PairKind::Blocks, "blocks", kBlocks, 0, 0, 1, 1},
    {PairKind::ByHead, "by_head", {}, 0, 0, 1, -1},
};

static const PairSetSpec kOperators[] = {
    {PairKind::And, "&", {}, 0, 0, 2, -1},
    {PairKind::Or, "|", {}, 0, 0, 2, -1},
    {PairKind::Not, "!", {}, 0, 0, 1, 1},
};

const PairSetSpec &mlir::attn::getPairSetSpec(PairKind kind) {
  for (const PairSetSpec &spec : kSpecs)
    if (spec.kind == kind)
      return spec;
  for (const PairSetSpec &spec : kOperators)
    if (spec.kind == kind)
      return spec;
  llvm_unreachable("every kind is in one of the tables");
}

const PairSetSpec *mlir::attn::findPairSet(llvm::StringRef name) {
  const auto *it =
      llvm::find_if(kSpecs, [&](const auto &s) { return s.name == name; });
  return it == std::end(kSpecs) ? nullptr : it;
}

llvm::ArrayRef<PairSetSpec> mlir::attn::getPairSetSpecs() { return kSpecs; }
