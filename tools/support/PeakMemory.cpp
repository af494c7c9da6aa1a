// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Peak resident memory from /proc/self, or else from getrusage.

#include "tools/support/PeakMemory.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sys/resource.h>

using namespace attnc;

/// A field of /proc/self/status in bytes.
static std::optional<int64_t> statusBytes(const char *field) {
  std::FILE *file = std::fopen("/proc/self/status", "r");
  if (!file)
    return std::nullopt;
  std::optional<int64_t> result;
  char line[256];
  size_t length = std::strlen(field);
  while (std::fgets(line, sizeof(line), file)) {
    long long kib = 0;
    if (std::strncmp(line, field, length) == 0 && line[length] == ':' &&
        std::sscanf(line + length + 1, "%lld", &kib) == 1)
      result = kib * 1024;
  }
  std::fclose(file);
  return result;
}

/// Makes the kernel forget the peak so far; containers may not allow it.
static bool resetPeak() {
  std::FILE *file = std::fopen("/proc/self/clear_refs", "w");
  if (!file)
    return false;
  bool written = std::fputs("5", file) >= 0;
  return (std::fclose(file) == 0) && written;
}

PeakMemory::PeakMemory() : reset(resetPeak()), before(statusBytes("VmRSS")) {}

std::optional<int64_t> PeakMemory::getExtraBytes() const {
  std::optional<int64_t> peak = statusBytes("VmHWM");
  if (!peak) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
      return std::nullopt;
    peak = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  }
  if (!before)
    return std::nullopt;
  return std::max<int64_t>(*peak - *before, 0);
}
