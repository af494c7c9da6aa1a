// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc-opt: every pass and pipeline of attnc on textual IR, as mlir-opt does.

#include "codegen/CodegenPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "tools/support/Dialects.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  attnc::registerDialects(registry);
  attnc::registerPasses();
  attnc::registerCodegenPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "attnc optimizer driver\n", registry));
}
