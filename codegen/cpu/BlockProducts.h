// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two matrix products of the block micro-kernel, S^T = K Q^T and
// O^T += V^T P^T, by register tiles. Everything between them (masks, maxima,
// exponentials) works on f32 or f64 scores in scratch and does not know which
// instructions multiply.

#ifndef ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H
#define ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H

#include "codegen/cpu/Exp2.h"
#include "codegen/cpu/KeyWalk.h"
#include <functional>
#include <memory>
#include <utility>

namespace attnc::cpu {

/// Accumulators: keys (or value columns) x vectors of lanes.
struct RegisterTile {
  int64_t keys, vectors;
};

/// Some keys of a block, and some of a panel's queries: those of `tile.vectors`
/// vectors from lane `lane` on.
struct BlockPanel {
  KeyWalk &keys;
  Value index, first; // its first row in the tile
  Value j0;           // number of the block's first key
  RegisterTile tile;
  Value lane;
  Value low, high;         // keys of the block that are visited
  Value end;               // high rounded up to whole register tiles
  Value valuesEnd;         // end of the keys whose values are multiplied
  bool wholeTiles = false; // high - low is a multiple of tile.keys, and of 8
};

/// Sizes, scratch and operands of one fold, as the products see them.
struct BlockOperands {
  /// A memref and its row, of key number j0 + j.
  using RowOf =
      std::function<std::pair<Value, Value>(KeyWalk &keys, Value j0, Value j)>;
  /// A [count][d] view of the rows of key number j0 + j and those after it, all
  /// of which exist; null where rows do not lie at one distance.
  using RowsOf =
      std::function<Value(KeyWalk &keys, Value j0, Value j, int64_t count)>;
  /// Asks for the line of column x of key number j0 + j.
  using Prefetch =
      std::function<void(KeyWalk &keys, Value j0, Value j, Value x)>;
  using Buffer =
      std::function<Value(llvm::ArrayRef<int64_t> shape, mlir::Type element)>;

  Emitter &e;
  mlir::VectorType vt; // a vector of lanes of the compute type
  int64_t nr;          // queries of a panel
  int64_t d, dv;
  double scale; // of scores
  Value ot;     // [panel][value column][query]
  Value p;      // [key][query]: scores, then weights
  Value alphas; // [panel][query]
  RowOf keyRow = {}, valueRow = {};
  RowsOf keyRows = {};
  Buffer buffer = {}; // new scratch
  int64_t keyBlock = 0;
  Prefetch prefetchKey = {},
           prefetchValue = {}; // null: rows are not read in place

  int64_t lanes() const { return vt.getNumElements(); }
  mlir::Type ct() const { return vt.getElementType(); }
};

class BlockProducts {
public:
  explicit BlockProducts(BlockOperands operands)
      : o(std::move(operands)), e(o.e) {}
  virtual ~BlockProducts() = default;

  /// Keys of a block are multiplied in groups of this many, from its first on.
  virtual int64_t keysTogether() const { return 1; }
  /// What becomes of the weights.
  virtual Exp2Use weightUse() const { return Exp2Use::AsIs; }
  /// Scratch for `panels` panels of queries and blocks of `keyBlock` keys.
  virtual void allocate(int64_t panels, int64_t keyBlock) = 0;
  /// Takes columns x, x + 1, ... of `lanes` queries r, r + 1, ... of a panel.
  virtual void storeQueries(Value panel, Value x, Value r,
                            llvm::ArrayRef<Value> columns) = 0;
  /// Takes the values of keys j0 .. j0 + count - 1, before any panel does.
  virtual void loadValues(KeyWalk &, Value /*j0*/, Value /*count*/) {}
  /// Scores of the keys of a register tile, jt ...
  virtual Values scoreTile(const BlockPanel &panel, Value jt) = 0;
  /// Puts the weights of keys j, j + 1, ... of the queries group ... where
  /// their scores were.
  virtual void storeWeights(Value j, Value group,
                            llvm::ArrayRef<Value> weights) = 0;
  /// The weights of key j, as `accumulate` multiplies them.
  virtual Value loadWeights(Value j, Value group) = 0;
  /// O^T = alpha O^T + V^T P^T, by register tiles of value columns.
  virtual void accumulate(const BlockPanel &panel) = 0;

protected:
  BlockOperands o;
  Emitter &e;

  Value vector(const BlockPanel &panel, int64_t k) const {
    return e.add(panel.lane, k * o.lanes());
  }
};

/// Fused multiply-adds in the compute type; K and V are read as scalars.
std::unique_ptr<BlockProducts> makeFmaProducts(BlockOperands operands);

/// Dot products of pairs of bf16 (vdpbf16ps), summed in f32; K and V are rows
/// of bf16, K's of an even number of elements (of which the last may be 0).
std::unique_ptr<BlockProducts> makeDotBf16Products(BlockOperands operands);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H
