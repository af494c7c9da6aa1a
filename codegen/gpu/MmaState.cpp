// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What passes from one launch to the next: sums, references and weights of the
// rows of a tile, read into fragments and written from them.

#include "codegen/gpu/MmaFold.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;
using mlir::arith::CmpFPredicate;

/// A row's state as a region yields it.
FailureOr<MmaFold::RowState> MmaFold::readState(const TileRow &place,
                                                Value number) {
  Block &block = op.getState().front();
  LaneEmitter region(e, 1, c().outer);
  Values arguments{e.add(head, place.head), rowAt(place.t)};
  if (number)
    arguments.push_back(number);
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    region.bind(argument, value);
  Operation *yield = block.getTerminator();
  auto slice = yield->getOperand(0).getDefiningOp<tensor::ExtractSliceOp>();
  Value memref = slice ? c().outer.tensor(slice.getSource()) : Value();
  if (!memref)
    return op.emitError("the state's row is not read in place");
  SmallVector<Value> wanted(yield->getOperands().drop_front());
  for (OpFoldResult x : slice.getMixedOffsets())
    if (auto value = dyn_cast<Value>(x))
      wanted.push_back(value);
  if (failed(region.emit(block, wanted)))
    return failure();
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, memref);
  Value offset = metadata.getOffset();
  for (auto [x, stride] :
       llvm::zip(slice.getMixedOffsets(), metadata.getStrides())) {
    auto value = dyn_cast<Value>(x);
    Value index = value ? region.lookup(value)
                        : e.idx(cast<IntegerAttr>(cast<Attribute>(x)).getInt());
    offset = e.add(offset, e.mul(index, stride));
  }
  Value base =
      memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, memref);
  constexpr int64_t kBytes = 4;
  RowState row;
  row.address = e.add(base, e.mul(offset, e.idx(kBytes)));
  row.address = e.add(row.address, e.mul(w.toIndex(at.column), e.idx(kBytes)));
  row.reference = region.lookup(yield->getOperand(1));
  row.sum = region.lookup(yield->getOperand(2));
  return row;
}

/// Element x of a thread's pair of columns in value tile n.
Value MmaFold::loadOut(const RowState &row, int64_t n, int64_t x) {
  constexpr int64_t kBytes = 4;
  if (8 * n >= dv)
    return w.f32(0);
  return LLVM::LoadOp::create(
      e.b, e.loc, e.b.getF32Type(),
      w.globalPointer(row.address, (8 * n + x) * kBytes), kBytes);
}

/// The reference of a row becomes `reference`, in exponents of 2.
void MmaFold::setReference(int64_t row, Value reference) {
  Value none = w.f32(-INFINITY);
  Value isNone =
      arith::CmpFOp::create(e.b, e.loc, CmpFPredicate::OEQ, reference, none);
  state.shifts[row] = e.select(isNone, w.f32(0), e.subf(w.f32(0), reference));
  Value limit = e.mulf(e.addf(reference, w.f32(double(mma.getLazy()))),
                       w.f32(1 / factor));
  state.limits[row] = e.select(isNone, none, limit);
}

/// Goes on where other folds have ended.
LogicalResult MmaFold::restoreState() {
  Value isFirst = e.cmp(arith::CmpIPredicate::eq, at.column, w.i32(0));
  for (int64_t row = 0; row < numRows(); ++row) {
    TileRow place = tileRow(rowOf(row / 2, row % 2));
    place.t = e.clampIndex(place.t, rows);
    if (op.getStates()) {
      if (failed(mergeStates(row, place)))
        return failure();
      continue;
    }
    FailureOr<RowState> read = readState(place, Value());
    if (failed(read))
      return failure();
    setReference(row, read->reference);
    // The sums of the four threads that share a row are added up.
    state.sums[row] = e.select(isFirst, read->sum, w.f32(0));
    for (int64_t n = 0; n < valueTiles; ++n)
      for (int64_t x = 0; x < 2; ++x)
        out(state, row / 2, n)[row % 2 * 2 + x] = loadOut(*read, n, x);
  }
  return success();
}

/// States in their order: one without weights changes nothing.
LogicalResult MmaFold::mergeStates(int64_t row, const TileRow &place) {
  Value none = w.f32(-INFINITY), zero = w.f32(0);
  Values inits{none, zero};
  inits.append(2 * valueTiles, zero);
  LogicalResult result = success();
  Values merged = e.loop(
      e.idx(0), c().outer.scalar(op.getStates()), 1, inits,
      [&](Value number, ValueRange in) -> Values {
        FailureOr<RowState> read = readState(place, number);
        if (failed(read)) {
          result = failure();
          return Values(in);
        }
        Value reference = e.maxIgnoringNaN(read->reference, in[0]);
        Value isNone = arith::CmpFOp::create(e.b, e.loc, CmpFPredicate::OEQ,
                                             reference, none);
        Value from = e.select(isNone, zero, reference);
        Value mine = w.exp2(e.subf(in[0], from)),
              theirs = w.exp2(e.subf(read->reference, from));
        Values next{reference, e.fma(read->sum, theirs, e.mulf(in[1], mine))};
        for (int64_t n = 0; n < valueTiles; ++n)
          for (int64_t x = 0; x < 2; ++x)
            next.push_back(e.fma(loadOut(*read, n, x), theirs,
                                 e.mulf(in[2 + 2 * n + x], mine)));
        return next;
      });
  if (failed(result))
    return failure();
  setReference(row, merged[0]);
  Value isFirst = e.cmp(arith::CmpIPredicate::eq, at.column, w.i32(0));
  state.sums[row] = e.select(isFirst, merged[1], zero);
  for (int64_t n = 0; n < valueTiles; ++n)
    for (int64_t x = 0; x < 2; ++x)
      out(state, row / 2, n)[row % 2 * 2 + x] = merged[2 + 2 * n + x];
  return success();
}

/// (m, l) of a partial fold's row.
void MmaFold::storeStateOf(int64_t row, const TileRow &place, Value sum) {
  Value none = w.f32(-INFINITY);
  Value isNone = arith::CmpFOp::create(e.b, e.loc, CmpFPredicate::OEQ,
                                       state.limits[row], none);
  Value reference = e.select(isNone, none, e.subf(w.f32(0), state.shifts[row]));
  storeState(reference, sum, place.head, place.t);
}
