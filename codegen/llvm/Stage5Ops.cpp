// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations and types of stage-5 bodies. Allowed is what is listed: an
// unlisted operation gets a diagnostic here rather than a crash in LLVM.

#include "codegen/llvm/Stage5Ops.h"

#include "codegen/llvm/Stage5.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace attnc;

/// Longer vectors than this are a mistake that LLVM takes hours to legalise.
static constexpr int64_t kMaxVectorElements = 4096;
static constexpr int64_t kMaxStackBytes = 64 << 10;
/// The address space of memory that a block of GPU threads shares.
static constexpr unsigned kSharedSpace = 3;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// What is wrong with the type, empty if nothing.
static StringRef typeProblem(Type type) {
  if (type.isIndex() || type.isF16() || type.isBF16() || type.isF32() ||
      type.isF64() || isa<Float8E4M3FNType, Float8E5M2Type>(type))
    return "";
  if (auto integer = dyn_cast<IntegerType>(type)) {
    if (!integer.isSignless())
      return "signed and unsigned integers are spelled iN here";
    if (integer.getWidth() < 1 || integer.getWidth() > 64)
      return "integers have 1 to 64 bits";
    return "";
  }
  if (auto vector = dyn_cast<VectorType>(type)) {
    if (vector.isScalable())
      return "scalable vectors do not exist on this machine";
    if (vector.getNumElements() > kMaxVectorElements)
      return "the vector has more than 4096 elements";
    return typeProblem(vector.getElementType());
  }
  if (auto memref = dyn_cast<MemRefType>(type)) {
    if (memref.getMemorySpace())
      return "memory spaces do not exist on this machine";
    return typeProblem(memref.getElementType());
  }
  return "stage 5 has memrefs, vectors, index, integers and f8E4M3FN, f8E5M2, "
         "f16, bf16, f32, f64";
}

static LogicalResult verifyType(Operation *op, Type type) {
  StringRef problem = typeProblem(type);
  if (problem.empty())
    return success();
  return op->emitOpError() << "uses the type " << type << ": " << problem;
}

static LogicalResult verifyTypes(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (failed(verifyType(op, type)))
      return failure();
  for (Type type : op->getResultTypes())
    if (failed(verifyType(op, type)))
      return failure();
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (BlockArgument arg : block.getArguments())
        if (failed(verifyType(op, arg.getType())))
          return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Intrinsics
//===----------------------------------------------------------------------===//

std::optional<StringRef> attnc::intrinsicFeature(StringRef intrinsic) {
  if (!intrinsic.consume_front("llvm."))
    return std::nullopt;
  if (intrinsic.consume_front("x86.")) {
    // AVX-512's names do not tell its many extensions apart: a list.
    static constexpr StringLiteral kAvx512[] = {
        "avx512.mask.getexp.", "avx512.mask.getmant.",  "avx512.mask.range.",
        "avx512.mask.reduce.", "avx512.mask.rndscale.", "avx512.mask.scalef.",
        "avx512.rcp14."};
    for (StringRef name : kAvx512)
      if (intrinsic.starts_with(name))
        return StringRef("avx512f");
    return llvm::StringSwitch<std::optional<StringRef>>(
               intrinsic.take_until([](char c) { return c == '.'; }))
        .Case("sse", "sse")
        .Case("sse2", "sse2")
        .Case("sse3", "sse3")
        .Case("ssse3", "ssse3")
        .Case("sse41", "sse4.1")
        .Case("avx", "avx")
        .Case("avx2", "avx2")
        .Case("avx512bf16", "avx512bf16")
        .Cases({"vcvtps2ph", "vcvtph2ps"}, "f16c")
        .Default(std::nullopt);
  }
  static constexpr StringLiteral kPortable[] = {
      "abs.",      "bitreverse.", "bswap.",    "copysign.", "ctlz.",
      "ctpop.",    "cttz.",       "fabs.",     "fmuladd.",  "fshl.",
      "fshr.",     "maximum.",    "maxnum.",   "minimum.",  "minnum.",
      "smax.",     "smin.",       "sqrt.",     "umax.",     "umin.",
      "sadd.sat.", "ssub.sat.",   "uadd.sat.", "usub.sat.", "vector.reduce."};
  for (StringRef name : kPortable)
    if (intrinsic.starts_with(name))
      return StringRef();
  return std::nullopt;
}

static LogicalResult verifyIntrinsic(LLVM::CallIntrinsicOp op) {
  if (!intrinsicFeature(op.getIntrin()))
    return op.emitOpError()
           << "calls " << op.getIntrin() << ", which kernels must not use";
  if (!op.getOpBundleOperands().empty())
    return op.emitOpError() << "must not have operand bundles";
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

static LogicalResult verifyGlobal(memref::GlobalOp op) {
  auto value = op.getConstantInitValue();
  if (!op.getConstant() || !value || !isa<DenseElementsAttr>(value))
    return op.emitOpError() << "must be a constant with a dense value: kernels "
                            << "have no writable data";
  if (!op.getType().getLayout().isIdentity())
    return op.emitOpError() << "must have the identity layout";
  return verifyType(op, op.getType());
}

static LogicalResult verifyAlloca(memref::AllocaOp op) {
  MemRefType type = op.getType();
  auto func = dyn_cast<func::FuncOp>(op->getParentOp());
  if (!type.hasStaticShape() || !type.getLayout().isIdentity())
    return op.emitOpError() << "must have a static size";
  if (!func || op->getBlock() != &func.getBody().front())
    return op.emitOpError() << "must stand in its function's first block: in a "
                            << "loop it would take stack in each iteration";
  Type element = type.getElementType();
  int64_t elements = 1;
  if (auto vector = dyn_cast<VectorType>(element)) {
    elements = vector.getNumElements();
    element = vector.getElementType();
  }
  int64_t bytes =
      element.isIndex() ? 8 : (element.getIntOrFloatBitWidth() + 7) / 8;
  int64_t total = bytes * elements;
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(total, size, total))
      total = kMaxStackBytes + 1;
  if (total > kMaxStackBytes)
    return op.emitOpError() << "takes more than " << kMaxStackBytes
                            << " bytes of stack: use the launch's scratch";
  return success();
}

static LogicalResult verifyCall(func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      op, op.getCalleeAttr());
  if (callee && callee->hasAttr(stage5::kGridAttr))
    return op.emitOpError() << "calls a launch; only helpers can be called";
  return success();
}

static bool isAllowedOp(Operation *op) {
  if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return true;
  if (isa<vector::VectorDialect>(op->getDialect()))
    return !isa<vector::PrintOp>(op);
  return isa<
      ModuleOp, func::FuncOp, func::CallOp, func::ReturnOp, scf::ForOp,
      scf::WhileOp, scf::ConditionOp, scf::IfOp, scf::IndexSwitchOp,
      scf::ExecuteRegionOp, scf::YieldOp, cf::BranchOp, cf::CondBranchOp,
      cf::SwitchOp, affine::AffineApplyOp, affine::AffineMinOp,
      affine::AffineMaxOp, affine::AffineDelinearizeIndexOp,
      affine::AffineLinearizeIndexOp, memref::AllocaOp,
      memref::AssumeAlignmentOp, memref::CastOp, memref::CollapseShapeOp,
      memref::DimOp, memref::ExpandShapeOp,
      memref::ExtractAlignedPointerAsIndexOp, memref::ExtractStridedMetadataOp,
      memref::GetGlobalOp, memref::GlobalOp, memref::LoadOp, memref::PrefetchOp,
      memref::ReinterpretCastOp, memref::StoreOp, memref::SubViewOp,
      memref::TransposeOp, memref::ViewOp, ub::PoisonOp, LLVM::CallIntrinsicOp>(
      op);
}

/// Portable intrinsics that have an operation of their own, such as
/// llvm.intr.fmuladd.
static bool isAllowedIntrinsicOp(Operation *op) {
  StringRef name = op->getName().getStringRef();
  if (!name.consume_front("llvm.intr."))
    return false;
  return intrinsicFeature(("llvm." + name + ".").str()).has_value();
}

/// Launches of blocks of GPU threads also hold what the machine has: NVVM's
/// operations, and addresses of global and shared memory.
static bool isAllowedGpuOp(Operation *op) {
  if (auto global = dyn_cast<LLVM::GlobalOp>(op))
    return global.getAddrSpace() == kSharedSpace && !global.getValueOrNull();
  auto launch = op->getParentOfType<func::FuncOp>();
  if (!launch || !launch->hasAttr(stage5::kThreadsAttr))
    return false;
  if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op))
    return call.getIntrin().starts_with("llvm.nvvm.");
  if (isa<NVVM::NVVMDialect>(op->getDialect()))
    return true;
  return isa<LLVM::AddressOfOp, LLVM::BitcastOp, LLVM::ExpectOp,
             LLVM::ExtractValueOp, LLVM::GEPOp, LLVM::InlineAsmOp,
             LLVM::IntToPtrOp, LLVM::LoadOp, LLVM::PtrToIntOp, LLVM::StoreOp>(
      op);
}

static LogicalResult verifyOp(Operation *op) {
  if (op->isRegistered() && op->getDialect() && isAllowedGpuOp(op))
    return success();
  if (!op->isRegistered() || !op->getDialect() ||
      (!isAllowedOp(op) && !isAllowedIntrinsicOp(op)))
    return op->emitOpError() << "is not part of stage 5";
  if (isa<ModuleOp>(op))
    return success();
  if (auto global = dyn_cast<memref::GlobalOp>(op))
    return verifyGlobal(global);
  if (failed(verifyTypes(op)))
    return failure();
  if (auto alloca = dyn_cast<memref::AllocaOp>(op))
    return verifyAlloca(alloca);
  if (auto call = dyn_cast<func::CallOp>(op))
    return verifyCall(call);
  if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op))
    return verifyIntrinsic(call);
  return success();
}

LogicalResult attnc::verifyStage5Ops(ModuleOp module) {
  LogicalResult result = success();
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == module.getOperation())
      return WalkResult::advance();
    if (isa<ModuleOp>(op)) {
      op->emitOpError() << "is nested: a kernel is one module";
      result = failure();
      return WalkResult::skip();
    }
    if (succeeded(verifyOp(op)))
      return WalkResult::advance();
    result = failure();
    return WalkResult::skip();
  });
  return result;
}
