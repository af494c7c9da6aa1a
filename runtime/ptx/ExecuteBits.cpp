// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Logic, shifts, bit fields, permutations and moves.

#include "Lanes.h"
#include "SelectArithmetic.h"

namespace attnc {
namespace ptx {
namespace {

#define ATTNC_PTX_BINARY(name, expression)                                     \
  template <class T>                                                           \
  struct name {                                                                \
    const Inst &in;                                                            \
    T operator()(T a, T b) const { return T(expression); }                     \
  };
ATTNC_PTX_BINARY(AndOp, a &b)
ATTNC_PTX_BINARY(OrOp, a | b)
ATTNC_PTX_BINARY(XorOp, a ^ b)
#undef ATTNC_PTX_BINARY

template <class T>
struct NotOp {
  const Inst &in;
  T operator()(T a) const { return T(~a); }
};
template <class T>
struct CnotOp {
  const Inst &in;
  T operator()(T a) const { return T(a == 0); }
};
template <class T>
struct MovOp {
  const Inst &in;
  T operator()(T a) const { return a; }
};

struct Lop3Op {
  const Inst &in;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    uint32_t result = 0;
    for (unsigned i = 0; i < 8; ++i)
      if (in.mode >> i & 1)
        result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return result;
  }
};

/// Shifts by 32 bits' worth of amount, which is clamped to the width.
template <class T, bool left>
void shift(Warp &warp, const Inst &in, uint32_t mask) {
  constexpr unsigned width = 8 * sizeof(T);
  Source<T> a(warp, in.a);
  Source<uint32_t> b(warp, in.b);
  forEach<T>(warp, in.d, mask, [=](unsigned lane) {
    uint32_t amount = b[lane];
    T value = a[lane];
    unsigned most = amount < width ? amount : width - 1;
    T shifted = left ? T(value << most) : T(value >> most);
    // The last step, where all bits go.
    T gone = std::is_signed_v<T> && value < 0 ? T(-1) : T(0);
    return amount < width ? shifted : left ? T(0) : gone;
  });
}

struct ShfOp {
  const Inst &in;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    unsigned amount = in.extra ? (c < 32 ? c : 32) : c & 31;
    uint64_t both = uint64_t(b) << 32 | a;
    return in.op == Op::ShfL ? uint32_t((both << amount) >> 32)
                             : uint32_t(both >> amount);
  }
};

template <class T>
struct PopcOp {
  const Inst &in;
  uint32_t operator()(T a) const {
    return static_cast<uint32_t>(__builtin_popcountll(a));
  }
};
template <class T>
struct ClzOp {
  const Inst &in;
  uint32_t operator()(T a) const {
    constexpr unsigned width = 8 * sizeof(T);
    return a ? static_cast<uint32_t>(__builtin_clzll(a)) - (64 - width) : width;
  }
};
template <class T>
struct BrevOp {
  const Inst &in;
  T operator()(T a) const {
    T result = 0;
    for (unsigned i = 0; i < 8 * sizeof(T); ++i)
      result = T(result << 1 | (a >> i & 1));
    return result;
  }
};
template <class T>
struct BfindOp {
  const Inst &in;
  uint32_t operator()(T a) const {
    constexpr unsigned width = 8 * sizeof(T);
    using V = std::make_unsigned_t<T>;
    V bits = std::is_signed_v<T> && a < 0 ? V(~V(a)) : V(a);
    if (!bits)
      return ~uint32_t(0);
    unsigned at = 63 - static_cast<unsigned>(__builtin_clzll(bits));
    return in.extra ? width - 1 - at : at;
  }
};
template <class T>
void bfe(Warp &warp, const Inst &in, uint32_t mask) {
  constexpr unsigned width = 8 * sizeof(T);
  using V = std::make_unsigned_t<T>;
  Source<T> a(warp, in.a);
  Source<uint32_t> b(warp, in.b), c(warp, in.c);
  forEach<T>(warp, in.d, mask, [=](unsigned lane) {
    unsigned position = b[lane] & 0xff, length = c[lane] & 0xff;
    V value = V(a[lane]);
    unsigned room = position < width ? width - position : 0;
    unsigned taken = length < room ? length : room;
    V keep = taken < width ? V((V(1) << taken) - 1) : V(~V(0));
    V field = position < width ? V(value >> position) : V(0);
    // Above the field stands its sign, which is at most the top bit.
    unsigned end = position + length;
    unsigned top = length && end - 1 < width ? end - 1 : width - 1;
    bool fills = std::is_signed_v<T> && length && (value >> top & 1);
    return T(V(field & keep) | (fills ? V(~keep) : V(0)));
  });
}

template <class T>
void bfi(Warp &warp, const Inst &in, uint32_t mask) {
  constexpr unsigned width = 8 * sizeof(T);
  Source<T> a(warp, in.a), b(warp, in.b);
  Source<uint32_t> c(warp, in.c), d(warp, in.d2);
  forEach<T>(warp, in.d, mask, [=](unsigned lane) {
    unsigned position = c[lane] & 0xff, length = d[lane] & 0xff;
    T keep = length < width ? T((T(1) << length) - 1) : T(~T(0));
    bool inside = position < width;
    T field = inside ? T(keep << position) : T(0);
    T moved = inside ? T(a[lane] << position) : T(0);
    return T((b[lane] & ~field) | (moved & field));
  });
}

struct BmskOp {
  const Inst &in;
  uint32_t operator()(uint32_t a, uint32_t b) const {
    unsigned start = in.extra ? a : a & 31, length = in.extra ? b : b & 31;
    if (start >= 32)
      return 0;
    uint32_t bits = length >= 32 ? ~uint32_t(0) : (uint32_t(1) << length) - 1;
    return bits << start;
  }
};
template <class T>
struct SzextOp {
  const Inst &in;
  T operator()(T a, T b) const {
    unsigned bits = in.extra ? uint32_t(b) : uint32_t(b) & 31;
    if (bits >= 32)
      return a;
    if (bits == 0)
      return 0;
    return T(T(uint32_t(a) << (32 - bits)) >> (32 - bits));
  }
};

struct PrmtOp {
  const Inst &in;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    static const uint8_t f4e[4][4] = {
        {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}};
    static const uint8_t b4e[4][4] = {
        {0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}};
    uint64_t bytes = uint64_t(b) << 32 | a;
    uint32_t result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      unsigned pick = c >> (4 * i) & 15, which = c & 3;
      switch (in.mode) {
      case 1:
        pick = f4e[which][i];
        break;
      case 2:
        pick = b4e[which][i];
        break;
      case 3:
        pick = which;
        break;
      case 4:
        pick = i > which ? i : which;
        break;
      case 5:
        pick = i < which ? i : which;
        break;
      case 6:
        pick = (c & 1) * 2 + (i & 1);
        break;
      default:
        break;
      }
      uint8_t byte = static_cast<uint8_t>(bytes >> (8 * (pick & 7)));
      if (in.mode == 0 && (pick & 8))
        byte = byte & 0x80 ? 0xff : 0;
      result |= uint32_t(byte) << (8 * i);
    }
    return result;
  }
};

template <class T>
Handler selectLogic(const Inst &in) {
  switch (in.op) {
  case Op::And:
    return binary<T, T, AndOp<T>>;
  case Op::Or:
    return binary<T, T, OrOp<T>>;
  case Op::Xor:
    return binary<T, T, XorOp<T>>;
  case Op::Not:
    return unary<T, T, NotOp<T>>;
  case Op::Cnot:
    return unary<T, T, CnotOp<T>>;
  case Op::Shl:
    return shift<T, true>;
  case Op::Shr:
    return shift<T, false>;
  case Op::Mov:
    return unary<T, T, MovOp<T>>;
  default:
    return nullptr;
  }
}

template <class T>
Handler selectField(const Inst &in) {
  using S = std::make_signed_t<T>;
  bool isSignedType = isSigned(in.type);
  switch (in.op) {
  case Op::Popc:
    return unary<uint32_t, T, PopcOp<T>>;
  case Op::Clz:
    return unary<uint32_t, T, ClzOp<T>>;
  case Op::Brev:
    return unary<T, T, BrevOp<T>>;
  case Op::Bfind:
    return isSignedType ? unary<uint32_t, S, BfindOp<S>>
                        : unary<uint32_t, T, BfindOp<T>>;
  case Op::Bfe:
    return isSignedType ? bfe<S> : bfe<T>;
  case Op::Bfi:
    return bfi<T>;
  default:
    return nullptr;
  }
}

Handler selectWord(const Inst &in) {
  switch (in.op) {
  case Op::Lop3:
    return ternary<uint32_t, uint32_t, uint32_t, Lop3Op>;
  case Op::ShfL:
  case Op::ShfR:
    return ternary<uint32_t, uint32_t, uint32_t, ShfOp>;
  case Op::Bmsk:
    return binary<uint32_t, uint32_t, BmskOp>;
  case Op::Szext:
    return isSigned(in.type) ? binary<int32_t, int32_t, SzextOp<int32_t>>
                             : binary<uint32_t, uint32_t, SzextOp<uint32_t>>;
  case Op::Prmt:
    return ternary<uint32_t, uint32_t, uint32_t, PrmtOp>;
  default:
    return nullptr;
  }
}

} // namespace

Handler ATTNC_PTX_ISA::selectBits(const Inst &in) {
  unsigned bits = bitsOf(in.type);
  if (in.op == Op::Shr && isSigned(in.type))
    return bits == 16   ? shift<int16_t, false>
           : bits == 32 ? shift<int32_t, false>
                        : shift<int64_t, false>;
  if (Handler handler = bits == 32 ? selectWord(in) : nullptr)
    return handler;
  Handler handler = bits == 16   ? selectLogic<uint16_t>(in)
                    : bits == 32 ? selectLogic<uint32_t>(in)
                    : bits == 64 ? selectLogic<uint64_t>(in)
                                 : nullptr;
  if (handler)
    return handler;
  return bits == 32   ? selectField<uint32_t>(in)
         : bits == 64 ? selectField<uint64_t>(in)
                      : nullptr;
}

} // namespace ptx
} // namespace attnc
