// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the passes compile: the one place that refuses the rest by name.

#include "passes/Compilable.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/PairTests.h"

using namespace mlir;
using namespace mlir::attn;

/// Every set is compiled, by bounds or as a test, but for what no kernel could
/// compute.
static LogicalResult verifySet(AttentionOp op, PairsAttr set) {
  if (attnc::hasComputableDivisions(set))
    return success();
  return op.emitError("an affine set divides by a number that is not positive");
}

/// Whether a slice takes all of a dim of its source.
static bool isWhole(tensor::ExtractSliceOp slice, int64_t d) {
  if (getConstantIntValue(slice.getMixedOffsets()[d]) != 0)
    return false;
  auto size = dyn_cast<Value>(slice.getMixedSizes()[d]);
  auto dim = size ? size.getDefiningOp<tensor::DimOp>() : tensor::DimOp();
  return dim && dim.getSource() == slice.getSource() &&
         dim.getConstantIndex() == d;
}

/// A slice is read in place: whole along dims of unknown size, so that rows
/// inside it are rows of its source.
static LogicalResult verifySlice(Value operand) {
  auto slice = operand.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice)
    return success();
  RankedTensorType source = slice.getSourceType();
  for (int64_t d = 0; d < source.getRank(); ++d) {
    std::optional<int64_t> offset =
                               getConstantIntValue(slice.getMixedOffsets()[d]),
                           size = getConstantIntValue(slice.getMixedSizes()[d]);
    bool isStatic = offset && size && !source.isDynamicDim(d);
    if (!slice.hasUnitStride() || !(isStatic || isWhole(slice, d)))
      return slice.emitError("is not compiled yet: attention reads a slice in "
                             "place if its steps are 1 and it is whole in each "
                             "dim that is dynamic");
  }
  return verifySlice(slice.getSource());
}

LogicalResult attnc::verifyCompilable(AttentionOp op) {
  for (Value operand : {op.getQuery(), op.getKey(), op.getValue()})
    if (failed(verifySlice(operand)))
      return failure();
  if (!isa<SoftmaxAttr>(op.getAccumulator()))
    return op.emitError() << "kernel " << op.getAccumulator()
                          << " is not compiled yet";
  std::pair<StringRef, Value> operands[] = {{"sink", op.getSink()},
                                            {"decay", op.getDecay()},
                                            {"state", op.getState()}};
  for (auto [name, value] : operands)
    if (value)
      return op.emitError() << "operand '" << name << "' is not compiled yet";
  if (!op.getProbMod().empty())
    return op.emitError("prob_mod is not compiled yet");
  for (ResultKind kind : op.getReturnKinds())
    if (kind != ResultKind::Lse)
      return op.emitError() << "result '" << stringifyResultKind(kind)
                            << "' is not compiled yet";
  return verifySet(op, op.getPairs());
}

LogicalResult attnc::verifyPlan(AttentionOp op) {
  for (PairsAttr atom : op.getPlanAttr().getAtoms())
    if (failed(verifySet(op, atom)))
      return failure();
  return success();
}
