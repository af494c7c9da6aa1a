// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parts of a fold that both micro-kernels use.

#include "codegen/cpu/FoldLowering.h"
#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/KernelTensors.h"
#include "passes/PlanWalk.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;
using mlir::arith::CmpIPredicate;

FoldLowering::FoldLowering(FoldContext context)
    : e(context.e), op(context.op), schedule(context.schedule),
      ct(op.getComputeType()), lanes(schedule.getLanes()), d(op.getHeadDim()),
      dv(op.getValueDim()),
      edgeKeys(llvm::alignTo(kEdgeKeys, schedule.getRegisterKeys())),
      context(context) {
  OuterValues &outer = context.outer;
  head = outer.scalar(op.getHead());
  if (context.headOffset)
    head = e.add(head, context.headOffset);
  row = outer.scalar(op.getRow());
  rows = outer.scalar(op.getRows());
  tile = {head, row, rows, static_cast<int64_t>(op.getStep()),
          static_cast<int64_t>(op.getRun())};
  firstKey = op.getFirstKey() ? outer.scalar(op.getFirstKey()) : e.idx(0);
  keys = outer.scalar(op.getKeys());
  for (Value symbol : op.getSymbols())
    symbols.push_back(outer.scalar(symbol));
  if (op.getPage().empty())
    return;
  pages = std::make_unique<KeyPages>(e, op, outer, [&] {
    return buffer({keysOfBlock() + edgeKeys}, e.b.getI64Type());
  });
  if (op.getKeyHead()) {
    Value first = outer.scalar(op.getKeyHead());
    int64_t shared = op.getSchedule().getHeads() / op.getKeyHeads();
    setKeyHead(context.headOffset
                   ? e.add(first, e.b.createOrFold<arith::DivUIOp>(
                                      e.loc, context.headOffset, e.idx(shared)))
                   : first);
  }
}

LogicalResult FoldLowering::run() {
  allocate();
  if (!op.getEpilogue().empty()) {
    Type element = cast<RankedTensorType>(
                       op.getEpilogue().front().getArgument(0).getType())
                       .getElementType();
    if (element != ct)
      finishedRow = buffer({dv}, element);
  }
  if (tile.step == 1)
    return foldTile();
  // A class of a lattice may have no rows.
  LogicalResult result = success();
  e.when(e.cmp(arith::CmpIPredicate::sgt, rows, e.idx(0)),
         [&] { result = foldTile(); });
  return result;
}

LogicalResult FoldLowering::foldTile() {
  if (failed(loadQueries()))
    return failure();
  for (ComponentAttr component : op.getPlan().getComponents()) {
    FailureOr<Walked> walked = walk(component);
    if (failed(walked) ||
        failed(walked->isBlocks ? foldBlocks(*walked)
                                : foldExisting(*walked, nullptr)))
      return failure();
  }
  return finish();
}

LogicalResult FoldLowering::foldExisting(Walked &walked,
                                         TileBounds::Clip *clip) {
  walked.bounds->setClip(clip);
  LogicalResult result = success();
  if (!pages || walked.isList) { // which looks at each key
    result = foldKeys(walked);
  } else {
    Value none = e.idx(0), lastRow = e.sub(rows, e.idx(1));
    KeyInterval keys = walked.bounds->visited(none, lastRow);
    TileBounds::Clip run =
        clip ? *clip : TileBounds::Clip{none, lastRow, {}, {}};
    e.when(e.cmp(arith::CmpIPredicate::sle, keys.first, keys.last), [&] {
      pages->eachRun(walked.keys->rowOf(keys.first, none),
                     walked.keys->rowOf(keys.last, none),
                     [&](KeyInterval existing) {
                       run.firstKey = existing.first;
                       run.lastKey = existing.last;
                       walked.bounds->setClip(&run);
                       if (failed(foldKeys(walked)))
                         result = failure();
                     });
    });
  }
  walked.bounds->setClip(nullptr);
  return result;
}

Value FoldLowering::buffer(ArrayRef<int64_t> shape, Type element) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  for (int64_t size : shape)
    bytes *= size;
  return e.view(context.scratch, context.layout.allocate(bytes), shape,
                element);
}

double FoldLowering::queryScale() {
  double scale = op.getScale().convertToDouble();
  return op.getScore().empty() ? scale * M_LOG2E : scale;
}
double FoldLowering::scoreFactor() {
  return op.getScore().empty() ? 1.0 : M_LOG2E;
}

Value FoldLowering::directRows(Region &loader, Type element) {
  if (FoldOp::getRowType(loader).getElementType() != element)
    return {};
  if (pages)
    return pages->directRows(loader);
  Block &block = loader.front();
  tensor::ExtractSliceOp slice = yieldedSlice(loader);
  if (!slice)
    return {};
  Value memref = context.outer.tensor(slice.getSource());
  if (!memref)
    return {};
  auto type = cast<MemRefType>(memref.getType());
  int64_t rank = type.getRank();
  SmallVector<OpFoldResult> offsets, sizes(rank, e.b.getIndexAttr(1)),
      strides(rank, e.b.getIndexAttr(1));
  for (auto [dim, x] : llvm::enumerate(slice.getMixedOffsets())) {
    auto value = dyn_cast<Value>(x);
    bool isRow = value == block.getArguments().back();
    if (isRow != (static_cast<int64_t>(dim) == rank - 2))
      return {};
    // An index computed inside the loader (a page) is not in place.
    if (value && !isRow && value.getParentBlock() == &block)
      return {};
    offsets.push_back(isRow   ? OpFoldResult(e.b.getIndexAttr(0))
                      : value ? OpFoldResult(context.outer.scalar(value))
                              : x);
  }
  sizes[rank - 2] = e.b.createOrFold<memref::DimOp>(e.loc, memref, rank - 2);
  sizes[rank - 1] = e.b.getIndexAttr(slice.getType().getShape().back());
  auto reduced = memref::SubViewOp::inferRankReducedResultType(
      {ShapedType::kDynamic, slice.getType().getShape().back()}, type, offsets,
      sizes, strides);
  return memref::SubViewOp::create(e.b, e.loc, reduced, memref, offsets, sizes,
                                   strides);
}

LogicalResult FoldLowering::loadRow(Region &loader, ValueRange arguments,
                                    Value destination, int64_t length) {
  RowEnvironment around = environment();
  around.flushesBf16 =
      schedule.getProducts() == Products::DotBf16 &&
      cast<MemRefType>(destination.getType()).getElementType().isBF16();
  RowProgram program(e, around);
  for (auto [argument, value] :
       llvm::zip(loader.front().getArguments(), arguments))
    program.bind(argument, value);
  FailureOr<Value> result = program.emit(loader, destination);
  if (failed(result))
    return failure();
  program.copyRow(*result, destination, length);
  return success();
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

FailureOr<FoldLowering::Walked> FoldLowering::walk(ComponentAttr component) {
  PlanAttr plan = op.getPlan();
  PairsAttr atom = attnc::walkedAtom(plan, component);
  Walked walked;
  bool isWalked = true;
  switch (attnc::walkKindOf(plan, component)) {
  case attnc::WalkKind::Lattice: {
    // Rows of the tile lie on one lattice only if its step does.
    int64_t stride = atom.getParams()[0].value;
    if (tile.run != 1 || tile.step % stride != 0) {
      isWalked = false;
      break;
    }
    Value distance = e.sub(e.add(symbols[QBegin], row), symbols[KBegin]);
    Value s = e.idx(stride);
    Value down = arith::FloorDivSIOp::create(e.b, e.loc, distance, s);
    walked.keys = std::make_unique<LatticeWalk>(
        e, stride, e.sub(distance, e.mul(down, s)));
    break;
  }
  case attnc::WalkKind::Columns:
    walked.keys = std::make_unique<ColumnsWalk>(e, atom.getParams()[0].value,
                                                atom.getParams()[1].value,
                                                symbols[KBegin]);
    break;
  case attnc::WalkKind::List:
    walked.isList = isWalked = schedule.getMicro() == MicroKernel::Row &&
                               schedule.getQueryTile() == 1 &&
                               !op.getElement().empty();
    break;
  case attnc::WalkKind::Blocks:
    walked.isBlocks = isWalked = tile.step == 1 && !op.getElement().empty();
    break;
  case attnc::WalkKind::None:
    // Strips: what they hold is tested, too, for the queries of other columns.
    if (auto columns = attnc::stripOf(plan, component, tile.run);
        columns && columns->getExtent() == tile.step)
      walked.keys = walkStrip(*columns);
    break;
  }
  for (int64_t test : component.getTestNumbers())
    if (!isWalked || test != component.getWalk())
      walked.tests.push_back(test);
  if (!walked.keys)
    walked.keys = std::make_unique<KeyWalk>(e);
  tile.rows = rows; // a kernel leaves out those that it knows to be dead
  walked.bounds = std::make_unique<TileBounds>(
      TileBounds::Context{e, op, context.outer, symbols, firstKey, keys, tile,
                          eachRow},
      component, *walked.keys,
      [&] { return buffer({2, schedule.getQueryTile()}, e.b.getI64Type()); });
  if (failed(walked.bounds->prepare()))
    return failure();
  return walked;
}

/// The columns that some query of the tile keeps; all of them where the strip
/// goes on at the other side of the grid.
std::unique_ptr<KeyWalk>
FoldLowering::walkStrip(const attnc::GridColumns &columns) {
  using Kind = attnc::GridColumns::Kind;
  int64_t extent = columns.getExtent(), left = columns.getLeft(),
          right = columns.getRight();
  auto down = [&](Value x, int64_t size) -> Value {
    return arith::FloorDivSIOp::create(e.b, e.loc, x, e.idx(size));
  };
  Value first = e.add(symbols[QBegin], row);
  first = e.sub(first, e.mul(down(first, extent), e.idx(extent)));
  Value last = e.add(first, tile.run - 1);
  Value wraps = e.cmp(CmpIPredicate::sge, last, e.idx(extent));
  Value low, high;
  switch (columns.getKind()) {
  case Kind::Window:
    low = e.sub(first, e.idx(left));
    high = e.add(last, right);
    break;
  case Kind::Clamped: {
    Value end = e.idx(extent - 1 - left - right);
    low = e.min(e.sub(first, e.idx(left)), end);
    high = e.add(e.max(e.min(e.sub(last, e.idx(left)), end), e.idx(0)),
                 left + right);
    break;
  }
  case Kind::Chunk:
    auto chunk = [&](Value x) {
      return e.add(e.mul(down(e.sub(x, e.idx(right)), left), e.idx(left)),
                   right);
    };
    low = chunk(first);
    high = e.add(chunk(last), left - 1);
    break;
  }
  Value end = e.idx(extent - 1);
  low = e.select(wraps, e.idx(0), e.max(e.min(low, end), e.idx(0)));
  high = e.select(wraps, end, e.max(e.min(high, end), e.idx(0)));
  Value width = e.max(e.sub(e.add(high, 1), low), e.idx(1));
  int64_t extra = edgeKeys + lanes;
  int64_t block = llvm::alignTo(schedule.getKeyBlock(), lanes);
  if (!stripTable)
    stripTable = buffer({block + extra}, e.b.getI64Type());
  return std::make_unique<StripWalk>(
      e, StripWalk::Strip{extent, low, width, symbols[KBegin]}, stripTable,
      extra);
}

SeenSet FoldLowering::seenSet() {
  if (!seenBits)
    seenBits = buffer({SeenSet::kWindow / 32}, e.b.getI32Type());
  return SeenSet(e, seenBits);
}

LogicalResult FoldLowering::foldBlocks(Walked &walked) {
  KeyList list(e, op, context.outer);
  if (failed(list.open(head, symbols[QBegin], row)))
    return failure();
  Value size = list.blockSize();
  auto down = [&](Value x) -> Value {
    return arith::FloorDivSIOp::create(e.b, e.loc, x, size);
  };
  Value lastRow = e.add(row, e.sub(rows, e.idx(1)));
  Value firstBlock = down(symbols[KBegin]);
  Value blocks =
      e.sub(e.add(down(e.add(symbols[KBegin], keys)), 1), firstBlock);
  LogicalResult result = success();
  SeenSet seen = seenSet(); // its buffer is made outside all loops
  // Rows of one block of queries share a list.
  e.loop(down(row), e.add(down(lastRow), 1), 1, [&](Value group) {
    Value begin = e.mul(group, size);
    TileBounds::Clip clip;
    clip.firstRow = e.max(e.sub(begin, row), e.idx(0));
    clip.lastRow = e.min(e.sub(e.add(begin, e.sub(size, e.idx(1))), row),
                         e.sub(rows, e.idx(1)));
    KeyList own(e, op, context.outer);
    if (failed(own.open(head, symbols[QBegin], e.add(row, clip.firstRow)))) {
      result = failure();
      return;
    }
    seen.eachWindow(blocks, [&] {
      e.loop(e.idx(0), own.count(), 1, [&](Value t) {
        FailureOr<KeyList::Element> element = own.element(t);
        if (failed(element)) {
          result = failure();
          return;
        }
        Value number = e.sub(down(element->position), firstBlock);
        Value first = e.sub(element->position, symbols[KBegin]);
        clip.firstKey = e.max(first, firstKey);
        clip.lastKey =
            e.min(e.add(first, e.sub(size, e.idx(1))), e.sub(keys, e.idx(1)));
        e.when(seen.insert(number, element->isLive), [&] {
          if (failed(foldExisting(walked, &clip)))
            result = failure();
        });
      });
    });
  });
  return result;
}

std::pair<Value, Value> FoldLowering::keyRow(KeyWalk &keys, Value block,
                                             Value j) {
  if (kBlock)
    return {kBlock, j};
  if (pages)
    return {kRows, pages->offsetOf(kRows, j)};
  Value m = e.b.createOrFold<memref::DimOp>(e.loc, kRows, int64_t(0));
  return {kRows, e.min(keys.rowOf(block, j), e.sub(m, e.idx(1)))};
}

std::pair<Value, Value> FoldLowering::valueRow(KeyWalk &keys, Value block,
                                               Value j) {
  if (vBlock)
    return {vBlock, j};
  return {vRows, pages ? pages->offsetOf(vRows, j) : keys.rowOf(block, j)};
}

Value FoldLowering::keyRows(KeyWalk &keys, Value block, Value j,
                            int64_t count) {
  Value memref = kBlock ? kBlock : kRows, first = j;
  if (!kBlock) {
    if (!keys.isContiguous() || pages)
      return {};
    first = keys.rowOf(block, j);
  }
  OpFoldResult zero = e.b.getIndexAttr(0), one = e.b.getIndexAttr(1);
  OpFoldResult offsets[] = {first, zero}, strides[] = {one, one},
               sizes[] = {e.b.getIndexAttr(count), e.b.getIndexAttr(d)};
  return memref::SubViewOp::create(e.b, e.loc, memref, offsets, sizes, strides);
}

LogicalResult FoldLowering::loadKeyBlock(KeyWalk &keys, Value block,
                                         Value count) {
  keys.prepare(block, count);
  if (pages)
    pages->locate(keys, block, count);
  return loadRows(keys, block, count);
}

LogicalResult FoldLowering::loadRows(KeyWalk &keys, Value block, Value count) {
  LogicalResult result = success();
  auto load = [&](Region &loader, Value destination, int64_t length) {
    if (!destination)
      return;
    auto loadKey = [&](Value j, ValueRange arguments) {
      if (failed(
              loadRow(loader, arguments, at(destination, j, length), length)))
        result = failure();
    };
    if (pages)
      return pages->eachKey(
          keys, block, count, [&](Value j, Value page, Value r) {
            keyHead ? loadKey(j, {page, r, keyHead}) : loadKey(j, {page, r});
          });
    e.loop(e.idx(0), count, 1,
           [&](Value j) { loadKey(j, keys.rowOf(block, j)); });
  };
  load(op.getLoadK(), kBlock, d);
  load(op.getLoadV(), vBlock, dv);
  return result;
}

//===----------------------------------------------------------------------===//
// Scores and tests
//===----------------------------------------------------------------------===//

void FoldLowering::bindPair(LaneEmitter &region, ValueRange arguments,
                            const PairLanes &pair) {
  region.bind(arguments[0], pair.head);
  region.bindRamp(arguments[1], pair.i, pair.rowStep);
  region.bind(arguments[2], pair.j);
  region.bindRamp(arguments[3], pair.r, pair.rowStep);
  region.bind(arguments[4], pair.c);
  if (pair.reads)
    pair.reads->bind(region, pair.readAt);
}

FailureOr<Value> FoldLowering::emitScore(const PairLanes &pair) {
  FailureOr<Value> score = emitScoreRegion(pair);
  if (failed(score) || op.getScore().empty())
    return score;
  return e.mulf(*score, e.constant(score->getType(), scoreFactor()));
}

FailureOr<Value> FoldLowering::emitScoreRegion(const PairLanes &pair) {
  if (op.getScore().empty())
    return pair.score;
  Block &block = op.getScore().front();
  LaneEmitter region(e, lanes, context.outer);
  region.bind(block.getArgument(0), pair.score);
  bindPair(region, block.getArguments().drop_front(), pair);
  if (failed(region.emit(block)))
    return failure();
  return region.lookupVector(block.getTerminator()->getOperand(0));
}

FailureOr<Value> FoldLowering::emitTests(ArrayRef<int64_t> tests,
                                         const PairLanes &pair, bool asVector) {
  if (tests.empty())
    return Value();
  Block &block = op.getTests().front();
  LaneEmitter region(e, lanes, context.outer);
  bindPair(region, block.getArguments(), pair);
  Values wanted;
  for (int64_t test : tests)
    wanted.push_back(block.getTerminator()->getOperand(std::abs(test) - 1));
  if (failed(region.emit(block, wanted)))
    return failure();
  Value all;
  for (auto [test, value] : llvm::zip(tests, wanted)) {
    Value bit = asVector ? region.lookupVector(value) : region.lookup(value);
    if (test < 0) {
      TypedAttr one = e.b.getBoolAttr(true);
      if (auto vector = dyn_cast<VectorType>(bit.getType()))
        one = DenseElementsAttr::get(vector, Attribute(one));
      bit = arith::XOrIOp::create(e.b, e.loc, bit,
                                  arith::ConstantOp::create(e.b, e.loc, one));
    }
    all = all ? e.both(all, bit) : bit;
  }
  return all;
}

//===----------------------------------------------------------------------===//
// States and results
//===----------------------------------------------------------------------===//

FailureOr<std::pair<Value, Value>> FoldLowering::loadState(Value g, Value t,
                                                           Value destination) {
  if (op.getStates())
    return mergeStates(g, t, destination);
  RowProgram program(e, environment());
  Region &region = op.getState();
  program.bind(region.front().getArgument(0), e.add(head, g));
  program.bind(region.front().getArgument(1), rowAt(t));
  FailureOr<Value> result = program.emit(region);
  if (failed(result))
    return failure();
  program.copyRow(*result, destination, dv);
  Operation *yield = region.front().getTerminator();
  return std::pair(program.scalar(yield->getOperand(1)),
                   program.scalar(yield->getOperand(2)));
}

/// States in their order: one without weights changes nothing.
FailureOr<std::pair<Value, Value>>
FoldLowering::mergeStates(Value g, Value t, Value destination) {
  Value zero = e.constant(ct, 0.0), none = e.constant(ct, -INFINITY);
  e.loop(e.idx(0), e.idx(dv), 1,
         [&](Value x) { e.store(zero, destination, x); });
  Region &region = op.getState();
  LogicalResult result = success();
  Values merged =
      e.loop(e.idx(0), c().outer.scalar(op.getStates()), 1, Values{none, zero},
             [&](Value s, ValueRange in) -> Values {
               RowProgram program(e, environment());
               for (auto [argument, value] :
                    llvm::zip(region.front().getArguments(),
                              Values{e.add(head, g), rowAt(t), s}))
                 program.bind(argument, value);
               FailureOr<Value> other = program.emit(region);
               if (failed(other)) {
                 result = failure();
                 return Values(in);
               }
               Operation *yield = region.front().getTerminator();
               Value m = program.scalar(yield->getOperand(1)),
                     l = program.scalar(yield->getOperand(2));
               Value max = e.maxIgnoringNaN(m, in[0]);
               Value empty = arith::CmpFOp::create(
                   e.b, e.loc, arith::CmpFPredicate::OEQ, max, none);
               Value reference = e.select(empty, zero, max);
               Value mine = emitExp2(e, e.subf(in[0], reference)),
                     theirs = emitExp2(e, e.subf(m, reference));
               mergeRow(*other, mine, theirs, destination);
               return {max, e.addf(e.mulf(in[1], mine), e.mulf(l, theirs))};
             });
  if (failed(result))
    return failure();
  return std::pair(merged[0], merged[1]);
}

/// destination = mine destination + theirs from.
void FoldLowering::mergeRow(Value from, Value mine, Value theirs,
                            Value destination) {
  int64_t main = dv / lanes * lanes;
  auto merge = [&](int64_t begin, int64_t end, int64_t wide) {
    if (begin == end)
      return;
    Value x = e.splat(mine, wide), y = e.splat(theirs, wide);
    e.loop(e.idx(begin), e.idx(end), wide, [&](Value at) {
      Type type = e.vec(wide, ct);
      Value sum = e.mulf(e.load(type, destination, at), x);
      e.store(e.fma(e.load(type, from, at), y, sum), destination, at);
    });
  };
  merge(0, main, lanes);
  merge(main, dv, 1);
}

void FoldLowering::storeState(Value m, Value l, Value g, Value t) {
  e.store(m, context.stateOut, {g, placeOf(t), e.idx(0)});
  e.store(l, context.stateOut, {g, placeOf(t), e.idx(1)});
}

void FoldLowering::storePairs(Value count, Value g, Value t) {
  if (context.pairsOut)
    e.storeIndex(count, context.pairsOut, {g, placeOf(t)});
}

Value FoldLowering::finishFactor(Value l) {
  Value one = e.constant(l.getType(), 1.0), zero = e.constant(l.getType(), 0.0);
  if (op.getPartial())
    return one;
  Value none =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, l, zero);
  return e.select(none, zero, arith::DivFOp::create(e.b, e.loc, one, l));
}

LogicalResult FoldLowering::storeRow(Value finished, Value g, Value t) {
  RowProgram program(e, environment());
  Value out = at(context.tileOut, {g, placeOf(t)}, dv);
  Region &epilogue = op.getEpilogue();
  if (epilogue.empty()) {
    program.copyRow(finished, out, dv);
    return success();
  }
  Block &block = epilogue.front();
  Value argument = block.getArgument(0);
  Type element = cast<RankedTensorType>(argument.getType()).getElementType();
  if (element != ct) {
    program.copyRow(finished, finishedRow, dv);
    finished = finishedRow;
  }
  program.bindRow(argument, finished);
  program.bind(block.getArgument(1), e.add(head, g));
  program.bind(block.getArgument(2), rowAt(t));
  FailureOr<Value> result = program.emit(epilogue);
  if (failed(result))
    return failure();
  program.copyRow(*result, out, dv);
  return success();
}

Value FoldLowering::logSumExp(Value m, Value l) {
  Value natural = e.mulf(m, e.constant(m.getType(), M_LN2));
  Type f32 = e.b.getF32Type();
  natural = e.convert(natural, f32);
  Value sum = e.convert(l, f32);
  Value log = math::LogOp::create(e.b, e.loc, sum);
  Value lse = e.addf(natural, log);
  // A row without pairs has l = 0.
  Value none = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, sum,
                                     e.constant(sum.getType(), 0.0));
  return e.select(none, e.constant(sum.getType(), -INFINITY), lse);
}
