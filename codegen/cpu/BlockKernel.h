// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel: queries in lanes.
//
// The query tile is transposed once into panels [panel][d][NR] of NR = lanes *
// register_vectors queries. For a block of keys and one panel, S^T = K Q^T is
// computed by register tiles of MR keys x NR queries, K read as scalar
// broadcasts; then a pass turns scores into weights, and O^T += V^T P^T reads V
// as broadcasts. Maximum, sum and rescale are vertical. The keys that all
// queries of a panel keep run no masking code; those before and after them are
// computed for each vector of queries that keeps some, by register tiles one
// vector wide, and masked. Where data decide, a panel's pairs are tested before
// their scores are computed: blocks of which nothing is kept cost no more than
// that, and others pass once more over their scores.

#ifndef ATTNC_CODEGEN_CPU_BLOCKKERNEL_H
#define ATTNC_CODEGEN_CPU_BLOCKKERNEL_H

#include "codegen/cpu/BlockProducts.h"
#include "codegen/cpu/FoldLowering.h"

namespace attnc::cpu {

class BlockFold : public FoldLowering {
public:
  explicit BlockFold(FoldContext context)
      : FoldLowering(context), mr(schedule.getRegisterKeys()),
        nv(schedule.getRegisterVectors()), nr(lanes * nv),
        panels(schedule.getQueryTile() / nr), bc(schedule.getKeyBlock()),
        vt(mlir::VectorType::get({lanes}, ct)) {}

private:
  int64_t mr, nv, nr, panels, bc;
  mlir::VectorType vt;
  Value livePanels;
  // Panels of lanes. Scores of a region, and their maxima, are in its units;
  // weights are powers of two below `references`, the maxima in log2 units.
  Value ot, p, maxima, references, sums, alphas;
  std::unique_ptr<BlockProducts> products;
  int64_t dk;              // d, or what fills pairs
  Value panelIntervals;    // of panels: first and last key visited, kept by all
  Value laneLow, laneHigh; // bounds of the panel's queries
  Value rowsBuffer;        // [nr][row] staging
  Value keepMask;          // [key][query] bytes, of tested pairs
  Value pairCounts;        // keys computed, by panel and vector of queries
  Value groupKeys;         // [vector of queries][first key, end] of the block
  std::unique_ptr<TileReads> scoreReads, testReads; // null: none
  Value edges; // the same before, and after, what all keep

  bool isScored() { return !op.getScore().empty(); }
  Value lane(int64_t k) { return e.idx(k * lanes); }
  Value vectorOf(Value lane) {
    return e.b.createOrFold<mlir::arith::DivUIOp>(e.loc, lane, e.idx(lanes));
  }
  Value lseStaging;

  void allocate() override;

  // Queries.
  llvm::LogicalResult loadQueries() override;
  void prefetchOut(Value t);
  /// Calls `store(x, r, vectors)` for columns x ... of rows r ... of
  /// rowsBuffer.
  void transposeRows(
      int64_t columns,
      llvm::function_ref<void(Value, Value, llvm::ArrayRef<Value>)> store);
  llvm::LogicalResult clearState(Value panel);
  /// The panel goes on where another fold has ended.
  llvm::LogicalResult restoreState(Value panel, Value first);

  // Key blocks.
  llvm::LogicalResult foldKeys(Walked &walked) override;
  /// Whether an interval contains rows first .. end - 1.
  Value contains(KeyInterval interval, Value first, Value end);
  /// Whether all values of the panel's keys are finite, but for keys `first` ..
  /// `end` - 1. Where some query masks a key, its weight 0 times a non-finite
  /// value would be NaN.
  Value valuesFinite(const BlockPanel &panel, Value first, Value end);
  /// Elements of V, in the compute type.
  Value loadValue(Type type, Value memref, ValueRange at);

  // One panel and one key block (BlockPanel.cpp).
  using Panel = BlockPanel;
  /// Keys of a block that a lane keeps, in 32 bits.
  struct LaneInterval {
    Value first, last;
  };
  llvm::LogicalResult foldPanel(Walked &walked, Value index, Value j0,
                                Value count);
  /// Adds to the keys computed for the queries of a group of lanes.
  void countPairs(const Panel &panel, Value group, Value count);
  /// References become alphas, until `weights` computes these.
  void keepReferences(const Panel &panel);
  /// S^T into p, and maxima where no region changes scores. Without `masked`
  /// these count every score.
  void scores(const Panel &panel, bool masked);
  /// The queries of a group of lanes. Lanes past the tile are what its last
  /// row is.
  FoldLowering::PairLanes lanesOf(const Panel &panel, Value group);
  void setKey(const Panel &panel, Value j, FoldLowering::PairLanes &pair);
  using PairLanes = FoldLowering::PairLanes;
  /// A loop over keys of a group of lanes, with `pair` set for each.
  llvm::LogicalResult
  eachKey(const Panel &panel, PairLanes &pair, TileReads *reads,
          KeyInterval range, Values &state,
          llvm::function_ref<mlir::FailureOr<Values>(Value, ValueRange)> body);
  LaneInterval laneInterval(Value group);
  Value isBetween(LaneInterval interval, Value j);
  /// Score region and mask over the panel's scores; maxima anew.
  llvm::LogicalResult adjust(const Panel &panel, bool tested);
  /// Key interval of each query of the panel, relative to the block and within
  /// what the panel visits.
  void laneBounds(TileBounds &bounds, const Panel &panel);
  /// Every group of lanes visits all keys of the panel.
  void setGroups(const Panel &panel);
  /// p becomes 2^(score - max), for the keys of each group; alphas and sums
  /// follow.
  void weights(const Panel &panel);
  /// O^T = alpha O^T + V^T P^T where masked keys may hold NaN or infinity: a
  /// weight of 0 adds nothing. Slow, and taken only by blocks that mask and are
  /// not finite.
  void accumulateKept(const Panel &panel);

  // Pairs that are tested (BlockPanel.cpp).
  /// Folds those of the panel's pairs that are kept, if there are any.
  llvm::LogicalResult foldTested(Walked &walked, const Panel &panel,
                                 Value isWhole);
  /// Fills keepMask for keys low .. end; whether any pair, and whether all, are
  /// kept.
  mlir::FailureOr<std::pair<Value, Value>> testPairs(Walked &walked,
                                                     const Panel &panel);

  // Pairs that bounds decide (BlockEdges.cpp).
  llvm::LogicalResult foldBounded(Walked &walked, const Panel &panel,
                                  KeyInterval whole);
  /// The keys of a panel that all of its queries keep, by whole tiles.
  Panel wholeKeys(const Panel &panel, KeyInterval whole);
  /// Fills groupKeys and edges.
  void findEdges(Walked &walked, const Panel &panel, const Panel &main);
  /// Calls `body` with the keys before `main`, and those after it, of each
  /// group of lanes.
  void eachEdge(const Panel &panel,
                llvm::function_ref<void(const Panel &)> body);
  void accumulateEdges(const Panel &panel, const Panel &main);

  // Results.
  llvm::LogicalResult finish() override;
  void storeLse(Value panel, Value first, Value count);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_BLOCKKERNEL_H
