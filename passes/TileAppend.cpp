// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.append becomes a grid over batch, heads and runs of rows that lie
// together in the cache: rows of one page, or a fixed number of them. A run is
// one attn.rows inserted into the cache itself; one that has no place is empty.

#include "passes/TileAppend.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/FoldRegions.h"
#include "passes/IndexBuilder.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Rows of one workgroup where the cache is not paged.
constexpr int64_t kAppendedRows = 64;

class AppendTiler : private attnc::IndexBuilder {
public:
  AppendTiler(AppendOp op, OpBuilder &b)
      : IndexBuilder(b, op.getLoc()), op(op), batchRank(op.getBatchRank()),
        rank(op.getRowsType().getRank()) {}

  void run() {
    b.setInsertionPoint(op);
    createGrid();
    b.setInsertionPoint(forall.getTerminator());
    computeBatch();
    if (op.getPages())
      computePagedRun();
    else
      computeRun();
    insertRows(createRows());
    op.replaceAllUsesWith(forall.getResult(0));
    op.erase();
  }

private:
  AppendOp op;
  int64_t batchRank, rank;
  scf::ForallOp forall;
  SmallVector<Value> batch;
  Value number;              // of the run
  Value capacity, size;      // key rows of a batch; rows of the cache or page
  Value firstPage;           // of a packed table
  Value begin, count, isFit; // key row of the first new row; how many
  // The run: `rows` new rows from `first` on go to row `to` of the cache's
  // part `outer`, a page or a batch.
  Value first, rows, to, outer;

  OpFoldResult sizeOf(Value tensor, int64_t dim) {
    return tensor::getMixedSize(b, loc, tensor, dim);
  }
  Value asValue(OpFoldResult x) {
    return getValueOrCreateConstantIndexOp(b, loc, x);
  }
  Value checked(Value x, Value low, Value high, Status status) {
    return CheckedOp::create(b, loc, b.getIndexType(), x, low, high,
                             StatusAttr::get(b.getContext(), status));
  }

  void createGrid() {
    SmallVector<OpFoldResult> bounds;
    for (int64_t d = 0; d < rank - 2; ++d)
      bounds.push_back(sizeOf(op.getRows(), d));
    // Rows that begin inside a page touch one page more.
    AffineExpr n = b.getAffineSymbolExpr(0), s = b.getAffineSymbolExpr(1);
    bounds.push_back(affine::makeComposedFoldedAffineApply(
        b, loc, op.getPages() ? n.ceilDiv(s) + 1 : n.ceilDiv(kAppendedRows),
        op.getPages()
            ? SmallVector<OpFoldResult>{sizeOf(op.getRows(), rank - 2),
                                        sizeOf(op.getCache(), rank - 2)}
            : SmallVector<OpFoldResult>{sizeOf(op.getRows(), rank - 2)}));
    forall =
        scf::ForallOp::create(b, loc, bounds, ValueRange(op.getCache()),
                              getGridMapping(b.getContext(), bounds.size()));
  }

  void computeBatch() {
    SmallVector<Value> ivs = forall.getInductionVars();
    batch.assign(ivs.begin(), ivs.begin() + batchRank);
    number = ivs.back();
    size = asValue(sizeOf(op.getCache(), rank - 2));
    capacity = size;
    if (op.getPages())
      capacity = mul(pageEntries(), size);
    Value n = asValue(sizeOf(op.getRows(), rank - 2));
    count = n;
    if (op.getRowLengths())
      count = checked(attnc::perBatchValue(b, loc, op.getRowLengths(), batch),
                      idx(0), n, Status::Length);
    // With a length that does not fit no row is written: none has a place.
    Value length = attnc::perBatchValue(b, loc, op.getLengths(), batch);
    Value known = checked(length, count, max(capacity, count), Status::Length);
    isFit = both(cmp(arith::CmpIPredicate::eq, known, length),
                 cmp(arith::CmpIPredicate::sle, length, capacity));
    begin = sub(known, count);
  }

  /// Entries of the batch's part of the page table.
  Value pageEntries() {
    Value indptr = op.getPageIndptr();
    if (!indptr)
      return asValue(sizeOf(op.getPages(), 1));
    Value total = asValue(sizeOf(op.getPages(), 0));
    firstPage = checked(attnc::perBatchValue(b, loc, indptr, batch), idx(0),
                        total, Status::Index);
    Value next = add(batch[0], idx(1));
    Value end = checked(attnc::perBatchValue(b, loc, indptr, {next}), firstPage,
                        total, Status::Order);
    return sub(end, firstPage);
  }

  void computeRun() {
    first = min(mul(number, idx(kAppendedRows)), count);
    rows = min(sub(count, first), idx(kAppendedRows));
    rows = select(isFit, rows, idx(0));
    to = select(isFit, add(begin, first), idx(0));
  }

  /// The new rows in the `number`-th page that they touch.
  void computePagedRun() {
    auto divide = [&](Value x) {
      return b.createOrFold<arith::DivUIOp>(loc, x, size);
    };
    Value page = add(divide(begin), number);
    Value pageBegin = mul(page, size), end = add(begin, count);
    Value low = max(begin, pageBegin), high = min(end, add(pageBegin, size));
    Value any = both(isFit, cmp(arith::CmpIPredicate::slt, low, high));
    page = select(any, page, idx(0));
    if (firstPage)
      page = add(page, select(any, firstPage, idx(0)));
    SmallVector<Value> at{page};
    if (!firstPage)
      at = {batch[0], page};
    Value entry = tensor::ExtractOp::create(b, loc, op.getPages(), at);
    if (!entry.getType().isIndex())
      entry = arith::IndexCastOp::create(b, loc, b.getIndexType(), entry);
    entry = select(any, entry, idx(0));
    Value pool = asValue(sizeOf(op.getCache(), 0));
    outer =
        checked(entry, idx(0), max(sub(pool, idx(1)), idx(0)), Status::Page);
    any = both(any, both(cmp(arith::CmpIPredicate::eq, outer, entry),
                         cmp(arith::CmpIPredicate::slt, outer, pool)));
    first = select(any, sub(low, begin), idx(0));
    rows = select(any, sub(high, low), idx(0));
    to = select(any, sub(low, pageBegin), idx(0));
    outer = select(any, outer, idx(0));
  }

  Value createRows() {
    RankedTensorType type = op.getRowsType();
    int64_t length = type.getShape().back();
    auto tile =
        RowsOp::create(b, loc,
                       RankedTensorType::get({ShapedType::kDynamic, length},
                                             type.getElementType()),
                       first, rows);
    OpBuilder::InsertionGuard guard(b);
    Block *block = b.createBlock(&tile.getBody(), tile.getBody().end(),
                                 {b.getIndexType()}, {loc});
    SmallVector<Value> ivs = forall.getInductionVars();
    SmallVector<OpFoldResult> offsets(ivs.begin(), ivs.end() - 1);
    offsets.append({block->getArgument(0), b.getIndexAttr(0)});
    SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1)),
        strides(rank, b.getIndexAttr(1));
    sizes.back() = b.getIndexAttr(length);
    Value row = tensor::ExtractSliceOp::create(b, loc, op.getRows(), offsets,
                                               sizes, strides);
    YieldOp::create(b, loc, row);
    return tile.getTile();
  }

  void insertRows(Value tile) {
    SmallVector<Value> ivs = forall.getInductionVars();
    SmallVector<OpFoldResult> offsets(ivs.begin(), ivs.end() - 1);
    if (op.getPages())
      offsets[0] = outer;
    offsets.append({to, b.getIndexAttr(0)});
    SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1)),
        strides(rank, b.getIndexAttr(1));
    sizes[rank - 2] = rows;
    sizes.back() = b.getIndexAttr(op.getRowsType().getShape().back());
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(
        b, loc, tile, forall.getRegionIterArgs()[0], offsets, sizes, strides);
  }
};

/// Whether a value is a result of the function.
bool isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    auto cast = dyn_cast<tensor::CastOp>(user);
    return isa<func::ReturnOp>(user) || (cast && isReturned(cast));
  });
}

/// In place: the old cache is gone when the new one is there.
LogicalResult verifyInPlace(AppendOp op) {
  auto cache = dyn_cast<BlockArgument>(op.getCache());
  if (!cache || !isa<func::FuncOp>(cache.getOwner()->getParentOp()))
    return op.emitError("is not compiled: its cache is not an argument of the "
                        "function, so that it cannot be written in place");
  if (!cache.hasOneUse()) {
    InFlightDiagnostic diag = op.emitError(
        "is not compiled: it writes in place, and its cache is used elsewhere");
    for (Operation *user : cache.getUsers())
      if (user != op)
        diag.attachNote(user->getLoc()) << "here";
    return diag;
  }
  if (!isReturned(op.getResult()))
    return op.emitError("is not compiled: it writes into an argument, so its "
                        "result must be one of the function's");
  return success();
}
} // namespace

LogicalResult attnc::tileAppends(func::FuncOp func) {
  SmallVector<AppendOp> ops;
  func.walk([&](AppendOp op) { ops.push_back(op); });
  for (AppendOp op : ops)
    if (failed(verifyInPlace(op)))
      return failure();
  OpBuilder b(func.getContext());
  for (AppendOp op : ops)
    AppendTiler(op, b).run();
  return success();
}
