// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory between two pages that nobody may touch, filled with bytes that are
// NaN in every float type.

#ifndef ATTNC_TEST_UNIT_EXECUTION_GUARDEDBUFFER_H
#define ATTNC_TEST_UNIT_EXECUTION_GUARDEDBUFFER_H

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace attnc::test {

class GuardedBuffer {
public:
  /// `bytes` that end (or begin) at a guard page.
  GuardedBuffer(size_t bytes, bool atEnd) {
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    inner = std::max((bytes + page - 1) / page * page, page);
    total = inner + 2 * page;
    void *memory =
        mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      std::abort();
    base = static_cast<uint8_t *>(memory);
    begin = base + page;
    if (mprotect(begin, inner, PROT_READ | PROT_WRITE) != 0)
      std::abort();
    std::memset(begin, kPattern, inner);
    start = atEnd ? begin + inner - bytes : begin;
  }
  GuardedBuffer(GuardedBuffer &&other) noexcept { *this = std::move(other); }
  GuardedBuffer &operator=(GuardedBuffer &&other) noexcept {
    std::swap(base, other.base);
    std::swap(begin, other.begin);
    std::swap(start, other.start);
    std::swap(inner, other.inner);
    std::swap(total, other.total);
    return *this;
  }
  ~GuardedBuffer() {
    if (base)
      munmap(base, total);
  }

  void *data() { return start; }
  void protect() { mprotect(begin, inner, PROT_READ); }

  /// Puts the pattern into every element of a strided tensor.
  void fillElements(const std::vector<int64_t> &shape,
                    const std::vector<int64_t> &byteStrides,
                    size_t elementBytes) {
    fill(start, 0, shape, byteStrides, elementBytes);
  }
  bool isUntouched() const {
    return std::all_of(begin, begin + inner,
                       [](uint8_t byte) { return byte == kPattern; });
  }

private:
  static constexpr int kPattern = 0xFF;
  uint8_t *base = nullptr, *begin = nullptr, *start = nullptr;
  size_t inner = 0, total = 0;

  void fill(uint8_t *at, size_t dim, const std::vector<int64_t> &shape,
            const std::vector<int64_t> &byteStrides, size_t elementBytes) {
    if (dim == shape.size()) {
      std::memset(at, kPattern, elementBytes);
      return;
    }
    for (int64_t i = 0; i < shape[dim]; ++i)
      fill(at + i * byteStrides[dim], dim + 1, shape, byteStrides,
           elementBytes);
  }
};

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_GUARDEDBUFFER_H
