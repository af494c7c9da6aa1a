// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block's shared memory and its shadow: who wrote and read each few bytes
// when, and what an asynchronous unit still holds.
//
// Two accesses race unless the clock of the later one knows of the earlier one.
// That does not depend on the order in which the warps happened to run.

#ifndef ATTNC_RUNTIME_PTX_SHAREDMEMORY_H
#define ATTNC_RUNTIME_PTX_SHAREDMEMORY_H

#include "VectorClock.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace attnc {
namespace ptx {

struct Launch;
struct Warp;

class SharedMemory {
public:
  SharedMemory(Launch &launch, uint32_t size, unsigned granuleShift,
               unsigned warps);

  /// Forgets everything: NaN everywhere, nothing written.
  void reset();
  /// Null unless all bytes exist.
  uint8_t *find(uint64_t address, uint64_t size);
  uint32_t end() const { return limit; }

  void read(Warp &warp, unsigned line, uint32_t address, uint32_t size,
            bool strong = false);
  void write(Warp &warp, unsigned line, uint32_t address, uint32_t size,
             bool strong = false);

  /// From issue to landing nobody may touch these bytes, which are NaN.
  void beginAsyncWrite(Warp &warp, unsigned line, uint32_t address,
                       uint32_t size, bool asyncProxy);
  /// The bytes are there; known to those who know of `agent` at `time`.
  void endAsyncWrite(unsigned line, uint32_t address, uint32_t size,
                     unsigned agent, uint32_t time, bool asyncProxy);
  /// Until the end nobody may write these bytes.
  void beginAsyncRead(Warp &warp, unsigned line, uint32_t address,
                      uint32_t size);
  void endAsyncRead(Warp &warp, uint32_t address, uint32_t size);
  /// Back to NaN, as after mbarrier.inval.
  void forget(uint32_t address, uint32_t size);

private:
  enum State : uint8_t { Unwritten, Written, InFlight };
  struct Granule {
    uint32_t writeTime = 0;
    uint32_t writeLine = 0;
    uint32_t readLine = 0;
    uint8_t writer = 0;
    State state = Unwritten;
    uint8_t flags = 0;
    uint16_t pendingReads = 0;
  };
  enum Flags : uint8_t { Strong = 1, AsyncProxy = 2 };

  template <class F>
  void forGranules(uint32_t address, uint32_t size, F f);
  void checkFence(Warp &warp, unsigned line, const Granule &granule,
                  uint32_t address, const char *what);
  void reportWriter(Warp &warp, unsigned line, const Granule &granule,
                    uint32_t address, const char *what);
  void checkReaders(Warp &warp, unsigned line, size_t index,
                    const Granule &granule, uint32_t address, bool strong);

  static constexpr uint32_t StrongRead = 1;
  Launch &launch;
  uint32_t limit;
  unsigned shift;
  unsigned warps;
  std::vector<uint8_t> data; ///< from address sharedBase
  std::vector<Granule> granules;
  std::vector<uint32_t> reads; ///< by granule and warp: last time × 2 + strong
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_SHAREDMEMORY_H
