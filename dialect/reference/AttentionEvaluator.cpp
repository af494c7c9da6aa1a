// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention: operands, results, rows of the pairwise accumulators.

#include "dialect/reference/AttentionEvaluator.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

constexpr double kInf = std::numeric_limits<double>::infinity();

AttentionEvaluator::AttentionEvaluator(Interpreter &interpreter,
                                       const Instruction &ins)
    : interpreter(interpreter), ins(ins), op(cast<AttentionOp>(ins.op)),
      math(FoldMath::get(op.getQueryType().getElementType(),
                         interpreter.getOptions().precision)),
      kernel(op.getAccumulator()) {}

//===----------------------------------------------------------------------===//
// Operands and results
//===----------------------------------------------------------------------===//

LogicalResult AttentionEvaluator::checkShape(StringRef name,
                                             const HostTensor &tensor,
                                             ArrayRef<int64_t> shape) {
  if (tensor.getShape() == shape)
    return success();
  return op.emitOpError() << name << " has shape "
                          << shapeText(tensor.getShape())
                          << " at run time, expected " << shapeText(shape);
}

/// [batch..., heads, tail...] as the operation's rank has it.
static SmallVector<int64_t>
withLead(AttentionOp op, const AttentionSizes &sizes, ArrayRef<int64_t> tail) {
  SmallVector<int64_t> shape(sizes.batchShape);
  if (op.hasHeads())
    shape.push_back(sizes.heads);
  llvm::append_range(shape, tail);
  return shape;
}

LogicalResult AttentionEvaluator::bindOperands() {
  FailureOr<std::unique_ptr<AttentionBinding>> bound =
      AttentionBinding::create(op, interpreter, /*needsValues=*/true);
  if (failed(bound))
    return failure();
  binding = std::move(*bound);
  sizes = binding->getSizes();
  q = interpreter.tensor(op.getQuery());
  k = interpreter.tensor(op.getKey());
  v = interpreter.tensor(op.getValue());
  scale = op.getScaleValue();
  if (auto softmax = dyn_cast<SoftmaxAttr>(kernel))
    if (softmax.getSoftcap())
      softcap = softmax.getSoftcap().getValueAsDouble();
  if (!op.getScoreMod().empty())
    scoreMod.emplace(interpreter, op.getScoreMod());
  if (!op.getProbMod().empty())
    probMod.emplace(interpreter, op.getProbMod());
  out.resize(sizes.dv);
  if (op.getBias()) {
    bias = interpreter.tensor(op.getBias());
    SmallVector<int64_t> whole = withLead(op, sizes, {sizes.n, sizes.m});
    for (auto [size, full] :
         llvm::zip(llvm::reverse(bias.getShape()), llvm::reverse(whole)))
      if (size != 1 && size != full)
        return op.emitOpError("bias of shape ")
               << shapeText(bias.getShape()) << " does not broadcast to "
               << shapeText(whole);
  }
  if (op.getSink()) {
    sink = interpreter.tensor(op.getSink());
    if (failed(checkShape("sink", sink, {sizes.heads})))
      return failure();
  }
  if (op.getState()) {
    state = interpreter.tensor(op.getState());
    if (failed(checkShape("state", state,
                          withLead(op, sizes, {sizes.d, sizes.dv}))))
      return failure();
  }
  if (!op.getDecay())
    return success();
  decay = interpreter.tensor(op.getDecay());
  SmallVector<int64_t> perKey = withLead(op, sizes, {sizes.m});
  if (decay.getShape() == ArrayRef<int64_t>{sizes.heads} ||
      decay.getShape() == ArrayRef<int64_t>(perKey))
    return success();
  return checkShape("decay", decay, withLead(op, sizes, {sizes.m, sizes.d}));
}

HostTensor *AttentionEvaluator::optionalResult(ResultKind kind) {
  switch (kind) {
  case ResultKind::State:
    return &results.state;
  case ResultKind::Lse:
    return &results.lse;
  case ResultKind::Scores:
    return &results.scores;
  case ResultKind::Probs:
    return &results.probs;
  case ResultKind::ColumnSums:
    return &results.columnSums;
  case ResultKind::Statistics:
    return &results.statistics;
  }
  llvm_unreachable("every kind has a result");
}

static SmallVector<int64_t> resultTail(ResultKind kind,
                                       const AttentionSizes &sizes) {
  switch (kind) {
  case ResultKind::State:
    return {sizes.d, sizes.dv};
  case ResultKind::Lse:
    return {sizes.n};
  case ResultKind::Scores:
  case ResultKind::Probs:
    return {sizes.n, sizes.m};
  case ResultKind::ColumnSums:
    return {sizes.m};
  case ResultKind::Statistics:
    return {sizes.n, 5};
  }
  llvm_unreachable("every kind has a shape");
}

LogicalResult AttentionEvaluator::allocateResults() {
  auto allocate = [&](unsigned number, ArrayRef<int64_t> tail,
                      HostTensor &to) -> LogicalResult {
    auto type = cast<RankedTensorType>(op.getResult(number).getType());
    FailureOr<HostTensor> tensor = interpreter.allocate(
        op.getLoc(), type.getElementType(), withLead(op, sizes, tail));
    if (failed(tensor))
      return failure();
    to = std::move(*tensor);
    return success();
  };
  if (failed(allocate(0, {sizes.n, sizes.dv}, output)))
    return failure();
  for (auto [r, kind] : llvm::enumerate(op.getReturnKinds()))
    if (failed(allocate(r + 1, resultTail(kind, sizes), *optionalResult(kind))))
      return failure();
  // What no kept pair writes: zeros, but -inf for logarithms and scores.
  for (HostTensor *tensor : {&results.lse, &results.scores})
    if (*tensor)
      for (Scalar &value : tensor->mutableValues())
        value.f = -kInf;
  return success();
}

LogicalResult AttentionEvaluator::finish() {
  SmallVector<HostTensor *> all{&output};
  for (ResultKind kind : op.getReturnKinds())
    all.push_back(optionalResult(kind));
  for (auto [r, tensor] : llvm::enumerate(all)) {
    if (interpreter.roundsOperations())
      for (Scalar &value : tensor->mutableValues())
        value.f = roundToType(value.f, tensor->getElementType());
    if (failed(interpreter.setResult(ins, r, std::move(*tensor))))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

LogicalResult AttentionEvaluator::run() {
  if (failed(bindOperands()) || failed(allocateResults()))
    return failure();
  for (batch = 0; batch < sizes.batches; ++batch)
    for (head = 0; head < sizes.heads; ++head) {
      binding->setBatchAndHead(batch, head);
      for (row = 0; row < sizes.n; ++row)
        if (failed(runRow()))
          return failure();
      if (results.state)
        computeState();
    }
  return finish();
}

LogicalResult AttentionEvaluator::runRow() {
  if (failed(binding->keptKeys(row, keys)))
    return failure();
  if (keys.empty())
    return success();
  return isa<LinearAttr>(kernel) ? runLinearRow() : runPairRow();
}

double AttentionEvaluator::biasAt(int64_t c) const {
  ArrayRef<int64_t> shape = bias.getShape();
  int64_t index = 0, stride = 1, rest = batch;
  // From the right: key, query, head, then the digits of the batch.
  for (int64_t fromRight = 0, rank = shape.size(); fromRight < rank;
       ++fromRight) {
    int64_t size = shape[rank - 1 - fromRight], digit;
    if (fromRight == 0) {
      digit = c;
    } else if (fromRight == 1) {
      digit = row;
    } else if (fromRight == 2) {
      digit = head;
    } else {
      int64_t whole = sizes.batchShape[sizes.batchShape.size() - fromRight + 2];
      digit = rest % whole;
      rest /= whole;
    }
    index += size == 1 ? 0 : digit * stride;
    stride *= size;
  }
  return bias.getFloat(index);
}

FailureOr<double> AttentionEvaluator::modify(RegionRunner &region, double x,
                                             int64_t c) {
  region.setScalar(0, floatScalar(x));
  region.setInt(1, batch);
  region.setInt(2, head);
  region.setInt(3, binding->position(row));
  region.setInt(4, binding->keyPosition(c));
  if (failed(region.run()))
    return failure();
  return math.toOperand(region.getScalar(0).f);
}

FailureOr<double> AttentionEvaluator::score(int64_t c) {
  double s = math.dot(queryRow(), keyRow(c), sizes.d);
  s = math.toOperand(s * math.toSum(scale));
  if (softcap != 0) {
    s = math.toOperand(std::tanh(math.toOperand(s / softcap)));
    s = math.toOperand(s * softcap);
  }
  if (bias)
    s = math.toOperand(s + biasAt(c));
  if (scoreMod)
    return modify(*scoreMod, s, c);
  return s;
}

LogicalResult AttentionEvaluator::runPairRow() {
  SmallVector<double> scores;
  for (int64_t c : keys) {
    FailureOr<double> s = score(c);
    if (failed(s))
      return failure();
    scores.push_back(*s);
  }
  std::optional<double> sinkLogit;
  if (sink)
    sinkLogit = math.toOperand(sink.getFloat(head));
  RowWeights row = computeWeights(kernel, math, scores, sinkLogit);
  storeRow(row, scores);
  // A row whose scores are all -inf keeps nothing, as a row without pairs.
  if (isa<SoftmaxAttr>(kernel) && row.lse == -kInf)
    return success();
  if (probMod)
    for (auto [weight, c] : llvm::zip(row.weights, keys)) {
      FailureOr<double> modified = modify(*probMod, weight, c);
      if (failed(modified))
        return failure();
      weight = *modified;
    }
  combineValues(
      math, row.weights, [&](size_t n) { return valueRow(keys[n]); }, out);
  MutableArrayRef<Scalar> values =
      output.mutableValues().slice(queryOffset() * sizes.dv, sizes.dv);
  for (auto [to, from] : llvm::zip(values, out))
    to.f = from;
  return success();
}

/// The optional results that speak of this row, before prob_mod.
void AttentionEvaluator::storeRow(const RowWeights &weights,
                                  ArrayRef<double> scores) {
  int64_t at = queryOffset();
  if (results.lse)
    results.lse.mutableValues()[at].f = weights.lse;
  for (auto [n, c] : llvm::enumerate(keys)) {
    if (results.scores)
      results.scores.mutableValues()[at * sizes.m + c].f = scores[n];
    if (results.probs)
      results.probs.mutableValues()[at * sizes.m + c].f = weights.weights[n];
    if (!results.columnSums)
      continue;
    double &sum =
        results.columnSums
            .mutableValues()[(batch * sizes.heads + head) * sizes.m + c]
            .f;
    sum = math.toSum(sum + weights.weights[n]);
  }
  if (!results.statistics)
    return;
  std::array<double, 5> statistics =
      computeStatistics(math, weights.weights, keys, binding->position(row),
                        binding->keyPosition(0));
  for (auto [n, value] : llvm::enumerate(statistics))
    results.statistics.mutableValues()[at * 5 + n].f = value;
}

LogicalResult reference::runAttention(Interpreter &interpreter,
                                      const Instruction &ins) {
  return AttentionEvaluator(interpreter, ins).run();
}
