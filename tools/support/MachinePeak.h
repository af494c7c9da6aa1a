// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What this machine can do at most, measured: multiply-adds and memory reads.

#ifndef ATTNC_TOOLS_SUPPORT_MACHINEPEAK_H
#define ATTNC_TOOLS_SUPPORT_MACHINEPEAK_H

namespace attnc {

struct MachinePeak {
  /// FLOP/s of independent fused multiply-adds on vectors (2 a lane).
  double flops = 0;
  /// The vectors that reached it: "avx512f", "avx2", "sse2", "vector".
  const char *vectors = "";
  const char *type = "f32"; ///< or "f64"
};

/// The better of the vector widths that the CPU has, all threads together.
/// Takes some 50 ms.
MachinePeak measureFmaPeak(bool doublePrecision, unsigned threads);

/// Bytes a second of plain reads from main memory, all threads together; 0 if
/// there is no memory to measure with. Takes some 100 ms.
double measureReadBandwidth(unsigned threads);

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_MACHINEPEAK_H
