// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma as inline assembly: one statement for all products of a tile, so that
// nothing comes between the fence, the products and the end of their group.

#include "codegen/gpu/Wgmma.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace attnc::gpu;
using namespace attnc::cpu;

/// Bytes from eight rows to the next, and of 16 columns of a row.
static constexpr int64_t kEightRows = 1024, kStepBytes = 32;
/// Steps of 16 columns in a panel.
static constexpr int64_t kPanelSteps = 4;
/// Addresses and distances in descriptors are in units of 16 bytes.
static constexpr int64_t kUnit = 16;

/// "{$from, ..., $(from + count - 1)}"
static std::string registers(size_t from, size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(from + i);
  return text + "}";
}

static std::string repeated(StringRef constraint, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += (constraint + ",").str();
  return text;
}

/// Operands that are the results' registers before.
static std::string tied(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += std::to_string(i) + ",";
  return text;
}

Wgmma::Tile Wgmma::tile(Value address, int64_t panelBytes) {
  constexpr int64_t kSwizzle128 = int64_t(1) << 62;
  int64_t distances = (panelBytes / kUnit) << 16 | (kEightRows / kUnit) << 32;
  Value place = w.andBits(w.shiftRight(address, 4), 0x3fff);
  Value wide = arith::ExtUIOp::create(e.b, e.loc, e.b.getI64Type(), place);
  Value rest = arith::ConstantOp::create(
      e.b, e.loc, e.b.getI64IntegerAttr(kSwizzle128 | distances));
  return {w.orBits(wide, rest), panelBytes};
}

std::string Wgmma::instruction(int64_t columns) const {
  std::string type = w.element.isBF16() ? "bf16" : "f16";
  return "wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) +
         "k16.f32." + type + "." + type + " ";
}

Values Wgmma::assembly(size_t numResults, const std::string &text,
                       const std::string &constraints, const Values &operands) {
  Type type = LLVM::LLVMStructType::getLiteral(
      e.b.getContext(), SmallVector<Type>(numResults, e.b.getF32Type()));
  Value all = LLVM::InlineAsmOp::create(
                  e.b, e.loc, TypeRange(type), operands, text, constraints,
                  /*has_side_effects=*/true, /*is_align_stack=*/false,
                  LLVM::tailcallkind::TailCallKind::None,
                  LLVM::AsmDialectAttr(), ArrayAttr())
                  .getResult(0);
  Values results;
  for (size_t i = 0; i < numResults; ++i)
    results.push_back(LLVM::ExtractValueOp::create(e.b, e.loc, all, i));
  return results;
}

Values Wgmma::multiply(const Tile &a, const Tile &b, int64_t steps,
                       int64_t columns) {
  size_t count = columns / 2;
  auto offset = [](const Tile &tile, int64_t step) {
    int64_t bytes =
        step / kPanelSteps * tile.panelBytes + step % kPanelSteps * kStepBytes;
    return std::to_string(bytes / kUnit);
  };
  std::string first = std::to_string(count), second = std::to_string(count + 1);
  std::string text = "{\n.reg .b64 da, db;\nwgmma.fence.sync.aligned;\n";
  for (int64_t step = 0; step < steps; ++step)
    text += "add.s64 da, $" + first + ", " + offset(a, step) +
            ";\nadd.s64 db, $" + second + ", " + offset(b, step) + ";\n" +
            instruction(columns) + registers(0, count) + ", da, db, " +
            (step == 0 ? "0" : "1") + ", 1, 1, 0, 0;\n";
  text += "wgmma.commit_group.sync.aligned;\n}";
  return assembly(count, text, repeated("=f", count) + "l,l,~{memory}",
                  {a.descriptor, b.descriptor});
}

Values Wgmma::multiply(const Values &sums, const Values &a, const Tile &b) {
  size_t count = sums.size(), firstA = 2 * count;
  std::string descriptor = std::to_string(firstA + a.size());
  std::string text = "{\n.reg .b64 db;\nwgmma.fence.sync.aligned;\n";
  for (size_t step = 0; step < a.size() / 4; ++step)
    text += "add.s64 db, $" + descriptor + ", " +
            std::to_string(step * 2 * kEightRows / kUnit) + ";\n" +
            instruction(2 * count) + registers(0, count) + ", " +
            registers(firstA + 4 * step, 4) + ", db, 1, 1, 1, 1;\n";
  text += "wgmma.commit_group.sync.aligned;\n}";
  Values operands(sums);
  llvm::append_range(operands, a);
  operands.push_back(b.descriptor);
  return assembly(count, text,
                  repeated("=f", count) + tied(count) +
                      repeated("r", a.size()) + "l,~{memory}",
                  operands);
}

Values Wgmma::wait(int64_t groupsLeft, const Values &results,
                   const Values &kept) {
  size_t count = results.size();
  Values operands(results);
  llvm::append_range(operands, kept);
  return assembly(count,
                  "wgmma.wait_group.sync.aligned " +
                      std::to_string(groupsLeft) + ";",
                  repeated("=f", count) + tied(count) +
                      repeated("r", kept.size()) + "~{memory}",
                  operands);
}

void Wgmma::fenceShared() {
  LLVM::InlineAsmOp::create(e.b, e.loc, TypeRange(), ValueRange(),
                            "fence.proxy.async.shared::cta;", "~{memory}",
                            /*has_side_effects=*/true,
                            /*is_align_stack=*/false,
                            LLVM::tailcallkind::TailCallKind::None,
                            LLVM::AsmDialectAttr(), ArrayAttr());
}
