// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f16, bf16 and their pairs: each operation in f32 (fma in f64), then one
// rounding, which for these widths is the same as rounding once.

#include "Lanes.h"
#include "SelectArithmetic.h"

namespace attnc {
namespace ptx {
namespace {

struct HalfFormat {
  static float widen(uint16_t x) { return halfToFloat(x); }
  static uint16_t narrow(float x) { return floatToHalf(x); }
  static constexpr float leastNormal = 0x1p-14f;
};
struct BrainFormat {
  static float widen(uint16_t x) { return brainToFloat(x); }
  static uint16_t narrow(float x) { return floatToBrain(x); }
  static constexpr float leastNormal = 0x1p-126f;
};

template <class F>
inline float flushed(const Inst &in, float x) {
  return in.ftz && std::fabs(x) < F::leastNormal ? std::copysign(0.0f, x) : x;
}

template <class F>
inline uint16_t finish(const Inst &in, float x) {
  if (in.saturate)
    x = x > 0 ? (x < 1 ? x : 1.0f) : 0.0f;
  if (in.relu) // NaN stays
    x = x < 0 ? 0.0f : x;
  uint16_t bits = F::narrow(x);
  return in.ftz && std::fabs(F::widen(bits)) < F::leastNormal
             ? static_cast<uint16_t>(bits & 0x8000)
             : bits;
}

/// Rounds a + b × c of f64 to f32 in such a way that rounding it again to 16
/// bits is right: to odd.
inline float toOdd(double x) {
  float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || x != x)
    return nearest;
  uint32_t bits = bitsAs<uint32_t>(nearest);
  if (bits & 1)
    return nearest;
  bool below = std::fabs(static_cast<double>(nearest)) < std::fabs(x);
  return bitsAs<float>(below ? bits + 1 : bits - 1);
}

/// The same of a + b to f64.
inline double sumToOdd(double a, double b) {
  double sum = a + b;
  double back = sum - a;
  double error = (a - (sum - back)) + (b - back); // Knuth's TwoSum: exact
  uint64_t bits = bitsAs<uint64_t>(sum);
  if (!(error < 0 || error > 0) || (bits & 1) || !std::isfinite(sum))
    return sum;
  return bitsAs<double>((error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

template <class F>
inline uint16_t compute(const Inst &in, uint16_t a, uint16_t b, uint16_t c) {
  float x = flushed<F>(in, F::widen(a)), y = flushed<F>(in, F::widen(b));
  switch (in.op) {
  case Op::Add:
    return finish<F>(in, toOdd(static_cast<double>(x) + y));
  case Op::Sub:
    return finish<F>(in, toOdd(static_cast<double>(x) - y));
  case Op::Mul:
    return finish<F>(in, toOdd(static_cast<double>(x) * y));
  case Op::Fma: {
    double z = flushed<F>(in, F::widen(c));
    return finish<F>(in, toOdd(sumToOdd(static_cast<double>(x) * y, z)));
  }
  case Op::Min:
  case Op::Max: {
    float result = in.op == Op::Min ? minimum(x, y) : maximum(x, y);
    if (in.extra)
      result =
          std::copysign(in.op == Op::Min ? minimum(std::fabs(x), std::fabs(y))
                                         : maximum(std::fabs(x), std::fabs(y)),
                        std::signbit(x) != std::signbit(y) ? -1.0f : 1.0f);
    bool bad = in.nan ? x != x || y != y : x != x && y != y;
    return bad ? 0x7fff : finish<F>(in, result);
  }
  case Op::Neg:
    return static_cast<uint16_t>(F::narrow(x) ^ 0x8000);
  case Op::Abs:
    return static_cast<uint16_t>(F::narrow(x) & 0x7fff);
  case Op::Ex2:
    return finish<F>(in, std::exp2(x));
  default:
    return finish<F>(in, std::tanh(x));
  }
}

template <class F, unsigned parts>
void halfOp(Warp &warp, const Inst &in, uint32_t mask) {
  Source<uint32_t> a(warp, in.a), b(warp, in.b), c(warp, in.c);
  bool one = in.op == Op::Neg || in.op == Op::Abs || in.op == Op::Ex2 ||
             in.op == Op::Tanh;
  forLanes(mask, [&](unsigned lane) {
    uint32_t result = 0;
    for (unsigned i = 0; i < parts; ++i) {
      auto part = [&](uint32_t word) {
        return static_cast<uint16_t>(word >> (16 * i));
      };
      uint16_t value = compute<F>(in, part(a[lane]), one ? 0 : part(b[lane]),
                                  in.op == Op::Fma ? part(c[lane]) : 0);
      result |= uint32_t(value) << (16 * i);
    }
    warp.regs[in.d + lane] = result;
  });
}

} // namespace

Handler ATTNC_PTX_ISA::selectHalf(const Inst &in) {
  switch (in.op) {
  case Op::Add:
  case Op::Sub:
  case Op::Mul:
  case Op::Fma:
  case Op::Min:
  case Op::Max:
  case Op::Neg:
  case Op::Abs:
  case Op::Ex2:
  case Op::Tanh:
    break;
  default:
    return nullptr;
  }
  switch (in.type) {
  case Type::F16:
    return halfOp<HalfFormat, 1>;
  case Type::F16x2:
    return halfOp<HalfFormat, 2>;
  case Type::BF16:
    return halfOp<BrainFormat, 1>;
  case Type::BF16x2:
    return halfOp<BrainFormat, 2>;
  default:
    return nullptr;
  }
}

} // namespace ptx
} // namespace attnc
