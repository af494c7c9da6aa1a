// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc: runs, compiles and explains attention specs. This file is the command
// line; each subcommand has a file of its own.

#include "tools/attnc/Engine.h"
#include "tools/attnc/Options.h"
#include "tools/attnc/Spec.h"
#include "tools/attnc/TuneArguments.h"
#include "tools/support/Terminal.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"

using namespace attnc;
namespace cl = llvm::cl;

static constexpr llvm::StringLiteral helpText =
    R"(attnc compiles attention: a spec in MLIR becomes a kernel that runs near the
machine's limit, and every step in between can be looked at.

usage: attnc <command> [options]

  run      run a spec or a kernel file on arrays, check it, time it
  compile  write a kernel file, or the IR or code of any stage
  explain  say what a spec means, what it costs and how it is scheduled
  tune     measure schedules of a spec and keep the best for later compiles
  ptx-sim  run a GPU kernel's PTX on the CPU and look for what is wrong with it
  help     this text, or 'attnc help <command>' for a command's options

  attnc run spec.mlir --input q=q.npy --input k=k.npy --input v=v.npy --output o.npy
  attnc run spec.mlir --shape q=1x8x4096x64 --check --timing
  attnc compile spec.mlir -o kernel.attnc
  attnc explain spec.mlir --shape q=1x8x4096x64
  attnc explain spec.mlir --shape q=1x8x4096x64 --view=mask.html
  attnc ptx-sim kernel.ptx --grid 4,2 --shared 49152 --arg in:q.npy --arg i32:512

exit codes: 0 fine, 1 error in the input or while compiling or running,
            2 wrong usage, 3 --check failed or ptx-sim found something
)";

static void printVersion(llvm::raw_ostream &os) {
  os << "attnc " ATTNC_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
}

namespace {

/// Options that every subcommand with a spec has.
struct SpecArguments {
  SpecArguments(cl::SubCommand &sub, cl::OptionCategory &category,
                const char *what)
      : path(cl::Positional, cl::Required, cl::desc(what), cl::sub(sub),
             cl::cat(category)),
        function("function",
                 cl::desc("The function to take, if the file has "
                          "several"),
                 cl::value_desc("name"), cl::sub(sub), cl::cat(category)),
        targets("target",
                cl::desc("Machine to compile for: native, x86-64, x86-64-v2, "
                         "x86-64-v3, x86-64-v4, x86-64-v4+avx512bf16, or a "
                         "GPU: sm_75 to sm_121a"),
                cl::value_desc("name,..."), cl::CommaSeparated, cl::sub(sub),
                cl::cat(category)),
        micro("micro",
              cl::desc("Micro-kernel: auto, block, row, or on GPUs mma"),
              cl::value_desc("kind"), cl::init("auto"), cl::sub(sub),
              cl::cat(category)),
        producers("producers",
                  cl::desc("What computes q, k and v: auto, fuse or "
                           "materialize"),
                  cl::value_desc("how"), cl::init("auto"), cl::sub(sub),
                  cl::cat(category)),
        schedule("schedule",
                 cl::desc("Fields of the schedule to set; the others are "
                          "chosen"),
                 cl::value_desc("query_tile = 48, ..."), cl::sub(sub),
                 cl::cat(category)),
        noTuned("no-tuned", cl::desc("Leave out what attnc tune has kept"),
                cl::sub(sub), cl::cat(category)),
        llvmPasses("llvm-passes", cl::desc("LLVM's IR passes, to measure them"),
                   cl::value_desc("pipeline"), cl::Hidden, cl::sub(sub),
                   cl::cat(category)),
        llvmLevel("llvm-level",
                  cl::desc("LLVM's level of code generation, 0 to 3"),
                  cl::init(2), cl::Hidden, cl::sub(sub), cl::cat(category)) {}

  cl::opt<std::string> path, function;
  cl::list<std::string> targets;
  cl::opt<std::string> micro, producers, schedule;
  cl::opt<bool> noTuned;
  cl::opt<std::string> llvmPasses;
  cl::opt<unsigned> llvmLevel;

  SpecOptions get() {
    SpecOptions options;
    options.path = path;
    options.function = function;
    options.targets = targets;
    options.micro = micro;
    options.producers = producers;
    options.schedule = schedule;
    options.useTuned = !noTuned;
    options.llvmPasses = llvmPasses;
    options.llvmLevel = llvmLevel;
    return options;
  }
};

struct RunArguments {
  cl::SubCommand sub{"run", "Run a spec or a kernel file on arrays"};
  cl::OptionCategory category{"Options of run"};
  SpecArguments spec{sub, category, "<spec.mlir | kernel.attnc>"};
  cl::list<std::string> positional{cl::Positional, cl::desc("[array.npy ...]"),
                                   cl::sub(sub), cl::cat(category)};
  cl::list<std::string> inputs{
      "input",
      cl::desc("An argument's array; those without a name come in order, those "
               "not given are random"),
      cl::value_desc("[name=]file.npy"), cl::sub(sub), cl::cat(category)};
  cl::list<std::string> outputs{
      "output", cl::desc("Where a result goes (bf16 as NumPy's V2)"),
      cl::value_desc("[name=]file.npy"), cl::sub(sub), cl::cat(category)};
  cl::alias outputAlias{"o", cl::desc("Short for --output"),
                        cl::aliasopt(outputs), cl::cat(category)};
  cl::list<std::string> shapes{
      "shape", cl::desc("Sizes of an argument that has no file"),
      cl::value_desc("name=1x8x64x32"), cl::sub(sub), cl::cat(category)};
  cl::opt<uint64_t> seed{"seed",
                         cl::desc("Of random arguments (default 0)"),
                         cl::value_desc("number"),
                         cl::init(0),
                         cl::sub(sub),
                         cl::cat(category)};
  cl::opt<bool> convert{
      "convert", cl::desc("Convert arrays to the element types of the spec"),
      cl::sub(sub), cl::cat(category)};
  cl::opt<std::string> device{
      "device",
      cl::desc(
          "Where to run: cpu, cuda, cuda:N, or ptx-sim, which runs a GPU's "
          "PTX on the CPU and looks for what is wrong with it"),
      cl::value_desc("name"),
      cl::init("cpu"),
      cl::sub(sub),
      cl::cat(category)};
  cl::opt<bool> check{"check",
                      cl::desc("Compare with an fp64 evaluation of the spec"),
                      cl::sub(sub), cl::cat(category)};
  cl::opt<bool> count{
      "count",
      cl::desc("Count the pairs that the kernel computes, by compiling it once "
               "more"),
      cl::sub(sub), cl::cat(category)};
  cl::opt<int> stage{
      "stage",
      cl::desc("Evaluate the IR of stage 1 to 4 in fp64 instead of running "
               "code (5)"),
      cl::value_desc("1..5"),
      cl::init(5),
      cl::sub(sub),
      cl::cat(category)};
  cl::opt<unsigned> threads{"threads",
                            cl::desc("Threads (default: all CPUs)"),
                            cl::value_desc("number"),
                            cl::init(0),
                            cl::sub(sub),
                            cl::cat(category)};
  cl::opt<std::string> timing{
      "timing",
      cl::desc("Measure speed and memory; =json for one line of JSON"),
      cl::value_desc("text|json"),
      cl::ValueOptional,
      cl::init("none"),
      cl::sub(sub),
      cl::cat(category)};
  cl::opt<unsigned> repeat{
      "repeat",
      cl::desc("Timed runs (default: about a second's worth)"),
      cl::value_desc("number"),
      cl::init(0),
      cl::sub(sub),
      cl::cat(category)};

  int run();
};

struct CompileArguments {
  cl::SubCommand sub{"compile", "Write a kernel file, or the IR or code of a "
                                "stage"};
  cl::OptionCategory category{"Options of compile"};
  SpecArguments spec{sub, category, "<spec.mlir>"};
  cl::opt<std::string> emit{
      "emit",
      cl::desc(
          "stage2, stage3, stage4, stage5, llvm, asm, object, for GPUs ptx "
          "or cubin, or kernel (the default where the output ends with "
          ".attnc)"),
      cl::value_desc("what"), cl::sub(sub), cl::cat(category)};
  cl::opt<std::string> output{
      "o", cl::desc("Output file (default: stdout, for text)"),
      cl::value_desc("file"), cl::sub(sub), cl::cat(category)};
  cl::alias outputAlias{"output", cl::desc("Long for -o"), cl::aliasopt(output),
                        cl::cat(category)};
  cl::opt<std::string> timing{
      "timing",
      cl::desc("Print the time of each phase and the bytes of code; =json for "
               "one line of JSON"),
      cl::value_desc("text|json"),
      cl::ValueOptional,
      cl::init("none"),
      cl::sub(sub),
      cl::cat(category)};

  int run();
};

struct ExplainArguments {
  cl::SubCommand sub{"explain", "Say what a spec means, costs and becomes"};
  cl::OptionCategory category{"Options of explain"};
  SpecArguments spec{sub, category, "<spec.mlir>"};
  cl::list<std::string> shapes{
      "shape", cl::desc("Sizes of an argument, for numbers beside formulas"),
      cl::value_desc("name=1x8x64x32"), cl::sub(sub), cl::cat(category)};
  cl::opt<unsigned> threads{
      "threads",
      cl::desc("Threads of the prediction (default: all CPUs)"),
      cl::value_desc("number"),
      cl::init(0),
      cl::sub(sub),
      cl::cat(category)};
  cl::opt<bool> measure{
      "measure",
      cl::desc("Measure this machine for the prediction (default; "
               "--measure=false leaves it out)"),
      cl::init(true), cl::sub(sub), cl::cat(category)};
  cl::opt<std::string> view{
      "view",
      cl::desc("Draw the pair set instead: here, or as a page for a browser"),
      cl::value_desc("ascii|file.html"),
      cl::ValueOptional,
      cl::sub(sub),
      cl::cat(category)};
  cl::list<std::string> inputs{"input",
                               cl::desc("An argument's array, for --view and "
                                        "counts; pair sets read few of them"),
                               cl::value_desc("[name=]file.npy"), cl::sub(sub),
                               cl::cat(category)};
  cl::opt<uint64_t> seed{"seed",
                         cl::desc("Of random arguments, for --view"),
                         cl::value_desc("number"),
                         cl::init(0),
                         cl::sub(sub),
                         cl::cat(category)};

  int run();
};

struct PtxSimArguments {
  cl::SubCommand sub{"ptx-sim", "Run a GPU kernel's PTX on the CPU"};
  cl::OptionCategory category{"Options of ptx-sim"};
  cl::opt<std::string> path{cl::Positional, cl::Required,
                            cl::desc("<kernel.ptx>"), cl::sub(sub),
                            cl::cat(category)};
  cl::opt<std::string> entry{
      "entry", cl::desc("The entry function, if the file has several"),
      cl::value_desc("name"), cl::sub(sub), cl::cat(category)};
  cl::opt<std::string> grid{"grid",
                            cl::desc("Blocks (default 1)"),
                            cl::value_desc("x,y,z"),
                            cl::init("1"),
                            cl::sub(sub),
                            cl::cat(category)};
  cl::opt<std::string> block{
      "block", cl::desc("Threads of a block (default: what .reqntid says)"),
      cl::value_desc("x,y,z"), cl::sub(sub), cl::cat(category)};
  cl::opt<unsigned> shared{"shared",
                           cl::desc("Bytes of dynamic shared memory"),
                           cl::value_desc("bytes"),
                           cl::init(0),
                           cl::sub(sub),
                           cl::cat(category)};
  cl::list<std::string> arguments{
      "arg",
      cl::desc("A parameter, in order: i32:N i64:N f32:X f64:X, null, bytes:N, "
               "in:FILE.npy, out:FILE.npy:f16[2x64], inout:FILE.npy:FILE.npy, "
               "tma:in:FILE.npy,box=64x64,swizzle=128 (or %N for the array of "
               "parameter N)"),
      cl::value_desc("kind:value"), cl::sub(sub), cl::cat(category)};
  cl::opt<uint64_t> seed{"seed",
                         cl::desc("Of the order of warps (default 0)"),
                         cl::value_desc("number"),
                         cl::init(0),
                         cl::sub(sub),
                         cl::cat(category)};
  cl::opt<bool> races{
      "race",
      cl::desc("Look for races, early reads of asynchronous copies and missing "
               "fences (default; --race=false leaves it out)"),
      cl::init(true), cl::sub(sub), cl::cat(category)};
  cl::opt<bool> banks{
      "bank",
      cl::desc("Count bank conflicts of shared memory (default; "
               "--bank=false leaves it out)"),
      cl::init(true), cl::sub(sub), cl::cat(category)};
  cl::opt<unsigned> bankLines{
      "bank-lines",
      cl::desc("Lines of bank conflicts to list (default 5)"),
      cl::value_desc("number"),
      cl::init(5),
      cl::sub(sub),
      cl::cat(category)};
  cl::opt<bool> uninitialized{
      "uninitialized",
      cl::desc("Report reads of shared memory that nobody has written"),
      cl::sub(sub), cl::cat(category)};
  cl::opt<uint64_t> limit{"limit",
                          cl::desc("Warp instructions after which to give up"),
                          cl::value_desc("number"),
                          cl::init(0),
                          cl::sub(sub),
                          cl::cat(category)};

  int run() {
    return ptxSimCommand({path, entry, grid, block, shared, arguments, seed,
                          races, banks, uninitialized, bankLines, limit});
  }
};

} // namespace

/// The value of --timing; returns an exit code.
static int timingFormat(const cl::opt<std::string> &option,
                        TimingFormat &format) {
  if (option.getNumOccurrences() == 0)
    format = TimingFormat::None;
  else if (option == "json")
    format = TimingFormat::Json;
  else if (option.empty() || option == "text")
    format = TimingFormat::Text;
  else {
    printError("--timing=" + option + ": 'text' or 'json' expected");
    return ExitUsage;
  }
  return ExitOk;
}

int CompileArguments::run() {
  CompileOptions options;
  options.spec = spec.get();
  options.emit = emit;
  options.output = output;
  if (int code = timingFormat(timing, options.timing))
    return code;
  return compileCommand(options);
}

int ExplainArguments::run() {
  ExplainOptions options;
  options.spec = spec.get();
  options.shapes = shapes;
  options.threads = threads;
  options.measure = measure;
  options.inputs = inputs;
  options.seed = seed;
  if (view.getNumOccurrences())
    options.view = view;
  else if (inputs.empty() && seed.getNumOccurrences()) {
    printError("--seed of explain is for --view and beside --input");
    return ExitUsage;
  }
  return explainCommand(options);
}

int RunArguments::run() {
  RunOptions options;
  options.spec = spec.get();
  options.inputs.files = inputs;
  options.inputs.files.insert(options.inputs.files.end(), positional.begin(),
                              positional.end());
  options.inputs.shapes = shapes;
  options.inputs.seed = seed;
  options.spec.device = device;
  options.spec.deviceSeed = seed;
  options.inputs.convert = convert;
  options.outputs = outputs;
  options.check = check;
  options.count = count;
  options.stage = stage;
  options.threads = threads;
  options.repeat = repeat;
  if (int code = timingFormat(timing, options.timing))
    return code;
  if (!Device::isName(device)) {
    printError("--device=" + device +
               ": cpu, cuda, cuda:N or ptx-sim expected");
    return ExitUsage;
  }
  if (stage < 1 || stage > 5) {
    printError("--stage=" + llvm::Twine(stage) + ": 1 to 5 expected");
    return ExitUsage;
  }
  if (int code = checkThreads(threads))
    return code;
  return runCommand(options);
}

/// The text of 'attnc help' and of 'attnc' with --help or -h before a command.
static bool isTopLevelHelp(int argc, char **argv) {
  llvm::StringRef first = argc > 1 ? argv[1] : "";
  return first == "--help" || first == "-h" || first == "-help" ||
         (first == "help" && argc == 2);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  setColorPolicy();
  if (argc == 1) {
    llvm::errs() << helpText;
    return ExitUsage;
  }
  if (isTopLevelHelp(argc, argv)) {
    llvm::outs() << helpText;
    return ExitOk;
  }
  // 'attnc help run' is 'attnc run --help'.
  std::vector<const char *> arguments(argv, argv + argc);
  if (llvm::StringRef(argv[1]) == "help")
    arguments = {argv[0], argv[2], "--help"};

  RunArguments run;
  CompileArguments compile;
  ExplainArguments explain;
  TuneArguments tune;
  PtxSimArguments ptxSim;
  cl::HideUnrelatedOptions(run.category, run.sub);
  cl::HideUnrelatedOptions(compile.category, compile.sub);
  cl::HideUnrelatedOptions(explain.category, explain.sub);
  cl::HideUnrelatedOptions(tune.category, tune.sub);
  cl::SetVersionPrinter(printVersion);
  if (!cl::ParseCommandLineOptions(static_cast<int>(arguments.size()),
                                   arguments.data(), "attnc\n", &llvm::errs(),
                                   /*VFS=*/nullptr, /*EnvVar=*/nullptr,
                                   /*LongOptionsUseDoubleDash=*/false))
    return ExitUsage;
  if (run.sub)
    return run.run();
  if (compile.sub)
    return compile.run();
  if (explain.sub)
    return explain.run();
  if (tune.sub)
    return tune.run();
  if (ptxSim.sub)
    return ptxSim.run();
  llvm::errs() << helpText;
  return ExitUsage;
}
