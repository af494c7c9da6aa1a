// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Handlers that decoders name, by the file that they are in. Arithmetic is
// found by selectArithmetic instead.

#ifndef ATTNC_RUNTIME_PTX_EXECUTE_H
#define ATTNC_RUNTIME_PTX_EXECUTE_H

#include "Warp.h"

namespace attnc {
namespace ptx {

#define ATTNC_PTX_HANDLER(name)                                                \
  void name(Warp &warp, const Inst &in, uint32_t mask)

// ExecuteControl.cpp
ATTNC_PTX_HANDLER(runBranch);
ATTNC_PTX_HANDLER(runExit);
ATTNC_PTX_HANDLER(runTrap);
ATTNC_PTX_HANDLER(runNothing);
ATTNC_PTX_HANDLER(runAlignedNothing);
ATTNC_PTX_HANDLER(runWarpSync);
ATTNC_PTX_HANDLER(runBarrier);
ATTNC_PTX_HANDLER(runClusterBarrier);
ATTNC_PTX_HANDLER(runProxyFence);
ATTNC_PTX_HANDLER(runFence);
ATTNC_PTX_HANDLER(runBranchEqual);
ATTNC_PTX_HANDLER(runNanosleep);
ATTNC_PTX_HANDLER(runClock);
// ExecuteWarp.cpp
ATTNC_PTX_HANDLER(runShuffle);
ATTNC_PTX_HANDLER(runVote);
ATTNC_PTX_HANDLER(runMatch);
ATTNC_PTX_HANDLER(runRedux);
ATTNC_PTX_HANDLER(runElect);
ATTNC_PTX_HANDLER(runActivemask);
ATTNC_PTX_HANDLER(runPack);
ATTNC_PTX_HANDLER(runUnpack);
ATTNC_PTX_HANDLER(runCvta);
ATTNC_PTX_HANDLER(runIsspacep);
// ExecuteMemory.cpp
ATTNC_PTX_HANDLER(runLoad);
ATTNC_PTX_HANDLER(runLoadParameter);
ATTNC_PTX_HANDLER(runStore);
ATTNC_PTX_HANDLER(runPrefetch);
ATTNC_PTX_HANDLER(runLdmatrix);
ATTNC_PTX_HANDLER(runStmatrix);
// Atomics.cpp
ATTNC_PTX_HANDLER(runAtomic);
// AsyncCopies.cpp
ATTNC_PTX_HANDLER(runCpAsync);
ATTNC_PTX_HANDLER(runCpAsyncCommit);
ATTNC_PTX_HANDLER(runCpAsyncWait);
ATTNC_PTX_HANDLER(runCpAsyncArrive);
// Mbarrier.cpp
ATTNC_PTX_HANDLER(runMbarrierInit);
ATTNC_PTX_HANDLER(runMbarrierInval);
ATTNC_PTX_HANDLER(runMbarrierArrive);
ATTNC_PTX_HANDLER(runMbarrierExpect);
ATTNC_PTX_HANDLER(runMbarrierTest);
// BulkCopies.cpp
ATTNC_PTX_HANDLER(runBulkCopy);
ATTNC_PTX_HANDLER(runBulkCommit);
ATTNC_PTX_HANDLER(runBulkWait);
ATTNC_PTX_HANDLER(runTensorCopy);
ATTNC_PTX_HANDLER(runTensorMapReplace);
ATTNC_PTX_HANDLER(runTensorMapCopy);
// Wgmma.cpp
ATTNC_PTX_HANDLER(runWgmma);
ATTNC_PTX_HANDLER(runWgmmaFence);
ATTNC_PTX_HANDLER(runWgmmaCommit);
ATTNC_PTX_HANDLER(runWgmmaWait);

#undef ATTNC_PTX_HANDLER

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_EXECUTE_H
