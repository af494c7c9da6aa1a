// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops over 32 lanes for handlers of arithmetic. Everything is internal: the
// files that include this are compiled for several instruction sets.

#ifndef ATTNC_RUNTIME_PTX_LANES_H
#define ATTNC_RUNTIME_PTX_LANES_H

#include "Launch.h"
#include "Numbers.h"
#include "Warp.h"

#include <type_traits>

#if defined(__clang__)
#define ATTNC_PTX_LANE_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define ATTNC_PTX_LANE_LOOP _Pragma("GCC ivdep")
#endif

namespace attnc {
namespace ptx {
namespace {

/// What a lane of a register holds: 32 bits, or 64.
template <class T>
using Word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
inline T fromWord(Word<T> word) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(word);
  } else {
    return bitsAs<T>(word);
  }
}

template <class T>
inline Word<T> toWord(T value) {
  if constexpr (std::is_integral_v<T>) {
    // 16-bit values lie in the lower half, with zeros above.
    return static_cast<Word<T>>(static_cast<std::make_unsigned_t<T>>(value));
  } else {
    return bitsAs<Word<T>>(value);
  }
}

/// d = f(lane) in the lanes of the mask.
template <class R, class F>
inline void forEach(Warp &warp, uint32_t slot, uint32_t mask, F f) {
  Word<R> *d = warp.lanes<Word<R>>(slot);
  if (mask == allLanes) {
    ATTNC_PTX_LANE_LOOP
    for (unsigned lane = 0; lane < 32; ++lane)
      d[lane] = toWord<R>(f(lane));
    return;
  }
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1)
      d[lane] = toWord<R>(f(lane));
}

template <class T>
struct Source {
  Source(Warp &warp, uint32_t slot) : words(warp.lanes<Word<T>>(slot)) {}
  T operator[](unsigned lane) const { return fromWord<T>(words[lane]); }
  const Word<T> *words;
};

template <class R, class A, class F>
void unary(Warp &warp, const Inst &in, uint32_t mask) {
  Source<A> a(warp, in.a);
  F f{in};
  forEach<R>(warp, in.d, mask, [=](unsigned lane) { return f(a[lane]); });
}

template <class R, class A, class F>
void binary(Warp &warp, const Inst &in, uint32_t mask) {
  Source<A> a(warp, in.a), b(warp, in.b);
  F f{in};
  forEach<R>(warp, in.d, mask,
             [=](unsigned lane) { return f(a[lane], b[lane]); });
}

template <class R, class A, class C, class F>
void ternary(Warp &warp, const Inst &in, uint32_t mask) {
  Source<A> a(warp, in.a), b(warp, in.b);
  Source<C> c(warp, in.c);
  F f{in};
  forEach<R>(warp, in.d, mask,
             [=](unsigned lane) { return f(a[lane], b[lane], c[lane]); });
}

/// A predicate from f(lane).
template <class F>
inline uint32_t collect(uint32_t mask, F f) {
  uint32_t result = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    result |= uint32_t(f(lane)) << lane;
  return result & mask;
}

inline void setPredicate(Warp &warp, uint32_t at, uint32_t mask,
                         uint32_t value) {
  warp.preds[at] = (warp.preds[at] & ~mask) | (value & mask);
}

} // namespace
} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_LANES_H
