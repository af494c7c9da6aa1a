// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Most systems bound differences of two variables, which shortest paths decide;
// the rest goes to the simplex of MLIR's Presburger library. Its search for
// integer points would take ten times as long on these unbounded sets, and sums
// of a few variables with coefficients of one rarely have a gap to find.

#include "passes/ConstraintSystem.h"
#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "mlir/Analysis/Presburger/Simplex.h"

using namespace attnc;
using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::presburger::IntegerPolyhedron;
using mlir::presburger::PresburgerSpace;

/// Microseconds of one question, measured with ten variables.
static constexpr int64_t kDifferenceWork = 1, kPolyhedronWork = 5;

namespace {
/// Upper bounds on differences x - y, tightened along all paths. The last
/// variable is the number 0.
class DifferenceBounds {
public:
  explicit DifferenceBounds(unsigned numVariables)
      : size(numVariables + 1), bounds(size * size, kNone) {
    for (unsigned x = 0; x < size; ++x)
      at(x, x) = 0;
  }

  /// Takes a row, if it bounds a difference or one variable.
  bool add(ArrayRef<int64_t> row) {
    unsigned plus = size - 1, minus = size - 1;
    for (unsigned v = 0; v + 1 < row.size(); ++v) {
      if (row[v] == 0)
        continue;
      unsigned &place = row[v] > 0 ? plus : minus;
      if (place != size - 1 || row[v] > 1 || row[v] < -1)
        return false;
      place = v;
    }
    // plus - minus + constant >= 0
    Wide &bound = at(minus, plus);
    bound = std::min<Wide>(bound, row.back());
    return true;
  }

  /// Bounds of integer differences have an integer solution or none at all.
  bool isEmpty() {
    for (unsigned via = 0; via < size; ++via)
      for (unsigned x = 0; x < size; ++x) {
        if (at(x, via) == kNone)
          continue;
        for (unsigned y = 0; y < size; ++y)
          if (at(via, y) != kNone)
            at(x, y) = std::min(at(x, y), at(x, via) + at(via, y));
      }
    for (unsigned x = 0; x < size; ++x)
      if (at(x, x) < 0)
        return true;
    return false;
  }

private:
  using Wide = __int128; // sums along paths leave 64 bits
  static constexpr Wide kNone = Wide(1) << 100;
  unsigned size;
  SmallVector<Wide, 128> bounds;

  Wide &at(unsigned x, unsigned y) { return bounds[x * size + y]; }
};
} // namespace

ConstraintSystem::ConstraintSystem(unsigned numVariables)
    : numVariables(numVariables) {}

void ConstraintSystem::add(ArrayRef<int64_t> coefficients, int64_t constant) {
  rows.emplace_back(coefficients.begin(), coefficients.end());
  rows.back().resize(numVariables);
  rows.back().push_back(constant);
}

bool ConstraintSystem::isEmpty(int64_t &work) const {
  work += kDifferenceWork;
  DifferenceBounds differences(numVariables);
  bool all = true;
  for (ArrayRef<int64_t> row : rows) {
    bool isConstant =
        llvm::all_of(row.drop_back(), [](int64_t c) { return c == 0; });
    if (isConstant && row.back() < 0)
      return true;
    all &= isConstant || differences.add(row);
  }
  if (differences.isEmpty())
    return true;
  if (all)
    return false;
  work += kPolyhedronWork;
  IntegerPolyhedron polyhedron(PresburgerSpace::getSetSpace(numVariables));
  for (ArrayRef<int64_t> row : rows)
    polyhedron.addInequality(row);
  return mlir::presburger::Simplex(polyhedron).isEmpty();
}
