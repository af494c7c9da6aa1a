// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Page lookups, runs of rows that exist, offsets of rows.

#include "codegen/cpu/KeyPages.h"
#include "codegen/cpu/KernelTensors.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

KeyPages::KeyPages(Emitter &e, FoldOp op, OuterValues &outer,
                   std::function<Value()> offsets)
    : e(e), op(op), outer(outer), makeTable(std::move(offsets)),
      size(outer.scalar(op.getPageSize())),
      count(outer.scalar(op.getPageCount())) {}

/// What the table holds for pages t of the batch.
Value KeyPages::pageOf(Value t) {
  Block &block = op.getPage().front();
  LaneEmitter region(e, 1, outer);
  region.bind(block.getArgument(0), t);
  // The region is an element of a tensor, which is always emitted.
  (void)region.emit(block);
  return region.lookup(block.getTerminator()->getOperand(0));
}

Value KeyPages::isPage(Value page) {
  return e.cmp(CmpIPredicate::ult, page, count);
}

Value KeyPages::numberOf(Value c) {
  return e.b.createOrFold<arith::DivUIOp>(e.loc, c, size);
}

Value KeyPages::exists(Value c, Value isAsked) {
  Value found = isPage(pageOf(numberOf(c)));
  Value no = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(false));
  outer.report(e.both(isAsked, e.cmp(CmpIPredicate::eq, found, no)),
               Status::Page);
  return found;
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// The first row from c on, up to `last`, that begins a page that does not
/// exist (or does): beyond `last` where there is none. Entries past it are not
/// read.
Value KeyPages::skip(Value c, Value last, bool existing) {
  auto bit = [&](bool x) -> Value {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(x));
  };
  auto goes = [&](Value row) -> Value {
    auto branch = scf::IfOp::create(
        e.b, e.loc, e.cmp(CmpIPredicate::sle, row, last),
        [&](OpBuilder &b, Location loc) {
          Value found = isPage(pageOf(numberOf(row)));
          Value goes = e.cmp(CmpIPredicate::eq, found, bit(existing));
          scf::YieldOp::create(b, loc, goes);
        },
        [&](OpBuilder &b, Location loc) {
          scf::YieldOp::create(b, loc, bit(false));
        });
    return branch.getResult(0);
  };
  auto search = scf::WhileOp::create(
      e.b, e.loc, TypeRange(e.b.getIndexType()), ValueRange(c),
      [&](OpBuilder &b, Location loc, ValueRange state) {
        scf::ConditionOp::create(b, loc, goes(state[0]), state);
      },
      [&](OpBuilder &b, Location loc, ValueRange state) {
        if (!existing)
          outer.report(bit(true), Status::Page);
        Value next = e.mul(e.add(numberOf(state[0]), 1), size);
        scf::YieldOp::create(b, loc, next);
      });
  return search.getResult(0);
}

void KeyPages::eachRun(Value first, Value last,
                       function_ref<void(KeyInterval)> body) {
  scf::WhileOp::create(
      e.b, e.loc, TypeRange(e.b.getIndexType()), ValueRange(first),
      [&](OpBuilder &b, Location loc, ValueRange state) {
        scf::ConditionOp::create(
            b, loc, e.cmp(CmpIPredicate::sle, state[0], last), state);
      },
      [&](OpBuilder &b, Location loc, ValueRange state) {
        Value begin = skip(state[0], last, /*existing=*/false);
        Value end = skip(begin, last, /*existing=*/true);
        e.when(e.cmp(CmpIPredicate::slt, begin, end),
               [&] { body({begin, e.min(e.sub(end, e.idx(1)), last)}); });
        scf::YieldOp::create(b, loc, end);
      });
}

//===----------------------------------------------------------------------===//
// Rows in place
//===----------------------------------------------------------------------===//

KeyPages::Operand &KeyPages::operandOf(Value source,
                                       std::array<int64_t, 3> dims) {
  for (Operand &operand : operands)
    if (operand.source == source && operand.dims == dims)
      return operand;
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, source);
  auto stride = [&](int64_t dim) -> Value {
    return dim < 0 ? Value() : metadata.getStrides()[dim];
  };
  return operands.emplace_back(Operand{source,
                                       dims,
                                       stride(dims[0]),
                                       stride(dims[1]),
                                       stride(dims[2]),
                                       makeTable(),
                                       {}});
}

Value KeyPages::directRows(Region &loader) {
  Block &block = loader.front();
  tensor::ExtractSliceOp slice = yieldedSlice(loader);
  if (!slice)
    return {};
  Value source = outer.tensor(slice.getSource());
  if (!source)
    return {};
  auto type = cast<MemRefType>(source.getType());
  int64_t rank = type.getRank(), length = slice.getType().getShape().back();
  SmallVector<OpFoldResult> offsets, sizes(rank, e.b.getIndexAttr(1)),
      strides(rank, e.b.getIndexAttr(1));
  std::array<int64_t, 3> dims{-1, -1, -1}; // of page, row and key head
  for (auto [dim, x] : llvm::enumerate(slice.getMixedOffsets())) {
    auto value = dyn_cast<Value>(x);
    auto argument = dyn_cast_or_null<BlockArgument>(value);
    if (argument && argument.getOwner() == &block) {
      int64_t &place = dims[argument.getArgNumber()];
      if (place != -1 || static_cast<int64_t>(dim) == rank - 1)
        return {};
      place = dim;
      offsets.push_back(e.b.getIndexAttr(0));
      continue;
    }
    if (value && value.getParentBlock() == &block)
      return {};
    offsets.push_back(value ? OpFoldResult(outer.scalar(value)) : x);
  }
  if (dims[0] == -1 || dims[1] == -1 || (op.getKeyHead() && dims[2] == -1))
    return {};
  sizes.back() = e.b.getIndexAttr(length);
  auto reduced = memref::SubViewOp::inferRankReducedResultType(
      {length}, type, offsets, sizes, strides);
  Value row = memref::SubViewOp::create(e.b, e.loc, reduced, source, offsets,
                                        sizes, strides);
  // Row r begins r elements from the first: both strides are 1.
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, row);
  auto viewType = MemRefType::get(
      {ShapedType::kDynamic, length}, type.getElementType(),
      StridedLayoutAttr::get(e.b.getContext(), ShapedType::kDynamic, {1, 1}));
  SmallVector<OpFoldResult> viewSizes{e.idx(1), e.b.getIndexAttr(length)},
      viewStrides(2, e.b.getIndexAttr(1));
  Value view = memref::ReinterpretCastOp::create(
      e.b, e.loc, viewType, metadata.getBaseBuffer(),
      OpFoldResult(metadata.getOffset()), viewSizes, viewStrides);
  operandOf(source, dims).views.push_back(view);
  return view;
}

Value KeyPages::offsetOf(Value rows, Value j, Value head) {
  for (Operand &operand : operands)
    if (llvm::is_contained(operand.views, rows)) {
      Value offset = e.loadIndex(operand.table, shift ? e.add(shift, j) : j);
      return head ? e.add(offset, e.mul(head, operand.headStride)) : offset;
    }
  llvm_unreachable("directRows has made it");
}

bool KeyPages::holdMultiplesOf(int64_t rows) {
  std::optional<int64_t> known = getConstantIntValue(size);
  return known && *known % rows == 0;
}

Value KeyPages::rowsFrom(Value rows, Value j, Value head) {
  auto type = cast<MemRefType>(rows.getType());
  OpFoldResult stride = e.b.getIndexAttr(1);
  for (Operand &operand : operands)
    if (llvm::is_contained(operand.views, rows)) {
      auto whole = cast<MemRefType>(operand.source.getType());
      int64_t known = whole.getStridesAndOffset().first[operand.dims[1]];
      stride = ShapedType::isDynamic(known)
                   ? OpFoldResult(operand.rowStride)
                   : OpFoldResult(e.b.getIndexAttr(known));
    }
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, rows);
  Value offset = e.add(metadata.getOffset(), offsetOf(rows, j, head));
  int64_t known = getConstantIntValue(stride).value_or(ShapedType::kDynamic);
  auto viewType =
      MemRefType::get(type.getShape(), type.getElementType(),
                      StridedLayoutAttr::get(e.b.getContext(),
                                             ShapedType::kDynamic, {known, 1}));
  SmallVector<OpFoldResult> sizes{OpFoldResult(size),
                                  e.b.getIndexAttr(type.getDimSize(1))},
      strides{stride, e.b.getIndexAttr(1)};
  return memref::ReinterpretCastOp::create(
      e.b, e.loc, viewType, metadata.getBaseBuffer(), OpFoldResult(offset),
      sizes, strides);
}

//===----------------------------------------------------------------------===//
// Blocks of keys
//===----------------------------------------------------------------------===//

void KeyPages::eachKey(KeyWalk &keys, Value block, Value keyCount,
                       function_ref<void(Value, Value, Value)> body) {
  if (!keys.isContiguous())
    return e.loop(e.idx(0), keyCount, 1, [&](Value j) {
      Value c = keys.rowOf(block, j), t = numberOf(c);
      body(j, pageOf(t), e.sub(c, e.mul(t, size)));
    });
  // One lookup for the rows of a page.
  Value last = e.sub(e.add(block, keyCount), e.idx(1));
  e.loop(numberOf(block), e.add(numberOf(last), 1), 1, [&](Value t) {
    Value page = pageOf(t);
    Value begin = e.sub(e.mul(t, size), block);
    e.loop(e.max(begin, e.idx(0)), e.min(e.add(begin, size), keyCount), 1,
           [&](Value j) { body(j, page, e.sub(j, begin)); });
  });
}

void KeyPages::locate(KeyWalk &keys, Value block, Value keyCount) {
  shift = Value();
  if (!operands.empty())
    fill(keys, block, keyCount);
}

void KeyPages::locateChunk(KeyWalk &keys, KeyRun run, Value block, Value first,
                           int64_t chunk, int64_t ahead) {
  shift = Value();
  if (operands.empty())
    return;
  Value inChunk = e.b.createOrFold<arith::RemUIOp>(
      e.loc, e.sub(block, run.origin), e.idx(chunk));
  e.when(e.cmp(CmpIPredicate::eq, inChunk, e.idx(0)), [&] {
    fill(keys, block, e.min(e.sub(run.end, block), e.idx(chunk + ahead)));
  });
  shift = e.add(inChunk, e.sub(first, block));
}

void KeyPages::fill(KeyWalk &keys, Value block, Value keyCount) {
  eachKey(keys, block, keyCount, [&](Value j, Value page, Value row) {
    for (Operand &operand : operands)
      e.storeIndex(
          e.add(e.mul(page, operand.pageStride), e.mul(row, operand.rowStride)),
          operand.table, j);
  });
  for (Operand &operand : operands) {
    Value last = e.loadIndex(operand.table, e.sub(keyCount, e.idx(1)));
    Value end = e.idx(cast<MemRefType>(operand.table.getType()).getDimSize(0));
    e.loop(keyCount, end, 1,
           [&](Value j) { e.storeIndex(last, operand.table, j); });
  }
}
