// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the two micro-kernels share: the operands of one attn.fold inside its
// launch, row loading, finishing and storing rows.

#ifndef ATTNC_CODEGEN_CPU_FOLDLOWERING_H
#define ATTNC_CODEGEN_CPU_FOLDLOWERING_H

#include "codegen/cpu/RowProgram.h"
#include "codegen/cpu/TileBounds.h"
#include "dialect/Attn.h"

namespace attnc::cpu {

/// One fold inside a launch function.
struct FoldContext {
  Emitter &e;
  mlir::attn::FoldOp op;
  OuterValues &outer;
  Value scratch; // memref<?xi8>
  ScratchLayout &layout;
  Value tileOut; // memref [heads, rows, dv] of the tile's element type
  Value lseOut;  // memref [heads, rows] of f32, or null
};

/// Common ground of the micro-kernels.
class FoldLowering {
public:
  explicit FoldLowering(FoldContext context);

protected:
  FoldContext &c() { return context; }
  Emitter &e;
  mlir::attn::FoldOp op;
  mlir::attn::ScheduleAttr schedule;
  mlir::FloatType ct; // compute type
  int64_t lanes;
  int64_t d, dv; // head sizes
  Value head, row, rows, keys;
  Values symbols;

  Value buffer(llvm::ArrayRef<int64_t> shape, Type element);
  Value buffer(llvm::ArrayRef<int64_t> shape) { return buffer(shape, ct); }
  Value at(Value memref, ValueRange indices, int64_t length);
  int64_t padded(int64_t n) const { return (n + lanes - 1) / lanes * lanes; }

  /// The factor on q: the scale, and log2(e) where no score region wants
  /// natural units.
  double queryScale();
  /// log2(e) where scores are in natural units, else 1.
  double scoreFactor();

  /// A [rows, d] memref of an operand that is read in place: its loader is a
  /// plain slice of compute-type elements. Null otherwise.
  Value directRows(mlir::Region &loader);
  /// Runs a loader for one row into `destination` (memref<Lxct>).
  llvm::LogicalResult loadRow(mlir::Region &loader, ValueRange arguments,
                              Value destination, int64_t length);
  /// Loads key rows first .. first + count of k or v into buffer[0 .. count].
  llvm::LogicalResult loadBlock(mlir::Region &loader, Value first, Value count,
                                Value buffer, int64_t length);

  /// Emits the score region (log2 units in and out when there is none) and
  /// the tests for `lanes` pairs.
  struct PairLanes {
    Value head, i, j, r, c; // scalars or vectors
    Value score;            // vector
  };
  mlir::FailureOr<Value> emitScore(const PairLanes &pair);
  /// AND of a component's tests: an i1 or vector of i1; null when it has none.
  mlir::FailureOr<Value> emitTests(mlir::attn::ComponentAttr component,
                                   const PairLanes &pair);

  /// Stores a finished row (memref<dv x ct>) as row `r` of head `g` of the
  /// tile, through the epilogue.
  llvm::LogicalResult storeRow(Value finished, Value g, Value r);
  /// The natural log-sum-exp of (m in log2 units, l), f32.
  Value logSumExp(Value m, Value l);

private:
  FoldContext context;
  Value finishedRow; // staging of the epilogue's argument

  RowEnvironment environment() {
    return {context.outer, context.scratch, context.layout, lanes};
  }
};

llvm::LogicalResult emitBlockFold(FoldContext context);
llvm::LogicalResult emitRowFold(FoldContext context);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_FOLDLOWERING_H
