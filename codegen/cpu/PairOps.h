// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The helper operations of pair tests (attn.segment, attn.listed, pseudo-random
// keys) as code for one lane or many. Whatever the operands hold, nothing is
// read outside them.

#ifndef ATTNC_CODEGEN_CPU_PAIROPS_H
#define ATTNC_CODEGEN_CPU_PAIROPS_H

#include "codegen/cpu/Emitter.h"
#include <array>

namespace attnc::cpu {

/// Operands are scalars (the same for all lanes) or vectors; a result is a
/// vector where an operand is.
class PairOps {
public:
  PairOps(Emitter &e, int64_t lanes) : e(e), lanes(lanes) {}

  /// The last dim of a memref at indices (inside it) of the dims before.
  struct Row {
    Value memref;
    Type element; // of the tensor: i1 is a byte in memory
    Values lead;
  };

  /// Whether some element is less than the one before it. Scalars only.
  Value decreases(const Row &offsets);
  /// (number, begin, end) of the segment that holds x.
  std::array<Value, 3> segment(const Row &boundaries, Value x);
  /// Whether x is among the elements begin .. end - 1.
  Value listed(const Row &list, Value x, Value begin, Value end);

  struct RandomRow {
    Value head, i, begin, end;
    int64_t seed;
  };
  Value randomKey(const RandomRow &row, Value t);
  Value isRandomKey(const RandomRow &row, Value j, int64_t count);

private:
  Emitter &e;
  int64_t lanes;

  static bool isVarying(Value v) {
    return mlir::isa<mlir::VectorType>(v.getType());
  }
  Value widen(Value v) { return isVarying(v) ? v : e.splat(v, lanes); }
  Values perLane(llvm::ArrayRef<Value> inputs, unsigned numResults,
                 llvm::function_ref<Values(llvm::ArrayRef<Value>)> body);
  Value loadIndex(const Row &row, llvm::ArrayRef<Value> lead, Value at);
  Value size(const Row &row);
  Values segmentScalar(const Row &boundaries, llvm::ArrayRef<Value> lead,
                       Value x);
  Value listedScalar(const Row &list, llvm::ArrayRef<Value> lead, Value x,
                     Value begin, Value end);
  Value listedInOne(const Row &list, Value x, Value begin, Value end);
  Value mix(Value x);
  Value hashRow(const RandomRow &row);
  Value keyOf(const RandomRow &row, Value hash, Value t);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_PAIROPS_H
