// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command line of attnc tune.

#ifndef ATTNC_TOOLS_ATTNC_TUNEARGUMENTS_H
#define ATTNC_TOOLS_ATTNC_TUNEARGUMENTS_H

#include "llvm/Support/CommandLine.h"

#include <string>

namespace attnc {

/// Its options are few: the schedule is what is searched for.
struct TuneArguments {
  llvm::cl::SubCommand sub{"tune",
                           "Measure schedules of a spec and keep the best"};
  llvm::cl::OptionCategory category{"Options of tune"};
  llvm::cl::opt<std::string> path{llvm::cl::Positional,
                                  llvm::cl::desc("<spec.mlir>"),
                                  llvm::cl::sub(sub), llvm::cl::cat(category)};
  llvm::cl::opt<std::string> function{
      "function",
      llvm::cl::desc("The function to take, if the file has several"),
      llvm::cl::value_desc("name"), llvm::cl::sub(sub),
      llvm::cl::cat(category)};
  llvm::cl::list<std::string> shapes{
      "shape", llvm::cl::desc("Sizes of an argument that has no file"),
      llvm::cl::value_desc("name=1x8x64x32"), llvm::cl::sub(sub),
      llvm::cl::cat(category)};
  llvm::cl::list<std::string> inputs{
      "input", llvm::cl::desc("An argument's array"),
      llvm::cl::value_desc("[name=]file.npy"), llvm::cl::sub(sub),
      llvm::cl::cat(category)};
  llvm::cl::opt<unsigned> threads{"threads",
                                  llvm::cl::desc("Threads (default: all CPUs)"),
                                  llvm::cl::value_desc("number"),
                                  llvm::cl::init(0),
                                  llvm::cl::sub(sub),
                                  llvm::cl::cat(category)};
  llvm::cl::opt<double> budget{
      "budget",
      llvm::cl::desc("Seconds that the search may take "
                     "(default 60)"),
      llvm::cl::value_desc("seconds"),
      llvm::cl::init(60),
      llvm::cl::sub(sub),
      llvm::cl::cat(category)};
  llvm::cl::opt<std::string> keep{
      "keep",
      llvm::cl::desc("Keep this schedule, measured but without a search"),
      llvm::cl::value_desc("query_tile = 48, ..."), llvm::cl::sub(sub),
      llvm::cl::cat(category)};
  llvm::cl::opt<bool> reset{
      "reset",
      llvm::cl::desc("Remove what is kept: for the spec, or without "
                     "one all"),
      llvm::cl::sub(sub), llvm::cl::cat(category)};

  int run();
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_TUNEARGUMENTS_H
