// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Drives the stages and takes their times.

#include "codegen/Compiler.h"

#include "codegen/cpu/LowerToLoops.h"
#include "codegen/gpu/ChipCheck.h"
#include "codegen/gpu/GpuImage.h"
#include "codegen/gpu/Ptxas.h"
#include "codegen/llvm/FlatImage.h"
#include "codegen/llvm/LaunchWrapper.h"
#include "codegen/llvm/LowerToLLVM.h"
#include "codegen/llvm/Stage5.h"
#include "dialect/Attn.h"
#include "passes/Pipeline.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

#include <chrono>

using namespace mlir;
using namespace attnc;

static constexpr llvm::StringLiteral kStageNames[] = {
    "stage2", "stage3", "stage4", "stage5", "llvm",
    "asm",    "object", "ptx",    "cubin",  "kernel"};

std::optional<Stage> attnc::parseStage(StringRef name) {
  for (auto [i, known] : llvm::enumerate(kStageNames))
    if (name == known)
      return static_cast<Stage>(i + 1);
  return std::nullopt;
}

StringRef attnc::stageName(Stage stage) {
  if (stage == Stage::Spec)
    return "spec";
  return kStageNames[static_cast<int>(stage) - 1];
}

ArrayRef<llvm::StringLiteral> attnc::stageNames() { return kStageNames; }

namespace {
/// Adds the time it lives to a phase.
class PhaseTimer {
public:
  explicit PhaseTimer(double &seconds)
      : seconds(seconds), start(std::chrono::steady_clock::now()) {}
  ~PhaseTimer() {
    seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
  }

private:
  double &seconds;
  std::chrono::steady_clock::time_point start;
};
} // namespace

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

FailureOr<Stage> Compiler::detectStage(ModuleOp module) {
  if (isStage5(module))
    return Stage::Stage5;
  std::optional<Stage> stage;
  auto atLeast = [&](Stage found) {
    stage = stage ? std::max(*stage, found) : found;
  };
  module.walk([&](Operation *op) {
    if (isa<attn::FoldOp, attn::RowsOp>(op))
      atLeast(Stage::Stage4);
    else if (isa<attn::AppendOp>(op))
      atLeast(Stage::Spec);
    else if (auto attention = dyn_cast<attn::AttentionOp>(op))
      atLeast(attention.getSchedule() ? Stage::Stage3 : Stage::Spec);
  });
  if (!stage)
    return module.emitError("there is no attention here: neither attn "
                            "operations nor a stage-5 kernel");
  return *stage;
}

LogicalResult Compiler::runPasses(Stage stage, ModuleOp module,
                                  const Target &target, StringRef schedule,
                                  StringRef scheduleFrom) {
  PassManager passes(module.getContext());
  passes.enableVerifier(options.verifyEachPass);
  PipelineOptions pipeline;
  pipeline.machine = target.machineModel();
  pipeline.micro = options.micro;
  pipeline.producers = options.producers;
  pipeline.schedule = schedule.str();
  pipeline.scheduleFrom = scheduleFrom.str();
  pipeline.countPairs = options.countPairs;
  if (stage == Stage::Stage2)
    buildStage2Pipeline(passes);
  else if (stage == Stage::Stage3)
    buildStage3Pipeline(passes, pipeline);
  else
    buildStage4Pipeline(passes, pipeline);
  if (failed(passes.run(module)))
    return failure();
  return mlir::verify(module);
}

FailureOr<TuneKey> Compiler::tuneKey(ModuleOp input, const Target &target) {
  OwningOpRef<ModuleOp> module(input.clone());
  if (failed(runPasses(Stage::Stage2, *module, target, "", "")))
    return failure();
  // How arguments are called changes no kernel.
  module->walk([](func::FuncOp func) {
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      func.removeArgAttr(i, "attn.name");
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      func.removeResultAttr(i, StringAttr::get(func.getContext(), "attn.name"));
  });
  TuneKey key;
  key.version = options.producer;
  key.target = target.name + " " + llvm::join(target.features, ",");
  llvm::raw_string_ostream stream(key.spec);
  module->print(stream);
  return key;
}

/// Success if a kept schedule was found and `module` is at `stage` by it;
/// otherwise the module is as it was.
LogicalResult Compiler::runTuned(Stage stage, ModuleOp module,
                                 const Target &target) {
  TunedSchedules kept(TunedSchedules::defaultDirectory());
  if (TunedSchedules::isDisabled() || !kept.exists())
    return failure();
  std::optional<TunedSchedule> found;
  std::string path, reason;
  OwningOpRef<ModuleOp> attempt;
  {
    ScopedDiagnosticHandler collect(
        module.getContext(), [&](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
            reason = diagnostic.str();
          return success();
        });
    FailureOr<TuneKey> key = tuneKey(module, target);
    if (failed(key))
      return failure(); // compiling says why
    path = kept.pathOf(*key);
    llvm::Expected<std::optional<TunedSchedule>> search =
        kept.find(*key, options.tunedShapes);
    if (!search)
      reason = llvm::toString(search.takeError());
    else if (!(found = std::move(*search)))
      return failure();
    attempt = module.clone();
    if (found && succeeded(runPasses(stage, *attempt, target, found->fields,
                                     "found by attnc tune"))) {
      module.getBodyRegion().takeBody(attempt->getBodyRegion());
      tuned = UsedSchedule{*found, path};
      return success();
    }
  }
  module.emitWarning() << "a kept schedule is not used: " << reason
                       << " ('attnc tune --reset' removes it)";
  return failure();
}

LogicalResult Compiler::runPipeline(Stage stage, ModuleOp module,
                                    const Target &target) {
  PhaseTimer timer(times.passes);
  tuned.reset();
  bool asks = !options.schedule.empty() || options.micro != "auto" ||
              options.producers != "auto";
  if (options.useTuned && !asks && stage > Stage::Stage2 &&
      succeeded(runTuned(stage, module, target)))
    return success();
  return runPasses(stage, module, target, options.schedule,
                   options.scheduleFrom);
}

FailureOr<func::FuncOp> Compiler::selectFunction(ModuleOp module) {
  SmallVector<func::FuncOp> candidates;
  for (auto func : module.getOps<func::FuncOp>()) {
    if (func.getSymName() == options.function)
      return func;
    if (!func.isExternal())
      candidates.push_back(func);
  }
  if (!options.function.empty())
    return module.emitError()
           << "there is no function '" << options.function << "'";
  if (candidates.size() == 1)
    return candidates.front();
  InFlightDiagnostic error = module.emitError();
  error << "the module has " << candidates.size()
        << " functions; which one should become a kernel?";
  for (func::FuncOp func : candidates)
    error.attachNote(func.getLoc()) << "'" << func.getSymName() << "'";
  return error;
}

FailureOr<OwningOpRef<ModuleOp>> Compiler::lowerTo(Stage stage, ModuleOp input,
                                                   const Target &target) {
  FailureOr<Stage> from = detectStage(input);
  if (failed(from))
    return failure();
  if (*from > stage)
    return input.emitError() << "the module is at " << stageName(*from)
                             << " already, beyond " << stageName(stage);
  DialectRegistry registry;
  registerCodegenDialects(registry);
  MLIRContext *context = input.getContext();
  context->appendDialectRegistry(registry);
  for (StringRef dialect : registry.getDialectNames())
    context->getOrLoadDialect(dialect);

  OwningOpRef<ModuleOp> module(input.clone());
  if (*from < Stage::Stage5 &&
      failed(runPipeline(std::min(stage, Stage::Stage4), *module, target)))
    return failure();
  if (stage != Stage::Stage5)
    return module;
  PhaseTimer timer(times.stage5);
  if (*from != Stage::Stage5) {
    FailureOr<func::FuncOp> func = selectFunction(*module);
    if (failed(func))
      return failure();
    auto lowered = cpu::lowerToLoops(*func, target);
    if (failed(lowered) || failed(mlir::verify(**lowered)))
      return failure();
    module = std::move(*lowered);
  }
  if (failed(verifyStage5(*module)))
    return failure();
  return module;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

FailureOr<LLVMModule> Compiler::toLLVM(ModuleOp stage5, const Target &target) {
  {
    PhaseTimer timer(times.toLLVMDialect);
    if (failed(lowerToLLVMDialect(stage5, target)))
      return failure();
  }
  FailureOr<LLVMModule> llvm = failure();
  {
    PhaseTimer timer(times.translate);
    llvm = translateToLLVMIR(stage5, target, options.backend);
    if (failed(llvm))
      return failure();
  }
  PhaseTimer timer(times.llvmPasses);
  if (target.isGpu() && failed(gpu::checkChip(stage5, *llvm->module, target)))
    return failure();
  if (failed(runLLVMPasses(stage5, *llvm, options.backend)))
    return failure();
  return llvm;
}

FailureOr<std::string> Compiler::emit(Stage stage, ModuleOp input,
                                      const Target &target) {
  if (stage == Stage::Spec || stage == Stage::Kernel)
    return input.emitError()
           << "cannot emit " << stageName(stage) << " as text";
  bool isOfGpu = stage == Stage::Ptx || stage == Stage::Cubin;
  if (target.isGpu() ? stage == Stage::Object : isOfGpu)
    return input.emitError()
           << stageName(stage) << " is code of " << (isOfGpu ? "GPUs" : "CPUs")
           << ", and " << target.name << " is none";
  auto module = lowerTo(std::min(stage, Stage::Stage5), input, target);
  if (failed(module))
    return failure();
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (stage <= Stage::Stage5) {
    (*module)->print(stream);
    stream << "\n";
    return text;
  }
  FailureOr<LLVMModule> llvm = toLLVM(**module, target);
  if (failed(llvm))
    return failure();
  if (stage == Stage::LLVM) {
    llvm->module->print(stream, nullptr);
    return text;
  }
  return emitMachineCode(stage, **module, *llvm, target);
}

FailureOr<std::string> Compiler::emitMachineCode(Stage stage, ModuleOp module,
                                                 LLVMModule &llvm,
                                                 const Target &target) {
  bool isText = stage == Stage::Assembly || target.isGpu();
  llvm::SmallVector<char, 0> bytes;
  {
    PhaseTimer timer(times.codeGeneration);
    if (failed(emitCode(module, llvm,
                        isText ? llvm::CodeGenFileType::AssemblyFile
                               : llvm::CodeGenFileType::ObjectFile,
                        bytes)))
      return failure();
  }
  std::string code(bytes.begin(), bytes.end());
  if (stage != Stage::Cubin)
    return code;
  PhaseTimer timer(times.link);
  llvm::Expected<gpu::PtxasOutput> assembled = gpu::runPtxas(code, target.name);
  if (!assembled)
    return module.emitError() << llvm::toString(assembled.takeError());
  return std::string(assembled->cubin.begin(), assembled->cubin.end());
}

FailureOr<Compiler::Code> Compiler::toObject(ModuleOp input,
                                             const Target &target) {
  auto module = lowerTo(Stage::Stage5, input, target);
  if (failed(module))
    return failure();
  FailureOr<KernelDesc> description = buildKernelDesc(**module);
  if (failed(description))
    return failure();
  Code code;
  code.description = std::move(*description);
  code.description.producer = options.producer;
  if (target.isGpu())
    code.geometry = gpu::launchGeometry(**module);
  FailureOr<LLVMModule> llvm = toLLVM(**module, target);
  if (failed(llvm))
    return failure();
  PhaseTimer timer(times.codeGeneration);
  if (failed(emitCode(**module, *llvm,
                      target.isGpu() ? llvm::CodeGenFileType::AssemblyFile
                                     : llvm::CodeGenFileType::ObjectFile,
                      code.object)))
    return failure();
  return code;
}

static llvm::MemoryBufferRef bufferOf(ArrayRef<char> object) {
  return {StringRef(object.data(), object.size()), "kernel.o"};
}

/// Targets share one launch list; only how much scratch they want may differ.
static LogicalResult mergeLaunches(ModuleOp input, KernelDesc &kernel,
                                   const KernelDesc &other, StringRef target) {
  auto differ = [&](const Twine &what) {
    return input.emitError()
           << "the " << what << " for " << target << " differ from those for "
           << kernel.images.front().target
           << ": compile these targets into separate files";
  };
  if (kernel.launches.size() != other.launches.size())
    return differ("launches");
  if (kernel.temps.size() != other.temps.size())
    return differ("temporaries");
  for (auto [mine, theirs] : llvm::zip(kernel.temps, other.temps))
    if (!(mine.bytes == theirs.bytes))
      return differ("temporaries");
  for (auto [mine, theirs] : llvm::zip(kernel.launches, other.launches)) {
    auto sameWord = [](const WordDesc &a, const WordDesc &b) {
      return a.kind == b.kind && a.tensor == b.tensor && a.dim == b.dim &&
             a.value == b.value;
    };
    if (mine.grid != theirs.grid ||
        !std::equal(mine.words.begin(), mine.words.end(), theirs.words.begin(),
                    theirs.words.end(), sameWord))
      return differ("grids or words of launch '" + mine.name + "'");
    mine.scratchBytes = std::max(mine.scratchBytes, theirs.scratchBytes);
  }
  return success();
}

static std::vector<std::string> entryNames(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i)
    names.push_back(entryName(i));
  return names;
}

void Compiler::countCode(const Code &code, const KernelDesc &kernel,
                         const Target &target) {
  for (auto [number, launch] : llvm::enumerate(kernel.launches))
    times.code.push_back({target.name, launch.name,
                          functionBytes(bufferOf(code.object),
                                        {entryName(number), launch.name})});
}

FailureOr<KernelDesc> Compiler::compile(ModuleOp input,
                                        ArrayRef<Target> targets) {
  if (targets.empty())
    return input.emitError() << "no target to compile for";
  std::optional<KernelDesc> kernel;
  // The runtime takes the first image that the machine can run.
  SmallVector<const Target *> order;
  for (const Target &target : targets)
    order.push_back(&target);
  llvm::sort(order, [](const Target *a, const Target *b) {
    auto rank = [](const Target *t) {
      return std::tuple(t->features.size(), t->sm, t->smSuffix);
    };
    return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
  });
  for (const Target *target : order) {
    FailureOr<Code> code = toObject(input, *target);
    if (failed(code))
      return failure();
    Code made = std::move(*code);
    if (!kernel)
      kernel = std::move(made.description);
    else if (failed(
                 mergeLaunches(input, *kernel, made.description, target->name)))
      return failure();
    if (failed(addImages(input, *target, made, *kernel)))
      return failure();
  }
  return std::move(*kernel);
}

LogicalResult Compiler::addImages(ModuleOp input, const Target &target,
                                  const Code &code, KernelDesc &kernel) {
  PhaseTimer timer(times.link);
  if (!target.isGpu()) {
    llvm::Expected<ImageDesc> image = makeFlatImage(
        bufferOf(code.object), entryNames(kernel.launches.size()), target);
    if (!image)
      return input.emitError() << llvm::toString(image.takeError());
    times.codeBytes += image->code.size();
    countCode(code, kernel, target);
    kernel.images.push_back(std::move(*image));
    return success();
  }
  StringRef ptx(code.object.data(), code.object.size());
  llvm::Expected<std::vector<ImageDesc>> images =
      gpu::makeGpuImages(ptx, code.geometry, target, !options.ptxOnly);
  if (!images)
    return input.emitError() << llvm::toString(images.takeError());
  for (ImageDesc &image : *images) {
    times.codeBytes += image.code.size();
    kernel.images.push_back(std::move(image));
  }
  return success();
}

FailureOr<KernelHandle> Compiler::jit(ModuleOp input, const Target &target) {
  std::vector<std::string> missing = target.missingOnHost();
  if (!missing.empty())
    return input.emitError()
           << "this machine lacks " << llvm::join(missing, ", ") << ", which "
           << target.name << " needs";
  FailureOr<Code> code = toObject(input, target);
  if (failed(code))
    return failure();
  PhaseTimer timer(times.link);
  times.codeBytes += loadedBytes(bufferOf(code->object));
  countCode(*code, code->description, target);
  auto buffer = std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(code->object), "kernel.o", /*RequiresNullTerminator=*/false);
  llvm::Expected<KernelHandle> kernel =
      jitKernel(std::move(buffer), code->description, target);
  if (!kernel)
    return input.emitError() << llvm::toString(kernel.takeError());
  return std::move(*kernel);
}
