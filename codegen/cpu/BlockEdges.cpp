// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel where bounds decide: the keys that all queries of a
// panel keep, and the edges before and after them, a vector of queries each.

#include "codegen/cpu/BlockKernel.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

LogicalResult BlockFold::foldBounded(Walked &walked, const Panel &panel,
                                     KeyInterval whole) {
  Panel main = wholeKeys(panel, whole);
  Value hasEdges = arith::OrIOp::create(
      e.b, e.loc, e.cmp(CmpIPredicate::ne, main.low, panel.low),
      e.cmp(CmpIPredicate::ne, main.high, panel.high));
  if (isScored())
    laneBounds(*walked.bounds, panel);
  keepReferences(panel);
  scores(main, /*masked=*/false);
  auto edgeScores = [&] {
    if (!isScored())
      laneBounds(*walked.bounds, panel);
    findEdges(walked, panel, main);
    eachEdge(panel,
             [&](const Panel &edge) { scores(edge, /*masked=*/!isScored()); });
  };
  e.when(hasEdges, edgeScores, [&] { setGroups(main); });
  if (isScored() && failed(adjust(panel, /*tested=*/false)))
    return failure();
  weights(panel);
  Value hasMain = e.cmp(CmpIPredicate::slt, main.low, main.high);
  e.when(hasMain, [&] { products->accumulate(main); });
  e.when(hasEdges, [&] {
    e.when(hasMain, [&] {
      Value one = e.constant(vt, 1.0); // what was before has been scaled
      for (int64_t k = 0; k < nv; ++k)
        e.store(one, alphas, {panel.index, lane(k)});
    });
    accumulateEdges(panel, main);
  });
  return success();
}

/// The keys of a panel that all of its queries keep, by whole tiles. None where
/// some vector has no query.
BlockFold::Panel BlockFold::wholeKeys(const Panel &panel, KeyInterval whole) {
  auto inPanel = [&](Value key) { return e.sub(key, panel.low); };
  Value first = inPanel(e.sub(whole.first, panel.j0));
  Value end = inPanel(e.min(e.sub(e.add(whole.last, 1), panel.j0), panel.high));
  first = e.alignTo(e.max(first, e.idx(0)), edgeKeys);
  end = e.alignDown(e.max(end, e.idx(0)), edgeKeys);
  Value some = e.both(
      e.cmp(CmpIPredicate::slt, first, end),
      e.cmp(CmpIPredicate::sgt, e.sub(rows, panel.first), e.idx(nr - lanes)));
  Panel main = panel;
  main.low = e.select(some, e.add(panel.low, first), panel.low);
  main.high = e.select(some, e.add(panel.low, end), panel.low);
  main.end = main.valuesEnd = main.high;
  main.wholeTiles = edgeKeys % kEdgeKeys == 0;
  return main;
}

/// Fills groupKeys and edges. All of them begin at whole tiles, counted from
/// the panel's first key.
void BlockFold::findEdges(Walked &walked, const Panel &panel,
                          const Panel &main) {
  e.loop(e.idx(0), e.idx(nv), 1, [&](Value k) {
    Value group = e.mul(k, e.idx(lanes));
    Value first = e.add(panel.first, group);
    Value last = e.sub(e.min(e.add(first, lanes), rows), e.idx(1));
    KeyInterval visited = walked.bounds->visited(first, last);
    Value low = e.max(e.sub(visited.first, panel.j0), panel.low);
    Value high = e.min(e.sub(e.add(visited.last, 1), panel.j0), panel.high);
    countPairs(panel, group, e.max(e.sub(high, low), e.idx(0)));
    low = e.add(panel.low, e.alignDown(e.sub(low, panel.low), edgeKeys));
    Value after = e.max(main.high, low);
    Value length = e.max(e.sub(high, after), e.idx(0));
    auto set = [&](Value memref, Value at, Value from, Value to) {
      e.storeIndex(from, memref, {at, e.idx(0)});
      e.storeIndex(to, memref, {at, e.idx(1)});
    };
    Value edge = e.mul(k, e.idx(2));
    set(edges, edge, low, main.low);
    set(edges, e.add(edge, 1), after, high);
    set(groupKeys, k, low, e.add(after, e.alignTo(length, edgeKeys)));
  });
}

/// Calls `body` with the keys before `main`, and those after it, of each group
/// of lanes.
void BlockFold::eachEdge(const Panel &panel,
                         function_ref<void(const Panel &)> body) {
  int64_t together = products->keysTogether();
  e.loop(e.idx(0), e.idx(2 * nv), 1, [&](Value number) {
    Panel edge = panel;
    edge.tile = {edgeKeys, 1};
    edge.lane = e.mul(e.b.createOrFold<arith::DivUIOp>(e.loc, number, e.idx(2)),
                      e.idx(lanes));
    edge.low = e.loadIndex(edges, {number, e.idx(0)});
    edge.high = e.loadIndex(edges, {number, e.idx(1)});
    e.when(e.cmp(CmpIPredicate::slt, edge.low, edge.high), [&] {
      edge.end =
          e.add(edge.low, e.alignTo(e.sub(edge.high, edge.low), edgeKeys));
      edge.valuesEnd = together == 1 ? edge.high
                                     : e.min(e.alignTo(edge.high, together),
                                             panel.valuesEnd);
      body(edge);
    });
  });
}

void BlockFold::accumulateEdges(const Panel &panel, const Panel &main) {
  Value finite = valuesFinite(panel, main.low, main.high);
  Value one = e.constant(vt, 1.0);
  eachEdge(panel, [&](const Panel &edge) {
    e.when(
        finite, [&] { products->accumulate(edge); },
        [&] { accumulateKept(edge); });
    e.store(one, alphas, {panel.index, edge.lane});
  });
}
