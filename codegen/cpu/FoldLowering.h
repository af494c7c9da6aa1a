// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the two micro-kernels share: the operands of one attn.fold inside its
// launch, row loading, finishing and storing rows.

#ifndef ATTNC_CODEGEN_CPU_FOLDLOWERING_H
#define ATTNC_CODEGEN_CPU_FOLDLOWERING_H

#include "codegen/cpu/KeyList.h"
#include "codegen/cpu/KeyPages.h"
#include "codegen/cpu/RowProgram.h"
#include "codegen/cpu/TileBounds.h"
#include "codegen/cpu/TileReads.h"
#include "dialect/Attn.h"
#include "passes/PlanStrips.h"
#include "llvm/Support/MathExtras.h"
#include <memory>

namespace attnc::cpu {

/// One fold inside a launch function.
struct FoldContext {
  Emitter &e;
  mlir::attn::FoldOp op;
  OuterValues &outer;
  Value scratch; // memref<?xi8>
  ScratchLayout &layout;
  Value tileOut;  // memref [heads, rows, dv] of the tile's element type
  Value lseOut;   // memref [heads, rows] of f32, or null
  Value stateOut; // memref [heads, rows, 2], of a partial fold
  Value pairsOut; // memref [heads, rows] of i64, or null
  /// How to fold; the operation's own schedule but for tiles with few rows.
  mlir::attn::ScheduleAttr schedule;
  Value headOffset; // into the tile's heads; null: 0
};

/// Common ground of the micro-kernels.
class FoldLowering {
public:
  explicit FoldLowering(FoldContext context);
  virtual ~FoldLowering() = default;

  /// Emits the fold.
  llvm::LogicalResult run();

protected:
  struct Walked;
  // The steps of a micro-kernel, in order.
  virtual void allocate() = 0;
  virtual llvm::LogicalResult loadQueries() = 0;
  virtual llvm::LogicalResult foldKeys(Walked &walked) = 0;
  virtual llvm::LogicalResult finish() = 0;
  /// Keys of a block.
  virtual int64_t keysOfBlock() { return schedule.getKeyBlock(); }

  FoldContext &c() { return context; }
  Emitter &e;
  mlir::attn::FoldOp op;
  mlir::attn::ScheduleAttr schedule;
  mlir::FloatType ct; // compute type
  int64_t lanes;
  int64_t d, dv; // head sizes
  Value head, row, rows;
  Value firstKey, keys; // key rows firstKey .. keys - 1
  TileRows tile;
  /// Accumulators of a register tile one vector wide: as many as hide the
  /// latency of a multiply-add.
  static constexpr int64_t kEdgeKeys = 8;
  int64_t edgeKeys; // what is read behind a key block is less than this
  Values symbols;
  Value kRows, vRows; // operands read in place, [m][d]; null: loaded
  std::unique_ptr<KeyPages> pages; // null: key rows follow each other
  Value keyHead;        // the key head at hand, where loaders take one
  Value kBlock, vBlock; // loaded blocks of key rows

  Value buffer(llvm::ArrayRef<int64_t> shape, Type element);
  Value buffer(llvm::ArrayRef<int64_t> shape) { return buffer(shape, ct); }
  Value at(Value memref, ValueRange indices, int64_t length) {
    return e.row(memref, indices, length);
  }
  int64_t padded(int64_t n) const { return (n + lanes - 1) / lanes * lanes; }

  /// The factor on q: the scale, and log2(e) where no score region wants
  /// natural units.
  double queryScale();
  /// log2(e) where scores are in natural units, else 1.
  double scoreFactor();

  /// A [rows, d] memref of an operand that is read in place: its loader is a
  /// plain slice of elements of this type. Null otherwise.
  Value directRows(mlir::Region &loader, Type element);
  /// Runs a loader for one row into `destination`, a memref of rank 1, whose
  /// element type it takes.
  llvm::LogicalResult loadRow(mlir::Region &loader, ValueRange arguments,
                              Value destination, int64_t length);

  /// Row number t of the tile in the operand.
  Value rowAt(Value t) { return e.add(row, tile.offsetOf(e, t)); }
  /// Where it stands in the results: their views step as the tile does, but for
  /// runs, whose results are seen whole.
  Value placeOf(Value t) { return tile.run == 1 ? t : tile.offsetOf(e, t); }

  //===--------------------------------------------------------------------===//
  // Keys
  //===--------------------------------------------------------------------===//

  /// How a component's keys are walked; the walked atom is not tested.
  struct Walked {
    std::unique_ptr<KeyWalk> keys;
    std::unique_ptr<TileBounds> bounds;
    llvm::SmallVector<int64_t> tests; // signed atom numbers
    bool isList = false, isBlocks = false;
  };
  /// What elements of a list have come up; one list is walked at a time.
  SeenSet seenSet();

  /// Where key number `block` + `j` of k (v) is read: a memref and its row.
  /// Rows past the operand are read from its last one.
  std::pair<Value, Value> keyRow(KeyWalk &keys, Value block, Value j);
  std::pair<Value, Value> valueRow(KeyWalk &keys, Value block, Value j);
  /// The same for `count` keys that exist, as a [count][d] view; null where
  /// rows do not lie at one distance.
  Value keyRows(KeyWalk &keys, Value block, Value j, int64_t count);
  /// Loads keys `block` .. `block` + count - 1 into kBlock and vBlock.
  llvm::LogicalResult loadKeyBlock(KeyWalk &keys, Value block, Value count);
  void setKeyHead(Value newHead) {
    keyHead = newHead;
    pages->setHead(newHead);
  }
  /// The same but for rows in place.
  llvm::LogicalResult loadRows(KeyWalk &keys, Value block, Value count);

  /// Emits the score region (log2 units in and out when there is none) and
  /// the tests for `lanes` pairs.
  struct PairLanes {
    Value head, i, j, r, c; // scalars or vectors
    Value score;            // vector
    int64_t rowStep = 0;    // i and r are of lane 0, and rise by this a lane
    TileReads *reads = nullptr;
    Value readAt; // number of the key in the square that was read
  };
  void bindPair(LaneEmitter &region, ValueRange arguments,
                const PairLanes &pair);
  mlir::FailureOr<Value> emitScore(const PairLanes &pair);
  /// The score region's value, in the units in which it takes scores.
  mlir::FailureOr<Value> emitScoreRegion(const PairLanes &pair);
  /// AND of signed atom numbers: an i1 or vector of i1 (`asVector`: always);
  /// null when there are none.
  mlir::FailureOr<Value> emitTests(llvm::ArrayRef<int64_t> tests,
                                   const PairLanes &pair, bool asVector = true);

  /// What folds before have accumulated of row t of head g: its row into
  /// `destination`; (m, l).
  mlir::FailureOr<std::pair<Value, Value>> loadState(Value g, Value t,
                                                     Value destination);
  /// Scores that were computed of row t of head g, if they are counted.
  void storePairs(Value count, Value g, Value t);

  /// Stores a finished row (memref<dv x ct>) as row `t` of head `g` of the
  /// tile, through the epilogue.
  llvm::LogicalResult storeRow(Value finished, Value g, Value t);
  /// The factor that finishes a row: 1 / l, 0 for a row without pairs; 1 where
  /// rows stay as they are.
  Value finishFactor(Value l);
  /// The natural log-sum-exp of (m in log2 units, l), f32.
  Value logSumExp(Value m, Value l);
  void storeState(Value m, Value l, Value g, Value t);

private:
  FoldContext context;
  Value finishedRow; // staging of the epilogue's argument
  Value seenBits;    // of seenSet
  Value stripTable;  // rows of a block's keys

  llvm::LogicalResult foldTile();
  mlir::FailureOr<std::pair<Value, Value>> mergeStates(Value g, Value t,
                                                       Value destination);
  void mergeRow(Value from, Value mine, Value theirs, Value destination);
  /// Folds the keys of `walked` that have a page, within `clip` (null: all).
  llvm::LogicalResult foldExisting(Walked &walked, TileBounds::Clip *clip);
  mlir::FailureOr<Walked> walk(mlir::attn::ComponentAttr component);
  std::unique_ptr<KeyWalk> walkStrip(const attnc::GridColumns &columns);
  /// Folds each run of contiguous keys that a list of blocks gives, with
  /// `walked`'s bounds clipped to it.
  llvm::LogicalResult foldBlocks(Walked &walked);

  RowEnvironment environment() {
    return {context.outer, context.scratch, context.layout, lanes};
  }
};

llvm::LogicalResult emitBlockFold(FoldContext context);
llvm::LogicalResult emitRowFold(FoldContext context);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_FOLDLOWERING_H
