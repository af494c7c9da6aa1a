// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: components that walk a list.

#include "codegen/cpu/RowKernel.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

/// The keys that the list of the tile's one row holds, by blocks.
LogicalResult RowFold::foldList(Walked &walked) {
  KeyInterval interval = walked.bounds->ofRow(e.idx(0));
  interval.first = e.max(interval.first, firstKey);
  KeyList list(e, op, c().outer);
  if (failed(list.open(head, symbols[QBegin], row)))
    return failure();
  // Vectors of scores round blocks up: they ask for rows that exist.
  e.loop(e.idx(0), e.idx(bc + slots), 1,
         [&](Value t) { e.storeIndex(e.idx(0), table, t); });
  TableWalk keysOfTable(e, table);
  LogicalResult result = success();
  SeenSet seen = seenSet();
  seen.eachWindow(keys, [&] {
    e.loop(e.idx(0), list.count(), bc, [&](Value t0) {
      Value count = e.min(e.idx(bc), e.sub(list.count(), t0));
      FailureOr<Value> filled =
          fillTable(walked, interval, list, seen, t0, count);
      if (failed(filled)) {
        result = failure();
        return;
      }
      e.when(e.cmp(CmpIPredicate::sgt, *filled, e.idx(0)), [&] {
        RowBlock block{keysOfTable, e.idx(0), *filled, nullptr};
        if (failed(foldBlock(walked, block, Value())))
          result = failure();
      });
    });
  });
  return result;
}

/// Writes the rows of the kept ones of elements t0 .. t0 + count - 1 into the
/// table; how many.
FailureOr<Value> RowFold::fillTable(Walked &walked, const KeyInterval &interval,
                                    KeyList &list, SeenSet &seen, Value t0,
                                    Value count) {
  LogicalResult result = success();
  Values filled =
      e.loop(e.idx(0), count, 1, Value(e.idx(0)),
             [&](Value t, ValueRange in) -> Values {
               FailureOr<KeyList::Element> element = list.element(e.add(t0, t));
               if (failed(element)) {
                 result = failure();
                 return Values(in);
               }
               FoldLowering::PairLanes pair;
               pair.head = head;
               pair.r = row;
               pair.i = e.add(symbols[QBegin], row);
               pair.j = element->position;
               pair.c = e.sub(pair.j, symbols[KBegin]);
               Value keep =
                   e.both(e.cmp(CmpIPredicate::sle, interval.first, pair.c),
                          e.cmp(CmpIPredicate::sle, pair.c, interval.last));
               keep = e.both(keep, element->isLive);
               FailureOr<Value> tests =
                   emitTests(walked.tests, pair, /*asVector=*/false);
               if (failed(tests)) {
                 result = failure();
                 return Values(in);
               }
               if (*tests)
                 keep = e.both(keep, *tests);
               if (pages)
                 keep = e.both(keep, pages->exists(pair.c, keep));
               keep = seen.insert(pair.c, keep);
               e.storeIndex(e.select(keep, pair.c, e.idx(0)), table, in[0]);
               return {e.add(in[0], e.select(keep, e.idx(1), e.idx(0)))};
             });
  if (failed(result))
    return failure();
  return filled[0];
}
