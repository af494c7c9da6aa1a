// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Labels, wrapping, numbers.

#include "tools/attnc/Report.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace attnc;

void Report::line(llvm::StringRef label, llvm::StringRef text) {
  constexpr size_t indent = 10, width = 80;
  os.indent(0) << label;
  size_t column = label.size();
  llvm::SmallVector<llvm::StringRef> words;
  text.split(words, ' ', -1, /*KeepEmpty=*/false);
  bool first = true;
  for (llvm::StringRef word : words) {
    if (!first && column + 1 + word.size() > width) {
      os << '\n';
      column = 0;
      first = true;
    }
    if (first) {
      os.indent(column < indent ? indent - column : 1);
      column = std::max(column + 1, indent);
    } else {
      os << ' ';
      ++column;
    }
    os << word;
    column += word.size();
    first = false;
  }
  if (!label.empty() || !words.empty())
    os << '\n';
}

static std::string formatted(const char *format, double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format(format, value);
  return text;
}

std::string attnc::durationText(double seconds) {
  if (seconds >= 1)
    return formatted("%.2f s", seconds);
  if (seconds >= 1e-3)
    return formatted("%.2f ms", seconds * 1e3);
  return formatted("%.2f us", seconds * 1e6);
}

std::string attnc::bytesText(double bytes) {
  if (bytes >= double(1 << 30))
    return formatted("%.2f GiB", bytes / (1 << 30));
  if (bytes >= (1 << 20))
    return formatted("%.1f MiB", bytes / (1 << 20));
  if (bytes >= (1 << 10))
    return formatted("%.1f KiB", bytes / (1 << 10));
  return formatted("%.0f bytes", bytes);
}

std::string attnc::countText(int64_t count) {
  std::string text = std::to_string(count);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(at, ",");
  return text;
}

std::string attnc::amountText(double amount) {
  if (amount < 1000)
    return formatted("%.0f ", amount);
  const char *prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  size_t prefix = 0;
  for (; amount >= 999.5 && prefix + 1 < std::size(prefixes); ++prefix)
    amount /= 1000;
  const char *format = amount < 9.995   ? "%.2f "
                       : amount < 99.95 ? "%.1f "
                                        : "%.0f ";
  return formatted(format, amount) + prefixes[prefix];
}

std::string attnc::percentText(double share) {
  return formatted("%.1f%%", 100 * share);
}

std::string attnc::numberText(double number) {
  return formatted("%.4g", number);
}
