// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two matrix products of the block micro-kernel, S^T = K Q^T and
// O^T += V^T P^T, by register tiles. Everything between them (masks, maxima,
// exponentials) works on f32 or f64 scores in scratch and does not know which
// instructions multiply.

#ifndef ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H
#define ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H

#include "codegen/cpu/KeyWalk.h"
#include <functional>
#include <memory>
#include <utility>

namespace attnc::cpu {

/// One panel of queries and what it visits of one block of keys.
struct BlockPanel {
  KeyWalk &keys;
  Value index, first; // its first row in the tile
  Value j0;           // number of the block's first key
  Value low, high;    // keys of the block that the panel visits
  Value end;          // high rounded up to whole register tiles
  Value valuesEnd;    // end of the keys whose values are multiplied
};

/// Sizes, scratch and operands of one fold, as the products see them.
struct BlockOperands {
  /// A memref and its row, of key number j0 + j.
  using RowOf =
      std::function<std::pair<Value, Value>(KeyWalk &keys, Value j0, Value j)>;
  using Buffer =
      std::function<Value(llvm::ArrayRef<int64_t> shape, mlir::Type element)>;

  Emitter &e;
  mlir::VectorType vt; // a vector of lanes of the compute type
  int64_t mr, nv;      // register tile: keys (or columns) x vectors
  int64_t d, dv;
  double scale; // of scores
  Value ot;     // [panel][value column][query]
  Value p;      // [key][query]: scores, then weights
  Value alphas; // [panel][query]
  RowOf keyRow, valueRow;
  Buffer buffer; // new scratch

  int64_t nr() const { return nv * lanes(); }
  int64_t lanes() const { return vt.getNumElements(); }
  mlir::Type ct() const { return vt.getElementType(); }
  Value lane(int64_t k) const { return e.idx(k * lanes()); }
};

class BlockProducts {
public:
  explicit BlockProducts(BlockOperands operands)
      : o(std::move(operands)), e(o.e) {}
  virtual ~BlockProducts() = default;

  /// Keys of a block are multiplied in groups of this many, from its first on.
  virtual int64_t keysTogether() const { return 1; }
  /// Scratch for `panels` panels of queries and blocks of `keyBlock` keys.
  virtual void allocate(int64_t panels, int64_t keyBlock) = 0;
  /// Takes columns x, x + 1, ... of `lanes` queries r, r + 1, ... of a panel.
  virtual void storeQueries(Value panel, Value x, Value r,
                            llvm::ArrayRef<Value> columns) = 0;
  /// Takes the values of keys j0 .. j0 + count - 1, before any panel does.
  virtual void loadValues(KeyWalk &, Value /*j0*/, Value /*count*/) {}
  /// Scores of keys jt .. jt + mr - 1, mr x nv vectors.
  virtual Values scoreTile(const BlockPanel &panel, Value jt) = 0;
  /// Puts the weights of keys j, j + 1, ... of the queries group ... where
  /// their scores were.
  virtual void storeWeights(Value j, Value group,
                            llvm::ArrayRef<Value> weights) = 0;
  /// The weights of key j, as `accumulate` multiplies them.
  virtual Value loadWeights(Value j, Value group) = 0;
  /// O^T = alpha O^T + V^T P^T.
  virtual void accumulate(const BlockPanel &panel) = 0;

protected:
  BlockOperands o;
  Emitter &e;
};

/// Fused multiply-adds in the compute type; K and V are read as scalars.
std::unique_ptr<BlockProducts> makeFmaProducts(BlockOperands operands);

/// Dot products of pairs of bf16 (vdpbf16ps), summed in f32; K and V are rows
/// of bf16, K's of an even number of elements.
std::unique_ptr<BlockProducts> makeDotBf16Products(BlockOperands operands);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_BLOCKPRODUCTS_H
