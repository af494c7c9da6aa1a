// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements that a score or test region reads at (query row, key row), such as
// those of a dense bias or mask. Queries lie in lanes and the operand is
// strided along them: a square of keys x queries is read by rows and
// transposed once, and not an element at a time.

#ifndef ATTNC_CODEGEN_CPU_TILEREADS_H
#define ATTNC_CODEGEN_CPU_TILEREADS_H

#include "codegen/cpu/LaneEmitter.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace attnc::cpu {

/// One pair, or the first of a vector of pairs, as regions take them: position
/// and row of the query and of the key.
struct PairIndices {
  Value head, i, j, r, c;
};

class TileReads {
public:
  using Buffer =
      llvm::function_ref<Value(llvm::ArrayRef<int64_t> shape, Type element)>;

  /// The last arguments of `block` are those of PairIndices.
  /// Squares that follow `ahead` keys later are asked for early.
  TileReads(Emitter &e, int64_t lanes, OuterValues &outer, mlir::Block &block,
            int64_t ahead, Buffer buffer);

  bool empty() const { return reads.empty(); }
  /// Reads for `lanes` queries from `first`'s on, `rowStep` apart, and `lanes`
  /// keys from `first`'s on; `keyOf` gives the c and j of key number t.
  llvm::LogicalResult fill(PairIndices first, int64_t rowStep,
                           bool isContiguous,
                           llvm::function_ref<PairIndices(Value)> keyOf);
  /// Binds what was read for key number t.
  void bind(LaneEmitter &region, Value t);

private:
  struct Read {
    mlir::tensor::ExtractOp op;
    Value memref;
    Type stored; // integers for what has fewer than 32 bits
    Value rows;  // [query][key], as they were read
    Value tile;  // [key][query]
  };
  Emitter &e;
  int64_t lanes;
  OuterValues &outer;
  mlir::Block &block;
  int64_t ahead;
  llvm::SmallVector<Read> reads;

  bool dependsOn(Value value, llvm::ArrayRef<Value> arguments);
  bool isKeyRow(Value index);
  void bindPair(LaneEmitter &region, const PairIndices &pair, int64_t rowStep);
  /// Whether the square's keys lie side by side, in the operand.
  mlir::FailureOr<Value> isInside(const PairIndices &first);
  llvm::LogicalResult fillByRows(const PairIndices &first, int64_t rowStep);
  llvm::LogicalResult
  fillByElements(const PairIndices &first, int64_t rowStep,
                 llvm::function_ref<PairIndices(Value)> keyOf);
  Value toStored(const Read &read, Value x);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_TILEREADS_H
