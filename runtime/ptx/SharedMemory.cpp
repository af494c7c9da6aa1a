// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shadow is checked for each access; the messages are made only for the
// first access of a pair of lines.

#include "SharedMemory.h"
#include "Error.h"
#include "Launch.h"
#include "Memory.h"

#include <algorithm>

using namespace attnc::ptx;

SharedMemory::SharedMemory(Launch &launch, uint32_t size, unsigned granuleShift,
                           unsigned warps)
    : launch(launch), limit(sharedBase + size), shift(granuleShift),
      warps(warps), data((size_t(size) + 15) & ~size_t(15)),
      granules(data.size() >> granuleShift),
      reads(launch.options.races ? granules.size() * warps : 0) {}

void SharedMemory::reset() {
  fillPoison(data.data(), data.size());
  std::fill(granules.begin(), granules.end(), Granule());
  // Times of an earlier block are older than every clock of this one.
}

uint8_t *SharedMemory::find(uint64_t address, uint64_t size) {
  if (address < sharedBase || address > limit || size > limit - address)
    return nullptr;
  return data.data() + (address - sharedBase);
}

template <class F>
void SharedMemory::forGranules(uint32_t address, uint32_t size, F f) {
  size_t first = (address - sharedBase) >> shift;
  size_t last = (address - sharedBase + size - 1) >> shift;
  for (size_t i = first; i <= last; ++i)
    f(i, granules[i]);
}

static std::string at(uint32_t address) {
  return format("shared address 0x%x", address);
}

/// Whether the last write is known to the warp, or is no conflict.
static inline bool isOrdered(const Warp &warp, uint32_t time, unsigned writer,
                             bool bothStrong) {
  return writer == warp.id || time <= warp.clock.time[writer] || bothStrong;
}

void SharedMemory::reportWriter(Warp &warp, unsigned line,
                                const Granule &granule, uint32_t address,
                                const char *what) {
  launch.report(Finding::Race, line, granule.writeLine, [&] {
    std::string writer = granule.writer < mostWarps
                             ? format("warp %u", granule.writer)
                             : std::string("an asynchronous copy");
    return format("warp %u %s ", warp.id, what) + at(address) + ", which " +
           writer +
           format(" wrote at line %u with nothing to order the two",
                  granule.writeLine);
  });
}

void SharedMemory::checkReaders(Warp &warp, unsigned line, size_t index,
                                const Granule &granule, uint32_t address,
                                bool strong) {
  const uint32_t *times = &reads[index * warps];
  for (unsigned other = 0; other < warps; ++other) {
    if (other == warp.id || times[other] >> 1 <= warp.clock.time[other] ||
        (strong && (times[other] & StrongRead)))
      continue;
    launch.report(Finding::Race, line, granule.readLine, [&] {
      return format("warp %u writes ", warp.id) + at(address) +
             format(", which warp %u reads (last at line %u) with nothing to "
                    "order the two",
                    other, granule.readLine);
    });
    return;
  }
}

void SharedMemory::read(Warp &warp, unsigned line, uint32_t address,
                        uint32_t size, bool strong) {
  if (!launch.options.races)
    return;
  uint32_t now = warp.clock.time[warp.id];
  forGranules(address, size, [&](size_t i, Granule &granule) {
    if (granule.state != Written) {
      if (granule.state == InFlight)
        launch.report(Finding::InFlight, line, granule.writeLine, [&] {
          return format("warp %u reads ", warp.id) + at(address) +
                 format(", where the asynchronous copy of line %u has not "
                        "landed",
                        granule.writeLine);
        });
      else if (launch.options.uninitialized)
        launch.report(Finding::Uninitialized, line, 0, [&] {
          return format("warp %u reads ", warp.id) + at(address) +
                 ", which nobody has written";
        });
    } else if (!isOrdered(warp, granule.writeTime, granule.writer,
                          strong && (granule.flags & Strong))) {
      reportWriter(warp, line, granule, address, "reads");
    }
    // Among reads of one time a plain one is the one to remember.
    uint32_t &last = reads[i * warps + warp.id];
    if (!strong || last >> 1 != now)
      last = now << 1 | (strong ? StrongRead : 0);
    granule.readLine = line;
  });
}

void SharedMemory::write(Warp &warp, unsigned line, uint32_t address,
                         uint32_t size, bool strong) {
  uint32_t now = warp.clock.time[warp.id];
  forGranules(address, size, [&](size_t i, Granule &granule) {
    if (launch.options.races) {
      if (granule.state == InFlight)
        launch.report(Finding::InFlight, line, granule.writeLine, [&] {
          return format("warp %u writes ", warp.id) + at(address) +
                 format(", where the asynchronous copy of line %u has not "
                        "landed",
                        granule.writeLine);
        });
      else if (granule.state == Written &&
               !isOrdered(warp, granule.writeTime, granule.writer,
                          strong && (granule.flags & Strong)))
        reportWriter(warp, line, granule, address, "writes");
      if (granule.pendingReads)
        launch.report(Finding::InFlight, line, granule.readLine, [&] {
          return format("warp %u writes ", warp.id) + at(address) +
                 format(", which the asynchronous operation of line %u still "
                        "reads",
                        granule.readLine);
        });
      checkReaders(warp, line, i, granule, address, strong);
    }
    granule.writeTime = now;
    granule.writeLine = line;
    granule.writer = static_cast<uint8_t>(warp.id);
    granule.state = Written;
    granule.flags = strong ? Strong : 0;
  });
}

void SharedMemory::checkFence(Warp &warp, unsigned line, const Granule &granule,
                              uint32_t address, const char *what) {
  bool fenced = (granule.flags & AsyncProxy) ||
                granule.writeTime <= warp.fenced.time[granule.writer];
  if (granule.state != Written || fenced)
    return;
  launch.report(Finding::MissingFence, line, granule.writeLine, [&] {
    return at(address) +
           format(" was written by an ordinary store (line %u) and is %s by "
                  "the async proxy without fence.proxy.async between",
                  granule.writeLine, what);
  });
}

void SharedMemory::beginAsyncWrite(Warp &warp, unsigned line, uint32_t address,
                                   uint32_t size, bool asyncProxy) {
  if (asyncProxy && launch.options.races)
    forGranules(address, size, [&](size_t, Granule &granule) {
      checkFence(warp, line, granule, address, "overwritten");
    });
  write(warp, line, address, size);
  fillPoison(find(address, size), size);
  forGranules(address, size,
              [](size_t, Granule &granule) { granule.state = InFlight; });
}

void SharedMemory::endAsyncWrite(unsigned line, uint32_t address, uint32_t size,
                                 unsigned agent, uint32_t time,
                                 bool asyncProxy) {
  forGranules(address, size, [&](size_t, Granule &granule) {
    granule.state = Written;
    granule.writer = static_cast<uint8_t>(agent);
    granule.writeTime = time;
    granule.writeLine = line;
    granule.flags = asyncProxy ? AsyncProxy : 0;
  });
}

void SharedMemory::beginAsyncRead(Warp &warp, unsigned line, uint32_t address,
                                  uint32_t size) {
  if (!launch.options.races)
    return;
  read(warp, line, address, size);
  forGranules(address, size, [&](size_t, Granule &granule) {
    checkFence(warp, line, granule, address, "read");
    if (granule.pendingReads < 0xffff)
      ++granule.pendingReads;
  });
}

void SharedMemory::endAsyncRead(Warp &warp, uint32_t address, uint32_t size) {
  if (!launch.options.races)
    return;
  forGranules(address, size, [&](size_t i, Granule &granule) {
    granule.pendingReads -= granule.pendingReads > 0;
    reads[i * warps + warp.id] = warp.clock.time[warp.id] << 1;
  });
}

void SharedMemory::forget(uint32_t address, uint32_t size) {
  fillPoison(find(address, size), size);
}
