// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tools' one way to the compiler.

#include "tools/attnc/Engine.h"
#include "codegen/gpu/Ptxas.h"
#include "codegen/kernelfile/KernelWriter.h"
#include "codegen/llvm/LowerToLLVM.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/ScheduleFields.h"
#include "tools/support/Dialects.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

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
  if (options.targets.empty() && options.device != "cpu") {
    auto device = Device::open(options.device, options.deviceSeed);
    if (!device) {
      printError(device.takeError());
      return ExitError;
    }
    llvm::Expected<Target> target =
        Target::parse((*device)->getDefaultTarget());
    if (!target) {
      printError("--device=" + options.device + ": " +
                 llvm::toString(target.takeError()));
      return ExitError;
    }
    targets.push_back(std::move(*target));
  } else if (options.targets.empty()) {
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

int attnc::checkScheduleOptions(const SpecOptions &options,
                                const char *scheduleOption) {
  auto check = [](const char *option, StringRef value,
                  ArrayRef<StringRef> known) {
    if (llvm::is_contained(known, value))
      return int(ExitOk);
    printError(llvm::Twine(option) + "=" + value + ": one of " +
               llvm::join(known, ", ") + " expected");
    return int(ExitUsage);
  };
  if (int code = check("--micro", options.micro,
                       {"auto", "block", "row", "mma", "wgmma"}))
    return code;
  if (int code = check("--producers", options.producers,
                       {"auto", "fuse", "materialize"}))
    return code;
  llvm::Expected<ScheduleFields> fields =
      ScheduleFields::parse(options.schedule);
  if (fields)
    return ExitOk;
  printError(scheduleOption + (": " + llvm::toString(fields.takeError())));
  return ExitUsage;
}

int attnc::checkThreads(unsigned threads) {
  constexpr unsigned mostThreads = 1024;
  if (threads <= mostThreads)
    return ExitOk;
  printError("--threads=" + llvm::Twine(threads) + ": at most " +
             llvm::Twine(mostThreads));
  return ExitUsage;
}

CompilerOptions attnc::compilerOptions(const SpecOptions &options) {
  CompilerOptions compiler;
  compiler.producer = "attnc " ATTNC_VERSION;
  compiler.micro = options.micro;
  compiler.producers = options.producers;
  compiler.schedule = options.schedule;
  compiler.countPairs = options.countPairs;
  // Launches of several targets must agree.
  compiler.useTuned = options.useTuned && options.targets.size() <= 1;
  compiler.tunedShapes = options.tunedShapes;
  if (!options.llvmPasses.empty())
    compiler.backend.passes = compiler.backend.gpuPasses = options.llvmPasses;
  compiler.backend.level =
      static_cast<llvm::CodeGenOptLevel>(std::min(options.llvmLevel, 3u));
  return compiler;
}

std::string attnc::shapeClass(const Signature &signature,
                              ArrayRef<std::vector<int64_t>> shapes) {
  std::string text;
  for (auto [number, argument] : llvm::enumerate(signature.inputs)) {
    if (number >= shapes.size())
      return "";
    std::vector<int64_t> sizes = shapes[number];
    if (sizes.size() != argument.dims.size())
      return "";
    for (auto [size, declared] : llvm::zip(sizes, argument.dims)) {
      if (size < 0)
        return "";
      if (declared < 0)
        size = static_cast<int64_t>(
            llvm::PowerOf2Ceil(static_cast<uint64_t>(size)));
    }
    text += (number ? "," : "") + shapeText(sizes);
  }
  return text;
}

void attnc::noteTuned(const CompileReport &report) {
  if (report.tuned)
    llvm::errs() << "attnc: schedule '" << report.tuned->schedule.fields
                 << "' found by attnc tune, kept in " << report.tuned->path
                 << " (--no-tuned leaves it out)\n";
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

/// Compiles for a GPU and loads the kernel there.
static FailureOr<Kernel> compileForDevice(ModuleOp module,
                                          const SpecOptions &options,
                                          const Target &target,
                                          CompileReport &report) {
  auto device = Device::open(options.device, options.deviceSeed);
  if (!device)
    return mlir::emitError(module.getLoc())
           << llvm::toString(device.takeError());
  if (!target.isGpu())
    return mlir::emitError(module.getLoc())
           << target.name << " is no GPU, and --device=" << options.device
           << " runs code for GPUs";
  CompilerOptions own = compilerOptions(options);
  // The executor reads PTX, and the driver has an assembler of its own.
  own.ptxOnly =
      (*device)->isSimulator() || !llvm::expectedToOptional(gpu::findPtxas());
  Compiler compiler(own);
  FailureOr<KernelDesc> kernel = compiler.compile(module, target);
  if (failed(kernel))
    return failure();
  std::string problem;
  auto bytes = writeKernel(*kernel, problem);
  if (!bytes)
    return mlir::emitError(module.getLoc()) << problem;
  llvm::Expected<Kernel> loaded = Kernel::loadBytes(*bytes, *device);
  if (!loaded)
    return mlir::emitError(module.getLoc())
           << llvm::toString(loaded.takeError());
  report.add(compiler);
  return std::move(*loaded);
}

FailureOr<Kernel> attnc::compileInProcess(Spec &spec,
                                          const SpecOptions &options,
                                          const Target &target,
                                          CompileReport &report) {
  OwningOpRef<ModuleOp> module = isolateFunction(spec);
  if (options.device != "cpu")
    return compileForDevice(*module, options, target, report);
  if (target.isGpu())
    return mlir::emitError(module->getLoc())
           << target.name
           << " is a GPU: --device=cuda runs it, or "
              "--device=ptx-sim";
  Compiler compiler(compilerOptions(options));
  FailureOr<KernelHandle> kernel = compiler.jit(*module, target);
  if (failed(kernel))
    return failure();
  report.add(compiler);
  return Kernel(kernel->release());
}
