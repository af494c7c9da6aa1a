// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f32 and f64. What PTX approximates is computed as well as the host can.

#include "Lanes.h"
#include "Rounding.h"
#include "SelectArithmetic.h"

namespace attnc {
namespace ptx {
namespace {

template <bool ftz, class T>
inline T input(T x) {
  if constexpr (ftz && sizeof(T) == 4)
    return flush(x);
  else
    return x;
}

template <bool ftz, class T>
inline T output(const Inst &in, T x) {
  if (in.saturate) // NaN becomes 0
    x = x > T(0) ? (x < T(1) ? x : T(1)) : T(0);
  return input<ftz>(x);
}

#define ATTNC_PTX_FLOAT2(name, expression)                                     \
  template <class T, bool ftz>                                                 \
  struct name {                                                                \
    const Inst &in;                                                            \
    T operator()(T x, T y) const {                                             \
      T a = input<ftz>(x), b = input<ftz>(y);                                  \
      return output<ftz>(in, expression);                                      \
    }                                                                          \
  };
ATTNC_PTX_FLOAT2(FAdd, a + b)
ATTNC_PTX_FLOAT2(FSub, a - b)
ATTNC_PTX_FLOAT2(FMul, a *b)
ATTNC_PTX_FLOAT2(FDiv, a / b)
#undef ATTNC_PTX_FLOAT2

template <class T, bool ftz>
struct FFma {
  const Inst &in;
  T operator()(T a, T b, T c) const {
    return output<ftz>(in,
                       std::fma(input<ftz>(a), input<ftz>(b), input<ftz>(c)));
  }
};

/// NaN out where both are NaN, or with .NaN where one is.
template <class T>
inline T canonical(T x) {
  if constexpr (sizeof(T) == 4)
    return x != x ? bitsAs<float>(uint32_t(0x7fffffff)) : x;
  else
    return x;
}

template <class T, bool ftz, bool larger>
struct FMinMax {
  const Inst &in;
  T operator()(T x, T y) const {
    T a = input<ftz>(x), b = input<ftz>(y);
    T sign = a;
    if (in.extra) { // .xorsign.abs
      bool negative = std::signbit(a) != std::signbit(b);
      sign = negative ? T(-1) : T(1);
      a = std::fabs(a);
      b = std::fabs(b);
    }
    T result = larger ? maximum(a, b) : minimum(a, b);
    if (in.nan && (a != a || b != b))
      result = std::numeric_limits<T>::quiet_NaN();
    if (in.extra)
      result = std::copysign(result, sign);
    return canonical(result);
  }
};

/// The plain form, which vectorises.
template <bool ftz, bool larger>
struct FMinMaxPlain {
  const Inst &in;
  float operator()(float x, float y) const {
    float a = input<ftz>(x), b = input<ftz>(y);
    return canonical(larger ? maximum(a, b) : minimum(a, b));
  }
};

template <class T, bool ftz>
struct FNeg {
  const Inst &in;
  T operator()(T a) const { return input<ftz>(-a); }
};
template <class T, bool ftz>
struct FAbs {
  const Inst &in;
  T operator()(T a) const { return input<ftz>(std::fabs(a)); }
};

#define ATTNC_PTX_FLOAT1(name, expression)                                     \
  template <class T, bool ftz>                                                 \
  struct name {                                                                \
    const Inst &in;                                                            \
    T operator()(T x) const {                                                  \
      T a = input<ftz>(x);                                                     \
      return output<ftz>(in, expression);                                      \
    }                                                                          \
  };
ATTNC_PTX_FLOAT1(FRcp, T(1) / a)
ATTNC_PTX_FLOAT1(FSqrt, std::sqrt(a))
ATTNC_PTX_FLOAT1(FRsqrt, T(1) / std::sqrt(a))
ATTNC_PTX_FLOAT1(FSin, std::sin(a))
ATTNC_PTX_FLOAT1(FCos, std::cos(a))
ATTNC_PTX_FLOAT1(FLg2, std::log2(a))
ATTNC_PTX_FLOAT1(FEx2, std::exp2(a))
ATTNC_PTX_FLOAT1(FTanh, std::tanh(a))
#undef ATTNC_PTX_FLOAT1

template <class T>
struct FCopysign {
  const Inst &in;
  // PTX: the sign of a, the magnitude of b.
  T operator()(T a, T b) const { return std::copysign(b, a); }
};

/// Any rounding mode; slow.
template <class T, bool ftz>
void rounded(Warp &warp, const Inst &in, uint32_t mask) {
  Source<T> a(warp, in.a), b(warp, in.b), c(warp, in.c);
  bool one = in.op == Op::Sqrt || in.op == Op::Rcp;
  forLanes(mask, [&](unsigned lane) {
    T x = input<ftz>(a[lane]);
    T y = one ? T(0) : input<ftz>(b[lane]);
    T z = in.op == Op::Fma ? input<ftz>(c[lane]) : T(0);
    T result = output<ftz>(in, roundedOp(in.op, in.rounding, x, y, z));
    warp.lanes<Word<T>>(in.d)[lane] = toWord<T>(result);
  });
}

template <class T>
void testProperty(Warp &warp, const Inst &in, uint32_t mask) {
  Source<T> a(warp, in.a);
  uint32_t result = collect(mask, [&](unsigned lane) {
    int kind = std::fpclassify(a[lane]);
    switch (in.mode) {
    case 0:
      return kind != FP_NAN && kind != FP_INFINITE;
    case 1:
      return kind == FP_INFINITE;
    case 2:
      return kind != FP_NAN;
    case 3:
      return kind == FP_NAN;
    case 4:
      return kind == FP_NORMAL;
    default:
      return kind == FP_SUBNORMAL;
    }
  });
  setPredicate(warp, in.d, mask, result);
}

template <class T, bool ftz>
Handler selectFor(const Inst &in) {
  bool computes = in.op == Op::Add || in.op == Op::Sub || in.op == Op::Mul ||
                  in.op == Op::Div || in.op == Op::Fma || in.op == Op::Sqrt ||
                  in.op == Op::Rcp;
  if (computes && in.rounding != Rounding::Nearest)
    return rounded<T, ftz>;
  switch (in.op) {
  case Op::Add:
    return binary<T, T, FAdd<T, ftz>>;
  case Op::Sub:
    return binary<T, T, FSub<T, ftz>>;
  case Op::Mul:
    return binary<T, T, FMul<T, ftz>>;
  case Op::Div:
    return binary<T, T, FDiv<T, ftz>>;
  case Op::Fma:
    return ternary<T, T, T, FFma<T, ftz>>;
  case Op::Min:
    return binary<T, T, FMinMax<T, ftz, false>>;
  case Op::Max:
    return binary<T, T, FMinMax<T, ftz, true>>;
  case Op::Neg:
    return unary<T, T, FNeg<T, ftz>>;
  case Op::Abs:
    return unary<T, T, FAbs<T, ftz>>;
  case Op::Rcp:
    return unary<T, T, FRcp<T, ftz>>;
  case Op::Sqrt:
    return unary<T, T, FSqrt<T, ftz>>;
  case Op::Rsqrt:
    return unary<T, T, FRsqrt<T, ftz>>;
  case Op::Copysign:
    return binary<T, T, FCopysign<T>>;
  case Op::Testp:
    return testProperty<T>;
  default:
    return nullptr;
  }
}

template <bool ftz>
Handler selectSingle(const Inst &in) {
  bool plain = !in.nan && !in.extra;
  switch (in.op) {
  case Op::Min:
    if (plain)
      return binary<float, float, FMinMaxPlain<ftz, false>>;
    break;
  case Op::Max:
    if (plain)
      return binary<float, float, FMinMaxPlain<ftz, true>>;
    break;
  case Op::Sin:
    return unary<float, float, FSin<float, ftz>>;
  case Op::Cos:
    return unary<float, float, FCos<float, ftz>>;
  case Op::Lg2:
    return unary<float, float, FLg2<float, ftz>>;
  case Op::Ex2:
    return unary<float, float, FEx2<float, ftz>>;
  case Op::Tanh:
    return unary<float, float, FTanh<float, ftz>>;
  default:
    break;
  }
  return selectFor<float, ftz>(in);
}

} // namespace

Handler ATTNC_PTX_ISA::selectFloat(const Inst &in) {
  if (in.type == Type::F32)
    return in.ftz ? selectSingle<true>(in) : selectSingle<false>(in);
  if (in.type == Type::F64)
    return selectFor<double, false>(in);
  return nullptr;
}

Handler ATTNC_PTX_ISA::selectArithmetic(const Inst &in) {
  for (auto select : {selectInteger, selectBits, selectFloat, selectHalf,
                      selectCompare, selectConvert})
    if (Handler handler = select(in))
      return handler;
  return nullptr;
}

} // namespace ptx
} // namespace attnc
