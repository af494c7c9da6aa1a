// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc compile: a kernel file, or the IR or code of a stage.

#include "codegen/kernelfile/KernelWriter.h"
#include "tools/attnc/Engine.h"
#include "tools/support/Files.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

#include <chrono>

using namespace attnc;
using namespace mlir;

static int usageError(const llvm::Twine &message) {
  printError(message);
  return ExitUsage;
}

/// What to emit, from --emit and the output's name.
static int chooseStage(const CompileOptions &options, Stage &stage) {
  std::string names = llvm::join(
      llvm::map_range(stageNames(), [](StringRef n) { return n.str(); }), ", ");
  std::string emit = options.emit;
  if (emit.empty()) {
    if (!StringRef(options.output).ends_with(".attnc"))
      return usageError("nothing says what to write: name the output "
                        "NAME.attnc, or give --emit= one of " +
                        names);
    emit = "kernel";
  }
  std::optional<Stage> parsed = parseStage(emit);
  if (!parsed)
    return usageError("--emit=" + emit + ": one of " + names + " expected");
  stage = *parsed;
  bool isBinary =
      stage == Stage::Object || stage == Stage::Cubin || stage == Stage::Kernel;
  if (isBinary && options.output.empty())
    return usageError("--emit=" + emit + " writes no text: give -o FILE");
  if (stage != Stage::Kernel && options.spec.targets.size() > 1)
    return usageError("several --target are for kernel files only");
  return ExitOk;
}

/// The kernel file's bytes, with the spec inside for explaining and checking.
static FailureOr<std::string> makeKernel(Spec &spec, ModuleOp module,
                                         Compiler &compiler,
                                         ArrayRef<Target> targets) {
  FailureOr<KernelDesc> kernel = compiler.compile(module, targets);
  if (failed(kernel))
    return failure();
  StringRef text = spec.getText();
  if (llvm::json::isUTF8(text) && text.size() <= ATTNC_MAX_TEXT)
    kernel->metadata.emplace_back("spec", text.str());
  std::string error;
  std::optional<std::vector<uint8_t>> bytes = writeKernel(*kernel, error);
  if (!bytes)
    return module.emitError(error);
  return std::string(bytes->begin(), bytes->end());
}

static void printReport(const CompileReport &report, TimingFormat format,
                        llvm::raw_ostream &os) {
  if (format == TimingFormat::Text) {
    report.print(os);
  } else if (format == TimingFormat::Json) {
    llvm::json::Object object;
    report.addTo(object);
    os << llvm::json::Value(std::move(object)) << '\n';
  }
}

int attnc::compileCommand(const CompileOptions &options) {
  Stage stage = Stage::Kernel;
  std::vector<Target> targets;
  if (int code = chooseStage(options, stage))
    return code;
  if (int code = checkScheduleOptions(options.spec))
    return code;
  if (int code = chooseTargets(options.spec, targets))
    return code;
  std::optional<OutputFile> file;
  if (!options.output.empty() && options.output != "-") {
    llvm::Expected<OutputFile> opened = OutputFile::open(options.output);
    if (!opened) {
      printError(opened.takeError());
      return ExitError;
    }
    file.emplace(std::move(*opened));
  }

  std::unique_ptr<MLIRContext> context = createContext();
  CompileReport report;
  auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Spec> spec =
      Spec::load(*context, options.spec.path, options.spec.function);
  if (!spec)
    return ExitError;
  std::chrono::duration<double> parsing =
      std::chrono::steady_clock::now() - start;
  report.phases.push_back({"parse", parsing.count()});
  OwningOpRef<ModuleOp> module = isolateFunction(*spec);
  Compiler compiler(compilerOptions(options.spec));
  FailureOr<std::string> text =
      stage == Stage::Kernel ? makeKernel(*spec, *module, compiler, targets)
                             : compiler.emit(stage, *module, targets.front());
  if (failed(text))
    return ExitError;
  report.add(compiler);
  noteTuned(report);
  if (file) {
    file->os() << *text;
    if (llvm::Error error = file->commit()) {
      printError(std::move(error));
      return ExitError;
    }
  } else {
    llvm::outs() << *text;
  }
  // Text on stdout stays alone there.
  printReport(report, options.timing, file ? llvm::outs() : llvm::errs());
  return ExitOk;
}
