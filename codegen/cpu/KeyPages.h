// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys that lie in pages: which rows exist, and where the rows of a key block
// begin. Rows are read in place: once a block their offsets go into a table, so
// that a row costs one scalar load wherever it lies.

#ifndef ATTNC_CODEGEN_CPU_KEYPAGES_H
#define ATTNC_CODEGEN_CPU_KEYPAGES_H

#include "codegen/cpu/KeyWalk.h"
#include "codegen/cpu/LaneEmitter.h"
#include "dialect/Attn.h"
#include <array>
#include <functional>

namespace attnc::cpu {

/// Keys up to number end - 1, which are walked block by block; blocks begin at
/// multiples of their size from `origin` on.
struct KeyRun {
  Value origin, end;
};

class KeyPages {
public:
  /// `op` has a page region. `offsets` makes a table of i64, one a key that is
  /// located at a time or read behind those.
  KeyPages(Emitter &e, mlir::attn::FoldOp op, OuterValues &outer,
           std::function<Value()> offsets);

  /// Calls `body` with each longest run of rows among first .. last whose pages
  /// exist. The others are reported.
  void eachRun(Value first, Value last,
               llvm::function_ref<void(KeyInterval)> body);
  /// Whether the page of row c exists; reports where `isAsked` and it does not.
  Value exists(Value c, Value isAsked);

  /// What a loader of paged rows reads in place, as memref<? x length> whose
  /// row numbers are offsets in elements; null where it computes rows.
  Value directRows(mlir::Region &loader);
  /// The offset of key j of the block, for such a memref.
  Value offsetOf(Value rows, Value j) { return offsetOf(rows, j, keyHead); }
  Value offsetOf(Value rows, Value j, Value head);
  /// Whether pages have a multiple of `count` rows, as far as is known: what
  /// begins at such a multiple then lies in one page.
  bool holdMultiplesOf(int64_t count);
  /// Keys j, j + 1, ... of the block as they follow each other in their page,
  /// of a key head where loaders take one: memref<? x length>.
  Value rowsFrom(Value rows, Value j, Value head);

  /// Fills the tables for keys `block` .. `block` + count - 1; entries behind
  /// repeat the last.
  void locate(KeyWalk &keys, Value block, Value count);
  /// The same once for `chunk` keys, counted from the run's origin on: the
  /// tables then hold these and up to `ahead` that follow. The block begins at
  /// `block`, or in `block` .. at `first`.
  void locateChunk(KeyWalk &keys, KeyRun run, Value block, Value first,
                   int64_t chunk, int64_t ahead);
  /// Goes to a key head, where loaders take one.
  void setHead(Value head) { keyHead = head; }
  /// Calls body(j, page, row in it) for these keys.
  void eachKey(KeyWalk &keys, Value block, Value count,
               llvm::function_ref<void(Value, Value, Value)> body);

private:
  Emitter &e;
  mlir::attn::FoldOp op;
  OuterValues &outer;
  std::function<Value()> makeTable;
  Value size, count; // rows of a page, pages
  Value shift;       // of the block in the tables; null: 0
  Value keyHead;     // null: loaders know it

  /// Operands with one table: they are parts of one tensor.
  struct Operand {
    Value source;                // memref
    std::array<int64_t, 3> dims; // of the page, the row, the key head (or -1)
    Value pageStride, rowStride, headStride, table;
    llvm::SmallVector<Value, 2> views;
  };
  llvm::SmallVector<Operand, 2> operands;

  Value pageOf(Value t);
  Value isPage(Value page);
  Value numberOf(Value c); // of the page in the batch
  Value skip(Value c, Value last, bool existing);
  void fill(KeyWalk &keys, Value block, Value count);
  Operand &operandOf(Value source, std::array<int64_t, 3> dims);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_KEYPAGES_H
