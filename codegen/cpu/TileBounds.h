// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The key interval of a component for a run of query rows, computed by the
// kernel from run-time symbols. Where bounds do not decrease with the query the
// corners of a run decide; else each row's interval is computed once a tile.

#ifndef ATTNC_CODEGEN_CPU_TILEBOUNDS_H
#define ATTNC_CODEGEN_CPU_TILEBOUNDS_H

#include "codegen/cpu/KeyWalk.h"
#include "codegen/cpu/LaneEmitter.h"
#include "dialect/Attn.h"

namespace attnc::cpu {

/// The query rows of a tile: row number t is `row` + (t / `run`) * `step` + t
/// mod `run`, 0 <= t < `rows`.
struct TileRows {
  Value head, row, rows;
  int64_t step, run;

  /// How far row number t, a scalar or a vector, lies behind the first.
  Value offsetOf(Emitter &e, Value t) const;
  /// How many rows lie less than `length` behind the first; 0 <= length.
  Value rowsWithin(Emitter &e, Value length) const;
};

class TileBounds {
public:
  struct Context {
    Emitter &e;
    mlir::attn::FoldOp op;
    OuterValues &outer;
    ValueRange symbols;   // of the fold
    Value firstKey, keys; // key rows firstKey .. keys - 1
    TileRows tile;
  };
  /// Numbers keys as `walk` does. `intervals` is scratch, [2][rows of a tile]
  /// of i64, that this object alone uses.
  TileBounds(Context context, mlir::attn::ComponentAttr component,
             KeyWalk &walk, llvm::function_ref<Value()> intervals);

  /// Computes what the tile needs; false after an error.
  llvm::LogicalResult prepare();

  /// Keys that some query of rows `first` .. `last` keeps.
  KeyInterval visited(Value first, Value last);
  /// Keys that every query of these rows keeps, tests aside.
  KeyInterval full(Value first, Value last);
  /// Keys of one row.
  KeyInterval ofRow(Value t) { return full(t, t); }

  /// Restricts everything to these rows and key rows; null lifts it.
  struct Clip {
    Value firstRow, lastRow; // of the tile
    Value firstKey, lastKey; // by row
  };
  void setClip(const Clip *newClip) { clip = newClip; }

private:
  Context c;
  Emitter &e;
  mlir::attn::ComponentAttr component;
  KeyWalk &walk;
  Values symbols;
  Value firstGuard, lastGuard; // positions of queries that exist here
  Value intervals;             // null where corners decide
  const Clip *clip = nullptr;

  Value kBegin() { return symbols[mlir::attn::KBegin]; }
  Value position(Value t);
  Value evaluate(mlir::AffineMap map, Value position, ValueRange symbols,
                 bool largest);

  // Corners.
  Values symbolsAt(Value position);
  Value lower(Value position);
  Value upper(Value position);
  Value guardAt(Value position);
  KeyInterval numbersWhere(Value some, KeyInterval rows);

  // Rows.
  llvm::LogicalResult emitSegment(mlir::attn::SegmentOp op, LaneEmitter &region,
                                  llvm::MutableArrayRef<Value> last);
  mlir::FailureOr<Values> rowValues(Value t, Values &carried);
  KeyInterval rowInterval(Value t, ValueRange values);
  KeyInterval reduce(Value first, Value last, bool isFull);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_TILEBOUNDS_H
