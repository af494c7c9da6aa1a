// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear inequalities over integers: do they have a solution?

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

  /// Whether no integers satisfy all inequalities; exact. Adds to `work` about
  /// one for a microsecond's worth of it.
  bool isEmpty(int64_t &work) const;

private:
  unsigned numVariables;
  /// Rows of coefficients followed by the constant.
  llvm::SmallVector<llvm::SmallVector<int64_t, 10>, 16> rows;
};

} // namespace attnc

#endif // ATTNC_PASSES_CONSTRAINTSYSTEM_H
