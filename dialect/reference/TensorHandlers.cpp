// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tensor: making tensors, reading and writing elements and slices.

#include "dialect/reference/Interpreter.h"
#include "dialect/reference/Slices.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

SmallVector<int64_t>
Slice::reducedShape(const llvm::SmallBitVector &dropped) const {
  SmallVector<int64_t> shape;
  for (auto [d, size] : llvm::enumerate(sizes))
    if (!dropped.test(d))
      shape.push_back(size);
  return shape;
}

void Slice::forEach(ArrayRef<int64_t> shape,
                    function_ref<void(int64_t, int64_t)> fn) const {
  SmallVector<int64_t> whole = rowMajorStrides(shape);
  int64_t count = 1, linear = 0;
  for (auto [d, size] : llvm::enumerate(sizes)) {
    count *= size;
    linear += offsets[d] * whole[d];
  }
  SmallVector<int64_t> index(sizes.size(), 0);
  for (int64_t n = 0; n < count; ++n) {
    fn(n, linear);
    for (size_t d = sizes.size(); d-- > 0;) {
      linear += strides[d] * whole[d];
      if (++index[d] < sizes[d])
        break;
      linear -= sizes[d] * strides[d] * whole[d];
      index[d] = 0;
    }
  }
}

FailureOr<Slice> reference::evaluateSliceOf(Interpreter &interpreter,
                                            OffsetSizeAndStrideOpInterface op,
                                            ArrayRef<int64_t> shape) {
  Slice slice{interpreter.getInts(op.getMixedOffsets()),
              interpreter.getInts(op.getMixedSizes()),
              interpreter.getInts(op.getMixedStrides())};
  for (auto [d, size] : llvm::enumerate(shape)) {
    int64_t offset = slice.offsets[d], extent = slice.sizes[d],
            stride = slice.strides[d];
    // All three fit the dim, so that nothing below overflows.
    bool inside = extent >= 0 && extent <= size && offset >= 0 &&
                  offset <= size && stride >= 1;
    if (inside && extent > 0)
      inside = offset < size && (extent - 1) <= (size - 1 - offset) / stride;
    if (!inside)
      return op->emitOpError("slice of dim ")
             << d << " (offset " << offset << ", size " << extent << ", stride "
             << stride << ") leaves its " << size << " elements";
  }
  return slice;
}

LogicalResult reference::insertSlice(Operation *op, const HostTensor &source,
                                     HostTensor &dest, const Slice &slice,
                                     const llvm::SmallBitVector &dropped) {
  if (source.getShape() != ArrayRef(slice.reducedShape(dropped)))
    return op->emitOpError("source has shape ")
           << shapeText(source.getShape()) << " at run time, the slice "
           << shapeText(slice.reducedShape(dropped));
  MutableArrayRef<Scalar> values = dest.mutableValues();
  slice.forEach(dest.getShape(), [&](int64_t from, int64_t to) {
    values[to] = source.get(from);
  });
  return success();
}

static LogicalResult runExtractSlice(Interpreter &interpreter,
                                     const Instruction &ins) {
  auto op = cast<tensor::ExtractSliceOp>(ins.op);
  const HostTensor source = interpreter.tensor(ins.in[0]);
  FailureOr<Slice> slice = evaluateSliceOf(interpreter, op, source.getShape());
  if (failed(slice))
    return failure();
  FailureOr<HostTensor> result =
      interpreter.allocate(op.getLoc(), source.getElementType(),
                           slice->reducedShape(op.getDroppedDims()));
  if (failed(result))
    return failure();
  MutableArrayRef<Scalar> values = result->mutableValues();
  slice->forEach(source.getShape(), [&](int64_t to, int64_t from) {
    values[to] = source.get(from);
  });
  return interpreter.setResult(ins, 0, *result);
}

static LogicalResult runInsertSlice(Interpreter &interpreter,
                                    const Instruction &ins) {
  auto op = cast<tensor::InsertSliceOp>(ins.op);
  HostTensor source = interpreter.tensor(ins.in[0]);
  HostTensor dest = interpreter.take(op.getDest(), op);
  FailureOr<Slice> slice = evaluateSliceOf(interpreter, op, dest.getShape());
  if (failed(slice) ||
      failed(insertSlice(op, source, dest, *slice, op.getDroppedDims())))
    return failure();
  return interpreter.setResult(ins, 0, std::move(dest));
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// The linear index that index operands name.
static FailureOr<int64_t> linearIndex(Interpreter &interpreter, Operation *op,
                                      ArrayRef<int64_t> shape,
                                      ValueRange indices) {
  int64_t linear = 0;
  for (auto [d, value] : llvm::enumerate(indices)) {
    int64_t index = interpreter.getInt(value);
    if (index < 0 || index >= shape[d])
      return op->emitOpError("index ")
             << index << " is out of bounds of dim " << d << ", which has "
             << shape[d] << " elements";
    linear = linear * shape[d] + index;
  }
  return linear;
}

static LogicalResult runExtract(Interpreter &interpreter,
                                const Instruction &ins) {
  auto op = cast<tensor::ExtractOp>(ins.op);
  const HostTensor &source = interpreter.tensor(ins.in[0]);
  FailureOr<int64_t> linear =
      linearIndex(interpreter, op, source.getShape(), op.getIndices());
  if (failed(linear))
    return failure();
  interpreter.scalar(ins.out[0]) = source.get(*linear);
  return success();
}

static LogicalResult runInsert(Interpreter &interpreter,
                               const Instruction &ins) {
  auto op = cast<tensor::InsertOp>(ins.op);
  HostTensor dest = interpreter.take(op.getDest(), op);
  FailureOr<int64_t> linear =
      linearIndex(interpreter, op, dest.getShape(), op.getIndices());
  if (failed(linear))
    return failure();
  dest.mutableValues()[*linear] = interpreter.scalar(ins.in[0]);
  return interpreter.setResult(ins, 0, std::move(dest));
}

static LogicalResult runDim(Interpreter &interpreter, const Instruction &ins) {
  const HostTensor &source = interpreter.tensor(ins.in[0]);
  int64_t dim = interpreter.scalar(ins.in[1]).i;
  if (dim < 0 || dim >= source.getRank())
    return ins.op->emitOpError("dim ")
           << dim << " of a tensor of rank " << source.getRank();
  interpreter.scalar(ins.out[0]).i = source.getDimSize(dim);
  return success();
}

static LogicalResult runRank(Interpreter &interpreter, const Instruction &ins) {
  interpreter.scalar(ins.out[0]).i = interpreter.tensor(ins.in[0]).getRank();
  return success();
}

//===----------------------------------------------------------------------===//
// Making tensors
//===----------------------------------------------------------------------===//

/// A new tensor of result 0's type, `dynamic` sizes filled in.
static FailureOr<HostTensor> makeResult(Interpreter &interpreter,
                                        const Instruction &ins,
                                        ValueRange dynamic) {
  auto type = cast<RankedTensorType>(ins.op->getResult(0).getType());
  SmallVector<int64_t> shape(type.getShape());
  auto next = dynamic.begin();
  for (int64_t &size : shape)
    if (ShapedType::isDynamic(size))
      size = interpreter.getInt(*next++);
  return interpreter.allocate(ins.op->getLoc(), type.getElementType(), shape);
}

/// What tensor.empty holds is undefined; NaN makes a use of it visible.
static LogicalResult runEmpty(Interpreter &interpreter,
                              const Instruction &ins) {
  FailureOr<HostTensor> result = makeResult(
      interpreter, ins, cast<tensor::EmptyOp>(ins.op).getDynamicSizes());
  if (failed(result))
    return failure();
  if (result->isFloat())
    for (Scalar &value : result->mutableValues())
      value.f = std::numeric_limits<double>::quiet_NaN();
  return interpreter.setResult(ins, 0, std::move(*result));
}

static LogicalResult runSplat(Interpreter &interpreter,
                              const Instruction &ins) {
  FailureOr<HostTensor> result = makeResult(
      interpreter, ins, cast<tensor::SplatOp>(ins.op).getDynamicSizes());
  if (failed(result))
    return failure();
  for (Scalar &value : result->mutableValues())
    value = interpreter.scalar(ins.in[0]);
  return interpreter.setResult(ins, 0, std::move(*result));
}

static LogicalResult runFromElements(Interpreter &interpreter,
                                     const Instruction &ins) {
  FailureOr<HostTensor> result = makeResult(interpreter, ins, {});
  if (failed(result))
    return failure();
  for (auto [to, from] : llvm::zip(result->mutableValues(), ins.in))
    to = interpreter.scalar(from);
  return interpreter.setResult(ins, 0, std::move(*result));
}

/// Runs a region of as many index arguments as `index` and reads its scalar.
static LogicalResult yieldAt(RegionRunner &region, ArrayRef<int64_t> index,
                             Scalar &value) {
  for (auto [d, i] : llvm::enumerate(index))
    region.setInt(d, i);
  if (failed(region.run()))
    return failure();
  value = region.getScalar(0);
  return success();
}

static SmallVector<int64_t> delinearize(int64_t linear,
                                        ArrayRef<int64_t> shape) {
  SmallVector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0; linear /= shape[d])
    index[d] = linear % shape[d];
  return index;
}

static LogicalResult runGenerate(Interpreter &interpreter,
                                 const Instruction &ins) {
  auto op = cast<tensor::GenerateOp>(ins.op);
  FailureOr<HostTensor> result =
      makeResult(interpreter, ins, op.getDynamicExtents());
  if (failed(result))
    return failure();
  RegionRunner region(interpreter, op.getBody());
  MutableArrayRef<Scalar> values = result->mutableValues();
  for (auto [linear, value] : llvm::enumerate(values))
    if (failed(yieldAt(region, delinearize(linear, result->getShape()), value)))
      return failure();
  return interpreter.setResult(ins, 0, std::move(*result));
}

static LogicalResult runPad(Interpreter &interpreter, const Instruction &ins) {
  auto op = cast<tensor::PadOp>(ins.op);
  const HostTensor source = interpreter.tensor(ins.in[0]);
  SmallVector<int64_t> low = interpreter.getInts(op.getMixedLowPad());
  SmallVector<int64_t> high = interpreter.getInts(op.getMixedHighPad());
  SmallVector<int64_t> shape;
  for (auto [size, l, h] : llvm::zip(source.getShape(), low, high)) {
    int64_t limit = interpreter.getOptions().maxElements;
    if (l < 0 || h < 0 || l > limit || h > limit)
      return op.emitOpError("padding of ")
             << l << " and " << h << " elements is out of range";
    shape.push_back(size + l + h);
  }
  FailureOr<HostTensor> result =
      interpreter.allocate(op.getLoc(), source.getElementType(), shape);
  if (failed(result))
    return failure();
  RegionRunner region(interpreter, op.getRegion());
  MutableArrayRef<Scalar> values = result->mutableValues();
  SmallVector<int64_t> strides = source.getStrides();
  for (auto [linear, value] : llvm::enumerate(values)) {
    SmallVector<int64_t> index = delinearize(linear, shape);
    int64_t from = 0;
    bool inside = true;
    for (auto [d, i] : llvm::enumerate(index)) {
      inside &= i >= low[d] && i < low[d] + source.getDimSize(d);
      from += (i - low[d]) * strides[d];
    }
    if (inside)
      value = source.get(from);
    else if (failed(yieldAt(region, index, value)))
      return failure();
  }
  return interpreter.setResult(ins, 0, std::move(*result));
}

void reference::registerTensorHandlers(HandlerTable &table) {
  table["tensor.dim"] = runDim;
  table["tensor.empty"] = runEmpty;
  table["tensor.extract"] = runExtract;
  table["tensor.extract_slice"] = runExtractSlice;
  table["tensor.from_elements"] = runFromElements;
  table["tensor.generate"] = runGenerate;
  table["tensor.insert"] = runInsert;
  table["tensor.insert_slice"] = runInsertSlice;
  table["tensor.pad"] = runPad;
  table["tensor.rank"] = runRank;
  table["tensor.splat"] = runSplat;
}
