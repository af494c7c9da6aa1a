// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The code generators' steps as passes, for command lines.

#ifndef ATTNC_CODEGEN_CODEGENPASSES_H
#define ATTNC_CODEGEN_CODEGENPASSES_H

namespace attnc {

/// attn-cpu-to-loops{target=NAME}: a module with one stage-4 function becomes
/// stage 5. attn-cpu-to-llvm{target=NAME}: verifies stage 5 and lowers it to
/// the LLVM dialect.
void registerCodegenPasses();

} // namespace attnc

#endif // ATTNC_CODEGEN_CODEGENPASSES_H
