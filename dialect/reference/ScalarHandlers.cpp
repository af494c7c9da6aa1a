// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise arith and math, constants, affine.apply and its kin.

#include "dialect/reference/Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

//===----------------------------------------------------------------------===//
// arith and math
//===----------------------------------------------------------------------===//

constexpr unsigned kMaxOperands = 3, kMaxResults = 2;

static LogicalResult runElementwiseTensor(Interpreter &interpreter,
                                          const Instruction &ins) {
  SmallVector<HostTensor> operands; // null for a scalar, which broadcasts
  const HostTensor *first = nullptr;
  for (auto [value, slot] : llvm::zip(ins.op->getOperands(), ins.in)) {
    bool isTensor = isa<RankedTensorType>(value.getType());
    operands.push_back(isTensor ? interpreter.tensor(slot) : HostTensor());
  }
  for (const HostTensor &operand : operands) {
    if (!operand)
      continue;
    if (first && first->getShape() != operand.getShape())
      return ins.op->emitOpError("operands have shapes ")
             << shapeText(first->getShape()) << " and "
             << shapeText(operand.getShape()) << " at run time";
    first = first ? first : &operand;
  }
  SmallVector<HostTensor> results;
  for (Value result : ins.op->getResults()) {
    FailureOr<HostTensor> tensor = interpreter.allocate(
        ins.op->getLoc(),
        cast<RankedTensorType>(result.getType()).getElementType(),
        first->getShape());
    if (failed(tensor))
      return failure();
    results.push_back(*tensor);
  }
  Scalar in[kMaxOperands], out[kMaxResults];
  for (int64_t e = 0, n = results[0].getNumElements(); e < n; ++e) {
    for (auto [i, operand] : llvm::enumerate(operands))
      in[i] = operand ? operand.get(e) : interpreter.scalar(ins.in[i]);
    if (const char *problem = ins.scalar.fn(ins.scalar, in, out))
      return ins.op->emitOpError(problem);
    for (auto [i, result] : llvm::enumerate(results))
      result.mutableValues()[e] = out[i];
  }
  for (auto [i, result] : llvm::enumerate(results))
    if (failed(interpreter.setResult(ins, i, result)))
      return failure();
  return success();
}

static LogicalResult runElementwise(Interpreter &interpreter,
                                    const Instruction &ins) {
  if (ins.in.size() > kMaxOperands || ins.out.size() > kMaxResults)
    return ins.op->emitOpError("has more operands than the evaluator takes");
  // select may choose between whole tensors by one condition.
  if (isa<RankedTensorType>(ins.op->getResult(0).getType())) {
    if (!isa<arith::SelectOp>(ins.op) ||
        isa<RankedTensorType>(ins.op->getOperand(0).getType()))
      return runElementwiseTensor(interpreter, ins);
    unsigned chosen = interpreter.scalar(ins.in[0]).i ? ins.in[1] : ins.in[2];
    return interpreter.setResult(ins, 0, interpreter.tensor(chosen));
  }
  Scalar in[kMaxOperands], out[kMaxResults];
  for (auto [i, slot] : llvm::enumerate(ins.in))
    in[i] = interpreter.scalar(slot);
  if (const char *problem = ins.scalar.fn(ins.scalar, in, out))
    return ins.op->emitOpError(problem);
  for (auto [i, slot] : llvm::enumerate(ins.out))
    interpreter.scalar(slot) = out[i];
  return success();
}

static Scalar scalarOf(Attribute attribute) {
  if (auto number = dyn_cast<FloatAttr>(attribute)) {
    APFloat value = number.getValue();
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return floatScalar(value.convertToDouble());
  }
  auto number = cast<IntegerAttr>(attribute);
  return intScalar(number.getType().isInteger(1)
                       ? number.getValue().getZExtValue()
                       : number.getValue().getSExtValue());
}

static LogicalResult runConstant(Interpreter &interpreter,
                                 const Instruction &ins) {
  Attribute value = cast<arith::ConstantOp>(ins.op).getValue();
  if (isa<FloatAttr, IntegerAttr>(value)) {
    interpreter.scalar(ins.out[0]) = scalarOf(value);
    return success();
  }
  if (interpreter.tensor(ins.out[0]))
    return success(); // built before, in an earlier iteration
  auto elements = dyn_cast<DenseElementsAttr>(value);
  if (!elements)
    return ins.op->emitOpError("only dense constants can be evaluated");
  FailureOr<HostTensor> tensor =
      interpreter.allocate(ins.op->getLoc(), elements.getElementType(),
                           elements.getType().getShape());
  if (failed(tensor))
    return failure();
  MutableArrayRef<Scalar> values = tensor->mutableValues();
  for (auto [to, from] : llvm::zip(values, elements.getValues<Attribute>()))
    to = scalarOf(from);
  return interpreter.setResult(ins, 0, *tensor);
}

//===----------------------------------------------------------------------===//
// affine
//===----------------------------------------------------------------------===//

/// The results of an affine map applied to an operation's operands.
static FailureOr<SmallVector<int64_t>>
applyMap(Interpreter &interpreter, const Instruction &ins, AffineMap map) {
  SmallVector<int64_t> operands;
  for (unsigned slot : ins.in)
    operands.push_back(interpreter.scalar(slot).i);
  ArrayRef<int64_t> all(operands);
  SmallVector<int64_t> results;
  for (AffineExpr expr : map.getResults()) {
    std::optional<int64_t> value =
        evaluateAffine(expr, all.take_front(map.getNumDims()),
                       all.drop_front(map.getNumDims()));
    if (!value)
      return ins.op->emitOpError("overflows or divides by a number that is "
                                 "not positive");
    results.push_back(*value);
  }
  return results;
}

template <typename OpT>
static LogicalResult runAffineMap(Interpreter &interpreter,
                                  const Instruction &ins) {
  FailureOr<SmallVector<int64_t>> values =
      applyMap(interpreter, ins, cast<OpT>(ins.op).getMap());
  if (failed(values))
    return failure();
  int64_t result = values->front();
  if (std::is_same_v<OpT, affine::AffineMinOp>)
    result = *llvm::min_element(*values);
  if (std::is_same_v<OpT, affine::AffineMaxOp>)
    result = *llvm::max_element(*values);
  interpreter.scalar(ins.out[0]).i = result;
  return success();
}

static LogicalResult runDelinearize(Interpreter &interpreter,
                                    const Instruction &ins) {
  auto op = cast<affine::AffineDelinearizeIndexOp>(ins.op);
  int64_t rest = interpreter.getInt(op.getLinearIndex());
  SmallVector<int64_t> basis = interpreter.getInts(op.getMixedBasis());
  unsigned outer = op.hasOuterBound() ? 0 : 1; // results without a size
  for (size_t r = ins.out.size(); r-- > 0;) {
    if (r < outer) {
      interpreter.scalar(ins.out[r]).i = rest;
      continue;
    }
    int64_t size = basis[r - outer];
    if (size <= 0)
      return ins.op->emitOpError("has a basis element that is not positive");
    int64_t digit = rest % size;
    digit = digit < 0 ? digit + size : digit;
    // The outermost digit is not reduced.
    interpreter.scalar(ins.out[r]).i = r == 0 ? rest : digit;
    rest = (rest - digit) / size;
  }
  return success();
}

static LogicalResult runLinearize(Interpreter &interpreter,
                                  const Instruction &ins) {
  auto op = cast<affine::AffineLinearizeIndexOp>(ins.op);
  SmallVector<int64_t> basis = interpreter.getInts(op.getMixedBasis());
  auto indices = op.getMultiIndex();
  size_t offset = indices.size() - basis.size();
  int64_t result = 0;
  for (auto [d, index] : llvm::enumerate(indices)) {
    int64_t size = d < offset ? 1 : basis[d - offset];
    if (llvm::MulOverflow(result, d == 0 ? int64_t(1) : size, result) ||
        llvm::AddOverflow(result, interpreter.getInt(index), result))
      return ins.op->emitOpError("overflows");
  }
  interpreter.scalar(ins.out[0]).i = result;
  return success();
}

void reference::registerScalarHandlers(HandlerTable &table) {
  table["arith"] = runElementwise; // whatever decodeScalarOp knows
  table["arith.constant"] = runConstant;
  table["affine.apply"] = runAffineMap<affine::AffineApplyOp>;
  table["affine.min"] = runAffineMap<affine::AffineMinOp>;
  table["affine.max"] = runAffineMap<affine::AffineMaxOp>;
  table["affine.delinearize_index"] = runDelinearize;
  table["affine.linearize_index"] = runLinearize;
}
