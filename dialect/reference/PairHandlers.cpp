// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What regions of a fold ask of set operands: attn.segment, attn.listed and the
// pseudo-random keys.

#include "dialect/reference/Interpreter.h"
#include "dialect/reference/PairSetSemantics.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

/// The last dim of a tensor at the indices before it.
static FailureOr<OperandView> viewOf(Interpreter &interpreter, Operation *op,
                                     Value tensor, OperandRange lead) {
  OperandView view{&interpreter.tensor(tensor), 0, {}};
  ArrayRef<int64_t> shape = view.tensor->getShape();
  for (auto [d, value] : llvm::enumerate(lead)) {
    int64_t index = interpreter.getInt(value);
    if (index < 0 || index >= shape[d])
      return op->emitOpError("index ")
             << index << " is out of bounds of dim " << d << ", which has "
             << shape[d] << " elements";
    view.base = view.base * shape[d] + index;
  }
  view.base *= shape.back();
  view.tail = shape.take_back(1);
  return view;
}

static LogicalResult runSegment(Interpreter &interpreter,
                                const Instruction &ins) {
  auto op = cast<SegmentOp>(ins.op);
  FailureOr<OperandView> cu =
      viewOf(interpreter, op, op.getBoundaries(), op.getLead());
  if (failed(cu))
    return failure();
  std::optional<int64_t> d = documentOf(*cu, interpreter.getInt(op.getX()));
  int64_t results[] = {-1, 0, 0};
  if (d) {
    results[0] = *d;
    results[1] = cu->get(*d);
    results[2] = cu->get(*d + 1);
  }
  for (auto [slot, result] : llvm::zip_equal(ins.out, results))
    interpreter.scalar(slot).i = result;
  return success();
}

/// A kernel would go on and report; evaluation stops.
static LogicalResult runCheckOrder(Interpreter &interpreter,
                                   const Instruction &ins) {
  auto op = cast<CheckOrderOp>(ins.op);
  if (!interpreter.getInt(op.getWhen()))
    return success();
  FailureOr<OperandView> offsets =
      viewOf(interpreter, op, op.getOffsets(), op.getLead());
  if (failed(offsets))
    return failure();
  for (int64_t t = 1; t < offsets->size(); ++t)
    if (offsets->get(t) < offsets->get(t - 1))
      return op.emitOpError("offsets decrease, from ")
             << offsets->get(t - 1) << " to " << offsets->get(t);
  return success();
}

static LogicalResult runListed(Interpreter &interpreter,
                               const Instruction &ins) {
  auto op = cast<ListedOp>(ins.op);
  FailureOr<OperandView> list =
      viewOf(interpreter, op, op.getList(), op.getLead());
  if (failed(list))
    return failure();
  int64_t begin = std::max<int64_t>(interpreter.getInt(op.getBegin()), 0);
  int64_t end = std::min(interpreter.getInt(op.getEnd()), list->size());
  bool found = false;
  for (int64_t t = begin; t < end && !found; ++t)
    found = list->get(t) == interpreter.getInt(op.getX());
  interpreter.scalar(ins.out[0]).i = found;
  return success();
}

static LogicalResult runRandomKey(Interpreter &interpreter,
                                  const Instruction &ins) {
  auto op = cast<RandomKeyOp>(ins.op);
  int64_t begin = interpreter.getInt(op.getBegin());
  int64_t end = interpreter.getInt(op.getEnd());
  int64_t key = begin - 1;
  if (begin < end)
    key = randomKey(op.getSeed(), interpreter.getInt(op.getHead()),
                    interpreter.getInt(op.getI()),
                    interpreter.getInt(op.getT()), begin, end);
  interpreter.scalar(ins.out[0]).i = key;
  return success();
}

static LogicalResult runIsRandomKey(Interpreter &interpreter,
                                    const Instruction &ins) {
  auto op = cast<IsRandomKeyOp>(ins.op);
  int64_t begin = interpreter.getInt(op.getBegin());
  int64_t end = interpreter.getInt(op.getEnd());
  bool found = false;
  for (int64_t t = 0, count = begin < end ? op.getCount() : 0;
       t < count && !found; ++t)
    found = interpreter.getInt(op.getJ()) ==
            randomKey(op.getSeed(), interpreter.getInt(op.getHead()),
                      interpreter.getInt(op.getI()), t, begin, end);
  interpreter.scalar(ins.out[0]).i = found;
  return success();
}

void reference::registerPairHandlers(HandlerTable &table) {
  table["attn.check_order"] = runCheckOrder;
  table["attn.segment"] = runSegment;
  table["attn.listed"] = runListed;
  table["attn.random_key"] = runRandomKey;
  table["attn.is_random_key"] = runIsRandomKey;
}
