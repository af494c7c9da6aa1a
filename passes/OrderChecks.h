// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks, once a launch, that boundaries of documents and offsets of lists do
// not decrease.

#ifndef ATTNC_PASSES_ORDERCHECKS_H
#define ATTNC_PASSES_ORDERCHECKS_H

#include "dialect/Attn.h"
#include "mlir/IR/Builders.h"

namespace attnc {

/// Where a tile stands in its launch.
struct OrderCheckTile {
  llvm::ArrayRef<mlir::Value> batch; // indices of the batch dims
  mlir::Value head;                  // its first query head
  int64_t heads;                     // and how many it has
  mlir::Value row;                   // its first query row
};

/// Makes an attn.check_order for each operand whose order a launch of `plan`
/// relies on and that nothing else looks at: boundaries that are searched, and
/// offsets of lists that are tested rather than walked. The first tile of those
/// that share an operand's offsets checks them.
void createOrderChecks(mlir::OpBuilder &b, mlir::attn::AttentionOp op,
                       mlir::attn::PlanAttr plan, OrderCheckTile tile);

} // namespace attnc

#endif // ATTNC_PASSES_ORDERCHECKS_H
