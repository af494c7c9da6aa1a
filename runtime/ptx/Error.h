// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the executor's insides give up: an exception with a line, which the
// public interface turns into a Diagnostic.

#ifndef ATTNC_RUNTIME_PTX_ERROR_H
#define ATTNC_RUNTIME_PTX_ERROR_H

#include "attnc/ptx_executor.h"

#include <string>
#include <utility>

namespace attnc {
namespace ptx {

struct Error {
  Error(unsigned line, std::string message)
      : diagnostic{line, std::move(message)} {}
  Diagnostic diagnostic;
};

/// Printf-style text.
std::string format(const char *pattern, ...)
    __attribute__((format(printf, 1, 2)));

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_ERROR_H
