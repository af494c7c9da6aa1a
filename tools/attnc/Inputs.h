// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the command line's files, shapes and seed to one tensor an argument.

#ifndef ATTNC_TOOLS_ATTNC_INPUTS_H
#define ATTNC_TOOLS_ATTNC_INPUTS_H

#include "tools/attnc/Options.h"
#include "tools/attnc/Spec.h"
#include "tools/support/Tensor.h"

namespace attnc {

struct Inputs {
  std::vector<Tensor> inputs;
  std::vector<std::vector<int64_t>> inputShapes;
  std::vector<std::vector<int64_t>> outputShapes;
};

/// Reads the given files, works out the sizes, and fills what was not given.
/// `spec` tells which sizes belong together and what integers mean; it may be
/// null for a kernel file that does not carry its own. What was filled in goes
/// to stderr. With `needed` the other inputs get sizes but no values, and
/// outputs may stay unknown. Returns an exit code; errors have been printed.
int resolveInputs(const Signature &signature, Spec *spec,
                  const InputOptions &options, Inputs &result,
                  const std::vector<bool> *needed = nullptr);

/// The sizes alone, for explaining: of every input and output, as far as they
/// are known (-1 otherwise).
struct Shapes {
  std::vector<std::vector<int64_t>> inputs, outputs;
};
int resolveShapes(const Signature &signature, Spec *spec,
                  const std::vector<std::string> &given, Shapes &result);

/// Splits "name=value" lists: value n belongs to argument n of `arguments`.
/// Entries without a known name and '=' go to the arguments in order, skipping
/// those that have a name. `option` is for messages.
int assignByName(const std::vector<Argument> &arguments,
                 const std::vector<std::string> &given, const char *option,
                 std::vector<std::optional<std::string>> &result);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_INPUTS_H
