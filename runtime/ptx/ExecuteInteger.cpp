// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer arithmetic. Signed arithmetic wraps, so it is done on unsigned types.

#include "Lanes.h"
#include "SelectArithmetic.h"

#include <limits>

namespace attnc {
namespace ptx {
namespace {

template <class T>
using U = std::make_unsigned_t<T>;
// Products of 16-bit numbers must not become signed ints.
template <class T>
using Product = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<
        sizeof(T) == 4,
        std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
        std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

template <class T>
struct AddOp {
  const Inst &in;
  T operator()(T a, T b) const { return T(U<T>(a) + U<T>(b)); }
};
template <class T>
struct SubOp {
  const Inst &in;
  T operator()(T a, T b) const { return T(U<T>(a) - U<T>(b)); }
};
inline int32_t clampTo32(int64_t x) {
  constexpr int64_t low = std::numeric_limits<int32_t>::min();
  constexpr int64_t high = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(x < low ? low : x > high ? high : x);
}
struct AddSat {
  const Inst &in;
  int32_t operator()(int32_t a, int32_t b) const {
    return clampTo32(int64_t(a) + b);
  }
};
struct SubSat {
  const Inst &in;
  int32_t operator()(int32_t a, int32_t b) const {
    return clampTo32(int64_t(a) - b);
  }
};
template <class T>
struct MulOp {
  const Inst &in;
  T operator()(T a, T b) const { return T(Product<T>(a) * Product<T>(b)); }
};
template <class T>
inline T high(T a, T b) {
  return T((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T)));
}
template <class T>
struct MulHiOp {
  const Inst &in;
  T operator()(T a, T b) const { return high(a, b); }
};
template <class T>
struct MulWideOp {
  const Inst &in;
  Wide<T> operator()(T a, T b) const { return Wide<T>(a) * Wide<T>(b); }
};
template <class T>
struct MadOp {
  const Inst &in;
  T operator()(T a, T b, T c) const {
    return T(Product<T>(a) * Product<T>(b) + Product<T>(c));
  }
};
template <class T>
struct MadHiOp {
  const Inst &in;
  T operator()(T a, T b, T c) const { return T(U<T>(high(a, b)) + U<T>(c)); }
};
struct MadHiSat {
  const Inst &in;
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return clampTo32(int64_t(high(a, b)) + c);
  }
};
template <class T>
struct MadWideOp {
  const Inst &in;
  Wide<T> operator()(T a, T b, Wide<T> c) const {
    using V = std::make_unsigned_t<Wide<T>>;
    return Wide<T>(V(Wide<T>(a) * Wide<T>(b)) + V(c));
  }
};
template <class T>
inline T product24(const Inst &in, T a, T b) {
  // The lower 24 bits, with their own sign.
  int64_t x = std::is_signed_v<T> ? int32_t(uint32_t(a) << 8) >> 8
                                  : int64_t(a & 0xffffff);
  int64_t y = std::is_signed_v<T> ? int32_t(uint32_t(b) << 8) >> 8
                                  : int64_t(b & 0xffffff);
  return T((x * y) >> (in.extra ? 16 : 0));
}
template <class T>
struct Mul24Op {
  const Inst &in;
  T operator()(T a, T b) const { return product24<T>(in, a, b); }
};
template <class T>
struct Mad24Op {
  const Inst &in;
  T operator()(T a, T b, T c) const {
    return T(U<T>(product24<T>(in, a, b)) + U<T>(c));
  }
};
template <class T>
struct SadOp {
  const Inst &in;
  T operator()(T a, T b, T c) const {
    U<T> distance = a < b ? U<T>(b) - U<T>(a) : U<T>(a) - U<T>(b);
    return T(U<T>(c) + distance);
  }
};
// What PTX leaves open must not stop the host: x / 0 is all ones, and the
// smallest number divided by -1 is itself.
template <class T>
struct DivOp {
  const Inst &in;
  T operator()(T a, T b) const {
    if (b == 0)
      return T(~U<T>(0));
    if (std::is_signed_v<T> && b == T(-1))
      return T(U<T>(0) - U<T>(a));
    return T(a / b);
  }
};
template <class T>
struct RemOp {
  const Inst &in;
  T operator()(T a, T b) const {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return T(a % b);
  }
};
template <class T>
struct AbsOp {
  const Inst &in;
  T operator()(T a) const { return a < 0 ? T(U<T>(0) - U<T>(a)) : a; }
};
template <class T>
struct NegOp {
  const Inst &in;
  T operator()(T a) const { return T(U<T>(0) - U<T>(a)); }
};
template <class T>
struct MinOp {
  const Inst &in;
  T operator()(T a, T b) const {
    T result = b < a ? b : a;
    return in.relu && result < 0 ? T(0) : result;
  }
};
template <class T>
struct MaxOp {
  const Inst &in;
  T operator()(T a, T b) const {
    T result = a < b ? b : a;
    return in.relu && result < 0 ? T(0) : result;
  }
};
struct Dp4aOp {
  const Inst &in;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    for (unsigned i = 0; i < 4; ++i) {
      int x =
          in.type == Type::S32 ? int8_t(a >> (8 * i)) : uint8_t(a >> (8 * i));
      int y =
          in.type2 == Type::S32 ? int8_t(b >> (8 * i)) : uint8_t(b >> (8 * i));
      c += static_cast<uint32_t>(x * y);
    }
    return c;
  }
};

/// add.cc and its family: a sum with the lane's carry, which is set if wanted.
template <class T>
void addCarry(Warp &warp, const Inst &in, uint32_t mask) {
  using W = Word<T>;
  bool subtracts = in.op == Op::SubCc || in.op == Op::SubC;
  bool reads = in.op == Op::AddC || in.op == Op::SubC || in.op == Op::MadCLo ||
               in.op == Op::MadCHi;
  bool writes = in.op == Op::AddCc || in.op == Op::SubCc ||
                in.op == Op::MadCcLo || in.op == Op::MadCcHi || in.extra;
  bool multiplies = in.op >= Op::MadCcLo && in.op <= Op::MadCHi;
  bool upper = in.op == Op::MadCcHi || in.op == Op::MadCHi;
  Source<T> a(warp, in.a), b(warp, in.b), c(warp, in.c);
  uint32_t carries = 0;
  W *d = warp.lanes<W>(in.d);
  forLanes(mask, [&](unsigned lane) {
    W x = W(a[lane]), y = W(b[lane]);
    if (multiplies) {
      x = upper ? W(high(a[lane], b[lane])) : W(x * y);
      y = W(c[lane]);
    }
    if (subtracts)
      y = ~y;
    // A subtraction adds the complement; its borrow is a missing carry.
    unsigned carry = warp.carry >> lane & 1;
    unsigned in0 = reads ? (subtracts ? !carry : carry) : subtracts;
    unsigned __int128 sum = static_cast<unsigned __int128>(x) + y + in0;
    unsigned out = static_cast<unsigned>(sum >> (8 * sizeof(W))) & 1;
    d[lane] = static_cast<W>(sum);
    carries |= uint32_t(subtracts ? !out : out) << lane;
  });
  if (writes)
    warp.carry = (warp.carry & ~mask) | (carries & mask);
}

template <class T>
Handler selectMul(const Inst &in) {
  if constexpr (sizeof(T) < 8) {
    if (in.op == Op::MulWide)
      return binary<Wide<T>, T, MulWideOp<T>>;
    if (in.op == Op::MadWide)
      return ternary<Wide<T>, T, Wide<T>, MadWideOp<T>>;
  }
  if constexpr (sizeof(T) == 4) {
    if (in.op == Op::Mul24)
      return binary<T, T, Mul24Op<T>>;
    if (in.op == Op::Mad24)
      return ternary<T, T, T, Mad24Op<T>>;
  }
  if constexpr (sizeof(T) >= 4)
    if (in.op >= Op::AddCc && in.op <= Op::MadCHi)
      return addCarry<T>;
  return nullptr;
}

template <class T>
Handler selectFor(const Inst &in) {
  switch (in.op) {
  case Op::Add:
    return binary<T, T, AddOp<T>>;
  case Op::Sub:
    return binary<T, T, SubOp<T>>;
  case Op::Mul:
    return binary<T, T, MulOp<T>>;
  case Op::MulHi:
    return binary<T, T, MulHiOp<T>>;
  case Op::Mad:
    return ternary<T, T, T, MadOp<T>>;
  case Op::MadHi:
    return ternary<T, T, T, MadHiOp<T>>;
  case Op::Sad:
    return ternary<T, T, T, SadOp<T>>;
  case Op::Div:
    return binary<T, T, DivOp<T>>;
  case Op::Rem:
    return binary<T, T, RemOp<T>>;
  case Op::Abs:
    return unary<T, T, AbsOp<T>>;
  case Op::Neg:
    return unary<T, T, NegOp<T>>;
  case Op::Min:
    return binary<T, T, MinOp<T>>;
  case Op::Max:
    return binary<T, T, MaxOp<T>>;
  default:
    return selectMul<T>(in);
  }
}

} // namespace

Handler ATTNC_PTX_ISA::selectInteger(const Inst &in) {
  if (in.saturate && in.type == Type::S32) {
    if (in.op == Op::Add)
      return binary<int32_t, int32_t, AddSat>;
    if (in.op == Op::Sub)
      return binary<int32_t, int32_t, SubSat>;
    if (in.op == Op::MadHi)
      return ternary<int32_t, int32_t, int32_t, MadHiSat>;
  }
  if (in.op == Op::Dp4a)
    return ternary<uint32_t, uint32_t, uint32_t, Dp4aOp>;
  switch (in.type) {
  case Type::U16:
    return selectFor<uint16_t>(in);
  case Type::S16:
    return selectFor<int16_t>(in);
  case Type::U32:
    return selectFor<uint32_t>(in);
  case Type::S32:
    return selectFor<int32_t>(in);
  case Type::U64:
    return selectFor<uint64_t>(in);
  case Type::S64:
    return selectFor<int64_t>(in);
  default:
    return nullptr;
  }
}

} // namespace ptx
} // namespace attnc
