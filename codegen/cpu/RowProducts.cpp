// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of the row micro-kernel by fused multiply-adds.

#include "codegen/cpu/RowProducts.h"

using namespace mlir;
using namespace attnc::cpu;

/// Rows of up to this many vectors are unrolled; longer ones are loops over as
/// many steps as make kLoopVectors.
static constexpr int64_t kUnrolledVectors = 16, kLoopVectors = 8;
/// Bytes that memory gives at a time.
static constexpr int64_t kLineBytes = 64;

RowProducts::RowProducts(RowOperands operands, RowFormat::Pairs pairs)
    : o(std::move(operands)), e(o.e), keys(e, o.vt, o.keyType, o.keySize),
      values(e, o.vt, o.valueType, o.valueSize, pairs),
      laneSums(e, o.vt, o.group) {}

void RowProducts::allocate() {
  int64_t queries = o.groups * o.group;
  q = o.buffer({queries, keys.vectors() * o.lanes()}, o.ct());
  sums = o.buffer({queries, values.vectors() * o.lanes()}, o.ct());
  partials = o.buffer({o.keyBlock, o.lanes()}, o.ct());
  touched = o.buffer({kLineBytes}, e.b.getI8Type());
}

//===----------------------------------------------------------------------===//
// Queries and sums
//===----------------------------------------------------------------------===//

void RowProducts::storeQuery(Value query, Value row) {
  Value scale = e.constant(o.vt, o.scale);
  for (int64_t step = 0; step < keys.steps(); ++step) {
    Values vectors = keys.fromOrder(keys.readOrdered(row, step));
    for (auto [v, vector] : llvm::enumerate(vectors))
      e.store(e.mulf(vector, scale), q,
              {query, e.idx((step * keys.perStep + v) * o.lanes())});
  }
}

void RowProducts::storeSum(Value query, Value row) {
  for (int64_t step = 0; step < values.steps(); ++step) {
    Values vectors(values.perStep, e.constant(o.vt, 0.0));
    if (row) {
      Value column = values.columnOf(step);
      for (int64_t v = 0; v < values.perStep; ++v)
        vectors[v] = e.load(o.vt, row, e.add(column, v * o.lanes()));
      vectors = values.fromOrder(vectors);
    }
    for (auto [v, vector] : llvm::enumerate(vectors))
      e.store(vector, sums, {query, laneOfSum(stepAt(values, step), v)});
  }
}

void RowProducts::loadSum(Value query, Value factor, Value row) {
  Value wide = e.splat(factor, o.lanes());
  for (int64_t step = 0; step < values.steps(); ++step) {
    Values vectors;
    for (int64_t v = 0; v < values.perStep; ++v)
      vectors.push_back(e.mulf(
          e.load(o.vt, sums, {query, laneOfSum(stepAt(values, step), v)}),
          wide));
    for (auto [v, vector] : llvm::enumerate(values.toOrder(vectors)))
      e.store(vector, row, e.add(values.columnOf(step), v * o.lanes()));
  }
}

//===----------------------------------------------------------------------===//
// What will be read
//===----------------------------------------------------------------------===//

/// Into the second level cache: the first one has too few requests under way.
void RowProducts::prefetch(ArrayRef<Row> rows, Value column, int64_t elements) {
  for (auto [memref, row] : rows) {
    auto type = cast<MemRefType>(memref.getType());
    int64_t line = kLineBytes * 8 / type.getElementTypeBitWidth();
    for (int64_t x = 0; x < elements; x += line)
      memref::PrefetchOp::create(e.b, e.loc, memref,
                                 ValueRange{row, e.add(column, x)},
                                 /*isWrite=*/false, /*localityHint=*/2,
                                 /*isDataCache=*/true);
  }
}

void RowProducts::prefetchKey(const RowBlock &block, Value g, Value j,
                              const Step &step, int64_t index) {
  if (!o.keysAhead || !block.run || !o.isOneGroup)
    return;
  int64_t bytes = keys.width * o.keyType.getIntOrFloatBitWidth() / 8;
  if (index % std::max<int64_t>(kLineBytes / bytes, 1) == 0)
    prefetch(o.keysAhead(block, j), step.column, keys.width);
}

void RowProducts::prefetchValue(const RowBlock &block, Value g,
                                const Tile &tile, Value j, size_t index) {
  if (!o.valuesAhead || !block.run || tile.passes == 0)
    return;
  auto isZero = [&](Value x) {
    return e.cmp(arith::CmpIPredicate::eq, x, e.idx(0));
  };
  Rows rows = o.valuesAhead(block, j);
  if (!o.isOneGroup) {
    if (index == 0)
      e.when(e.both(isFirst(block, g), isZero(tile.query)),
             [&] { prefetch(rows, e.idx(0), o.valueSize); });
    return;
  }
  // Passes take lines after another; steps of a pass, too.
  int64_t line = kLineBytes * 8 / o.valueType.getIntOrFloatBitWidth();
  int64_t lines = llvm::divideCeil(o.valueSize, line);
  int64_t share = llvm::divideCeil(lines, tile.passes);
  int64_t steps = tile.steps.size();
  Value first =
      e.b.createOrFold<arith::DivUIOp>(e.loc, tile.query, e.idx(tile.queries));
  first = e.mul(first, e.idx(share * line));
  for (int64_t i = share * index / steps;
       i < share * int64_t(index + 1) / steps; ++i)
    prefetch(rows, e.add(first, i * line), 1);
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Values RowProducts::queryVectors(Value query, const Step &step) {
  Values vectors;
  Value lane = e.mul(step.number, e.idx(keys.perStep * o.lanes()));
  for (int64_t v = 0; v < keys.perStep; ++v)
    vectors.push_back(e.load(o.vt, q, {query, e.add(lane, v * o.lanes())}));
  return vectors;
}

SmallVector<Values> RowProducts::hold(Value g, int64_t steps) {
  SmallVector<Values> held(steps);
  for (auto [step, vectors] : llvm::enumerate(held))
    for (int64_t i = 0; i < o.group; ++i)
      llvm::append_range(vectors,
                         queryVectors(o.queryOf(g, i), stepAt(keys, step)));
  return held;
}

void RowProducts::scoreStep(std::pair<Value, Value> row, const Step &step,
                            Value g, const Values *held, Values &acc) {
  Values key = keyVectors(row, step);
  for (int64_t i = 0; i < o.group; ++i) {
    Values query;
    if (!held)
      query = queryVectors(o.queryOf(g, i), step);
    for (auto [v, k] : llvm::enumerate(key)) {
      Value x = held ? (*held)[i * key.size() + v] : query[v];
      acc[i] = multiplyAdd(x, k, acc[i]);
    }
  }
}

/// A vector of partial sums for each query of the group.
Values RowProducts::scoreRow(const RowBlock &block, Value j, Value g,
                             ArrayRef<Values> held) {
  Row row = o.keyRow(block, j);
  Values acc(o.group, e.constant(o.vt, 0.0));
  int64_t unrolled = 0;
  if (keys.steps() * keyVectorsOfStep() > kUnrolledVectors) {
    int64_t step = kLoopVectors / keyVectorsOfStep();
    unrolled = keys.wholeSteps() / step * step;
    acc = e.loop(e.idx(0), e.idx(unrolled), step, acc,
                 [&](Value x, ValueRange in) -> Values {
                   Values out(in);
                   for (int64_t u = 0; u < step; ++u) {
                     Value number = e.add(x, u);
                     Step at{number, keys.columnOf(number)};
                     prefetchKey(block, g, j, at, u);
                     scoreStep(row, at, g, nullptr, out);
                   }
                   return out;
                 });
  }
  for (int64_t step = unrolled; step < keys.steps(); ++step) {
    bool isHeld = step < static_cast<int64_t>(held.size());
    prefetchKey(block, g, j, stepAt(keys, step), step);
    scoreStep(row, stepAt(keys, step), g, isHeld ? &held[step] : nullptr, acc);
  }
  return acc;
}

/// Partial sums of the block's rows; where no shuffles add them up, scores.
void RowProducts::scoreRows(const RowBlock &block, Value g) {
  int64_t all = keys.steps() * keyVectorsOfStep();
  int64_t unrolled = all <= kUnrolledVectors ? keys.steps() : 0;
  // Registers that sums of values fill later hold queries now.
  int64_t room = o.accumulators / (o.group * keyVectorsOfStep());
  SmallVector<Values> held = hold(g, std::min(unrolled, room));
  e.loop(e.idx(0), block.count, 1, [&](Value j) {
    if (o.keysAhead && block.run && !o.isOneGroup)
      e.when(isFirst(block, g),
             [&] { prefetch(o.keysAhead(block, j), e.idx(0), o.keySize); });
    Values acc = scoreRow(block, j, g, held);
    if (o.hasShuffles())
      return e.store(laneSums.ofRow(acc), partials, {j, e.idx(0)});
    Value sum =
        vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                    acc.front(), arith::FastMathFlags::reassoc);
    e.store(sum, o.s, {g, j});
  });
}

Value RowProducts::scores(const RowBlock &block, Value g, Value before) {
  scoreRows(block, g);
  return e
      .loop(e.idx(0), e.ceilDiv(block.count, o.slots()), 1, before,
            [&](Value v, ValueRange in) -> Values {
              Value at = e.mul(v, e.idx(o.lanes())), score;
              if (o.hasShuffles()) {
                Values rows;
                Value first = e.mul(v, e.idx(o.slots()));
                for (int64_t r = 0; r < o.slots(); ++r)
                  rows.push_back(
                      e.load(o.vt, partials, {e.add(first, r), e.idx(0)}));
                score = laneSums.ofRows(rows);
              } else {
                score = e.load(o.vt, o.s, {g, at});
              }
              if (scoreScale() != 1.0)
                score = e.mulf(score, e.constant(o.vt, scoreScale()));
              e.store(score, o.s, {g, at});
              return {e.maxIgnoringNaN(score, in[0])};
            })
      .front();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Reads the block's values in the order in which they lie in memory, a load a
/// line: what follows reads columns of them.
void RowProducts::touch(const RowBlock &block, Value g) {
  int64_t size = o.valueType.getIntOrFloatBitWidth() / 8;
  int64_t bytes = o.valueSize * size, wide = kLineBytes / size;
  auto type = VectorType::get({kLineBytes}, e.b.getI8Type());
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
  Tile whole{{stepAt(values, 0)}, e.idx(0), o.group, 1};
  Value all =
      e.loop(e.idx(0), block.count, 1, zero,
             [&](Value j, ValueRange in) -> Values {
               auto [memref, row] = o.valueRow(block, j);
               Value out = in[0];
               prefetchValue(block, g, whole, j, 0);
               for (int64_t x = 0; (x + 1) * kLineBytes <= bytes; ++x) {
                 Value line = e.load(VectorType::get({wide}, o.valueType),
                                     memref, {row, e.idx(x * wide)});
                 line = vector::BitCastOp::create(e.b, e.loc, type, line);
                 out = arith::OrIOp::create(e.b, e.loc, out, line);
               }
               return {out};
             })
          .front();
  e.store(all, touched, e.idx(0));
}

void RowProducts::eachTile(const RowBlock &block, Value g,
                           function_ref<void(Tile)> body) {
  int64_t all = values.steps();
  if (values.vectors() <= o.accumulators) {
    int64_t queries = 1;
    while (2 * queries <= o.group &&
           2 * queries * values.vectors() <= o.accumulators)
      queries *= 2;
    e.loop(e.idx(0), e.idx(o.group), queries, [&](Value query) {
      Tile tile{{}, query, queries, o.group / queries};
      for (int64_t step = 0; step < all; ++step)
        tile.steps.push_back(stepAt(values, step));
      body(std::move(tile));
    });
    return;
  }
  touch(block, g);
  int64_t queries = std::min<int64_t>(o.group, 2);
  int64_t steps =
      std::max<int64_t>(o.accumulators / (queries * values.perStep), 1);
  int64_t looped = values.wholeSteps() / steps * steps;
  e.loop(e.idx(0), e.idx(o.group), queries, [&](Value query) {
    e.loop(e.idx(0), e.idx(looped), steps, [&](Value first) {
      Tile tile{{}, query, queries};
      for (int64_t i = 0; i < steps; ++i) {
        Value number = e.add(first, i);
        tile.steps.push_back({number, values.columnOf(number)});
      }
      body(std::move(tile));
    });
    Tile rest{{}, query, queries};
    for (int64_t step = looped; step < all; ++step)
      rest.steps.push_back(stepAt(values, step));
    if (!rest.steps.empty())
      body(std::move(rest));
  });
}

void RowProducts::foldTile(const Tile &tile, Value g, ArrayRef<Value> acc) {
  size_t next = 0;
  for (int64_t i = 0; i < tile.queries; ++i) {
    Value lane = e.add(tile.query, i);
    Value query = e.add(e.mul(g, e.idx(o.group)), lane);
    Value alpha = e.splat(e.load(o.ct(), o.alphas, {g, lane}), o.lanes());
    for (const Step &step : tile.steps)
      for (int64_t v = 0; v < values.perStep; ++v) {
        Value at[] = {query, laneOfSum(step, v)};
        Value old = e.load(o.vt, sums, at);
        e.store(e.fma(old, alpha, acc[next++]), sums, at);
      }
  }
}

void RowProducts::accumulateTile(const RowBlock &block, Value g,
                                 const Tile &tile, bool isKept) {
  Values acc(vectorsOf(tile), e.constant(o.vt, 0.0));
  acc = e.loop(
      e.idx(0), block.count, 1, acc, [&](Value j, ValueRange in) -> Values {
        auto [memref, row] = o.valueRow(block, j);
        Values value, out(in);
        for (auto [index, step] : llvm::enumerate(tile.steps)) {
          prefetchValue(block, g, tile, j, index);
          llvm::append_range(value, values.read(memref, row, step.column));
        }
        Value first = e.add(e.mul(j, e.idx(o.group)), tile.query);
        for (int64_t i = 0; i < tile.queries; ++i) {
          Value weight = e.load(o.ct(), o.s, {g, e.add(first, i)});
          Value wide = e.splat(weight, o.lanes()), kept;
          if (!isKept)
            kept =
                arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UNE,
                                      weight, e.constant(weight.getType(), 0));
          for (auto [k, v] : llvm::enumerate(value)) {
            Value &a = out[i * value.size() + k];
            Value next = e.fma(wide, v, a);
            a = kept ? e.select(kept, next, a) : next;
          }
        }
        return out;
      });
  foldTile(tile, g, acc);
}

void RowProducts::accumulate(const RowBlock &block, Value g, bool isKept,
                             Value) {
  eachTile(block, g,
           [&](Tile tile) { accumulateTile(block, g, tile, isKept); });
}
