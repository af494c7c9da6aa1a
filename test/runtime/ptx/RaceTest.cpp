// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Races between warps: found whatever the order of the warps, and only where
// nothing orders the two accesses.

#include "PtxTest.h"

using namespace attnc;
using namespace attnc::test;
using Kind = ptx::Finding::Kind;

namespace {

const std::string setUp =
    ".shared .align 16 .b8 s[2048]; mov.u32 %r9, s;\n"
    "mad.lo.u32 %r10, %thread, 4, %r9; xor.b32 %r1, %thread, 32;\n"
    "mad.lo.u32 %r11, %r1, 4, %r9; mad.wide.u32 %q1, %thread, 4, %out;\n";

Outcome race(const std::string &body, uint64_t seed = 0) {
  RunOptions options;
  options.threads = 64;
  options.seed = seed;
  return runBody(setUp + body, {0}, 256, options);
}

TEST(PtxRace, WriteThenRead) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Outcome run =
        race("st.shared.u32 [%r10], %thread;\nld.shared.u32 %r2, [%r11];\n"
             "st.global.u32 [%q1], %r2;",
             seed);
    EXPECT_TRUE(run.found(Kind::Race)) << seed;
    run = race("st.shared.u32 [%r10], %thread; bar.sync 0;\n"
               "ld.shared.u32 %r2, [%r11]; st.global.u32 [%q1], %r2;",
               seed);
    EXPECT_TRUE(run.result.clean());
    EXPECT_EQ(run.as<uint32_t>()[5], 37u);
  }
}

TEST(PtxRace, ReadThenWrite) {
  // The barrier between the read and the next write is missing.
  const std::string loop = "mov.u32 %r3, 0;\n"
                           "loop: st.shared.u32 [%r10], %r3; bar.sync 0;\n"
                           "ld.shared.u32 %r2, [%r11];\n";
  const std::string end = "add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 3;\n"
                          "@%p1 bra loop; st.global.u32 [%q1], %r2;";
  EXPECT_TRUE(race(loop + end).found(Kind::Race));
  EXPECT_TRUE(race(loop + "bar.sync 0;\n" + end).result.clean());
}

TEST(PtxRace, TwoWritersAndMessage) {
  Outcome run = race("st.shared.u32 [%r9], %thread;");
  ASSERT_TRUE(run.found(Kind::Race));
  EXPECT_EQ(run.result.findings[0].line, 14u);
  EXPECT_NE(run.result.findings[0].message.find("shared address 0x400"),
            std::string::npos)
      << run.firstMessage();
}

TEST(PtxRace, NeighbouringBytesDoNotRace) {
  Outcome run = race("shr.u32 %r4, %thread, 5; mad.lo.u32 %r5, %lane, 4, %r9;\n"
                     "add.u32 %r5, %r5, %r4; cvt.u16.u32 %h0, %thread;\n"
                     "st.shared.u8 [%r5], %h0;");
  EXPECT_TRUE(run.result.clean()) << run.firstMessage();
}

TEST(PtxRace, AtomicsDoNotRaceButPlainReadsDo) {
  std::string atomic =
      "setp.eq.u32 %p1, %thread, 0; @%p1 st.shared.u32 [%r9], 0;\n"
      "bar.sync 0; atom.shared.add.u32 %r2, [%r9], 1;\n";
  EXPECT_TRUE(race(atomic).result.clean());
  EXPECT_TRUE(race(atomic + "ld.shared.u32 %r3, [%r9];").found(Kind::Race));
}

TEST(PtxRace, ReleaseAndAcquireOrder) {
  auto code = [](const std::string &store, const std::string &load) {
    return "setp.eq.u32 %p1, %thread, 0; @%p1 st.shared.u32 [%r9+512], 0;\n"
           "bar.sync 0; setp.ge.u32 %p2, %thread, 32; @%p2 bra consumer;\n"
           "st.shared.u32 [%r10], 5; bar.warp.sync -1;\n"
           "@%p1 " +
           store +
           " [%r9+512], 1; bra done;\n"
           "consumer: " +
           load +
           " %r2, [%r9+512]; setp.eq.u32 %p3, %r2, 0;\n"
           "@%p3 bra consumer; ld.shared.u32 %r3, [%r11];\n"
           "st.global.u32 [%q1], %r3;\ndone:\n";
  };
  Outcome run =
      race(code("st.release.cta.shared.u32", "ld.acquire.cta.shared.u32"));
  ASSERT_TRUE(run.result.clean()) << run.firstMessage();
  EXPECT_EQ(run.as<uint32_t>()[40], 5u);
  EXPECT_TRUE(
      race(code("st.relaxed.cta.shared.u32", "ld.relaxed.cta.shared.u32"))
          .found(Kind::Race));
}

TEST(PtxRace, FencesAroundRelaxedAccesses) {
  auto code = [](const std::string &fence) {
    return "setp.eq.u32 %p1, %thread, 0; @%p1 st.shared.u32 [%r9+512], 0;\n"
           "bar.sync 0; setp.ge.u32 %p2, %thread, 32; @%p2 bra consumer;\n"
           "st.shared.u32 [%r10], 5; bar.warp.sync -1;\n" +
           fence +
           "@%p1 st.volatile.shared.u32 [%r9+512], 1; bra done;\n"
           "consumer: ld.volatile.shared.u32 %r2, [%r9+512];\n"
           "setp.eq.u32 %p3, %r2, 0; @%p3 bra consumer;\n" +
           fence +
           "ld.shared.u32 %r3, [%r11]; st.global.u32 [%q1], %r3;\ndone:\n";
  };
  EXPECT_TRUE(race(code("membar.cta;\n")).result.clean());
  EXPECT_TRUE(race(code("fence.acq_rel.cta;\n")).result.clean());
  EXPECT_TRUE(race(code("")).found(Kind::Race));
}

TEST(PtxRace, UninitializedReadsOnDemand) {
  RunOptions options;
  Outcome run =
      runBody(".shared .align 4 .b32 x; ld.shared.u32 %r1, [x];\n"
              "mad.wide.u32 %q1, %thread, 4, %out; st.global.u32 [%q1], %r1;",
              {0}, 128, options);
  EXPECT_TRUE(run.result.clean());
  EXPECT_EQ(run.as<uint32_t>()[0], 0x7fff7fffu);
  options.uninitialized = true;
  run = runBody(".shared .align 4 .b32 x;\nld.shared.u32 %r1, [x];", {0}, 128,
                options);
  EXPECT_TRUE(run.found(Kind::Uninitialized));
}

TEST(PtxRace, OnlyNamedBarriersOfBothOrder) {
  auto code = [](const char *first, const char *second) {
    return std::string("st.shared.u32 [%r10], %thread;\n"
                       "setp.lt.u32 %p1, %thread, 32; @%p1 bra a;\nbar.sync ") +
           second + ";\nbra join;\na: bar.sync " + first +
           ";\njoin: ld.shared.u32 %r2, [%r11];";
  };
  EXPECT_TRUE(race(code("1, 64", "1, 64")).result.clean());
  EXPECT_TRUE(race(code("1, 32", "2, 32")).found(Kind::Race));
}

} // namespace
