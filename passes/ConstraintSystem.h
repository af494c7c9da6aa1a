// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear inequalities: do they have a solution?

#ifndef ATTNC_PASSES_CONSTRAINTSYSTEM_H
#define ATTNC_PASSES_CONSTRAINTSYSTEM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace attnc {

class ConstraintSystem {
public:
  explicit ConstraintSystem(unsigned numVariables);

  /// Adds sum of coefficients[v] * (variable v) + constant >= 0.
  void add(llvm::ArrayRef<int64_t> coefficients, int64_t constant);

  /// Whether no numbers satisfy all inequalities: integers where each bounds a
  /// variable or a difference of two, else rationals, so that a system without
  /// integer solutions may be taken for one that has some, never the reverse.
  /// Adds to `work` about one for each microsecond it takes.
  bool isEmpty(int64_t &work) const;

private:
  unsigned numVariables;
  /// Rows of coefficients followed by the constant.
  llvm::SmallVector<llvm::SmallVector<int64_t, 10>, 16> rows;
};

} // namespace attnc

#endif // ATTNC_PASSES_CONSTRAINTSYSTEM_H
