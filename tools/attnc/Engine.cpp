// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tools' one way to the compiler.

#include "tools/attnc/Engine.h"
#include "codegen/llvm/LowerToLLVM.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/ScheduleFields.h"
#include "tools/support/Dialects.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;

std::unique_ptr<MLIRContext> attnc::createContext() {
  DialectRegistry registry;
  registerDialects(registry);
  registerCodegenDialects(registry);
  return std::make_unique<MLIRContext>(registry,
                                       MLIRContext::Threading::DISABLED);
}

int attnc::chooseTargets(const SpecOptions &options,
                         std::vector<Target> &targets) {
  if (options.targets.empty()) {
    llvm::Expected<Target> host = Target::host();
    if (!host) {
      printError(host.takeError());
      return ExitError;
    }
    targets.push_back(std::move(*host));
  }
  for (const std::string &name : options.targets) {
    llvm::Expected<Target> target = Target::parse(name);
    if (!target) {
      printError("--target: " + llvm::toString(target.takeError()));
      return ExitUsage;
    }
    targets.push_back(std::move(*target));
  }
  return ExitOk;
}

int attnc::checkScheduleOptions(const SpecOptions &options) {
  auto check = [](const char *option, StringRef value,
                  ArrayRef<StringRef> known) {
    if (llvm::is_contained(known, value))
      return int(ExitOk);
    printError(llvm::Twine(option) + "=" + value + ": one of " +
               llvm::join(known, ", ") + " expected");
    return int(ExitUsage);
  };
  if (int code = check("--micro", options.micro, {"auto", "block", "row"}))
    return code;
  if (int code = check("--producers", options.producers,
                       {"auto", "fuse", "materialize"}))
    return code;
  llvm::Expected<ScheduleFields> fields =
      ScheduleFields::parse(options.schedule);
  if (fields)
    return ExitOk;
  printError("--schedule: " + llvm::toString(fields.takeError()));
  return ExitUsage;
}

CompilerOptions attnc::compilerOptions(const SpecOptions &options) {
  CompilerOptions compiler;
  compiler.producer = "attnc " ATTNC_VERSION;
  compiler.micro = options.micro;
  compiler.producers = options.producers;
  compiler.schedule = options.schedule;
  compiler.countPairs = options.countPairs;
  return compiler;
}

OwningOpRef<ModuleOp> attnc::isolateFunction(Spec &spec) {
  OwningOpRef<ModuleOp> module = spec.getModule().clone();
  if (!spec.getFunction())
    return module;
  StringRef name = spec.getFunction().getName();
  SmallVector<func::FuncOp> others;
  for (auto func : module->getOps<func::FuncOp>())
    if (func.getName() != name)
      others.push_back(func);
  // Callees of the chosen function stay; a caller cannot be one of them.
  for (bool changed = true; changed;) {
    changed = false;
    for (func::FuncOp &func : others) {
      if (!func || !SymbolTable::symbolKnownUseEmpty(func, *module))
        continue;
      func.erase();
      func = nullptr;
      changed = true;
    }
  }
  return module;
}

FailureOr<Kernel> attnc::compileInProcess(Spec &spec,
                                          const SpecOptions &options,
                                          const Target &target,
                                          std::vector<PhaseTime> &phases) {
  Compiler compiler(compilerOptions(options));
  OwningOpRef<ModuleOp> module = isolateFunction(spec);
  FailureOr<KernelHandle> kernel = compiler.jit(*module, target);
  if (failed(kernel))
    return failure();
  const PhaseTimes &times = compiler.getTimes();
  for (auto [name, seconds] : {std::pair("passes", times.passes),
                               {"to loops", times.stage5},
                               {"to LLVM dialect", times.toLLVMDialect},
                               {"to LLVM IR", times.translate},
                               {"LLVM passes", times.llvmPasses},
                               {"code generation", times.codeGeneration},
                               {"link", times.link}})
    phases.push_back({name, seconds});
  return Kernel(kernel->release());
}
