// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arithmetic of tensor cores: 16 rows times n columns.

#ifndef ATTNC_RUNTIME_PTX_MATRIX_H
#define ATTNC_RUNTIME_PTX_MATRIX_H

#include "Program.h"

namespace attnc {
namespace ptx {

/// The product of 16 rows of `a` (16×k) and `b` (k×n) is added to `d` (16×n).
using MultiplyFunction = void (*)(const float *a, const float *b, float *d,
                                  unsigned n, unsigned k);
/// Elements of a matrix's type, as they lie in memory, to floats (exact).
using WidenFunction = void (*)(Type type, const uint8_t *from, unsigned count,
                               float *to);

namespace baseline {
void multiply(const float *a, const float *b, float *d, unsigned n, unsigned k);
void widen(Type type, const uint8_t *from, unsigned count, float *to);
} // namespace baseline
namespace avx2 {
void multiply(const float *a, const float *b, float *d, unsigned n, unsigned k);
void widen(Type type, const uint8_t *from, unsigned count, float *to);
} // namespace avx2

inline bool isWhole(Type type) { return type == Type::S8 || type == Type::U8; }

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_MATRIX_H
