// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of chips, and what ptxas prints.

#include "codegen/gpu/ChipCheck.h"
#include "codegen/gpu/Chips.h"
#include "codegen/gpu/Ptxas.h"

#include "llvm/Support/Error.h"
#include "gtest/gtest.h"

#include <cstdlib>

using namespace attnc;

static Target chip(const char *name) { return cantFail(Target::parse(name)); }

TEST(Chips, AreTargets) {
  for (const gpu::Chip &known : gpu::chips()) {
    Target target = chip(known.name.data());
    EXPECT_TRUE(target.isGpu());
    EXPECT_EQ(target.name, known.name);
    EXPECT_EQ(target.sm, known.sm);
    EXPECT_GE(target.sharedBytes, 64u << 10);
    EXPECT_FALSE(target.missingOnHost().empty());
    EXPECT_EQ(target.machineModel().sm, known.sm);
  }
  EXPECT_FALSE(chip("x86-64").isGpu());
  EXPECT_FALSE(gpu::findChip("sm_70"));
}

TEST(Chips, IntrinsicsAreRefusedByName) {
  EXPECT_EQ(gpu::chipProblem("llvm.nvvm.ldmatrix.sync.x4", chip("sm_75")), "");
  EXPECT_EQ(gpu::chipProblem("llvm.fma.f32", chip("sm_75")), "");
  EXPECT_EQ(
      gpu::chipProblem("llvm.nvvm.cp.async.cg.shared.global.16", chip("sm_75")),
      "llvm.nvvm.cp.async.cg.shared.global.16 needs sm_80 or newer, "
      "which sm_75 is not");
  EXPECT_EQ(
      gpu::chipProblem("llvm.nvvm.mma.m16n8k16.row.col.bf16", chip("sm_80")),
      "");
  // Of one chip alone: neither the plain chip nor a later one has it.
  for (const char *name : {"sm_80", "sm_90", "sm_100a"})
    EXPECT_NE(gpu::chipProblem("llvm.nvvm.wgmma.fence", chip(name)), "");
  EXPECT_EQ(gpu::chipProblem("llvm.nvvm.wgmma.fence", chip("sm_90a")), "");
  EXPECT_NE(gpu::chipProblem("llvm.nvvm.of.tomorrow", chip("sm_121a")), "");
}

TEST(Ptxas, LogIsRead) {
  std::vector<gpu::PtxasUsage> usage = gpu::parsePtxasLog(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'one' for 'sm_80'\n"
      "ptxas info    : Function properties for one\n"
      "    16 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads\n"
      "ptxas info    : Used 255 registers, used 1 barriers, 1024 bytes smem\n"
      "ptxas info    : Compiling entry function 'two' for 'sm_80'\n"
      "ptxas info    : Used 40 registers, used 0 barriers\n");
  ASSERT_EQ(usage.size(), 2u);
  EXPECT_EQ(usage[0].entry, "one");
  EXPECT_EQ(usage[0].registers, 255u);
  EXPECT_EQ(usage[0].spillBytes, 44u);
  EXPECT_EQ(usage[0].stackBytes, 16u);
  EXPECT_EQ(usage[0].sharedBytes, 1024u);
  EXPECT_EQ(usage[1].registers, 40u);
  EXPECT_EQ(usage[1].spillBytes, 0u);
}

TEST(Ptxas, MissingProgramIsNamed) {
  std::string old =
      std::getenv("ATTNC_PTXAS") ? std::getenv("ATTNC_PTXAS") : "";
  setenv("ATTNC_PTXAS", "/nowhere/ptxas", 1);
  auto output = gpu::runPtxas("", "sm_80");
  EXPECT_FALSE(output);
  std::string text = llvm::toString(output.takeError());
  EXPECT_NE(text.find("/nowhere/ptxas"), std::string::npos) << text;
  old.empty() ? unsetenv("ATTNC_PTXAS") : setenv("ATTNC_PTXAS", old.c_str(), 1);
}
