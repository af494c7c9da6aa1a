// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes of squares of lanes.

#ifndef ATTNC_CODEGEN_CPU_TRANSPOSE_H
#define ATTNC_CODEGEN_CPU_TRANSPOSE_H

#include "codegen/cpu/Emitter.h"

namespace attnc::cpu {

/// The transpose of as many vectors as they have lanes (a power of two).
Values transposeSquare(Emitter &e, Values rows);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_TRANSPOSE_H
