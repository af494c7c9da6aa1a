// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One launch function for each grid of a stage-4 function.

#include "codegen/cpu/LowerToLoops.h"
#include "codegen/cpu/FoldLowering.h"
#include "codegen/cpu/GridLoops.h"
#include "codegen/cpu/KernelTensors.h"
#include "codegen/llvm/Stage5.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "passes/LaunchConstraints.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::cpu;

namespace {
/// The three arguments behind the tensors: workgroup, scratch, status.
constexpr unsigned kTrailingArguments = 3;

/// Bools are bytes in memory.
Type storedType(Type element) {
  if (element.isInteger(1))
    return IntegerType::get(element.getContext(), 8);
  if (element.isIndex())
    return IntegerType::get(element.getContext(), 64);
  return element;
}

class LaunchBuilder : public OuterValues {
public:
  LaunchBuilder(func::FuncOp source, const KernelTensors &kernelTensors,
                const attnc::Target &target)
      : source(source), kernelTensors(kernelTensors), target(target),
        b(source.getContext()) {}

  LogicalResult build(ModuleOp module, scf::ForallOp forall, unsigned number) {
    Location loc = forall.getLoc();
    b.setInsertionPointToEnd(module.getBody());
    Type index = b.getIndexType();
    Type scratchType = MemRefType::get({1}, b.getI8Type());
    Type statusType = MemRefType::get({1}, b.getI32Type());
    launch = func::FuncOp::create(
        b, loc, ("launch_" + Twine(number)).str(),
        b.getFunctionType({index, scratchType, statusType}, {}));
    launch.addEntryBlock();
    launch.setArgAttr(0, stage5::kWorkgroupAttr, b.getUnitAttr());
    launch.setArgAttr(1, stage5::kScratchAttr, b.getUnitAttr());
    launch.setArgAttr(2, stage5::kStatusAttr, b.getUnitAttr());
    b.setInsertionPointToStart(&launch.front());
    func::ReturnOp::create(b, loc);
    b.setInsertionPointToStart(&launch.front());
    Emitter emitter(b, loc, target);
    e = &emitter;
    if (failed(setGrid(forall)) || failed(readOutside(forall)) ||
        failed(splitWorkgroup(forall)))
      return failure();
    for (auto [arg, out] :
         llvm::zip(forall.getRegionIterArgs(), forall.getResults()))
      outputs[arg] = tensor(out);
    if (failed(emitBody(forall)))
      return failure();
    finishScratch();
    return success();
  }

  Value tensor(Value original) override {
    original = KernelTensors::memoryOf(original);
    if (Value known = memrefs.lookup(original))
      return known;
    std::optional<KernelTensors::Entry> entry = kernelTensors.find(original);
    if (!entry)
      return {};
    Value memref = entry->kind == KernelTensors::Kind::Temporary
                       ? addTemporary(original, entry->number)
                       : addArgument(original, entry->number);
    memrefs[original] = memref;
    return memref;
  }

  Value scalar(Value original) override {
    auto it = scalars.find(original);
    assert(it != scalars.end() && "readOutside saw every outer value");
    return it->second;
  }

  void report(Value isWrong, Status status) override {
    e->when(isWrong, [&] {
      Value word = trailing(2), zero = e->idx(0);
      Value bit = arith::ConstantOp::create(
          b, launch.getLoc(),
          b.getI32IntegerAttr(static_cast<int32_t>(status)));
      Value old = e->load(b.getI32Type(), word, zero);
      e->store(arith::OrIOp::create(b, launch.getLoc(), old, bit), word, zero);
    });
  }

private:
  func::FuncOp source;
  const KernelTensors &kernelTensors;
  const attnc::Target &target;
  OpBuilder b;
  func::FuncOp launch;
  Emitter *e = nullptr;
  ScratchLayout layout;
  llvm::DenseMap<Value, Value> memrefs, scalars, outputs;

  BlockArgument trailing(unsigned i) {
    return launch.getArgument(launch.getNumArguments() - kTrailingArguments +
                              i);
  }

  /// A memref argument before the trailing ones.
  Value insertArgument(Type type, int64_t number) {
    unsigned at = launch.getNumArguments() - kTrailingArguments;
    auto attrs = b.getDictionaryAttr(
        b.getNamedAttr(stage5::kTensorAttr, b.getI64IntegerAttr(number)));
    (void)launch.insertArgument(at, type, attrs, launch.getLoc());
    return launch.getArgument(at);
  }

  Value addArgument(Value original, int64_t number) {
    auto type = cast<RankedTensorType>(original.getType());
    int64_t rank = type.getRank();
    SmallVector<int64_t> strides(rank, ShapedType::kDynamic);
    if (rank > 0)
      strides.back() = 1;
    auto layoutAttr = StridedLayoutAttr::get(b.getContext(), 0, strides);
    Type element = storedType(type.getElementType());
    return insertArgument(
        rank == 0 ? MemRefType::get({}, element)
                  : MemRefType::get(type.getShape(), element, layoutAttr),
        number);
  }

  /// Temporaries are dense; their sizes are computed from the arguments'.
  Value addTemporary(Value original, int64_t number) {
    auto type = cast<RankedTensorType>(original.getType());
    Type element = storedType(type.getElementType());
    Value base = insertArgument(MemRefType::get({1}, element), number);
    SmallVector<OpFoldResult> sizes, strides(type.getRank());
    for (int64_t d = 0; d < type.getRank(); ++d)
      sizes.push_back(type.isDynamicDim(d)
                          ? OpFoldResult(sizeOf(original, d))
                          : b.getIndexAttr(type.getDimSize(d)));
    SmallVector<int64_t> staticStrides(type.getRank(), ShapedType::kDynamic);
    OpFoldResult stride = b.getIndexAttr(1);
    int64_t staticStride = 1;
    for (int64_t d = type.getRank() - 1; d >= 0; --d) {
      strides[d] = stride;
      staticStrides[d] = staticStride;
      if (auto size = dyn_cast<Value>(sizes[d]); size || isa<Value>(stride)) {
        stride = e->mul(asValue(stride), asValue(sizes[d]));
        staticStride = ShapedType::kDynamic;
      } else {
        staticStride *= type.getDimSize(d);
        stride = b.getIndexAttr(staticStride);
      }
    }
    auto result = MemRefType::get(
        type.getShape(), element,
        StridedLayoutAttr::get(b.getContext(), 0, staticStrides));
    return memref::ReinterpretCastOp::create(b, launch.getLoc(), result, base,
                                             b.getIndexAttr(0), sizes, strides);
  }

  Value asValue(OpFoldResult x) {
    if (auto value = dyn_cast<Value>(x))
      return value;
    return e->idx(cast<IntegerAttr>(cast<Attribute>(x)).getInt());
  }

  /// Size `d` of a tensor computed by a launch: that of its destination.
  Value sizeOf(Value value, int64_t d) {
    value = KernelTensors::memoryOf(value);
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.isDynamicDim(d))
      return e->idx(type.getDimSize(d));
    if (auto empty = value.getDefiningOp<tensor::EmptyOp>())
      return outerScalar(empty.getDynamicSize(d));
    if (auto result = dyn_cast<OpResult>(value))
      if (auto forall = dyn_cast<scf::ForallOp>(result.getOwner()))
        return sizeOf(forall.getOutputs()[result.getResultNumber()], d);
    return memref::DimOp::create(b, launch.getLoc(), tensor(value), d);
  }

  /// An index or size computed above the grid, computed again in the launch.
  Value outerScalar(Value value) {
    if (Value known = scalars.lookup(value))
      return known;
    Operation *op = value.getDefiningOp();
    Value result;
    if (auto dim = dyn_cast_or_null<tensor::DimOp>(op)) {
      if (std::optional<int64_t> d = dim.getConstantIndex())
        result = sizeOf(dim.getSource(), *d);
    } else if (op && op->getNumResults() == 1 && op->getNumRegions() == 0 &&
               isMemoryEffectFree(op) &&
               llvm::none_of(op->getOperandTypes(),
                             llvm::IsaPred<ShapedType>)) {
      IRMapping mapping;
      for (Value operand : op->getOperands()) {
        Value mapped = outerScalar(operand);
        if (!mapped)
          return {};
        mapping.map(operand, mapped);
      }
      result = b.clone(*op, mapping)->getResult(0);
    }
    if (!result) {
      (op ? op->emitError() : source.emitError())
          << "is computed outside a launch and is not a size";
      return {};
    }
    scalars[value] = result;
    return result;
  }

  LogicalResult setGrid(scf::ForallOp forall) {
    if (!forall.isNormalized())
      return forall.emitError("grids run from 0 by steps of 1");
    SmallVector<Attribute> grid;
    SmallVector<OpFoldResult> bounds = forall.getMixedUpperBound();
    FailureOr<SmallVector<GridLoop>> loops = gridLoops(forall);
    if (failed(loops))
      return failure();
    for (GridLoop loop : *loops) {
      FormulaAttr formula = formulaOf(bounds[loop.number]);
      if (!formula)
        return forall.emitError("the grid depends on more than the sizes of "
                                "the arguments");
      grid.push_back(formula);
    }
    launch->setAttr(stage5::kGridAttr, b.getArrayAttr(grid));
    return success();
  }

  /// Computes every value that the grid's body takes from above it.
  LogicalResult readOutside(scf::ForallOp forall) {
    WalkResult walk = forall.getRegion().walk([&](Operation *op) {
      for (Value operand : op->getOperands()) {
        if (forall.getRegion().isAncestor(operand.getParentRegion()))
          continue;
        if (isa<RankedTensorType>(operand.getType())) {
          tensor(operand); // reports of missing ones come from their readers
          continue;
        }
        if (!outerScalar(operand))
          return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    for (Value result : forall.getResults())
      tensor(result);
    return failure(walk.wasInterrupted());
  }

  /// Grid indices from the linear workgroup number, the last dimension fastest.
  LogicalResult splitWorkgroup(scf::ForallOp forall) {
    Value rest = trailing(0);
    Location loc = launch.getLoc();
    SmallVector<OpFoldResult> bounds = forall.getMixedUpperBound();
    SmallVector<Value> ivs = forall.getInductionVars();
    FailureOr<SmallVector<GridLoop>> loops = gridLoops(forall);
    if (failed(loops))
      return failure();
    for (GridLoop loop : llvm::reverse(*loops)) {
      bool isSlowest = loop.number == loops->front().number;
      Value bound, index = rest;
      if (!isSlowest || loop.isDown) {
        auto value = dyn_cast<Value>(bounds[loop.number]);
        bound = value ? outerScalar(value) : asValue(bounds[loop.number]);
        if (!bound)
          return failure();
      }
      if (!isSlowest) {
        index = b.createOrFold<arith::RemUIOp>(loc, rest, bound);
        rest = b.createOrFold<arith::DivUIOp>(loc, rest, bound);
      }
      if (loop.isDown)
        index = e->sub(e->sub(bound, e->idx(1)), index);
      scalars[ivs[loop.number]] = index;
    }
    return success();
  }

  LogicalResult emitBody(scf::ForallOp forall) {
    LaneEmitter body(*e, 1, *this);
    for (Operation &op : forall.getBody()->without_terminator()) {
      LogicalResult result = success();
      if (auto fold = dyn_cast<FoldOp>(op))
        result = emitFold(forall, fold);
      else if (auto rows = dyn_cast<RowsOp>(op))
        result = emitRows(forall, rows);
      else if (isa<CheckOrderOp>(op))
        result = body.emit(op);
      else if (isa<tensor::CollapseShapeOp, tensor::CastOp,
                   tensor::ExtractSliceOp>(op))
        continue; // seen through by destinationOf
      else if (op.getNumResults() == 1 &&
               !isa<ShapedType>(op.getResult(0).getType())) {
        result = body.emit(op);
        if (succeeded(result))
          scalars[op.getResult(0)] = body.lookup(op.getResult(0));
      } else {
        return op.emitError("is not compiled in a launch yet");
      }
      if (failed(result))
        return failure();
    }
    return success();
  }

  /// Where a tile goes: a view [heads, rows, columns...] of the output it is
  /// inserted into. `rank` is that of the tile.
  FailureOr<Value> destinationOf(scf::ForallOp forall, Value tile) {
    for (Operation &op : forall.getTerminator().getYieldingOps()) {
      auto insert = cast<tensor::ParallelInsertSliceOp>(op);
      Value inserted = KernelTensors::strip(insert.getSource());
      bool isPart = false; // one of several slices of the tile's rows
      if (auto slice = inserted.getDefiningOp<tensor::ExtractSliceOp>()) {
        inserted = KernelTensors::strip(slice.getSource());
        isPart = true;
      }
      if (auto collapse = inserted.getDefiningOp<tensor::CollapseShapeOp>())
        inserted = KernelTensors::strip(collapse.getSrc());
      if (inserted == tile)
        return viewOf(insert, cast<RankedTensorType>(tile.getType()), isPart);
    }
    return tile.getDefiningOp()->emitError("computes a tile that is not "
                                           "inserted into a result");
  }

  /// `allRows`: of all rows from the insertion's on.
  FailureOr<Value> viewOf(tensor::ParallelInsertSliceOp insert,
                          RankedTensorType tile, bool allRows) {
    Location loc = insert.getLoc();
    Value memref = outputs.lookup(insert.getDest());
    if (!memref)
      return insert.emitError("does not insert into a result of the grid");
    SmallVector<OpFoldResult> offsets, sizes, strides;
    auto mapped = [&](OpFoldResult x) -> OpFoldResult {
      auto value = dyn_cast<Value>(x);
      return value ? OpFoldResult(scalar(value)) : x;
    };
    for (OpFoldResult x : insert.getMixedOffsets())
      offsets.push_back(mapped(x));
    int64_t dim = offsets.size() - (tile.getRank() == 3 ? 2 : 1);
    for (auto [d, x] : llvm::enumerate(insert.getMixedSizes()))
      sizes.push_back(allRows && static_cast<int64_t>(d) == dim ? x
                                                                : mapped(x));
    for (OpFoldResult x : insert.getMixedStrides())
      strides.push_back(mapped(x));
    if (allRows) {
      Value n = memref::DimOp::create(b, loc, memref, dim);
      sizes[dim] = e->sub(n, asValue(offsets[dim]));
      strides[dim] = b.getIndexAttr(1);
    }
    Value view =
        memref::SubViewOp::create(b, loc, memref, offsets, sizes, strides);
    // Leading dims of size 1 go (or come) until the rank is the tile's.
    return withRank(view, tile.getRank(), loc);
  }

  Value withRank(Value view, int64_t rank, Location loc) {
    auto type = cast<MemRefType>(view.getType());
    if (type.getRank() == rank)
      return view;
    if (type.getRank() > rank) {
      int64_t extra = type.getRank() - rank;
      SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
          strides(type.getRank(), b.getIndexAttr(1)), sizes;
      for (int64_t d = 0; d < type.getRank(); ++d)
        sizes.push_back(
            d < extra ? OpFoldResult(b.getIndexAttr(1))
            : type.isDynamicDim(d)
                ? OpFoldResult(b.createOrFold<memref::DimOp>(loc, view, d))
                : OpFoldResult(b.getIndexAttr(type.getDimSize(d))));
      auto reduced = memref::SubViewOp::inferRankReducedResultType(
          type.getShape().drop_front(extra), type, offsets, sizes, strides);
      return memref::SubViewOp::create(b, loc, reduced, view, offsets, sizes,
                                       strides);
    }
    SmallVector<int64_t> shape(rank - type.getRank(), 1);
    llvm::append_range(shape, type.getShape());
    SmallVector<ReassociationIndices> groups(type.getRank());
    for (int64_t d = 0; d < rank; ++d)
      groups[std::max<int64_t>(d - (rank - type.getRank()), 0)].push_back(d);
    return memref::ExpandShapeOp::create(b, loc, shape, view, groups);
  }

  LogicalResult emitFold(scf::ForallOp forall, FoldOp fold) {
    if (!isa<SoftmaxAttr>(fold.getKernel()))
      return fold.emitError("kernel ")
             << fold.getKernel() << " is not compiled yet";
    FailureOr<Value> tile = destinationOf(forall, fold.getTile());
    if (failed(tile))
      return failure();
    Value others[2];
    for (auto [result, view] :
         llvm::zip(ValueRange{fold.getLse(), fold.getPairs()}, others)) {
      if (!result)
        continue;
      FailureOr<Value> destination = destinationOf(forall, result);
      if (failed(destination))
        return failure();
      view = *destination;
    }
    bool partial = fold.getPartial();
    FoldContext context{*e,
                        fold,
                        *this,
                        trailing(1),
                        layout,
                        *tile,
                        partial ? Value() : others[0],
                        partial ? others[0] : Value(),
                        others[1],
                        fold.getSchedule(),
                        Value()};
    if (fold.getSchedule().getMicro() == MicroKernel::Row)
      return emitRowFold(context);
    ScheduleAttr few = fold.getSchedule().getFewSchedule();
    if (!few || fold.getStep() != 1)
      return emitBlockHeads(context);
    LogicalResult result = success();
    Value live = e->sub(
        scalar(fold.getSymbols()[QEnd]),
        e->add(scalar(fold.getSymbols()[QBegin]), scalar(fold.getRow())));
    live = e->min(live, scalar(fold.getRows()));
    Value isFew =
        e->cmp(arith::CmpIPredicate::sle, live, e->idx(few.getQueryTile()));
    e->when(
        isFew,
        [&] {
          FoldContext ofFew = context;
          ofFew.schedule = few;
          if (failed(emitRowFold(ofFew)))
            result = failure();
        },
        [&] {
          if (failed(emitBlockHeads(context)))
            result = failure();
        });
    return result;
  }

  /// The block micro-kernel takes one head after the other.
  LogicalResult emitBlockHeads(FoldContext context) {
    LogicalResult result = success();
    int64_t heads = context.op.getSchedule().getHeads();
    if (heads == 1)
      return emitBlockFold(context);
    e->loop(e->idx(0), e->idx(heads), 1, [&](Value h) {
      FoldContext ofHead = context;
      ofHead.headOffset = h;
      for (Value *view : {&ofHead.tileOut, &ofHead.lseOut, &ofHead.stateOut,
                          &ofHead.pairsOut})
        if (*view)
          *view = oneHead(*view, h);
      if (failed(emitBlockFold(ofHead)))
        result = failure();
    });
    return result;
  }

  /// [heads, ...] becomes [1, ...] from head h on.
  Value oneHead(Value view, Value h) {
    auto type = cast<MemRefType>(view.getType());
    SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
        strides(type.getRank(), b.getIndexAttr(1)), sizes;
    for (int64_t d = 0; d < type.getRank(); ++d)
      sizes.push_back(
          type.isDynamicDim(d)
              ? OpFoldResult(b.createOrFold<memref::DimOp>(e->loc, view, d))
              : b.getIndexAttr(type.getDimSize(d)));
    offsets[0] = h;
    sizes[0] = b.getIndexAttr(1);
    return memref::SubViewOp::create(b, e->loc, view, offsets, sizes, strides);
  }

  LogicalResult emitRows(scf::ForallOp forall, RowsOp op) {
    FailureOr<Value> out = destinationOf(forall, op.getTile());
    if (failed(out))
      return failure();
    Value first = scalar(op.getRow());
    int64_t length =
        cast<RankedTensorType>(op.getTile().getType()).getShape().back();
    LogicalResult result = success();
    e->loop(e->idx(0), scalar(op.getRows()), 1, [&](Value r) {
      RowProgram program(*e, {*this, trailing(1), layout,
                              static_cast<int64_t>(target.lanes(32))});
      program.bind(op.getBody().getArgument(0), e->add(first, r));
      FailureOr<Value> row = program.emit(op.getBody());
      if (failed(row)) {
        result = failure();
        return;
      }
      auto type = cast<MemRefType>(out->getType());
      SmallVector<OpFoldResult> offsets{r, b.getIndexAttr(0)},
          sizes{b.getIndexAttr(1), b.getIndexAttr(length)},
          strides(2, b.getIndexAttr(1));
      auto reduced = memref::SubViewOp::inferRankReducedResultType(
          {length}, type, offsets, sizes, strides);
      Value target = memref::SubViewOp::create(b, op.getLoc(), reduced, *out,
                                               offsets, sizes, strides);
      program.copyRow(*row, target, length);
    });
    return result;
  }

  /// The scratch argument gets its size, known only now.
  void finishScratch() {
    int64_t bytes = std::max<int64_t>(layout.bytes(), 1);
    BlockArgument scratch = trailing(1);
    scratch.setType(MemRefType::get({bytes}, b.getI8Type()));
    launch.setFunctionType(
        b.getFunctionType(launch.front().getArgumentTypes(), {}));
  }
};
} // namespace

/// Whether an operation of the function's body is only about sizes.
static bool isSizeComputation(Operation &op) {
  return isa<tensor::EmptyOp, tensor::DimOp, tensor::CastOp>(op) ||
         (op.getNumRegions() == 0 && isMemoryEffectFree(&op) &&
          llvm::none_of(op.getOperandTypes(), llvm::IsaPred<ShapedType>) &&
          llvm::none_of(op.getResultTypes(), llvm::IsaPred<ShapedType>));
}

FailureOr<OwningOpRef<ModuleOp>>
attnc::cpu::lowerToLoops(func::FuncOp stage4, const attnc::Target &target) {
  MLIRContext *context = stage4.getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect,
                       memref::MemRefDialect, scf::SCFDialect,
                       vector::VectorDialect>();
  FailureOr<KernelTensors> tensors = KernelTensors::create(stage4);
  if (failed(tensors))
    return failure();
  FailureOr<DictionaryAttr> kernel = tensors->kernelAttr();
  if (failed(kernel))
    return failure();
  OwningOpRef<ModuleOp> module = ModuleOp::create(stage4.getLoc());
  (*module)->setAttr(stage5::kKernelAttr, *kernel);
  unsigned number = 0;
  for (Operation &op : stage4.front().without_terminator()) {
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      LaunchBuilder builder(stage4, *tensors, target);
      if (failed(builder.build(*module, forall, number++)))
        return failure();
    } else if (!isSizeComputation(op)) {
      return op.emitError("is not compiled yet: around attention, attnc "
                          "compiles row-local and elementwise operations");
    }
  }
  if (failed(verify(*module)))
    return failure();
  return module;
}
