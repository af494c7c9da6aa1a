// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random pair sets and attention operations over them, and what the sets mean,
// written from the documentation's table and nothing else.

#ifndef ATTNC_TEST_UNIT_PASSES_PAIRSETS_H
#define ATTNC_TEST_UNIT_PASSES_PAIRSETS_H

#include "dialect/Attn.h"
#include <random>
#include <string>
#include <vector>

namespace attnc::test {

using Random = std::mt19937_64;

/// A number from lo to hi.
int64_t draw(Random &random, int64_t lo, int64_t hi);

/// Numbers of the set operands in every operation made here: integer
/// parameters, then masks.
enum : int64_t { NumParameters = 3, KeysMask = 3, DenseMask = 4, NumOperands };

/// A tree of the sets that are compiled.
mlir::attn::PairsAttr drawSet(mlir::MLIRContext *context, Random &random,
                              int depth);

/// How the operation fixes positions; static sizes where not dynamic.
struct Shape {
  int64_t n = 0, m = 0; // query and key rows
  bool staticRows = false, staticKeys = false;
  bool lengths = false, qLengths = false, qStart = false, kStart = false;
  bool positionsStart = false;
};
Shape drawShape(Random &random);

/// One run: positions and operand values.
struct Values {
  int64_t kBegin = 0, kEnd = 0, qBegin = 0, qEnd = 0;
  std::vector<int64_t> parameters;
  std::vector<char> keys, dense; // by rows
  int64_t denseWidth = 0;

  bool hasPair(int64_t i, int64_t j) const {
    return kBegin <= j && j < kEnd && qBegin <= i && i < qEnd;
  }
};
Values drawValues(const Shape &shape, Random &random);

/// Whether `set` keeps (i, j).
bool contains(mlir::attn::PairsAttr set, const Values &values, int64_t i,
              int64_t j);

/// A module with one attention over these sets; a null set is left out.
std::string moduleText(const Shape &shape, mlir::attn::PairsAttr mask,
                       mlir::attn::PairsAttr sparsity);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_PASSES_PAIRSETS_H
