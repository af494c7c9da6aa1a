// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Executable memory for one image, never writable and executable at once.

#ifndef ATTNC_RUNTIME_CODEMAPPING_H
#define ATTNC_RUNTIME_CODEMAPPING_H

#include "Error.h"

namespace attnc {

class CodeMapping {
public:
  CodeMapping() = default;
  CodeMapping(const CodeMapping &) = delete;
  CodeMapping &operator=(const CodeMapping &) = delete;
  ~CodeMapping();

  /// Copies `size` > 0 bytes to a page-aligned address and makes them
  /// executable. Once only.
  attnc_result map(const uint8_t *code, size_t size, Error &error);

  const uint8_t *data() const { return base; }

private:
  uint8_t *base = nullptr;
  size_t mappedBytes = 0;
};

} // namespace attnc

#endif // ATTNC_RUNTIME_CODEMAPPING_H
