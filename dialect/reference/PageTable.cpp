// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Page tables, one row a batch or packed, and attn.append.

#include "dialect/reference/PageTable.h"
#include "dialect/Attn.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

LogicalResult PageTable::bind(Operation *op, Interpreter &interpreter,
                              Value pageOperand, Value indptrOperand,
                              int64_t batches, int64_t poolPages,
                              int64_t rowsOfPage) {
  pages = interpreter.tensor(pageOperand);
  pool = poolPages;
  pageSize = rowsOfPage;
  if (pageSize < 1)
    return op->emitOpError("a page needs a row at least");
  if (indptrOperand)
    indptr = interpreter.tensor(indptrOperand);
  if (indptr ? indptr.getNumElements() != batches + 1
             : pages.getDimSize(0) != batches)
    return op->emitOpError("pages do not fit: the table is ")
           << shapeText((indptr ? indptr : pages).getShape()) << " for "
           << batches << " batches";
  int64_t entries = pages.getDimSize(pages.getRank() - 1);
  if (llvm::MulOverflow(entries, pageSize, maxRows))
    return op->emitOpError("pages hold more rows than 64 bits count");
  return indptr ? checkIndptr(op) : success();
}

LogicalResult PageTable::checkIndptr(Operation *op) {
  int64_t previous = 0;
  for (int64_t b = 0, e = indptr.getNumElements(); b < e; ++b) {
    int64_t offset = indptr.getInt(b);
    if (offset < previous || offset > pages.getNumElements())
      return op->emitOpError("page_indptr ")
             << offset << " is out of range: it must lie between " << previous
             << " and " << pages.getNumElements();
    previous = offset;
  }
  return success();
}

int64_t PageTable::firstEntry(int64_t batch) const {
  return indptr ? indptr.getInt(batch) : batch * pages.getDimSize(1);
}

int64_t PageTable::getRows(int64_t batch) const {
  if (!indptr)
    return maxRows;
  return (indptr.getInt(batch + 1) - indptr.getInt(batch)) * pageSize;
}

std::optional<int64_t> PageTable::pageOf(int64_t batch, int64_t c) const {
  int64_t page = pages.getInt(firstEntry(batch) + c / pageSize);
  if (page < 0 || page >= pool)
    return std::nullopt;
  return page;
}

//===----------------------------------------------------------------------===//
// attn.append
//===----------------------------------------------------------------------===//

namespace {
class Appender {
public:
  Appender(Interpreter &interpreter, const Instruction &ins)
      : interpreter(interpreter), ins(ins), op(cast<AppendOp>(ins.op)) {}

  LogicalResult run();

private:
  Interpreter &interpreter;
  const Instruction &ins;
  AppendOp op;
  PageTable table;
  HostTensor rows, lengths, counts, result;
  int64_t batches = 1, heads = 1, n = 0, d = 0, capacity = 0;

  LogicalResult bind();
  LogicalResult appendBatch(int64_t batch);
  int64_t perBatch(const HostTensor &tensor, int64_t batch) {
    return tensor.getInt(tensor.getNumElements() == 1 ? 0 : batch);
  }
};
} // namespace

LogicalResult Appender::bind() {
  rows = interpreter.tensor(op.getRows());
  result = interpreter.take(op.getCache(), op);
  ArrayRef<int64_t> shape = rows.getShape(), cache = result.getShape();
  int64_t rank = rows.getRank();
  for (int64_t b = 0; b < op.getBatchRank(); ++b)
    batches *= shape[b];
  if (op.hasHeads())
    heads = shape[rank - 3];
  n = shape[rank - 2];
  d = shape[rank - 1];
  capacity = cache[rank - 2];
  for (int64_t i = op.getPages() ? 1 : 0; i < rank - 2; ++i)
    if (shape[i] != cache[i])
      return op.emitOpError("rows of ")
             << shapeText(shape) << " do not fit a cache of "
             << shapeText(cache);
  if (op.getPages() &&
      failed(table.bind(op, interpreter, op.getPages(), op.getPageIndptr(),
                        batches, cache[0], capacity)))
    return failure();
  lengths = interpreter.asTensor(op.getLengths());
  if (op.getRowLengths())
    counts = interpreter.asTensor(op.getRowLengths());
  for (const HostTensor *tensor : {&lengths, &counts})
    if (*tensor && tensor->getNumElements() != 1 &&
        tensor->getNumElements() != batches)
      return op.emitOpError("lengths of ") << shapeText(tensor->getShape())
                                           << " for " << batches << " batches";
  return success();
}

LogicalResult Appender::appendBatch(int64_t batch) {
  int64_t length = perBatch(lengths, batch);
  int64_t count = counts ? perBatch(counts, batch) : n;
  int64_t limit = table ? table.getRows(batch) : capacity;
  if (count < 0 || count > n || length < count || length > limit)
    return op.emitOpError("length ")
           << length << " with " << count
           << " new rows is out of range: the new rows are up to " << n
           << ", the cache holds " << limit;
  for (int64_t r = 0; r < count; ++r) {
    int64_t c = length - count + r, outer = batch;
    if (table) {
      std::optional<int64_t> page = table.pageOf(batch, c);
      if (!page) // the row has no place
        continue;
      outer = *page;
      c %= table.getPageSize();
    }
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t x = 0; x < d; ++x)
        result.mutableValues()[((outer * heads + h) * capacity + c) * d + x] =
            rows.get(((batch * heads + h) * n + r) * d + x);
  }
  return success();
}

LogicalResult Appender::run() {
  if (failed(bind()))
    return failure();
  for (int64_t batch = 0; batch < batches; ++batch)
    if (failed(appendBatch(batch)))
      return failure();
  return interpreter.setResult(ins, 0, std::move(result));
}

LogicalResult reference::runAppend(Interpreter &interpreter,
                                   const Instruction &ins) {
  return Appender(interpreter, ins).run();
}
