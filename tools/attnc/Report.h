// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plain text for people: labels in a column, text wrapped at 80 columns, and
// numbers that can be read.

#ifndef ATTNC_TOOLS_ATTNC_REPORT_H
#define ATTNC_TOOLS_ATTNC_REPORT_H

#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <string>

namespace attnc {

class Report {
public:
  explicit Report(llvm::raw_ostream &os) : os(os) {}

  /// A label and text beside it.
  void line(llvm::StringRef label, llvm::StringRef text);
  /// More text under the last label.
  void text(llvm::StringRef text) { line("", text); }

private:
  llvm::raw_ostream &os;
};

/// "1.23 ms"
std::string durationText(double seconds);
/// "1.5 MiB"
std::string bytesText(double bytes);
/// "2,098,176"
std::string countText(int64_t count);
/// "17.2 G": three digits and a decimal prefix, with a space before it.
std::string amountText(double amount);
/// "50.0%"
std::string percentText(double share);
/// As short as it is exact enough: "0.125", "0.0884".
std::string numberText(double number);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_REPORT_H
