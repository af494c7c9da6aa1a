// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lowering to the LLVM dialect. One greedy rewrite prepares (vector shapes,
// strided metadata, elementary functions), one conversion flattens loops, one
// makes everything LLVM: a pass for each dialect would walk the IR ten times.

#include "codegen/llvm/LowerToLLVM.h"

#include "codegen/gpu/PtxEntries.h"
#include "codegen/llvm/FloatExpansion.h"
#include "codegen/llvm/LaunchWrapper.h"
#include "codegen/llvm/Stage5.h"
#include "codegen/llvm/Stage5Ops.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Transforms/Transforms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace attnc;

void attnc::registerCodegenDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static void populateVectorPatterns(RewritePatternSet &patterns) {
  using namespace mlir::vector;
  populateVectorBroadcastLoweringPatterns(patterns);
  populateVectorContractLoweringPatterns(patterns,
                                         VectorContractLowering::OuterProduct);
  populateVectorOuterProductLoweringPatterns(patterns);
  populateVectorMultiReductionLoweringPatterns(
      patterns, VectorMultiReductionLowering::InnerParallel);
  populateVectorMaskOpLoweringPatterns(patterns);
  populateVectorShapeCastLoweringPatterns(patterns);
  populateVectorInterleaveLoweringPatterns(patterns);
  populateVectorTransposeLoweringPatterns(
      patterns, VectorTransposeLowering::Shuffle16x16);
  populateVectorTransferLoweringPatterns(patterns, /*maxTransferRank=*/1);
  populateVectorMaskMaterializationPatterns(patterns,
                                            /*force32BitVectorIndices=*/true);
  populateVectorInsertExtractStridedSliceTransforms(patterns);
  populateVectorStepLoweringPatterns(patterns);
  populateVectorRankReducingFMAPattern(patterns);
  populateVectorGatherLoweringPatterns(patterns);
  populateVectorShuffleLoweringPatterns(patterns);
  populateVectorFromElementsUnrollPatterns(patterns);
  populateVectorToElementsUnrollPatterns(patterns);
}

static LogicalResult prepare(ModuleOp module, const Target &target) {
  RewritePatternSet patterns(module.getContext());
  populateVectorPatterns(patterns);
  populateSmallFloatPatterns(patterns, target);
  populateMathExpansionPatterns(patterns, target);
  memref::populateExpandStridedMetadataPatterns(patterns);
  affine::populateAffineExpandIndexOpsPatterns(patterns);
  populateAffineToStdConversionPatterns(patterns);
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  // One round may reach the limit of iterations on long chains of expansions;
  // what is left then fails to convert, with a diagnostic.
  (void)applyPatternsGreedily(module, std::move(patterns), config);
  return checkNoLibraryCalls(module, target);
}

/// Patterns that have run stay: nothing here asks for another way when one
/// fails, and keeping the way back open takes time.
static ConversionConfig withoutRollback() {
  ConversionConfig config;
  config.allowPatternRollback = false;
  return config;
}

static LogicalResult flattenControlFlow(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  populateSCFToControlFlowConversionPatterns(patterns);
  ConversionTarget legal(*module.getContext());
  legal.addIllegalDialect<scf::SCFDialect>();
  legal.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(module, legal, std::move(patterns),
                                withoutRollback());
}

namespace {
/// MLIR's own pattern keeps the sizes on the stack where it does not see that
/// the number of the dim is constant, and loops would let the stack grow.
struct DimWithoutStack : ConvertOpToLLVMPattern<memref::DimOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(memref::DimOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<MemRefType>(op.getSource().getType());
    if (!type || type.getRank() == 0)
      return failure();
    Location loc = op.getLoc();
    MemRefDescriptor descriptor(adaptor.getSource());
    auto size = [&](int64_t dim) -> Value {
      if (type.isDynamicDim(dim))
        return descriptor.size(rewriter, loc, dim);
      return createIndexAttrConstant(rewriter, loc, getIndexType(),
                                     type.getDimSize(dim));
    };
    APInt number;
    if (matchPattern(adaptor.getIndex(), m_ConstantInt(&number)) ||
        matchPattern(op.getIndex(), m_ConstantInt(&number))) {
      if (number.uge(type.getRank()))
        return failure();
      rewriter.replaceOp(op, size(number.getZExtValue()));
      return success();
    }
    Value result = size(type.getRank() - 1);
    for (int64_t dim = type.getRank() - 2; dim >= 0; --dim) {
      Value here = createIndexAttrConstant(rewriter, loc, getIndexType(), dim);
      Value isHere = LLVM::ICmpOp::create(
          rewriter, loc, LLVM::ICmpPredicate::eq, adaptor.getIndex(), here);
      result = LLVM::SelectOp::create(rewriter, loc, isHere, size(dim), result);
    }
    rewriter.replaceOp(op, result);
    return success();
  }
};
} // namespace

static LogicalResult convertToLLVM(ModuleOp module, bool isGpu) {
  MLIRContext *context = module.getContext();
  LowerToLLVMOptions options(context);
  options.allocLowering = LowerToLLVMOptions::AllocLowering::None;
  options.overrideIndexBitwidth(64);
  LLVMTypeConverter converter(context, options);
  RewritePatternSet patterns(context);
  SymbolTableCollection symbols;
  populateVectorToLLVMConversionPatterns(converter, patterns,
                                         /*reassociateFPReductions=*/false,
                                         /*force32BitVectorIndices=*/true);
  vector::populateVectorTransferLoweringPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns, &symbols);
  patterns.add<DimWithoutStack>(converter, /*benefit=*/2);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns, &symbols);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget legal(*context);
  legal.addLegalOp<ModuleOp>();
  legal.addLegalDialect<NVVM::NVVMDialect>();
  if (failed(applyFullConversion(module, legal, std::move(patterns),
                                 withoutRollback())))
    return failure();
  // Kernels have scratch; a stack that grows in a loop would end somewhere.
  // What a function's first block takes is a thread's own memory on a GPU.
  WalkResult stack = module.walk([&](LLVM::AllocaOp op) {
    if (isGpu && op->getBlock()->isEntryBlock() &&
        isa<LLVM::LLVMFuncOp>(op->getParentOp()))
      return WalkResult::advance();
    op.emitError() << "a kernel keeps nothing on the stack";
    return WalkResult::interrupt();
  });
  if (stack.wasInterrupted())
    return failure();

  SmallVector<UnrealizedConversionCastOp> casts, remaining;
  module.walk([&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
  reconcileUnrealizedCasts(casts, &remaining);
  for (UnrealizedConversionCastOp cast : remaining)
    cast.emitError() << "cannot convert " << cast.getOperandTypes() << " to "
                     << cast.getResultTypes();
  return success(remaining.empty());
}

/// Everything but the wrappers is internal, and constants may be merged.
static void makeInternal(ModuleOp module) {
  for (auto func : module.getOps<LLVM::LLVMFuncOp>()) {
    func.setLinkage(LLVM::Linkage::Internal);
    func.setDsoLocal(true);
  }
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    if (global.getAddrSpace() != 0)
      continue; // a block's shared memory, which the launch provides
    global.setLinkage(LLVM::Linkage::Internal);
    global.setDsoLocal(true);
    global.setUnnamedAddr(LLVM::UnnamedAddr::Global);
  }
}

/// The features that called intrinsics need, which LLVM would not survive being
/// without.
static LogicalResult checkIntrinsics(ModuleOp module, const Target &target) {
  LogicalResult result = success();
  module.walk([&](LLVM::CallIntrinsicOp op) {
    std::optional<StringRef> feature = intrinsicFeature(op.getIntrin());
    if (!feature || feature->empty())
      return;
    SmallVector<StringRef> needed = {*feature};
    if (feature->starts_with("avx512"))
      needed.append({"avx512bw", "avx512dq", "avx512vl"});
    for (StringRef name : needed)
      if (!target.hasFeature(name)) {
        op.emitError() << op.getIntrin() << " needs " << name << ", which "
                       << target.name << " lacks";
        result = failure();
        break;
      }
  });
  return result;
}

/// Launches that blocks of GPU threads run hold instructions of GPUs, which
/// code generators of CPUs would not survive.
static LogicalResult checkMachine(ModuleOp module, const Target &target) {
  for (func::FuncOp launch : getLaunches(module))
    if (launch->hasAttr(stage5::kThreadsAttr) && !target.isGpu())
      return launch.emitError() << "is run by blocks of GPU threads, which "
                                << target.name << " has not";
  return success();
}

LogicalResult attnc::lowerToLLVMDialect(ModuleOp module, const Target &target) {
  if (failed(checkIntrinsics(module, target)))
    return failure();
  if (failed(checkMachine(module, target)))
    return failure();
  SmallVector<LaunchParams> launches = takeLaunchParams(module);
  if (failed(prepare(module, target)) || failed(flattenControlFlow(module)) ||
      failed(convertToLLVM(module, target.isGpu())))
    return failure();
  makeInternal(module);
  return target.isGpu() ? gpu::addPtxEntries(module, launches)
                        : addLaunchWrappers(module, launches);
}
