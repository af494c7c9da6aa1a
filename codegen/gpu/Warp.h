// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms for the instructions that tensor-core kernels are made of:
// 32-bit addresses, matrix fragments, asynchronous copies, warp-wide votes.

#ifndef ATTNC_CODEGEN_GPU_WARP_H
#define ATTNC_CODEGEN_GPU_WARP_H

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include <array>
#include <vector>

namespace attnc::gpu {

using cpu::Emitter;
using cpu::Values;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// Four registers of a lane: an 8x8 matrix each, or an accumulator's elements.
using Quad = std::array<Value, 4>;

/// Registers one after another, as loops and branches carry them.
Values flat(llvm::ArrayRef<Quad> quads);
/// Takes the first of `values` for quads, and for single values.
void takeFront(ValueRange &values, std::vector<Quad> &quads);
void takeFront(ValueRange &values, llvm::MutableArrayRef<Value> single);

class Warp {
public:
  /// `element` is f16 or bf16: what products multiply.
  Warp(Emitter &e, Type element) : e(e), element(element) {}

  Emitter &e;
  Type element;

  // 32-bit integers.
  Value i32(int64_t x);
  Value toI32(Value index);
  Value toIndex(Value x); // sign-extended
  Value toI64(Value index);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y) { return y ? add(x, i32(y)) : x; }
  Value sub(Value x, Value y);
  Value mul(Value x, int64_t y);
  Value andBits(Value x, int64_t y);
  Value andBits(Value x, Value y);
  Value orBits(Value x, Value y);
  Value xorBits(Value x, Value y);
  Value xorBits(Value x, int64_t y) { return y ? xorBits(x, i32(y)) : x; }
  Value shiftLeft(Value x, int64_t y);
  Value shiftRight(Value x, int64_t y);
  Value less(Value x, Value y);    // signed
  Value atMost(Value x, Value y);  // signed
  Value minimum(Value x, Value y); // signed
  Value maximum(Value x, Value y); // signed

  // Floats.
  Value f32(double x);
  Value exp2(Value x);
  Value larger(Value x, Value y); // the number where one is NaN
  /// Two floats rounded to a register of `element`.
  Value pack(Value low, Value high);

  // The thread and its warp.
  Value threadId();
  Value shuffleXor(Value x, int64_t mask);
  Value any(Value condition);
  /// Keeps the assembler from moving instructions across.
  void fence();

  // The block.
  void barrier();
  Value barrierOr(Value condition);
  /// The address of dynamic shared memory.
  Value sharedBase();
  Value sharedPointer(Value address, int64_t offset = 0);
  Value globalPointer(Value address, int64_t offset = 0);
  Value loadShared(Type type, Value address, int64_t offset, int64_t alignment);
  void storeShared(Value value, Value address, int64_t offset);

  // Matrices.
  Quad loadMatrices(Value address, int64_t offset, bool transposed);
  /// c + a b for a 16x16, b 16x8.
  Quad multiply(const Quad &a, Value b0, Value b1, const Quad &c);

  // Asynchronous copies of 16 bytes; of `size` (0 or 16) bytes with zeros
  // behind, where that is given.
  void copyAsync(Value address, int64_t offset, Value global, Value size);
  void commitCopies();
  void waitCopies(int64_t groupsLeft);

private:
  Type i32Type() { return e.b.getI32Type(); }
  Value call(Type result, llvm::StringRef intrinsic, ValueRange arguments);
  /// A register as products take it.
  Value operand(Value x);
};

/// Declares the block's shared memory, once a stage-5 module.
void declareShared(mlir::ModuleOp module);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_WARP_H
