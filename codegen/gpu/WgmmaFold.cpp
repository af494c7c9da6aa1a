// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A block of keys by products of warpgroups: fragments of sums and weights are
// those of mma, keys, values and queries are read in shared memory.

#include "codegen/gpu/MmaFold.h"
#include "codegen/gpu/Wgmma.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;

/// Waits for copies of all threads, which products read without going through
/// the threads' own view of memory.
void MmaFold::syncCopies(int64_t groupsLeft) {
  w.waitCopies(groupsLeft);
  if (isWgmma)
    Wgmma(w).fenceShared();
  w.barrier();
}

static std::vector<Quad> quadsOf(const Values &values) {
  std::vector<Quad> quads(values.size() / 4);
  ValueRange all(values);
  takeFront(all, quads);
  return quads;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Begins Q K^T of the group's 64 rows.
Values MmaFold::scoresByGroup(Value keySlot) {
  Wgmma group(w);
  constexpr int64_t kGroupRows = 64;
  Value firstRow = w.mul(w.shiftRight(at.thread, 7), kGroupRows);
  Value rows = w.add(queryAt, w.mul(firstRow, queryTile.rowBytes()));
  return group.multiply(group.tile(rows, queryTile.panelBytes()),
                        group.tile(w.add(keyAt, keySlot), keyTile.panelBytes()),
                        stepsD, blockKeys);
}

/// Begins the products of weights and values, which are added to the outputs.
Values MmaFold::sumsByGroup(const Values &weights, Value valueSlot) {
  Wgmma group(w);
  return group.multiply(
      flat(state.out), weights,
      group.tile(w.add(valueAt, valueSlot), valueTile.panelBytes()));
}

MmaFold::Scores MmaFold::multiplyKeysByGroup(Value keySlot) {
  return quadsOf(Wgmma(w).wait(0, scoresByGroup(keySlot), {}));
}

/// Scores become weights.
void MmaFold::weigh(Scores &scores) {
  for (Quad &quad : scores)
    for (int64_t x = 0; x < 4; ++x)
      quad[x] = w.exp2(e.fma(quad[x], w.f32(factor), state.shifts[x / 2]));
  for (Quad &quad : scores)
    for (int64_t x = 0; x < 4; ++x)
      state.sums[x / 2] = e.addf(state.sums[x / 2], quad[x]);
}

/// Weights as the registers of fragments of 16 keys each.
Values MmaFold::packed(Scores &scores) {
  Values registers;
  for (Quad &quad : scores)
    for (int64_t x : {0, 2}) {
      Value pair = w.pack(quad[x], quad[x + 1]);
      if (!pair.getType().isInteger())
        pair = LLVM::BitcastOp::create(e.b, e.loc, e.b.getI32Type(), pair);
      registers.push_back(pair);
    }
  return registers;
}

void MmaFold::foldValuesByGroup(Scores &scores, Value valueSlot) {
  weigh(scores);
  Values weights = packed(scores), sums = sumsByGroup(weights, valueSlot);
  state.out = quadsOf(Wgmma(w).wait(0, sums, weights));
}

//===----------------------------------------------------------------------===//
// Blocks that every query keeps
//===----------------------------------------------------------------------===//

FailureOr<MmaFold::Weighed> MmaFold::firstByGroup(Blocks &blocks,
                                                  Cursor &cursor) {
  syncCopies(ahead - 1);
  Value keySlot = cursor.keySlot;
  if (failed(copyNext(blocks, cursor, /*isClean=*/true)))
    return failure();
  Scores scores = multiplyKeysByGroup(keySlot);
  rescale(rowMaxima(scores));
  weigh(scores);
  Weighed weighed{packed(scores),
                  cursor.valueSlot ? cursor.valueSlot : keySlot};
  advance(cursor);
  return weighed;
}

/// Scores of a block are computed beside the products of the one before with
/// its values, and their weights while those go on.
LogicalResult MmaFold::nextByGroup(Blocks &blocks, Cursor &cursor,
                                   Weighed &before) {
  Wgmma group(w);
  syncCopies(ahead - 1);
  Value keySlot = cursor.keySlot;
  if (failed(copyNext(blocks, cursor, /*isClean=*/true)))
    return failure();
  Values products = scoresByGroup(keySlot);
  Values sums = sumsByGroup(before.weights, before.valueSlot);
  Scores scores = quadsOf(group.wait(1, products, {}));
  Values maxima = rowMaxima(scores), ratios;
  Value one = w.f32(1), scales;
  for (int64_t row = 0; row < numRows(); ++row) {
    ratios.push_back(raiseReference(row, maxima[row]));
    Value differs = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNE,
                                          ratios.back(), one);
    scales =
        scales ? arith::OrIOp::create(e.b, e.loc, scales, differs) : differs;
  }
  weigh(scores);
  // The assembler moves a wait up to its block's begin: a branch that needs the
  // weights keeps it behind them. Sums that are NaN may be scaled by 1.
  for (Value sum : state.sums)
    scales = arith::OrIOp::create(
        e.b, e.loc, scales,
        arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNO, sum, sum));
  scales = w.any(scales);
  auto branch = scf::IfOp::create(e.b, e.loc, ValueRange(sums).getTypes(),
                                  scales, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(e.b, e.loc, group.wait(0, sums, before.weights));
    e.b.setInsertionPointToStart(branch.thenBlock());
    w.fence();
    state.out = quadsOf(group.wait(0, sums, before.weights));
    scaleOutputs(ratios);
    scf::YieldOp::create(e.b, e.loc, flat(state.out));
  }
  state.out = quadsOf(Values(branch.getResults()));
  // Packed earlier, they would take registers that are still read.
  before.weights = packed(scores);
  before.valueSlot = cursor.valueSlot ? cursor.valueSlot : keySlot;
  advance(cursor);
  return success();
}

LogicalResult MmaFold::loopCleanByGroup(Blocks &blocks, Cursor &cursor,
                                        Value end) {
  Weighed before;
  bool isFailed = false;
  Carried outer = carriedBy(cursor);
  auto flatten = [&] {
    Values values = before.weights;
    values.push_back(before.valueSlot);
    return values;
  };
  Carried inner = both(outer, {flatten, [&](ValueRange values) {
                                 takeFront(values, before.weights);
                                 takeFront(values, before.valueSlot);
                               }});
  Value never = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(false));
  loopWhile(w.less(cursor.index, end), outer, [&] {
    FailureOr<Weighed> first = firstByGroup(blocks, cursor);
    isFailed |= failed(first);
    if (isFailed)
      return never;
    before = *first;
    loopWhile(w.less(cursor.index, end), inner, [&] {
      isFailed |= failed(nextByGroup(blocks, cursor, before));
      return w.less(cursor.index, end);
    });
    Values sums = sumsByGroup(before.weights, before.valueSlot);
    state.out = quadsOf(Wgmma(w).wait(0, sums, before.weights));
    return never;
  });
  return success(!isFailed);
}
