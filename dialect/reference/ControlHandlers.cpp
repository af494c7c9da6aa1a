// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scf and func: loops, branches, parallel loops, calls.

#include "dialect/reference/Interpreter.h"
#include "dialect/reference/Slices.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

/// Hands the operands of a block's terminator to `to`.
static void moveYields(Interpreter &interpreter, Block &block, ValueRange to) {
  Operation *terminator = block.getTerminator();
  // All are read before one is written: a yield may permute loop arguments.
  SmallVector<std::pair<Scalar, HostTensor>> values;
  for (Value value : terminator->getOperands())
    values.push_back(
        isa<RankedTensorType>(value.getType())
            ? std::make_pair(Scalar(), interpreter.take(value, terminator))
            : std::make_pair(interpreter.scalar(value), HostTensor()));
  for (auto [value, target] : llvm::zip(values, to)) {
    if (value.second)
      interpreter.tensor(target) = std::move(value.second);
    else
      interpreter.scalar(target) = value.first;
  }
}

/// Results of a branch or loop, against their static types.
static LogicalResult checkResults(Interpreter &interpreter, Operation *op) {
  for (Value result : op->getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (type && !shapeFits(interpreter.tensor(result).getShape(), type))
      return op->emitOpError("result has shape ")
             << shapeText(interpreter.tensor(result).getShape())
             << " at run time, but its type is " << type;
  }
  return success();
}

static LogicalResult runFor(Interpreter &interpreter, const Instruction &ins) {
  auto op = cast<scf::ForOp>(ins.op);
  int64_t lower = interpreter.getInt(op.getLowerBound()),
          upper = interpreter.getInt(op.getUpperBound()),
          step = interpreter.getInt(op.getStep());
  unsigned width = integerWidth(op.getStep().getType());
  bool isUnsigned = op.getUnsignedCmp();
  if (step <= 0)
    return op.emitOpError("step must be positive, got ") << step;
  for (auto [from, to] : llvm::zip(op.getInits(), op.getRegionIterArgs()))
    interpreter.move(from, to, op);
  // In 128 bits the last increment cannot wrap round.
  __int128 i = isUnsigned ? __int128(asUnsigned(lower, width)) : lower;
  __int128 end = isUnsigned ? __int128(asUnsigned(upper, width)) : upper;
  for (; i < end; i += step) {
    interpreter.scalar(op.getInductionVar()).i = static_cast<int64_t>(i);
    if (failed(interpreter.runBlock(*op.getBody())))
      return failure();
    moveYields(interpreter, *op.getBody(), op.getRegionIterArgs());
  }
  for (auto [from, to] : llvm::zip(op.getRegionIterArgs(), op.getResults()))
    interpreter.move(from, to, op.getBody()->getTerminator());
  return checkResults(interpreter, op);
}

static LogicalResult runIf(Interpreter &interpreter, const Instruction &ins) {
  auto op = cast<scf::IfOp>(ins.op);
  Region &region = interpreter.getInt(op.getCondition()) ? op.getThenRegion()
                                                         : op.getElseRegion();
  if (region.empty())
    return success();
  if (failed(interpreter.runBlock(region.front())))
    return failure();
  moveYields(interpreter, region.front(), op.getResults());
  return checkResults(interpreter, op);
}

static LogicalResult runExecuteRegion(Interpreter &interpreter,
                                      const Instruction &ins) {
  Region &region = ins.op->getRegion(0);
  if (!region.hasOneBlock())
    return ins.op->emitOpError("the reference evaluator takes one block only");
  if (failed(interpreter.runBlock(region.front())))
    return failure();
  moveYields(interpreter, region.front(), ins.op->getResults());
  return checkResults(interpreter, ins.op);
}

//===----------------------------------------------------------------------===//
// scf.forall
//===----------------------------------------------------------------------===//

namespace {
/// The outputs of a forall: iterations read the tensors they began with, and
/// what they insert must not overlap.
class ForallRunner {
public:
  ForallRunner(Interpreter &interpreter, scf::ForallOp op)
      : interpreter(interpreter), op(op) {}

  LogicalResult run() {
    lower = interpreter.getInts(op.getMixedLowerBound());
    upper = interpreter.getInts(op.getMixedUpperBound());
    step = interpreter.getInts(op.getMixedStep());
    for (int64_t s : step)
      if (s <= 0)
        return op.emitOpError("step must be positive, got ") << s;
    for (Value output : op.getOutputs()) {
      results.push_back(interpreter.tensor(output));
      written.emplace_back(results.back().getNumElements(), false);
    }
    SmallVector<int64_t> index;
    if (failed(runDim(index)))
      return failure();
    for (auto [to, value] : llvm::zip(op.getResults(), results))
      interpreter.tensor(to) = std::move(value);
    return checkResults(interpreter, op);
  }

private:
  Interpreter &interpreter;
  scf::ForallOp op;
  SmallVector<int64_t> lower, upper, step;
  SmallVector<HostTensor> results;
  SmallVector<std::vector<bool>> written;

  LogicalResult runDim(SmallVectorImpl<int64_t> &index) {
    size_t dim = index.size();
    if (dim == lower.size())
      return runIteration(index);
    for (__int128 i = lower[dim]; i < upper[dim]; i += step[dim]) {
      index.push_back(static_cast<int64_t>(i));
      if (failed(runDim(index)))
        return failure();
      index.pop_back();
    }
    return success();
  }

  LogicalResult runIteration(ArrayRef<int64_t> index) {
    for (auto [value, i] : llvm::zip(op.getInductionVars(), index))
      interpreter.scalar(value).i = i;
    for (auto [to, from] : llvm::zip(op.getRegionOutArgs(), op.getOutputs()))
      interpreter.tensor(to) = interpreter.tensor(from);
    if (failed(interpreter.runBlock(*op.getBody())))
      return failure();
    for (Operation &inner : op.getTerminator().getYieldingOps()) {
      auto insert = dyn_cast<tensor::ParallelInsertSliceOp>(inner);
      if (!insert)
        return inner.emitError("the reference evaluator does not know the "
                               "operation '")
               << inner.getName() << "'";
      if (failed(runInsert(insert)))
        return failure();
    }
    return success();
  }

  LogicalResult runInsert(tensor::ParallelInsertSliceOp insert) {
    auto argument = dyn_cast<BlockArgument>(insert.getDest());
    if (!argument || argument.getOwner() != op.getBody())
      return insert.emitOpError("must insert into an output of its scf.forall");
    unsigned number = argument.getArgNumber() - op.getRank();
    HostTensor &dest = results[number];
    FailureOr<Slice> slice = evaluateSliceOf(
        interpreter, cast<OffsetSizeAndStrideOpInterface>(*insert),
        dest.getShape());
    if (failed(slice) ||
        failed(insertSlice(insert, interpreter.tensor(insert.getSource()), dest,
                           *slice, insert.getDroppedDims())))
      return failure();
    bool overlaps = false;
    slice->forEach(dest.getShape(), [&](int64_t, int64_t to) {
      overlaps |= written[number][to];
      written[number][to] = true;
    });
    if (overlaps)
      return insert.emitOpError("writes elements that another iteration has "
                                "written");
    return success();
  }
};
} // namespace

static LogicalResult runForall(Interpreter &interpreter,
                               const Instruction &ins) {
  return ForallRunner(interpreter, cast<scf::ForallOp>(ins.op)).run();
}

//===----------------------------------------------------------------------===//
// func
//===----------------------------------------------------------------------===//

static LogicalResult runCall(Interpreter &interpreter, const Instruction &ins) {
  auto call = cast<func::CallOp>(ins.op);
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      call, call.getCalleeAttr());
  if (!callee)
    return call.emitOpError("calls an unknown function");
  if (interpreter.getDepth() >= interpreter.getOptions().maxCallDepth)
    return call.emitOpError("calls nest too deeply");
  SmallVector<HostTensor> args;
  for (Value operand : call.getOperands())
    args.push_back(interpreter.asTensor(operand));
  FailureOr<SmallVector<HostTensor>> results =
      Interpreter(callee, interpreter.getOptions(), interpreter.getDepth() + 1)
          .run(args);
  if (failed(results))
    return failure();
  for (auto [to, value] : llvm::zip(call.getResults(), *results))
    interpreter.assign(to, value);
  return checkResults(interpreter, call);
}

void reference::registerControlHandlers(HandlerTable &table) {
  table["func.call"] = runCall;
  table["scf.execute_region"] = runExecuteRegion;
  table["scf.for"] = runFor;
  table["scf.forall"] = runForall;
  table["scf.if"] = runIf;
}
