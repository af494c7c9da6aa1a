// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The --arg of `attnc ptx-sim`: scalars, buffers and tensor maps from text.

#ifndef ATTNC_TOOLS_ATTNC_PTXARGUMENTS_H
#define ATTNC_TOOLS_ATTNC_PTXARGUMENTS_H

#include "attnc/ptx_executor.h"
#include "tools/support/Tensor.h"

#include <deque>
#include <optional>

namespace attnc {

/// The parameters of a launch and the arrays behind them.
class PtxArguments {
public:
  explicit PtxArguments(ptx::Executor &executor) : executor(executor) {}

  /// Adds one parameter; see `attnc help ptx-sim` for the forms.
  llvm::Error add(llvm::StringRef text);
  const std::vector<std::vector<uint8_t>> &getBytes() const { return bytes; }
  /// Writes what the arguments name as results.
  llvm::Error writeOutputs() const;

private:
  struct Buffer {
    std::optional<Tensor> tensor; ///< none for plain bytes
    uint64_t address = 0;
    std::string output; ///< a path, or empty
  };

  llvm::Expected<Buffer *> addBuffer(llvm::StringRef text);
  llvm::Expected<Buffer *> keep(Tensor tensor, llvm::StringRef output);
  llvm::Error addTensorMap(llvm::StringRef text);
  llvm::Expected<std::vector<uint8_t>> scalar(llvm::StringRef type,
                                              llvm::StringRef value);

  ptx::Executor &executor;
  std::deque<Buffer> buffers;
  std::vector<Buffer *> byArgument; ///< null for scalars
  std::vector<std::vector<uint8_t>> bytes;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_PTXARGUMENTS_H
