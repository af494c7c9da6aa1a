// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Addresses grow with each allocation and are never used twice.

#include "Memory.h"
#include "Error.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <new>

using namespace attnc::ptx;

constexpr uint64_t guardGap = uint64_t(1) << 20;
/// What cudaMalloc promises, and not more: the low bits above it are random
/// enough to show who relies on more.
constexpr uint64_t regionAlignment = 256;

void attnc::ptx::fillPoison(void *data, size_t size) {
  uint8_t *bytes = static_cast<uint8_t *>(data);
  for (size_t i = 0; i + 1 < size; i += 2)
    memcpy(bytes + i, &poison, 2);
  if (size % 2)
    bytes[size - 1] = 0xff;
}

uint64_t DeviceMemory::add(std::unique_ptr<Region> region) {
  region->address = nextAddress;
  uint64_t end = nextAddress + region->size + guardGap;
  nextAddress = (end | (regionAlignment * 4 - 1)) + 1 + regionAlignment;
  regions.push_back(std::move(region));
  return regions.back()->address;
}

uint64_t DeviceMemory::allocate(size_t size) {
  auto region = std::make_unique<Region>();
  region->size = size;
  region->own.reset(new (std::nothrow) uint8_t[size + 16]);
  if (!region->own || size >> 40)
    return 0;
  region->data = region->own.get();
  fillPoison(region->data, size);
  return add(std::move(region));
}

uint64_t DeviceMemory::map(void *data, size_t size, bool writable) {
  if (size >> 40)
    return 0;
  auto region = std::make_unique<Region>();
  region->size = size;
  region->data = static_cast<uint8_t *>(data);
  region->writable = writable;
  return add(std::move(region));
}

bool DeviceMemory::free(uint64_t address) {
  auto found =
      std::find_if(regions.begin(), regions.end(), [&](const auto &region) {
        return region->address == address;
      });
  if (found == regions.end())
    return false;
  last = nullptr;
  regions.erase(found);
  return true;
}

uint8_t *DeviceMemory::search(uint64_t address, uint64_t size,
                              bool write) const {
  auto after = std::upper_bound(regions.begin(), regions.end(), address,
                                [](uint64_t value, const auto &region) {
                                  return value < region->address;
                                });
  if (after == regions.begin())
    return nullptr;
  const Region &region = **(after - 1);
  uint64_t offset = address - region.address;
  if (offset > region.size || size > region.size - offset ||
      (write && !region.writable))
    return nullptr;
  last = &region;
  return region.data + offset;
}

std::string DeviceMemory::explain(uint64_t address, uint64_t size,
                                  bool write) const {
  if (address < 4096)
    return "a null pointer, or near one";
  const Region *near = nullptr;
  uint64_t best = guardGap;
  for (const auto &region : regions) {
    uint64_t end = region->address + region->size;
    if (address >= region->address &&
        address - region->address < region->size && size <= end - address)
      return write ? "memory that is not writable" : "memory";
    uint64_t distance = address >= region->address
                            ? address - std::min(end, address)
                            : region->address - address;
    if (distance < best) {
      best = distance;
      near = region.get();
    }
  }
  if (!near)
    return "outside every allocation";
  return format("at byte %" PRId64 " of an allocation of %" PRIu64 " bytes",
                static_cast<int64_t>(address - near->address), near->size);
}
