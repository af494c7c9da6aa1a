// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finding and running ptxas.

#include "codegen/gpu/Ptxas.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace attnc;
using namespace attnc::gpu;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

//===----------------------------------------------------------------------===//
// Finding
//===----------------------------------------------------------------------===//

static std::string environment(llvm::StringRef name) {
  return llvm::sys::Process::GetEnv(name).value_or("");
}

static std::string pathOf(llvm::StringRef directory, const llvm::Twine &rest) {
  llvm::SmallString<256> result(directory);
  path::append(result, rest);
  return std::string(result);
}

/// <prefix>/lib/python3*/{site,dist}-packages/nvidia/*/bin/ptxas, where PyPI's
/// packages of the CUDA Toolkit put it.
static std::string findInPython(llvm::StringRef prefix) {
  auto entries = [](const std::string &directory, llvm::StringRef start) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator i(directory, error), end; !error && i != end;
         i.increment(error))
      if (path::filename(i->path()).starts_with(start))
        found.push_back(i->path());
    llvm::sort(found);
    return found;
  };
  for (const std::string &python : entries(pathOf(prefix, "lib"), "python3"))
    for (llvm::StringRef packages : {"site-packages", "dist-packages"})
      for (const std::string &part :
           entries(pathOf(pathOf(python, packages), "nvidia"), "cu")) {
        std::string program = pathOf(part, "bin/ptxas");
        if (fs::can_execute(program))
          return program;
      }
  return "";
}

/// Where Python environments lie that may have the package.
static std::vector<std::string> pythonPrefixes() {
  std::vector<std::string> prefixes;
  if (std::string active = environment("VIRTUAL_ENV"); !active.empty())
    prefixes.push_back(active);
  if (auto python = llvm::sys::findProgramByName("python3"))
    prefixes.push_back(path::parent_path(path::parent_path(*python)).str());
  if (std::string home = environment("HOME"); !home.empty())
    prefixes.push_back(pathOf(home, ".local"));
  return prefixes;
}

llvm::Expected<std::string> gpu::findPtxas() {
  if (std::string named = environment("ATTNC_PTXAS"); !named.empty()) {
    if (fs::can_execute(named))
      return named;
    return llvm::createStringError("ATTNC_PTXAS=" + named +
                                   ": there is no such program");
  }
  std::vector<std::string> looked = {"ATTNC_PTXAS (not set)"};
  for (llvm::StringRef name : {"CUDA_HOME", "CUDA_PATH"}) {
    std::string home = environment(name);
    looked.push_back((name + (home.empty() ? " (not set)" : "=" + home)).str());
    if (!home.empty() && fs::can_execute(pathOf(home, "bin/ptxas")))
      return pathOf(home, "bin/ptxas");
  }
  looked.push_back("PATH");
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  for (const std::string &prefix : pythonPrefixes()) {
    looked.push_back("the package nvidia-cuda-nvcc in " + prefix);
    if (std::string found = findInPython(prefix); !found.empty())
      return found;
  }
  looked.push_back("/usr/local/cuda");
  if (fs::can_execute("/usr/local/cuda/bin/ptxas"))
    return "/usr/local/cuda/bin/ptxas";
  return llvm::createStringError(
      "ptxas, the CUDA Toolkit's assembler, was not found; looked in " +
      llvm::join(looked, ", ") +
      ". 'pip install nvidia-cuda-nvcc' brings it; --emit=ptx does without");
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// The number in front of `unit` in a line such as "0 bytes spill stores".
static uint64_t numberBefore(llvm::StringRef line, llvm::StringRef unit) {
  size_t at = line.find(unit);
  if (at == llvm::StringRef::npos)
    return 0;
  llvm::StringRef digits = line.take_front(at).rtrim();
  digits = digits.substr(digits.find_last_not_of("0123456789") + 1);
  uint64_t value = 0;
  (void)digits.getAsInteger(10, value);
  return value;
}

std::vector<PtxasUsage> gpu::parsePtxasLog(llvm::StringRef log) {
  std::vector<PtxasUsage> usage;
  llvm::SmallVector<llvm::StringRef> lines;
  log.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      usage.emplace_back();
      usage.back().entry = line.split('\'').second.split('\'').first.str();
    }
    if (usage.empty())
      continue;
    PtxasUsage &last = usage.back();
    if (line.contains("bytes stack frame")) {
      last.stackBytes = numberBefore(line, "bytes stack frame");
      last.spillBytes = numberBefore(line, "bytes spill stores") +
                        numberBefore(line, "bytes spill loads");
    }
    if (line.contains("Used ")) {
      last.registers = static_cast<unsigned>(numberBefore(line, "registers"));
      last.sharedBytes = numberBefore(line, "bytes smem");
    }
  }
  return usage;
}

/// A file of this process in the system's directory for them, or an error.
static llvm::Expected<std::string> temporaryFile(llvm::StringRef suffix) {
  llvm::SmallString<128> name;
  if (std::error_code error = fs::createTemporaryFile("attnc", suffix, name))
    return llvm::createStringError("cannot write a temporary file: " +
                                   error.message());
  return std::string(name);
}

static std::string readAll(llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile(name);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

llvm::Expected<PtxasOutput> gpu::runPtxas(llvm::StringRef ptx,
                                          llvm::StringRef chip) {
  llvm::Expected<std::string> program = findPtxas();
  if (!program)
    return program.takeError();
  std::string names[3]; // PTX, cubin, what is printed
  llvm::scope_exit remove([&] {
    for (const std::string &name : names)
      if (!name.empty())
        (void)fs::remove(name);
  });
  for (auto [name, suffix] : llvm::zip(
           names, llvm::ArrayRef<llvm::StringRef>{"ptx", "cubin", "log"})) {
    llvm::Expected<std::string> created = temporaryFile(suffix);
    if (!created)
      return created.takeError();
    name = *created;
  }
  {
    std::error_code error;
    llvm::raw_fd_ostream file(names[0], error);
    file << ptx;
    file.close();
    if (error || file.has_error())
      return llvm::createStringError("cannot write " + names[0] + ": " +
                                     file.error().message());
  }
  std::string arch = ("-arch=" + chip).str();
  std::string failed;
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, names[2],
                                                names[2]};
  int code = llvm::sys::ExecuteAndWait(
      *program, {*program, arch, "-v", names[0], "-o", names[1]}, std::nullopt,
      redirects, /*SecondsToWait=*/0, /*MemoryLimit=*/0, &failed);
  PtxasOutput output;
  output.log = readAll(names[2]);
  if (code != 0)
    return llvm::createStringError(*program + " " + arch + " failed: " +
                                   (failed.empty() ? output.log : failed));
  std::string cubin = readAll(names[1]);
  output.cubin.assign(cubin.begin(), cubin.end());
  output.usage = parsePtxasLog(output.log);
  return output;
}
