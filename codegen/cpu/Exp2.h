// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// 2^x for x <= 0 (and small positive x), the only transcendental of a softmax,
// and what a soft cap needs.
//
// x = n + f with n = round(x), |f| <= 1/2 (adding and subtracting 1.5 * 2^23,
// or 1.5 * 2^52, rounds). 2^f is a polynomial p with p(0) = 1, and n is added
// to p's exponent bits. x is clamped at the exponent of the smallest normal
// minus one, where f = 0 and p = 1: the exponent field becomes 0, so that
// 2^-inf is exactly +0. NaN passes through. With AVX-512 f = x - floor(x), and
// results below the smallest normal number are 0.

#ifndef ATTNC_CODEGEN_CPU_EXP2_H
#define ATTNC_CODEGEN_CPU_EXP2_H

#include "codegen/cpu/Emitter.h"

namespace attnc::cpu {

/// What becomes of the result: it is used as it is, or rounded to bf16, whose
/// half ulp is 20 times the error of a polynomial of degree 3.
enum class Exp2Use { AsIs, RoundedToBf16 };

/// 2^x of an f32 or f64 scalar or vector. f32: degree 5, within 2.2 ulp.
/// f64: degree 13, within 1 ulp of the polynomial's exact value.
Value emitExp2(Emitter &e, Value x, Exp2Use use = Exp2Use::AsIs);

/// tanh of an f32 vector, within 2.5 ulp.
Value emitTanh(Emitter &e, Value x);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_EXP2_H
