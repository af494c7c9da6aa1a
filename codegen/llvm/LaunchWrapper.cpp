// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A launch's entry point: loads the words in the order in which
// BuildKernelDesc.cpp lists them, and calls the body. The body stays a function
// of its own, since function parameters are where LLVM reads `noalias` off.

#include "codegen/llvm/LaunchWrapper.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace attnc;

std::string attnc::entryName(size_t number) {
  return (stage5::kEntryPrefix + Twine(number)).str();
}

//===----------------------------------------------------------------------===//
// Before lowering
//===----------------------------------------------------------------------===//

/// Alignment that the runtime checks or provides.
static int64_t alignmentOf(const stage5::Kernel &kernel, uint64_t tensor) {
  if (tensor >= kernel.args.size())
    return ATTNC_SCRATCH_ALIGNMENT;
  const stage5::Arg &arg = kernel.args[tensor];
  if (arg.alignment != 0)
    return arg.alignment;
  return attnc_dtype_size(dtypeOf(arg.type.getElementType()));
}

/// The runtime refuses a written argument that shares elements with another,
/// and inputs are only read. So no pointer aliases another, unless the launch
/// takes one tensor that may be written twice.
static bool isUnaliased(func::FuncOp func, const stage5::Kernel &kernel,
                        IntegerAttr tensor) {
  uint64_t number = tensor.getValue().getZExtValue();
  if (number < kernel.args.size() && kernel.args[number].role == ArgRole::Input)
    return true;
  unsigned uses = 0;
  for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i)
    if (auto other = func.getArgAttrOfType<IntegerAttr>(i, stage5::kTensorAttr))
      uses += other.getValue() == tensor.getValue();
  return uses == 1;
}

static LaunchParams takeParams(func::FuncOp func,
                               const stage5::Kernel &kernel) {
  LaunchParams launch;
  launch.body = func.getSymNameAttr();
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
    LaunchParam param{type};
    if (auto tensor =
            func.getArgAttrOfType<IntegerAttr>(i, stage5::kTensorAttr)) {
      param.alignment = alignmentOf(kernel, tensor.getValue().getZExtValue());
      param.noAlias = isUnaliased(func, kernel, tensor);
    } else if (func.getArgAttr(i, stage5::kScratchAttr)) {
      param.alignment = ATTNC_SCRATCH_ALIGNMENT;
      // Threads that share it find each other's stores behind barriers, which
      // LLVM would not expect of memory that nobody else sees.
      param.noAlias = !func->hasAttr(stage5::kThreadsAttr);
      param.dereferenceable = cast<MemRefType>(type).getDimSize(0);
    } else if (func.getArgAttr(i, stage5::kStatusAttr)) {
      param.alignment = param.dereferenceable = sizeof(uint32_t);
      param.noAlias = true;
    }
    launch.params.push_back(param);
  }
  if (auto threads = func->getAttrOfType<IntegerAttr>(stage5::kThreadsAttr))
    launch.threads = threads.getInt();
  if (auto blocks = func->getAttrOfType<IntegerAttr>(stage5::kMinBlocksAttr))
    launch.minBlocks = blocks.getInt();
  func->removeAttr(stage5::kThreadsAttr);
  func->removeAttr(stage5::kMinBlocksAttr);
  for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i)
    func.setArgAttrs(i, ArrayRef<NamedAttribute>());
  func->removeAttr(stage5::kGridAttr);
  func.setPrivate();
  return launch;
}

SmallVector<LaunchParams> attnc::takeLaunchParams(ModuleOp module) {
  FailureOr<stage5::Kernel> kernel = readKernelAttr(module);
  SmallVector<LaunchParams> launches;
  if (failed(kernel))
    return launches;
  for (auto [number, func] : llvm::enumerate(getLaunches(module))) {
    launches.push_back(takeParams(func, *kernel));
    launches.back().number = number;
  }
  module->removeAttr(stage5::kKernelAttr);
  return launches;
}

//===----------------------------------------------------------------------===//
// After lowering
//===----------------------------------------------------------------------===//

/// Tells LLVM what is known of the pointer that is argument `number`.
static void setPointerAttrs(LLVM::LLVMFuncOp body, unsigned number,
                            const LaunchParam &param) {
  Builder b(body.getContext());
  body.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(),
                  b.getI64IntegerAttr(param.alignment));
  if (param.noAlias)
    body.setArgAttr(number, LLVM::LLVMDialect::getNoAliasAttrName(),
                    b.getUnitAttr());
  if (param.dereferenceable > 0)
    body.setArgAttr(number, LLVM::LLVMDialect::getDereferenceableAttrName(),
                    b.getI64IntegerAttr(param.dereferenceable));
}

namespace {

/// Builds one call: the operands of the body, memrefs as the descriptors that
/// lowering expands them to.
class CallBuilder {
public:
  CallBuilder(OpBuilder &builder, LLVM::LLVMFuncOp body, Value words)
      : b(builder), loc(body.getLoc()), body(body), words(words),
        pointer(LLVM::LLVMPointerType::get(builder.getContext())) {}

  LogicalResult run(ArrayRef<LaunchParam> params, Value workgroup,
                    Value scratch, Value status) {
    for (const LaunchParam &param : params.drop_back(3)) {
      if (isa<MemRefType>(param.type))
        addMemRef(param, load(pointer));
      else
        operands.push_back(load(b.getI64Type()));
    }
    operands.push_back(workgroup);
    addMemRef(params[params.size() - 2], scratch);
    addMemRef(params.back(), status);
    if (operands.size() != body.getNumArguments())
      return body.emitError() << "has " << body.getNumArguments()
                              << " parameters instead of " << operands.size();
    LLVM::CallOp::create(b, loc, body, operands);
    return success();
  }

private:
  OpBuilder &b;
  Location loc;
  LLVM::LLVMFuncOp body;
  Value words;
  Type pointer;
  SmallVector<Value> operands;
  int32_t next = 0;

  void addMemRef(const LaunchParam &param, Value base) {
    auto type = cast<MemRefType>(param.type);
    SmallVector<int64_t> strides;
    int64_t offset;
    (void)type.getStridesAndOffset(strides, offset);
    // Bodies access memory through the second pointer, the aligned one.
    setPointerAttrs(body, operands.size() + 1, param);
    operands.append({base, base, constant(0)});
    for (int64_t size : type.getShape())
      operands.push_back(ShapedType::isDynamic(size) ? load(b.getI64Type())
                                                     : constant(size));
    for (int64_t stride : strides)
      operands.push_back(ShapedType::isDynamic(stride) ? load(b.getI64Type())
                                                       : constant(stride));
  }

  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value load(Type type) {
    Value address = LLVM::GEPOp::create(b, loc, pointer, b.getI64Type(), words,
                                        ArrayRef<LLVM::GEPArg>{next++});
    return LLVM::LoadOp::create(b, loc, type, address, /*alignment=*/8);
  }
};

} // namespace

LogicalResult attnc::callLaunchBody(OpBuilder &builder, LLVM::LLVMFuncOp body,
                                    const LaunchParams &launch, Value words,
                                    Value workgroup, Value scratch,
                                    Value status) {
  return CallBuilder(builder, body, words)
      .run(launch.params, workgroup, scratch, status);
}

int64_t attnc::countWords(const LaunchParams &launch) {
  int64_t count = 0;
  for (const LaunchParam &param : ArrayRef(launch.params).drop_back(3)) {
    ++count;
    auto type = dyn_cast<MemRefType>(param.type);
    if (!type)
      continue;
    SmallVector<int64_t> strides;
    int64_t offset;
    (void)type.getStridesAndOffset(strides, offset);
    count += llvm::count(type.getShape(), ShapedType::kDynamic) +
             llvm::count(strides, ShapedType::kDynamic);
  }
  return count;
}

static LogicalResult addWrapper(ModuleOp module, const LaunchParams &launch) {
  auto body = module.lookupSymbol<LLVM::LLVMFuncOp>(launch.body);
  if (!body)
    return module.emitError() << "launch " << launch.body << " was lost";
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointer, b.getI64Type(), pointer, pointer});
  auto wrapper =
      LLVM::LLVMFuncOp::create(b, body.getLoc(), entryName(launch.number), type,
                               LLVM::Linkage::External, /*dsoLocal=*/true);
  b.setInsertionPointToStart(wrapper.addEntryBlock(b));
  auto args = wrapper.getArguments();
  if (failed(
          callLaunchBody(b, body, launch, args[0], args[1], args[2], args[3])))
    return failure();
  LLVM::ReturnOp::create(b, body.getLoc(), ValueRange());
  return success();
}

LogicalResult attnc::addLaunchWrappers(ModuleOp module,
                                       ArrayRef<LaunchParams> launches) {
  for (const LaunchParams &launch : launches)
    if (failed(addWrapper(module, launch)))
      return failure();
  return success();
}
