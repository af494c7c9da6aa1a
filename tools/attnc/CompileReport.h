// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a compile took and what came of it: milliseconds by phase and bytes of
// code by launch.

#ifndef ATTNC_TOOLS_ATTNC_COMPILEREPORT_H
#define ATTNC_TOOLS_ATTNC_COMPILEREPORT_H

#include "codegen/Compiler.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace attnc {

struct CompileReport {
  struct Phase {
    std::string name;
    double seconds = 0;
  };
  std::vector<Phase> phases;
  std::vector<LaunchCode> code;
  uint64_t codeBytes = 0;
  /// The kept schedule that was used, if one was.
  std::optional<Compiler::UsedSchedule> tuned;

  bool empty() const { return phases.empty(); }
  /// The phases and the code of a compiler's work so far; what was not done at
  /// all is left out.
  void add(const Compiler &compiler);
  double total() const;

  void print(llvm::raw_ostream &os) const;
  /// Adds "compile_seconds" by phase, and "code_bytes" in all and by launch.
  void addTo(llvm::json::Object &object) const;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_COMPILEREPORT_H
