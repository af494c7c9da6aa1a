// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that regions compute: loaders with producers in them, and epilogues. A
// thread computes a row at a time, with its own scratch.

#include "codegen/gpu/MmaFold.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace attnc::cpu;
using namespace attnc::gpu;

/// A thread's own memory, whose size is known when everything is emitted.
RowEnvironment MmaFold::rowEnvironment() {
  if (!rowScratch) {
    OpBuilder::InsertionGuard guard(e.b);
    auto launch =
        c().scratch.getParentRegion()->getParentOfType<func::FuncOp>();
    e.b.setInsertionPointToStart(&launch.front());
    rowScratch = memref::AllocaOp::create(
        e.b, e.loc, MemRefType::get({1}, e.b.getI8Type()),
        e.b.getI64IntegerAttr(SharedTile::kChunk));
  }
  return {c().outer, rowScratch, rowLayout, /*lanes=*/1};
}

void MmaFold::finishRowScratch() {
  if (rowScratch)
    rowScratch.setType(MemRefType::get(
        {std::max<int64_t>(rowLayout.bytes(), 1)}, e.b.getI8Type()));
}

/// Computes a row and stores it as row `place` of a tile; zeros where it does
/// not exist.
LogicalResult MmaFold::storeComputed(Region &loader, ValueRange arguments,
                                     const SharedTile &tile, Value address,
                                     Value place, Value exists) {
  LogicalResult result = success();
  auto type = VectorType::get({SharedTile::kChunkElements}, element);
  int64_t columns = attn::FoldOp::getRowType(loader).getShape().back();
  Value chunks = e.idx(columns / SharedTile::kChunkElements);
  auto store = [&](Value chunk, Value value) {
    w.storeShared(value, w.add(address, tile.chunkAt(w, place, w.toI32(chunk))),
                  0);
  };
  e.when(
      exists,
      [&] {
        RowProgram program(e, rowEnvironment());
        for (auto [argument, value] :
             llvm::zip(loader.front().getArguments(), arguments))
          program.bind(argument, value);
        FailureOr<Value> row = program.emit(loader);
        if (failed(row)) {
          result = failure();
          return;
        }
        e.loop(e.idx(0), chunks, 1, [&](Value chunk) {
          Value first = e.mul(chunk, e.idx(SharedTile::kChunkElements));
          Value value;
          for (int64_t i = 0; i < SharedTile::kChunkElements; ++i) {
            Value x = memref::LoadOp::create(e.b, e.loc, *row,
                                             ValueRange(e.add(first, i)));
            value = value ? vector::InsertOp::create(e.b, e.loc, x, value, i)
                                .getResult()
                          : vector::BroadcastOp::create(e.b, e.loc, type, x)
                                .getResult();
          }
          store(chunk, value);
        });
      },
      [&] {
        Value zero =
            arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
        e.loop(e.idx(0), chunks, 1, [&](Value chunk) { store(chunk, zero); });
      });
  return result;
}

/// A block's rows of an operand whose loader computes them, a thread each.
LogicalResult MmaFold::computeRows(const Blocks &blocks, Value block,
                                   Region &loader, const SharedTile &tile,
                                   Value address) {
  LogicalResult result = success();
  e.loop(w.toIndex(at.thread), e.idx(blockKeys), threads, [&](Value j) {
    Value number = e.add(w.toIndex(w.mul(block, blockKeys)), j);
    KeyPlace from = placeOfKey(blocks, number);
    Values arguments{from.row};
    if (from.page)
      arguments.insert(arguments.begin(), from.page);
    result = storeComputed(loader, arguments, tile, address, w.toI32(j),
                           from.exists);
  });
  return result;
}

/// The query tile, where its loader computes rows.
LogicalResult MmaFold::computeQueries() {
  LogicalResult result = success();
  e.loop(w.toIndex(at.thread), e.idx(queryTile.rows()), threads,
         [&](Value number) {
           TileRow place = tileRow(w.toI32(number));
           Value exists = e.cmp(arith::CmpIPredicate::slt, place.t, rows);
           Value arguments[] = {e.add(head, place.head), rowAt(place.t)};
           result = storeComputed(op.getLoadQ(), arguments, queryTile, queryAt,
                                  w.toI32(number), exists);
         });
  return result;
}

//===----------------------------------------------------------------------===//
// Epilogues
//===----------------------------------------------------------------------===//

/// Fragments lie in shared memory as rows of f32, at an odd distance.
Value MmaFold::stagedRows() {
  int64_t rowCount = queryTile.rows(), pitch = dv + 1;
  // All tiles are free by now.
  int64_t bytes = rowCount * pitch * 4, present = c().layout.bytes();
  if (bytes > present)
    c().layout.allocate(bytes - present);
  return e.view(c().scratch, 0, {rowCount, pitch}, e.b.getF32Type());
}

void MmaFold::stageRow(int64_t row, Value inverse) {
  int64_t pitch = (dv + 1) * 4;
  Value address =
      w.add(w.mul(rowOf(row / 2, row % 2), pitch), w.mul(at.column, 4));
  address = w.add(shared, address);
  for (int64_t n = 0; n < dv / 8; ++n)
    for (int64_t x = 0; x < 2; ++x)
      w.storeShared(e.mulf(out(state, row / 2, n)[row % 2 * 2 + x], inverse),
                    address, (8 * n + x) * 4);
}

/// Runs the epilogue on each staged row, a thread a row.
LogicalResult MmaFold::storeStaged() {
  Value staged = stagedRows();
  w.barrier();
  LogicalResult result = success();
  e.loop(w.toIndex(at.thread), e.idx(queryTile.rows()), threads,
         [&](Value number) {
           TileRow place = tileRow(w.toI32(number));
           e.when(e.cmp(arith::CmpIPredicate::slt, place.t, rows), [&] {
             result = runEpilogue(e.row(staged, number, dv), place);
           });
         });
  return result;
}

LogicalResult MmaFold::runEpilogue(Value finished, const TileRow &place) {
  RowProgram program(e, rowEnvironment());
  Region &epilogue = op.getEpilogue();
  Block &block = epilogue.front();
  Value argument = block.getArgument(0);
  Type type = cast<RankedTensorType>(argument.getType()).getElementType();
  if (type != ct) {
    int64_t bytes = dv * type.getIntOrFloatBitWidth() / 8;
    Value converted = e.view(rowScratch, rowLayout.allocate(bytes), {dv}, type);
    program.copyRow(finished, converted, dv);
    finished = converted;
  }
  program.bindRow(argument, finished);
  program.bind(block.getArgument(1), e.add(head, place.head));
  program.bind(block.getArgument(2), rowAt(place.t));
  FailureOr<Value> result = program.emit(epilogue);
  if (failed(result))
    return failure();
  program.copyRow(*result,
                  e.row(c().tileOut, {place.head, placeOf(place.t)}, dv), dv);
  return success();
}
