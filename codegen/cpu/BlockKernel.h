// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel: queries in lanes.
//
// The query tile is transposed once into panels [panel][d][NR] of NR = lanes *
// register_vectors queries. For a block of keys and one panel, S^T = K Q^T is
// computed by register tiles of MR keys x NR queries, K read as scalar
// broadcasts; then a pass turns scores into weights, and O^T += V^T P^T reads V
// as broadcasts. Maximum, sum and rescale are vertical. Blocks that a panel
// keeps whole run no masking code; others pass once more over their scores.
// Where data decide, a panel's pairs are tested before their scores are
// computed: blocks of which nothing is kept cost no more than that.

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
  Value ot, p, maxima, sums, alphas; // panels of lanes
  std::unique_ptr<BlockProducts> products;
  Value panelIntervals;    // of panels: first and last key visited, kept by all
  Value laneLow, laneHigh; // bounds of the panel's queries
  Value rowsBuffer;        // [nr][row] staging
  Value keepMask;          // [key][query] bytes, of tested pairs
  Value pairCounts;        // keys computed, by panel

  Value lane(int64_t k) { return e.idx(k * lanes); }
  Value lseStaging;

  void allocate() override;

  // Queries.
  llvm::LogicalResult loadQueries() override;
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
  /// Whether all values of keys first .. end - 1 of the block are finite. Where
  /// some query masks a key, its weight 0 times a non-finite value would be
  /// NaN. `isWhole` says that nothing is masked, and nothing needs a look.
  Value valuesFinite(KeyWalk &keys, Value j0, Value first, Value end,
                     Value isWhole);
  /// Elements of V, in the compute type.
  Value loadValue(Type type, Value memref, ValueRange at);

  // One panel and one key block (BlockPanel.cpp).
  using Panel = BlockPanel;
  /// Keys of a block that a lane keeps, in 32 bits.
  struct LaneInterval {
    Value first, last;
  };
  llvm::LogicalResult foldPanel(Walked &walked, Value index, Value j0,
                                Value count, Value finite);
  /// Tests the panel's pairs and folds those that are kept, if there are any.
  llvm::LogicalResult foldTested(Walked &walked, const Panel &panel,
                                 Value isWhole);
  /// Fills keepMask for keys low .. end; whether any pair, and whether all, are
  /// kept.
  mlir::FailureOr<std::pair<Value, Value>> testPairs(Walked &walked,
                                                     const Panel &panel);
  llvm::LogicalResult foldVisited(Walked &walked, const Panel &panel,
                                  Value isWhole, Value finite);
  /// S^T into p; the running maxima, right when nothing is masked.
  Values scores(const Panel &panel, Values before);
  /// The queries of a group of lanes. Lanes past the tile are what its last
  /// row is.
  FoldLowering::PairLanes lanesOf(const Panel &panel, Value group);
  void setKey(const Panel &panel, Value j, FoldLowering::PairLanes &pair);
  LaneInterval laneInterval(Value group);
  Value isBetween(LaneInterval interval, Value j);
  /// Score region and mask over the panel's scores; maxima anew.
  llvm::LogicalResult adjust(Walked &walked, const Panel &panel,
                             llvm::ArrayRef<Value> before);
  /// Key interval of each query of the panel, relative to the block and within
  /// what the panel visits.
  void laneBounds(TileBounds &bounds, const Panel &panel);
  /// p becomes 2^(score - max); alphas and sums follow.
  void weights(const Panel &panel, llvm::ArrayRef<Value> before);
  /// O^T = alpha O^T + V^T P^T where masked keys may hold NaN or infinity: a
  /// weight of 0 adds nothing. Slow, and taken only by blocks that mask and are
  /// not finite.
  void accumulateKept(const Panel &panel);

  // Results.
  llvm::LogicalResult finish() override;
  void storeLse(Value panel, Value first, Value count);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_BLOCKKERNEL_H
