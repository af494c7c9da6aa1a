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
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "passes/LaunchConstraints.h"
#include "passes/PairTests.h"
#include "passes/Passes.h"

namespace attnc {
#define GEN_PASS_DEF_TILEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

namespace {
class Tiler {
public:
  explicit Tiler(AttentionOp op)
      : op(op), b(op), loc(op.getLoc()), schedule(op.getScheduleAttr()),
        batchRank(op.getBatchRank()) {}

  LogicalResult run() {
    createGrid();
    b.setInsertionPoint(forall.getTerminator());
    computeTileScalars();
    FoldOp fold = createFold();
    createInsertions(fold);
    op->replaceAllUsesWith(forall.getResults());
    op->erase();
    return success();
  }

private:
  AttentionOp op;
  OpBuilder b;
  Location loc;
  ScheduleAttr schedule;
  int64_t batchRank;
  scf::ForallOp forall;
  SmallVector<Value> batch; // grid indices of the batch dims
  Value head, keyHead;      // first query head of the tile, its key head
  Value row, rows, keys;
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
  bool hasLse() {
    return llvm::is_contained(op.getReturnKinds(), ResultKind::Lse);
  }

  /// The grid: batch dims, groups of heads, tiles of query rows.
  void createGrid() {
    int64_t rank = op.getQueryType().getRank();
    SmallVector<OpFoldResult> bounds;
    for (int64_t d = 0; d < batchRank; ++d)
      bounds.push_back(sizeOf(op.getQuery(), d));
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    if (op.hasHeads())
      bounds.push_back(apply(s0.floorDiv(schedule.getHeads()),
                             sizeOf(op.getQuery(), rank - 3)));
    bounds.push_back(apply(s0.ceilDiv(schedule.getQueryTile()),
                           sizeOf(op.getQuery(), rank - 2)));
    SmallVector<Value> outs;
    SmallVector<OpFoldResult> lead;
    for (int64_t d = 0; d < rank - 1; ++d)
      lead.push_back(sizeOf(op.getQuery(), d));
    SmallVector<OpFoldResult> dims(lead);
    dims.push_back(b.getIndexAttr(op.getValueDim()));
    outs.push_back(emptyLike(dims, op.getOutputType()));
    if (hasLse())
      outs.push_back(
          emptyLike(lead, cast<RankedTensorType>(op.getResult(1).getType())));
    forall = scf::ForallOp::create(
        b, loc, bounds, outs, getGridMapping(b.getContext(), bounds.size()));
  }

  /// A new tensor of `type`; a result type that is more dynamic than the sizes
  /// is reached by a cast.
  Value emptyLike(ArrayRef<OpFoldResult> sizes, RankedTensorType type) {
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
    if (empty.getType() != type)
      empty = tensor::CastOp::create(b, loc, type, empty);
    return empty;
  }

  /// The value of a per-batch operand for this tile.
  Value perBatch(Value operand) {
    Value x = operand;
    if (auto type = dyn_cast<RankedTensorType>(operand.getType())) {
      SmallVector<Value> at;
      for (int64_t d = 0; d < type.getRank(); ++d)
        at.push_back(isPerBatchUniform(type) ? index(0) : batch[d]);
      x = tensor::ExtractOp::create(b, loc, operand, at);
    }
    if (!x.getType().isIndex())
      x = arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
    return x;
  }
  /// A length from memory, kept within [0, limit]: the tile never reads past
  /// an operand, whatever the memory holds.
  Value length(Value operand, Value limit) {
    if (!operand)
      return limit;
    return CheckedOp::create(b, loc, b.getIndexType(), perBatch(operand),
                             index(0), limit,
                             StatusAttr::get(b.getContext(), Status::Length));
  }

  void computeTileScalars() {
    SmallVector<Value> ivs = forall.getInductionVars();
    batch.assign(ivs.begin(), ivs.begin() + batchRank);
    Value headTile = op.hasHeads() ? ivs[batchRank] : Value();
    Value tile = ivs.back();
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    int64_t rank = op.getQueryType().getRank();
    OpFoldResult n = sizeOf(op.getQuery(), rank - 2);
    row = asValue(apply(s0 * schedule.getQueryTile(), {tile}));
    Value left = arith::SubIOp::create(b, loc, asValue(n), row);
    rows = arith::MinSIOp::create(b, loc, left, index(schedule.getQueryTile()));
    computeHeads(headTile);
    Value m = asValue(sizeOf(op.getKey(), rank - 2));
    keys = length(op.getLengths(), m);
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
    for (int64_t parameter : op.getPlanAttr().getParameters())
      symbols.push_back(perBatch(op.getSetOperands()[parameter]));
  }

  void computeHeads(Value headTile) {
    if (!headTile) {
      head = keyHead = index(0);
      return;
    }
    int64_t rank = op.getQueryType().getRank();
    AffineExpr s0 = b.getAffineSymbolExpr(0);
    head = asValue(apply(s0 * schedule.getHeads(), {headTile}));
    int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
    Value group;
    if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads))
      group = index(heads / keyHeads);
    else
      group = arith::DivUIOp::create(b, loc,
                                     asValue(sizeOf(op.getQuery(), rank - 3)),
                                     asValue(sizeOf(op.getKey(), rank - 3)));
    keyHead = arith::DivUIOp::create(b, loc, head, group);
  }

  //===--------------------------------------------------------------------===//
  // Regions of the fold
  //===--------------------------------------------------------------------===//

  Block *addBlock(Region &region, ArrayRef<Type> types) {
    SmallVector<Location> locs(types.size(), loc);
    return b.createBlock(&region, region.end(), types, locs);
  }

  /// One row of a [batch..., heads, rows, d] operand.
  void yieldRow(Value tensor, Value head, Value row) {
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<OpFoldResult> offsets(batch.begin(), batch.end());
    if (op.hasHeads())
      offsets.push_back(head);
    offsets.push_back(row);
    offsets.push_back(b.getIndexAttr(0));
    SmallVector<OpFoldResult> sizes(type.getRank(), b.getIndexAttr(1));
    sizes.back() = b.getIndexAttr(type.getShape().back());
    SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
    Value slice =
        tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes, strides);
    YieldOp::create(b, loc, slice);
  }

  /// An element of an operand whose dims are broadcast against `at` from the
  /// right: a dim of size 1 is read at 0.
  Value extractBroadcast(Value tensor, ArrayRef<Value> at) {
    auto type = cast<RankedTensorType>(tensor.getType());
    at = at.take_back(type.getRank());
    SmallVector<Value> indices;
    for (auto [d, i] : llvm::enumerate(at)) {
      int64_t size = type.getDimSize(d);
      if (size == 1) {
        indices.push_back(index(0));
      } else if (ShapedType::isDynamic(size)) {
        Value dim = tensor::DimOp::create(b, loc, tensor, d);
        Value one = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, dim,
                                          index(1));
        indices.push_back(arith::SelectOp::create(b, loc, one, index(0), i));
      } else {
        indices.push_back(i);
      }
    }
    return tensor::ExtractOp::create(b, loc, tensor, indices);
  }

  Value castFloat(Value x, Type type) {
    unsigned from = x.getType().getIntOrFloatBitWidth(),
             to = type.getIntOrFloatBitWidth();
    if (from < to)
      return arith::ExtFOp::create(b, loc, type, x);
    if (from > to)
      return arith::TruncFOp::create(b, loc, type, x);
    return x;
  }

  SmallVector<Value> leadIndices(Value hq) {
    SmallVector<Value> lead(batch);
    if (op.hasHeads())
      lead.push_back(hq);
    return lead;
  }

  /// softcap, bias and score_mod in this order; no region when there is none.
  void createScore(Region &region) {
    auto softmax = cast<SoftmaxAttr>(op.getAccumulator());
    if (!softmax.getSoftcap() && !op.getBias() && op.getScoreMod().empty())
      return;
    OpBuilder::InsertionGuard guard(b);
    Type scalar = op.getComputeType(), idx = b.getIndexType();
    Block *block = addBlock(region, {scalar, idx, idx, idx, idx, idx});
    Value s = block->getArgument(0), hq = block->getArgument(1),
          i = block->getArgument(2), j = block->getArgument(3),
          r = block->getArgument(4), c = block->getArgument(5);
    if (FloatAttr cap = softmax.getSoftcap()) {
      Value limit = arith::ConstantOp::create(
          b, loc, b.getFloatAttr(scalar, cap.getValueAsDouble()));
      s = arith::DivFOp::create(b, loc, s, limit);
      s = math::TanhOp::create(b, loc, s);
      s = arith::MulFOp::create(b, loc, s, limit);
    }
    if (op.getBias()) {
      SmallVector<Value> at = leadIndices(hq);
      at.append({r, c});
      Value bias = castFloat(extractBroadcast(op.getBias(), at), scalar);
      s = arith::AddFOp::create(b, loc, s, bias);
    }
    if (!op.getScoreMod().empty())
      s = inlineScoreMod(s, hq, i, j);
    YieldOp::create(b, loc, s);
  }

  Value inlineScoreMod(Value s, Value hq, Value i, Value j) {
    IRMapping mapping;
    mapping.map(op.getScoreMod().getArguments(),
                ValueRange{s, flatBatch(), hq, i, j});
    Block &body = op.getScoreMod().front();
    for (Operation &inner : body.without_terminator())
      b.clone(inner, mapping);
    return mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
  }

  /// The flattened batch index.
  Value flatBatch() {
    if (batch.empty())
      return index(0);
    Value flat = batch.front();
    for (int64_t d = 1; d < batchRank; ++d) {
      Value size = asValue(sizeOf(op.getQuery(), d));
      flat = arith::AddIOp::create(
          b, loc, arith::MulIOp::create(b, loc, flat, size), batch[d]);
    }
    return flat;
  }

  /// One i1 for each atom of the plan.
  void createTests(Region &region) {
    PlanAttr plan = op.getPlanAttr();
    if (plan.getAtoms().empty())
      return;
    OpBuilder::InsertionGuard guard(b);
    SmallVector<Type> types(5, b.getIndexType());
    Block *block = addBlock(region, types);
    Value hq = block->getArgument(0);
    attnc::PairTestPosition position{hq,
                                     block->getArgument(1),
                                     block->getArgument(2),
                                     block->getArgument(3),
                                     block->getArgument(4),
                                     symbols[KBegin],
                                     symbols[KEnd],
                                     symbols[QEnd]};
    TestOperands operands(*this, hq);
    SmallVector<Value> bits;
    for (PairsAttr atom : plan.getAtoms())
      bits.push_back(attnc::buildPairTest(b, loc, atom, operands, position));
    YieldOp::create(b, loc, bits);
  }

  /// Set operands and predicates at the tile's batch and a head of it.
  class TestOperands : public attnc::PairTestOperands {
  public:
    TestOperands(Tiler &tiler, Value hq) : tiler(tiler), hq(hq) {}

    Value tensor(int64_t operand) override {
      return tiler.op.getSetOperands()[operand];
    }
    /// Leading dims are [batch...] or [batch..., heads], from the left.
    SmallVector<Value> lead(int64_t operand, int64_t tailRank) override {
      auto type = cast<RankedTensorType>(tensor(operand).getType());
      SmallVector<Value> at = tiler.leadIndices(hq);
      at.resize(type.getRank() - tailRank);
      return attnc::broadcastIndices(tiler.b, tiler.loc, tensor(operand), at);
    }
    Value parameter(int64_t operand) override {
      return tiler.perBatch(tensor(operand));
    }
    Value queryRows() override {
      int64_t rank = tiler.op.getQueryType().getRank();
      return tiler.asValue(tiler.sizeOf(tiler.op.getQuery(), rank - 2));
    }
    Value predicate(int64_t region, Value i, Value j) override {
      Block &body = tiler.op.getPredicates()[region].front();
      IRMapping mapping;
      mapping.map(body.getArguments(), ValueRange{tiler.flatBatch(), hq, i, j});
      for (Operation &inner : body.without_terminator())
        tiler.b.clone(inner, mapping);
      return mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
    }

  private:
    Tiler &tiler;
    Value hq;
  };

  FoldOp createFold() {
    int64_t dv = op.getValueDim();
    auto tileType =
        RankedTensorType::get({schedule.getHeads(), ShapedType::kDynamic, dv},
                              op.getOutputType().getElementType());
    Type lseType;
    if (hasLse())
      lseType = RankedTensorType::get(
          {schedule.getHeads(), ShapedType::kDynamic}, b.getF32Type());
    auto fold =
        FoldOp::create(b, loc, tileType, lseType, Type(), head, row, rows, keys,
                       symbols, op.getPlanAttr(), op.getAccumulator(),
                       b.getF64FloatAttr(op.getScaleValue()), schedule);
    OpBuilder::InsertionGuard guard(b);
    Type idx = b.getIndexType();
    Block *q = addBlock(fold.getLoadQ(), {idx, idx});
    yieldRow(op.getQuery(), q->getArgument(0), q->getArgument(1));
    Block *k = addBlock(fold.getLoadK(), {idx});
    yieldRow(op.getKey(), keyHead, k->getArgument(0));
    Block *v = addBlock(fold.getLoadV(), {idx});
    yieldRow(op.getValue(), keyHead, v->getArgument(0));
    createScore(fold.getScore());
    createTests(fold.getTests());
    return fold;
  }

  /// Writes the tile into the results at [batch..., head.., row.., :].
  void createInsertions(FoldOp fold) {
    SmallVector<OpFoldResult> offsets(batch.begin(), batch.end());
    SmallVector<OpFoldResult> sizes(batchRank, b.getIndexAttr(1));
    if (op.hasHeads()) {
      offsets.push_back(head);
      sizes.push_back(b.getIndexAttr(schedule.getHeads()));
    }
    offsets.push_back(row);
    sizes.push_back(rows);
    for (auto [value, out] :
         llvm::zip(fold.getResults(), forall.getRegionIterArgs())) {
      Value source = value;
      auto type = cast<RankedTensorType>(source.getType());
      SmallVector<OpFoldResult> o(offsets), s(sizes);
      if (type.getRank() == 3) {
        o.push_back(b.getIndexAttr(0));
        s.push_back(b.getIndexAttr(type.getShape().back()));
      }
      if (!op.hasHeads()) {
        SmallVector<ReassociationIndices> groups{{0, 1}};
        if (type.getRank() == 3)
          groups.push_back({2});
        source = tensor::CollapseShapeOp::create(b, loc, source, groups);
      }
      SmallVector<OpFoldResult> strides(o.size(), b.getIndexAttr(1));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(forall.getTerminator().getBody());
      tensor::ParallelInsertSliceOp::create(b, loc, source, out, o, s, strides);
    }
  }
};

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
    if (ops.empty())
      return;
    // What the operations' verifiers demand of dynamic sizes is checked at
    // launch; after this pass the operations are gone.
    if (failed(attnc::recordLaunchConstraints(func)))
      return signalPassFailure();
    for (AttentionOp op : ops)
      if (failed(Tiler(op).run()))
        return signalPassFailure();
  }
};
} // namespace
