// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar semantics of arith and math operations.

#include "dialect/reference/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

Scalar reference::bitcastScalar(Scalar value, Type from, Type to) {
  char bytes[8] = {};
  HostTensor::fromScalar(from, value).toBytes(bytes);
  return HostTensor::fromBytes(to, {}, bytes)->get(0);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

/// IEEE 754-2019 maximum and minimum: NaN wins, -0 < +0.
static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return a + b;
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
static double minimum(double a, double b) { return -maximum(-a, -b); }
static double rsqrt(double x) { return 1.0 / std::sqrt(x); }
static double clamp(double x, double lo, double hi) {
  return minimum(maximum(x, lo), hi);
}

struct NamedF1 {
  StringLiteral name;
  double (*fn)(double);
};
struct NamedF2 {
  StringLiteral name;
  double (*fn)(double, double);
};
struct NamedF3 {
  StringLiteral name;
  double (*fn)(double, double, double);
};
struct NamedTest {
  StringLiteral name;
  bool (*fn)(double);
};

static const NamedF1 kUnaryFloat[] = {
    {"arith.negf", [](double x) { return -x; }},
    {"arith.extf", [](double x) { return x; }},
    {"arith.truncf", [](double x) { return x; }},
    {"math.absf", std::fabs},
    {"math.acos", std::acos},
    {"math.acosh", std::acosh},
    {"math.asin", std::asin},
    {"math.asinh", std::asinh},
    {"math.atan", std::atan},
    {"math.atanh", std::atanh},
    {"math.cbrt", std::cbrt},
    {"math.ceil", std::ceil},
    {"math.cos", std::cos},
    {"math.cosh", std::cosh},
    {"math.erf", std::erf},
    {"math.erfc", std::erfc},
    {"math.exp", std::exp},
    {"math.exp2", std::exp2},
    {"math.expm1", std::expm1},
    {"math.floor", std::floor},
    {"math.log", std::log},
    {"math.log10", std::log10},
    {"math.log1p", std::log1p},
    {"math.log2", std::log2},
    {"math.round", std::round},
    {"math.roundeven", std::nearbyint},
    {"math.rsqrt", rsqrt},
    {"math.sin", std::sin},
    {"math.sinh", std::sinh},
    {"math.sqrt", std::sqrt},
    {"math.tan", std::tan},
    {"math.tanh", std::tanh},
    {"math.trunc", std::trunc},
};

static const NamedF2 kBinaryFloat[] = {
    {"arith.addf", [](double a, double b) { return a + b; }},
    {"arith.subf", [](double a, double b) { return a - b; }},
    {"arith.mulf", [](double a, double b) { return a * b; }},
    {"arith.divf", [](double a, double b) { return a / b; }},
    {"arith.remf", std::fmod},
    {"arith.maximumf", maximum},
    {"arith.minimumf", minimum},
    {"arith.maxnumf", std::fmax},
    {"arith.minnumf", std::fmin},
    {"math.atan2", std::atan2},
    {"math.copysign", std::copysign},
    {"math.powf", std::pow},
};

static const NamedF3 kTernaryFloat[] = {
    {"math.fma", std::fma},
    {"math.clampf", clamp},
};

static const NamedTest kFloatTests[] = {
    {"math.isfinite", [](double x) { return bool(std::isfinite(x)); }},
    {"math.isinf", [](double x) { return bool(std::isinf(x)); }},
    {"math.isnan", [](double x) { return bool(std::isnan(x)); }},
};

static const char *runF1(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->f = op.round(op.f1(in[0].f));
  return nullptr;
}
static const char *runF2(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->f = op.round(op.f2(in[0].f, in[1].f));
  return nullptr;
}
static const char *runF3(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->f = op.round(op.f3(in[0].f, in[1].f, in[2].f));
  return nullptr;
}
/// A double fma rounded to f32 would round twice.
static const char *runFmaF32(const ScalarOp &, const Scalar *in, Scalar *out) {
  out->f = std::fmaf(static_cast<float>(in[0].f), static_cast<float>(in[1].f),
                     static_cast<float>(in[2].f));
  return nullptr;
}
static const char *runTest(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->i = op.test(in[0].f);
  return nullptr;
}

static const char *runSincos(const ScalarOp &op, const Scalar *in,
                             Scalar *out) {
  double x = in[0].f;
  out[0].f = op.round(std::sin(x));
  out[1].f = op.round(std::cos(x));
  return nullptr;
}

static const char *runFpowi(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->f = op.round(std::pow(in[0].f, static_cast<double>(in[1].i)));
  return nullptr;
}

static bool compareFloats(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::AlwaysFalse:
    return false;
  case P::AlwaysTrue:
    return true;
  case P::ORD:
    return !unordered;
  case P::UNO:
    return unordered;
  case P::OEQ:
    return a == b;
  case P::UEQ:
    return unordered || a == b;
  case P::ONE:
    return !unordered && a != b;
  case P::UNE:
    return unordered || a != b;
  case P::OGT:
    return a > b;
  case P::UGT:
    return unordered || a > b;
  case P::OGE:
    return a >= b;
  case P::UGE:
    return unordered || a >= b;
  case P::OLT:
    return a < b;
  case P::ULT:
    return unordered || a < b;
  case P::OLE:
    return a <= b;
  case P::ULE:
    return unordered || a <= b;
  }
  llvm_unreachable("every predicate is handled");
}

static const char *runCmpF(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->i = compareFloats(static_cast<arith::CmpFPredicate>(op.attribute),
                         in[0].f, in[1].f);
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

using Unsigned = uint64_t;

/// Wraps are computed in uint64_t, where overflow is defined.
static int64_t wrapping(Unsigned value) { return static_cast<int64_t>(value); }

static int64_t shiftRight(int64_t a, int64_t b, unsigned width) {
  Unsigned count = asUnsigned(b, width);
  return asSigned(a, width) >> std::min<Unsigned>(count, 63);
}

struct NamedI2 {
  StringLiteral name;
  int64_t (*fn)(int64_t, int64_t, unsigned);
};

static const NamedI2 kBinaryInt[] = {
    {"arith.addi",
     [](int64_t a, int64_t b, unsigned) {
       return wrapping(Unsigned(a) + Unsigned(b));
     }},
    {"arith.subi",
     [](int64_t a, int64_t b, unsigned) {
       return wrapping(Unsigned(a) - Unsigned(b));
     }},
    {"arith.muli",
     [](int64_t a, int64_t b, unsigned) {
       return wrapping(Unsigned(a) * Unsigned(b));
     }},
    {"arith.andi", [](int64_t a, int64_t b, unsigned) { return a & b; }},
    {"arith.ori", [](int64_t a, int64_t b, unsigned) { return a | b; }},
    {"arith.xori", [](int64_t a, int64_t b, unsigned) { return a ^ b; }},
    {"arith.shli",
     [](int64_t a, int64_t b, unsigned w) {
       Unsigned count = asUnsigned(b, w);
       return count >= w ? 0 : wrapping(Unsigned(a) << count);
     }},
    {"arith.shrui",
     [](int64_t a, int64_t b, unsigned w) {
       Unsigned count = asUnsigned(b, w);
       return count >= w ? 0 : wrapping(asUnsigned(a, w) >> count);
     }},
    {"arith.shrsi", shiftRight},
    {"arith.maxsi",
     [](int64_t a, int64_t b, unsigned w) {
       return asSigned(a, w) >= asSigned(b, w) ? a : b;
     }},
    {"arith.minsi",
     [](int64_t a, int64_t b, unsigned w) {
       return asSigned(a, w) <= asSigned(b, w) ? a : b;
     }},
    {"arith.maxui",
     [](int64_t a, int64_t b, unsigned w) {
       return asUnsigned(a, w) >= asUnsigned(b, w) ? a : b;
     }},
    {"arith.minui",
     [](int64_t a, int64_t b, unsigned w) {
       return asUnsigned(a, w) <= asUnsigned(b, w) ? a : b;
     }},
};

static const NamedI2 kSignedDivision[] = {
    {"arith.divsi", [](int64_t a, int64_t b, unsigned) { return a / b; }},
    {"arith.remsi", [](int64_t a, int64_t b, unsigned) { return a % b; }},
    {"arith.floordivsi",
     [](int64_t a, int64_t b, unsigned) {
       int64_t q = a / b;
       return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
     }},
    {"arith.ceildivsi",
     [](int64_t a, int64_t b, unsigned) {
       int64_t q = a / b;
       return a % b != 0 && (a < 0) == (b < 0) ? q + 1 : q;
     }},
};

static const NamedI2 kUnsignedDivision[] = {
    {"arith.divui",
     [](int64_t a, int64_t b, unsigned) {
       return wrapping(Unsigned(a) / Unsigned(b));
     }},
    {"arith.remui",
     [](int64_t a, int64_t b, unsigned) {
       return wrapping(Unsigned(a) % Unsigned(b));
     }},
    {"arith.ceildivui",
     [](int64_t a, int64_t b, unsigned) {
       Unsigned q = Unsigned(a) / Unsigned(b);
       return wrapping(Unsigned(a) % Unsigned(b) ? q + 1 : q);
     }},
};

static const char *runI2(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->i = wrapToType(op.i2(in[0].i, in[1].i, op.width), op.to);
  return nullptr;
}

static const char *runSignedDivision(const ScalarOp &op, const Scalar *in,
                                     Scalar *out) {
  int64_t a = asSigned(in[0].i, op.width), b = asSigned(in[1].i, op.width);
  if (b == 0)
    return "division by zero";
  int64_t smallest = op.width >= 64 ? std::numeric_limits<int64_t>::min()
                                    : -(int64_t(1) << (op.width - 1));
  if (b == -1 && a == smallest)
    return "division overflows";
  out->i = wrapToType(op.i2(a, b, op.width), op.to);
  return nullptr;
}

static const char *runUnsignedDivision(const ScalarOp &op, const Scalar *in,
                                       Scalar *out) {
  if (in[1].i == 0)
    return "division by zero";
  out->i = wrapToType(op.i2(asUnsigned(in[0].i, op.width),
                            asUnsigned(in[1].i, op.width), op.width),
                      op.to);
  return nullptr;
}

static bool compareInts(arith::CmpIPredicate predicate, int64_t a, int64_t b,
                        unsigned width) {
  using P = arith::CmpIPredicate;
  int64_t sa = asSigned(a, width), sb = asSigned(b, width);
  Unsigned ua = asUnsigned(a, width), ub = asUnsigned(b, width);
  switch (predicate) {
  case P::eq:
    return ua == ub;
  case P::ne:
    return ua != ub;
  case P::slt:
    return sa < sb;
  case P::sle:
    return sa <= sb;
  case P::sgt:
    return sa > sb;
  case P::sge:
    return sa >= sb;
  case P::ult:
    return ua < ub;
  case P::ule:
    return ua <= ub;
  case P::ugt:
    return ua > ub;
  case P::uge:
    return ua >= ub;
  }
  llvm_unreachable("every predicate is handled");
}

static const char *runCmpI(const ScalarOp &op, const Scalar *in, Scalar *out) {
  out->i = compareInts(static_cast<arith::CmpIPredicate>(op.attribute), in[0].i,
                       in[1].i, op.width);
  return nullptr;
}

/// addui_extended: sum and carry. mului_extended, mulsi_extended: low and high.
static const char *runAddExtended(const ScalarOp &op, const Scalar *in,
                                  Scalar *out) {
  Unsigned a = asUnsigned(in[0].i, op.width), b = asUnsigned(in[1].i, op.width);
  Unsigned sum = asUnsigned(wrapping(a + b), op.width);
  out[0].i = wrapToType(wrapping(sum), op.to);
  out[1].i = sum < a;
  return nullptr;
}
static const char *runMulUnsigned(const ScalarOp &op, const Scalar *in,
                                  Scalar *out) {
  unsigned __int128 product = asUnsigned(in[0].i, op.width);
  product *= asUnsigned(in[1].i, op.width);
  out[0].i = wrapToType(static_cast<int64_t>(product), op.to);
  out[1].i = wrapToType(static_cast<int64_t>(product >> op.width), op.to);
  return nullptr;
}
static const char *runMulSigned(const ScalarOp &op, const Scalar *in,
                                Scalar *out) {
  __int128 product = asSigned(in[0].i, op.width);
  product *= asSigned(in[1].i, op.width);
  out[0].i = wrapToType(static_cast<int64_t>(product), op.to);
  out[1].i = wrapToType(static_cast<int64_t>(product >> op.width), op.to);
  return nullptr;
}

/// math.absi, ctlz, cttz, ctpop, by `attribute`.
enum BitOp : int64_t { AbsI, Ctlz, Cttz, Ctpop };
static const char *runBits(const ScalarOp &op, const Scalar *in, Scalar *out) {
  Unsigned bits = asUnsigned(in[0].i, op.width);
  int64_t value = in[0].i, result = 0;
  switch (static_cast<BitOp>(op.attribute)) {
  case AbsI:
    result = value < 0 ? wrapping(-Unsigned(value)) : value;
    break;
  case Ctlz:
    result = llvm::countl_zero(bits) - (64 - static_cast<int>(op.width));
    break;
  case Cttz:
    result = bits ? llvm::countr_zero(bits) : op.width;
    break;
  case Ctpop:
    result = llvm::popcount(bits);
    break;
  }
  out->i = wrapToType(result, op.to);
  return nullptr;
}

static const char *runIpowi(const ScalarOp &op, const Scalar *in, Scalar *out) {
  int64_t base = asSigned(in[0].i, op.width),
          power = asSigned(in[1].i, op.width);
  if (power < 0) {
    if (base == 0)
      return "zero to a negative power";
    // Truncated towards zero: only 1 and -1 have such a power.
    int64_t unit = base == 1 ? 1 : base == -1 ? (power % 2 ? -1 : 1) : 0;
    out->i = wrapToType(unit, op.to);
    return nullptr;
  }
  Unsigned result = 1, factor = base;
  for (Unsigned p = power; p != 0; p >>= 1, factor *= factor)
    if (p & 1)
      result *= factor;
  out->i = wrapToType(wrapping(result), op.to);
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Conversions, select
//===----------------------------------------------------------------------===//

static const char *runSignExtend(const ScalarOp &op, const Scalar *in,
                                 Scalar *out) {
  out->i = wrapToType(asSigned(in[0].i, op.width), op.to);
  return nullptr;
}
static const char *runZeroExtend(const ScalarOp &op, const Scalar *in,
                                 Scalar *out) {
  out->i = wrapToType(wrapping(asUnsigned(in[0].i, op.width)), op.to);
  return nullptr;
}
static const char *runSignedToFloat(const ScalarOp &op, const Scalar *in,
                                    Scalar *out) {
  out->f = op.round(static_cast<double>(asSigned(in[0].i, op.width)));
  return nullptr;
}
static const char *runUnsignedToFloat(const ScalarOp &op, const Scalar *in,
                                      Scalar *out) {
  out->f = op.round(static_cast<double>(asUnsigned(in[0].i, op.width)));
  return nullptr;
}

/// What does not fit saturates: the result is poison, which nothing may use,
/// and a select may discard it.
static const char *runFloatToSigned(const ScalarOp &op, const Scalar *in,
                                    Scalar *out) {
  unsigned width = integerWidth(op.to);
  double limit = std::ldexp(1.0, width - 1), x = std::trunc(in[0].f);
  int64_t largest = std::numeric_limits<int64_t>::max() >> (64 - width);
  int64_t result = std::isnan(x) ? 0
                   : x >= limit  ? largest
                   : x < -limit  ? -largest - 1
                                 : static_cast<int64_t>(x);
  out->i = wrapToType(result, op.to);
  return nullptr;
}
static const char *runFloatToUnsigned(const ScalarOp &op, const Scalar *in,
                                      Scalar *out) {
  unsigned width = integerWidth(op.to);
  double limit = std::ldexp(1.0, width), x = std::trunc(in[0].f);
  Unsigned largest = std::numeric_limits<Unsigned>::max() >> (64 - width);
  Unsigned result = !(x > 0)     ? 0
                    : x >= limit ? largest
                                 : static_cast<Unsigned>(x);
  out->i = wrapToType(wrapping(result), op.to);
  return nullptr;
}

static const char *runSelect(const ScalarOp &, const Scalar *in, Scalar *out) {
  *out = in[0].i ? in[1] : in[2];
  return nullptr;
}
static const char *runBitcast(const ScalarOp &op, const Scalar *in,
                              Scalar *out) {
  *out = bitcastScalar(in[0], op.from, op.to);
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

struct NamedFn {
  StringLiteral name;
  ScalarOp::Fn fn;
  int64_t attribute;
};

static const NamedFn kOthers[] = {
    {"arith.select", runSelect, 0},
    {"arith.bitcast", runBitcast, 0},
    {"arith.extsi", runSignExtend, 0},
    {"arith.trunci", runSignExtend, 0},
    {"arith.index_cast", runSignExtend, 0},
    {"arith.extui", runZeroExtend, 0},
    {"arith.index_castui", runZeroExtend, 0},
    {"arith.sitofp", runSignedToFloat, 0},
    {"arith.uitofp", runUnsignedToFloat, 0},
    {"arith.fptosi", runFloatToSigned, 0},
    {"arith.fptoui", runFloatToUnsigned, 0},
    {"arith.addui_extended", runAddExtended, 0},
    {"arith.mului_extended", runMulUnsigned, 0},
    {"arith.mulsi_extended", runMulSigned, 0},
    {"math.absi", runBits, AbsI},
    {"math.ctlz", runBits, Ctlz},
    {"math.cttz", runBits, Cttz},
    {"math.ctpop", runBits, Ctpop},
    {"math.ipowi", runIpowi, 0},
    {"math.fpowi", runFpowi, 0},
    {"math.sincos", runSincos, 0},
};

template <typename Table>
static auto *findNamed(const Table &table, StringRef name) {
  const auto *it = llvm::find_if(
      table, [&](const auto &entry) { return entry.name == name; });
  return it == std::end(table) ? nullptr : it;
}

/// Sets `fn` and the function it wraps.
static void decodeByName(ScalarOp &op, StringRef name) {
  if (const NamedF1 *entry = findNamed(kUnaryFloat, name)) {
    op.fn = runF1;
    op.f1 = entry->fn;
  } else if (const NamedF2 *entry = findNamed(kBinaryFloat, name)) {
    op.fn = runF2;
    op.f2 = entry->fn;
  } else if (const NamedF3 *entry = findNamed(kTernaryFloat, name)) {
    op.fn = entry->fn == kTernaryFloat[0].fn && op.rounds && op.to.isF32()
                ? runFmaF32
                : runF3;
    op.f3 = entry->fn;
  } else if (const NamedTest *entry = findNamed(kFloatTests, name)) {
    op.fn = runTest;
    op.test = entry->fn;
  } else if (const NamedI2 *entry = findNamed(kBinaryInt, name)) {
    op.fn = runI2;
    op.i2 = entry->fn;
  } else if (const NamedI2 *entry = findNamed(kSignedDivision, name)) {
    op.fn = runSignedDivision;
    op.i2 = entry->fn;
  } else if (const NamedI2 *entry = findNamed(kUnsignedDivision, name)) {
    op.fn = runUnsignedDivision;
    op.i2 = entry->fn;
  } else if (const NamedFn *entry = findNamed(kOthers, name)) {
    op.fn = entry->fn;
    op.attribute = entry->attribute;
  }
}

ScalarOp reference::decodeScalarOp(Operation *operation, Precision precision) {
  ScalarOp op;
  op.f1 = nullptr;
  if (operation->getNumOperands() == 0 || operation->getNumResults() == 0)
    return op;
  op.from = getElementTypeOrSelf(operation->getOperand(0).getType());
  op.to = getElementTypeOrSelf(operation->getResult(0).getType());
  if (op.from.isIntOrIndex())
    op.width = integerWidth(op.from);
  op.rounds = precision == Precision::Operand && isa<FloatType>(op.to);
  if (auto cmp = dyn_cast<arith::CmpFOp>(operation)) {
    op.fn = runCmpF;
    op.attribute = static_cast<int64_t>(cmp.getPredicate());
  } else if (auto cmp = dyn_cast<arith::CmpIOp>(operation)) {
    op.fn = runCmpI;
    op.attribute = static_cast<int64_t>(cmp.getPredicate());
  } else {
    decodeByName(op, operation->getName().getStringRef());
  }
  return op;
}
