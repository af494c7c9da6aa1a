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
  Value keys = e.max(e.sub(e.add(last, 1), first), none);
  Value count = e.ceilDiv(keys, blockKeys);
  blocks.count = w.toI32(count);
  blocks.cleanCount = blocks.cleanFirst = w.i32(0);
  blocks.beforeAt = blocks.count;
  if (!walked.tests.empty())
    return blocks;
  KeyInterval full = walked.bounds->full(none, lastRow);
  Value fullFirst = e.max(e.sub(full.first, first), none);
  Value fullEnd = e.min(e.sub(e.add(full.last, 1), first), keys);
  Value cleanFirst = e.min(e.ceilDiv(fullFirst, blockKeys), count);
  Value cleanEnd = e.b.createOrFold<arith::DivUIOp>(
      e.loc, e.max(fullEnd, none), e.idx(blockKeys));
  Value clean = e.max(e.sub(cleanEnd, cleanFirst), none);
  // Without a clean block the order begins at the first.
  cleanFirst = e.select(e.cmp(CmpIPredicate::sgt, clean, none), cleanFirst, none);
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

Value MmaFold::addressOf(const Blocks &blocks, const GlobalRows &rows,
                         const SharedTile::Part &part, Value number) {
  KeyWalk &keys = *blocks.walked->keys;
  Value row = keys.rowOf(blocks.visited.first, number);
  Value bytes = e.mul(e.b.createOrFold<arith::IndexCastOp>(
                          e.loc, e.b.getI64Type(), row),
                      rows.stride);
  return e.add(e.add(rows.base, bytes), part.column);
}

void MmaFold::copyRows(const Blocks &blocks, Value block,
                       const SharedTile &tile, const SharedTile::Part &part,
                       const GlobalRows &rows, Value slot) {
  auto copy = [&] {
    Value keys = e.sub(e.add(blocks.visited.last, 1), blocks.visited.first);
    for (int64_t pass = 0; pass < tile.passes(); ++pass) {
      Value number =
          w.toIndex(w.add(w.add(w.mul(block, blockKeys), part.row),
                          pass * tile.rowsOfPass()));
      Value exists = e.cmp(CmpIPredicate::slt, number, keys);
      Value real = e.select(exists, number, e.idx(0));
      tile.copy(w, part, slot, pass, addressOf(blocks, rows, part, real),
                e.select(exists, w.i32(16), w.i32(0)));
    }
  };
  part.isActive ? e.when(part.isActive, copy) : copy();
}

void MmaFold::copyBlock(const Blocks &blocks, Value block, Value keySlot,
                        Value valueSlot) {
  copyRows(blocks, block, keyTile, kPart, kGlobal, w.add(keyAt, keySlot));
  copyRows(blocks, block, valueTile, vPart, vGlobal, w.add(valueAt, valueSlot));
}

//===----------------------------------------------------------------------===//
// The pipeline
//===----------------------------------------------------------------------===//

Values MmaFold::Cursor::flatten() const {
  Values flat;
  for (Value x : {index, keySlot, valueSlot, keyFill, valueFill, keyFrom,
                  valueFrom})
    if (x)
      flat.push_back(x);
  return flat;
}

void MmaFold::Cursor::restore(ValueRange flat) {
  for (Value *x : {&index, &keySlot, &valueSlot, &keyFill, &valueFill, &keyFrom,
                   &valueFrom})
    if (*x) {
      *x = flat.front();
      flat = flat.drop_front();
    }
}

/// Copies the first blocks but one, a group each.
MmaFold::Cursor MmaFold::startPipeline(const Blocks &blocks) {
  for (int64_t stage = 0; stage < stages - 1; ++stage) {
    Value index = w.i32(stage);
    e.when(w.less(index, blocks.count), [&] {
      copyBlock(blocks, blockAt(blocks, index), w.i32(stage * keyTile.bytes()),
                w.i32(stage * valueTile.bytes()));
    });
    w.commitCopies();
  }
  if (queries.empty()) {
    int64_t kept = std::min(mma.getQuerySteps(), stepsD);
    if (kept) {
      w.waitCopies(stages - 2);
      w.barrier();
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
  cursor.keyFill = w.i32((stages - 1) * keyTile.bytes());
  // Tiles of one size lie at the same offsets.
  if (keyTile.bytes() != valueTile.bytes()) {
    cursor.valueSlot = w.i32(0);
    cursor.valueFill = w.i32((stages - 1) * valueTile.bytes());
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
  // The slot of the block at hand is the next to be filled.
  cursor.keyFill = cursor.keySlot;
  cursor.keySlot = nextSlot(cursor.keySlot, keyTile.bytes());
  if (!cursor.valueSlot)
    return;
  cursor.valueFill = cursor.valueSlot;
  cursor.valueSlot = nextSlot(cursor.valueSlot, valueTile.bytes());
}

/// Copies the block that is used `stages` - 1 blocks later.
void MmaFold::copyNext(Blocks &blocks, Cursor &cursor, bool isClean) {
  Value keySlot = cursor.keyFill,
        valueSlot = cursor.valueFill ? cursor.valueFill : keySlot;
  Value index = w.add(cursor.index, stages - 1);
  if (!isClean) {
    e.when(w.less(index, blocks.count), [&] {
      copyBlock(blocks, blockAt(blocks, index), keySlot, valueSlot);
    });
    return w.commitCopies();
  }
  auto copyRun = [&](const SharedTile &tile, const SharedTile::Part &part,
                     const GlobalRows &rows, Value slot, Value &from) {
    Value step =
        e.mul(rows.stride,
              arith::ConstantOp::create(
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
    copyRun(keyTile, kPart, kGlobal, w.add(keyAt, keySlot), cursor.keyFrom);
    copyRun(valueTile, vPart, vGlobal, w.add(valueAt, valueSlot),
            cursor.valueFrom);
  } else {
    copyBlock(blocks, w.add(index, blocks.cleanFirst), keySlot, valueSlot);
  }
  w.commitCopies();
}

LogicalResult MmaFold::foldKeys(Walked &walked) {
  Blocks blocks = findBlocks(walked);
  computed = w.add(computed, w.mul(blocks.count, blockKeys));
  LogicalResult result = foldBlocksOf(blocks);
  // The next component, or the end, finds no copy under way.
  w.waitCopies(0);
  w.barrier();
  return result;
}

LogicalResult MmaFold::foldBlocksOf(Blocks &blocks) {
  Cursor cursor = startPipeline(blocks);
  if (blocks.walked->tests.empty()) {
    // While the block that is copied is a clean one, too.
    Value end = w.sub(blocks.cleanCount, w.i32(stages - 1));
    if (blocks.walked->keys->isContiguous()) {
      Value block = w.add(blocks.cleanFirst, stages - 1);
      auto from = [&](const GlobalRows &rows, const SharedTile::Part &part) {
        Value number = w.add(w.mul(block, blockKeys), part.row);
        return addressOf(blocks, rows, part, w.toIndex(number));
      };
      cursor.keyFrom = from(kGlobal, kPart);
      cursor.valueFrom = from(vGlobal, vPart);
    }
    if (failed(loopBlocks(blocks, cursor, end, /*isClean=*/true)))
      return failure();
    cursor.keyFrom = cursor.valueFrom = Value();
  }
  for (int64_t row = 0; row < numRows(); ++row) {
    Value t = e.clampIndex(w.toIndex(rowOf(row / 2, row % 2)), rows);
    KeyInterval kept = blocks.walked->bounds->ofRow(t);
    Value last = e.min(kept.last, blocks.visited.last);
    blocks.low.push_back(narrow(w, e.sub(kept.first, blocks.visited.first)));
    blocks.high.push_back(narrow(w, e.sub(last, blocks.visited.first)));
  }
  return loopBlocks(blocks, cursor, blocks.count, /*isClean=*/false);
}

/// while (index < end) foldBlock, tested at the end of an iteration.
LogicalResult MmaFold::loopBlocks(Blocks &blocks, Cursor &cursor, Value end,
                                  bool isClean) {
  LogicalResult result = success();
  Values inits = state.flatten();
  const size_t split = inits.size();
  llvm::append_range(inits, cursor.flatten());
  SmallVector<Type> types(ValueRange(inits).getTypes());
  auto restore = [&](ValueRange flat) {
    state.restore(flat.take_front(split));
    cursor.restore(flat.drop_front(split));
  };
  auto branch = scf::IfOp::create(e.b, e.loc, types, w.less(cursor.index, end),
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(e.b, e.loc, inits);
  e.b.setInsertionPointToStart(branch.thenBlock());
  auto loop = scf::WhileOp::create(
      e.b, e.loc, types, inits,
      [&](OpBuilder &b, Location loc, ValueRange arguments) {
        restore(arguments);
        if (failed(foldBlock(blocks, cursor, isClean)))
          result = failure();
        Values next = state.flatten();
        llvm::append_range(next, cursor.flatten());
        scf::ConditionOp::create(b, loc, w.less(cursor.index, end), next);
      },
      [](OpBuilder &b, Location loc, ValueRange arguments) {
        scf::YieldOp::create(b, loc, arguments);
      });
  e.b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(e.b, e.loc, loop.getResults());
  restore(branch.getResults());
  return result;
}

LogicalResult MmaFold::foldBlock(Blocks &blocks, Cursor &cursor, bool isClean) {
  w.waitCopies(stages - 2);
  w.barrier();
  Value keySlot = cursor.keySlot,
        valueSlot = cursor.valueSlot ? cursor.valueSlot : keySlot;
  Value block = isClean ? w.add(cursor.index, blocks.cleanFirst)
                        : blockAt(blocks, cursor.index);
  copyNext(blocks, cursor, isClean);
  if (isClean) {
    Scores scores = multiplyKeys(keySlot);
    if (failed(scoreRegion(blocks, block, scores)))
      return failure();
    raiseReferences(scores);
    foldValues(scores, valueSlot);
    advance(cursor);
    return success();
  }
  Value guarded = hasNonFinite(valueSlot);
  FailureOr<Values> bits = testBits(blocks, block);
  if (failed(bits))
    return failure();
  Scores scores = multiplyKeys(keySlot);
  if (failed(scoreRegion(blocks, block, scores)))
    return failure();
  mask(blocks, block, *bits, scores);
  raiseReferences(scores);
  guardValues(guarded, scores, valueSlot);
  foldValues(scores, valueSlot);
  advance(cursor);
  return success();
}
