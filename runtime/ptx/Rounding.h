// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic in the rounding modes that C++ does not offer by default.

#ifndef ATTNC_RUNTIME_PTX_ROUNDING_H
#define ATTNC_RUNTIME_PTX_ROUNDING_H

#include "Program.h"

namespace attnc {
namespace ptx {

/// a op b (op c), rounded as wanted; Op is Add, Sub, Mul, Div, Fma, Sqrt, Rcp.
float roundedOp(Op op, Rounding rounding, float a, float b, float c);
double roundedOp(Op op, Rounding rounding, double a, double b, double c);
/// A conversion of the integer or double to float.
float roundedToFloat(double value, Rounding rounding);
float roundedToFloat(int64_t value, Rounding rounding);
float roundedToFloat(uint64_t value, Rounding rounding);
double roundedToDouble(int64_t value, Rounding rounding);
double roundedToDouble(uint64_t value, Rounding rounding);

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_ROUNDING_H
