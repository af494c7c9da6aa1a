// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The `count` and `element` regions of attn.fold: a list of keys, or of key
// blocks, a query row.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/FoldRegions.h"
#include "passes/PlanWalk.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

/// The list that some component of the plan walks; null: none.
static PairsAttr listOf(PlanAttr plan) {
  for (ComponentAttr component : plan.getComponents()) {
    WalkKind kind = walkKindOf(plan, component);
    if (kind == WalkKind::List || kind == WalkKind::Blocks)
      return walkedAtom(plan, component);
  }
  return {};
}

void FoldRegions::createList(FoldOp fold) {
  PairsAttr atom = listOf(plan);
  if (!atom)
    return;
  Block *count = addIndexBlock(fold.getCount(), 3);
  ListRow row{count->getArgument(1), count->getArgument(2)};
  Value length = listCount(atom, row);
  YieldOp::create(b, loc, ValueRange{length, blockSize(atom)});
  Block *element = addIndexBlock(fold.getElement(), 4);
  row = {element->getArgument(1), element->getArgument(2)};
  auto [position, isLive] = listElement(atom, row, element->getArgument(3));
  YieldOp::create(b, loc, ValueRange{position, isLive});
}

/// Positions of a key block and rows of a block of queries.
Value FoldRegions::blockSize(PairsAttr atom) {
  if (atom.getKind() != PairKind::Bsr)
    return idx(1);
  if (int64_t size = atom.getParams()[0].value)
    return idx(size);
  Value rows = max(sub(lastSize(atom.getOperands()[0]), idx(1)), idx(1));
  Value size = b.createOrFold<arith::CeilDivSIOp>(loc, queryRows(), rows);
  return max(size, idx(1));
}

/// Where a row's elements stand in idx, kept inside it. `isChecked`: what was
/// not is reported.
std::pair<Value, Value> FoldRegions::listRange(PairsAttr atom, ListRow row,
                                               bool isChecked) {
  int64_t ptr = atom.getOperands()[0];
  Value r = row.r;
  if (atom.getKind() == PairKind::Bsr)
    r = b.createOrFold<arith::DivUIOp>(loc, r, blockSize(atom));
  Value size = lastSize(atom.getOperands()[1]);
  auto within = [&](Value x, Value low, Value high, Status status) -> Value {
    if (isChecked)
      return CheckedOp::create(b, loc, b.getIndexType(), x, low, high,
                               StatusAttr::get(b.getContext(), status));
    return max(min(x, high), low);
  };
  Value rows = lastSize(ptr);
  Value begin =
      within(element(ptr, clamp(r, rows)), idx(0), size, Status::Index);
  Value end = within(element(ptr, clamp(add(r, idx(1)), rows)), idx(0), size,
                     Status::Index);
  end = within(end, begin, size, Status::Order);
  return {begin, end};
}

Value FoldRegions::listCount(PairsAttr atom, ListRow row) {
  switch (atom.getKind()) {
  case PairKind::Csr:
  case PairKind::Bsr: {
    auto [begin, end] = listRange(atom, row, /*isChecked=*/true);
    return sub(end, begin);
  }
  case PairKind::TopK:
    return lastSize(atom.getOperands()[0]);
  case PairKind::Random:
    return idx(atom.getParams()[0].value);
  case PairKind::Log: {
    // i itself, and i - 2^k for each k with 2^k <= i - k_begin.
    Type i64 = b.getI64Type();
    Value reach = max(sub(row.i, place.symbols[KBegin]), idx(0));
    reach = arith::IndexCastOp::create(b, loc, i64, reach);
    Value zeros = math::CountLeadingZerosOp::create(b, loc, reach);
    zeros = arith::IndexCastOp::create(b, loc, b.getIndexType(), zeros);
    return sub(idx(65), zeros);
  }
  default:
    llvm_unreachable("every list is counted");
  }
}

/// Whether there is a key at position j.
Value FoldRegions::isKey(Value j) {
  return both(cmp(arith::CmpIPredicate::sle, place.symbols[KBegin], j),
              cmp(arith::CmpIPredicate::slt, j, place.symbols[KEnd]));
}

/// A key (block) from memory: `inside` where it has rows of k; what is live and
/// has none is reported.
Value FoldRegions::checkedKey(Value j, Value isLive, Value size,
                              Value &inside) {
  Value begin = place.symbols[KBegin];
  Value first = add(sub(begin, size), idx(1));
  Value last = sub(add(begin, place.keyRows), idx(1));
  Value asked = select(isLive, j, begin);
  Value key = CheckedOp::create(b, loc, b.getIndexType(), asked, first, last,
                                StatusAttr::get(b.getContext(), Status::Index));
  inside = both(cmp(arith::CmpIPredicate::eq, asked, key), isLive);
  return key;
}

std::pair<Value, Value> FoldRegions::listElement(PairsAttr atom, ListRow row,
                                                 Value t) {
  Value inside;
  switch (atom.getKind()) {
  case PairKind::Csr:
  case PairKind::Bsr: {
    int64_t idx = atom.getOperands()[1];
    Value begin = listRange(atom, row, /*isChecked=*/false).first;
    Value j = element(idx, clamp(add(begin, t), lastSize(idx)));
    Value size = blockSize(atom);
    if (atom.getKind() == PairKind::Bsr)
      j = mul(j, size);
    j = checkedKey(j, bit(true), size, inside);
    return {j, inside};
  }
  case PairKind::TopK: {
    Value j = element(atom.getOperands()[0], {row.r, t});
    Value isLive = cmp(arith::CmpIPredicate::ne, j, idx(-1));
    j = checkedKey(j, isLive, idx(1), inside);
    return {j, inside};
  }
  case PairKind::Random: {
    Value j = RandomKeyOp::create(
        b, loc, b.getIndexType(), queryHead, row.i, t, place.symbols[KBegin],
        place.symbols[KEnd], b.getI64IntegerAttr(atom.getParams()[1].value));
    return {j, isKey(j)};
  }
  case PairKind::Log: {
    Value exponent = max(sub(t, idx(1)), idx(0));
    Value power = arith::ShLIOp::create(b, loc, idx(1), exponent);
    Value back =
        select(cmp(arith::CmpIPredicate::eq, t, idx(0)), idx(0), power);
    Value j = sub(row.i, back);
    return {j, isKey(j)};
  }
  default:
    llvm_unreachable("every list is enumerated");
  }
}
