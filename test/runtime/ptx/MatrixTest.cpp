// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ldmatrix, stmatrix and mma.sync, with the fragments' layouts written out
// element by element as the PTX manual has them.

#include "PtxTest.h"

#include <cmath>
#include <functional>

using namespace attnc;
using namespace attnc::test;

namespace {

TEST(PtxMatrix, LdmatrixAndItsTransposition) {
  // Shared memory holds 32 rows of 8 halves: element = 8 × row + column.
  for (bool transposed : {false, true}) {
    std::string trans = transposed ? ".trans" : "";
    Outcome run = runBody(
        ".shared .align 16 .b8 s[512]; mov.u32 %r9, s;\n"
        "mad.lo.u32 %r9, %lane, 16, %r9; mul.lo.u32 %r1, %lane, 8;\n"
        "add.u32 %r2, %r1, 1; shl.b32 %r2, %r2, 16; or.b32 %r3, %r1, %r2;\n"
        "add.u32 %r4, %r3, 0x20002; add.u32 %r5, %r4, 0x20002;\n"
        "add.u32 %r6, %r5, 0x20002;\n"
        "st.shared.v4.b32 [%r9], {%r3, %r4, %r5, %r6}; bar.warp.sync -1;\n"
        "ldmatrix.sync.aligned.m8n8.x4" +
            trans +
            ".shared.b16 {%r10, %r11, %r12, %r13}, [%r9];\n"
            "mad.wide.u32 %q1, %thread, 16, %out;\n"
            "st.global.v4.b32 [%q1], {%r10, %r11, %r12, %r13};",
        {0}, 512);
    ASSERT_TRUE(run.result.clean()) << run.result.error.message;
    std::vector<uint16_t> d = run.as<uint16_t>();
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned matrix = 0; matrix < 4; ++matrix)
        for (unsigned half = 0; half < 2; ++half) {
          unsigned row = lane / 4, column = lane % 4 * 2 + half;
          if (transposed)
            std::swap(row, column);
          EXPECT_EQ(d[lane * 8 + matrix * 2 + half],
                    (matrix * 8 + row) * 8 + column);
        }
  }
}

TEST(PtxMatrix, StmatrixIsTheInverse) {
  for (std::string trans : {"", ".trans"}) {
    Outcome run = runBody(
        ".shared .align 16 .b8 s[512]; mov.u32 %r9, s;\n"
        "mad.lo.u32 %r9, %lane, 16, %r9; mul.lo.u32 %r1, %lane, 65537;\n"
        "add.u32 %r2, %r1, 0x00400040; add.u32 %r3, %r2, 0x00410041;\n"
        "add.u32 %r4, %r3, 0x00420042;\n"
        "stmatrix.sync.aligned.m8n8.x4" +
            trans +
            ".shared.b16 [%r9], {%r1, %r2, %r3, %r4};\n"
            "bar.warp.sync -1;\n"
            "ldmatrix.sync.aligned.m8n8.x4" +
            trans +
            ".shared.b16 {%r10, %r11, %r12, %r13}, [%r9];\n"
            "mad.wide.u32 %q1, %thread, 16, %out;\n"
            "st.global.v4.b32 [%q1], {%r10, %r11, %r12, %r13};",
        {0}, 512);
    ASSERT_TRUE(run.result.clean()) << run.result.error.message;
    std::vector<uint32_t> d = run.as<uint32_t>();
    for (uint32_t lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(d[lane * 4], lane * 65537);
      EXPECT_EQ(d[lane * 4 + 3], lane * 65537 + 0x00c300c3);
    }
  }
}

/// A matrix type: how many elements a register has, and from number to bits.
struct ElementType {
  std::string name;
  unsigned bits;
  std::function<uint32_t(int)> encode; ///< of small integers, exactly
};

uint32_t halfOf(int x) {
  if (!x)
    return 0;
  int exponent = static_cast<int>(std::floor(std::log2(std::abs(x))));
  uint32_t fraction =
      static_cast<uint32_t>(std::ldexp(std::abs(x), 10 - exponent)) - 1024;
  return (x < 0 ? 0x8000u : 0) | static_cast<uint32_t>(exponent + 15) << 10 |
         fraction;
}
uint32_t floatOf(int x) { return bitCast<uint32_t>(static_cast<float>(x)); }
uint32_t brainOf(int x) { return floatOf(x) >> 16; }
uint32_t byteOf(int x) { return static_cast<uint8_t>(x); }
uint32_t e4m3Of(int x) {
  if (!x)
    return 0;
  int exponent = static_cast<int>(std::floor(std::log2(std::abs(x))));
  uint32_t fraction =
      static_cast<uint32_t>(std::ldexp(std::abs(x), 3 - exponent)) - 8;
  return (x < 0 ? 0x80u : 0) | static_cast<uint32_t>(exponent + 7) << 3 |
         fraction;
}

/// Small integers, so that every type and order of summation is exact.
int valueA(unsigned row, unsigned k) { return int(row * 7 + k * 3) % 8 - 4; }
int valueB(unsigned k, unsigned n) { return int(n * 5 + k * 11) % 8 - 3; }
int valueC(unsigned row, unsigned n) { return int(row * 13 + n) % 16 - 8; }

/// Runs one mma; registers of a thread are loaded from memory.
void checkMma(const ElementType &type, unsigned k, const std::string &result) {
  unsigned perRegister = 32 / type.bits;
  unsigned chunk = 4 * perRegister; // elements of 16 bytes
  unsigned chunks = k / chunk;
  unsigned regsA = 2 * chunks, regsB = chunks;
  bool half = result == "f16";
  unsigned regsC = half ? 2 : 4;
  auto c = [&](int x) {
    return half ? halfOf(x) : result == "s32" ? uint32_t(x) : floatOf(x);
  };
  std::vector<uint32_t> in;
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned group = lane / 4, inGroup = lane % 4;
    auto pack = [&](const std::function<int(unsigned)> &element) {
      uint32_t word = 0;
      for (unsigned i = 0; i < perRegister; ++i)
        word |= type.encode(element(i)) << (type.bits * i);
      return word;
    };
    std::vector<uint32_t> regs;
    for (unsigned reg = 0; reg < regsA; ++reg)
      regs.push_back(pack([&](unsigned i) {
        return valueA(group + reg % 2 * 8,
                      reg / 2 * chunk + inGroup * perRegister + i);
      }));
    for (unsigned reg = 0; reg < regsB; ++reg)
      regs.push_back(pack([&](unsigned i) {
        return valueB(reg * chunk + inGroup * perRegister + i, group);
      }));
    for (unsigned i = 0; i < 4; ++i) {
      uint32_t bits = c(valueC(group + i / 2 * 8, inGroup * 2 + i % 2));
      if (!half || i % 2 == 0)
        regs.push_back(bits);
      else
        regs.back() |= bits << 16;
    }
    regs.resize(16);
    in.insert(in.end(), regs.begin(), regs.end());
  }
  auto list = [](unsigned first, unsigned count) {
    std::string text = "{";
    for (unsigned i = 0; i < count; ++i)
      text += (i ? ", %r" : "%r") + std::to_string(first + i);
    return text + "}";
  };
  std::string body = "mad.wide.u32 %q0, %thread, 64, %in;\n"
                     "mad.wide.u32 %q1, %thread, 16, %out;\n";
  for (unsigned i = 0; i < 16; ++i)
    body += "ld.global.b32 %r" + std::to_string(10 + i) + ", [%q0+" +
            std::to_string(4 * i) + "];\n";
  body += "mma.sync.aligned.m16n8k" + std::to_string(k) + ".row.col." + result +
          "." + type.name + "." + type.name + "." + result + " " +
          list(40, regsC) + ", " + list(10, regsA) + ", " +
          list(10 + regsA, regsB) + ", " + list(10 + regsA + regsB, regsC) +
          ";\n";
  for (unsigned i = 0; i < regsC; ++i)
    body += "st.global.b32 [%q1+" + std::to_string(4 * i) + "], %r" +
            std::to_string(40 + i) + ";\n";
  Outcome run = runBody(body, in, 512);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  std::vector<uint32_t> d = run.as<uint32_t>();
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      int expected = valueC(row, column);
      for (unsigned j = 0; j < k; ++j)
        expected += valueA(row, j) * valueB(j, column);
      uint32_t got = half ? d[lane * 4 + i / 2] >> (16 * (i % 2)) & 0xffff
                          : d[lane * 4 + i];
      ASSERT_EQ(got, c(expected)) << type.name << " k" << k << " " << result;
    }
}

TEST(PtxMatrix, MmaOfEveryType) {
  ElementType half{"f16", 16, halfOf}, brain{"bf16", 16, brainOf};
  ElementType tf32{"tf32", 32, floatOf}, s8{"s8", 8, byteOf};
  ElementType e4m3{"e4m3", 8, e4m3Of};
  checkMma(half, 16, "f32");
  checkMma(half, 8, "f32");
  checkMma(half, 16, "f16");
  checkMma(half, 8, "f16");
  checkMma(brain, 16, "f32");
  checkMma(brain, 8, "f32");
  checkMma(tf32, 8, "f32");
  checkMma(tf32, 4, "f32");
  checkMma(s8, 32, "s32");
  checkMma(s8, 16, "s32");
  checkMma(e4m3, 32, "f32");
}

TEST(PtxMatrix, AllLanesAreNeeded) {
  Outcome run =
      runBody("setp.lt.u32 %p1, %lane, 31;\n@%p1 bra go;\nret;\n"
              "go: mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
              "{%r1,%r2,%r3,%r4}, {%r5,%r6}, {%r7}, {%r1,%r2,%r3,%r4};",
              {0}, 4);
  EXPECT_NE(run.result.error.message.find("needs all 32 threads"),
            std::string::npos)
      << run.result.error.message;
}

TEST(PtxMatrix, UnknownFormsAreRefused) {
  auto refused = [](const std::string &code) {
    return loadError(module(code)).line == 11;
  };
  EXPECT_TRUE(refused("mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32 "
                      "{%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, {%r9,%r10}, "
                      "{%r1,%r2,%r3,%r4};"));
  EXPECT_TRUE(refused("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                      "{%r1,%r2,%r3}, {%r5,%r6,%r7,%r8}, {%r9,%r10}, "
                      "{%r1,%r2,%r3,%r4};"));
  EXPECT_TRUE(
      refused("ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r1}, [%r2];"));
}

} // namespace
