// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes of squares of lanes.

#ifndef ATTNC_CODEGEN_CPU_TRANSPOSE_H
#define ATTNC_CODEGEN_CPU_TRANSPOSE_H

#include "codegen/cpu/Emitter.h"

namespace attnc::cpu {

/// Transposes each square of as many elements side by side as there are vectors
/// (a power of two, at most their lanes). Unrolled, for hot places.
Values transposeVectors(Emitter &e, Values vectors);

/// As many rows of a memref as a vector has lanes (a power of two), and as many
/// of their columns.
struct Square {
  mlir::VectorType type; // of a row
  Value memref, row, column;
};

/// Transposes: calls `store(t, rows)` for a few rows of the result at a time,
/// from row t on. What the square holds is lost. `load`, where given, yields a
/// row to transpose in place of the square's.
void transposeSquare(
    Emitter &e, const Square &square,
    llvm::function_ref<void(Value, llvm::ArrayRef<Value>)> store,
    llvm::function_ref<Value(Value)> load = {});

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_TRANSPOSE_H
