// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order in which blocks of keys are folded, and the copies that run ahead
// of them. Copies never drain between blocks that every query keeps and those
// that some query masks.

#include "codegen/gpu/MmaFold.h"

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;
using mlir::arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// x, an index, as an i32 between -1 and the largest block boundary.
static Value narrow(Warp &w, Value x) {
  Emitter &e = w.e;
  constexpr int64_t kMost = int64_t(1) << 30;
  return w.toI32(e.max(e.min(x, e.idx(kMost)), e.idx(-1)));
}

MmaFold::Blocks MmaFold::findBlocks(Walked &walked) {
  Value lastRow = e.sub(rows, e.idx(1)), none = e.idx(0);
  Blocks blocks;
  blocks.walked = &walked;
  blocks.visited = walked.bounds->visited(none, lastRow);
  Value first = blocks.visited.first, last = blocks.visited.last;
  Value keys = e.max(visitedKeys(blocks), none);
  Value count = e.ceilDiv(keys, blockKeys);
  blocks.count = w.toI32(count);
  blocks.cleanCount = blocks.cleanFirst = w.i32(0);
  blocks.beforeAt = blocks.count;
  if (!op.getPage().empty())
    blocks.missing = hasMissingPages(walked.keys->rowOf(first, none),
                                     walked.keys->rowOf(last, none));
  if (!walked.tests.empty())
    return blocks;
  KeyInterval full = walked.bounds->full(none, lastRow);
  Value fullFirst = e.max(e.sub(full.first, first), none);
  Value fullEnd = e.min(e.sub(e.add(full.last, 1), first), keys);
  Value cleanFirst = e.min(e.ceilDiv(fullFirst, blockKeys), count);
  Value cleanEnd = e.b.createOrFold<arith::DivUIOp>(e.loc, e.max(fullEnd, none),
                                                    e.idx(blockKeys));
  Value clean = e.max(e.sub(cleanEnd, cleanFirst), none);
  if (blocks.missing)
    clean = e.select(blocks.missing, none, clean);
  // Without a clean block the order begins at the first.
  cleanFirst =
      e.select(e.cmp(CmpIPredicate::sgt, clean, none), cleanFirst, none);
  blocks.cleanFirst = w.toI32(cleanFirst);
  blocks.cleanCount = w.toI32(clean);
  blocks.beforeAt = w.toI32(e.sub(count, cleanFirst));
  return blocks;
}

/// The number of the block at a place in the order.
Value MmaFold::blockAt(const Blocks &blocks, Value index) {
  Value behind = w.add(index, blocks.cleanFirst);
  Value before = w.sub(index, blocks.beforeAt);
  return e.select(w.less(index, blocks.beforeAt), behind, before);
}

Value MmaFold::addressOf(const KeyPlace &from, const GlobalRows &rows,
                         const SharedTile::Part &part) {
  Value address = e.add(rows.base, e.mul(w.toI64(from.row), rows.stride));
  if (from.page)
    address = e.add(address, e.mul(w.toI64(from.page), rows.pageStride));
  return e.add(address, part.column);
}

/// Keys from the first to the last that some query visits, where there are any.
Value MmaFold::visitedKeys(const Blocks &blocks) {
  return e.sub(e.add(blocks.visited.last, 1), blocks.visited.first);
}

/// A key past the end, or of no page, does not exist; its place is a real one.
MmaFold::KeyPlace MmaFold::placeOfKey(const Blocks &blocks, Value number) {
  Value exists = e.cmp(CmpIPredicate::slt, number, visitedKeys(blocks));
  Value real = e.select(exists, number, e.idx(0));
  KeyPlace place =
      locate(blocks.walked->keys->rowOf(blocks.visited.first, real));
  place.exists = place.exists ? e.both(exists, place.exists) : exists;
  return place;
}

/// Copies the block's rows of tensors into tiles of one shape.
void MmaFold::copyRows(const Blocks &blocks, Value block,
                       const SharedTile &tile, const SharedTile::Part &part,
                       ArrayRef<std::pair<GlobalRows, Value>> copies) {
  auto copy = [&] {
    for (int64_t pass = 0; pass < tile.passes(); ++pass) {
      Value key = w.add(w.add(w.mul(block, blockKeys), part.row),
                        pass * tile.rowsOfPass());
      KeyPlace from = placeOfKey(blocks, w.toIndex(key));
      // Rows that do not exist are zeros.
      Value size = e.select(from.exists, w.i32(16), w.i32(0));
      for (const auto &[rows, slot] : copies)
        tile.copy(w, part, slot, pass, addressOf(from, rows, part), size);
    }
  };
  part.isActive ? e.when(part.isActive, copy) : copy();
}

LogicalResult MmaFold::copyBlock(const Blocks &blocks, Value block,
                                 Value keySlot, Value valueSlot) {
  Value keysTo = w.add(keyAt, keySlot), valuesTo = w.add(valueAt, valueSlot);
  // Rows of one shape are looked up once.
  if (kGlobal && vGlobal && keyTile.isCopiedLike(valueTile)) {
    copyRows(blocks, block, keyTile, kPart,
             {{*kGlobal, keysTo}, {*vGlobal, valuesTo}});
    return success();
  }
  if (kGlobal)
    copyRows(blocks, block, keyTile, kPart, {{*kGlobal, keysTo}});
  else if (failed(computeRows(blocks, block, op.getLoadK(), keyTile, keysTo)))
    return failure();
  if (vGlobal)
    copyRows(blocks, block, valueTile, vPart, {{*vGlobal, valuesTo}});
  else
    return computeRows(blocks, block, op.getLoadV(), valueTile, valuesTo);
  return success();
}

//===----------------------------------------------------------------------===//
// The pipeline
//===----------------------------------------------------------------------===//

Values MmaFold::Cursor::flatten() const {
  Values values;
  for (Value x :
       {index, keySlot, valueSlot, keyFill, valueFill, keyFrom, valueFrom})
    if (x)
      values.push_back(x);
  return values;
}

void MmaFold::Cursor::restore(ValueRange values) {
  for (Value *x : {&index, &keySlot, &valueSlot, &keyFill, &valueFill, &keyFrom,
                   &valueFrom})
    if (*x)
      takeFront(values, *x);
}

/// Copies the first `ahead` blocks, a group each.
FailureOr<MmaFold::Cursor> MmaFold::startPipeline(const Blocks &blocks) {
  LogicalResult result = success();
  for (int64_t stage = 0; stage < ahead; ++stage) {
    Value index = w.i32(stage);
    e.when(w.less(index, blocks.count), [&] {
      if (failed(copyBlock(blocks, blockAt(blocks, index),
                           w.i32(stage * keyTile.bytes()),
                           w.i32(stage * valueTile.bytes()))))
        result = failure();
    });
    w.commitCopies();
  }
  if (failed(result))
    return failure();
  if (queries.empty()) {
    int64_t kept = std::min(mma.getQuerySteps(), stepsD);
    if (kept) {
      syncCopies(ahead - 1);
    }
    for (int64_t step = 0; step < kept; ++step) {
      std::vector<Quad> fragments;
      for (int64_t m = 0; m < rowTiles; ++m)
        fragments.push_back(queryFragment(step, m));
      queries.push_back(fragments);
    }
  }
  Cursor cursor;
  cursor.index = cursor.keySlot = w.i32(0);
  cursor.keyFill = w.i32(ahead * keyTile.bytes());
  // Tiles of one size lie at the same offsets.
  if (keyTile.bytes() != valueTile.bytes()) {
    cursor.valueSlot = w.i32(0);
    cursor.valueFill = w.i32(ahead * valueTile.bytes());
  }
  return cursor;
}

Value MmaFold::nextSlot(Value slot, int64_t bytes) {
  if (stages == 2)
    return w.sub(w.i32(bytes), slot);
  Value next = w.add(slot, bytes);
  Value isEnd = e.cmp(CmpIPredicate::eq, next, w.i32(stages * bytes));
  return e.select(isEnd, w.i32(0), next);
}

void MmaFold::advance(Cursor &cursor) {
  cursor.index = w.add(cursor.index, 1);
  // The slot of the block at hand is the next to be filled, or, where it is
  // still read beside the next one, the one behind that which was filled.
  cursor.keyFill =
      isWgmma ? nextSlot(cursor.keyFill, keyTile.bytes()) : cursor.keySlot;
  cursor.keySlot = nextSlot(cursor.keySlot, keyTile.bytes());
  if (!cursor.valueSlot)
    return;
  cursor.valueFill = isWgmma ? nextSlot(cursor.valueFill, valueTile.bytes())
                             : cursor.valueSlot;
  cursor.valueSlot = nextSlot(cursor.valueSlot, valueTile.bytes());
}

/// Copies the block that is used `ahead` blocks later.
LogicalResult MmaFold::copyNext(Blocks &blocks, Cursor &cursor, bool isClean) {
  LogicalResult result = success();
  Value keySlot = cursor.keyFill,
        valueSlot = cursor.valueFill ? cursor.valueFill : keySlot;
  Value index = w.add(cursor.index, ahead);
  if (!isClean) {
    e.when(w.less(index, blocks.count), [&] {
      result = copyBlock(blocks, blockAt(blocks, index), keySlot, valueSlot);
    });
    w.commitCopies();
    return result;
  }
  auto copyRun = [&](const SharedTile &tile, const SharedTile::Part &part,
                     const GlobalRows &rows, Value slot, Value &from) {
    Value step = e.mul(
        rows.stride, arith::ConstantOp::create(
                         e.b, e.loc, e.b.getI64IntegerAttr(tile.rowsOfPass())));
    auto copy = [&] {
      Value address = from;
      for (int64_t pass = 0; pass < tile.passes(); ++pass) {
        tile.copy(w, part, slot, pass, address, Value());
        address = e.add(address, step);
      }
    };
    part.isActive ? e.when(part.isActive, copy) : copy();
    for (int64_t pass = 0; pass < tile.passes(); ++pass)
      from = e.add(from, step);
  };
  if (cursor.keyFrom) {
    copyRun(keyTile, kPart, *kGlobal, w.add(keyAt, keySlot), cursor.keyFrom);
    copyRun(valueTile, vPart, *vGlobal, w.add(valueAt, valueSlot),
            cursor.valueFrom);
  } else {
    result =
        copyBlock(blocks, w.add(index, blocks.cleanFirst), keySlot, valueSlot);
  }
  w.commitCopies();
  return result;
}

LogicalResult MmaFold::foldKeys(Walked &walked) {
  Blocks blocks = findBlocks(walked);
  computed = w.add(computed, w.mul(blocks.count, blockKeys));
  LogicalResult result = foldBlocksOf(blocks);
  // The next component, or the end, finds no copy under way.
  syncCopies(0);
  return result;
}

LogicalResult MmaFold::foldBlocksOf(Blocks &blocks) {
  FailureOr<Cursor> started = startPipeline(blocks);
  if (failed(started))
    return failure();
  Cursor cursor = *started;
  if (blocks.walked->tests.empty()) {
    // While the block that is copied is a clean one, too.
    Value end = w.sub(blocks.cleanCount, w.i32(ahead));
    if (blocks.walked->keys->isContiguous() && op.getPage().empty() &&
        kGlobal && vGlobal) {
      Value block = w.add(blocks.cleanFirst, ahead);
      auto from = [&](const GlobalRows &rows, const SharedTile::Part &part) {
        Value number = w.add(w.mul(block, blockKeys), part.row);
        Value row = e.add(blocks.visited.first, w.toIndex(number));
        return addressOf({Value(), row, Value()}, rows, part);
      };
      cursor.keyFrom = from(*kGlobal, kPart);
      cursor.valueFrom = from(*vGlobal, vPart);
    }
    // Score regions may branch, which must not come between asynchronous
    // products and their wait.
    bool overlaps = isWgmma && op.getScore().empty();
    if (failed(overlaps ? loopCleanByGroup(blocks, cursor, end)
                        : loopClean(blocks, cursor, end)))
      return failure();
    cursor.keyFrom = cursor.valueFrom = Value();
  }
  for (int64_t row = 0; row < numRows(); ++row) {
    Value t = e.clampIndex(tileRow(rowOf(row / 2, row % 2)).t, rows);
    KeyInterval kept = blocks.walked->bounds->ofRow(t);
    Value last = e.min(kept.last, blocks.visited.last);
    blocks.low.push_back(narrow(w, e.sub(kept.first, blocks.visited.first)));
    blocks.high.push_back(narrow(w, e.sub(last, blocks.visited.first)));
  }
  return loopMasked(blocks, cursor);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void MmaFold::loopWhile(Value condition, const Carried &carried,
                        function_ref<Value()> body) {
  Values inits = carried.flatten();
  SmallVector<Type> types(ValueRange(inits).getTypes());
  auto branch = scf::IfOp::create(e.b, e.loc, types, condition,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(e.b, e.loc, inits);
  e.b.setInsertionPointToStart(branch.thenBlock());
  auto loop = scf::WhileOp::create(
      e.b, e.loc, types, inits,
      [&](OpBuilder &b, Location loc, ValueRange arguments) {
        carried.restore(arguments);
        Value again = body();
        scf::ConditionOp::create(b, loc, again, carried.flatten());
      },
      [](OpBuilder &b, Location loc, ValueRange arguments) {
        scf::YieldOp::create(b, loc, arguments);
      });
  e.b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(e.b, e.loc, loop.getResults());
  carried.restore(branch.getResults());
}

/// The state and the cursor.
MmaFold::Carried MmaFold::carriedBy(Cursor &cursor) {
  const size_t size = state.flatten().size();
  Carried carried;
  carried.flatten = [this, &cursor] {
    Values values = state.flatten();
    llvm::append_range(values, cursor.flatten());
    return values;
  };
  carried.restore = [this, &cursor, size](ValueRange values) {
    state.restore(values.take_front(size));
    cursor.restore(values.drop_front(size));
  };
  return carried;
}

/// `more` behind `first`, whose number of values does not change.
MmaFold::Carried MmaFold::both(const Carried &first, const Carried &more) {
  const size_t size = first.flatten().size();
  Carried carried;
  carried.flatten = [first, more] {
    Values values = first.flatten();
    llvm::append_range(values, more.flatten());
    return values;
  };
  carried.restore = [first, more, size](ValueRange values) {
    first.restore(values.take_front(size));
    more.restore(values.drop_front(size));
  };
  return carried;
}

LogicalResult MmaFold::loopMasked(Blocks &blocks, Cursor &cursor) {
  LogicalResult result = success();
  loopWhile(w.less(cursor.index, blocks.count), carriedBy(cursor), [&] {
    if (failed(foldMasked(blocks, cursor)))
      result = failure();
    return w.less(cursor.index, blocks.count);
  });
  return result;
}

LogicalResult MmaFold::foldMasked(Blocks &blocks, Cursor &cursor) {
  syncCopies(ahead - 1);
  Value keySlot = cursor.keySlot,
        valueSlot = cursor.valueSlot ? cursor.valueSlot : keySlot;
  Value block = blockAt(blocks, cursor.index);
  if (failed(copyNext(blocks, cursor, /*isClean=*/false)))
    return failure();
  Value guarded = hasNonFinite(valueSlot);
  FailureOr<Values> bits = testBits(blocks, block);
  if (failed(bits))
    return failure();
  Scores scores = multiplyKeys(keySlot);
  if (failed(scoreRegion(blocks, block, scores)))
    return failure();
  mask(blocks, block, *bits, scores);
  raiseReferences(maximaOf(scores));
  guardValues(guarded, scores, valueSlot);
  foldValues(scores, valueSlot);
  advance(cursor);
  return success();
}

Values MmaFold::Ahead::flatten() const {
  Values values = flat(scores);
  llvm::append_range(values, maxima.rows);
  values.push_back(maxima.exceeds);
  return values;
}

void MmaFold::Ahead::restore(ValueRange values) {
  takeFront(values, scores);
  takeFront(values, maxima.rows);
  takeFront(values, maxima.exceeds);
}

/// Scores of the block at hand, when its copies have landed.
FailureOr<MmaFold::Ahead> MmaFold::scoreClean(Blocks &blocks, Cursor &cursor) {
  syncCopies(ahead - 1);
  Value keySlot = cursor.keySlot;
  if (failed(copyNext(blocks, cursor, /*isClean=*/true)))
    return failure();
  Ahead ahead;
  ahead.scores = multiplyKeys(keySlot);
  Value block = w.add(cursor.index, blocks.cleanFirst);
  if (failed(scoreRegion(blocks, block, ahead.scores)))
    return failure();
  ahead.maxima = maximaOf(ahead.scores);
  return ahead;
}

/// Blocks that every query keeps. Scores of a block are computed behind the
/// products of the one before, so that the inner loop is one run of
/// instructions: it is left where a reference has to be raised.
LogicalResult MmaFold::loopClean(Blocks &blocks, Cursor &cursor, Value end) {
  bool isFailed = false;
  Value last = w.sub(end, w.i32(1));
  Ahead ahead;
  auto score = [&] {
    FailureOr<Ahead> next = scoreClean(blocks, cursor);
    isFailed |= failed(next);
    if (succeeded(next))
      ahead = *next;
  };
  auto multiply = [&] {
    foldValues(ahead.scores,
               cursor.valueSlot ? cursor.valueSlot : cursor.keySlot);
    advance(cursor);
  };
  Carried outer = carriedBy(cursor);
  Carried inner =
      both(outer, {[&] { return ahead.flatten(); },
                   [&](ValueRange values) { ahead.restore(values); }});
  Value never = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(false));
  loopWhile(w.less(cursor.index, end), outer, [&] {
    score();
    if (isFailed)
      return never;
    loopWhile(w.less(cursor.index, last), inner, [&] {
      raiseReferences(ahead.maxima);
      loopWhile(w.less(cursor.index, last), inner, [&] {
        multiply();
        score();
        Value stays = e.cmp(CmpIPredicate::eq, ahead.maxima.exceeds, never);
        return e.both(stays, w.less(cursor.index, last));
      });
      return w.less(cursor.index, last);
    });
    raiseReferences(ahead.maxima);
    multiply();
    return never;
  });
  return success(!isFailed);
}
