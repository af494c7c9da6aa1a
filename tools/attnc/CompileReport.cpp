// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Phases and code as text and as JSON.

#include "tools/attnc/CompileReport.h"
#include "tools/attnc/Report.h"
#include "llvm/Support/Format.h"

using namespace attnc;

void CompileReport::add(const Compiler &compiler) {
  const PhaseTimes &times = compiler.getTimes();
  for (auto [name, seconds] : {std::pair("passes", times.passes),
                               {"to loops", times.stage5},
                               {"to LLVM dialect", times.toLLVMDialect},
                               {"to LLVM IR", times.translate},
                               {"LLVM passes", times.llvmPasses},
                               {"code generation", times.codeGeneration},
                               {"link", times.link}})
    if (seconds > 0)
      phases.push_back({name, seconds});
  code.insert(code.end(), times.code.begin(), times.code.end());
  codeBytes += times.codeBytes;
  tuned = compiler.getTuned();
}

double CompileReport::total() const {
  double sum = 0;
  for (const Phase &phase : phases)
    sum += phase.seconds;
  return sum;
}

void CompileReport::print(llvm::raw_ostream &os) const {
  auto entry = [&](const std::string &name) -> llvm::raw_ostream & {
    return os << llvm::format("         %-32s", name.c_str());
  };
  os << llvm::format("compile  %.2f ms:\n", total() * 1e3);
  for (const Phase &phase : phases)
    entry(phase.name) << llvm::format("%8.2f ms\n", phase.seconds * 1e3);
  if (code.empty())
    return;
  os << "code     " << countText(static_cast<int64_t>(codeBytes))
     << " bytes:\n";
  uint64_t rest = codeBytes;
  for (const LaunchCode &launch : code) {
    entry(launch.launch + ", " + launch.target) << llvm::format(
        "%8s bytes\n", countText(static_cast<int64_t>(launch.bytes)).c_str());
    rest -= std::min(rest, launch.bytes);
  }
  entry("constants, padding") << llvm::format(
      "%8s bytes\n", countText(static_cast<int64_t>(rest)).c_str());
}

void CompileReport::addTo(llvm::json::Object &object) const {
  llvm::json::Object seconds;
  for (const Phase &phase : phases)
    seconds[phase.name] = phase.seconds;
  object["compile_seconds"] = std::move(seconds);
  if (code.empty())
    return;
  llvm::json::Array launches;
  for (const LaunchCode &launch : code)
    launches.push_back(
        llvm::json::Object{{"launch", launch.launch},
                           {"target", launch.target},
                           {"bytes", static_cast<int64_t>(launch.bytes)}});
  object["code_bytes"] = static_cast<int64_t>(codeBytes);
  object["launch_code_bytes"] = std::move(launches);
}
