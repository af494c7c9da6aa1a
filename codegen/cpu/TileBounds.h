// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The key interval of a component for a run of query rows, computed by the
// kernel from run-time symbols. Bounds are non-decreasing in the query
// position, so the corners of a run decide.

#ifndef ATTNC_CODEGEN_CPU_TILEBOUNDS_H
#define ATTNC_CODEGEN_CPU_TILEBOUNDS_H

#include "codegen/cpu/Emitter.h"
#include "dialect/Attn.h"

namespace attnc::cpu {

/// Key rows first .. last (inclusive); empty when first > last.
struct KeyInterval {
  Value first, last;
};

class TileBounds {
public:
  /// `symbols` as in #attn.component; `keys` is the number of key rows.
  TileBounds(Emitter &e, mlir::attn::ComponentAttr component,
             ValueRange symbols, Value keys);

  /// Keys that some query of rows `firstRow .. lastRow` keeps.
  KeyInterval visited(Value firstRow, Value lastRow);
  /// Keys that every query of these rows keeps, tests aside.
  KeyInterval full(Value firstRow, Value lastRow);
  /// Keys of one row.
  KeyInterval ofRow(Value row);

private:
  Emitter &e;
  mlir::attn::ComponentAttr component;
  Values symbols;
  Value keys;
  Value firstGuard, lastGuard; // positions of queries that exist here

  Value kBegin() { return symbols[mlir::attn::KBegin]; }
  Value position(Value row) { return e.add(symbols[mlir::attn::QBegin], row); }
  Value evaluate(mlir::AffineMap map, Value position, bool largest);
  Value lower(Value position) {
    return e.sub(evaluate(component.getLower(), position, true), kBegin());
  }
  Value upper(Value position) {
    return e.sub(evaluate(component.getUpper(), position, false), kBegin());
  }
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_TILEBOUNDS_H
