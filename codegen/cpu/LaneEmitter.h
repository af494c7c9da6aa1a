// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns a scalar region (score, tests, the body of a linalg.generic) into code
// for `lanes` elements at once. A value is uniform (one scalar for all lanes)
// or varying (a vector); only what depends on a varying argument becomes a
// vector.

#ifndef ATTNC_CODEGEN_CPU_LANEEMITTER_H
#define ATTNC_CODEGEN_CPU_LANEEMITTER_H

#include "codegen/cpu/Emitter.h"
#include "dialect/Attn.h"
#include "llvm/ADT/DenseMap.h"

namespace attnc::cpu {

/// What regions read from around them.
class OuterValues {
public:
  virtual ~OuterValues() = default;
  /// The memref a tensor lives in, or null.
  virtual Value tensor(Value original) = 0;
  /// A scalar computed outside: grid indices, sizes, lengths.
  virtual Value scalar(Value original) = 0;
  /// Sets a bit of the status word where `isWrong`.
  virtual void report(Value isWrong, mlir::attn::Status status) = 0;
};

class LaneEmitter {
public:
  LaneEmitter(Emitter &e, int64_t lanes, OuterValues &outer)
      : e(e), lanes(lanes), outer(outer) {}

  /// Binds a region argument or outer value to a scalar or a vector.
  void bind(Value original, Value value) { values[original] = value; }
  /// Binds it to a vector that rises by `step` a lane from `base`; step 0 is
  /// the scalar.
  void bindRamp(Value original, Value base, int64_t step);
  /// What `linalg.index` of a loop is.
  void bindLoopIndex(unsigned loop, Value value) { loopIndices[loop] = value; }

  /// Subnormal numbers of this bf16 value may become 0.
  void mayFlush(Value original) { flushed = original; }

  /// Emits the block without its terminator; operations whose result is bound
  /// are left out.
  llvm::LogicalResult emit(mlir::Block &block);
  /// Emits what `wanted` need of the block.
  llvm::LogicalResult emit(mlir::Block &block, ValueRange wanted);
  llvm::LogicalResult emit(mlir::Operation &op);

  /// The value of a terminator operand or outer value: bound, emitted here, or
  /// a scalar from outside.
  Value lookup(Value original);
  /// The same, as a vector of all lanes.
  Value lookupVector(Value original) { return widen(lookup(original)); }
  /// Indices clamped to a tensor's sizes.
  Values indicesInside(Value memref, ValueRange indices);

private:
  /// base + lane * step: scalar arithmetic while that is enough.
  struct Ramp {
    Value base;
    int64_t step;
  };
  Emitter &e;
  int64_t lanes;
  OuterValues &outer;
  llvm::DenseMap<Value, Value> values;
  llvm::DenseMap<unsigned, Value> loopIndices;
  llvm::DenseMap<Value, Ramp> ramps;
  Value flushed;

  bool isVarying(Value v) { return mlir::isa<mlir::VectorType>(v.getType()); }
  Value widen(Value v) { return isVarying(v) ? v : e.splat(v, lanes); }
  llvm::LogicalResult emitExtract(mlir::Operation &op);
  llvm::LogicalResult emitElementwise(mlir::Operation &op);
  llvm::LogicalResult emitAffineApply(mlir::Operation &op);
  llvm::LogicalResult emitChecked(mlir::attn::CheckedOp op);
  llvm::LogicalResult emitPairOp(mlir::Operation &op);
  Value tensorOf(mlir::Operation &op, Value tensor);
  std::optional<Ramp> rampOf(Value original);
  bool emitRamp(mlir::Operation &op);
  Value nonZeroDivisor(mlir::Operation &op, llvm::ArrayRef<Value> operands);
  Value gather(Value memref, llvm::ArrayRef<Value> indices, Type element);
  Value loadElement(Value memref, llvm::ArrayRef<Value> indices, Type element);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_LANEEMITTER_H
