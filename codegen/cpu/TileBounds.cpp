// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Corner evaluation of a component's bounds.

#include "codegen/cpu/TileBounds.h"
#include "mlir/Dialect/Affine/Utils.h"

using namespace mlir;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

TileBounds::TileBounds(Emitter &e, attn::ComponentAttr component,
                       ValueRange symbolValues, Value keys)
    : e(e), component(component), keys(keys) {
  symbols.assign(symbolValues.begin(), symbolValues.end());
  symbols.resize(component.getLower().getNumSymbols());
  if (component.getRowLower().getNumResults())
    firstGuard = evaluate(component.getRowLower(), Value(), true);
  if (component.getRowUpper().getNumResults())
    lastGuard = evaluate(component.getRowUpper(), Value(), false);
}

/// The largest (or smallest) result of a map at a query position.
Value TileBounds::evaluate(AffineMap map, Value position, bool largest) {
  Values operands;
  if (map.getNumDims())
    operands.push_back(position);
  llvm::append_range(operands, symbols);
  std::optional<SmallVector<Value, 8>> results =
      affine::expandAffineMap(e.b, e.loc, map, operands);
  assert(results && "verified maps expand");
  Value best = results->front();
  for (Value other : llvm::drop_begin(*results))
    best = largest ? e.max(best, other) : e.min(best, other);
  return best;
}

KeyInterval TileBounds::visited(Value firstRow, Value lastRow) {
  Value i0 = position(firstRow), i1 = position(lastRow);
  if (firstGuard)
    i0 = e.max(i0, firstGuard);
  if (lastGuard)
    i1 = e.min(i1, lastGuard);
  Value first = e.max(lower(i0), e.idx(0));
  Value last = e.min(upper(i1), e.sub(keys, e.idx(1)));
  Value some = e.cmp(CmpIPredicate::sle, i0, i1);
  return {first, e.select(some, last, e.idx(-1))};
}

KeyInterval TileBounds::full(Value firstRow, Value lastRow) {
  Value i0 = position(firstRow), i1 = position(lastRow);
  Value first = lower(i1), last = upper(i0);
  if (firstGuard)
    last = e.select(e.cmp(CmpIPredicate::sge, i0, firstGuard), last, e.idx(-1));
  if (lastGuard)
    last = e.select(e.cmp(CmpIPredicate::sle, i1, lastGuard), last, e.idx(-1));
  return {first, last};
}

KeyInterval TileBounds::ofRow(Value row) {
  KeyInterval interval = full(row, row);
  return interval;
}
