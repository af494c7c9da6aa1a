// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The regions of attn.fold: what a tile reads and computes of its pairs.

#ifndef ATTNC_PASSES_FOLDREGIONS_H
#define ATTNC_PASSES_FOLDREGIONS_H

#include "dialect/Attn.h"
#include "passes/IndexBuilder.h"
#include "passes/PairTests.h"

namespace attnc {

/// Where a tile stands in its launch.
struct TilePlace {
  llvm::SmallVector<mlir::Value> batch; // indices of the batch dims
  mlir::Value keyHead;   // of all query heads; null: of several, in pages
  mlir::Value keyRows;   // of the operands: lengths are at most this
  mlir::Value firstPage; // of a packed page table; null: the batch has a row
  llvm::SmallVector<mlir::Value> symbols; // of the launch's plan
};

/// The state that the launch before has left, [batch..., heads, n, dv] and
/// [batch..., heads, n, 2]; null values before the first. Behind a launch over
/// splits of the keys there are `splits` of them, [split, batch..., ...].
struct FoldState {
  mlir::Value rows, scalars;
  mlir::Value splits;
};

class FoldRegions : private IndexBuilder, private PairTestOperands {
public:
  FoldRegions(mlir::attn::AttentionOp op, mlir::OpBuilder &b, TilePlace place)
      : IndexBuilder(b, op.getLoc()), op(op), place(std::move(place)) {}

  /// Fills the regions that the fold's plan and the operation ask for.
  void create(mlir::attn::FoldOp fold, FoldState state);

private:
  mlir::attn::AttentionOp op;
  TilePlace place;
  mlir::attn::PlanAttr plan;
  mlir::Value queryHead; // of the region at hand

  // Set operands as the region's query head sees them.
  mlir::Value tensor(int64_t operand) override;
  llvm::SmallVector<mlir::Value> lead(int64_t operand,
                                      int64_t tailRank) override;
  mlir::Value parameter(int64_t operand) override;
  mlir::Value queryRows() override;
  mlir::Value predicate(int64_t region, mlir::Value i, mlir::Value j) override;

  mlir::Value flatBatch();
  mlir::Value extract(mlir::Value tensor, llvm::ArrayRef<mlir::Value> at);
  mlir::Value element(int64_t operand, llvm::ArrayRef<mlir::Value> tail);
  mlir::Value lastSize(int64_t operand);
  mlir::Value clamp(mlir::Value x, mlir::Value size);
  llvm::SmallVector<mlir::Value> leadIndices(mlir::Value head);
  mlir::Block *addBlock(mlir::Region &region, llvm::ArrayRef<mlir::Type> types);
  mlir::Block *addIndexBlock(mlir::Region &region, unsigned count);

  void yieldRow(mlir::Value tensor, llvm::ArrayRef<mlir::Value> at);
  void createLoaders(mlir::attn::FoldOp fold);
  void createKeyLoader(mlir::Region &region, mlir::Value tensor);
  void createPage(mlir::Region &region);
  void createScore(mlir::Region &region);
  mlir::Value inlineScoreMod(mlir::Value s, mlir::Value i, mlir::Value j);
  void createTests(mlir::Region &region);
  void createValues(mlir::Region &region);
  void createState(mlir::Region &region, FoldState state);

  // Lists.
  struct ListRow {
    mlir::Value i, r;
  };
  void createList(mlir::attn::FoldOp fold);
  mlir::Value blockSize(mlir::attn::PairsAttr atom);
  std::pair<mlir::Value, mlir::Value> listRange(mlir::attn::PairsAttr atom,
                                                ListRow row, bool isChecked);
  mlir::Value listCount(mlir::attn::PairsAttr atom, ListRow row);
  std::pair<mlir::Value, mlir::Value> listElement(mlir::attn::PairsAttr atom,
                                                  ListRow row, mlir::Value t);
  mlir::Value isKey(mlir::Value j);
  mlir::Value checkedKey(mlir::Value j, mlir::Value isLive, mlir::Value size,
                         mlir::Value &inside);
};

/// The value of a per-batch operand (a length, a start, a parameter) for the
/// batch at indices `batch`, an index.
mlir::Value perBatchValue(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value operand,
                          llvm::ArrayRef<mlir::Value> batch);

} // namespace attnc

#endif // ATTNC_PASSES_FOLDREGIONS_H
