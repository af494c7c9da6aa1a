// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts of selectArithmetic, one a file. Each returns null for what is not
// its own. ATTNC_PTX_ISA is the namespace of the instruction set.

#ifndef ATTNC_RUNTIME_PTX_SELECTARITHMETIC_H
#define ATTNC_RUNTIME_PTX_SELECTARITHMETIC_H

#include "Program.h"

namespace attnc {
namespace ptx {
namespace ATTNC_PTX_ISA {

Handler selectInteger(const Inst &in);
Handler selectBits(const Inst &in);
Handler selectFloat(const Inst &in);
Handler selectHalf(const Inst &in);
Handler selectCompare(const Inst &in);
Handler selectConvert(const Inst &in);

} // namespace ATTNC_PTX_ISA
} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_SELECTARITHMETIC_H
