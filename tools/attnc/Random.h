// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The random numbers of `attnc run`: specified, so that other programs can make
// the same ones, and addressed by index, so that order and threads don't
// matter.
//
//   mix(z):  z ^= z >> 30;  z *= 0xbf58476d1ce4e5b9;
//            z ^= z >> 27;  z *= 0x94d049bb133111eb;  z ^= z >> 31   (mod 2^64)
//   bits(i)   = mix(mix(seed + G * (argument + 1)) + G * (i + 1)),
//               G = 0x9e3779b97f4a7c15
//   normal(i) = (sum of the four 16-bit parts of bits(i) - 131070) * sqrt(3) /
//   65536 below(i, n) = floor(bits(i) * n / 2^64)

#ifndef ATTNC_TOOLS_ATTNC_RANDOM_H
#define ATTNC_TOOLS_ATTNC_RANDOM_H

#include <cstdint>

namespace attnc {

class Random {
public:
  /// The stream of argument number `argument`.
  Random(uint64_t seed, uint64_t argument)
      : base(mix(seed + golden * (argument + 1))) {}

  uint64_t bits(uint64_t index) const {
    return mix(base + golden * (index + 1));
  }

  /// Mean 0, variance 1, within +-3.47: a sum of four uniform numbers.
  double normal(uint64_t index) const {
    uint64_t x = bits(index);
    int64_t sum =
        (x & 0xffff) + ((x >> 16) & 0xffff) + ((x >> 32) & 0xffff) + (x >> 48);
    constexpr double sqrt3 = 1.7320508075688772;
    return static_cast<double>(sum - 131070) * (sqrt3 / 65536);
  }

  /// 0 <= result < n, for n >= 1.
  int64_t below(uint64_t index, int64_t n) const {
    return static_cast<int64_t>(
        (static_cast<unsigned __int128>(bits(index)) * n) >> 64);
  }

private:
  static constexpr uint64_t golden = 0x9e3779b97f4a7c15;
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t base;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_RANDOM_H
