// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialects and passes that attnc's tools know.

#ifndef ATTNC_TOOLS_SUPPORT_DIALECTS_H
#define ATTNC_TOOLS_SUPPORT_DIALECTS_H

#include "mlir/IR/DialectRegistry.h"

namespace attnc {

/// attn and the upstream dialects a spec or a later stage may use, with the
/// extensions (tiling, bufferization, translation) the pipelines need.
void registerDialects(mlir::DialectRegistry &registry);

/// attn's passes and pipelines, and the upstream clean-up passes
/// (canonicalize, cse, ...), for command lines.
void registerPasses();

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_DIALECTS_H
