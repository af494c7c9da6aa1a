// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How much resident memory a stretch of the program adds at its worst moment.

#ifndef ATTNC_TOOLS_SUPPORT_PEAKMEMORY_H
#define ATTNC_TOOLS_SUPPORT_PEAKMEMORY_H

#include <cstdint>
#include <optional>

namespace attnc {

class PeakMemory {
public:
  /// Begins to watch.
  PeakMemory();

  /// Bytes that the process had at its peak since, over what it had then.
  /// Nothing where the system does not tell.
  std::optional<int64_t> getExtraBytes() const;

  /// Whether the system let the peak be reset. Without it the result is an
  /// upper bound: it includes peaks from before.
  bool isExact() const { return reset; }

private:
  bool reset;
  std::optional<int64_t> before;
};

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_PEAKMEMORY_H
