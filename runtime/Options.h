// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structs that begin with their own size, between callers and libraries of
// different versions.

#ifndef ATTNC_RUNTIME_OPTIONS_H
#define ATTNC_RUNTIME_OPTIONS_H

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace attnc {

/// Copies what the caller's version of the struct has; the rest of `to` keeps
/// its defaults. False if it has not even the size.
template <typename T>
bool copyOptions(T &to, const T &from) {
  if (from.struct_size < sizeof(size_t))
    return false;
  size_t bytes = std::min(from.struct_size, sizeof(T));
  std::memcpy(static_cast<void *>(&to), &from, bytes);
  to.struct_size = sizeof(T);
  return true;
}

/// The other way, for queries: fills as much as the caller's version has.
template <typename T>
bool copyResult(T *to, const T &from) {
  if (!to || to->struct_size < sizeof(size_t))
    return false;
  size_t size = to->struct_size;
  std::memcpy(static_cast<void *>(to), &from, std::min(size, sizeof(T)));
  to->struct_size = size;
  return true;
}

} // namespace attnc

#endif // ATTNC_RUNTIME_OPTIONS_H
