// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Device memory: regions with gaps between them, so that an access outside an
// allocation never meets another one; and the windows of generic addresses.

#ifndef ATTNC_RUNTIME_PTX_MEMORY_H
#define ATTNC_RUNTIME_PTX_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace attnc {
namespace ptx {

constexpr uint64_t parameterWindow = uint64_t(0x7d) << 40;
constexpr uint64_t localWindow = uint64_t(0x7e) << 40;
constexpr uint64_t sharedWindow = uint64_t(0x7f) << 40;
constexpr uint64_t windowSize = uint64_t(1) << 32;
/// Where shared memory begins; what lies below is the system's.
constexpr uint32_t sharedBase = 1024;
/// Every byte of memory that nobody has written. Pairs of it are NaN as f16,
/// bf16, f32 and f64.
constexpr uint16_t poison = 0x7fff;

void fillPoison(void *data, size_t size);

class DeviceMemory {
public:
  /// 0 if there is no memory.
  uint64_t allocate(size_t size);
  uint64_t map(void *data, size_t size, bool writable);
  bool free(uint64_t address);
  /// The bytes at an address, null if not all of them are in one region.
  uint8_t *find(uint64_t address, uint64_t size, bool write) const {
    const Region *region = last;
    if (region && address - region->address < region->size &&
        size <= region->size - (address - region->address) &&
        (region->writable || !write))
      return region->data + (address - region->address);
    return search(address, size, write);
  }
  /// Why find gave nothing, for people.
  std::string explain(uint64_t address, uint64_t size, bool write) const;

private:
  struct Region {
    uint64_t address = 0, size = 0;
    uint8_t *data = nullptr;
    bool writable = true;
    std::unique_ptr<uint8_t[]> own;
  };
  uint8_t *search(uint64_t address, uint64_t size, bool write) const;
  uint64_t add(std::unique_ptr<Region> region);

  std::vector<std::unique_ptr<Region>> regions; ///< by address
  mutable const Region *last = nullptr;
  uint64_t nextAddress = uint64_t(0x7000) << 20;
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_MEMORY_H
