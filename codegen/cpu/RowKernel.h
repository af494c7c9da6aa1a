// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The row micro-kernel: lanes along the head size, for few queries.
//
// All queries of the tile (`heads` query heads of one key head, `query_tile`
// rows each) share every key and value row that is read. They go by groups of
// up to four: a vector of scores holds some keys times the queries of a group,
// and maxima, sums and factors are vectors of the same lanes. A component that
// walks a list fills a table with the keys of its one row, block by block.

#ifndef ATTNC_CODEGEN_CPU_ROWKERNEL_H
#define ATTNC_CODEGEN_CPU_ROWKERNEL_H

#include "codegen/cpu/FoldLowering.h"
#include "codegen/cpu/RowProducts.h"

namespace attnc::cpu {

class RowFold : public FoldLowering {
public:
  explicit RowFold(FoldContext context);

private:
  static constexpr int64_t kChunkKeys = 128;
  int64_t tileRows, queries;
  int64_t sharing;       // query heads of a key head
  int64_t group, groups; // queries of a group, groups
  int64_t slots;         // keys of a vector of scores
  int64_t bc;            // keys of a block
  mlir::VectorType vt;
  std::unique_ptr<RowProducts> products;
  Value allRows;              // of the tile, of which `rows` are folded
  Value liveRows, liveGroups; // rows that keep a pair at all, and their groups
  Value s;                    // [group][key * queries + query]
  Value maxima, sums, alphas; // [group][lane]
  Value laneHead, laneRow;    // [group][lane]: of each lane's query
  Value low, high;            // [group][lane]: numbers of the keys it keeps
  Value staged, stateRow;     // rows on their way
  Value table;                // of a list's keys
  Value pairCounts;           // keys computed, of every query
  struct Ahead {
    Value keys, head;
  };
  llvm::SmallVector<Ahead, 2> ahead; // of the rows that are asked for early

  void allocate() override;
  void allocateRows();
  void prefetchPages(RowOperands &o);
  void placeRows(RowBlock &block);
  /// Rows of some blocks are located together, and those of the block behind
  /// them, which are asked for before they are read.
  int64_t keysOfChunk() const {
    return std::max<int64_t>(kChunkKeys / bc, 1) * bc;
  }
  int64_t keysAhead() const { return 2 * bc; }
  int64_t keysOfBlock() override { return keysOfChunk() + keysAhead(); }
  Value perLane(Type type) { return buffer({groups, lanes}, type); }

  // Queries are numbered row by row, so that those of live rows come first.
  Value headOf(Value query) {
    return e.b.createOrFold<mlir::arith::RemUIOp>(e.loc, query,
                                                  e.idx(schedule.getHeads()));
  }
  /// The query's row in the tile; rows past the tile repeat its last.
  Value rowOf(Value query) {
    Value r = e.b.createOrFold<mlir::arith::DivUIOp>(
        e.loc, query, e.idx(schedule.getHeads()));
    return e.min(r, e.sub(rows, e.idx(1)));
  }
  /// Of the lanes that a query has in its group's vectors, `slot`.
  std::pair<Value, Value> laneOf(Value query, Value slot);

  llvm::LogicalResult loadQueries() override;
  llvm::LogicalResult loadQuery(Value query);
  llvm::LogicalResult initialState(Value query);
  llvm::LogicalResult finish() override;
  llvm::LogicalResult finishQuery(Value query, Value g, Value t);
  llvm::LogicalResult finishDeadRow(Value g, Value t);
  llvm::LogicalResult storeResult(Value m, Value l, Value g, Value t);

  // Components (RowBlock.cpp).
  llvm::LogicalResult foldKeys(Walked &walked) override;
  llvm::LogicalResult foldRun(Walked &walked);
  void laneIntervals(Walked &walked);
  /// The rows of a block in a memref of their own, if they follow each other.
  Value rowsOf(Value memref, const RowBlock &block);
  /// `isWhole` (null: not known): every query keeps all keys of the block.
  llvm::LogicalResult foldBlock(Walked &walked, const RowBlock &block,
                                Value isWhole);
  llvm::LogicalResult foldGroup(Walked &walked, const RowBlock &block, Value g,
                                Value isWhole);
  /// Score region and mask over the scores of a group; its maxima anew.
  llvm::LogicalResult adjust(Walked &walked, const RowBlock &block, Value g);
  /// Every group of queries, a key head after the other.
  llvm::LogicalResult foldGroups(Walked &walked, const RowBlock &block,
                                 Value isWhole);
  mlir::FailureOr<Value> adjustVector(Walked &walked, const RowBlock &block,
                                      Value g, Value v, Value score);
  /// s becomes 2^(score - max) for a group; alphas and sums follow.
  void weights(const RowBlock &block, Value g);
  /// The largest of each query's lanes, in all of them.
  Value acrossSlots(Value vector);

  // Lists (RowList.cpp).
  llvm::LogicalResult foldList(Walked &walked);
  mlir::FailureOr<Value> fillTable(Walked &walked, const KeyInterval &interval,
                                   KeyList &list, SeenSet &seen, Value t0,
                                   Value count);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_ROWKERNEL_H
