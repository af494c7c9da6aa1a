// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma against a product of matrices: each layout of shared memory, A from
// registers, and what goes wrong without waits and fences.

#include "PtxTest.h"

#include <functional>

using namespace attnc;
using namespace attnc::test;
using Kind = ptx::Finding::Kind;

namespace {

constexpr unsigned n = 16, k = 16;

int valueA(unsigned m, unsigned i) { return int(m * 7 + i * 3) % 8 - 4; }
int valueB(unsigned i, unsigned j) { return int(j * 5 + i * 11) % 8 - 3; }

uint16_t half(int x) {
  if (!x)
    return 0;
  int magnitude = std::abs(x), exponent = 31 - __builtin_clz(magnitude);
  return static_cast<uint16_t>((x < 0 ? 0x8000 : 0) | (exponent + 15) << 10 |
                               ((magnitude << 10 >> exponent) & 1023));
}

/// Where element (row of M or N, k) lies, in bytes from a multiple of 1024.
struct Layout {
  const char *name;
  bool transposed;
  unsigned swizzle; ///< field of the descriptor
  unsigned leading, stride;
  std::function<unsigned(unsigned row, unsigned i)> place;
};

unsigned swizzle(unsigned address, unsigned mask) {
  return address ^ (address >> 3 & mask);
}

const Layout layouts[] = {
    {"K-major, 128 bytes", false, 1, 0, 1024,
     [](unsigned r, unsigned i) { return swizzle(r * 128 + i * 2, 0x70); }},
    {"K-major, 64 bytes", false, 2, 0, 512,
     [](unsigned r, unsigned i) { return swizzle(r * 64 + i * 2, 0x30); }},
    {"K-major, 32 bytes", false, 3, 0, 256,
     [](unsigned r, unsigned i) { return swizzle(r * 32 + i * 2, 0x10); }},
    // Core matrices of 8 rows × 16 bytes, the two of k side by side.
    {"K-major, none", false, 0, 128, 256,
     [](unsigned r, unsigned i) {
       return r / 8 * 256 + i / 8 * 128 + r % 8 * 16 + i % 8 * 2;
     }},
    // 64 rows of M (or N) in a row of 128 bytes, one such row for each k.
    {"MN-major, 128 bytes", true, 1, 2048, 1024,
     [](unsigned r, unsigned i) {
       return r / 64 * 2048 + swizzle(i * 128 + r % 64 * 2, 0x70);
     }},
    {"MN-major, 32 bytes", true, 3, 512, 256,
     [](unsigned r, unsigned i) {
       return r / 16 * 512 + swizzle(i * 32 + r % 16 * 2, 0x10);
     }},
    {"MN-major, none", true, 0, 128, 256,
     [](unsigned r, unsigned i) {
       return r / 8 * 256 + i / 8 * 128 + i % 8 * 16 + r % 8 * 2;
     }},
};

constexpr unsigned areaA = 0, areaB = 16384, area = 24576;

std::string descriptor(const Layout &layout, const std::string &reg,
                       const std::string &address) {
  uint64_t constant = uint64_t(layout.leading >> 4) << 16 |
                      uint64_t(layout.stride >> 4) << 32 |
                      uint64_t(layout.swizzle) << 62;
  return "shr.u32 %r20, " + address + ", 4; cvt.u64.u32 " + reg +
         ", %r20; or.b64 " + reg + ", " + reg + ", " +
         std::to_string(static_cast<int64_t>(constant)) + ";\n";
}

struct Parts {
  std::string fence = "wgmma.fence.sync.aligned;\n";
  std::string proxyFence = "fence.proxy.async.shared::cta;\n";
  std::string wait = "wgmma.wait_group.sync.aligned 0;\n";
  std::string afterIssue, afterCommit;
};

/// Copies the image of shared memory in, multiplies twice (the second time on
/// top of the first), writes D.
std::string kernel(const Layout &a, const Layout &b, bool fromRegisters,
                   const Parts &parts) {
  std::string body =
      "mov.u32 %r1, dyn; add.u32 %r2, %r1, " + std::to_string(areaB) +
      ";\n"
      "shl.b32 %r3, %thread, 4; add.u32 %r4, %r1, %r3; cvt.u64.u32 %q0, %r3;\n"
      "add.s64 %q0, %in, %q0; mov.u32 %r5, 0;\n"
      "copy: ld.global.v4.b32 {%r10,%r11,%r12,%r13}, [%q0];\n"
      "st.shared.v4.b32 [%r4], {%r10,%r11,%r12,%r13};\n"
      "add.u32 %r4, %r4, 2048; add.s64 %q0, %q0, 2048; add.u32 %r5, %r5, 1;\n"
      "setp.lt.u32 %p1, %r5, " +
      std::to_string(area / 2048) + ";\n@%p1 bra copy;\n" + parts.proxyFence +
      "bar.sync 0;\n" + descriptor(a, "%q1", "%r1") +
      descriptor(b, "%q2", "%r2");
  std::string left = "%q1";
  if (fromRegisters) {
    // Fragments lie behind the image, 16 bytes a thread.
    body += "mad.wide.u32 %q3, %thread, 16, %in;\n"
            "ld.global.v4.b32 {%r30,%r31,%r32,%r33}, [%q3+" +
            std::to_string(area) + "];\n";
    left = "{%r30,%r31,%r32,%r33}";
  }
  std::string flags = std::string(fromRegisters  ? ""
                                  : a.transposed ? ", 1"
                                                 : ", 0") +
                      (b.transposed ? ", 1" : ", 0");
  auto wgmma = [&](const char *scale) {
    return "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 "
           "{%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7}, " +
           left + ", %q2, " + scale + ", 1, 1" + flags + ";\n";
  };
  body += parts.fence + "setp.ne.b32 %p2, 0, 0;\n" + wgmma("%p2") +
          parts.afterIssue + wgmma("1") + "wgmma.commit_group.sync.aligned;\n" +
          parts.afterCommit + parts.wait +
          "mad.wide.u32 %q4, %thread, 32, %out;\n"
          "st.global.v4.f32 [%q4], {%f0,%f1,%f2,%f3};\n"
          "st.global.v4.f32 [%q4+16], {%f4,%f5,%f6,%f7};\n";
  return module(body, 90, ".extern .shared .align 1024 .b8 dyn[];\n");
}

Outcome multiply(const Layout &a, const Layout &b, bool fromRegisters,
                 const Parts &parts = {}) {
  std::vector<uint16_t> image(area / 2 + 128 * 8);
  for (unsigned i = 0; i < k; ++i) {
    for (unsigned m = 0; m < 64; ++m)
      image[(areaA + a.place(m, i)) / 2] = half(valueA(m, i));
    for (unsigned j = 0; j < n; ++j)
      image[(areaB + b.place(j, i)) / 2] = half(valueB(i, j));
  }
  for (unsigned thread = 0; thread < 128; ++thread)
    for (unsigned reg = 0; reg < 4; ++reg)
      for (unsigned element = 0; element < 2; ++element)
        image[area / 2 + thread * 8 + reg * 2 + element] =
            half(valueA(thread / 32 * 16 + thread % 32 / 4 + reg % 2 * 8,
                        thread % 4 * 2 + element + reg / 2 * 8));
  RunOptions options;
  options.threads = 128;
  options.shared = area;
  return runModule(kernel(a, b, fromRegisters, parts), image.data(),
                   image.size() * 2, 128 * 32, options);
}

void expectProduct(const Outcome &run, const std::string &what) {
  ASSERT_TRUE(run.result.completed) << what << run.result.error.message;
  for (const ptx::Finding &finding : run.result.findings)
    ADD_FAILURE() << what << ": " << finding.line << ": " << finding.message;
  std::vector<float> d = run.as<float>();
  for (unsigned thread = 0; thread < 128; ++thread)
    for (unsigned i = 0; i < 8; ++i) {
      unsigned m = thread / 32 * 16 + thread % 32 / 4 + i % 4 / 2 * 8;
      unsigned j = i / 4 * 8 + thread % 4 * 2 + i % 2;
      int sum = 0;
      for (unsigned l = 0; l < k; ++l)
        sum += valueA(m, l) * valueB(l, j);
      ASSERT_EQ(d[thread * 8 + i], float(2 * sum))
          << what << " " << m << "," << j;
    }
}

TEST(PtxWgmma, EveryLayout) {
  for (const Layout &a : layouts)
    expectProduct(multiply(a, layouts[0], false), a.name);
  for (const Layout &b : layouts)
    expectProduct(multiply(layouts[0], b, false), b.name);
}

TEST(PtxWgmma, AFromRegisters) {
  for (const Layout &b : layouts)
    expectProduct(multiply(layouts[0], b, true), b.name);
}

TEST(PtxWgmma, WithoutTheWaitThereIsNaN) {
  Parts parts;
  parts.wait = "wgmma.wait_group.sync.aligned 1;\n";
  Outcome run = multiply(layouts[0], layouts[0], false, parts);
  EXPECT_NE(run.as<float>()[0], run.as<float>()[0]);
  EXPECT_TRUE(run.found(Kind::Protocol));
}

TEST(PtxWgmma, MissingFences) {
  Parts parts;
  parts.fence = "";
  EXPECT_TRUE(
      multiply(layouts[0], layouts[0], false, parts).found(Kind::Protocol));
  parts = Parts();
  parts.proxyFence = "";
  EXPECT_TRUE(
      multiply(layouts[0], layouts[0], false, parts).found(Kind::MissingFence));
}

TEST(PtxWgmma, OperandsInFlightMustStay) {
  Parts parts;
  parts.afterCommit = "st.shared.b32 [%r2], 0;\n";
  EXPECT_TRUE(
      multiply(layouts[0], layouts[0], false, parts).found(Kind::InFlight));
  parts.afterCommit = "mov.f32 %f3, 0f00000000;\n";
  EXPECT_TRUE(
      multiply(layouts[0], layouts[0], false, parts).found(Kind::Protocol));
}

} // namespace
