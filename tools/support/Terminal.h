// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Colour and progress bars, for people at a terminal only.

#ifndef ATTNC_TOOLS_SUPPORT_TERMINAL_H
#define ATTNC_TOOLS_SUPPORT_TERMINAL_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <string>

namespace attnc {

/// Whether to colour what goes to this stream: a terminal, and NO_COLOR is not
/// set (https://no-color.org).
bool useColor(const llvm::raw_ostream &os);

/// Makes LLVM's and MLIR's diagnostics obey useColor too.
void setColorPolicy();

/// The text in a colour, where useColor allows it.
void paint(llvm::raw_ostream &os, llvm::raw_ostream::Colors color,
           llvm::StringRef text);

/// The width of the terminal at stdout; 80 where there is none.
int terminalColumns();

/// A bar on stderr for work that takes over a second; nothing when stderr is no
/// terminal. It is erased when the object goes away.
class Progress {
public:
  explicit Progress(llvm::StringRef title);
  ~Progress() { erase(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// `done` of `total` steps.
  void update(int64_t done, int64_t total);

private:
  void erase();

  std::string title;
  bool enabled;
  bool shown = false;
  std::chrono::steady_clock::time_point next;
};

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_TERMINAL_H
