// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async with its groups, mbarriers, bulk copies: what lands when.

#include "PtxTest.h"

#include <numeric>

using namespace attnc;
using namespace attnc::test;
using Kind = ptx::Finding::Kind;

namespace {

std::vector<uint32_t> numbers(size_t count) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), 1000u);
  return values;
}

const std::string setUp = ".shared .align 128 .b8 s[2048]; mov.u32 %r9, s;\n"
                          "mad.lo.u32 %r10, %thread, 16, %r9;\n"
                          "mad.wide.u32 %q0, %thread, 16, %in;\n"
                          "mad.wide.u32 %q1, %thread, 16, %out;\n";
const std::string copyOut = "ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [%r10];\n"
                            "st.global.v4.u32 [%q1], {%r1, %r2, %r3, %r4};\n";

TEST(PtxAsync, CopyLandsAtItsWait) {
  Outcome run = runBody(setUp +
                            "cp.async.cg.shared.global [%r10], [%q0], 16;\n"
                            "cp.async.commit_group; cp.async.wait_group 0;\n" +
                            copyOut,
                        numbers(128), 512);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  EXPECT_EQ(run.as<uint32_t>(), numbers(128));
}

TEST(PtxAsync, WithoutTheWaitThereIsNaN) {
  Outcome run = runBody(setUp +
                            "cp.async.ca.shared.global.L2::128B [%r10], [%q0], "
                            "16;\ncp.async.commit_group;\n" +
                            copyOut,
                        numbers(128), 512);
  ASSERT_TRUE(run.found(Kind::InFlight));
  EXPECT_EQ(run.result.findings[0].line, 17u);
  EXPECT_EQ(run.result.findings[0].otherLine, 15u);
  for (uint32_t value : run.as<uint32_t>())
    EXPECT_EQ(value, 0x7fff7fffu);
}

TEST(PtxAsync, GroupsLandInOrder) {
  // Of two groups the first has landed, the second has not.
  const std::string two =
      setUp + "cp.async.cg.shared.global [%r10], [%q0], 16;\n"
              "cp.async.commit_group;\n"
              "cp.async.cg.shared.global [%r10+512], [%q0+512], 16;\n"
              "cp.async.commit_group; cp.async.wait_group 1;\n";
  Outcome run = runBody(two + copyOut, numbers(256), 512);
  ASSERT_TRUE(run.result.clean());
  EXPECT_EQ(run.as<uint32_t>(), numbers(128));
  run =
      runBody(two + "add.u32 %r10, %r10, 512;\n" + copyOut, numbers(256), 512);
  EXPECT_TRUE(run.found(Kind::InFlight));
}

TEST(PtxAsync, UncommittedCopiesNeedWaitAll) {
  const std::string one =
      setUp + "cp.async.cg.shared.global [%r10], [%q0], 16;\n";
  EXPECT_TRUE(
      runBody(one + "cp.async.wait_group 0;\n" + copyOut, numbers(128), 512)
          .found(Kind::InFlight));
  EXPECT_TRUE(runBody(one + "cp.async.wait_all;\n" + copyOut, numbers(128), 512)
                  .result.clean());
}

TEST(PtxAsync, ShortSourcesAreFilledWithZeros) {
  Outcome run =
      runBody(setUp +
                  "mov.u32 %r5, 8; setp.gt.u32 %p1, %thread, 15;\n"
                  "@%p1 mov.u32 %r5, 0;\n"
                  "cp.async.cg.shared.global [%r10], [%q0], 16, %r5;\n"
                  "cp.async.wait_all;\n" +
                  copyOut,
              numbers(64), 512); // lanes above 15 must not read
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  std::vector<uint32_t> d = run.as<uint32_t>();
  for (unsigned i = 0; i < 128; ++i)
    EXPECT_EQ(d[i], i < 64 && i % 4 < 2 ? 1000 + i : 0);
}

TEST(PtxAsync, AnotherWarpNeedsABarrierToo) {
  RunOptions options;
  options.threads = 64;
  auto code = [](const std::string &barrier) {
    // Each thread reads what the thread 32 further on copied.
    return setUp +
           "cp.async.cg.shared.global [%r10], [%q0], 16;\n"
           "cp.async.commit_group; cp.async.wait_group 0;\n" +
           barrier +
           "xor.b32 %r11, %thread, 32; mad.lo.u32 %r10, %r11, 16, %r9;\n" +
           copyOut;
  };
  Outcome run = runBody(code("bar.sync 0;\n"), numbers(256), 1024, options);
  ASSERT_TRUE(run.result.clean());
  EXPECT_EQ(run.as<uint32_t>()[0], 1128u);
  run = runBody(code(""), numbers(256), 1024, options);
  EXPECT_TRUE(run.found(Kind::Race) || run.found(Kind::InFlight));
}

const std::string barrierSetUp =
    setUp + ".shared .align 8 .b64 mbar; mov.u32 %r20, mbar;\n"
            "setp.eq.u32 %p1, %thread, 0;\n";

TEST(PtxAsync, MbarrierPhases) {
  // Two warps hand a value back and forth over one mbarrier.
  RunOptions options;
  options.threads = 64;
  for (options.seed = 0; options.seed < 10; ++options.seed) {
    Outcome run = runBody(
        barrierSetUp +
            "@%p1 mbarrier.init.shared::cta.b64 [%r20], 64; bar.sync 0;\n"
            "mov.u32 %r1, 0; mov.u32 %r2, 0;\n"
            "loop: st.shared.u32 [%r10], %r1;\n"
            "mbarrier.arrive.shared.b64 %q5, [%r20];\n"
            "wait: mbarrier.test_wait.shared.b64 %p2, [%r20], %q5;\n"
            "@!%p2 bra wait;\n"
            "xor.b32 %r11, %thread, 32; mad.lo.u32 %r11, %r11, 16, %r9;\n"
            "ld.shared.u32 %r12, [%r11]; add.u32 %r2, %r2, %r12;\n"
            "bar.sync 0; add.u32 %r1, %r1, 1; setp.lt.u32 %p3, %r1, 6;\n"
            "@%p3 bra loop; st.global.u32 [%q1], %r2;",
        {0}, 1024, options);
    ASSERT_TRUE(run.result.clean())
        << run.result.error.message
        << (run.result.findings.empty() ? "" : run.result.findings[0].message);
    EXPECT_EQ(run.as<uint32_t>()[4 * 40], 15u);
  }
}

const std::string bulkLoad =
    barrierSetUp +
    "@%p1 mbarrier.init.shared::cta.b64 [%r20], 1;\n"
    "fence.mbarrier_init.release.cluster; bar.sync 0;\n"
    "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r20], 512;\n"
    "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
    "[%r9], [%in], 512, [%r20];\n";

TEST(PtxAsync, BulkLoadCompletesBytes) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    RunOptions options;
    options.seed = seed;
    Outcome run = runBody(
        bulkLoad +
            "wait: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r20], "
            "0;\n@!%p2 bra wait;\n" +
            copyOut,
        numbers(128), 512, options);
    ASSERT_TRUE(run.result.clean()) << run.result.error.message;
    EXPECT_EQ(run.as<uint32_t>(), numbers(128));
  }
}

TEST(PtxAsync, BulkLoadWithoutTheWait) {
  EXPECT_TRUE(
      runBody(bulkLoad + copyOut, numbers(128), 512).found(Kind::InFlight));
}

TEST(PtxAsync, BulkLoadOverOrdinaryStoresNeedsAFence) {
  auto code = [](const std::string &fence) {
    std::string text = bulkLoad;
    size_t at = text.find("fence.mbarrier_init");
    text.insert(at, "st.shared.u32 [%r10], 1;\n" + fence);
    return text +
           "wait: mbarrier.try_wait.parity.shared::cta.b64 %p2, "
           "[%r20], 0;\n@!%p2 bra wait;\n" +
           copyOut;
  };
  EXPECT_TRUE(
      runBody(code("fence.proxy.async.shared::cta;\n"), numbers(128), 512)
          .result.clean());
  EXPECT_TRUE(runBody(code(""), numbers(128), 512).found(Kind::MissingFence));
}

TEST(PtxAsync, WrongParityIsADeadlockOrTooEarly) {
  // The other parity counts as complete at once, so the data are not there.
  Outcome run =
      runBody(bulkLoad +
                  "wait: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r20], "
                  "1;\n@!%p2 bra wait;\n" +
                  copyOut,
              numbers(128), 512);
  EXPECT_FALSE(run.result.clean());
}

TEST(PtxAsync, MissingBytesAreADeadlock) {
  std::string code = bulkLoad;
  code.replace(code.find("], 512;"), 7, "], 528;");
  Outcome run = runBody(
      code + "wait: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r20], 0;\n"
             "@!%p2 bra wait;\n",
      numbers(128), 512);
  EXPECT_NE(run.result.error.message.find("deadlock"), std::string::npos);
}

TEST(PtxAsync, BulkStoreReadsUntilItIsWaitedFor) {
  auto code = [](const std::string &fence, const std::string &wait) {
    return setUp +
           "add.u32 %r1, %thread, 50; st.shared.v4.u32 [%r10], {%r1, %r1, "
           "%r1, %r1};\n" +
           fence +
           "bar.sync 0; setp.eq.u32 %p1, %thread, 0;\n"
           "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [%r9], "
           "512;\n"
           "@%p1 cp.async.bulk.commit_group;\n" +
           wait +
           "bar.sync 0; st.shared.u32 [%r10], 0;\n"
           "@%p1 cp.async.bulk.wait_group 0;\n";
  };
  std::string fence = "fence.proxy.async.shared::cta;\n";
  std::string wait = "@%p1 cp.async.bulk.wait_group.read 0;\n";
  Outcome run = runBody(code(fence, wait), {0}, 512);
  ASSERT_TRUE(run.result.clean()) << run.firstMessage();
  EXPECT_EQ(run.as<uint32_t>()[4 * 31 + 3], 81u);
  EXPECT_TRUE(runBody(code("", wait), {0}, 512).found(Kind::MissingFence));
  EXPECT_TRUE(runBody(code(fence, ""), {0}, 512).found(Kind::InFlight));
}

TEST(PtxAsync, CopiesArriveAtAnMbarrier) {
  Outcome run =
      runBody(barrierSetUp +
                  "@%p1 mbarrier.init.shared::cta.b64 [%r20], 32; bar.sync 0;\n"
                  "cp.async.cg.shared.global [%r10], [%q0], 16;\n"
                  "cp.async.mbarrier.arrive.noinc.shared.b64 [%r20];\n"
                  "wait: mbarrier.try_wait.parity.shared.b64 %p2, [%r20], 0;\n"
                  "@!%p2 bra wait;\n" +
                  copyOut,
              numbers(128), 512);
  ASSERT_TRUE(run.result.clean()) << run.result.error.message;
  EXPECT_EQ(run.as<uint32_t>(), numbers(128));
}

TEST(PtxAsync, MbarrierMisuse) {
  Outcome run =
      runBody(barrierSetUp + "mbarrier.arrive.shared.b64 _, [%r20];", {0}, 512);
  EXPECT_NE(run.result.error.message.find("there is no mbarrier"),
            std::string::npos);
  run = runBody(barrierSetUp + "@%p1 mbarrier.init.shared.b64 [%r20], 4;\n"
                               "@%p1 mbarrier.init.shared.b64 [%r20], 4;",
                {0}, 512);
  EXPECT_TRUE(run.found(Kind::Protocol));
  run = runBody(barrierSetUp + "@%p1 mbarrier.init.shared.b64 [%r20], 4;\n"
                               "@%p1 mbarrier.arrive.shared.b64 _, [%r20], 5;",
                {0}, 512);
  EXPECT_NE(run.result.error.message.find("5 arrivals"), std::string::npos);
}

} // namespace
