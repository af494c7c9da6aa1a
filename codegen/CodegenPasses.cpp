// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 4 to 5 and stage 5 to the LLVM dialect, as passes.

#include "codegen/CodegenPasses.h"

#include "codegen/cpu/LowerToLoops.h"
#include "codegen/llvm/LowerToLLVM.h"
#include "codegen/llvm/Stage5.h"

#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace attnc;

namespace {

/// A module pass with a target.
template <typename Derived>
struct TargetPass : PassWrapper<Derived, OperationPass<ModuleOp>> {
  TargetPass() = default;
  TargetPass(const TargetPass &other)
      : PassWrapper<Derived, OperationPass<ModuleOp>>(other) {}

  void getDependentDialects(DialectRegistry &registry) const override {
    registerCodegenDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = this->getOperation();
    llvm::Expected<Target> parsed = Target::parse(target);
    if (!parsed) {
      module.emitError() << llvm::toString(parsed.takeError());
      return this->signalPassFailure();
    }
    if (failed(static_cast<Derived *>(this)->lower(module, *parsed)))
      this->signalPassFailure();
  }

  Pass::Option<std::string> target{
      *this, "target", llvm::cl::desc("machine to generate code for"),
      llvm::cl::init("native")};
};

struct CpuToLoopsPass : TargetPass<CpuToLoopsPass> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CpuToLoopsPass)

  StringRef getArgument() const override { return "attn-cpu-to-loops"; }
  StringRef getDescription() const override {
    return "lowers a stage-4 function to loops (stage 4 to 5)";
  }

  LogicalResult lower(ModuleOp module, const Target &machine) {
    auto funcs = llvm::to_vector(module.getOps<func::FuncOp>());
    if (funcs.size() != 1)
      return module.emitError()
             << "needs a module with one function, not " << funcs.size();
    auto lowered = cpu::lowerToLoops(funcs.front(), machine);
    if (failed(lowered) || failed(verifyStage5(**lowered)))
      return failure();
    module.getBodyRegion().takeBody((*lowered)->getBodyRegion());
    module->setAttrs(lowered->get()->getAttrs());
    return success();
  }
};

struct CpuToLLVMPass : TargetPass<CpuToLLVMPass> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CpuToLLVMPass)

  StringRef getArgument() const override { return "attn-cpu-to-llvm"; }
  StringRef getDescription() const override {
    return "lowers a stage-5 kernel to the LLVM dialect (stage 5 to 6)";
  }

  LogicalResult lower(ModuleOp module, const Target &machine) {
    return success(succeeded(verifyStage5(module)) &&
                   succeeded(lowerToLLVMDialect(module, machine)));
  }
};

} // namespace

void attnc::registerCodegenPasses() {
  PassRegistration<CpuToLoopsPass>();
  PassRegistration<CpuToLLVMPass>();
}
