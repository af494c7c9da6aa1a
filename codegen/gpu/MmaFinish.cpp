// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rows of a tile when all keys are folded.

#include "codegen/gpu/MmaFold.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;

/// Stores a fragment row as a row of the result.
void MmaFold::storeRow(const TileRow &place, int64_t m, int64_t half,
                       Value inverse, const GlobalRows &to) {
  Type type = cast<MemRefType>(c().tileOut.getType()).getElementType();
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  Value column = arith::ExtUIOp::create(e.b, e.loc, e.b.getI64Type(),
                                        w.mul(at.column, bytes));
  Value address = e.add(to.base, e.mul(w.toI64(placeOf(place.t)), to.stride));
  address = e.add(address, e.mul(w.toI64(place.head), to.pageStride));
  address = e.add(address, column);
  for (int64_t n = 0; n < dv / 8; ++n) {
    const Quad &values = out(state, m, n);
    Value low = e.mulf(values[2 * half], inverse),
          high = e.mulf(values[2 * half + 1], inverse);
    Value pointer = w.globalPointer(address, n * 8 * bytes);
    if (type == element) {
      LLVM::StoreOp::create(e.b, e.loc, w.pack(low, high), pointer, 2 * bytes);
      continue;
    }
    for (auto [x, value] : llvm::enumerate(Values{low, high}))
      LLVM::StoreOp::create(
          e.b, e.loc, e.convert(value, type),
          w.globalPointer(address, (n * 8 + int64_t(x)) * bytes), bytes);
  }
}

void MmaFold::finishRow(int64_t row, const GlobalRows &to) {
  Value sum = state.sums[row];
  for (int64_t distance : {1, 2})
    sum = e.addf(sum, w.shuffleXor(sum, distance));
  Value inverse = finishFactor(sum);
  TileRow place = tileRow(rowOf(row / 2, row % 2));
  bool isStaged = !op.getEpilogue().empty();
  if (isStaged)
    stageRow(row, inverse);
  e.when(e.cmp(arith::CmpIPredicate::slt, place.t, rows), [&] {
    if (!isStaged)
      storeRow(place, row / 2, row % 2, inverse, to);
    if (!c().lseOut && !c().stateOut && !c().pairsOut)
      return;
    // One of the four threads that share the row.
    Value isFirst = e.cmp(arith::CmpIPredicate::eq, at.column, w.i32(0));
    e.when(isFirst, [&] {
      if (op.getPartial())
        storeStateOf(row, place, sum);
      storePairs(w.toIndex(computed), place.head, place.t);
      if (!c().lseOut)
        return;
      Value reference = e.subf(w.f32(0), state.shifts[row]);
      e.store(logSumExp(reference, sum), c().lseOut,
              {place.head, placeOf(place.t)});
    });
  });
}

LogicalResult MmaFold::finish() {
  GlobalRows to = rowsOf(c().tileOut);
  for (int64_t row = 0; row < numRows(); ++row)
    finishRow(row, to);
  return op.getEpilogue().empty() ? success() : storeStaged();
}
