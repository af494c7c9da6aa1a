// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads and stores of every space and width, atomics, and what goes wrong.

#include "PtxTest.h"

#include <numeric>

using namespace attnc;
using namespace attnc::test;

namespace {

std::vector<uint32_t> iota(size_t count) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), 0u);
  return values;
}

TEST(PtxMemory, VectorsOfEveryWidth) {
  Outcome run =
      runBody("mad.wide.u32 %q0, %thread, 16, %in;\n"
              "mad.wide.u32 %q1, %thread, 16, %out;\n"
              "ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%r0, %r1, %r2, "
              "%r3}, [%q0];\n"
              "st.global.cs.v2.b32 [%q1], {%r3, %r2};\n"
              "mov.b64 %q2, {%r1, %r0}; st.global.b64 [%q1+8], %q2;",
              iota(128), 512);
  ASSERT_TRUE(run.result.clean());
  for (uint32_t i = 0; i < 32; ++i)
    for (uint32_t j = 0; j < 4; ++j)
      EXPECT_EQ(run.as<uint32_t>()[i * 4 + j], i * 4 + 3 - j);
}

TEST(PtxMemory, SmallTypesExtend) {
  Outcome run =
      runBody("mad.wide.u32 %q1, %thread, 16, %out;\n"
              "ld.global.s8 %r0, [%in]; ld.global.u8 %r1, [%in+1];\n"
              "ld.global.s16 %r2, [%in+2]; ld.global.u16 %h0, [%in+2];\n"
              "cvt.u32.u16 %r3, %h0;\n"
              "st.global.v4.u32 [%q1], {%r0, %r1, %r2, %r3};",
              {0xfedcba98}, 512);
  ASSERT_TRUE(run.result.clean());
  std::vector<uint32_t> d = run.as<uint32_t>();
  EXPECT_EQ(d[0], 0xffffff98u);
  EXPECT_EQ(d[1], 0xbau);
  EXPECT_EQ(d[2], 0xfffffedcu);
  EXPECT_EQ(d[3], 0xfedcu);
}

TEST(PtxMemory, GenericAddresses) {
  // The same load through the windows of shared, local and global memory.
  Outcome run = runBody(
      ".shared .align 8 .b8 s[64]; .local .align 8 .b8 l[64];\n"
      "mov.u64 %q0, s; cvta.shared.u64 %q0, %q0;\n"
      "mov.u64 %q2, l; cvta.local.u64 %q2, %q2;\n"
      "setp.eq.u32 %p1, %thread, 0;\n@%p1 st.shared.u32 [s+4], 11;\n"
      "bar.sync 0; add.u32 %r9, %thread, 500; st.local.u32 [l+8], %r9;\n"
      "ld.u32 %r0, [%q0+4]; ld.u32 %r1, [%q2+8]; ld.u32 %r2, [%in];\n"
      "isspacep.shared %p2, %q0; isspacep.global %p3, %q0;\n"
      "selp.u32 %r3, 1, 0, %p2; selp.u32 %r4, 2, 0, %p3; add.u32 %r3, %r3, "
      "%r4;\n"
      "mad.wide.u32 %q1, %thread, 16, %out;\n"
      "st.v4.u32 [%q1], {%r0, %r1, %r2, %r3};",
      {42}, 512);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  std::vector<uint32_t> d = run.as<uint32_t>();
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(d[4 * i], 11u);
    EXPECT_EQ(d[4 * i + 1], 500 + i); // each thread has its own
    EXPECT_EQ(d[4 * i + 2], 42u);
    EXPECT_EQ(d[4 * i + 3], 1u);
  }
}

TEST(PtxMemory, ModuleVariables) {
  Outcome run = runModule(
      module("ld.const.u32 %r0, [table+8]; ld.global.u64 %q0, [pointer];\n"
             "ld.global.u32 %r1, [%q0+4]; add.u32 %r0, %r0, %r1;\n"
             "mad.wide.u32 %q1, %thread, 4, %out; st.global.u32 [%q1], %r0;",
             90,
             ".const .align 4 .b32 table[4] = {1, 2, 30, 4};\n"
             ".global .align 4 .u32 data[2] = {5, 600};\n"
             ".global .align 8 .u64 pointer = generic(data);\n"),
      "", 1, 128);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  EXPECT_EQ(run.as<uint32_t>()[7], 630u);
}

TEST(PtxMemory, Atomics) {
  RunOptions options;
  options.threads = 128;
  options.blocks = 3;
  Outcome run =
      runModule(module(".shared .align 4 .b32 s; setp.eq.u32 %p1, %thread, 0;\n"
                       "@%p1 st.shared.u32 [s], 0; bar.sync 0;\n"
                       "atom.shared.add.u32 %r0, [s], 1;\n"
                       "red.global.add.u32 [%out], 1;\n"
                       "red.global.max.s32 [%out+4], %thread;\n"
                       "atom.global.or.b32 %r1, [%out+8], 3;\n"
                       "red.global.add.f32 [%out+12], 0f3F000000;\n"
                       "atom.global.cas.b32 %r2, [%out+16], 0, 9;\n"
                       "atom.global.inc.u32 %r3, [%out+20], 6;\n"
                       "bar.sync 0; ld.shared.u32 %r4, [s];\n"
                       "@%p1 red.global.add.u32 [%out+24], %r4;\n"
                       "red.global.add.noftz.f16x2 [%out+28], 0x3c003800;\n",
                       90),
                "", 1, 32, options);
  // The result is NaN-filled, so that a first launch clears it.
  ptx::Executor executor;
  ptx::Diagnostic error;
  ASSERT_FALSE(run.result.findings.size()) << run.firstMessage();
  ASSERT_TRUE(run.result.completed);
  std::vector<uint32_t> d = run.as<uint32_t>();
  EXPECT_EQ(d[0], 0x7fff7fffu + 384);
  EXPECT_EQ(d[1], 0x7fff7fffu);
  EXPECT_EQ(d[6], 0x7fff7fffu + 384);
}

TEST(PtxMemory, OutOfBoundsIsExplained) {
  Outcome run =
      runBody("mad.wide.u32 %q0, %thread, 4, %in;\nld.global.u32 %r0, [%q0];",
              iota(20), 4);
  EXPECT_FALSE(run.result.completed);
  EXPECT_EQ(run.result.error.line, 12u);
  EXPECT_NE(run.result.error.message.find("read of 4 bytes at global address"),
            std::string::npos);
  EXPECT_NE(
      run.result.error.message.find(
          "at byte 80 of an allocation of 80 bytes [block (0,0,0), thread "
          "(20,0,0)]"),
      std::string::npos)
      << run.result.error.message;
}

TEST(PtxMemory, MisalignedAndNull) {
  Outcome run = runBody("ld.global.u32 %r0, [%in+2];", iota(4), 4);
  EXPECT_NE(run.result.error.message.find("misaligned"), std::string::npos);
  run = runBody("mov.u64 %q0, 0; ld.u32 %r0, [%q0+8];", iota(4), 4);
  EXPECT_NE(run.result.error.message.find("null pointer"), std::string::npos);
  run = runBody(".shared .align 4 .b8 s[16]; mov.u32 %r1, s;\n"
                "st.shared.u32 [%r1+1024], 0;",
                iota(4), 4);
  EXPECT_NE(run.result.error.message.find("out of bounds"), std::string::npos);
  run = runBody(".local .align 4 .b8 l[16]; mov.u64 %q0, l;\n"
                "st.local.u32 [%q0+16], 0;",
                iota(4), 4);
  EXPECT_NE(run.result.error.message.find("16 bytes of local memory"),
            std::string::npos);
}

TEST(PtxMemory, ReadOnlyMappingsAreRespected) {
  ptx::Executor executor;
  ptx::Diagnostic error;
  ASSERT_TRUE(executor.load(module("st.global.u32 [%in], 1;"), error));
  uint32_t data[4] = {};
  uint64_t address = executor.map(data, sizeof data, /*writable=*/false);
  ptx::LaunchOptions options;
  ptx::LaunchResult result = executor.launch(
      "k", {ptx::argument(address), ptx::argument(address)}, options);
  EXPECT_NE(result.error.message.find("not writable"), std::string::npos);
  EXPECT_EQ(data[0], 0u);
}

TEST(PtxMemory, BankConflictsAreCounted) {
  auto wavefronts = [](const std::string &scale) {
    RunOptions options;
    options.shared = 4096 + 1024;
    Outcome run = runModule(
        module("mul.lo.u32 %r1, %lane, " + scale +
                   "; mov.u32 %r2, dyn;\n"
                   "add.u32 %r1, %r1, %r2;\nst.shared.u32 [%r1], %lane;",
               90, ".extern .shared .align 16 .b8 dyn[];\n"),
        "", 1, 4, options);
    EXPECT_TRUE(run.result.clean()) << run.result.error.message;
    EXPECT_EQ(run.result.banks.size(), 1u);
    EXPECT_EQ(run.result.banks[0].ideal, 1u);
    EXPECT_EQ(run.result.banks[0].line, 14u);
    return run.result.banks[0].wavefronts;
  };
  EXPECT_EQ(wavefronts("4"), 1u);
  EXPECT_EQ(wavefronts("8"), 2u);
  EXPECT_EQ(wavefronts("16"), 4u);
  EXPECT_EQ(wavefronts("128"), 32u);
  EXPECT_EQ(wavefronts("36"), 1u);
  EXPECT_EQ(wavefronts("0"), 1u); // a broadcast
}

} // namespace
