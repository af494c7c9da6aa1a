// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text that is no PTX: each gets a diagnostic with its line.

#include "PtxTest.h"

using namespace attnc;
using namespace attnc::test;

namespace {

void expectError(const std::string &text, unsigned line,
                 const std::string &part) {
  ptx::Diagnostic error = loadError(text);
  EXPECT_EQ(error.line, line) << error.message << "\n" << text;
  EXPECT_NE(error.message.find(part), std::string::npos)
      << error.message << "\n expected: " << part;
}

/// The body's first line is line 11.
void expectBodyError(const std::string &body, const std::string &part,
                     unsigned line = 11) {
  expectError(module(body), line, part);
}

TEST(PtxParser, Headers) {
  expectError("", 1, ".version");
  expectError(".version 3.2\n.target sm_80\n", 1, "3.2");
  expectError(".version 8.0\n.target gfx90\n", 2, "sm_");
  expectError(".version 8.0\n.target sm_80\n.address_size 32\n", 4, "64-bit");
  expectError(".version 8.0\n.target sm_80\n.frob\n", 3, ".frob");
}

TEST(PtxParser, Instructions) {
  expectBodyError("frobnicate.u32 %r1, %r2;",
                  "unknown instruction 'frobnicate'");
  expectBodyError("add.u33 %r1, %r2, %r3;", "found .u33");
  expectBodyError("add.u32.frob %r1, %r2, %r3;", "unknown modifier .frob");
  expectBodyError("add.ftz.u32 %r1, %r2, %r3;", "float's modifier");
  expectBodyError("add.u32 %r1, %r2;", "too few operands");
  expectBodyError("add.u32 %r1, %r2, %r3, %r4;", "too many operands");
  expectBodyError("add.u32 %r1, %r2, %q3;", "32 bits expected");
  expectBodyError("add.u64 %q1, %q2, %r3;", "64 bits expected");
  expectBodyError("add.u32 %r1, %r2, %undeclared;", "unknown register");
  expectBodyError("add.u32 %r1, %r2, %r256;", "unknown register");
  expectBodyError("add.u32 5, %r2, %r3;", "a register expected as the result");
  expectBodyError("@%r1 bra x;\nx:", "no predicate");
  expectBodyError("bra nowhere;", "no label 'nowhere'");
  expectBodyError("ld.global.u32 %r1, %q2;", "brackets");
  expectBodyError("ld.global.u32 %r1, [%r2];", "64 bits");
  expectBodyError("ld.global.v3.u32 {%r1}, [%q2];", "found .v3");
  expectBodyError("ld.global.v4.u64 {%q1,%q2,%q3,%q4}, [%q5];", "too wide");
  expectBodyError("ld.global.v2.u32 {%r1}, [%q2];", "2 elements");
  expectBodyError("mul.u32 %r1, %r2, %r3;", ".lo, .hi or .wide");
  expectBodyError("cvt.f16.f32 %h1, %f2;", "rounding expected");
  expectBodyError("setp.ltu.s32 %p1, %r1, %r2;", "not for this type");
  expectBodyError("shfl.bfly.b32 %r1, %r2, 1, 31;", ".sync expected");
  expectBodyError("fence.proxy.magic;", "a proxy expected");
  expectBodyError("tcgen05.alloc.cta_group::1.sync.aligned.b32 [%r1], 32;",
                  "unknown instruction");
  expectBodyError("setmaxnreg.inc.sync.aligned.u32 25;", "multiple of 8");
  expectBodyError("prmt.b32 %r1, %r2, %r3, %r4", "found 'ret'", 12);
}

TEST(PtxParser, Structure) {
  expectBodyError("{ mov.u32 %r1, 0;", "has no end", 14);
  expectBodyError("/* no end", "comment");
  expectBodyError(".reg .b32 %r;\n.reg .b32 %r;", "declared twice", 12);
  expectBodyError("x: mov.u32 %r1, 0;\nx: mov.u32 %r1, 0;", "defined twice",
                  12);
  expectBodyError("mov.u32 %r1, 0xfffffffffffffffff;", "64 bits");
  expectBodyError("mov.f32 %f1, 0f3f80;", "8 hexadecimal digits");
  expectBodyError("mov.u32 %r1, 12x;", "malformed number");
  expectBodyError(std::string("mov.u32 %r1, \x01;"), "0x01");
  expectBodyError(std::string(300, '{'), "nested too deeply");
  expectBodyError("mov.b64 %q1, " + std::string(100, '{') + "%r1;",
                  "nested too deeply");
  expectBodyError(".shared .b8 huge[99999999999];", "too large");
  expectBodyError(".local .b8 l[1000000]; ld.local.u8 %h1, [l];",
                  "local memory");
  expectBodyError(".shared .b8 x[0];", "no size");
  expectError(module("ret;") + "\n.visible .entry k() { ret; }", 15,
              "defined twice");
}

TEST(PtxParser, RangesOfRegistersCostNothing) {
  Outcome run = runBody(".reg .b32 %big<4000000000>;\n"
                        "mov.u32 %big3999999999, 5;",
                        {0}, 4);
  EXPECT_TRUE(run.result.clean());
}

TEST(PtxParser, TargetsAreChecked) {
  ptx::Diagnostic error = loadError(module("elect.sync %r1|%p1, -1;", 80));
  EXPECT_NE(error.message.find("sm_90"), std::string::npos);
}

TEST(PtxParser, DebugTextIsSkipped) {
  std::string text =
      module(".loc 1 5 3 // x.py:5:3\nmov.u32 %r1, 0;\n"
             ".loc 1 6 3, function_name $L__info, inlined_at 1 2 3\n"
             ".pragma \"nounroll\";\n");
  text += "\n.file 1 \"/tmp/x.py\"\n.section .debug_abbrev\n{\n.b8 1 // {\n.b8 "
          "0\n}\n"
          ".section .debug_macinfo { }\n";
  EXPECT_TRUE(runModule(text, "", 1, 4).result.clean());
}

TEST(PtxParser, EntriesAndLaunches) {
  ptx::Executor executor;
  ptx::Diagnostic error;
  ASSERT_TRUE(executor.load(module("ret;", 90, "", ".reqntid 64\n"), error));
  ASSERT_EQ(executor.entries().size(), 1u);
  EXPECT_EQ(executor.entries()[0].parameters[1].name, "out");
  EXPECT_EQ(executor.entries()[0].requiredBlock.x, 64u);
  ptx::LaunchOptions options;
  std::vector<std::vector<uint8_t>> arguments(2, std::vector<uint8_t>(8));
  auto message = [&](const char *entry) {
    return executor.launch(entry, arguments, options).error.message;
  };
  EXPECT_NE(message("k").find(".reqntid"), std::string::npos);
  options.block.x = 64;
  EXPECT_EQ(message("k"), "");
  EXPECT_NE(message("other").find("no entry function"), std::string::npos);
  options.dynamicShared = 300000;
  EXPECT_NE(message("k").find("more than the 232448 of sm_90"),
            std::string::npos);
  options.dynamicShared = 0;
  arguments[1].resize(4);
  EXPECT_NE(message("k").find("has 8 bytes, not 4"), std::string::npos);
  arguments.pop_back();
  EXPECT_NE(message("k").find("2 parameters, not 1"), std::string::npos);
  options.grid.z = 70000;
  EXPECT_NE(message("k").find("a grid has"), std::string::npos);
}

} // namespace
