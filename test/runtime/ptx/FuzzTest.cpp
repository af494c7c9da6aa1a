// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mutated modules: whatever they say, there is a diagnostic or a result, no
// crash and no unbounded work.

#include "PtxTest.h"

#include <random>

using namespace attnc;
using namespace attnc::test;

namespace {

const char *const bodies[] = {
    "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%in+16];\n"
    "fma.rn.f32 %f5, %f1, 0f3F800000, %f2; setp.lt.f32 %p1, %f5, %f3;\n"
    "@%p1 bra L; cvt.rn.f16x2.f32 %r1, %f1, %f2;\nL: st.global.b32 [%out], "
    "%r1;\n",
    ".shared .align 128 .b8 s[1024]; mov.u32 %r1, s;\n"
    "mad.lo.u32 %r2, %lane, 16, %r1; cp.async.cg.shared.global [%r2], [%in], "
    "16;\n"
    "cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;\n"
    "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r3,%r4,%r5,%r6}, [%r2];\n"
    "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, "
    "{%r3,%r4,%r5,%r6}, {%r3,%r4}, {%f1,%f2,%f3,%f4};\n",
    ".shared .align 8 .b64 m; mov.u32 %r1, m; .shared .align 128 .b8 s[2048];\n"
    "mov.u32 %r2, s; setp.eq.u32 %p1, %thread, 0;\n"
    "@%p1 mbarrier.init.shared.b64 [%r1], 1; bar.sync 0;\n"
    "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r1], 64;\n"
    "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
    "[%r2], [%in], 64, [%r1];\n"
    "{ .reg .pred c; w: mbarrier.try_wait.parity.shared.b64 c, [%r1], 0;\n"
    "@!c bra w; }\nwgmma.fence.sync.aligned; elect.sync %r9|%p2, -1;\n",
    "{ .param .b32 p; st.param.b32 [p], 3; call f, (p); }\n"
    "shfl.sync.idx.b32 %r3|%p4, %thread, 5, 31, -1; atom.global.add.u32 %r4, "
    "[%out], "
    "1;\nprmt.b32 %r5, %r3, %r4, 0x5410; bfe.u32 %r6, %r5, 3, 9;\n",
};

std::string mutate(std::string text, std::mt19937 &random) {
  static const std::string alphabet =
      "{}[]();,:.%@!|+-_$ \n0123456789abcdefxrpqU\"/*<>=";
  unsigned count = 1 + random() % 3;
  while (count--) {
    size_t at = random() % text.size(), size = random() % 4;
    switch (random() % 8) {
    case 0:
      text.erase(at, size);
      break;
    case 1:
      text.insert(at, 1, alphabet[random() % alphabet.size()]);
      break;
    case 2:
      text[at] = static_cast<char>(random());
      break;
    case 6: // a digit or letter for another
    case 7:
      if (isalnum(static_cast<unsigned char>(text[at])))
        text[at] = "0123456789"[random() % 10];
      break;
    case 3: // a piece from elsewhere
      text.insert(at, text.substr(random() % text.size(), size * 4));
      break;
    case 4: // a large number
      text.insert(at, std::to_string(uint64_t(random()) << (random() % 32)));
      break;
    default:
      text.resize(at + 1);
    }
  }
  return text;
}

TEST(PtxFuzz, MutatedModules) {
  unsigned loaded = 0, refused = 0;
  std::mt19937 random(12345);
  for (unsigned round = 0; round < 4000; ++round) {
    std::string text = module(bodies[round % 4], 90,
                              ".func f(.param .b32 x) { .reg .b32 %r<3>; "
                              "ld.param.b32 %r1, [x]; ret; }\n");
    if (round >= 4)
      text = mutate(text, random);
    ptx::Executor executor;
    ptx::Diagnostic error;
    if (!executor.load(text, error)) {
      ++refused;
      ASSERT_FALSE(error.message.empty());
      continue;
    }
    ++loaded;
    uint64_t buffer = executor.allocate(4096);
    for (const ptx::EntryInfo &entry : executor.entries()) {
      ptx::LaunchOptions options;
      options.block.x = 64;
      options.dynamicShared = 4096;
      options.maxWarpInstructions = 20000;
      std::vector<std::vector<uint8_t>> arguments;
      for (const ptx::Parameter &parameter : entry.parameters) {
        arguments.push_back(ptx::argument(buffer));
        arguments.back().resize(parameter.size);
      }
      executor.launch(entry.name, arguments, options);
    }
  }
  // Both ways must have been taken often, or the test shows nothing.
  EXPECT_GT(loaded, 200u);
  EXPECT_GT(refused, 1000u);
}

} // namespace
