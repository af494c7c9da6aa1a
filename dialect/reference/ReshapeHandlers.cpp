// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tensor: the same elements under another shape or type; concatenation.

#include "dialect/reference/Interpreter.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

/// setResult compares the run-time shape with the new type.
static LogicalResult runCast(Interpreter &interpreter, const Instruction &ins) {
  return interpreter.setResult(ins, 0,
                               interpreter.take(ins.op->getOperand(0), ins.op));
}

static LogicalResult runCollapse(Interpreter &interpreter,
                                 const Instruction &ins) {
  auto op = cast<tensor::CollapseShapeOp>(ins.op);
  HostTensor source = interpreter.take(op.getSrc(), op);
  SmallVector<int64_t> shape;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t size = 1;
    for (int64_t d : group)
      size *= source.getDimSize(d);
    shape.push_back(size);
  }
  return interpreter.setResult(ins, 0, source.reshaped(shape));
}

static LogicalResult runExpand(Interpreter &interpreter,
                               const Instruction &ins) {
  auto op = cast<tensor::ExpandShapeOp>(ins.op);
  HostTensor source = interpreter.take(op.getSrc(), op);
  SmallVector<int64_t> shape = interpreter.getInts(op.getMixedOutputShape());
  for (auto [d, group] : llvm::enumerate(op.getReassociationIndices())) {
    SmallVector<int64_t> part;
    for (int64_t e : group)
      part.push_back(shape[e]);
    if (HostTensor::countElements(part) != source.getDimSize(d))
      return op.emitOpError("dim ")
             << d << " of " << source.getDimSize(d)
             << " elements cannot become " << shapeText(part);
  }
  return interpreter.setResult(ins, 0, source.reshaped(shape));
}

static LogicalResult runReshape(Interpreter &interpreter,
                                const Instruction &ins) {
  HostTensor source = interpreter.take(ins.op->getOperand(0), ins.op);
  const HostTensor &sizes = interpreter.tensor(ins.in[1]);
  SmallVector<int64_t> shape;
  for (Scalar size : sizes.values())
    shape.push_back(size.i);
  if (HostTensor::countElements(shape) != source.getNumElements())
    return ins.op->emitOpError("shape ")
           << shapeText(source.getShape()) << " cannot become "
           << shapeText(shape);
  return interpreter.setResult(ins, 0, source.reshaped(shape));
}

static LogicalResult runBitcast(Interpreter &interpreter,
                                const Instruction &ins) {
  const HostTensor source = interpreter.tensor(ins.in[0]);
  Type to =
      cast<RankedTensorType>(ins.op->getResult(0).getType()).getElementType();
  FailureOr<HostTensor> result =
      interpreter.allocate(ins.op->getLoc(), to, source.getShape());
  if (failed(result))
    return failure();
  for (auto [out, in] : llvm::zip(result->mutableValues(), source.values()))
    out = bitcastScalar(in, source.getElementType(), to);
  return interpreter.setResult(ins, 0, std::move(*result));
}

static LogicalResult runConcat(Interpreter &interpreter,
                               const Instruction &ins) {
  auto op = cast<tensor::ConcatOp>(ins.op);
  int64_t dim = op.getDim();
  SmallVector<int64_t> shape(interpreter.tensor(ins.in[0]).getShape());
  shape[dim] = 0;
  for (unsigned slot : ins.in) {
    ArrayRef<int64_t> part = interpreter.tensor(slot).getShape();
    for (int64_t d = 0, e = shape.size(); d < e; ++d)
      if (d != dim && part[d] != shape[d])
        return op.emitOpError("parts have ")
               << shape[d] << " and " << part[d] << " elements along dim " << d;
    shape[dim] += part[dim];
  }
  FailureOr<HostTensor> result = interpreter.allocate(
      op.getLoc(), op.getResultType().getElementType(), shape);
  if (failed(result))
    return failure();
  MutableArrayRef<Scalar> values = result->mutableValues();
  int64_t inner = rowMajorStrides(shape)[dim], outerStride = inner * shape[dim];
  int64_t begin = 0; // of the part, within one outer index
  for (unsigned slot : ins.in) {
    const HostTensor &part = interpreter.tensor(slot);
    int64_t run = part.getDimSize(dim) * inner;
    for (int64_t e = 0, n = part.getNumElements(); e < n; ++e)
      values[e / run * outerStride + begin + e % run] = part.get(e);
    begin += run;
  }
  return interpreter.setResult(ins, 0, std::move(*result));
}

void reference::registerReshapeHandlers(HandlerTable &table) {
  table["tensor.bitcast"] = runBitcast;
  table["tensor.cast"] = runCast;
  table["tensor.collapse_shape"] = runCollapse;
  table["tensor.concat"] = runConcat;
  table["tensor.expand_shape"] = runExpand;
  table["tensor.reshape"] = runReshape;
}
