// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.check_order operations of a launch.

#include "passes/OrderChecks.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/IndexBuilder.h"
#include "passes/PairTests.h"
#include "passes/PlanWalk.h"
#include "llvm/ADT/SetVector.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

/// The set operands to check, each once.
static llvm::SetVector<int64_t> orderedOperands(PlanAttr plan) {
  llvm::SetVector<int64_t> operands;
  for (ValueAttr value : plan.getValues())
    if (llvm::is_contained(
            {ValueKind::Begin, ValueKind::End, ValueKind::Number},
            value.getKind()))
      operands.insert(value.getOperand());
  for (ComponentAttr component : plan.getComponents())
    for (int64_t test : component.getTestNumbers()) {
      if (test == component.getWalk())
        continue; // looked at row by row
      plan.getAtoms()[std::abs(test) - 1].visit([&](PairsAttr part) {
        switch (part.getKind()) {
        case PairKind::Documents:
        case PairKind::PerDocument:
        case PairKind::Csr:
        case PairKind::Bsr:
          operands.insert(part.getOperands()[0]);
          break;
        default:
          break;
        }
      });
    }
  return operands;
}

namespace {
class OrderChecks : private IndexBuilder {
public:
  OrderChecks(OpBuilder &b, AttentionOp op, OrderCheckTile tile)
      : IndexBuilder(b, op.getLoc()), op(op), tile(tile) {}

  void create(int64_t operand) {
    Value tensor = op.getSetOperands()[operand];
    auto type = cast<RankedTensorType>(tensor.getType());
    int64_t lead = type.getRank() - 1, batchRank = tile.batch.size();
    bool hasHeads = lead > batchRank && type.getDimSize(batchRank) != 1;
    for (int64_t h = 0; h < (hasHeads ? tile.heads : 1); ++h) {
      SmallVector<Value> at(tile.batch);
      at.push_back(h ? add(tile.head, idx(h)) : tile.head);
      Value isFirst = isZero(tile.row);
      for (auto [d, x] : llvm::enumerate(at))
        if (static_cast<int64_t>(d) >= lead || type.getDimSize(d) == 1)
          isFirst = both(isFirst, isZero(x));
      at.resize(lead);
      CheckOrderOp::create(b, loc, tensor, broadcastIndices(b, loc, tensor, at),
                           isFirst);
    }
  }

private:
  AttentionOp op;
  OrderCheckTile tile;

  Value isZero(Value x) { return cmp(arith::CmpIPredicate::eq, x, idx(0)); }
};
} // namespace

void attnc::createOrderChecks(OpBuilder &b, AttentionOp op, PlanAttr plan,
                              OrderCheckTile tile) {
  OrderChecks checks(b, op, tile);
  for (int64_t operand : orderedOperands(plan))
    checks.create(operand);
}
