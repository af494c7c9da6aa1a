// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Write first, then protect: the pages are writable while the image is copied
// and executable only afterwards.

#include "CodeMapping.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace attnc;

CodeMapping::~CodeMapping() {
  if (base)
    munmap(base, mappedBytes);
}

attnc_result CodeMapping::map(const uint8_t *code, size_t size, Error &error) {
  size_t page = size_t(sysconf(_SC_PAGESIZE));
  size_t bytes = (size + page - 1) / page * page;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY,
                      "cannot map %zu bytes of code: %s", bytes,
                      strerror(errno));
  base = static_cast<uint8_t *>(memory);
  mappedBytes = bytes;
  std::memcpy(base, code, size);
  if (mprotect(base, bytes, PROT_READ | PROT_EXEC) != 0)
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY,
                      "this process may not make memory executable: %s",
                      strerror(errno));
  __builtin___clear_cache(reinterpret_cast<char *>(base),
                          reinterpret_cast<char *>(base + bytes));
  return ATTNC_OK;
}
