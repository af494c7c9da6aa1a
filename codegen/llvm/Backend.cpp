// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Drives LLVM: translation, IR passes, code generation. Code is position
// independent in the small code model, so that one object serves both the JIT
// and the flat images of kernel files.

#include "codegen/llvm/Backend.h"

#include "codegen/llvm/LowerToLLVM.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace mlir;
using namespace attnc;

LLVMModule::LLVMModule() = default;
LLVMModule::LLVMModule(LLVMModule &&) = default;
LLVMModule &LLVMModule::operator=(LLVMModule &&) = default;
// The module must go before the context that owns its types.
LLVMModule::~LLVMModule() { module.reset(); }

/// LLVM's own errors become MLIR diagnostics instead of text on stderr.
namespace {
struct ForwardDiagnostics : llvm::DiagnosticHandler {
  explicit ForwardDiagnostics(Location loc) : loc(loc) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error)
      return true;
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    mlir::emitError(loc) << "LLVM: " << text;
    return true;
  }

  Location loc;
};
} // namespace

/// Scheduling after register allocation is for machines that do not reorder
/// instructions themselves: it takes 5% of the code generator's time, and gains
/// nothing (measured). Loop strength reduction takes 15%, and stays: without it
/// loops of bf16 pairs spill.
namespace {
struct PassesThatPay : llvm::OptPassGate {
  bool isEnabled() const override { return true; }
  bool shouldRunPass(StringRef pass, StringRef) const override {
    return pass != "Post RA top-down list latency scheduler";
  }
};
} // namespace

static std::unique_ptr<llvm::TargetMachine>
createMachine(ModuleOp module, const Target &target,
              const BackendOptions &options) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    module.emitError() << "this LLVM has no code generator for "
                       << target.triple << ": " << error;
    return nullptr;
  }
  llvm::TargetOptions targetOptions;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target.cpu, target.featureString, targetOptions,
      llvm::Reloc::PIC_, llvm::CodeModel::Small, options.level));
}

static void setFunctionAttributes(llvm::Module &module, const Target &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.featureString);
    function.addFnAttr("prefer-vector-width",
                       std::to_string(target.vectorBits));
    // No loop may become a call to memset or memcpy.
    function.addFnAttr("no-builtins");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

FailureOr<LLVMModule> attnc::translateToLLVMIR(ModuleOp module,
                                               const Target &target,
                                               const BackendOptions &options) {
  DialectRegistry registry;
  registerCodegenDialects(registry);
  module.getContext()->appendDialectRegistry(registry);

  LLVMModule result;
  result.machine = createMachine(module, target, options);
  if (!result.machine)
    return failure();
  result.context = std::make_unique<llvm::LLVMContext>();
  result.context->setDiagnosticHandler(
      std::make_unique<ForwardDiagnostics>(module.getLoc()));
  static PassesThatPay gate;
  result.context->setOptPassGate(gate);
  result.module = translateModuleToLLVMIR(module, *result.context, "kernel",
                                          /*disableVerification=*/true);
  if (!result.module)
    return failure();
  result.module->setDataLayout(result.machine->createDataLayout());
  result.module->setTargetTriple(result.machine->getTargetTriple());
  setFunctionAttributes(*result.module, target);
  if (!options.verify)
    return result;
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (llvm::verifyModule(*result.module, &stream))
    return module.emitError() << "invalid LLVM IR: " << text;
  return result;
}

LogicalResult attnc::runLLVMPasses(ModuleOp module, LLVMModule &llvm,
                                   const BackendOptions &options) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager cgscc;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(llvm.machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(cgscc);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, cgscc, modules);
  llvm::ModulePassManager passes;
  if (llvm::Error error = builder.parsePassPipeline(passes, options.passes))
    return module.emitError()
           << "cannot parse LLVM's passes '" << options.passes
           << "': " << llvm::toString(std::move(error));
  passes.run(*llvm.module, modules);
  return success();
}

LogicalResult attnc::emitCode(ModuleOp module, LLVMModule &llvm,
                              llvm::CodeGenFileType type,
                              llvm::SmallVectorImpl<char> &output) {
  // Errors in code generation reach the diagnostic handler only.
  bool failedBefore = false;
  ScopedDiagnosticHandler watch(module.getContext(), [&](Diagnostic &) {
    failedBefore = true;
    return failure(); // others report it
  });
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  if (llvm.machine->addPassesToEmitFile(passes, stream, nullptr, type,
                                        /*DisableVerify=*/true))
    return module.emitError() << "LLVM cannot emit this kind of file";
  passes.run(*llvm.module);
  return failure(failedBefore);
}
