// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-tile: attn.attention becomes a grid (scf.forall) of query tiles, each
// one attn.fold whose loaders read the whole operands.

#include "dialect/Attn.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"
#include "passes/FoldRegions.h"
#include "passes/LaunchConstraints.h"
#include "passes/LaunchGroups.h"
#include "passes/OrderChecks.h"
#include "passes/Passes.h"
#include "passes/TileAppend.h"

namespace attnc {
#define GEN_PASS_DEF_TILEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

namespace {
class Tiler {
public:
  Tiler(AttentionOp op, bool countsPairs)
      : op(op), b(op), loc(op.getLoc()), batchRank(op.getBatchRank()),
        rank(op.getQueryType().getRank()), countsPairs(countsPairs) {}

  /// Replaces the operation; appends the counts of pairs that launches make.
  void run(SmallVectorImpl<Value> &pairCounts) {
    attnc::FoldState state;
    // Counts are of a row, whose keys then stay together: splits share them out
    // and compute the same ones.
    SmallVector<attnc::LaunchGroup> groups = attnc::groupLaunches(
        op.getPlanAttr(), op.getScheduleAttr(), /*mayNotSplit=*/countsPairs);
    for (auto [n, next] : llvm::enumerate(groups)) {
      group = next;
      isLast = n + 1 == groups.size();
      b.setInsertionPoint(op);
      createGrid();
      b.setInsertionPoint(forall.getTerminator());
      computeTileScalars();
      if (!group.merges)
        attnc::createOrderChecks(b, op, group.plan,
                                 {batch, head, group.schedule.getHeads(), row});
      createInsertions(createFold(state));
      state = {forall.getResult(0),
               isLast ? Value() : Value(forall.getResult(1))};
      if (countsPairs)
        pairCounts.push_back(forall.getResults().back());
    }
    op->replaceAllUsesWith(forall.getResults().take_front(op->getNumResults()));
    op->erase();
  }

private:
  AttentionOp op;
  OpBuilder b;
  Location loc;
  int64_t batchRank, rank;
  bool countsPairs;
  attnc::LaunchGroup group; // the launch at hand
  bool isLast = false;
  scf::ForallOp forall;
  SmallVector<Value> batch; // grid indices of the batch dims
  Value head, keyHead;      // first query head of the tile, its key head
  int64_t tileKeyHeads = 1;
  Value row, rows, keys;
  Value splitNumber, firstKey;          // of the split; null: all keys
  Value keyRows;                        // of the operands, for this batch
  Value pageSize, pageCount, firstPage; // null: not paged; not packed
  SmallVector<Value> symbols;

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value asValue(OpFoldResult x) {
    return getValueOrCreateConstantIndexOp(b, loc, x);
  }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
  }
  OpFoldResult sizeOf(Value tensor, int64_t dim) {
    return tensor::getMixedSize(b, loc, tensor, dim);
  }
  Value perBatch(Value operand) {
    return attnc::perBatchValue(b, loc, operand, batch);
  }
  bool hasLse() {
    return isLast && llvm::is_contained(op.getReturnKinds(), ResultKind::Lse);
  }

  /// Query rows of a tile: whole runs.
  int64_t tileRows() {
    return group.schedule.getQueryTile() / group.run * group.run;
  }

  /// The grid: batch dims, groups of heads, classes of a lattice or strips of a
  /// grid, tiles of query rows, splits of the keys.
  void createGrid() {
    SmallVector<OpFoldResult> bounds;
    for (int64_t d = 0; d < batchRank; ++d)
      bounds.push_back(sizeOf(op.getQuery(), d));
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    if (op.hasHeads())
      bounds.push_back(apply(s0.floorDiv(group.schedule.getHeads()),
                             sizeOf(op.getQuery(), rank - 3)));
    if (group.step != 1)
      bounds.push_back(b.getIndexAttr(group.step / group.run));
    AffineExpr perClass = s0.ceilDiv(group.step);
    bounds.push_back(apply(perClass.ceilDiv(tileRows() / group.run),
                           sizeOf(op.getQuery(), rank - 2)));
    if (group.split)
      bounds.push_back(splits());
    SmallVector<Value> outs = createOutputs();
    forall = scf::ForallOp::create(b, loc, bounds, outs,
                                   getGridMapping(b.getContext(), bounds.size(),
                                                  group.schedule.getOrder()));
  }

  /// How many parts of `split` keys the key operand has.
  OpFoldResult splits() {
    AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
    OpFoldResult rows = sizeOf(op.getKey(), rank - 2);
    // Of a packed page table any batch may have all entries.
    if (op.getPages())
      rows = apply(s0 * s1,
                   {rows, sizeOf(op.getPages(), op.getPageIndptr() ? 0 : 1)});
    return apply(s0.ceilDiv(group.split), {rows});
  }

  SmallVector<Value> createOutputs() {
    SmallVector<OpFoldResult> lead, rowDims, stateDims;
    if (group.split)
      lead.push_back(splits());
    for (int64_t d = 0; d < rank - 1; ++d)
      lead.push_back(sizeOf(op.getQuery(), d));
    rowDims = stateDims = lead;
    rowDims.push_back(b.getIndexAttr(op.getValueDim()));
    stateDims.push_back(b.getIndexAttr(2));
    SmallVector<Value> outs;
    if (isLast) {
      outs.push_back(emptyLike(rowDims, op.getOutputType()));
      if (hasLse())
        outs.push_back(
            emptyLike(lead, cast<RankedTensorType>(op.getResult(1).getType())));
    } else {
      Type ct = op.getComputeType();
      outs.push_back(tensor::EmptyOp::create(b, loc, rowDims, ct));
      outs.push_back(tensor::EmptyOp::create(b, loc, stateDims, ct));
    }
    if (countsPairs)
      outs.push_back(tensor::EmptyOp::create(b, loc, lead, b.getI64Type()));
    return outs;
  }

  /// A new tensor of `type`; a result type that is more dynamic than the sizes
  /// is reached by a cast.
  Value emptyLike(ArrayRef<OpFoldResult> sizes, RankedTensorType type) {
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
    if (empty.getType() != type)
      empty = tensor::CastOp::create(b, loc, type, empty);
    return empty;
  }

  /// A length from memory, kept within [0, limit]: the tile never reads past
  /// an operand, whatever the memory holds.
  Value length(Value operand, Value limit) {
    if (!operand)
      return limit;
    return checked(perBatch(operand), index(0), limit, Status::Length);
  }
  /// A parameter, within what positions reach: sums stay within 64 bits.
  Value parameter(Value operand) {
    constexpr int64_t kLimit = int64_t(1) << 60;
    Value x = arith::MinSIOp::create(b, loc, perBatch(operand), index(kLimit));
    return arith::MaxSIOp::create(b, loc, x, index(-kLimit));
  }

  void computeTileScalars() {
    SmallVector<Value> ivs = forall.getInductionVars();
    splitNumber = group.split ? ivs.pop_back_val() : Value();
    batch.assign(ivs.begin(), ivs.begin() + batchRank);
    Value headTile = op.hasHeads() ? ivs[batchRank] : Value();
    OpFoldResult n = sizeOf(op.getQuery(), rank - 2);
    computeRows(asValue(n), ivs);
    computeHeads(headTile);
    computeKeyRows();
    keys = length(op.getLengths(), keyRows);
    Value queries = length(op.getQLengths(), asValue(n));
    Value kBegin = op.getKStart() ? perBatch(op.getKStart()) : index(0);
    Value kEnd = arith::AddIOp::create(b, loc, kBegin, keys);
    Value qBegin;
    if (op.getQStart())
      qBegin = perBatch(op.getQStart());
    else if (op.getPositionsStart())
      qBegin = index(0);
    else // the last query sits on the last key
      qBegin = arith::SubIOp::create(b, loc, kEnd, queries);
    Value qEnd = arith::AddIOp::create(b, loc, qBegin, queries);
    symbols = {kBegin, kEnd, qBegin, qEnd};
    for (int64_t n : group.plan.getParameters())
      symbols.push_back(parameter(op.getSetOperands()[n]));
    firstKey = Value();
    if (splitNumber)
      takeSplit();
  }

  /// Leaves the keys of one split: those behind the last key are none.
  void takeSplit() {
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    firstKey = asValue(apply(s0 * group.split, {splitNumber}));
    Value end = asValue(apply((s0 + 1) * group.split, {splitNumber}));
    firstKey = arith::MinSIOp::create(b, loc, firstKey, keys);
    keys = arith::MinSIOp::create(b, loc, end, keys);
  }

  Value checked(Value x, Value low, Value high, Status status) {
    return CheckedOp::create(b, loc, b.getIndexType(), x, low, high,
                             StatusAttr::get(b.getContext(), status));
  }

  /// Key rows that the operands hold: of a page table, what its entries name.
  void computeKeyRows() {
    keyRows = asValue(sizeOf(op.getKey(), rank - 2));
    if (!op.getPages())
      return;
    pageSize = keyRows;
    pageCount = asValue(sizeOf(op.getKey(), 0));
    Value entries;
    if (Value indptr = op.getPageIndptr()) {
      Value total = asValue(sizeOf(op.getPages(), 0));
      Value next = arith::AddIOp::create(b, loc, batch[0], index(1));
      firstPage = checked(attnc::perBatchValue(b, loc, indptr, batch), index(0),
                          total, Status::Index);
      Value end = checked(attnc::perBatchValue(b, loc, indptr, {next}),
                          firstPage, total, Status::Order);
      entries = arith::SubIOp::create(b, loc, end, firstPage);
    } else {
      entries = asValue(sizeOf(op.getPages(), 1));
    }
    keyRows = arith::MulIOp::create(b, loc, entries, pageSize);
  }

  /// Rows of the tile: contiguous, or the run of rows at every step-th from one
  /// of the first `step` rows on.
  void computeRows(Value n, ArrayRef<Value> ivs) {
    AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
    int64_t tile = tileRows(), run = group.run, step = group.step;
    if (step == 1) {
      row = asValue(apply(s0 * tile, {ivs.back()}));
      rows = arith::SubIOp::create(b, loc, n, row);
    } else {
      row = asValue(apply(s0 * (tile / run * step) + s1 * run,
                          {ivs.back(), ivs[ivs.size() - 2]}));
      // The last classes of few rows are empty.
      row = arith::MinSIOp::create(b, loc, row, n);
      Value left = arith::SubIOp::create(b, loc, n, row);
      rows = asValue(apply(s0.floorDiv(step) * run, {left}));
      Value rest = arith::MinSIOp::create(
          b, loc, asValue(apply(s0 % step, {left})), index(run));
      rows = arith::AddIOp::create(b, loc, rows, rest);
    }
    rows = arith::MinSIOp::create(b, loc, rows, index(tile));
  }

  void computeHeads(Value headTile) {
    if (!headTile) {
      head = keyHead = index(0);
      return;
    }
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    head = asValue(apply(s0 * group.schedule.getHeads(), {headTile}));
    int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
    Value shared; // query heads of a key head
    if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads)) {
      shared = index(heads / keyHeads);
      tileKeyHeads =
          std::max<int64_t>(group.schedule.getHeads() / (heads / keyHeads), 1);
    } else
      shared = arith::DivUIOp::create(b, loc,
                                      asValue(sizeOf(op.getQuery(), rank - 3)),
                                      asValue(sizeOf(op.getKey(), rank - 3)));
    keyHead = arith::DivUIOp::create(b, loc, head, shared);
  }

  FoldOp createFold(attnc::FoldState state) {
    if (group.merges) // the splits that have keys
      state.splits = asValue(
          apply(b.getAffineSymbolExpr(0).ceilDiv(group.merges), {keys}));
    int64_t heads = group.schedule.getHeads(), dv = op.getValueDim();
    constexpr int64_t any = ShapedType::kDynamic;
    Type ct = op.getComputeType(), secondType, pairsType;
    Type element = isLast ? op.getOutputType().getElementType() : ct;
    if (!isLast)
      secondType = RankedTensorType::get({heads, any, 2}, ct);
    else if (hasLse())
      secondType = RankedTensorType::get({heads, any}, b.getF32Type());
    if (countsPairs)
      pairsType = RankedTensorType::get({heads, any}, b.getI64Type());
    auto fold = FoldOp::create(
        b, loc, RankedTensorType::get({heads, any, dv}, element), secondType,
        pairsType, head, row, rows, keys, firstKey, state.splits, pageSize,
        pageCount, tileKeyHeads > 1 ? keyHead : Value(), symbols, group.plan,
        op.getAccumulator(), b.getF64FloatAttr(op.getScaleValue()),
        group.schedule, b.getI64IntegerAttr(group.step),
        b.getI64IntegerAttr(group.run), isLast ? UnitAttr() : b.getUnitAttr(),
        b.getI64IntegerAttr(tileKeyHeads));
    attnc::FoldRegions(op, b,
                       {batch, tileKeyHeads > 1 ? Value() : keyHead, keyRows,
                        firstPage, symbols})
        .create(fold, state);
    return fold;
  }

  /// Writes the tile into the results at [batch..., head.., row.., :].
  void createInsertions(FoldOp fold) {
    SmallVector<OpFoldResult> offsets;
    if (splitNumber)
      offsets.push_back(splitNumber);
    llvm::append_range(offsets, batch);
    SmallVector<OpFoldResult> sizes(offsets.size(), b.getIndexAttr(1));
    if (op.hasHeads()) {
      offsets.push_back(head);
      sizes.push_back(b.getIndexAttr(group.schedule.getHeads()));
    }
    offsets.push_back(row);
    sizes.push_back(rows);
    SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
    strides.back() = b.getIndexAttr(group.step);
    for (auto [value, out] :
         llvm::zip(fold.getResults(), forall.getRegionIterArgs())) {
      Value source = value;
      auto type = cast<RankedTensorType>(source.getType());
      SmallVector<OpFoldResult> o(offsets), s(sizes), t(strides);
      if (type.getRank() == 3) {
        o.push_back(b.getIndexAttr(0));
        s.push_back(b.getIndexAttr(type.getShape().back()));
        t.push_back(b.getIndexAttr(1));
      }
      if (!op.hasHeads()) {
        SmallVector<ReassociationIndices> groups{{0, 1}};
        if (type.getRank() == 3)
          groups.push_back({2});
        source = tensor::CollapseShapeOp::create(b, loc, source, groups);
      }
      insert(source, out, o, s, t);
    }
  }

  void insert(Value source, Value out, ArrayRef<OpFoldResult> offsets,
              ArrayRef<OpFoldResult> sizes, ArrayRef<OpFoldResult> strides) {
    if (group.run == 1)
      return insertSlice(source, out, offsets, sizes, strides);
    // The first rows of all runs, their second rows, ...: each is a slice.
    int64_t dim = rank - 2, sourceDim = op.hasHeads() ? 1 : 0;
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    Value n = asValue(sizeOf(op.getQuery(), rank - 2));
    auto type = cast<RankedTensorType>(source.getType());
    for (int64_t u = 0; u < group.run; ++u) {
      OpFoldResult count = apply((s0 - u).ceilDiv(group.run), {rows});
      SmallVector<OpFoldResult> from(type.getRank(), b.getIndexAttr(0)),
          fromSizes = tensor::getMixedSizes(b, loc, source),
          fromStrides(type.getRank(), b.getIndexAttr(1));
      Value skipped = index(u);
      from[sourceDim] =
          arith::MinSIOp::create(b, loc, skipped, rows).getResult();
      fromSizes[sourceDim] = count;
      fromStrides[sourceDim] = b.getIndexAttr(group.run);
      Value part = tensor::ExtractSliceOp::create(b, loc, source, from,
                                                  fromSizes, fromStrides);
      SmallVector<OpFoldResult> to(offsets), toSizes(sizes);
      if (u > 0) { // the first begins where the tile does
        Value at = arith::AddIOp::create(b, loc, row, skipped);
        to[dim] = arith::MinSIOp::create(b, loc, at, n).getResult();
      }
      toSizes[dim] = count;
      insertSlice(part, out, to, toSizes, strides);
    }
  }

  void insertSlice(Value source, Value out, ArrayRef<OpFoldResult> offsets,
                   ArrayRef<OpFoldResult> sizes,
                   ArrayRef<OpFoldResult> strides) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, source, out, offsets, sizes,
                                          strides);
  }
};

/// Returns the counts of pairs as further results of the function.
LogicalResult returnCounts(func::FuncOp func, ArrayRef<Value> counts) {
  Operation *terminator = func.front().getTerminator();
  Builder b(func.getContext());
  for (auto [n, count] : llvm::enumerate(counts)) {
    StringAttr name = b.getStringAttr("pairs" + std::to_string(n));
    if (failed(func.insertResult(
            func.getNumResults(), count.getType(),
            b.getDictionaryAttr(b.getNamedAttr("attn.name", name)))))
      return failure();
    terminator->insertOperands(terminator->getNumOperands(), count);
  }
  return success();
}

struct TilePass : public attnc::impl::TilePassBase<TilePass> {
  using TilePassBase::TilePassBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    SmallVector<AttentionOp> ops;
    func.walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops)
      if (!op.getPlanAttr() || !op.getScheduleAttr()) {
        op.emitError("attn-tile needs a plan and a schedule: run "
                     "attn-plan-pairs and attn-schedule first");
        return signalPassFailure();
      }
    bool hasAppends = !func.getOps<AppendOp>().empty();
    if (ops.empty() && !hasAppends)
      return;
    // What the operations' verifiers demand of dynamic sizes is checked at
    // launch; after this pass the operations are gone.
    if (failed(attnc::recordLaunchConstraints(func)))
      return signalPassFailure();
    // Attention reads the cache that the rows were appended to.
    if (failed(attnc::tileAppends(func)))
      return signalPassFailure();
    SmallVector<Value> counts;
    for (AttentionOp op : ops)
      Tiler(op, countPairs).run(counts);
    if (failed(returnCounts(func, counts)))
      signalPassFailure();
  }
};
} // namespace
