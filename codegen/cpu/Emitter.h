// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms for the loops, index arithmetic and vectors that the CPU
// micro-kernels are made of. Everything folds where it can.

#ifndef ATTNC_CODEGEN_CPU_EMITTER_H
#define ATTNC_CODEGEN_CPU_EMITTER_H

#include "codegen/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace attnc::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

class Emitter {
public:
  Emitter(mlir::OpBuilder &b, mlir::Location loc, const Target &target)
      : b(b), loc(loc), hasFma(target.hasFma),
        hasAvx512(target.vectorBits >= 512) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  bool hasFma;
  bool hasAvx512; // F, BW, DQ and VL

  // Index arithmetic.
  Value idx(int64_t value);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y) { return y ? add(x, idx(y)) : x; }
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value min(Value x, Value y);
  Value max(Value x, Value y);
  /// x clamped to [0, size - 1], for memory accesses that a mask discards.
  Value clampIndex(Value x, Value size);
  /// ceil(x / y) and x rounded up to a multiple of y, for x >= 0.
  Value ceilDiv(Value x, int64_t y);
  Value alignTo(Value x, int64_t y);
  /// x rounded down to a multiple of y, for x >= 0.
  Value alignDown(Value x, int64_t y);
  Value cmp(mlir::arith::CmpIPredicate p, Value x, Value y);
  Value both(Value x, Value y);
  Value toI32(Value x);
  /// Bools are bytes, or wider, in memory; anything but 0 is true.
  Value nonZero(Value bytes);

  // Floating point, on scalars and vectors alike.
  Value constant(Type type, double value);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);
  Value mulf(Value x, Value y);
  /// x * y + z; two roundings where the machine has no fused form.
  Value fma(Value x, Value y, Value z);
  /// The larger of x and m; m where x is NaN.
  Value maxIgnoringNaN(Value x, Value m);
  Value select(Value c, Value x, Value y);
  /// Between float element types, shape kept.
  Value convert(Value x, Type element);
  /// f32 to bf16 by the machine's instruction (AVX512-BF16), which takes
  /// subnormal numbers for 0. Null for sizes that it does not have.
  Value convertToBf16Flushed(Value x);

  // Vectors and memory. A "vector" of one lane is a scalar.
  Type vec(int64_t lanes, Type element);
  Value splat(Value scalar, int64_t lanes);
  Value load(Type type, Value memref, ValueRange at);
  void store(Value value, Value memref, ValueRange at);
  /// 0, step, 2 step, ... of an integer or index type.
  Value iota(int64_t lanes, Type element, int64_t step);
  Value iota(int64_t lanes) { return iota(lanes, b.getIndexType(), 1); }
  /// Indices are i64 in scratch; `lanes` of them follow each other.
  Value loadIndex(Value memref, ValueRange at, int64_t lanes = 1);
  void storeIndex(Value value, Value memref, ValueRange at);

  // Control flow. Bodies build with this emitter.
  void loop(Value lo, Value hi, int64_t step,
            llvm::function_ref<void(Value)> body);
  Values loop(Value lo, Value hi, int64_t step, ValueRange inits,
              llvm::function_ref<Values(Value, ValueRange)> body);
  /// Calls `body` for vectors that cover 0 .. length - 1: whole ones in a loop,
  /// then one that ends where they should and overlaps those before it. Fewer
  /// elements than `lanes` are two shorter vectors, or one by one. An element
  /// may come twice.
  void cover(int64_t length, int64_t lanes,
             llvm::function_ref<void(Value at, int64_t lanes)> body);
  void when(Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise = nullptr);

  /// `condition`, or what `otherwise` computes where that does not hold.
  Value orElse(Value condition, llvm::function_ref<Value()> otherwise);

  /// `length` elements along the last dimension from `indices` on, those left
  /// out being 0, as memref<length x t>.
  Value row(Value memref, ValueRange indices, int64_t length);
  /// A view of `scratch` (memref<?xi8>) at a byte offset.
  Value view(Value scratch, int64_t byteOffset, llvm::ArrayRef<int64_t> shape,
             Type element);
};

/// Hands out 64-byte aligned parts of a workgroup's scratch.
class ScratchLayout {
public:
  int64_t allocate(int64_t bytes) {
    int64_t at = size;
    size = (size + bytes + 63) / 64 * 64;
    return at;
  }
  int64_t bytes() const { return size; }

private:
  int64_t size = 0;
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_EMITTER_H
