// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-fuse: row-local producers go into loader regions or into launches of
// their own (as the schedule says), elementwise consumers into the epilogue.

#include "dialect/Attn.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Interfaces/TilingInterface.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/RowProducers.h"

namespace attnc {
#define GEN_PASS_DEF_FUSEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Rows of one workgroup of a materializing launch.
constexpr int64_t kMaterializedRows = 64;

class Fuser {
public:
  explicit Fuser(func::FuncOp func) : func(func), b(func.getContext()) {}

  LogicalResult run() {
    SmallVector<RowsOp> appended;
    func.walk([&](RowsOp rows) { appended.push_back(rows); });
    for (RowsOp rows : appended)
      if (failed(fuseInto(rows.getBody())))
        return failure();
    SmallVector<FoldOp> folds;
    func.walk([&](FoldOp fold) { folds.push_back(fold); });
    for (FoldOp fold : folds)
      if (failed(fuseLoaders(fold)))
        return failure();
    // An epilogue keeps its fold, so later consumers find the rebuilt grid.
    for (FoldOp fold : folds)
      if (failed(fuseConsumers(fold)))
        return failure();
    // Sizes are taken from the arguments, or a producer whose size alone is
    // still asked for would look alive.
    RewritePatternSet patterns(func.getContext());
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
    if (failed(applyPatternsGreedily(func, std::move(patterns))))
      return failure();
    materialized.clear();
    return materializeRest();
  }

private:
  func::FuncOp func;
  OpBuilder b;
  llvm::DenseMap<Value, Value> materialized;

  //===--------------------------------------------------------------------===//
  // Producers
  //===--------------------------------------------------------------------===//

  LogicalResult fuseLoaders(FoldOp fold) {
    ScheduleAttr schedule = fold.getSchedule();
    std::pair<Region *, LoadMode> loaders[] = {
        {&fold.getLoadQ(), schedule.getQ()},
        {&fold.getLoadK(), schedule.getK()},
        {&fold.getLoadV(), schedule.getV()}};
    for (auto [region, mode] : loaders) {
      if (mode == LoadMode::Materialize && failed(readMaterialized(*region)))
        return failure();
      if (failed(fuseInto(*region)))
        return failure();
    }
    return success();
  }

  /// Makes a loader read its row from a buffer that a launch fills.
  LogicalResult readMaterialized(Region &region) {
    auto slice = region.front()
                     .getTerminator()
                     ->getOperand(0)
                     .getDefiningOp<tensor::ExtractSliceOp>();
    if (!slice || !slice.getSource().getDefiningOp<linalg::LinalgOp>())
      return success();
    FailureOr<Value> buffer = materialize(slice.getSource());
    if (failed(buffer))
      return failure();
    slice.getSourceMutable().assign(*buffer);
    return success();
  }

  /// Pulls every producer that a row of `region` reads into it.
  LogicalResult fuseInto(Region &region) {
    while (true) {
      tensor::ExtractSliceOp next;
      region.walk([&](tensor::ExtractSliceOp slice) {
        if (!next && isa_and_present<linalg::LinalgOp, tensor::EmptyOp>(
                         slice.getSource().getDefiningOp()))
          next = slice;
      });
      if (!next)
        break;
      if (failed(fuseSlice(next)))
        return failure();
    }
    return materializeExtracted(region);
  }

  LogicalResult fuseSlice(tensor::ExtractSliceOp slice) {
    b.setInsertionPoint(slice);
    if (isa<tensor::EmptyOp>(slice.getSource().getDefiningOp())) {
      Value empty =
          tensor::EmptyOp::create(b, slice.getLoc(), slice.getType().getShape(),
                                  slice.getType().getElementType());
      slice.replaceAllUsesWith(empty);
      slice.erase();
      return success();
    }
    FailureOr<TilingResult> tiled =
        tensor::replaceExtractSliceWithTiledProducer(
            b, slice, cast<OpResult>(slice.getSource()));
    if (failed(tiled) || tiled->tiledValues.size() != 1)
      return slice.getSource().getDefiningOp()->emitError(
          "cannot be computed row by row in front of attention");
    Value row = tiled->tiledValues.front();
    if (row.getType() != slice.getType())
      row = tensor::CastOp::create(b, slice.getLoc(), slice.getType(), row);
    slice.replaceAllUsesWith(row);
    slice.erase();
    return success();
  }

  /// What a region reads element by element must exist in memory.
  LogicalResult materializeExtracted(Region &region) {
    SmallVector<tensor::ExtractOp> extracts;
    region.walk([&](tensor::ExtractOp extract) {
      Operation *source = extract.getTensor().getDefiningOp();
      if (isa_and_present<linalg::LinalgOp>(source) &&
          !region.isAncestor(source->getParentRegion()))
        extracts.push_back(extract);
    });
    for (tensor::ExtractOp extract : extracts) {
      FailureOr<Value> buffer = materialize(extract.getTensor());
      if (failed(buffer))
        return failure();
      extract.getTensorMutable().assign(*buffer);
    }
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Launches that fill a buffer
  //===--------------------------------------------------------------------===//

  FailureOr<Value> materialize(Value value) {
    if (Value known = materialized.lookup(value))
      return known;
    Operation *producer = value.getDefiningOp();
    auto type = cast<RankedTensorType>(value.getType());
    int64_t rank = type.getRank();
    attnc::RowProducers producers = attnc::analyzeRowProducers(value);
    if (rank < 2 || type.isDynamicDim(rank - 1) || producers.offender) {
      Operation *where = producers.offender ? producers.offender : producer;
      return where->emitError("is not row-local work around attention and is "
                              "not compiled yet");
    }
    Location loc = producer->getLoc();
    b.setInsertionPointAfter(producer);
    // From the operands: `value` itself is about to go.
    ReifiedRankedShapedTypeDims shapes;
    if (failed(reifyResultShapes(b, producer, shapes)))
      return producer->emitError("has a result of unknown size");
    SmallVector<OpFoldResult> sizes =
        shapes[cast<OpResult>(value).getResultNumber()];
    SmallVector<OpFoldResult> bounds(sizes.begin(), sizes.end() - 2);
    bounds.push_back(affine::makeComposedFoldedAffineApply(
        b, loc, b.getAffineSymbolExpr(0).ceilDiv(kMaterializedRows),
        {sizes[rank - 2]}));
    Value out = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
    auto forall =
        scf::ForallOp::create(b, loc, bounds, ValueRange(out),
                              getGridMapping(b.getContext(), bounds.size()));
    fillBuffer(forall, value, sizes[rank - 2]);
    Value buffer = forall.getResult(0);
    if (buffer.getType() != type)
      buffer = tensor::CastOp::create(b, loc, type, buffer);
    materialized[value] = buffer;
    auto rows = *forall.getOps<RowsOp>().begin();
    if (failed(fuseInto(rows.getBody())))
      return failure();
    return buffer;
  }

  /// The body of a materializing launch: a tile of rows of `value`.
  void fillBuffer(scf::ForallOp forall, Value value, OpFoldResult rowCount) {
    OpBuilder::InsertionGuard guard(b);
    Location loc = forall.getLoc();
    auto type = cast<RankedTensorType>(value.getType());
    int64_t rank = type.getRank();
    b.setInsertionPoint(forall.getTerminator());
    SmallVector<Value> ivs = forall.getInductionVars();
    Value row = getValueOrCreateConstantIndexOp(
        b, loc,
        affine::makeComposedFoldedAffineApply(
            b, loc, b.getAffineSymbolExpr(0) * kMaterializedRows,
            {OpFoldResult(ivs.back())}));
    Value left = arith::SubIOp::create(
        b, loc, getValueOrCreateConstantIndexOp(b, loc, rowCount), row);
    Value limit = arith::ConstantIndexOp::create(b, loc, kMaterializedRows);
    Value rows = arith::MinSIOp::create(b, loc, left, limit);
    auto op = RowsOp::create(
        b, loc,
        RankedTensorType::get({ShapedType::kDynamic, type.getShape().back()},
                              type.getElementType()),
        row, rows);
    SmallVector<OpFoldResult> offsets(ivs.begin(), ivs.end() - 1);
    SmallVector<OpFoldResult> sizes(rank, b.getIndexAttr(1)),
        strides(rank, b.getIndexAttr(1));
    sizes.back() = b.getIndexAttr(type.getShape().back());
    offsets.append({row, b.getIndexAttr(0)});
    {
      OpBuilder::InsertionGuard inner(b);
      Block *block = b.createBlock(&op.getBody(), op.getBody().end(),
                                   {b.getIndexType()}, {loc});
      offsets[rank - 2] = block->getArgument(0);
      Value slice = tensor::ExtractSliceOp::create(b, loc, value, offsets,
                                                   sizes, strides);
      YieldOp::create(b, loc, slice);
    }
    offsets[rank - 2] = row;
    sizes[rank - 2] = rows;
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, op.getTile(),
                                          forall.getRegionIterArgs()[0],
                                          offsets, sizes, strides);
  }

  //===--------------------------------------------------------------------===//
  // Consumers
  //===--------------------------------------------------------------------===//

  LogicalResult fuseConsumers(FoldOp fold) {
    while (true) {
      auto forall = fold->getParentOfType<scf::ForallOp>();
      linalg::LinalgOp consumer = findConsumer(forall);
      if (!consumer)
        return success();
      if (failed(fuseConsumer(fold, forall, consumer)))
        return failure();
    }
  }

  /// The elementwise operation that alone reads the fold's first result, if
  /// the grid can move down to it.
  linalg::LinalgOp findConsumer(scf::ForallOp forall) {
    Value result = forall.getResult(0);
    if (!result.hasOneUse())
      return {};
    auto consumer = dyn_cast<linalg::LinalgOp>(*result.user_begin());
    if (!consumer || consumer->getBlock() != forall->getBlock() ||
        !attnc::isElementwiseConsumer(consumer, result))
      return {};
    for (Operation *user : forall->getUsers()) {
      Operation *top = forall->getBlock()->findAncestorOpInBlock(*user);
      if (top != consumer && top->isBeforeInBlock(consumer))
        return {};
    }
    return consumer;
  }

  LogicalResult fuseConsumer(FoldOp fold, scf::ForallOp forall,
                             linalg::LinalgOp consumer) {
    // Whatever else the consumer reads is defined before the grid then.
    forall->moveBefore(consumer);
    Value result = forall.getResult(0);
    auto type = cast<RankedTensorType>(result.getType());
    auto newType = cast<RankedTensorType>(consumer->getResult(0).getType());
    Region &region = fold.getEpilogue();
    if (region.empty())
      createEpilogue(fold, type);
    Block &block = region.front();
    Operation *yield = block.getTerminator();
    b.setInsertionPoint(yield);
    SmallVector<OpFoldResult> offsets, sizes;
    rowAt(fold, type, block.getArgument(1), block.getArgument(2), offsets,
          sizes);
    FailureOr<TilingResult> tiled =
        cast<TilingInterface>(consumer.getOperation())
            .getTiledImplementation(b, offsets, sizes);
    if (failed(tiled) || tiled->tiledValues.size() != 1)
      return consumer.emitError("cannot be computed row by row behind "
                                "attention");
    // The slice of the fold's own result is the row at hand.
    Value row = yield->getOperand(0);
    for (Operation *slice : tiled->generatedSlices)
      if (auto extract = dyn_cast<tensor::ExtractSliceOp>(slice);
          extract && extract.getSource() == result)
        extract.replaceAllUsesWith(row);
    yield->setOperand(0, tiled->tiledValues.front());
    for (Operation *slice : llvm::reverse(tiled->generatedSlices))
      if (slice->use_empty())
        slice->erase();
    Value fused = retype(fold, forall, newType);
    consumer->getResult(0).replaceAllUsesWith(fused);
    consumer->erase();
    return fuseInto(region);
  }

  /// An epilogue that yields its row, shaped like one row of the result.
  void createEpilogue(FoldOp fold, RankedTensorType type) {
    SmallVector<int64_t> shape(type.getRank(), 1);
    shape.back() = type.getShape().back();
    Type row = RankedTensorType::get(shape, type.getElementType());
    Type index = b.getIndexType();
    Location loc = fold.getLoc();
    Block *block = b.createBlock(&fold.getEpilogue(), fold.getEpilogue().end(),
                                 {row, index, index}, {loc, loc, loc});
    YieldOp::create(b, loc, block->getArgument(0));
  }

  /// Offsets and sizes of one result row, from the insertion of the tile.
  void rowAt(FoldOp fold, RankedTensorType type, Value head, Value row,
             SmallVectorImpl<OpFoldResult> &offsets,
             SmallVectorImpl<OpFoldResult> &sizes) {
    auto forall = fold->getParentOfType<scf::ForallOp>();
    int64_t rank = type.getRank();
    SmallVector<Value> ivs = forall.getInductionVars();
    offsets.assign(ivs.begin(), ivs.begin() + std::max<int64_t>(rank - 3, 0));
    if (rank >= 3)
      offsets.push_back(head);
    offsets.append({row, b.getIndexAttr(0)});
    sizes.assign(rank, b.getIndexAttr(1));
    sizes.back() = b.getIndexAttr(type.getShape().back());
  }

  /// Changes the type of the grid's first result, fold's tile included.
  Value retype(FoldOp fold, scf::ForallOp forall, RankedTensorType type) {
    Value oldOut = forall.getOutputs()[0];
    if (type == oldOut.getType())
      return forall.getResult(0);
    auto retyped = [&](Value v) {
      return cast<RankedTensorType>(v.getType()).clone(type.getElementType());
    };
    b.setInsertionPoint(forall);
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(b, forall.getLoc(), oldOut);
    Value out = tensor::EmptyOp::create(b, forall.getLoc(), sizes,
                                        type.getElementType());
    if (out.getType() != type)
      out = tensor::CastOp::create(b, forall.getLoc(), type, out);
    forall.getOutputsMutable()[0].assign(out);
    forall.getRegionIterArgs()[0].setType(type);
    forall.getResult(0).setType(type);
    // The tile, and the views of it that are inserted.
    SmallVector<Value> tiles{fold.getTile()};
    while (!tiles.empty()) {
      Value tile = tiles.pop_back_val();
      tile.setType(retyped(tile));
      for (Operation *user : tile.getUsers())
        if (isa<tensor::CollapseShapeOp, tensor::ExtractSliceOp>(user))
          tiles.push_back(user->getResult(0));
    }
    return forall.getResult(0);
  }

  //===--------------------------------------------------------------------===//
  // What is left
  //===--------------------------------------------------------------------===//

  void eraseDeadOps() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (Operation &op :
           llvm::make_early_inc_range(llvm::reverse(func.front())))
        if (isOpTriviallyDead(&op)) {
          op.erase();
          changed = true;
        }
    }
  }

  /// Linalg operations that no fold took get launches of their own.
  LogicalResult materializeRest() {
    while (true) {
      linalg::LinalgOp rest;
      for (Operation &op : llvm::reverse(func.front()))
        if (!rest && isa<linalg::LinalgOp>(op))
          rest = cast<linalg::LinalgOp>(op);
      if (!rest)
        return success();
      if (rest->getNumResults() != 1)
        return rest.emitError("with several results is not compiled yet");
      Value value = rest->getResult(0);
      FailureOr<Value> buffer = materialize(value);
      if (failed(buffer))
        return failure();
      value.replaceUsesWithIf(*buffer, [&](OpOperand &use) {
        return use.getOwner() != buffer->getDefiningOp();
      });
      eraseDeadOps();
    }
  }
};

struct FusePass : public attnc::impl::FusePassBase<FusePass> {
  using FusePassBase::FusePassBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    bool hasLaunch = false;
    func.walk([&](scf::ForallOp) { hasLaunch = true; });
    if (hasLaunch && failed(Fuser(func).run()))
      signalPassFailure();
  }
};
} // namespace
