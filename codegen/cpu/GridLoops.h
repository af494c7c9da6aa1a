// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order in which workgroups walk the loops of a grid.

#ifndef ATTNC_CODEGEN_CPU_GRIDLOOPS_H
#define ATTNC_CODEGEN_CPU_GRIDLOOPS_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace attnc::cpu {

/// A loop of an scf.forall, and how workgroups walk it.
struct GridLoop {
  unsigned number;
  bool isDown; ///< from its last index on
};

/// The loops from the slowest to the fastest, as the mapping says.
mlir::FailureOr<llvm::SmallVector<GridLoop>> gridLoops(mlir::scf::ForallOp op);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_GRIDLOOPS_H
