// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Swizzled tiles in shared memory.

#include "codegen/gpu/SharedTile.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc::gpu;

SharedTile::SharedTile(int64_t rows, int64_t columns, int64_t threads,
                       bool hasPanels)
    : numRows(rows), chunks(columns / kChunkElements),
      pitch(llvm::alignTo(chunks, 2)), threads(threads), hasPanels(hasPanels) {
  // The largest power of two that divides a row's chunks.
  group = std::min<int64_t>(8, pitch & -pitch);
  int64_t most = threads / chunks;
  passRows = most >= 8 ? most / 8 * 8 : llvm::bit_floor<uint64_t>(most);
  while (numRows % passRows != 0)
    passRows -= passRows > 8 ? 8 : passRows / 2;
}

Value SharedTile::swizzle(Warp &w, Value row) const {
  Value inGroup = w.andBits(row, 7);
  return w.shiftRight(inGroup, llvm::Log2_64(8 / group));
}

SharedTile::Part SharedTile::part(Warp &w, Value thread) const {
  Value count = w.i32(chunks);
  Part part;
  part.row = w.e.b.createOrFold<arith::DivUIOp>(w.e.loc, thread, count);
  Value chunk = w.e.b.createOrFold<arith::RemUIOp>(w.e.loc, thread, count);
  part.shared = chunkAt(w, part.row, chunk);
  part.column = w.e.b.createOrFold<arith::ExtUIOp>(w.e.loc, w.e.b.getI64Type(),
                                                   w.mul(chunk, kChunk));
  if (passRows * chunks < threads)
    part.isActive = w.less(thread, w.i32(passRows * chunks));
  return part;
}

void SharedTile::copy(Warp &w, const Part &part, Value tile, int64_t pass,
                      Value global, Value size) const {
  int64_t row = pass * passRows;
  Value place = w.xorBits(part.shared, swizzle(row) * kChunk);
  w.copyAsync(w.add(tile, place), row * rowBytes(), global, size);
}

void SharedTile::clearPadding(Warp &w, Value thread, Value tile,
                              int64_t copies) const {
  if (!isPadded())
    return;
  auto type = VectorType::get({4}, w.e.b.getI32Type());
  Value zero =
      arith::ConstantOp::create(w.e.b, w.e.loc, w.e.b.getZeroAttr(type));
  w.e.loop(
      w.toIndex(thread), w.e.idx(numRows * copies), threads, [&](Value index) {
        Value row = w.toI32(index);
        Value place = w.xorBits(swizzle(w, row), w.i32(chunks));
        w.storeShared(
            zero,
            w.add(tile, w.add(w.mul(row, rowBytes()), w.mul(place, kChunk))),
            0);
      });
}

Value SharedTile::chunkAt(Warp &w, Value row, Value chunk) const {
  Value place = w.xorBits(chunk, swizzle(w, row));
  if (hasPanels && pitch > group) {
    // The swizzle leaves the number of the panel as it is.
    Value panel = w.shiftRight(place, llvm::Log2_64(group));
    place =
        w.add(w.andBits(place, group - 1), w.mul(panel, panelBytes() / kChunk));
  }
  return w.add(w.mul(row, rowBytes()), w.mul(place, kChunk));
}

Value SharedTile::asRows(Warp &w, Value lane) const {
  return chunkAt(w, w.andBits(lane, 15), w.shiftRight(lane, 4));
}

Value SharedTile::asColumns(Warp &w, Value lane) const {
  Value row = w.add(w.andBits(lane, 7), w.shiftLeft(w.shiftRight(lane, 4), 3));
  return chunkAt(w, row, w.andBits(w.shiftRight(lane, 3), 1));
}
