// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer instructions against plain C++ on many bit patterns.

#include "PtxTest.h"

#include <functional>

using namespace attnc;
using namespace attnc::test;

namespace {

using Function = std::function<uint64_t(uint64_t, uint64_t, uint64_t)>;

/// Evaluates 480 triples, some of them with the extreme patterns.
void check(const std::string &code, unsigned bitsIn, unsigned bitsOut,
           const Function &expected, bool smallC = false) {
  std::vector<uint64_t> a = patterns(bitsIn, 480, 1),
                        b = patterns(bitsIn, 480, 2),
                        c = patterns(bitsIn, 480, 3);
  for (unsigned i = 0; i < 49; ++i) {
    a[i] = a[i / 7];
    b[i] = b[i % 7];
  }
  for (uint64_t &value : c)
    value = smallC ? value % 80 : value;
  std::vector<uint64_t> d = evaluate(code, bitsIn, bitsOut, a, b, c);
  uint64_t keep = bitsOut == 64 ? ~uint64_t(0) : (uint64_t(1) << bitsOut) - 1;
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(d[i], expected(a[i], b[i], c[i]) & keep)
        << code << " a=" << a[i] << " b=" << b[i] << " c=" << c[i];
}

int64_t sext(uint64_t x, unsigned bits) {
  return static_cast<int64_t>(x << (64 - bits)) >> (64 - bits);
}

TEST(PtxInteger, Arithmetic) {
  for (unsigned bits : {16u, 32u, 64u}) {
    std::string u = ".u" + std::to_string(bits),
                s = ".s" + std::to_string(bits);
    auto S = [=](uint64_t x) { return sext(x, bits); };
    check("add" + u + " %d, %a, %b;", bits, bits,
          [](auto a, auto b, auto) { return a + b; });
    check("sub" + s + " %d, %a, %b;", bits, bits,
          [](auto a, auto b, auto) { return a - b; });
    check("mul.lo" + s + " %d, %a, %b;", bits, bits,
          [](auto a, auto b, auto) { return a * b; });
    check("mul.hi" + u + " %d, %a, %b;", bits, bits, [=](auto a, auto b, auto) {
      return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >>
                                   bits);
    });
    check("mul.hi" + s + " %d, %a, %b;", bits, bits, [=](auto a, auto b, auto) {
      return static_cast<uint64_t>((static_cast<__int128>(S(a)) * S(b)) >>
                                   bits);
    });
    check("mad.lo" + u + " %d, %a, %b, %c;", bits, bits,
          [](auto a, auto b, auto c) { return a * b + c; });
    check("min" + s + " %d, %a, %b;", bits, bits,
          [=](auto a, auto b, auto) { return S(a) < S(b) ? a : b; });
    check("max" + u + " %d, %a, %b;", bits, bits,
          [](auto a, auto b, auto) { return a > b ? a : b; });
    check("abs" + s + " %d, %a;", bits, bits,
          [=](auto a, auto, auto) { return S(a) < 0 ? 0 - a : a; });
    check("neg" + s + " %d, %a;", bits, bits,
          [](auto a, auto, auto) { return 0 - a; });
    check("sad" + s + " %d, %a, %b, %c;", bits, bits,
          [=](auto a, auto b, auto c) {
            return c + (S(a) < S(b) ? b - a : a - b);
          });
    check("or.b" + std::to_string(bits) + " %b, %b, 1; div" + u +
              " %d, %a, %b;",
          bits, bits, [](auto a, auto b, auto) { return a / (b | 1); });
    check("or.b" + std::to_string(bits) + " %b, %b, 2; rem" + s +
              " %d, %a, %b;",
          bits, bits, [=](auto a, auto b, auto) {
            return S(b | 2) == -1 ? 0 : static_cast<uint64_t>(S(a) % S(b | 2));
          });
  }
}

TEST(PtxInteger, Wide) {
  check("mul.wide.u32 %d, %a, %b;", 32, 64,
        [](auto a, auto b, auto) { return a * b; });
  check("mul.wide.s32 %d, %a, %b;", 32, 64, [](auto a, auto b, auto) {
    return static_cast<uint64_t>(sext(a, 32) * sext(b, 32));
  });
  check("cvt.s64.s32 %q5, %c; mad.wide.s32 %d, %a, %b, %q5;", 32, 64,
        [](auto a, auto b, auto c) {
          return static_cast<uint64_t>(sext(a, 32) * sext(b, 32)) +
                 static_cast<uint64_t>(sext(c, 32));
        });
  check("mul24.lo.s32 %d, %a, %b;", 32, 32, [](auto a, auto b, auto) {
    return static_cast<uint64_t>(sext(a, 24) * sext(b, 24));
  });
}

TEST(PtxInteger, CarriesAndSaturation) {
  // 64-bit sums from two halves.
  check("mov.b64 {%r1, %r2}, %a; mov.b64 {%r3, %r4}, %b;\n"
        "add.cc.u32 %r5, %r1, %r3; addc.u32 %r6, %r2, %r4;\n"
        "mov.b64 %d, {%r5, %r6};",
        64, 64, [](auto a, auto b, auto) { return a + b; });
  check("mov.b64 {%r1, %r2}, %a; mov.b64 {%r3, %r4}, %b;\n"
        "sub.cc.u32 %r5, %r1, %r3; subc.u32 %r6, %r2, %r4;\n"
        "mov.b64 %d, {%r5, %r6};",
        64, 64, [](auto a, auto b, auto) { return a - b; });
  check("mov.b64 {%r1, %r2}, %a; mov.b64 {%r3, %r4}, %b;\n"
        "mul.lo.u32 %r5, %r1, %r3; mul.hi.u32 %r6, %r1, %r3;\n"
        "mad.lo.u32 %r6, %r1, %r4, %r6; mad.lo.u32 %r6, %r2, %r3, %r6;\n"
        "mov.b64 %d, {%r5, %r6};",
        64, 64, [](auto a, auto b, auto) { return a * b; });
  auto clamp = [](int64_t x) {
    return static_cast<uint64_t>(x > INT32_MAX   ? INT32_MAX
                                 : x < INT32_MIN ? INT32_MIN
                                                 : x);
  };
  check("add.sat.s32 %d, %a, %b;", 32, 32,
        [=](auto a, auto b, auto) { return clamp(sext(a, 32) + sext(b, 32)); });
  check("sub.sat.s32 %d, %a, %b;", 32, 32,
        [=](auto a, auto b, auto) { return clamp(sext(a, 32) - sext(b, 32)); });
}

TEST(PtxInteger, Shifts) {
  for (unsigned bits : {16u, 32u, 64u}) {
    std::string n = std::to_string(bits);
    std::string amount = bits == 16   ? "cvt.u32.u16 %r9, %c; "
                         : bits == 32 ? "mov.b32 %r9, %c; "
                                      : "cvt.u32.u64 %r9, %c; ";
    check(
        amount + "shl.b" + n + " %d, %a, %r9;", bits, bits,
        [=](auto a, auto, auto c) { return c >= bits ? 0 : a << c; }, true);
    check(
        amount + "shr.u" + n + " %d, %a, %r9;", bits, bits,
        [=](auto a, auto, auto c) { return c >= bits ? 0 : a >> c; }, true);
    check(
        amount + "shr.s" + n + " %d, %a, %r9;", bits, bits,
        [=](auto a, auto, auto c) {
          return static_cast<uint64_t>(sext(a, bits) >>
                                       std::min<uint64_t>(c, bits - 1));
        },
        true);
  }
  auto funnel = [](uint64_t a, uint64_t b) { return b << 32 | a; };
  check("shf.l.wrap.b32 %d, %a, %b, %c;", 32, 32,
        [=](auto a, auto b, auto c) { return funnel(a, b) << (c & 31) >> 32; });
  check(
      "shf.r.clamp.b32 %d, %a, %b, %c;", 32, 32,
      [=](auto a, auto b, auto c) {
        return funnel(a, b) >> std::min<uint64_t>(c, 32);
      },
      true);
}

TEST(PtxInteger, BitFields) {
  auto bit = [](uint64_t x, unsigned i) { return x >> i & 1; };
  for (unsigned bits : {32u, 64u}) {
    std::string n = std::to_string(bits);
    std::string narrow = bits == 64
                             ? "cvt.u32.u64 %r8, %b; cvt.u32.u64 %r9, %c; "
                             : "mov.b32 %r8, %b; mov.b32 %r9, %c; ";
    narrow += "and.b32 %r8, %r8, 127; and.b32 %r9, %r9, 127; ";
    for (bool isSigned : {false, true})
      check(narrow + "bfe." + (isSigned ? "s" : "u") + n + " %d, %a, %r8, %r9;",
            bits, bits, [=](auto a, auto b, auto c) {
              // Bit by bit, as the manual defines it.
              unsigned pos = b & 127, len = c & 127, msb = bits - 1;
              uint64_t sign =
                  !isSigned || !len ? 0 : bit(a, std::min(pos + len - 1, msb));
              uint64_t d = 0;
              for (unsigned i = 0; i <= msb; ++i)
                d |= (i < len && pos + i <= msb ? bit(a, pos + i) : sign) << i;
              return d;
            });
    check(narrow + "mov.b" + n + " %d, " + (bits == 64 ? "%q9" : "%r10") +
              "; bfi.b" + n + " %d, %a, %b, %r8, %r9;",
          bits, bits, [=](auto a, auto b, auto c) {
            unsigned pos = b & 127, len = c & 127;
            uint64_t d = b;
            for (unsigned i = 0; i < len && pos + i < bits; ++i) {
              d &= ~(uint64_t(1) << (pos + i));
              d |= bit(a, i % 64) << (pos + i);
            }
            return d;
          });
    check("popc.b" + n + " %d, %a;", bits, 32, [](auto a, auto, auto) {
      return static_cast<uint64_t>(__builtin_popcountll(a));
    });
    check("clz.b" + n + " %d, %a;", bits, 32, [=](auto a, auto, auto) {
      unsigned count = 0;
      while (count < bits && !bit(a, bits - 1 - count))
        ++count;
      return uint64_t(count);
    });
    check("brev.b" + n + " %d, %a;", bits, bits, [=](auto a, auto, auto) {
      uint64_t d = 0;
      for (unsigned i = 0; i < bits; ++i)
        d |= bit(a, i) << (bits - 1 - i);
      return d;
    });
    check("bfind.u" + n + " %d, %a;", bits, 32, [=](auto a, auto, auto) {
      for (unsigned i = bits; i-- > 0;)
        if (bit(a, i))
          return uint64_t(i);
      return ~uint64_t(0);
    });
  }
}

TEST(PtxInteger, LogicAndPermutation) {
  check("lop3.b32 %d, %a, %b, %c, 0xe8;", 32, 32, [](auto a, auto b, auto c) {
    return (a & b) | (a & c) | (b & c); // majority
  });
  check("lop3.b32 %d, %a, %b, %c, 0x1b;", 32, 32, [](auto a, auto b, auto c) {
    uint64_t d = 0;
    for (unsigned i = 0; i < 32; ++i) {
      unsigned index = (a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1);
      d |= uint64_t(0x1b >> index & 1) << i;
    }
    return d;
  });
  check("prmt.b32 %d, %a, %b, %c;", 32, 32, [](auto a, auto b, auto c) {
    uint64_t both = b << 32 | a, d = 0;
    for (unsigned i = 0; i < 4; ++i) {
      unsigned select = c >> (4 * i) & 15;
      uint64_t byte = both >> (8 * (select & 7)) & 255;
      if (select & 8)
        byte = byte & 128 ? 255 : 0;
      d |= byte << (8 * i);
    }
    return d;
  });
  check("dp4a.s32.u32 %d, %a, %b, %c;", 32, 32, [](auto a, auto b, auto c) {
    int64_t d = sext(c, 32);
    for (unsigned i = 0; i < 4; ++i)
      d += sext(a >> (8 * i) & 255, 8) * int64_t(b >> (8 * i) & 255);
    return static_cast<uint64_t>(d);
  });
  check("bmsk.clamp.b32 %d, %a, %b;", 32, 32, [](auto a, auto b, auto) {
    uint64_t d = 0;
    for (uint64_t i = 0; i < 32; ++i)
      d |= uint64_t(i >= a && i - a < b) << i;
    return d;
  });
}

TEST(PtxInteger, ComparisonsAndSelection) {
  check(
      "setp.lt.s32 %p1, %a, %b; selp.b32 %d, %c, %a, %p1;", 32, 32,
      [](auto a, auto b, auto c) { return sext(a, 32) < sext(b, 32) ? c : a; });
  check("setp.hs.u32 %p1|%p2, %a, %b; selp.b32 %d, 1, 0, %p1;\n"
        "selp.b32 %r1, 2, 0, %p2; or.b32 %d, %d, %r1;",
        32, 32, [](auto a, auto b, auto) { return a >= b ? 1 : 2; });
  check("setp.ne.b32 %p3, %c, 0; setp.gt.and.u32 %p1, %a, %b, !%p3;\n"
        "selp.b32 %d, 7, 9, %p1;",
        32, 32, [](auto a, auto b, auto c) { return a > b && !c ? 7 : 9; });
  check("set.eq.u32.u32 %d, %a, %b;", 32, 32,
        [](auto a, auto b, auto) { return a == b ? ~uint64_t(0) : 0; });
  check("slct.b32.s32 %d, %a, %b, %c;", 32, 32,
        [](auto a, auto b, auto c) { return sext(c, 32) >= 0 ? a : b; });
}

} // namespace
