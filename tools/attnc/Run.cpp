// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc run: arrays in, results out, checked and timed if wanted.

#include "tools/attnc/Check.h"
#include "tools/attnc/Count.h"
#include "tools/attnc/Engine.h"
#include "tools/attnc/Inputs.h"
#include "tools/attnc/Reference.h"
#include "tools/support/Files.h"
#include "tools/support/Npy.h"
#include "llvm/Support/Format.h"

#include <chrono>
#include <cmath>

using namespace attnc;
using namespace mlir;

namespace {

/// One run, step by step. Each step prints its errors and returns an exit code.
class Runner {
public:
  explicit Runner(const RunOptions &options) : options(options) {}

  int run();

private:
  int loadKernelFile();
  int loadSpec();
  int openOutputs();
  int makeOutputs();
  int evaluateStage();
  int compile();
  int launch();
  int writeOutputs();
  void printOutputs();
  int report();

  const RunOptions &options;
  std::unique_ptr<MLIRContext> context = createContext();
  std::unique_ptr<Spec> spec; // null for a kernel file that carries none
  std::optional<Kernel> kernel;
  Signature signature;
  CompileReport compileReport;
  Inputs inputs;
  std::vector<Tensor> outputs;
  std::vector<std::optional<OutputFile>> files;
  std::optional<Timing> timing;
};

} // namespace

static int fail(llvm::Error error) {
  printError(std::move(error));
  return ExitError;
}

int Runner::run() {
  if (int code = checkScheduleOptions(options.spec))
    return code;
  bool isFile = isKernelFile(options.spec.path);
  if (int code = isFile ? loadKernelFile() : loadSpec())
    return code;
  if (int code = openOutputs())
    return code;
  if (int code = resolveInputs(signature, spec.get(), options.inputs, inputs))
    return code;
  if (int code = makeOutputs())
    return code;
  if (options.stage == 5 && !kernel)
    if (int code = compile())
      return code;
  if (int code = options.stage < 5 ? evaluateStage() : launch())
    return code;
  if (int code = writeOutputs())
    return code;
  if (options.timing != TimingFormat::Json)
    printOutputs();
  return report();
}

//===----------------------------------------------------------------------===//
// What to run
//===----------------------------------------------------------------------===//

int Runner::loadKernelFile() {
  const SpecOptions &wanted = options.spec;
  if (wanted.targets.size() > 1 || wanted.micro != "auto" ||
      wanted.producers != "auto" || !wanted.schedule.empty() ||
      options.stage != 5) {
    printError(wanted.path + ": a kernel file is compiled already; --micro, "
                             "--producers, --schedule, --stage and several "
                             "--target are for specs");
    return ExitUsage;
  }
  auto device = Device::open(wanted.device, wanted.deviceSeed);
  if (!device)
    return fail(device.takeError());
  llvm::Expected<Kernel> loaded = Kernel::load(
      wanted.path, wanted.targets.empty() ? "" : wanted.targets.front(),
      *device);
  if (!loaded)
    return fail(loaded.takeError());
  kernel = std::move(*loaded);
  signature = kernel->getSignature();
  if (!wanted.function.empty() && wanted.function != signature.name) {
    printError(wanted.path + ": it holds '" + signature.name + "', not '" +
               wanted.function + "'");
    return ExitError;
  }
  StringRef text = kernel->getMetadata("spec");
  if (text.empty())
    return ExitOk;
  spec = Spec::parse(
      *context,
      llvm::MemoryBuffer::getMemBufferCopy(text, wanted.path + " (spec)"),
      signature.name);
  return spec ? ExitOk : ExitError;
}

int Runner::loadSpec() {
  if (options.spec.targets.size() > 1) {
    printError("--target: run takes one");
    return ExitUsage;
  }
  auto start = std::chrono::steady_clock::now();
  spec = Spec::load(*context, options.spec.path, options.spec.function);
  if (!spec)
    return ExitError;
  std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  compileReport.phases.push_back({"parse", elapsed.count()});
  if (spec->getFunction()) {
    signature = spec->getSignature();
    return ExitOk;
  }
  // Stage 5: only compiling tells its arguments, and nothing can check it.
  if (options.stage != 5) {
    printError(options.spec.path + ": it is at stage 5 already");
    return ExitError;
  }
  if (int code = compile())
    return code;
  signature = kernel->getSignature();
  spec.reset();
  return ExitOk;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

/// Before anything slow: a result that cannot be kept is not worth computing.
int Runner::openOutputs() {
  std::vector<std::optional<std::string>> paths;
  if (int code =
          assignByName(signature.outputs, options.outputs, "--output", paths))
    return code;
  for (const std::optional<std::string> &path : paths) {
    files.emplace_back();
    if (!path)
      continue;
    if (llvm::count(paths, path) > 1) {
      printError("--output " + *path + ": two results in one file");
      return ExitUsage;
    }
    llvm::Expected<OutputFile> file = OutputFile::open(*path);
    if (!file)
      return fail(file.takeError());
    files.back().emplace(std::move(*file));
  }
  return ExitOk;
}

int Runner::makeOutputs() {
  for (auto [argument, shape] :
       llvm::zip(signature.outputs, inputs.outputShapes)) {
    llvm::Expected<Tensor> tensor =
        argument.updates ? inputs.inputs[*argument.updates].copy()
                         : Tensor::create(argument.dtype, shape);
    if (!tensor)
      return fail(llvm::createStringError(
          "'" + argument.name + "': " + llvm::toString(tensor.takeError())));
    outputs.push_back(std::move(*tensor));
  }
  return ExitOk;
}

int Runner::writeOutputs() {
  for (auto [file, tensor] : llvm::zip(files, outputs)) {
    if (!file)
      continue;
    if (tensor.dtype == ATTNC_DTYPE_BF16 && options.inputs.convert) {
      llvm::Expected<Tensor> wide = convertTensor(tensor, ATTNC_DTYPE_F32);
      if (!wide)
        return fail(wide.takeError());
      writeNpy(file->os(), *wide);
    } else {
      writeNpy(file->os(), tensor);
    }
    if (llvm::Error error = file->commit())
      return fail(std::move(error));
  }
  return ExitOk;
}

void Runner::printOutputs() {
  for (auto [argument, tensor] : llvm::zip(signature.outputs, outputs)) {
    double low = INFINITY, high = -INFINITY, sum = 0;
    int64_t finite = 0, size = tensor.getNumElements();
    for (int64_t i = 0; i < size; ++i) {
      double value = tensor.getNumber(i);
      if (!std::isfinite(value))
        continue;
      low = std::min(low, value), high = std::max(high, value);
      sum += value;
      ++finite;
    }
    llvm::outs() << argument.name << " = "
                 << typeText(tensor.dtype, tensor.shape);
    if (finite)
      llvm::outs() << llvm::format(": %g to %g, mean %g", low, high,
                                   sum / static_cast<double>(finite));
    if (finite < size)
      llvm::outs() << ", " << size - finite << " not finite";
    llvm::outs() << '\n';
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

int Runner::evaluateStage() {
  std::vector<Target> targets;
  if (int code = chooseTargets(options.spec, targets))
    return code;
  OwningOpRef<ModuleOp> module = isolateFunction(*spec);
  if (options.stage > 1) {
    Compiler compiler(compilerOptions(options.spec));
    auto stage = static_cast<Stage>(options.stage - 1);
    auto lowered = compiler.lowerTo(stage, *module, targets.front());
    if (failed(lowered))
      return ExitError;
    module = std::move(*lowered);
  }
  auto function =
      module->lookupSymbol<func::FuncOp>(spec->getFunction().getName());
  SmallVector<HostTensor> args;
  for (auto [argument, tensor] :
       llvm::zip(function.getArguments(), inputs.inputs))
    args.push_back(toHostTensor(argument.getType(), tensor));
  FailureOr<SmallVector<HostTensor>> results = evaluate(function, args);
  if (failed(results))
    return ExitError;
  for (auto [output, result] : llvm::zip(outputs, *results)) {
    llvm::Expected<Tensor> tensor = fromHostTensor(result);
    if (!tensor)
      return fail(tensor.takeError());
    output = std::move(*tensor);
  }
  return ExitOk;
}

int Runner::compile() {
  std::vector<Target> targets;
  if (int code = chooseTargets(options.spec, targets))
    return code;
  SpecOptions own = options.spec;
  own.tunedShapes = shapeClass(signature, inputs.inputShapes);
  FailureOr<Kernel> compiled =
      compileInProcess(*spec, own, targets.front(), compileReport);
  if (failed(compiled))
    return ExitError;
  noteTuned(compileReport);
  kernel = std::move(*compiled);
  return ExitOk;
}

int Runner::launch() {
  llvm::Expected<Timing> result =
      timeKernel(*kernel, signature, inputs.inputs, outputs, options);
  if (!result)
    return fail(result.takeError());
  timing = std::move(*result);
  timing->compile = compileReport;
  return ExitOk;
}

/// --timing and --check, whose verdict is the exit code.
int Runner::report() {
  if (options.timing != TimingFormat::None && timing) {
    std::optional<PairWork> work;
    // Shares of a peak are of this machine's.
    if (spec && options.spec.device == "cpu")
      work = countWork(*spec, inputs.inputs);
    bool isDouble = llvm::any_of(inputs.inputs, [](const Tensor &input) {
      return input.dtype == ATTNC_DTYPE_F64;
    });
    printTiming(*timing, work ? &*work : nullptr, isDouble, options.timing,
                llvm::outs());
  } else if (options.timing != TimingFormat::None) {
    llvm::errs() << "attnc: no timing: stages 1 to 4 are evaluated, not run\n";
  }
  if (std::string seen = kernel ? kernel->getObservations() : ""; !seen.empty())
    llvm::errs() << "attnc: " << options.spec.device << ": " << seen << '\n';
  if (options.count) {
    if (!spec || options.stage != 5) {
      printError(options.spec.path + ": --count needs a spec and code to run");
      return ExitError;
    }
    if (int code = countComputedPairs(
            *spec, options.spec, inputs.inputs, outputs, options.threads,
            options.timing == TimingFormat::Json ? llvm::errs() : llvm::outs()))
      return code;
  }
  if (!options.check)
    return ExitOk;
  if (!spec) {
    printError(options.spec.path + ": --check needs a spec, and this kernel "
                                   "file carries none");
    return ExitError;
  }
  // JSON is for programs: it stays alone on stdout.
  return checkResults(*spec, inputs.inputs, outputs,
                      options.timing == TimingFormat::Json ? llvm::errs()
                                                           : llvm::outs());
}

int attnc::runCommand(const RunOptions &options) {
  return Runner(options).run();
}
