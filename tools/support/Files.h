// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Output files that are whole or not there.

#ifndef ATTNC_TOOLS_SUPPORT_FILES_H
#define ATTNC_TOOLS_SUPPORT_FILES_H

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <optional>
#include <string>

namespace attnc {

/// A file that appears at its path only when `commit` has been called. Until
/// then the bytes are in a temporary file beside it, so opening also finds out
/// whether the path can be written, before any long work. Devices and pipes are
/// written directly.
class OutputFile {
public:
  static llvm::Expected<OutputFile> open(llvm::StringRef path);
  OutputFile(OutputFile &&other);
  OutputFile &operator=(OutputFile &&) = delete;
  /// Without a commit nothing is left behind.
  ~OutputFile();

  llvm::raw_ostream &os() { return *stream; }
  const std::string &getPath() const { return path; }
  llvm::Error commit();

private:
  explicit OutputFile(llvm::StringRef path) : path(path) {}

  std::string path;
  std::optional<llvm::sys::fs::TempFile> temporary;
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_FILES_H
