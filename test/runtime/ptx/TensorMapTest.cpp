// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensor maps and copies: boxes at the edge, swizzles, stores, and maps that
// kernels build for themselves.

#include "PtxTest.h"

#include <numeric>

using namespace attnc;
using namespace attnc::test;
using Kind = ptx::Finding::Kind;

namespace {

constexpr unsigned rows = 20, columns = 72; // of f16: 144 bytes a row

/// A kernel whose first parameter is a tensor map: loads a box of 8 × 64 at the
/// given coordinates and writes shared memory out as it lies there.
std::string loadKernel(const std::string &x, const std::string &y) {
  return ".version 8.4\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .align 64 .b8 map[128], .param .u64 out)\n"
         "{\n.reg .pred %p<9>; .reg .b32 %r<32>; .reg .b64 %q<9>;\n"
         ".shared .align 1024 .b8 s[1024]; .shared .align 8 .b64 bar;\n"
         "mov.b64 %q0, map; cvta.param.u64 %q0, %q0; mov.u32 %r1, s;\n"
         "mov.u32 %r2, bar; mov.u32 %r3, %tid.x; setp.eq.u32 %p1, %r3, 0;\n"
         "@%p1 mbarrier.init.shared::cta.b64 [%r2], 1; bar.sync 0;\n"
         "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 1024;\n"
         "mov.u32 %r4, " +
         x + "; mov.u32 %r5, " + y +
         ";\n"
         "@%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
         "complete_tx::bytes [%r1], [%q0, {%r4, %r5}], [%r2];\n"
         "w: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r2], 0;\n"
         "@!%p2 bra w;\n"
         "ld.param.u64 %q1, [out]; mad.wide.u32 %q1, %r3, 32, %q1;\n"
         "mad.lo.u32 %r6, %r3, 32, %r1;\n"
         "ld.shared.v4.b32 {%r10,%r11,%r12,%r13}, [%r6];\n"
         "ld.shared.v4.b32 {%r14,%r15,%r16,%r17}, [%r6+16];\n"
         "st.global.v4.b32 [%q1], {%r10,%r11,%r12,%r13};\n"
         "st.global.v4.b32 [%q1+16], {%r14,%r15,%r16,%r17}; ret;\n}\n";
}

std::vector<uint16_t> tensor() {
  std::vector<uint16_t> values(rows * columns);
  std::iota(values.begin(), values.end(), uint16_t(1));
  return values;
}

ptx::TensorMapSpec spec(uint64_t address) {
  ptx::TensorMapSpec s;
  s.address = address;
  s.sizes = {columns, rows};
  s.strides = {columns * 2};
  s.box = {64, 8};
  return s;
}

std::vector<uint16_t> load(int x, int y, ptx::TensorMapSpec::Swizzle swizzle,
                           bool fillNaN = false) {
  ptx::Executor executor;
  ptx::Diagnostic error;
  EXPECT_TRUE(
      executor.load(loadKernel(std::to_string(x), std::to_string(y)), error))
      << error.line << ": " << error.message;
  std::vector<uint16_t> in = tensor(), out(512);
  ptx::TensorMapSpec s = spec(executor.map(in.data(), in.size() * 2));
  s.swizzle = swizzle;
  s.fillNaN = fillNaN;
  ptx::TensorMap map;
  std::string message;
  EXPECT_TRUE(ptx::encodeTensorMap(s, map, message)) << message;
  uint64_t target = executor.map(out.data(), out.size() * 2);
  ptx::LaunchOptions options;
  options.block.x = 32;
  ptx::LaunchResult result =
      executor.launch("k",
                      {std::vector<uint8_t>(map.bytes.begin(), map.bytes.end()),
                       ptx::argument(target)},
                      options);
  EXPECT_TRUE(result.clean()) << result.error.message;
  return out;
}

uint16_t expected(int x, int y, uint16_t outside = 0) {
  bool inside = x >= 0 && y >= 0 && x < int(columns) && y < int(rows);
  return inside ? static_cast<uint16_t>(y * int(columns) + x + 1) : outside;
}

TEST(PtxTensorMap, BoxesAtTheEdges) {
  for (auto [x, y] : {std::pair(0, 0), std::pair(8, 5), std::pair(40, 15),
                      std::pair(-3, -2), std::pair(100, 0)})
    for (bool fillNaN : {false, true}) {
      std::vector<uint16_t> d = load(x, y, ptx::TensorMapSpec::None, fillNaN);
      for (int row = 0; row < 8; ++row)
        for (int column = 0; column < 64; ++column)
          ASSERT_EQ(d[row * 64 + column],
                    expected(x + column, y + row, fillNaN ? 0x7fff : 0))
              << x << "," << y << " " << row << "," << column;
    }
}

TEST(PtxTensorMap, SwizzleMovesPiecesOfSixteenBytes) {
  // Rows of 128 bytes from a multiple of 1024 on: piece c of row r is at c ^ r.
  std::vector<uint16_t> d = load(2, 3, ptx::TensorMapSpec::Bytes128);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 64; ++column) {
      int piece = column / 8 ^ row;
      ASSERT_EQ(d[row * 64 + piece * 8 + column % 8],
                expected(2 + column, 3 + row));
    }
}

TEST(PtxTensorMap, SpecsThatTheDriverRefuses) {
  ptx::TensorMap map;
  auto message = [&](const std::function<void(ptx::TensorMapSpec &)> &change) {
    ptx::TensorMapSpec s = spec(0x1000);
    change(s);
    std::string text;
    EXPECT_FALSE(ptx::encodeTensorMap(s, map, text));
    return text;
  };
  EXPECT_NE(message([](auto &s) { s.address = 8; }).find("multiple of 16"),
            std::string::npos);
  EXPECT_NE(message([](auto &s) { s.strides[0] = 100; }).find("stride"),
            std::string::npos);
  EXPECT_NE(message([](auto &s) { s.box[1] = 257; }).find("1 to 256"),
            std::string::npos);
  EXPECT_NE(message([](auto &s) { s.rank = 6; }).find("rank"),
            std::string::npos);
  EXPECT_NE(message([](auto &s) {
              s.swizzle = ptx::TensorMapSpec::Bytes64;
            }).find("swizzle's 64"),
            std::string::npos);
  EXPECT_NE(message([](auto &s) { s.sizes[1] = 0; }).find("no size"),
            std::string::npos);
}

/// A map made in shared memory, field by field, and a store through it.
TEST(PtxTensorMap, KernelsMakeTheirOwn) {
  std::string text = module(
      ".shared .align 1024 .b8 s[1024]; .shared .align 128 .b8 m[128];\n"
      "mov.u32 %r1, s; mov.u32 %r2, m; setp.eq.u32 %p1, %thread, 0;\n"
      "mad.lo.u32 %r3, %lane, 4, %r2; st.shared.b32 [%r3], 0; bar.warp.sync "
      "-1;\n"
      "cvt.u64.u32 %q2, %r2;\n"
      "@!%p1 bra skip;\n"
      "tensormap.replace.tile.global_address.shared::cta.b1024.b64 [%q2], "
      "%out;\n"
      "tensormap.replace.tile.rank.shared::cta.b1024.b32 [%q2], 0x1;\n"
      "mov.u32 %r5, 32; mov.u32 %r6, 4; mov.u32 %r7, 24; mov.u32 %r8, 1;\n"
      "tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%q2], 0x0, %r5;\n"
      "tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%q2], 0x1, %r6;\n"
      "tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%q2], 0x0, "
      "%r7;\n"
      "tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%q2], 0x1, "
      "%r6;\n"
      "mov.u64 %q3, 64;\n"
      "tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [%q2], 0x0, "
      "%q3;\n"
      "tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%q2], 0x0, "
      "%r8;\n"
      "tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%q2], 0x1, "
      "%r8;\n"
      "tensormap.replace.tile.elemtype.shared::cta.b1024.b32 [%q2], 0x6;\n"
      "tensormap.replace.tile.swizzle_mode.shared::cta.b1024.b32 [%q2], 0x2;\n"
      "skip: bar.warp.sync -1;\n"
      "tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release."
      "gpu."
      "sync.aligned [%in], [%q2], 0x80;\n"
      "fence.proxy.tensormap::generic.acquire.gpu [%in], 0x80;\n"
      // Shared memory: rows of 64 bytes, piece c at c ^ (row / 2).
      "shr.u32 %r10, %lane, 2; and.b32 %r11, %lane, 3; setp.lt.u32 %p2, %lane, "
      "16;\n"
      "shr.u32 %r12, %r10, 1; and.b32 %r12, %r12, 3; xor.b32 %r12, %r12, "
      "%r11;\n"
      "shl.b32 %r12, %r12, 4; mad.lo.u32 %r12, %r10, 64, %r12;\n"
      "add.u32 %r12, %r12, %r1; mad.lo.u32 %r13, %lane, 65537, 0;\n"
      "@%p2 st.shared.v4.b32 [%r12], {%r13, %r13, %r13, %r13};\n"
      "fence.proxy.async.shared::cta; bar.sync 0; mov.u32 %r20, 0;\n"
      "@%p1 cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%in, {%r20, "
      "%r20}], [%r1];\n"
      "@%p1 cp.async.bulk.commit_group; @%p1 cp.async.bulk.wait_group 0;\n");
  // Regions are aligned to 256 bytes, so `in` can hold the map.
  std::vector<uint8_t> in(128);
  Outcome run = runModule(text, in.data(), in.size(), 256);
  ASSERT_TRUE(run.result.clean())
      << run.result.error.line << run.result.error.message
      << (run.result.findings.empty() ? "" : run.result.findings[0].message);
  std::vector<uint16_t> d = run.as<uint16_t>();
  for (unsigned row = 0; row < 4; ++row)
    for (unsigned column = 0; column < 32; ++column)
      // Only 24 columns exist; beyond them nothing is written.
      ASSERT_EQ(d[row * 32 + column],
                column < 24 ? row * 4 + column / 8 : 0x7fff);
}

TEST(PtxTensorMap, UnfinishedMapsAreExplained) {
  ptx::Executor executor;
  ptx::Diagnostic error;
  ASSERT_TRUE(executor.load(loadKernel("0", "0"), error));
  ptx::LaunchOptions options;
  options.block.x = 32;
  ptx::LaunchResult result = executor.launch(
      "k", {std::vector<uint8_t>(128), ptx::argument(executor.allocate(1024))},
      options);
  EXPECT_NE(result.error.message.find("this tensor map cannot be used: "
                                      "dimension 0 has no size"),
            std::string::npos)
      << result.error.message;
}

} // namespace
