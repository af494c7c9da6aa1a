// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tensor-core fold: what it takes, its tiles, queries and state.

#include "codegen/gpu/MmaFold.h"
#include "codegen/cpu/KernelTensors.h"
#include "codegen/llvm/Stage5.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/ScheduleMma.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using namespace attnc::gpu;

/// The slice that a loader reads in place; null where it computes rows.
static tensor::ExtractSliceOp sliceOf(Region &loader) {
  Block &block = loader.front();
  tensor::ExtractSliceOp slice = yieldedSlice(loader);
  if (!slice)
    return {};
  int64_t rows = 0;
  for (auto [dim, x] : llvm::enumerate(slice.getMixedOffsets())) {
    auto value = dyn_cast<Value>(x);
    if (!value || value.getParentBlock() != &block)
      continue;
    if (!isa<BlockArgument>(value))
      return {};
    rows += value == block.getArguments().back();
  }
  // Chunks of a row begin where copies may.
  auto column = getConstantIntValue(slice.getMixedOffsets().back());
  bool isAligned = column && *column % SharedTile::kChunkElements == 0;
  return rows == 1 && isAligned ? slice : tensor::ExtractSliceOp();
}

std::optional<std::string> attnc::gpu::refusesMma(FoldOp op) {
  if (!isa<SoftmaxAttr>(op.getKernel()))
    return "its kernel is not softmax";
  Type element = FoldOp::getRowType(op.getLoadQ()).getElementType();
  if (!element.isF16() && !element.isBF16())
    return "q is neither f16 nor bf16";
  for (Region *loader : {&op.getLoadQ(), &op.getLoadK(), &op.getLoadV()}) {
    if (FoldOp::getRowType(*loader).getElementType() != element)
      return "q, k and v have different element types";
  }
  for (int64_t size : {op.getHeadDim(), op.getValueDim()})
    if (!attnc::isMmaHeadSize(size))
      return "head sizes are not multiples of 8 from 16 to 256";
  if (op.getKeyHead())
    return "a tile reads several key heads";
  if (auto why = attnc::refusesMmaPlan(op.getPlan()))
    return why;
  if (op.getRun() != 1)
    return "rows of the tile lie in strips";
  return std::nullopt;
}

LogicalResult attnc::gpu::emitMmaFold(FoldContext context) {
  FoldOp op = context.op;
  if (std::optional<std::string> why = refusesMma(op))
    return op.emitError("micro = mma does not take this fold: ") << *why;
  auto module = context.scratch.getParentRegion()->getParentOfType<ModuleOp>();
  declareShared(module);
  auto launch =
      context.scratch.getParentRegion()->getParentOfType<func::FuncOp>();
  OpBuilder &b = context.e.b;
  launch->setAttr(
      stage5::kThreadsAttr,
      b.getI64IntegerAttr(32 * op.getSchedule().getMma().getWarps()));
  return MmaFold(context).emit();
}

static Type elementOf(FoldOp op) {
  return FoldOp::getRowType(op.getLoadQ()).getElementType();
}

MmaFold::MmaFold(FoldContext context)
    : FoldLowering(context), mma(schedule.getMma()), element(elementOf(op)),
      isWgmma(schedule.getMicro() == MicroKernel::Wgmma), w(e, element),
      threads(32 * mma.getWarps()), blockKeys(schedule.getKeyBlock()),
      stages(mma.getStages()),
      // The values of the block before are read beside the keys of the next.
      ahead(isWgmma ? stages - 2 : stages - 1),
      rowTiles(schedule.getQueryTile() * schedule.getHeads() /
               (16 * mma.getWarps())),
      keyTiles(blockKeys / 8), stepsD(llvm::divideCeil(d, 16)),
      valueTiles(llvm::divideCeil(dv, 16) * 2),
      queryTile(schedule.getQueryTile() * schedule.getHeads(), d, threads,
                isWgmma),
      keyTile(blockKeys, d, threads, isWgmma),
      valueTile(blockKeys, dv, threads, isWgmma) {
  lanes = 1; // a thread computes one pair at a time
  // A score region wants scaled scores; so does a scale that turns the order
  // of scores round.
  double scale = op.getScale().convertToDouble();
  bool isScaled = !op.getScore().empty() || scale <= 0;
  factor = isScaled ? M_LOG2E : scale * M_LOG2E;
}

LogicalResult MmaFold::emit() {
  LogicalResult result = success();
  computed = w.i32(0);
  ScratchLayout &layout = c().layout;
  at = place();
  shared = w.sharedBase();
  auto allocate = [&](int64_t bytes) {
    return w.add(shared,
                 layout.allocate(llvm::alignTo(bytes, isWgmma ? 1024 : 128)));
  };
  queryAt = allocate(queryTile.bytes());
  keyAt = allocate(stages * keyTile.bytes());
  valueAt = allocate(stages * valueTile.bytes());
  eachRow = [&](Value rows, function_ref<void(Value)> body) {
    e.loop(w.toIndex(at.thread), rows, threads, body);
    w.barrier();
  };
  e.when(e.cmp(arith::CmpIPredicate::sgt, rows, e.idx(0)), [&] {
    result = loadQueries();
    for (ComponentAttr component : op.getPlan().getComponents()) {
      FailureOr<Walked> walked = walk(component);
      if (failed(walked) || failed(foldKeys(*walked))) {
        result = failure();
        return;
      }
    }
    if (succeeded(result))
      result = finish();
  });
  finishRowScratch();
  return result;
}

MmaFold::Place MmaFold::place() {
  Place p;
  p.thread = w.threadId();
  p.lane = w.andBits(p.thread, 31);
  p.warpRow = w.mul(w.shiftRight(p.thread, 5), 16 * rowTiles);
  p.row = w.shiftRight(p.lane, 2);
  p.column = w.shiftLeft(w.andBits(p.lane, 3), 1);
  return p;
}

Value MmaFold::rowOf(int64_t m, int64_t half) {
  return w.add(w.add(at.warpRow, at.row), 16 * m + 8 * half);
}

MmaFold::TileRow MmaFold::tileRow(Value row) {
  if (schedule.getHeads() == 1)
    return {e.idx(0), w.toIndex(row)};
  Value size = w.i32(schedule.getQueryTile());
  return {w.toIndex(e.b.createOrFold<arith::DivUIOp>(e.loc, row, size)),
          w.toIndex(e.b.createOrFold<arith::RemUIOp>(e.loc, row, size))};
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

GlobalRows MmaFold::rowsOf(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, memref);
  Value base =
      memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, memref);
  Value offset = e.mul(metadata.getOffset(), e.idx(bytes));
  auto strideOf = [&](int64_t dim) {
    return w.toI64(e.mul(metadata.getStrides()[dim], e.idx(bytes)));
  };
  int64_t rank = type.getRank();
  return {w.toI64(e.add(base, offset)), strideOf(rank - 2), strideOf(rank - 3)};
}

/// Where a loader's row 0 lies, and the stride of rows. The last argument is
/// the row; one that is null is a page, or a head, in which rows lie.
std::optional<GlobalRows> MmaFold::rowsInPlace(Region &loader,
                                               ValueRange arguments) {
  Block &block = loader.front();
  tensor::ExtractSliceOp slice = sliceOf(loader);
  Value memref = slice ? c().outer.tensor(slice.getSource()) : Value();
  if (!memref)
    return std::nullopt;
  int64_t bytes =
      cast<MemRefType>(memref.getType()).getElementTypeBitWidth() / 8;
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, memref);
  Value base =
      memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, memref);
  Value offset = metadata.getOffset(), stride, pageStride;
  for (auto [x, dimStride] :
       llvm::zip(slice.getMixedOffsets(), metadata.getStrides())) {
    Value index;
    if (auto value = dyn_cast<Value>(x)) {
      auto argument = dyn_cast<BlockArgument>(value);
      if (argument && argument.getOwner() == &block) {
        if (argument == block.getArguments().back()) {
          stride = dimStride;
          continue;
        }
        index = arguments[argument.getArgNumber()];
        if (!index) {
          pageStride = dimStride;
          continue;
        }
      } else {
        index = c().outer.scalar(value);
      }
    } else {
      index = e.idx(cast<IntegerAttr>(cast<Attribute>(x)).getInt());
    }
    offset = e.add(offset, e.mul(index, dimStride));
  }
  return GlobalRows{w.toI64(e.add(base, e.mul(offset, e.idx(bytes)))),
                    w.toI64(e.mul(stride, e.idx(bytes))),
                    pageStride ? w.toI64(e.mul(pageStride, e.idx(bytes)))
                               : Value()};
}

/// Copies the query tile; its group of copies is the first block's, too.
LogicalResult MmaFold::copyQueries() {
  Value none[] = {Value(), Value()};
  std::optional<GlobalRows> q = rowsInPlace(op.getLoadQ(), none);
  if (!q)
    return computeQueries();
  SharedTile::Part part = queryTile.part(w, at.thread);
  auto copy = [&] {
    for (int64_t pass = 0; pass < queryTile.passes(); ++pass) {
      TileRow place = tileRow(w.add(part.row, pass * queryTile.rowsOfPass()));
      Value exists = e.cmp(arith::CmpIPredicate::slt, place.t, rows);
      Value size = e.select(exists, w.i32(16), w.i32(0));
      // A row that does not exist is not read, but its address is a real one.
      Value row = rowAt(e.clampIndex(place.t, rows));
      Value from = q->pageStride ? e.add(head, place.head) : Value();
      Value address = addressOf({from, row, Value()}, *q, part);
      queryTile.copy(w, part, queryAt, pass, address, size);
    }
  };
  part.isActive ? e.when(part.isActive, copy) : copy();
  return success();
}

LogicalResult MmaFold::loadQueries() {
  clearState();
  if (!op.getState().empty() && failed(restoreState()))
    return failure();
  // A fold of no keys finishes what others have accumulated.
  if (op.getPlan().getComponents().empty())
    return success();
  Value none[] = {Value(), Value()};
  kGlobal = rowsInPlace(op.getLoadK(), none);
  vGlobal = rowsInPlace(op.getLoadV(), none);
  queryTile.clearPadding(w, at.thread, queryAt, 1);
  keyTile.clearPadding(w, at.thread, keyAt, stages);
  valueTile.clearPadding(w, at.thread, valueAt, stages);
  queryBase = w.add(w.add(queryTile.asRows(w, at.lane), queryAt),
                    w.mul(at.warpRow, queryTile.rowBytes()));
  keyBase = w.add(keyTile.asColumns(w, at.lane), keyAt);
  valueBase = w.add(valueTile.asRows(w, at.lane), valueAt);
  kPart = keyTile.part(w, at.thread);
  vPart = valueTile.part(w, at.thread);
  return copyQueries();
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

void MmaFold::clearState() {
  Value zero = w.f32(0), none = w.f32(-INFINITY);
  state.out.assign(rowTiles * valueTiles, {zero, zero, zero, zero});
  state.sums.assign(numRows(), zero);
  state.shifts.assign(numRows(), zero);
  state.limits.assign(numRows(), none);
}

Values MmaFold::State::flatten() const {
  Values values = flat(out);
  for (const Values *more : {&sums, &shifts, &limits})
    llvm::append_range(values, *more);
  return values;
}

void MmaFold::State::restore(ValueRange values) {
  takeFront(values, out);
  for (Values *more : {&sums, &shifts, &limits})
    takeFront(values, *more);
}
