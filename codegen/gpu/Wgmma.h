// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of a warpgroup (sm_90a): four warps multiply 64 rows by a tile that
// the tensor cores read in shared memory, in panels of swizzled 128-byte rows.

#ifndef ATTNC_CODEGEN_GPU_WGMMA_H
#define ATTNC_CODEGEN_GPU_WGMMA_H

#include "codegen/gpu/Warp.h"

namespace attnc::gpu {

class Wgmma {
public:
  explicit Wgmma(Warp &w) : w(w), e(w.e) {}

  /// A tile in shared memory: what describes it, and the bytes of a panel.
  struct Tile {
    Value descriptor; // i64
    int64_t panelBytes;
  };
  /// The tile of panels at a shared address that is a multiple of 1024.
  Tile tile(Value address, int64_t panelBytes);

  // Products are asynchronous: their results, and the registers that they read,
  // are left alone until `wait`. Each begins a group of its own.

  /// a b^T of 64 rows of a and `columns` rows of b, over 16 * `steps` columns.
  Values multiply(const Tile &a, const Tile &b, int64_t steps, int64_t columns);
  /// sums + a b: a is fragments of 16 columns each, b has as many rows.
  Values multiply(const Values &sums, const Values &a, const Tile &b);
  /// Waits until `groupsLeft` groups are under way; returns the results that
  /// are there then. `kept` are registers that were read until now.
  Values wait(int64_t groupsLeft, const Values &results, const Values &kept);

  /// What this thread stored, or copied and waited for, may be read by products
  /// that come after the next barrier.
  void fenceShared();

private:
  Warp &w;
  Emitter &e;

  std::string instruction(int64_t columns) const;
  Values assembly(size_t numResults, const std::string &text,
                  const std::string &constraints, const Values &operands);
};

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_WGMMA_H
