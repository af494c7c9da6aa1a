// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which dynamic sizes of a spec must be the same, so that giving one gives all.

#ifndef ATTNC_TOOLS_ATTNC_SHAPESOLVER_H
#define ATTNC_TOOLS_ATTNC_SHAPESOLVER_H

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace attnc {

class ShapeSolver {
public:
  explicit ShapeSolver(mlir::func::FuncOp function);

  /// States a size; `who` is for messages ("'q' (q.npy)"). An error when what
  /// is known already contradicts it.
  llvm::Error bind(mlir::Value tensor, unsigned dim, int64_t size,
                   const std::string &who);
  /// States the sizes of a tensor that are known (>= 0) and have been checked:
  /// what they contradict has been reported.
  void bindChecked(mlir::Value tensor, llvm::ArrayRef<int64_t> shape);

  /// Sizes that broadcast and have not been given take the size that they
  /// broadcast to. Call when all given sizes are bound.
  void applyDefaults();

  std::optional<int64_t> getSize(mlir::Value tensor, unsigned dim);
  /// Key rows of a batch: of pages, what its entries of the table hold (of a
  /// packed one, an even share).
  std::optional<int64_t> getKeyRows(mlir::attn::AttentionOp op);
  std::optional<int64_t> getKeyRows(mlir::attn::AppendOp op);

  /// Whether two sizes are the same whatever is given.
  bool isSame(mlir::Value a, unsigned aDim, mlir::Value b, unsigned bDim) {
    return find(node(a, aDim)) == find(node(b, bDim));
  }
  /// The same of a loop of a linalg operation.
  bool isSameLoop(mlir::linalg::LinalgOp op, unsigned loop, mlir::Value tensor,
                  unsigned dim) {
    return find(node(Key(op.getOperation(), loop))) == find(node(tensor, dim));
  }
  /// Sizes that broadcast become the same where, as known now, they are equal
  /// and not 1.
  void tieEqualBroadcasts();
  /// Whether the first size is the second or 1.
  bool broadcastsTo(mlir::Value a, unsigned aDim, mlir::Value b, unsigned bDim);

private:
  struct Class {
    unsigned parent;
    std::optional<int64_t> size;
    std::string who;
  };
  using Key = std::pair<void *, int64_t>;

  unsigned node(Key key);
  unsigned node(mlir::Value tensor, int64_t dim);
  /// Index values are sizes themselves: dimension -1 of the value.
  unsigned sizeNode(mlir::Value value) {
    return node(Key(value.getAsOpaquePointer(), -1));
  }
  unsigned keyRows(mlir::attn::AttentionOp op);
  unsigned find(unsigned n);
  void unite(unsigned a, unsigned b);
  void tie(mlir::Value a, int64_t aDim, mlir::Value b, int64_t bDim) {
    unite(node(a, aDim), node(b, bDim));
  }
  /// The dims of `from`, from the right, broadcast to these nodes.
  void tieBroadcast(mlir::Value from, llvm::ArrayRef<unsigned> to);

  std::optional<int64_t> getKeyRows(mlir::Value cache, mlir::Value pages,
                                    mlir::Value indptr);
  void visit(mlir::attn::AttentionOp op);
  void visit(mlir::attn::AppendOp op);
  void visitSets(mlir::attn::AttentionOp op, llvm::ArrayRef<unsigned> lead);
  void visit(mlir::linalg::LinalgOp op);
  void visitOther(mlir::Operation *op);
  void visitReshape(mlir::Operation *op);
  void tieSizes(mlir::Value tensor, llvm::ArrayRef<mlir::OpFoldResult> sizes);

  std::vector<Class> classes;
  llvm::DenseMap<Key, unsigned> nodes;
  /// (a, b): a is 1 or b.
  std::vector<std::pair<unsigned, unsigned>> broadcasts;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_SHAPESOLVER_H
