// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Error reporting and the names of results.

#include "Error.h"

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdio>

using namespace attnc;

Error::Error(attnc_error *target) : target(target) {
  if (!target || target->struct_size <= offsetof(attnc_error, message)) {
    this->target = nullptr;
    return;
  }
  capacity = std::min(target->struct_size, sizeof(attnc_error)) -
             offsetof(attnc_error, message);
  target->code = ATTNC_OK;
  target->message[0] = '\0';
}

attnc_result Error::fail(attnc_result code, const char *format, ...) {
  if (!target)
    return code;
  target->code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(target->message, capacity, format, arguments);
  va_end(arguments);
  return code;
}

const char *attnc_result_name(attnc_result result) {
#define NAME(x)                                                                \
  case x:                                                                      \
    return #x;
  switch (result) {
    NAME(ATTNC_OK)
    NAME(ATTNC_ERROR_INVALID_ARGUMENT)
    NAME(ATTNC_ERROR_OUT_OF_MEMORY)
    NAME(ATTNC_ERROR_IO)
    NAME(ATTNC_ERROR_NOT_A_KERNEL)
    NAME(ATTNC_ERROR_TRUNCATED)
    NAME(ATTNC_ERROR_CHECKSUM)
    NAME(ATTNC_ERROR_FORMAT_VERSION)
    NAME(ATTNC_ERROR_ABI_VERSION)
    NAME(ATTNC_ERROR_MALFORMED)
    NAME(ATTNC_ERROR_NO_IMAGE)
    NAME(ATTNC_ERROR_RANK)
    NAME(ATTNC_ERROR_DTYPE)
    NAME(ATTNC_ERROR_SHAPE)
    NAME(ATTNC_ERROR_STRIDE)
    NAME(ATTNC_ERROR_DATA)
    NAME(ATTNC_ERROR_ALIAS)
    NAME(ATTNC_ERROR_OVERFLOW)
    NAME(ATTNC_ERROR_WORKSPACE)
    NAME(ATTNC_ERROR_PARALLEL)
    NAME(ATTNC_ERROR_STATUS)
    NAME(ATTNC_ERROR_NO_DRIVER)
    NAME(ATTNC_ERROR_DEVICE)
  }
#undef NAME
  return "unknown result";
}
