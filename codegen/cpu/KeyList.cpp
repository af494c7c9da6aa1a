// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lists of keys and the numbers seen in them.

#include "codegen/cpu/KeyList.h"

using namespace mlir;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

LogicalResult KeyList::open(Value head, Value qBegin, Value row) {
  rowArguments = {head, e.add(qBegin, row), row};
  Block &block = op.getCount().front();
  LaneEmitter region(e, 1, outer);
  for (auto [argument, value] : llvm::zip(block.getArguments(), rowArguments))
    region.bind(argument, value);
  if (failed(region.emit(block)))
    return failure();
  length = region.lookup(block.getTerminator()->getOperand(0));
  size = region.lookup(block.getTerminator()->getOperand(1));
  return success();
}

FailureOr<KeyList::Element> KeyList::element(Value t) {
  Block &block = op.getElement().front();
  LaneEmitter region(e, 1, outer);
  Values inputs(rowArguments);
  inputs.push_back(t);
  for (auto [argument, value] : llvm::zip(block.getArguments(), inputs))
    region.bind(argument, value);
  if (failed(region.emit(block)))
    return failure();
  return Element{region.lookup(block.getTerminator()->getOperand(0)),
                 region.lookup(block.getTerminator()->getOperand(1))};
}

void SeenSet::eachWindow(Value count, function_ref<void()> body) {
  e.loop(e.idx(0), count, kWindow, [&](Value first) {
    begin = first;
    end = e.min(e.add(first, kWindow), count);
    Value zero =
        arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(0));
    e.loop(e.idx(0), e.ceilDiv(e.sub(end, begin), 32), 1,
           [&](Value word) { e.store(zero, bits, word); });
    body();
  });
}

Value SeenSet::insert(Value number, Value isWanted) {
  Value inside = e.both(e.cmp(CmpIPredicate::sle, begin, number),
                        e.cmp(CmpIPredicate::slt, number, end));
  Value wanted = e.both(isWanted, inside);
  Value offset = e.select(wanted, e.sub(number, begin), e.idx(0));
  Value place = e.b.createOrFold<arith::ShRUIOp>(e.loc, offset, e.idx(5));
  Type i32 = e.b.getI32Type();
  auto i32Constant = [&](int32_t x) -> Value {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(x));
  };
  Value inWord =
      arith::AndIOp::create(e.b, e.loc, e.toI32(offset), i32Constant(31));
  Value bit = arith::ShLIOp::create(e.b, e.loc, i32Constant(1), inWord);
  Value word = e.load(i32, bits, place);
  Value isNew =
      e.cmp(CmpIPredicate::eq, arith::AndIOp::create(e.b, e.loc, word, bit),
            i32Constant(0));
  Value added = arith::OrIOp::create(e.b, e.loc, word, bit);
  e.store(e.select(wanted, added, word), bits, place);
  return e.both(wanted, isNew);
}
