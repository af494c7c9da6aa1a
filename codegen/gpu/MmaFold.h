// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A fold on tensor cores, sm_80 and newer: the warps of a block share the rows
// of a query tile, keys and values pass through shared memory in stages, and
// scores, weights and sums stay in registers as fragments of mma.m16n8k16.

#ifndef ATTNC_CODEGEN_GPU_MMAFOLD_H
#define ATTNC_CODEGEN_GPU_MMAFOLD_H

#include "codegen/cpu/FoldLowering.h"
#include "codegen/gpu/SharedTile.h"
#include <functional>
#include <optional>
#include <string>

namespace attnc::gpu {

/// Why the tensor-core kernel does not take a fold; nothing if it does.
std::optional<std::string> refusesMma(mlir::attn::FoldOp op);

/// Emits the fold into its launch function.
llvm::LogicalResult emitMmaFold(cpu::FoldContext context);

class MmaFold : public cpu::FoldLowering {
public:
  explicit MmaFold(cpu::FoldContext context);

  /// Emits the fold.
  llvm::LogicalResult emit();

private:
  // The steps of CPU micro-kernels, which keep their state in memory.
  void allocate() override {}
  llvm::LogicalResult loadQueries() override;
  llvm::LogicalResult copyQueries();
  llvm::LogicalResult foldKeys(Walked &) override;
  llvm::LogicalResult finish() override;

  //===--------------------------------------------------------------------===//
  // Shapes
  //===--------------------------------------------------------------------===//

  mlir::attn::MmaAttr mma;
  Type element; // f16 or bf16
  bool isWgmma; // products of warpgroups, which read shared memory
  Warp w;
  int64_t threads, blockKeys, stages;
  int64_t ahead;      // blocks that are copied while one is folded
  int64_t rowTiles;   // 16 rows each, of a warp
  int64_t keyTiles;   // 8 keys each, of a block
  int64_t stepsD;     // 16 columns each, of q and k
  int64_t valueTiles; // 8 columns each, of v; even
  SharedTile queryTile, keyTile, valueTile;
  double factor; // from scores to exponents of 2

  //===--------------------------------------------------------------------===//
  // What a thread knows of its place
  //===--------------------------------------------------------------------===//

  struct Place {
    Value thread, lane, warpRow; // warpRow: first row of the warp in the tile
    Value row;                   // of the lane in 8 rows
    Value column;                // of its first element in 8 columns
  };
  Place place();
  Place at;
  Value shared;                               // the block's shared memory
  Value queryAt, keyAt, valueAt;              // tiles in it
  Value queryBase, keyBase, valueBase;        // fragments in them
  std::optional<GlobalRows> kGlobal, vGlobal; // none: loaders compute rows
  SharedTile::Part kPart, vPart;
  std::vector<std::vector<Quad>> queries; // [step][row tile] that stay

  /// Row number of fragment row (tile m, half h) in the query tile, which holds
  /// the rows of one head after those of another.
  Value rowOf(int64_t m, int64_t half);
  /// Head and row of it that row number `row` (i32) is.
  struct TileRow {
    Value head; // of the tile's heads
    Value t;    // may be one that does not exist
  };
  TileRow tileRow(Value row);
  int64_t numRows() const { return 2 * rowTiles; } // of a thread

  //===--------------------------------------------------------------------===//
  // State: what passes from one block of keys to the next
  //===--------------------------------------------------------------------===//

  struct State {
    std::vector<Quad> out; // [row tile][value tile]
    Values sums;           // [row]: of this thread's weights
    Values shifts;         // -reference * factor, 0 where there is none
    Values limits;         // scores above these raise the reference
    Values flatten() const;
    void restore(ValueRange flat);
  };
  State state;
  Quad &out(State &s, int64_t m, int64_t n) {
    return s.out[m * valueTiles + n];
  }
  void clearState();

  struct RowState {
    Value address; // of the thread's first element of the row, an index
    Value reference, sum;
  };
  mlir::FailureOr<RowState> readState(const TileRow &row, Value number);
  Value loadOut(const RowState &row, int64_t n, int64_t x);
  void setReference(int64_t row, Value reference);
  llvm::LogicalResult restoreState();
  llvm::LogicalResult mergeStates(int64_t row, const TileRow &place);
  void storeStateOf(int64_t row, const TileRow &place, Value sum);

  //===--------------------------------------------------------------------===//
  // Pipeline
  //===--------------------------------------------------------------------===//

  /// A component's blocks of keys in the order in which they are folded: those
  /// that every query keeps, then those behind and those before them.
  struct Blocks {
    Walked *walked;
    cpu::KeyInterval visited;
    Value count, cleanCount; // i32
    Value cleanFirst;        // number of the first clean block, i32
    Value beforeAt;          // place in the order of the first block
    Value missing;           // whether a page is; null: no pages
    Values low, high;        // of each row: keys kept, from visited.first on
  };
  /// What runs along with the state.
  struct Cursor {
    Value index;              // place in the order
    Value keySlot, valueSlot; // of the block at hand
    Value keyFill, valueFill; // of the block that is copied
    Value keyFrom, valueFrom; // where it is copied from; null: computed
    Values flatten() const;
    void restore(ValueRange flat);
  };
  Value computed; // scores of a row, i32
  Blocks findBlocks(Walked &walked);
  Value blockAt(const Blocks &blocks, Value index);
  mlir::FailureOr<Cursor> startPipeline(const Blocks &blocks);
  void advance(Cursor &cursor);
  Value nextSlot(Value slot, int64_t bytes);
  llvm::LogicalResult foldBlocksOf(Blocks &blocks);
  llvm::LogicalResult loopMasked(Blocks &blocks, Cursor &cursor);
  llvm::LogicalResult foldMasked(Blocks &blocks, Cursor &cursor);
  llvm::LogicalResult loopClean(Blocks &blocks, Cursor &cursor, Value end);
  llvm::LogicalResult copyNext(Blocks &blocks, Cursor &cursor, bool isClean);
  /// Copies block number `block` into a slot, key rows past the end as zeros.
  llvm::LogicalResult copyBlock(const Blocks &blocks, Value block,
                                Value keySlot, Value valueSlot);
  void copyRows(const Blocks &blocks, Value block, const SharedTile &tile,
                const SharedTile::Part &part,
                llvm::ArrayRef<std::pair<GlobalRows, Value>> copies);
  /// Where a key row lies.
  struct KeyPlace {
    Value page;   // null: rows follow each other
    Value row;    // in its page
    Value exists; // null: it does
  };
  KeyPlace locate(Value row);
  Value pageOf(Value t);
  Value isPage(Value page);
  Value hasMissingPages(Value first, Value last);
  Value existingKeys(Blocks &blocks, Value block);
  Value visitedKeys(const Blocks &blocks);
  /// Where key number `number` lies, an index from the first visited one on.
  KeyPlace placeOfKey(const Blocks &blocks, Value number);
  /// The address of the thread's chunk of a key row.
  Value addressOf(const KeyPlace &from, const GlobalRows &rows,
                  const SharedTile::Part &part);
  std::optional<GlobalRows> rowsInPlace(mlir::Region &loader,
                                        ValueRange arguments);

  //===--------------------------------------------------------------------===//
  // One block of keys
  //===--------------------------------------------------------------------===//

  using Scores = std::vector<Quad>; // [row tile][key tile]
  Quad &score(Scores &s, int64_t m, int64_t n) { return s[m * keyTiles + n]; }

  /// A thread's largest score of each row, and whether one of the warp's
  /// exceeds its limit.
  struct Maxima {
    Values rows;
    Value exceeds;
  };

  /// What scores and their maxima are of a block whose values come next.
  struct Ahead {
    Scores scores;
    Maxima maxima;
    Values flatten() const;
    void restore(ValueRange flat);
  };
  mlir::FailureOr<Ahead> scoreClean(Blocks &blocks, Cursor &cursor);
  /// `if (condition) do body while (what it returns)` over values that
  /// `flatten` and `restore` know.
  struct Carried {
    std::function<Values()> flatten;
    std::function<void(ValueRange)> restore;
  };
  Carried carriedBy(Cursor &cursor);
  static Carried both(const Carried &first, const Carried &more);
  void loopWhile(Value condition, const Carried &carried,
                 llvm::function_ref<Value()> body);

  /// Units of work that are emitted in turn, so that two kinds overlap.
  using Units = std::vector<std::function<void()>>;
  static void interleave(const Units &first, const Units &second);

  Quad queryFragment(int64_t step, int64_t m);
  Scores multiplyKeys(Value keySlot);
  mlir::FailureOr<Values> testBits(Blocks &blocks, Value block);
  void mask(Blocks &blocks, Value block, ValueRange bits, Scores &scores);
  llvm::LogicalResult scoreRegion(Blocks &blocks, Value block, Scores &scores);
  PairLanes pairAt(Blocks &blocks, Value row, Value key);
  Values rowMaxima(Scores &scores);
  Maxima maximaOf(Scores &scores);
  /// Raises references where scores exceed their limits.
  void raiseReferences(const Maxima &maxima);
  void rescale(ValueRange maxima);
  Value raiseReference(int64_t row, Value maximum);
  /// Weights and their products with values.
  void foldValues(Scores &scores, Value valueSlot);
  Value hasNonFinite(Value valueSlot);
  Values keptKeys(Scores &scores, int64_t row);
  void addNonFinite(Value key, Value tile, llvm::ArrayRef<Values> kept);
  void clearNonFinite(Value tile);

  // Products of warpgroups.
  void syncCopies(int64_t groupsLeft);
  Scores multiplyKeysByGroup(Value keySlot);
  void foldValuesByGroup(Scores &scores, Value valueSlot);
  Values scoresByGroup(Value keySlot);
  Values sumsByGroup(const Values &weights, Value valueSlot);
  void weigh(Scores &scores);
  Values packed(Scores &scores);
  void scaleOutputs(llvm::ArrayRef<Value> ratios);
  struct Weighed {
    Values weights; // registers of fragments
    Value valueSlot;
  };
  llvm::LogicalResult loopCleanByGroup(Blocks &blocks, Cursor &cursor,
                                       Value end);
  mlir::FailureOr<Weighed> firstByGroup(Blocks &blocks, Cursor &cursor);
  llvm::LogicalResult nextByGroup(Blocks &blocks, Cursor &cursor,
                                  Weighed &before);
  void guardValues(Value found, Scores &scores, Value valueSlot);

  /// Weights rounded to pairs, [row tile][key tile].
  using Weights = std::vector<std::array<Value, 2>>;
  Units weightUnits(Scores &scores, Weights &weights, int64_t firstTile,
                    int64_t lastTile);
  Units productUnits(Weights &weights, Value valueAddress, int64_t step);
  Quad weightFragment(const Weights &weights, int64_t m, int64_t step);

  //===--------------------------------------------------------------------===//
  // Results
  //===--------------------------------------------------------------------===//

  // Rows that regions compute.
  mlir::Value rowScratch; // a thread's own memory, memref<?xi8>
  cpu::ScratchLayout rowLayout;
  cpu::RowEnvironment rowEnvironment();
  void finishRowScratch();
  llvm::LogicalResult storeComputed(mlir::Region &loader, ValueRange arguments,
                                    const SharedTile &tile, Value address,
                                    Value place, Value exists);
  llvm::LogicalResult computeRows(const Blocks &blocks, Value block,
                                  mlir::Region &loader, const SharedTile &tile,
                                  Value address);
  llvm::LogicalResult computeQueries();
  Value stagedRows();
  void stageRow(int64_t row, Value inverse);
  llvm::LogicalResult storeStaged();
  llvm::LogicalResult runEpilogue(Value finished, const TileRow &place);

  void storeRow(const TileRow &place, int64_t m, int64_t half, Value inverse,
                const GlobalRows &to);
  void finishRow(int64_t row, const GlobalRows &to);
  GlobalRows rowsOf(Value memref);
};

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_MMAFOLD_H
