// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc-lsp-server: the language server protocol for .mlir files with attn IR.

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "tools/support/Dialects.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  attnc::registerDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
