// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands of attn.attention at run time: sizes, lengths, positions, kept keys.

#include "dialect/reference/AttentionBinding.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

/// Positions stay below this, so that sums of a few of them fit 64 bits.
constexpr int64_t kMaxPosition = int64_t(1) << 61;

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

SmallVector<Value> AttentionBinding::getPairOperands(AttentionOp op) {
  SmallVector<Value> values;
  const Value clauses[] = {op.getPages(),   op.getPageIndptr(),
                           op.getLengths(), op.getQLengths(),
                           op.getQStart(),  op.getKStart()};
  for (Value value : clauses)
    if (value)
      values.push_back(value);
  llvm::append_range(values, op.getSetOperands());
  for (unsigned r = 0, e = op.getPredicates().size(); r < e; ++r)
    llvm::append_range(values, op.getRegionCaptures(2 + r));
  // Constants that predicates use without capturing them.
  for (Region &region : op.getPredicates())
    region.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (!region.isAncestor(operand.getParentRegion()))
          values.push_back(operand);
    });
  const Value rows[] = {op.getQuery(), op.getKey(), op.getValue()};
  for (Value value : rows)
    if (!cast<RankedTensorType>(value.getType()).hasStaticShape())
      values.push_back(value);
  return values;
}

FailureOr<std::unique_ptr<AttentionBinding>>
AttentionBinding::create(AttentionOp op, Interpreter &interpreter,
                         bool needsValues) {
  std::unique_ptr<AttentionBinding> binding(
      new AttentionBinding(op, interpreter));
  if (failed(binding->bindSizes(needsValues)) ||
      failed(binding->bindLengths()) || failed(binding->bindSets()))
    return failure();
  return binding;
}

LogicalResult AttentionBinding::bindSizes(bool needsValues) {
  auto shapeOf = [&](Value value) -> SmallVector<int64_t> {
    auto type = cast<RankedTensorType>(value.getType());
    if (!needsValues && type.hasStaticShape())
      return SmallVector<int64_t>(type.getShape());
    return SmallVector<int64_t>(interpreter.tensor(value).getShape());
  };
  SmallVector<int64_t> q = shapeOf(op.getQuery()), k = shapeOf(op.getKey()),
                       v = shapeOf(op.getValue());
  auto mismatch = [&](StringRef what) {
    return op.emitOpError()
           << what << ": q is " << shapeText(q) << ", k " << shapeText(k)
           << ", v " << shapeText(v) << " at run time";
  };
  size_t rank = q.size();
  sizes.batchShape.assign(q.begin(), q.begin() + op.getBatchRank());
  std::optional<int64_t> batches = HostTensor::countElements(sizes.batchShape);
  sizes.batches = *batches; // a part of q's own size
  sizes.n = q[rank - 2];
  sizes.m = k[rank - 2];
  sizes.d = q[rank - 1];
  sizes.dv = v[rank - 1];
  if (op.hasHeads()) {
    sizes.heads = q[rank - 3];
    sizes.keyHeads = k[rank - 3];
    if (v[rank - 3] != sizes.keyHeads || sizes.keyHeads == 0 ||
        sizes.heads % sizes.keyHeads != 0)
      return mismatch("key heads must be v's and divide query heads");
  }
  if (v[rank - 2] != sizes.m || k[rank - 1] != sizes.d)
    return mismatch("k and v must have one number of rows, q and k one head "
                    "size");
  if (op.getPages()) {
    if (k[0] != v[0])
      return mismatch("k and v must have one number of pages");
    if (failed(pages.bind(op, interpreter, op.getPages(), op.getPageIndptr(),
                          sizes.batches, k[0], sizes.m)))
      return failure();
    sizes.m = pages.getMaxRows();
  } else if (ArrayRef(q).take_front(op.getBatchRank()) !=
                 ArrayRef(k).take_front(op.getBatchRank()) ||
             ArrayRef(q).take_front(op.getBatchRank()) !=
                 ArrayRef(v).take_front(op.getBatchRank())) {
    return mismatch("batch dims differ");
  }
  return success();
}

/// The value for a batch of a per-batch operand.
static int64_t perBatch(const HostTensor &tensor, int64_t batch) {
  return tensor.getInt(tensor.getNumElements() == 1 ? 0 : batch);
}

LogicalResult AttentionBinding::bindLengths() {
  struct Entry {
    StringRef name;
    Value value;
    HostTensor &tensor;
  } entries[] = {{"lengths", op.getLengths(), lengths},
                 {"q_lengths", op.getQLengths(), queryLengths},
                 {"q_start", op.getQStart(), queryStart},
                 {"k_start", op.getKStart(), keyStart}};
  for (Entry &entry : entries) {
    if (!entry.value)
      continue;
    entry.tensor = interpreter.asTensor(entry.value);
    if (entry.tensor.getNumElements() != 1 &&
        entry.tensor.getShape() != ArrayRef<int64_t>(sizes.batchShape))
      return op.emitOpError() << entry.name << " has shape "
                              << shapeText(entry.tensor.getShape())
                              << " for batches " << shapeText(sizes.batchShape);
  }
  return success(succeeded(checkLengths()) && succeeded(checkPagedLengths()));
}

/// A packed page table bounds the length of each batch.
LogicalResult AttentionBinding::checkPagedLengths() {
  for (int64_t b = 0; pages && b < sizes.batches; ++b)
    if (perBatch(lengths, b) > pages.getRows(b))
      return op.emitOpError("lengths ")
             << perBatch(lengths, b) << " is out of range: the pages of batch "
             << b << " hold " << pages.getRows(b);
  return success();
}

LogicalResult AttentionBinding::checkLengths() {
  auto check = [&](StringRef name, const HostTensor &tensor, int64_t low,
                   int64_t high) -> LogicalResult {
    if (!tensor)
      return success();
    for (int64_t e = 0, count = tensor.getNumElements(); e < count; ++e)
      if (tensor.getInt(e) < low || tensor.getInt(e) > high)
        return op.emitOpError() << name << " " << tensor.getInt(e)
                                << " is out of range: it must lie between "
                                << low << " and " << high;
    return success();
  };
  return success(
      succeeded(check("lengths", lengths, 0, sizes.m)) &&
      succeeded(check("q_lengths", queryLengths, 0, sizes.n)) &&
      succeeded(check("q_start", queryStart, -kMaxPosition, kMaxPosition)) &&
      succeeded(check("k_start", keyStart, -kMaxPosition, kMaxPosition)));
}

LogicalResult AttentionBinding::bindSets() {
  context.batchRank = op.getBatchRank();
  context.batchShape = sizes.batchShape;
  context.heads = sizes.heads;
  context.queryRows = sizes.n;
  context.keyRows = sizes.m;
  for (Value operand : op.getSetOperands())
    context.operands.push_back(interpreter.asTensor(operand));
  for (Region &region : op.getPredicates())
    predicates.emplace_back(interpreter, region);
  context.predicate = [this](int64_t number, const PairContext &, int64_t i,
                             int64_t j) { return runPredicate(number, i, j); };
  std::optional<std::string> problem = checkOperands(op.getPairs(), context);
  if (PlanAttr attribute = op.getPlanAttr()) {
    plan.emplace(attribute, op);
    for (PairsAttr atom : attribute.getAtoms())
      if (!problem)
        problem = checkOperands(atom, context);
  }
  if (problem)
    return op.emitOpError() << *problem;
  return success();
}

//===----------------------------------------------------------------------===//
// Batches, heads, keys
//===----------------------------------------------------------------------===//

void AttentionBinding::setBatchAndHead(int64_t batch, int64_t head) {
  context.batch = batch;
  context.head = head;
  keyLength = lengths ? perBatch(lengths, batch) : sizes.m;
  queryLength = queryLengths ? perBatch(queryLengths, batch) : sizes.n;
  context.kBegin = keyStart ? perBatch(keyStart, batch) : 0;
  context.kEnd = context.kBegin + keyLength;
  // The last valid query sits on the last key, unless told otherwise.
  context.qBegin = queryStart               ? perBatch(queryStart, batch)
                   : op.getPositionsStart() ? 0
                                            : context.kEnd - queryLength;
  context.qEnd = context.qBegin + queryLength;
  if (!plan)
    return;
  SmallVector<int64_t> symbols{context.kBegin, context.kEnd, context.qBegin,
                               context.qEnd};
  for (int64_t operand : op.getPlanAttr().getParameters())
    symbols.push_back(paramValue(PairParam::operand(operand), context,
                                 PairScope::top(context)));
  plan->setSymbols(symbols);
}

bool AttentionBinding::hasPage(int64_t c) const {
  return !pages || pages.pageOf(context.batch, c);
}

int64_t AttentionBinding::keyOffset(int64_t keyHead, int64_t c,
                                    int64_t rowSize) const {
  int64_t outer = context.batch, row = c, rows = sizes.m;
  if (pages) { // of a key that has one
    outer = *pages.pageOf(context.batch, c);
    row = c % pages.getPageSize();
    rows = pages.getPageSize();
  }
  return ((outer * sizes.keyHeads + keyHead) * rows + row) * rowSize;
}

Intervals AttentionBinding::existingKeys() const {
  Intervals keys;
  int64_t run = pages ? pages.getPageSize() : std::max<int64_t>(keyLength, 1);
  for (int64_t c = 0; c < keyLength; c += run) {
    if (!hasPage(c))
      continue;
    int64_t begin = keyPosition(c),
            end = keyPosition(std::min(c + run, keyLength));
    if (!keys.empty() && keys.back().end == begin)
      keys.back().end = end;
    else
      keys.push_back({begin, end});
  }
  return keys;
}

/// The plan's values of the row at position i, appended to `symbols`.
LogicalResult AttentionBinding::rowValues(int64_t i,
                                          SmallVectorImpl<int64_t> &symbols) {
  for (ValueAttr value : op.getPlanAttr().getValues()) {
    SmallVector<int64_t> results;
    if (value.getMap())
      for (AffineExpr expr : value.getMap().getResults()) {
        std::optional<int64_t> x = evaluateAffine(expr, {i}, symbols);
        if (!x)
          return op.emitOpError("a value of the plan overflows or divides by a "
                                "number that is not positive");
        results.push_back(*x);
      }
    if (value.getKind() == ValueKind::Min)
      symbols.push_back(*llvm::min_element(results));
    else if (value.getKind() == ValueKind::Max)
      symbols.push_back(*llvm::max_element(results));
    else if (value.getKind() == ValueKind::Head)
      symbols.push_back(context.head);
    else
      symbols.push_back(readValue(value, results[0], context));
  }
  return success();
}

std::optional<bool> AttentionBinding::runPredicate(int64_t number, int64_t i,
                                                   int64_t j) {
  RegionRunner &region = predicates[number];
  region.setInt(0, context.batch);
  region.setInt(1, context.head);
  region.setInt(2, i);
  region.setInt(3, j);
  if (failed(region.run()))
    return std::nullopt;
  return region.getScalar(0).i != 0;
}

LogicalResult AttentionBinding::reportProblem() {
  if (context.problem)
    return op.emitOpError() << *context.problem;
  return failure(context.predicateFailed);
}

FailureOr<Intervals> AttentionBinding::keptIntervals(int64_t a) {
  Intervals keys;
  if (a < queryLength)
    keys = keysOf(op.getPairs(), context, position(a), existingKeys());
  if (failed(reportProblem()))
    return failure();
  return keys;
}

LogicalResult AttentionBinding::keptKeys(int64_t a, KeyRows &rows) {
  rows.clear();
  if (a >= queryLength)
    return success();
  if (plan) {
    auto test = [&](int64_t atom, int64_t i, int64_t j) -> std::optional<bool> {
      bool kept = contains(op.getPlanAttr().getAtoms()[atom], context, i, j);
      return context.failed() ? std::nullopt : std::optional<bool>(kept);
    };
    auto values = [&](SmallVectorImpl<int64_t> &symbols) {
      return rowValues(position(a), symbols);
    };
    if (failed(plan->keysOf(position(a), existingKeys(), rows, values, test)))
      return context.failed() ? reportProblem() : failure();
    for (int64_t &row : rows)
      row -= context.kBegin;
    return reportProblem();
  }
  FailureOr<Intervals> kept = keptIntervals(a);
  if (failed(kept))
    return failure();
  for (Interval interval : *kept)
    for (int64_t j = interval.begin; j < interval.end; ++j)
      rows.push_back(j - context.kBegin);
  return success();
}
