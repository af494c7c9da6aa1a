// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the command line asks for, one struct a subcommand.

#ifndef ATTNC_TOOLS_ATTNC_OPTIONS_H
#define ATTNC_TOOLS_ATTNC_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// Exit codes, the same for every subcommand.
enum ExitCode { ExitOk = 0, ExitError = 1, ExitUsage = 2, ExitCheckFailed = 3 };

/// Which spec, compiled for which machine, with which choices overridden.
struct SpecOptions {
  std::string path;
  /// Empty: the only function of the file.
  std::string function;
  std::vector<std::string> targets; ///< empty: the device's own
  std::string device = "cpu";       ///< as in Device::open
  uint64_t deviceSeed = 0;
  std::string micro = "auto";     ///< as in PipelineOptions
  std::string producers = "auto"; ///< as in PipelineOptions
  std::string schedule;           ///< as in PipelineOptions
  bool countPairs = false;        ///< as in PipelineOptions
  bool useTuned = true;           ///< as in CompilerOptions
  std::string tunedShapes;        ///< as in CompilerOptions
  std::string llvmPasses;         ///< as in BackendOptions; empty: its own
  unsigned llvmLevel = 2;         ///< of code generation, 0 to 3
};

/// Where the arguments come from.
struct InputOptions {
  std::vector<std::string> files;  ///< "name=path", or "path" in order
  std::vector<std::string> shapes; ///< "name=1x8x64x32"
  uint64_t seed = 0;
  bool convert = false;
};

enum class TimingFormat { None, Text, Json };

struct RunOptions {
  SpecOptions spec;
  InputOptions inputs;
  std::vector<std::string> outputs; ///< "name=path", or "path"
  bool check = false;
  bool count = false;
  int stage = 5;
  unsigned threads = 0; ///< 0: all
  TimingFormat timing = TimingFormat::None;
  unsigned repeat = 0; ///< 0: as many as fit into about a second
};

struct CompileOptions {
  SpecOptions spec;
  std::string emit; ///< empty: kernel where the output ends with .attnc
  std::string output;
  TimingFormat timing = TimingFormat::None;
};

struct ExplainOptions {
  SpecOptions spec;
  std::vector<std::string> shapes;
  unsigned threads = 0;
  bool measure = true;
  /// Draw the pair sets instead: "" or "ascii" here, else into this file.
  std::optional<std::string> view;
  std::vector<std::string> inputs; ///< as InputOptions::files, for `view`
  uint64_t seed = 0;               ///< as InputOptions::seed, for `view`
};

struct TuneOptions {
  SpecOptions spec; ///< no path: all specs, to reset
  InputOptions inputs;
  unsigned threads = 0; ///< 0: all
  double budget = 60;   ///< seconds
  std::string keep;     ///< fields to keep without a search
  bool reset = false;
};

struct PtxSimOptions {
  std::string path;
  std::string entry; ///< empty: the only one
  std::string grid;
  std::string block; ///< empty: as .reqntid says
  unsigned shared = 0;
  std::vector<std::string> arguments; ///< see PtxArguments
  uint64_t seed = 0;
  bool races = true;
  bool banks = true;
  bool uninitialized = false;
  unsigned bankLines = 5;
  uint64_t limit = 0; ///< of warp instructions, 0: the executor's
};

int runCommand(const RunOptions &options);
int compileCommand(const CompileOptions &options);
int explainCommand(const ExplainOptions &options);
int tuneCommand(const TuneOptions &options);
int ptxSimCommand(const PtxSimOptions &options);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_OPTIONS_H
