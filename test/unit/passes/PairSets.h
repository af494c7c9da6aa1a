// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random pair sets of all kinds, operands for them and attention operations
// over them; and what the sets mean, written from the documentation's table and
// nothing else.

#ifndef ATTNC_TEST_UNIT_PASSES_PAIRSETS_H
#define ATTNC_TEST_UNIT_PASSES_PAIRSETS_H

#include "dialect/Attn.h"
#include <random>
#include <string>
#include <vector>

namespace attnc::test::pairs {

using Random = std::mt19937_64;

/// A number from lo to hi.
int64_t draw(Random &random, int64_t lo, int64_t hi);
bool chance(Random &random, int percent);

/// Numbers of the set operands in every operation made here: parameters (one
/// value for all), then what sets read. DocumentParameter has one value a
/// document. Only parameter 0 stands inside documents.
enum SetOperandNumber : int64_t {
  NumParameters = 3,
  KeysMask = 3,
  DenseMask,
  Boundaries,
  KeyStarts,
  KeyEnds,
  RowStarts,
  RowEnds,
  CsrRows,
  CsrKeys,
  BlockRows,
  BlockKeys,
  TopKeys,
  DocumentParameter,
  NumOperands
};
/// Elements of the table that predicate region 0 reads.
inline constexpr int64_t kTableSize = 5;

/// Where a set stands.
struct Place {
  bool relative = false;   // rows mean nothing here
  bool inDocument = false; // parameters may be a document's
};

/// A tree of sets of all kinds.
mlir::attn::PairsAttr drawSet(mlir::MLIRContext *context, Random &random,
                              int depth, Place place = {});
/// A tree of sets whose bounds are the same for all rows, and masks.
mlir::attn::PairsAttr drawPlainSet(mlir::MLIRContext *context, Random &random,
                                   int depth);

/// How the operation fixes positions; static sizes where not dynamic.
struct Shape {
  int64_t n = 0, m = 0; // query and key rows
  bool staticRows = false, staticKeys = false;
  bool lengths = false, qLengths = false, qStart = false, kStart = false;
  bool positionsStart = false;
  // Sizes of set operands.
  int64_t documents = 0, csrKeys = 0, blockKeys = 0, topKeys = 0;

  /// Blocks of bsr have 4 positions by default.
  int64_t blockRows() const { return (n + 3) / 4; }
};
Shape drawShape(Random &random, int64_t largest = 40);

/// Where rows sit; ends exclusive.
struct Positions {
  int64_t kBegin = 0, kEnd = 0, qBegin = 0, qEnd = 0;

  bool hasPair(int64_t i, int64_t j) const {
    return kBegin <= j && j < kEnd && qBegin <= i && i < qEnd;
  }
};
Positions drawPositions(const Shape &shape, Random &random);

/// A set operand as one batch and head see it.
struct SetOperand {
  std::vector<int64_t> shape, values; // row-major
  int64_t at(int64_t x) const { return values[x]; }
  int64_t at(int64_t x, int64_t y) const { return values[x * shape[1] + y]; }
};
SetOperand drawOperand(int64_t number, const Shape &shape,
                       const Positions &positions, Random &random);

/// One run: positions and operand values.
struct Values : Positions {
  int64_t n = 0, head = 0;
  std::vector<SetOperand> operands;
  std::vector<int64_t> table;
};
Values drawValues(const Shape &shape, Random &random);

/// Whether `set` keeps (i, j).
bool contains(mlir::attn::PairsAttr set, const Values &values, int64_t i,
              int64_t j);
/// The number d with cu[d] <= x < cu[d + 1], or -1.
int64_t documentOf(const SetOperand &cu, int64_t x);

/// Operands that a set mentions and `order` has not, in order of mention.
void addMentions(mlir::attn::PairsAttr set, std::vector<int64_t> &order);
bool usesPredicate(mlir::attn::PairsAttr set);
/// Predicate region 0, over the table %table, with the word before it.
std::string predicateText();

/// A module with one attention over these sets; a null set is left out.
std::string moduleText(const Shape &shape, mlir::attn::PairsAttr mask,
                       mlir::attn::PairsAttr sparsity);

} // namespace attnc::test::pairs

#endif // ATTNC_TEST_UNIT_PASSES_PAIRSETS_H
