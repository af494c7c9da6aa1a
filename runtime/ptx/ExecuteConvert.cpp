// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cvt. The forms that compilers emit most have loops of their own; the rest go
// through f64 or 64-bit integers, lane by lane.

#include "Lanes.h"
#include "Rounding.h"
#include "SelectArithmetic.h"

namespace attnc {
namespace ptx {
namespace {

double roundIntegral(double x, Rounding rounding) {
  switch (rounding) {
  case Rounding::Zero:
    return std::trunc(x);
  case Rounding::Down:
    return std::floor(x);
  case Rounding::Up:
    return std::ceil(x);
  default:
    return std::nearbyint(x);
  }
}

/// The value of a source as f64; exact for every type but 64-bit integers.
double readFloat(Type type, uint64_t bits) {
  switch (type) {
  case Type::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case Type::BF16:
    return brainToFloat(static_cast<uint16_t>(bits));
  case Type::F32:
    return bitsAs<float>(static_cast<uint32_t>(bits));
  default:
    return bitsAs<double>(bits);
  }
}

int64_t readInteger(Type type, uint64_t bits) {
  unsigned shift = 64 - bitsOf(type);
  return isSigned(type) ? static_cast<int64_t>(bits << shift) >> shift
                        : static_cast<int64_t>(bits << shift >> shift);
}

uint64_t writeFloat(const Inst &in, double value) {
  if (in.saturate)
    value = value > 0 ? (value < 1 ? value : 1.0) : 0.0;
  if (in.relu)
    value = value < 0 ? 0.0 : value;
  switch (in.type) {
  case Type::F64:
    return bitsAs<uint64_t>(value);
  case Type::F32: {
    float result = roundedToFloat(value, in.rounding);
    result = in.ftz ? flush(result) : result;
    return bitsAs<uint32_t>(
        result != result ? bitsAs<float>(uint32_t(0x7fffffff)) : result);
  }
  case Type::TF32:
    return encode(value, formatOf(Type::TF32), in.rounding, in.extra) << 13;
  default:
    return encode(value, formatOf(in.type), in.rounding, in.extra);
  }
}

/// To an integer, clamped to its range; NaN becomes 0.
uint64_t writeInteger(const Inst &in, double value) {
  double whole = roundIntegral(value, in.rounding);
  if (whole != whole)
    return 0;
  unsigned bits = bitsOf(in.type);
  if (isSigned(in.type)) {
    double limit = std::ldexp(1.0, static_cast<int>(bits) - 1);
    int64_t most = static_cast<int64_t>((uint64_t(1) << (bits - 1)) - 1);
    int64_t result = whole >= limit    ? most
                     : whole <= -limit ? -most - 1
                                       : static_cast<int64_t>(whole);
    return static_cast<uint64_t>(result);
  }
  double limit = std::ldexp(1.0, static_cast<int>(bits));
  uint64_t most = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  return whole >= limit ? most : whole <= 0 ? 0 : static_cast<uint64_t>(whole);
}

uint64_t saturateInteger(Type to, Type from, uint64_t bits) {
  __int128 value = isSigned(from)
                       ? static_cast<__int128>(readInteger(from, bits))
                       : static_cast<__int128>(
                             static_cast<uint64_t>(readInteger(from, bits)));
  unsigned width = bitsOf(to);
  __int128 most = isSigned(to) ? (static_cast<__int128>(1) << (width - 1)) - 1
                               : (static_cast<__int128>(1) << width) - 1;
  __int128 least = isSigned(to) ? -most - 1 : 0;
  value = value > most ? most : value < least ? least : value;
  return static_cast<uint64_t>(value);
}

uint64_t integerToFloat(const Inst &in, uint64_t bits) {
  int64_t value = readInteger(in.type2, bits);
  bool isSignedType = isSigned(in.type2);
  uint64_t magnitude = static_cast<uint64_t>(value);
  if (in.type == Type::F64)
    return bitsAs<uint64_t>(isSignedType
                                ? roundedToDouble(value, in.rounding)
                                : roundedToDouble(magnitude, in.rounding));
  if (in.type == Type::F32)
    return bitsAs<uint32_t>(isSignedType
                                ? roundedToFloat(value, in.rounding)
                                : roundedToFloat(magnitude, in.rounding));
  // 16 bits: f64 rounded towards zero with a sticky bit keeps ties apart.
  double wide = isSignedType ? roundedToDouble(value, Rounding::Zero)
                             : roundedToDouble(magnitude, Rounding::Zero);
  return encode(wide, formatOf(in.type), in.rounding, in.extra);
}

uint64_t convert(const Inst &in, uint64_t bits) {
  bool fromFloat = isFloat(in.type2), toFloat = isFloat(in.type);
  if (!fromFloat && toFloat)
    return integerToFloat(in, bits);
  if (!fromFloat && in.saturate)
    return saturateInteger(in.type, in.type2, bits);
  if (!fromFloat)
    return static_cast<uint64_t>(readInteger(in.type2, bits));
  double value = readFloat(in.type2, bits);
  if (in.ftz && in.type2 == Type::F32)
    value = flush(static_cast<float>(value));
  if (!toFloat)
    return writeInteger(in, value);
  if (in.integral)
    value = roundIntegral(value, in.rounding);
  return writeFloat(in, value);
}

/// Signed results are extended into wider registers, others with zeros.
void convertLanes(Warp &warp, const Inst &in, uint32_t mask) {
  Slot from{in.a, in.wideAddress}, to{in.d, in.sync};
  unsigned width = bitsOf(in.type) < 16 ? 16 : bitsOf(in.type);
  forLanes(mask, [&](unsigned lane) {
    uint64_t result = convert(in, warp.value(from, lane));
    unsigned shift = 64 - bitsOf(in.type);
    if (isSigned(in.type))
      result =
          static_cast<uint64_t>(static_cast<int64_t>(result << shift) >> shift);
    else if (!isFloat(in.type))
      result = result << shift >> shift;
    if (width == 16 && !to.wide)
      result &= 0xffffffff;
    warp.set(to, lane, result);
  });
}

template <bool brain>
void packFloats(Warp &warp, const Inst &in, uint32_t mask) {
  Source<float> a(warp, in.a), b(warp, in.b);
  forEach<uint32_t>(warp, in.d, mask, [=](unsigned lane) {
    uint32_t high = brain ? floatToBrain(a[lane]) : floatToHalf(a[lane]);
    uint32_t low = brain ? floatToBrain(b[lane]) : floatToHalf(b[lane]);
    return high << 16 | low;
  });
}

/// Pairs in any rounding, and pairs of 8-bit floats.
void packSlowly(Warp &warp, const Inst &in, uint32_t mask) {
  Format to = formatOf(in.type);
  unsigned width = bitsOf(in.type) / 2;
  forLanes(mask, [&](unsigned lane) {
    double high, low;
    if (in.type2 == Type::F32) {
      high = bitsAs<float>(warp.regs[in.a + lane]);
      low = bitsAs<float>(warp.regs[in.b + lane]);
    } else {
      unsigned half = bitsOf(in.type2) / 2;
      uint32_t bits = warp.regs[in.a + lane], keep = (1u << half) - 1;
      high = decode(bits >> half & keep, formatOf(in.type2));
      low = decode(bits & keep, formatOf(in.type2));
    }
    if (in.relu) {
      high = high < 0 ? 0 : high;
      low = low < 0 ? 0 : low;
    }
    uint32_t upper = encode(high, to, in.rounding, in.saturate);
    uint32_t lower = encode(low, to, in.rounding, in.saturate);
    warp.regs[in.d + lane] = upper << width | lower;
  });
}

template <class R, class A>
struct Cast {
  const Inst &in;
  R operator()(A a) const { return static_cast<R>(a); }
};
struct HalfToFloat {
  const Inst &in;
  float operator()(uint16_t a) const { return halfToFloat(a); }
};
struct BrainToFloat {
  const Inst &in;
  float operator()(uint16_t a) const { return brainToFloat(a); }
};
struct FloatToHalf {
  const Inst &in;
  uint16_t operator()(float a) const { return floatToHalf(a); }
};
struct FloatToBrain {
  const Inst &in;
  uint16_t operator()(float a) const { return floatToBrain(a); }
};

Handler selectFast(const Inst &in) {
  bool simple = !in.saturate && !in.ftz && !in.relu && !in.extra &&
                in.rounding == Rounding::Nearest && !in.integral;
  if (!simple)
    return nullptr;
  auto is = [&](Type to, Type from) {
    return in.type == to && in.type2 == from;
  };
  bool wideTo = in.sync, wideFrom = in.wideAddress;
  if (is(Type::F32, Type::F16))
    return unary<float, uint16_t, HalfToFloat>;
  if (is(Type::F32, Type::BF16))
    return unary<float, uint16_t, BrainToFloat>;
  if (is(Type::F16, Type::F32))
    return unary<uint16_t, float, FloatToHalf>;
  if (is(Type::BF16, Type::F32))
    return unary<uint16_t, float, FloatToBrain>;
  if (is(Type::F32, Type::S32) && !wideFrom)
    return unary<float, int32_t, Cast<float, int32_t>>;
  if (is(Type::F32, Type::U32) && !wideFrom)
    return unary<float, uint32_t, Cast<float, uint32_t>>;
  if (wideTo && !wideFrom && isInteger(in.type) && bitsOf(in.type) == 64) {
    if (in.type2 == Type::S32)
      return unary<uint64_t, int32_t, Cast<uint64_t, int32_t>>;
    if (in.type2 == Type::U32)
      return unary<uint64_t, uint32_t, Cast<uint64_t, uint32_t>>;
  }
  return nullptr;
}

void narrowWord(Warp &warp, const Inst &in, uint32_t mask) {
  const uint64_t *a = warp.lanes<uint64_t>(in.a);
  forEach<uint32_t>(warp, in.d, mask, [=](unsigned lane) {
    return static_cast<uint32_t>(a[lane]);
  });
}

} // namespace

Handler ATTNC_PTX_ISA::selectConvert(const Inst &in) {
  if (in.op == Op::CvtPack) {
    bool fast = in.type2 == Type::F32 && in.rounding == Rounding::Nearest &&
                !in.saturate && !in.relu;
    if (fast && in.type == Type::F16x2)
      return packFloats<false>;
    if (fast && in.type == Type::BF16x2)
      return packFloats<true>;
    return packSlowly;
  }
  if (in.op != Op::Cvt)
    return nullptr;
  if (Handler handler = selectFast(in))
    return handler;
  bool narrows = isInteger(in.type) && isInteger(in.type2) && !in.saturate &&
                 bitsOf(in.type) == 32 && bitsOf(in.type2) == 64 && !in.sync;
  if (narrows)
    return narrowWord;
  return convertLanes;
}

} // namespace ptx
} // namespace attnc
