// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys that lie in pages: threads look up the page of each row that they copy.
// A page that does not exist is rare: then every block is masked, and what its
// rows are is asked again.

#include "codegen/gpu/MmaFold.h"

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;
using mlir::arith::CmpIPredicate;

/// The page that holds rows t * size and on.
Value MmaFold::pageOf(Value t) {
  Block &block = op.getPage().front();
  LaneEmitter region(e, 1, c().outer);
  region.bind(block.getArgument(0), t);
  // The region is an element of a tensor, which is always emitted.
  (void)region.emit(block);
  return region.lookup(block.getTerminator()->getOperand(0));
}

Value MmaFold::isPage(Value page) {
  return e.cmp(CmpIPredicate::ult, page, c().outer.scalar(op.getPageCount()));
}

MmaFold::KeyPlace MmaFold::locate(Value row) {
  if (op.getPage().empty())
    return {Value(), row, Value()};
  Value size = c().outer.scalar(op.getPageSize());
  Value t = e.b.createOrFold<arith::DivUIOp>(e.loc, row, size);
  Value page = pageOf(t), exists = isPage(page);
  return {e.select(exists, page, e.idx(0)), e.sub(row, e.mul(t, size)), exists};
}

/// Whether some page of rows first .. last does not exist, which is reported;
/// the same for all threads. The rows may be none.
Value MmaFold::hasMissingPages(Value first, Value last) {
  Value size = c().outer.scalar(op.getPageSize());
  auto numberOf = [&](Value row) {
    return e.b.createOrFold<arith::DivUIOp>(e.loc, row, size);
  };
  Value some = e.cmp(CmpIPredicate::sle, first, last), none = e.idx(0);
  Value begin = numberOf(e.max(first, none));
  Value end = e.select(some, e.add(numberOf(e.max(last, none)), 1), begin);
  Value missing = e.loop(e.add(begin, w.toIndex(at.thread)), end, threads,
                         w.i32(0), [&](Value t, ValueRange in) -> Values {
                           Value exists = isPage(pageOf(t));
                           return {e.select(exists, in[0], w.i32(1))};
                         })[0];
  Value isMissing = w.barrierOr(e.cmp(CmpIPredicate::ne, missing, w.i32(0)));
  c().outer.report(isMissing, attn::Status::Page);
  return isMissing;
}

/// Bits of the thread's keys of a block, 2 n + x, whose pages exist. Null where
/// keys do not lie in pages.
Value MmaFold::existingKeys(Blocks &blocks, Value block) {
  if (!blocks.missing)
    return {};
  Value all = w.i32(-1);
  auto branch = scf::IfOp::create(e.b, e.loc, all.getType(), blocks.missing,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(e.b, e.loc, all);
  e.b.setInsertionPointToStart(branch.thenBlock());
  Value firstKey = w.add(w.mul(block, blockKeys), at.column);
  Value keys = visitedKeys(blocks);
  Value word =
      e.loop(e.idx(0), e.idx(2 * keyTiles), 1, w.i32(0),
             [&](Value number, ValueRange in) -> Values {
               Value bit = w.toI32(number);
               Value key = w.toIndex(
                   w.add(firstKey, w.add(w.shiftLeft(w.shiftRight(bit, 1), 3),
                                         w.andBits(bit, 1))));
               Value row = blocks.walked->keys->rowOf(blocks.visited.first,
                                                      e.clampIndex(key, keys));
               Value exists = arith::ExtUIOp::create(
                   e.b, e.loc, e.b.getI32Type(), locate(row).exists);
               return {w.orBits(
                   in[0], e.b.createOrFold<arith::ShLIOp>(e.loc, exists, bit))};
             })[0];
  scf::YieldOp::create(e.b, e.loc, word);
  return branch.getResult(0);
}
