// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Colour and progress bars.

#include "tools/support/Terminal.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/WithColor.h"

#include <algorithm>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace attnc;

bool attnc::useColor(const llvm::raw_ostream &os) {
  const char *noColor = std::getenv("NO_COLOR");
  return !(noColor && *noColor) && os.is_displayed() && os.has_colors();
}

void attnc::setColorPolicy() {
  llvm::WithColor::setAutoDetectFunction(useColor);
}

void attnc::paint(llvm::raw_ostream &os, llvm::raw_ostream::Colors color,
                  llvm::StringRef text) {
  if (!useColor(os)) {
    os << text;
    return;
  }
  os.changeColor(color, /*Bold=*/true) << text;
  os.resetColor();
}

int attnc::terminalColumns() {
  struct winsize size{};
  bool isKnown =
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return isKnown ? size.ws_col : 80;
}

Progress::Progress(llvm::StringRef title)
    : title(title), enabled(llvm::errs().is_displayed()),
      next(std::chrono::steady_clock::now() + std::chrono::seconds(1)) {}

void Progress::update(int64_t done, int64_t total) {
  auto now = std::chrono::steady_clock::now();
  if (!enabled || total <= 0 || now < next)
    return;
  next = now + std::chrono::milliseconds(100);
  shown = true;
  constexpr int64_t width = 30;
  double share = std::clamp(static_cast<double>(done) / total, 0.0, 1.0);
  int64_t filled = static_cast<int64_t>(share * width);
  llvm::errs() << '\r' << title << " [" << std::string(filled, '#')
               << std::string(width - filled, '.') << ']'
               << llvm::format(" %3d%%", static_cast<int>(share * 100));
}

void Progress::erase() {
  if (shown)
    llvm::errs() << '\r' << std::string(title.size() + 40, ' ') << '\r';
  shown = false;
}
