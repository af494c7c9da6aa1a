// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fills the caller's attnc_error without allocating.

#ifndef ATTNC_RUNTIME_ERROR_H
#define ATTNC_RUNTIME_ERROR_H

#include "attnc/runtime.h"

namespace attnc {

/// The caller's error, which may be absent or of an older, smaller size.
class Error {
public:
  explicit Error(attnc_error *target);

  /// Records `code` and the text, and returns `code`.
  attnc_result fail(attnc_result code, const char *format, ...)
      __attribute__((format(printf, 3, 4)));

private:
  attnc_error *target;
  size_t capacity = 0;
};

} // namespace attnc

#endif // ATTNC_RUNTIME_ERROR_H
