// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Corner evaluation of a component's bounds, and rows' intervals.

#include "codegen/cpu/TileBounds.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "passes/PlanTrend.h"

using namespace mlir;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

Value TileRows::offsetOf(Emitter &e, Value t) const {
  auto constant = [&](int64_t x) -> Value {
    auto vector = dyn_cast<VectorType>(t.getType());
    return vector ? e.splat(e.idx(x), vector.getNumElements()) : e.idx(x);
  };
  if (step == 1)
    return t;
  if (run == 1)
    return e.mul(t, constant(step));
  Value runs = arith::DivUIOp::create(e.b, e.loc, t, constant(run));
  return e.add(t, e.mul(runs, constant(step - run)));
}

Value TileRows::rowsWithin(Emitter &e, Value length) const {
  if (step == 1)
    return length;
  if (run == 1)
    return e.ceilDiv(length, step);
  Value runs = arith::DivUIOp::create(e.b, e.loc, length, e.idx(step));
  Value rest = e.sub(length, e.mul(runs, e.idx(step)));
  return e.add(e.mul(runs, e.idx(run)), e.min(rest, e.idx(run)));
}

TileBounds::TileBounds(Context context, attn::ComponentAttr component,
                       KeyWalk &walk, llvm::function_ref<Value()> intervalsOf)
    : c(context), e(context.e), component(component), walk(walk) {
  symbols.assign(c.symbols.begin(), c.symbols.end());
  // Row bounds take no values; the maps count them all the same.
  Values padded(symbols);
  padded.resize(component.getLower().getNumSymbols(), e.idx(0));
  if (component.getRowLower().getNumResults())
    firstGuard = evaluate(component.getRowLower(), Value(), padded, true);
  if (component.getRowUpper().getNumResults())
    lastGuard = evaluate(component.getRowUpper(), Value(), padded, false);
  if (!attnc::cornersDecide(c.op.getPlan(), component))
    intervals = intervalsOf();
}

Value TileBounds::position(Value t) {
  Value row = e.add(c.tile.row, c.tile.offsetOf(e, t));
  return e.add(symbols[attn::QBegin], row);
}

/// The largest (or smallest) result of a map at a query position.
Value TileBounds::evaluate(AffineMap map, Value position, ValueRange symbols,
                           bool largest) {
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

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// The document of a row: that of the row before (`last`) for most rows.
LogicalResult TileBounds::emitSegment(attn::SegmentOp op, LaneEmitter &region,
                                      MutableArrayRef<Value> last) {
  Value x = region.lookup(op.getX());
  // What the search makes stays in its branch.
  LaneEmitter search(e, 1, c.outer);
  search.bind(op.getX(), x);
  for (Value lead : op.getLead())
    search.bind(lead, region.lookup(lead));
  Value isSame = e.both(e.cmp(CmpIPredicate::sle, last[1], x),
                        e.cmp(CmpIPredicate::slt, x, last[2]));
  auto branch = scf::IfOp::create(e.b, e.loc, op.getResultTypes(), isSame,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(e.b, e.loc, ValueRange(last));
  e.b.setInsertionPointToEnd(branch.elseBlock());
  if (failed(search.emit(*op)))
    return failure();
  Values found;
  for (Value result : op.getResults())
    found.push_back(search.lookup(result));
  scf::YieldOp::create(e.b, e.loc, found);
  for (auto [result, value, slot] :
       llvm::zip(op.getResults(), branch.getResults(), last)) {
    region.bind(result, value);
    slot = value;
  }
  return success();
}

/// The plan's values of row t. `carried` has the results of the segment
/// operations for the row before; where it is empty they are computed anew.
FailureOr<Values> TileBounds::rowValues(Value t, Values &carried) {
  if (c.op.getValues().empty())
    return Values();
  Block &block = c.op.getValues().front();
  LaneEmitter region(e, 1, c.outer);
  Value row = e.add(c.tile.row, c.tile.offsetOf(e, t));
  Value inputs[] = {c.tile.head, position(t), row};
  for (auto [argument, value] : llvm::zip(block.getArguments(), inputs))
    region.bind(argument, value);
  size_t next = 0;
  for (Operation &op : block.without_terminator()) {
    auto segment = dyn_cast<attn::SegmentOp>(op);
    if (!segment || carried.empty()) {
      if (failed(region.emit(op)))
        return failure();
      continue;
    }
    auto last = MutableArrayRef(carried).slice(next, op.getNumResults());
    next += op.getNumResults();
    if (failed(emitSegment(segment, region, last)))
      return failure();
  }
  Values values;
  for (Value value : block.getTerminator()->getOperands())
    values.push_back(region.lookup(value));
  return values;
}

/// Rows of the keys of row t, clipped to those that exist; empty where a guard
/// does not hold.
KeyInterval TileBounds::rowInterval(Value t, ValueRange values) {
  Value i = position(t);
  Values all(symbols);
  llvm::append_range(all, values);
  Value first = e.sub(evaluate(component.getLower(), i, all, true), kBegin());
  Value last = e.sub(evaluate(component.getUpper(), i, all, false), kBegin());
  first = e.max(first, c.firstKey);
  last = e.min(last, e.sub(c.keys, e.idx(1)));
  Value none = e.idx(-1);
  if (firstGuard)
    last = e.select(e.cmp(CmpIPredicate::sge, i, firstGuard), last, none);
  if (lastGuard)
    last = e.select(e.cmp(CmpIPredicate::sle, i, lastGuard), last, none);
  if (AffineMap guard = component.getGuard())
    last = e.select(
        e.cmp(CmpIPredicate::sge, evaluate(guard, i, all, false), e.idx(0)),
        last, none);
  return {first, last};
}

LogicalResult TileBounds::prepare() {
  if (!intervals)
    return success();
  Values carried;
  if (!c.op.getValues().empty())
    c.op.getValues().walk([&](attn::SegmentOp) {
      // In no document, between 0 and 0: the first row asks.
      carried.append({e.idx(-1), e.idx(0), e.idx(0)});
    });
  LogicalResult result = success();
  e.loop(e.idx(0), c.tile.rows, 1, carried, [&](Value t, ValueRange in) {
    Values segments(in);
    FailureOr<Values> values = rowValues(t, segments);
    if (failed(values)) {
      result = failure();
      return Values(in);
    }
    KeyInterval rows = rowInterval(t, *values);
    KeyInterval numbers = walk.numbersOf(rows);
    e.storeIndex(numbers.first, intervals, {e.idx(0), t});
    // A walk's numbers of no rows may cross by more than one.
    Value some = e.cmp(CmpIPredicate::sle, rows.first, rows.last);
    Value last = e.select(some, numbers.last, e.sub(numbers.first, e.idx(1)));
    e.storeIndex(last, intervals, {e.idx(1), t});
    return segments;
  });
  return result;
}

//===----------------------------------------------------------------------===//
// Runs of rows
//===----------------------------------------------------------------------===//

/// The symbols with the values of a query at position i, none of them searched
/// for.
Values TileBounds::symbolsAt(Value i) {
  Values all(symbols);
  if (c.op.getValues().empty())
    return all;
  Block &block = c.op.getValues().front();
  LaneEmitter region(e, 1, c.outer);
  Value inputs[] = {c.tile.head, i, e.sub(i, symbols[attn::QBegin])};
  for (auto [argument, value] : llvm::zip(block.getArguments(), inputs))
    region.bind(argument, value);
  if (failed(region.emit(block)))
    return all;
  for (Value value : block.getTerminator()->getOperands())
    all.push_back(region.lookup(value));
  return all;
}

Value TileBounds::lower(Value i) {
  return e.sub(evaluate(component.getLower(), i, symbolsAt(i), true), kBegin());
}
Value TileBounds::upper(Value i) {
  return e.sub(evaluate(component.getUpper(), i, symbolsAt(i), false),
               kBegin());
}

/// The guard at a position, where it is the same for every row; null: none.
Value TileBounds::guardAt(Value i) {
  AffineMap guard = component.getGuard();
  if (!guard)
    return {};
  return e.cmp(CmpIPredicate::sge, evaluate(guard, i, symbolsAt(i), false),
               e.idx(0));
}

/// Numbers of the keys at rows first .. last; none where `some` (null: true)
/// is false or rows cross.
KeyInterval TileBounds::numbersWhere(Value some, KeyInterval rows) {
  if (clip) {
    rows.first = e.max(rows.first, clip->firstKey);
    rows.last = e.min(rows.last, clip->lastKey);
  }
  KeyInterval numbers = walk.numbersOf(rows);
  // The numbers of no rows may be those of some.
  if (numbers.last != rows.last) {
    Value ordered = e.cmp(CmpIPredicate::sle, rows.first, rows.last);
    some = some ? e.both(some, ordered) : ordered;
  }
  if (some)
    numbers.last = e.select(some, numbers.last, e.sub(numbers.first, e.idx(1)));
  return numbers;
}

/// Of the intervals of rows first .. last: what some row keeps, or all do.
KeyInterval TileBounds::reduce(Value first, Value last, bool isFull) {
  constexpr int64_t kFar = int64_t(1) << 62;
  Values inits{e.idx(isFull ? -kFar : kFar), e.idx(isFull ? kFar : -kFar)};
  Values both = e.loop(first, e.add(last, 1), 1, inits,
                       [&](Value t, ValueRange in) -> Values {
                         Value low = e.loadIndex(intervals, {e.idx(0), t});
                         Value high = e.loadIndex(intervals, {e.idx(1), t});
                         if (isFull)
                           return {e.max(in[0], low), e.min(in[1], high)};
                         Value some = e.cmp(CmpIPredicate::sle, low, high);
                         return {e.select(some, e.min(in[0], low), in[0]),
                                 e.select(some, e.max(in[1], high), in[1])};
                       });
  if (!clip)
    return {both[0], both[1]};
  KeyInterval inside = walk.numbersOf({clip->firstKey, clip->lastKey});
  return {e.max(both[0], inside.first), e.min(both[1], inside.last)};
}

KeyInterval TileBounds::visited(Value first, Value last) {
  if (clip) {
    first = e.max(first, clip->firstRow);
    last = e.min(last, clip->lastRow);
  }
  if (intervals)
    return reduce(first, last, /*isFull=*/false);
  Value i0 = position(first), i1 = position(last);
  if (firstGuard)
    i0 = e.max(i0, firstGuard);
  if (lastGuard)
    i1 = e.min(i1, lastGuard);
  KeyInterval rows{e.max(lower(i0), c.firstKey),
                   e.min(upper(i1), e.sub(c.keys, e.idx(1)))};
  Value some = e.cmp(CmpIPredicate::sle, i0, i1);
  if (Value guard = guardAt(i0))
    some = e.both(some, guard);
  return numbersWhere(some, rows);
}

KeyInterval TileBounds::full(Value first, Value last) {
  Value whole; // every row is one of the component's
  auto demand = [&](Value condition) {
    whole = whole ? e.both(whole, condition) : condition;
  };
  if (clip) {
    demand(e.cmp(CmpIPredicate::sle, clip->firstRow, first));
    demand(e.cmp(CmpIPredicate::sle, last, clip->lastRow));
  }
  if (intervals) {
    KeyInterval numbers = reduce(first, last, /*isFull=*/true);
    if (whole)
      numbers.last =
          e.select(whole, numbers.last, e.sub(numbers.first, e.idx(1)));
    return numbers;
  }
  Value i0 = position(first), i1 = position(last);
  if (firstGuard)
    demand(e.cmp(CmpIPredicate::sge, i0, firstGuard));
  if (lastGuard)
    demand(e.cmp(CmpIPredicate::sle, i1, lastGuard));
  if (Value guard = guardAt(i0))
    demand(guard);
  return numbersWhere(whole, {lower(i1), upper(i0)});
}
