// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks what the command line of attnc tune says.

#include "tools/attnc/TuneArguments.h"
#include "tools/attnc/Engine.h"

using namespace attnc;

int TuneArguments::run() {
  if (path.empty() && !reset) {
    printError("tune takes a spec, or --reset");
    return ExitUsage;
  }
  if (!(budget > 0 && budget <= 86400)) {
    printError("--budget: more than 0 and at most 86400 seconds expected");
    return ExitUsage;
  }
  TuneOptions options;
  options.spec.path = path;
  options.spec.function = function;
  options.inputs.files = inputs;
  options.inputs.shapes = shapes;
  options.threads = threads;
  options.budget = budget;
  options.keep = keep;
  options.reset = reset;
  if (int code = checkThreads(threads))
    return code;
  SpecOptions kept;
  kept.schedule = keep;
  if (int code = checkScheduleOptions(kept, "--keep"))
    return code;
  return tuneCommand(options);
}
