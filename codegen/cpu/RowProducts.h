// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two products of the row micro-kernel: scores of a block of keys, and sums
// of its values. Rows of keys and of values are read one after another, each
// from its first element to its last: any other order keeps the machine's
// prefetchers from running ahead, and costs more than half of the bandwidth.

#ifndef ATTNC_CODEGEN_CPU_ROWPRODUCTS_H
#define ATTNC_CODEGEN_CPU_ROWPRODUCTS_H

#include "codegen/cpu/KeyPages.h"
#include "codegen/cpu/RowVectors.h"
#include <functional>
#include <memory>
#include <utility>

namespace attnc::cpu {

/// Some keys that are folded together.
struct RowBlock {
  KeyWalk &keys;
  Value j0;    // number of its first key
  Value count; // keys of the block
  /// What the block is a part of; null: no keys follow it.
  const KeyRun *run = nullptr;
  /// Where it would begin if its run did not begin in it.
  Value begin = {};
  /// Where its rows follow each other, they alone: an address is then a sum.
  Value keyRows = {}, valueRows = {};
  /// The same of blocks that will be read.
  llvm::SmallVector<Value, 2> keysAhead = {}, valuesAhead = {};
  /// Of those that share its rows; null: number 0.
  Value firstGroup = {};
};

/// Sizes, scratch and operands of one fold, as the products see them. Queries
/// go by groups; a vector of scores has keys times queries of a group.
struct RowOperands {
  /// A memref and its row, of key number j0 + j.
  using RowOf =
      std::function<std::pair<Value, Value>(const RowBlock &block, Value j)>;
  using Buffer =
      std::function<Value(llvm::ArrayRef<int64_t> shape, Type element)>;

  Emitter &e;
  mlir::VectorType vt;        // a vector of lanes of the compute type
  int64_t groups, group;      // groups of queries, queries of a group
  bool isOneGroup;            // no two of them read the same rows
  int64_t keyBlock;           // keys of a block
  int64_t accumulators;       // vectors that are held in registers
  double scale;               // of scores
  Type keyType, valueType;    // of elements in memory
  int64_t keySize, valueSize; // elements of a row in memory
  Value s;                    // [group][key * queries + query]: scores, weights
  Value alphas;               // [group][lane]
  RowOf keyRow, valueRow;
  /// What to ask for while row j is read; null where the machine knows what
  /// will be read by itself.
  using RowsOf = std::function<llvm::SmallVector<std::pair<Value, Value>, 2>(
      const RowBlock &block, Value j)>;
  RowsOf keysAhead, valuesAhead;
  Buffer buffer; // new scratch

  int64_t lanes() const { return vt.getNumElements(); }
  Type ct() const { return vt.getElementType(); }
  /// Keys of a vector of scores.
  int64_t slots() const { return lanes() / group; }
  /// Whether sums go across lanes by shuffles.
  bool hasShuffles() const { return LaneSums::groupOf(vt, 4) > 1; }
  Value queryOf(Value g, int64_t i) const {
    return e.add(e.mul(g, e.idx(group)), i);
  }
};

/// Products by fused multiply-adds in the compute type.
class RowProducts {
public:
  explicit RowProducts(RowOperands operands,
                       RowFormat::Pairs pairs = RowFormat::Pairs::EvenOdd);
  virtual ~RowProducts() = default;

  virtual void allocate();
  /// Takes a query: a row of keySize elements of the compute type.
  virtual void storeQuery(Value query, Value row);
  /// The sum of a query becomes `row`, of valueSize elements; null: zeros.
  void storeSum(Value query, Value row);
  /// Puts the sum of a query, times a factor, into `row`.
  void loadSum(Value query, Value factor, Value row);

  /// Scores of group g into s. The largest of them and of `before`, lane by
  /// lane; it counts what lies in the last vector behind the block.
  Value scores(const RowBlock &block, Value g, Value before);
  /// Puts weights where the scores of vector number v were.
  virtual void storeWeights(Value g, Value v, Value weights) {
    e.store(weights, o.s, {g, e.mul(v, e.idx(o.lanes()))});
  }
  /// Emits sums = alpha sums + weights times values. Unless `isKept`, weights
  /// of 0 belong to keys that are not kept: they add nothing, whatever their
  /// value rows hold. `isFull` (null: not known): the block has keyBlock keys.
  virtual void accumulate(const RowBlock &block, Value g, bool isKept,
                          Value isFull);

protected:
  RowOperands o;
  Emitter &e;
  RowFormat keys, values;

  /// Vectors of a row's step, with their place among all of the row.
  struct Step {
    Value number, column;
  };
  /// Sums that registers hold while a block's values go by: those of some
  /// steps for some queries, from `query` of the group on.
  struct Tile {
    llvm::SmallVector<Step> steps;
    Value query;
    int64_t queries;
    /// Tiles that read whole rows, one after another; 0: they read parts.
    int64_t passes = 0;
  };
  void eachTile(const RowBlock &block, Value g,
                llvm::function_ref<void(Tile)> body);

  // Rows that will be read are asked for line by line between the products: at
  // once they would wait for each other, and loads for them.
  using Row = std::pair<Value, Value>;
  using Rows = llvm::SmallVector<Row, 2>;
  Value isFirst(const RowBlock &block, Value g) const {
    return e.cmp(mlir::arith::CmpIPredicate::eq, g,
                 block.firstGroup ? block.firstGroup : e.idx(0));
  }
  /// At a step of `format`; the first of several groups asks for all at step 0.
  void prefetchKey(const RowBlock &block, Value g, Value j, const Step &step,
                   int64_t index);
  /// A tile's share of a value row, at step number `index` of the tile.
  void prefetchValue(const RowBlock &block, Value g, const Tile &tile, Value j,
                     size_t index);
  void prefetch(llvm::ArrayRef<Row> rows, Value column, int64_t elements);
  int64_t vectorsOf(const Tile &tile) const {
    return tile.steps.size() * values.perStep * tile.queries;
  }
  /// sums = alpha sums + acc, of one query's vectors after the other's.
  void foldTile(const Tile &tile, Value g, llvm::ArrayRef<Value> acc);
  void accumulateTile(const RowBlock &block, Value g, const Tile &tile,
                      bool isKept);

  // What scores are products of.
  virtual Values queryVectors(Value query, const Step &step);
  virtual Values keyVectors(std::pair<Value, Value> row, const Step &step) {
    return keys.read(row.first, row.second, step.column);
  }
  virtual Value multiplyAdd(Value query, Value key, Value acc) {
    return e.fma(query, key, acc);
  }
  virtual int64_t keyVectorsOfStep() const { return keys.perStep; }
  /// A factor that the queries do not have yet.
  virtual double scoreScale() const { return 1.0; }
  Value q; // [query][lane of step]

private:
  LaneSums laneSums;
  Value partials; // [key][lane]: of laneSums.ofRow
  Value sums;     // [query][lane of step]
  Value touched;  // keeps loads alive

  Step stepAt(RowFormat &format, int64_t step) {
    return {e.idx(step), format.columnOf(step)};
  }
  Value laneOfSum(const Step &step, int64_t v) {
    int64_t stride = values.perStep * o.lanes();
    return e.add(e.mul(step.number, e.idx(stride)), v * o.lanes());
  }
  /// Vectors of the group's queries: by step, then by query.
  llvm::SmallVector<Values> hold(Value g, int64_t steps);
  void scoreStep(std::pair<Value, Value> row, const Step &step, Value g,
                 const Values *held, Values &acc);
  Values scoreRow(const RowBlock &block, Value j, Value g,
                  llvm::ArrayRef<Values> held);
  void scoreRows(const RowBlock &block, Value g);
  void touch(const RowBlock &block, Value g);
};

/// Dot products of pairs of bf16 (vdpbf16ps), where rows of both operands are
/// bf16; null where their sizes do not fit.
std::unique_ptr<RowProducts>
makeDotBf16RowProducts(const RowOperands &operands);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_ROWPRODUCTS_H
