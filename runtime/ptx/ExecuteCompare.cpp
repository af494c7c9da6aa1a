// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// setp, set, selp, slct and logic on predicates.

#include "Lanes.h"
#include "SelectArithmetic.h"

namespace attnc {
namespace ptx {
namespace {

template <Compare compare, class T>
inline bool holds(T a, T b) {
  [[maybe_unused]] bool unordered = a != a || b != b;
  switch (compare) {
  case Compare::Eq:
    return a == b;
  case Compare::Ne:
    return a < b || b < a; // false for NaN
  case Compare::Lt:
    return a < b;
  case Compare::Le:
    return a <= b;
  case Compare::Gt:
    return a > b;
  case Compare::Ge:
    return a >= b;
  case Compare::Equ:
    return unordered || a == b;
  case Compare::Neu:
    return !(a == b);
  case Compare::Ltu:
    return !(a >= b);
  case Compare::Leu:
    return !(a > b);
  case Compare::Gtu:
    return !(a <= b);
  case Compare::Geu:
    return !(a < b);
  case Compare::Num:
    return !unordered;
  case Compare::Nan:
    return unordered;
  }
  return false;
}

template <class T>
struct Plain {
  using Element = T;
  static T get(Warp &warp, uint32_t slot, unsigned lane) {
    return fromWord<T>(warp.lanes<Word<T>>(slot)[lane]);
  }
};
struct FlushedFloat {
  using Element = float;
  static float get(Warp &warp, uint32_t slot, unsigned lane) {
    return flush(Plain<float>::get(warp, slot, lane));
  }
};
template <bool brain, unsigned part>
struct Small {
  using Element = float;
  static float get(Warp &warp, uint32_t slot, unsigned lane) {
    uint16_t bits =
        static_cast<uint16_t>(warp.regs[slot + lane] >> (16 * part));
    return brain ? brainToFloat(bits) : halfToFloat(bits);
  }
};

template <Compare compare, class Get>
uint32_t compareAll(Warp &warp, const Inst &in, uint32_t mask) {
  return collect(mask, [&](unsigned lane) {
    return holds<compare, typename Get::Element>(Get::get(warp, in.a, lane),
                                                 Get::get(warp, in.b, lane));
  });
}

/// The comparison's result, combined with the predicate operand if any.
template <bool inverted>
uint32_t combined(Warp &warp, const Inst &in, uint32_t result) {
  if (inverted)
    result = ~result;
  if (!in.mode)
    return result;
  uint32_t other = in.negate ? ~warp.preds[in.c] : warp.preds[in.c];
  return in.mode == 1   ? result & other
         : in.mode == 2 ? result | other
                        : result ^ other;
}

void storeCompare(Warp &warp, const Inst &in, uint32_t mask, uint32_t result) {
  if (in.op == Op::Set) {
    uint32_t one = in.type2 == Type::F32 ? 0x3f800000 : ~uint32_t(0);
    uint32_t bits = combined<false>(warp, in, result);
    forLanes(mask, [&](unsigned lane) {
      warp.regs[in.d + lane] = bits >> lane & 1 ? one : 0;
    });
    return;
  }
  uint32_t first = combined<false>(warp, in, result);
  uint32_t second = in.extra ? combined<true>(warp, in, result) : 0;
  setPredicate(warp, in.d, mask, first);
  if (in.extra)
    setPredicate(warp, in.d2, mask, second);
}

template <Compare compare, class Get>
void setp(Warp &warp, const Inst &in, uint32_t mask) {
  storeCompare(warp, in, mask, compareAll<compare, Get>(warp, in, mask));
}

/// Pairs: one predicate for each half.
template <Compare compare, bool brain>
void setpPair(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t low = compareAll<compare, Small<brain, 0>>(warp, in, mask);
  uint32_t high = compareAll<compare, Small<brain, 1>>(warp, in, mask);
  uint32_t first = combined<false>(warp, in, low);
  uint32_t second = combined<false>(warp, in, high);
  setPredicate(warp, in.d, mask, first);
  setPredicate(warp, in.d2, mask, second);
}

template <Compare compare>
Handler selectSetp(const Inst &in) {
  switch (in.type) {
  case Type::B16:
  case Type::U16:
    return setp<compare, Plain<uint16_t>>;
  case Type::S16:
    return setp<compare, Plain<int16_t>>;
  case Type::B32:
  case Type::U32:
    return setp<compare, Plain<uint32_t>>;
  case Type::S32:
    return setp<compare, Plain<int32_t>>;
  case Type::B64:
  case Type::U64:
    return setp<compare, Plain<uint64_t>>;
  case Type::S64:
    return setp<compare, Plain<int64_t>>;
  case Type::F32:
    return in.ftz ? setp<compare, FlushedFloat> : setp<compare, Plain<float>>;
  case Type::F64:
    return setp<compare, Plain<double>>;
  case Type::F16:
    return setp<compare, Small<false, 0>>;
  case Type::BF16:
    return setp<compare, Small<true, 0>>;
  case Type::F16x2:
    return setpPair<compare, false>;
  case Type::BF16x2:
    return setpPair<compare, true>;
  default:
    return nullptr;
  }
}

Handler selectSetpBy(const Inst &in) {
  switch (in.compare) {
  case Compare::Eq:
    return selectSetp<Compare::Eq>(in);
  case Compare::Ne:
    return selectSetp<Compare::Ne>(in);
  case Compare::Lt:
    return selectSetp<Compare::Lt>(in);
  case Compare::Le:
    return selectSetp<Compare::Le>(in);
  case Compare::Gt:
    return selectSetp<Compare::Gt>(in);
  case Compare::Ge:
    return selectSetp<Compare::Ge>(in);
  case Compare::Equ:
    return selectSetp<Compare::Equ>(in);
  case Compare::Neu:
    return selectSetp<Compare::Neu>(in);
  case Compare::Ltu:
    return selectSetp<Compare::Ltu>(in);
  case Compare::Leu:
    return selectSetp<Compare::Leu>(in);
  case Compare::Gtu:
    return selectSetp<Compare::Gtu>(in);
  case Compare::Geu:
    return selectSetp<Compare::Geu>(in);
  case Compare::Num:
    return selectSetp<Compare::Num>(in);
  case Compare::Nan:
    return selectSetp<Compare::Nan>(in);
  }
  return nullptr;
}

template <class W>
void selp(Warp &warp, const Inst &in, uint32_t mask) {
  const W *a = warp.lanes<W>(in.a), *b = warp.lanes<W>(in.b);
  uint32_t which = warp.preds[in.c];
  forEach<W>(warp, in.d, mask, [=](unsigned lane) {
    return which >> lane & 1 ? a[lane] : b[lane];
  });
}

template <class W>
void slct(Warp &warp, const Inst &in, uint32_t mask) {
  const W *a = warp.lanes<W>(in.a), *b = warp.lanes<W>(in.b);
  Source<float> f(warp, in.c);
  Source<int32_t> s(warp, in.c);
  bool real = in.type2 == Type::F32;
  forEach<W>(warp, in.d, mask, [=](unsigned lane) {
    return (real ? f[lane] >= 0 : s[lane] >= 0) ? a[lane] : b[lane];
  });
}

void predicateLogic(Warp &warp, const Inst &in, uint32_t mask) {
  uint32_t a = warp.preds[in.a], b = warp.preds[in.b], c = warp.preds[in.c];
  uint32_t result = 0;
  switch (in.op) {
  case Op::PredAnd:
    result = a & b;
    break;
  case Op::PredOr:
    result = a | b;
    break;
  case Op::PredXor:
    result = a ^ b;
    break;
  case Op::PredNot:
    result = ~a;
    break;
  case Op::PredMov:
    result = in.negate ? ~a : a;
    break;
  default: // selp.pred
    result = (c & a) | (~c & b);
  }
  setPredicate(warp, in.d, mask, result);
}

} // namespace

Handler ATTNC_PTX_ISA::selectCompare(const Inst &in) {
  bool wide = bitsOf(in.type) == 64;
  switch (in.op) {
  case Op::Setp:
  case Op::Set:
    return selectSetpBy(in);
  case Op::Selp:
    return wide ? selp<uint64_t> : selp<uint32_t>;
  case Op::Slct:
    return wide ? slct<uint64_t> : slct<uint32_t>;
  case Op::PredAnd:
  case Op::PredOr:
  case Op::PredXor:
  case Op::PredNot:
  case Op::PredMov:
  case Op::PredSelp:
    return predicateLogic;
  default:
    return nullptr;
  }
}

} // namespace ptx
} // namespace attnc
