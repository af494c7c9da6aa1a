// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// linalg: every structured operation, named or generic, by its interface: the
// region runs once a point of the iteration space, in lexicographic order.

#include "dialect/reference/Interpreter.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

namespace {
class LinalgRunner {
public:
  LinalgRunner(Interpreter &interpreter, const Instruction &ins)
      : interpreter(interpreter), ins(ins), op(cast<linalg::LinalgOp>(ins.op)),
        region(interpreter, op->getRegion(0)) {}

  LogicalResult run() {
    if (!op.hasPureTensorSemantics())
      return op.emitOpError("the reference evaluator takes tensors only");
    bindOperands();
    if (failed(findLoopSizes()) || failed(runPoints()))
      return failure();
    for (unsigned r = 0, n = op->getNumResults(); r < n; ++r)
      if (failed(interpreter.setResult(
              ins, r, std::move(operands[op.getNumDpsInputs() + r].tensor))))
        return failure();
    return success();
  }

private:
  struct Operand {
    HostTensor tensor; // null: a scalar
    Scalar scalar;
    AffineMap map;
    SmallVector<int64_t> strides;
    MutableArrayRef<Scalar> values; // of outputs
  };

  Interpreter &interpreter;
  const Instruction &ins;
  linalg::LinalgOp op;
  RegionRunner region;
  SmallVector<Operand> operands;
  SmallVector<int64_t> sizes;

  void bindOperands() {
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    for (OpOperand &use : op->getOpOperands()) {
      Operand &operand = operands.emplace_back();
      operand.map = maps[use.getOperandNumber()];
      if (!isa<RankedTensorType>(use.get().getType())) {
        operand.scalar = interpreter.scalar(use.get());
        continue;
      }
      operand.tensor = op.isDpsInit(&use) ? interpreter.take(use.get(), op)
                                          : interpreter.tensor(use.get());
      operand.strides = operand.tensor.getStrides();
      if (op.isDpsInit(&use))
        operand.values = operand.tensor.mutableValues();
    }
  }

  /// A loop's size is that of any dim its index alone walks; all such dims must
  /// agree. Other subscripts are checked at each access.
  LogicalResult findLoopSizes() {
    sizes.assign(op.getNumLoops(), -1);
    for (auto [number, operand] : llvm::enumerate(operands)) {
      if (!operand.tensor)
        continue;
      for (auto [d, expr] : llvm::enumerate(operand.map.getResults())) {
        auto loop = dyn_cast<AffineDimExpr>(expr);
        if (!loop)
          continue;
        int64_t &size = sizes[loop.getPosition()];
        int64_t actual = operand.tensor.getDimSize(d);
        if (size >= 0 && size != actual)
          return op.emitOpError("operand ")
                 << number << " has " << actual << " elements along dim " << d
                 << " at run time where another operand has " << size;
        size = actual;
      }
    }
    if (llvm::is_contained(sizes, -1))
      return op.emitOpError("the reference evaluator needs an operand that "
                            "gives each loop its size");
    return success();
  }

  /// The linear index of an operand's element at a point.
  FailureOr<int64_t> locate(const Operand &operand, ArrayRef<int64_t> point) {
    int64_t linear = 0;
    for (auto [d, expr] : llvm::enumerate(operand.map.getResults())) {
      if (auto loop = dyn_cast<AffineDimExpr>(expr)) {
        linear += point[loop.getPosition()] * operand.strides[d];
        continue;
      }
      std::optional<int64_t> index = evaluateAffine(expr, point, {});
      if (!index || *index < 0 || *index >= operand.tensor.getDimSize(d))
        return op.emitOpError("accesses element ")
               << index.value_or(0) << " of dim " << d << ", which has "
               << operand.tensor.getDimSize(d);
      linear += *index * operand.strides[d];
    }
    return linear;
  }

  LogicalResult runPoint(ArrayRef<int64_t> point) {
    unsigned inputs = op.getNumDpsInputs();
    SmallVector<int64_t, 4> outputAt;
    for (auto [number, operand] : llvm::enumerate(operands)) {
      Scalar value = operand.scalar;
      if (operand.tensor) {
        FailureOr<int64_t> at = locate(operand, point);
        if (failed(at))
          return failure();
        value = operand.tensor.get(*at);
        if (number >= inputs)
          outputAt.push_back(*at);
      }
      // Some operations have no block argument for what they overwrite.
      if (number < region.getNumArguments())
        region.setScalar(number, value);
    }
    if (failed(region.run()))
      return failure();
    for (auto [r, at] : llvm::enumerate(outputAt))
      operands[inputs + r].values[at] = region.getScalar(r);
    return success();
  }

  LogicalResult runPoints() {
    if (llvm::is_contained(sizes, 0))
      return success();
    SmallVector<int64_t> point(sizes.size(), 0);
    ArrayRef<int64_t> outer = interpreter.linalgIndices;
    interpreter.linalgIndices = point;
    LogicalResult result = success();
    for (bool more = true; more && succeeded(result);) {
      result = runPoint(point);
      more = false;
      for (size_t d = sizes.size(); d-- > 0 && !more;) {
        more = ++point[d] < sizes[d];
        if (!more)
          point[d] = 0;
      }
    }
    interpreter.linalgIndices = outer;
    return result;
  }
};
} // namespace

LogicalResult reference::runLinalg(Interpreter &interpreter,
                                   const Instruction &ins) {
  return LinalgRunner(interpreter, ins).run();
}

static LogicalResult runIndex(Interpreter &interpreter,
                              const Instruction &ins) {
  uint64_t dim = cast<linalg::IndexOp>(ins.op).getDim();
  interpreter.scalar(ins.out[0]).i = interpreter.linalgIndices[dim];
  return success();
}

void reference::registerLinalgHandlers(HandlerTable &table) {
  table["linalg.index"] = runIndex;
}
