// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vocabulary of pair sets: the kinds of set, their parameters, and one table
// (`getPairSetSpec`) that the parser, the printer and the verifier share.

#ifndef ATTN_DIALECT_PAIRSET_H
#define ATTN_DIALECT_PAIRSET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>

namespace mlir::attn {

enum class PairKind : uint32_t {
  Full,
  Empty,
  Causal,
  Window,
  Local,
  Prefix,
  Chunk,
  Strided,
  Columns,
  First,
  Last,
  Global,
  Dilated,
  Log,
  Random,
  Affine,
  Predicate,
  Keys,
  Documents,
  Ranges,
  Csr,
  Bsr,
  TopK,
  Dense,
  PerDocument,
  Axes,
  Blocks,
  ByHead,
  And,
  Or,
  Not
};

/// A parameter of a set: a constant, or the number of a set operand.
struct PairParam {
  int64_t value = 0;
  bool isOperand = false;

  static PairParam constant(int64_t v) { return {v, false}; }
  static PairParam operand(int64_t n) { return {n, true}; }
  bool operator==(const PairParam &o) const {
    return value == o.value && isOperand == o.isOperand;
  }
};

inline llvm::hash_code hash_value(const PairParam &p) {
  return llvm::hash_combine(p.value, p.isOperand);
}

/// One parameter of a kind of set. Positional ones have no name.
struct PairParamSpec {
  enum Form { Positional, Named, Flag };
  Form form;
  llvm::StringLiteral name; // shown in errors; the keyword of named ones
  int64_t min;              // smallest value accepted
  std::optional<int64_t> defaultValue; // absent: required
  bool allowOperand;
};

/// What the text of a kind of set looks like.
struct PairSetSpec {
  PairKind kind;
  llvm::StringLiteral name;
  llvm::ArrayRef<PairParamSpec> params;
  int minOperands, maxOperands;
  int minChildren, maxChildren; // -1: any number
};

const PairSetSpec &getPairSetSpec(PairKind kind);
/// The set a word names, or null.
const PairSetSpec *findPairSet(llvm::StringRef name);
/// Words that `findPairSet` knows, in the order of the documentation.
llvm::ArrayRef<PairSetSpec> getPairSetSpecs();

} // namespace mlir::attn

#endif // ATTN_DIALECT_PAIRSET_H
