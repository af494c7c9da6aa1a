// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Branches and divergence, calls, barriers, and instructions across a warp.

#include "PtxTest.h"

using namespace attnc;
using namespace attnc::test;

namespace {

const char *const store = "mad.wide.u32 %q1, %thread, 4, %out;\n"
                          "st.global.u32 [%q1], %r0;\n";

std::vector<uint32_t> outputs(const std::string &body,
                              const RunOptions &options = {}) {
  Outcome run = runBody(body + store, {1}, options.threads * 4, options);
  EXPECT_TRUE(run.result.clean()) << run.result.error.message;
  return run.as<uint32_t>();
}

TEST(PtxControl, LoopsOfDifferentLengths) {
  // Each thread adds up the numbers below its own: lanes leave one by one.
  std::vector<uint32_t> d = outputs("mov.u32 %r0, 0; mov.u32 %r1, 0;\n"
                                    "loop: setp.ge.u32 %p1, %r1, %thread;\n"
                                    "@%p1 bra done;\n"
                                    "add.u32 %r0, %r0, %r1;\n"
                                    "add.u32 %r1, %r1, 1; bra loop;\n"
                                    "done:\n");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(d[i], i ? i * (i - 1) / 2 : 0);
}

TEST(PtxControl, BothSidesMeetAgain) {
  std::vector<uint32_t> d = outputs("and.b32 %r1, %thread, 1;\n"
                                    "setp.eq.u32 %p1, %r1, 1;\n"
                                    "@%p1 bra odd;\n"
                                    "mov.u32 %r0, 100; bra join;\n"
                                    "odd: mov.u32 %r0, 200;\n"
                                    "join: vote.sync.ballot.b32 %r2, %p1, -1;\n"
                                    "add.u32 %r0, %r0, %r2;\n");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(d[i], (i % 2 ? 200 : 100) + 0xaaaaaaaau);
}

TEST(PtxControl, BranchTables) {
  std::vector<uint32_t> d =
      outputs("list: .branchtargets a, b, c, a;\n"
              "and.b32 %r1, %thread, 3; brx.idx %r1, list;\n"
              "a: mov.u32 %r0, 10; bra end;\nb: mov.u32 %r0, 20; bra end;\n"
              "c: mov.u32 %r0, 30;\nend:\n");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(d[i], i % 4 == 1 ? 20u : i % 4 == 2 ? 30u : 10u);
  Outcome run =
      runBody("list: .branchtargets a;\nbrx.idx %thread, list;\na:", {0}, 4);
  EXPECT_NE(run.result.error.message.find("trap"), std::string::npos);
}

TEST(PtxControl, LocalScopesAndLabels) {
  std::vector<uint32_t> d = outputs(
      "mov.u32 %r0, 1;\n"
      "{ .reg .b32 x; mov.u32 x, 5; again: add.u32 %r0, %r0, x;\n"
      "  sub.u32 x, x, 1; setp.ne.u32 %p1, x, 0; @%p1 bra again; }\n"
      "{ .reg .b32 x; mov.u32 x, 3; again: add.u32 %r0, %r0, x;\n"
      "  sub.u32 x, x, 1; setp.ne.u32 %p1, x, 0; @%p1 bra.uni again; }\n");
  EXPECT_EQ(d[0], 1u + 15 + 6);
}

TEST(PtxControl, LanesMaySpinOnOthers) {
  // Lane 0 waits for what lane 31 writes; the order by address alone would
  // keep lane 0 spinning for ever.
  std::vector<uint32_t> d =
      outputs(".shared .align 4 .b32 flag;\n"
              "setp.eq.u32 %p1, %lane, 0;\n"
              "@%p1 st.shared.u32 [flag], 0; bar.warp.sync -1;\n"
              "@!%p1 bra other;\n"
              "wait: ld.volatile.shared.u32 %r0, [flag];\n"
              "setp.eq.u32 %p2, %r0, 0; @%p2 bra wait; bra join;\n"
              "other: mov.u32 %r0, 9; setp.eq.u32 %p3, %lane, 31;\n"
              "@%p3 st.volatile.shared.u32 [flag], 7;\n"
              "join:\n");
  EXPECT_EQ(d[0], 7u);
  EXPECT_EQ(d[5], 9u);
}

TEST(PtxControl, Calls) {
  std::string text =
      module("{ .param .b32 p0; .param .b32 r0;\n"
             "st.param.b32 [p0], %thread; call.uni (r0), square, (p0);\n"
             "ld.param.b32 %r0, [r0]; }\n"
             "{ .param .b32 p0; .param .b32 r0;\n"
             "setp.gt.u32 %p1, %thread, 3;\n"
             "st.param.b32 [p0], %r0; @%p1 call (r0), square, (p0);\n"
             "@%p1 ld.param.b32 %r0, [r0]; }\n" +
                 std::string(store),
             90,
             ".visible .func (.param .b32 result) square(.param .b32 x)\n"
             "{ .reg .b32 %r<3>; .reg .pred %p<2>; ld.param.b32 %r1, [x];\n"
             "setp.eq.u32 %p1, %r1, 1; @%p1 bra one;\n"
             "mul.lo.u32 %r2, %r1, %r1; st.param.b32 [result], %r2; ret;\n"
             "one: st.param.b32 [result], 1; ret; }\n");
  Outcome run = runModule(text, "x", 1, 128);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(run.as<uint32_t>()[i], i > 3 ? i * i * i * i : i * i);
}

TEST(PtxControl, RecursionIsRefused) {
  ptx::Diagnostic error =
      loadError(module("call f;", 90, ".func f() { call f; ret; }\n"));
  EXPECT_NE(error.message.find("recursive"), std::string::npos)
      << error.message;
}

TEST(PtxControl, Shuffles) {
  auto shuffle = [](const std::string &code) {
    return outputs("mul.lo.u32 %r1, %lane, 10;\n" + code);
  };
  std::vector<uint32_t> d = shuffle("shfl.sync.bfly.b32 %r0, %r1, 5, 31, -1;");
  std::vector<uint32_t> e = shuffle("shfl.sync.up.b32 %r0, %r1, 3, 0, -1;");
  std::vector<uint32_t> f =
      shuffle("shfl.sync.down.b32 %r0|%p1, %r1, 2, 0x181f, -1;\n"
              "@!%p1 add.u32 %r0, %r0, 1;");
  std::vector<uint32_t> g =
      shuffle("shfl.sync.idx.b32 %r0, %r1, 6, 0x181f, -1;");
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(d[i], (i ^ 5) * 10);
    EXPECT_EQ(e[i], (i < 3 ? i : i - 3) * 10);
    // Groups of eight lanes.
    EXPECT_EQ(f[i], i % 8 < 6 ? (i + 2) * 10 : i * 10 + 1);
    EXPECT_EQ(g[i], (i / 8 * 8 + 6) * 10);
  }
}

TEST(PtxControl, VotesReductionsElections) {
  std::vector<uint32_t> d = outputs(
      "setp.lt.u32 %p1, %lane, 31; vote.sync.all.pred %p2, %p1, -1;\n"
      "vote.sync.any.pred %p3, %p1, -1; selp.u32 %r1, 1, 0, %p2;\n"
      "selp.u32 %r2, 2, 0, %p3; add.u32 %r0, %r1, %r2;\n"
      "redux.sync.max.s32 %r3, %lane, -1; mad.lo.u32 %r0, %r3, 100, %r0;\n"
      "elect.sync %r4|%p4, -1; @%p4 add.u32 %r0, %r0, 50000;\n");
  EXPECT_EQ(d[0], 2u + 3100 + 50000);
  EXPECT_EQ(d[1], 2u + 3100);
  d = outputs("and.b32 %r1, %lane, 3; match.any.sync.b32 %r0, %r1, -1;\n");
  EXPECT_EQ(d[6], 0x44444444u);
  d = outputs("setp.lt.u32 %p1, %lane, 8; mov.u32 %r0, 0;\n"
              "@%p1 redux.sync.add.u32 %r0, %lane, 0xff;\n");
  EXPECT_EQ(d[3], 28u);
  EXPECT_EQ(d[9], 0u);
}

TEST(PtxControl, BarriersWithReduction) {
  RunOptions options;
  options.threads = 96;
  std::vector<uint32_t> d = outputs(
      "setp.lt.u32 %p1, %thread, 40;\n"
      "bar.red.popc.u32 %r0, 0, %p1;\n"
      "barrier.cta.red.or.pred %p2, 1, %p1; @%p2 add.u32 %r0, %r0, 100;\n"
      "bar.red.and.pred %p3, 0, 96, %p1; @%p3 add.u32 %r0, %r0, 1000;\n",
      options);
  for (uint32_t value : d)
    EXPECT_EQ(value, 140u);
}

TEST(PtxControl, NamedBarriersOrderProducerAndConsumer) {
  RunOptions options;
  options.threads = 64;
  for (options.seed = 0; options.seed < 20; ++options.seed) {
    std::vector<uint32_t> d = outputs(
        ".shared .align 4 .b32 s[32];\n"
        "mov.u32 %r0, s; shl.b32 %r1, %lane, 2; add.u32 %r1, %r1, %r0;\n"
        "setp.ge.u32 %p1, %thread, 32; @%p1 bra consumer;\n"
        "add.u32 %r0, %lane, 77; st.shared.u32 [%r1], %r0;\n"
        "bar.arrive 3, 64; bra done;\n"
        "consumer: bar.sync 3, 64; ld.shared.u32 %r0, [%r1];\n"
        "done:\n",
        options);
    for (uint32_t i = 0; i < 64; ++i)
      EXPECT_EQ(d[i], i % 32 + 77);
  }
}

TEST(PtxControl, DivergentBarrierIsADeadlock) {
  Outcome run = runBody("setp.lt.u32 %p1, %thread, 7; @%p1 bra skip;\n"
                        "bar.sync 0;\nbra end;\nskip: bar.sync 1;\nend:",
                        {0}, 4);
  EXPECT_FALSE(run.result.completed);
  EXPECT_NE(run.result.error.message.find("deadlock"), std::string::npos);
  EXPECT_NE(run.result.error.message.find("lanes 0x7f"), std::string::npos)
      << run.result.error.message;
}

TEST(PtxControl, WarpsAtDifferentBarriers) {
  RunOptions options;
  options.threads = 64;
  Outcome run = runBody("setp.lt.u32 %p1, %thread, 32; @%p1 bra skip;\n"
                        "bar.sync 0;\nbra end;\nskip: bar.sync 1;\nend:",
                        {0}, 4, options);
  EXPECT_NE(run.result.error.message.find("warp 0 waits at barrier 1"),
            std::string::npos)
      << run.result.error.message;
}

TEST(PtxControl, ExitedWarpsDoNotBlockTheOthers) {
  RunOptions options;
  options.threads = 128;
  std::vector<uint32_t> d = outputs(std::string("mov.u32 %r0, 1;\n") + store +
                                        "setp.ge.u32 %p1, %thread, 64;\n"
                                        "@%p1 ret;\nbar.sync 0;\n"
                                        "mov.u32 %r0, 2;\n",
                                    options);
  EXPECT_EQ(d[3], 2u);
  EXPECT_EQ(d[100], 1u);
}

TEST(PtxControl, EndlessLoopsEnd) {
  Outcome run = runBody("loop: bra loop;", {0}, 4);
  EXPECT_FALSE(run.result.completed);
  EXPECT_NE(run.result.error.message.find("did not end"), std::string::npos);
}

TEST(PtxControl, TrapNamesThreadAndLine) {
  Outcome run = runBody("setp.eq.u32 %p1, %thread, 5;\n@%p1 trap;", {0}, 4);
  EXPECT_EQ(run.result.error.message, "trap [block (0,0,0), thread (5,0,0)]");
  EXPECT_EQ(run.result.error.line, 12u);
}

TEST(PtxControl, SpecialRegisters) {
  RunOptions options;
  options.threads = 40;
  std::vector<uint32_t> d = outputs(
      "mov.u32 %r1, %ntid.x; mov.u32 %r2, %warpid; mov.u32 %r3, %ctaid.y;\n"
      "mov.u32 %r4, %nctaid.x; mov.u32 %r5, %lanemask_lt;\n"
      "popc.b32 %r5, %r5; mad.lo.u32 %r0, %r2, 1000, %r1;\n"
      "add.u32 %r0, %r0, %r5; mad.lo.u32 %r0, %r4, 100000, %r0;\n"
      "add.u32 %r0, %r0, %r3;\n",
      options);
  EXPECT_EQ(d[39], 100000u + 1000 + 40 + 7);
}

} // namespace
