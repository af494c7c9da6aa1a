// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tile of rows in shared memory: how its 16-byte chunks are swizzled so that
// eight rows of a column of chunks lie in different banks, how rows are copied
// into it from global memory, and where matrix fragments are read.

#ifndef ATTNC_CODEGEN_GPU_SHAREDTILE_H
#define ATTNC_CODEGEN_GPU_SHAREDTILE_H

#include "codegen/gpu/Warp.h"

namespace attnc::gpu {

/// Rows of 16-bit elements in global memory.
struct GlobalRows {
  Value base;       // address of row 0 (of page 0), i64
  Value stride;     // bytes from a row to the next, i64
  Value pageStride; // bytes from a page to the next, i64; null: no pages
};

class SharedTile {
public:
  static constexpr int64_t kChunk = 16; // bytes
  static constexpr int64_t kChunkElements = 8;

  /// `rows` rows of `columns` elements, a multiple of kChunkElements, with
  /// zeros up to a multiple of 16 elements; `threads` threads copy it.
  /// In panels, 64 columns of all rows lie together as wgmma reads them with
  /// swizzled rows of 128 bytes; `columns` is then a multiple of 64.
  SharedTile(int64_t rows, int64_t columns, int64_t threads,
             bool hasPanels = false);

  int64_t rows() const { return numRows; }
  int64_t rowBytes() const { return (hasPanels ? group : pitch) * kChunk; }
  int64_t panelBytes() const { return numRows * rowBytes(); }
  int64_t bytes() const { return numRows * pitch * kChunk; }
  /// Whether threads copy the same chunks of the same rows into both.
  bool isCopiedLike(const SharedTile &other) const {
    return chunks == other.chunks && numRows == other.numRows;
  }
  bool isPadded() const { return chunks != pitch; }

  //===--------------------------------------------------------------------===//
  // Copies
  //===--------------------------------------------------------------------===//

  /// Copies go by passes; a thread copies one chunk of a row in each.
  int64_t passes() const { return numRows / passRows; }
  int64_t rowsOfPass() const { return passRows; }
  /// What a thread copies: a chunk of row `row`, of this and every
  /// `passRows`-th row that follows.
  struct Part {
    Value row;      // i32
    Value column;   // byte in a global row, i64
    Value shared;   // offset in the tile, i32
    Value isActive; // null: every thread has a chunk
  };
  Part part(Warp &w, Value thread) const;
  /// Copies the part's row of pass `pass` from the address `global` to the tile
  /// at `tile`. `size` as for Warp::copyAsync.
  void copy(Warp &w, const Part &part, Value tile, int64_t pass, Value global,
            Value size) const;
  /// Clears the columns that no copy writes.
  void clearPadding(Warp &w, Value thread, Value tile, int64_t copies) const;

  //===--------------------------------------------------------------------===//
  // Fragments
  //===--------------------------------------------------------------------===//

  /// The offset of a row's chunk.
  Value chunkAt(Warp &w, Value row, Value chunk) const;
  /// The offset of a lane's row and chunk for 16x16 elements from row 0 on: as
  /// an A operand (or, transposed, two B operands), or as two B operands.
  Value asRows(Warp &w, Value lane) const;
  Value asColumns(Warp &w, Value lane) const;
  /// Addresses of column step `step` (16 columns) are one of few bases, made
  /// once a tile, and an immediate offset.
  int64_t numBases() const { return group / 2; }
  int64_t baseOf(int64_t step) const { return step % numBases(); }
  Value makeBase(Warp &w, Value address, int64_t number) const {
    return w.xorBits(address, number * 2 * kChunk);
  }
  int64_t offsetOf(int64_t step, int64_t row) const {
    return step / numBases() * group * kChunk + row * rowBytes();
  }

private:
  int64_t numRows, chunks, pitch; // in chunks
  int64_t group;                  // of chunks that are permuted
  int64_t passRows, threads;
  bool hasPanels;

  /// What is xored into the number of a chunk.
  Value swizzle(Warp &w, Value row) const;
  int64_t swizzle(int64_t row) const { return row % 8 / (8 / group) % group; }
};

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_SHAREDTILE_H
