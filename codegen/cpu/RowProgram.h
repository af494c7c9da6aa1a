// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits a row region (a loader, an epilogue, attn.rows) for one row: slices
// become pointers, linalg operations become loops along the row, vectorised
// where they are elementwise. Rows between operations live in scratch.

#ifndef ATTNC_CODEGEN_CPU_ROWPROGRAM_H
#define ATTNC_CODEGEN_CPU_ROWPROGRAM_H

#include "codegen/cpu/LaneEmitter.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace attnc::cpu {

/// What a row program needs of the launch around it.
struct RowEnvironment {
  OuterValues &outer;
  Value scratch; // memref<?xi8>
  ScratchLayout &layout;
  int64_t lanes; // f32 lanes of a native vector
  /// The row of bf16 that a region yields is for instructions that take
  /// subnormal numbers for 0: the machine may round to it that way, too.
  bool flushesBf16 = false;
};

class RowProgram : private OuterValues {
public:
  RowProgram(Emitter &e, RowEnvironment environment)
      : e(e), env(environment), scalars(e, 1, environment.outer) {}

  /// Binds an index argument.
  void bind(Value argument, Value value) { scalars.bind(argument, value); }
  /// Binds a row argument to a memref of rank 1.
  void bindRow(Value argument, Value memref) { rows[argument] = memref; }

  /// A scalar that the region computed.
  Value scalar(Value original) override { return scalars.lookup(original); }

  /// Emits the region; the memref<Lxt> that holds the (first) row it yields.
  /// That may be `destination`, where the row is computed with its elements.
  mlir::FailureOr<Value> emit(mlir::Region &region, Value destination = {});

  /// Copies a row into another memref of rank 1, converting elements.
  void copyRow(Value from, Value to, int64_t length);

private:
  Emitter &e;
  RowEnvironment env;
  LaneEmitter scalars;
  llvm::DenseMap<Value, Value> rows; // tensor of one row → memref<Lxt>
  Value yielded, destination;        // the row that is wanted, and where

  // What the bodies of linalg operations see around them.
  Value tensor(Value original) override { return env.outer.tensor(original); }
  void report(Value isWrong, mlir::attn::Status status) override {
    env.outer.report(isWrong, status);
  }

  Value newRow(int64_t length, Type element);
  Value scalarOf(mlir::OpFoldResult x);
  llvm::LogicalResult emitOp(mlir::Operation &op);
  llvm::LogicalResult emitSlice(mlir::tensor::ExtractSliceOp op);
  llvm::LogicalResult emitLinalg(mlir::linalg::LinalgOp op);
  llvm::LogicalResult emitLoop(mlir::linalg::LinalgOp op, int longLoop,
                               Value out);
  /// Whether an operation rounds the row that is wanted, to bf16.
  bool isFlushed(mlir::linalg::LinalgOp op) {
    return env.flushesBf16 && op->getResult(0) == yielded;
  }
  mlir::FailureOr<Value> emitBody(mlir::linalg::LinalgOp op, int longLoop,
                                  Value at, int64_t lanes, Value accumulator);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_ROWPROGRAM_H
