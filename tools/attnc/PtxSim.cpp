// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc ptx-sim: a kernel's PTX, run on the CPU by a machine that looks for
// what is wrong with it.

#include "tools/attnc/Options.h"
#include "tools/attnc/PtxArguments.h"
#include "tools/attnc/Spec.h"
#include "tools/support/Terminal.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

#include <chrono>

using namespace attnc;
using llvm::StringRef;
using llvm::Twine;

/// "4", "4,2" or "4,2,1"
static bool parseDim3(StringRef text, ptx::Dim3 &dims) {
  uint32_t *out[] = {&dims.x, &dims.y, &dims.z};
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  if (parts.size() > 3)
    return false;
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i].getAsInteger(10, *out[i]))
      return false;
  return true;
}

static void printAt(const PtxSimOptions &options, unsigned line,
                    llvm::raw_ostream &os) {
  os << options.path << ':';
  if (line)
    os << line << ':';
  os << ' ';
}

static void printFindings(const PtxSimOptions &options,
                          const ptx::LaunchResult &result) {
  for (const ptx::Finding &finding : result.findings) {
    printAt(options, finding.line, llvm::errs());
    llvm::WithColor::warning(llvm::errs())
        << ptx::nameOf(finding.kind) << ": " << finding.message;
    if (finding.count > 1)
      llvm::errs() << " (" << finding.count << " times)";
    llvm::errs() << '\n';
  }
}

static void printBanks(const PtxSimOptions &options,
                       const ptx::LaunchResult &result) {
  uint64_t all = 0;
  for (const ptx::BankUse &use : result.banks)
    all += use.wavefronts;
  llvm::outs() << "shared memory: " << all << " wavefronts, "
               << result.extraWavefronts() << " of them bank conflicts\n";
  unsigned shown = 0;
  for (const ptx::BankUse &use : result.banks) {
    uint64_t extra = use.wavefronts - use.ideal;
    if (!extra)
      break;
    if (++shown > options.bankLines)
      break;
    llvm::outs() << "  ";
    printAt(options, use.line, llvm::outs());
    llvm::outs() << use.wavefronts << " wavefronts, " << use.ideal
                 << " without conflicts, " << use.executions << " executions\n";
  }
}

static const ptx::EntryInfo *chooseEntry(const PtxSimOptions &options,
                                         llvm::ArrayRef<ptx::EntryInfo> list) {
  if (options.entry.empty() && list.size() == 1)
    return &list[0];
  std::string names;
  for (const ptx::EntryInfo &entry : list) {
    if (entry.name == options.entry)
      return &entry;
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  printError(options.path + ": " +
             (options.entry.empty()
                  ? Twine("--entry= one of ")
                  : Twine("no entry '" + options.entry + "', there are ")) +
             (names.empty() ? "(none)" : names));
  return nullptr;
}

static int report(const PtxSimOptions &options, const ptx::EntryInfo &entry,
                  const ptx::LaunchOptions &launch,
                  const ptx::LaunchResult &result, double seconds) {
  printFindings(options, result);
  if (!result.completed) {
    printAt(options, result.error.line, llvm::errs());
    llvm::WithColor::error(llvm::errs()) << result.error.message << '\n';
  }
  llvm::outs() << entry.name << ": " << launch.grid.count() << " blocks of "
               << launch.block.count() << " threads, seed " << launch.seed
               << ": " << result.threadInstructions
               << " thread instructions in "
               << llvm::format("%.2f s (%.0f M/s)\n", seconds,
                               result.threadInstructions /
                                   std::max(seconds, 1e-9) * 1e-6);
  if (launch.banks)
    printBanks(options, result);
  if (!result.completed)
    return ExitError;
  return result.findings.empty() ? ExitOk : ExitCheckFailed;
}

int attnc::ptxSimCommand(const PtxSimOptions &options) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(options.path);
  if (!buffer) {
    printError(options.path + ": " + buffer.getError().message());
    return ExitError;
  }
  ptx::Executor executor;
  ptx::Diagnostic wrong;
  StringRef text = (*buffer)->getBuffer();
  if (!executor.load({text.data(), text.size()}, wrong)) {
    printAt(options, wrong.line, llvm::errs());
    llvm::WithColor::error(llvm::errs()) << wrong.message << '\n';
    return ExitError;
  }
  std::vector<ptx::EntryInfo> entries = executor.entries();
  const ptx::EntryInfo *entry = chooseEntry(options, entries);
  if (!entry)
    return ExitUsage;
  ptx::LaunchOptions launch;
  launch.block = entry->requiredBlock.x ? entry->requiredBlock : ptx::Dim3();
  if (!parseDim3(options.grid, launch.grid) ||
      (!options.block.empty() && !parseDim3(options.block, launch.block))) {
    printError("--grid and --block are x, x,y or x,y,z");
    return ExitUsage;
  }
  launch.dynamicShared = options.shared;
  launch.seed = options.seed;
  launch.races = options.races;
  launch.banks = options.banks;
  launch.uninitialized = options.uninitialized;
  if (options.limit)
    launch.maxWarpInstructions = options.limit;
  PtxArguments arguments(executor);
  for (const std::string &argument : options.arguments)
    if (llvm::Error error = arguments.add(argument)) {
      printError("--arg " + argument + ": " + llvm::toString(std::move(error)));
      return ExitError;
    }
  ptx::LaunchResult result;
  auto start = std::chrono::steady_clock::now();
  {
    Progress progress("blocks");
    launch.progress = [&](uint64_t done, uint64_t total) {
      progress.update(static_cast<int64_t>(done), static_cast<int64_t>(total));
      return true;
    };
    result = executor.launch(entry->name, arguments.getBytes(), launch);
  }
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  int code = report(options, *entry, launch, result, time.count());
  if (!result.completed)
    return code;
  if (llvm::Error error = arguments.writeOutputs()) {
    printError(std::move(error));
    return ExitError;
  }
  return code;
}
