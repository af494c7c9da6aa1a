// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Output files that are whole or not there.

#include "tools/support/Files.h"

using namespace attnc;
using llvm::createStringError;

static llvm::Error cannotWrite(llvm::StringRef path, const llvm::Twine &why) {
  return createStringError("cannot write '" + path + "': " + why);
}

llvm::Expected<OutputFile> OutputFile::open(llvm::StringRef path) {
  if (path.empty())
    return cannotWrite(path, "the path is empty");
  OutputFile file(path);
  llvm::sys::fs::file_status status;
  std::error_code missing = llvm::sys::fs::status(path, status);
  if (!missing && llvm::sys::fs::is_directory(status))
    return cannotWrite(path, "it is a directory");
  if (!missing && !llvm::sys::fs::can_write(path))
    return cannotWrite(path, "it is write-protected");
  if (!missing && !llvm::sys::fs::is_regular_file(status)) {
    std::error_code error;
    file.stream = std::make_unique<llvm::raw_fd_ostream>(path, error);
    if (error)
      return cannotWrite(path, error.message());
    return file;
  }
  auto temporary = llvm::sys::fs::TempFile::create(path + ".tmp-%%%%%%%%");
  if (!temporary)
    return cannotWrite(path, llvm::toString(temporary.takeError()));
  file.temporary.emplace(std::move(*temporary));
  file.stream = std::make_unique<llvm::raw_fd_ostream>(file.temporary->FD,
                                                       /*shouldClose=*/false);
  return file;
}

OutputFile::OutputFile(OutputFile &&other)
    : path(std::move(other.path)), temporary(std::move(other.temporary)),
      stream(std::move(other.stream)) {
  other.temporary.reset();
}

OutputFile::~OutputFile() {
  if (!stream)
    return;
  // What could not be written no longer matters, and must not abort.
  stream->flush();
  stream->clear_error();
  stream.reset();
  if (temporary)
    llvm::consumeError(temporary->discard());
}

llvm::Error OutputFile::commit() {
  stream->flush();
  std::error_code error = stream->error();
  if (error)
    return cannotWrite(path, error.message());
  if (!temporary)
    return llvm::Error::success();
  stream.reset();
  llvm::Error kept = temporary->keep(path);
  temporary.reset();
  if (kept)
    return cannotWrite(path, llvm::toString(std::move(kept)));
  return llvm::Error::success();
}
