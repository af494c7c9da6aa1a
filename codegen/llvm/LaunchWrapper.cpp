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

/// The runtime refuses an output that overlaps another argument, and inputs are
/// only read. So no pointer aliases another, unless the launch takes one tensor
/// that may be written twice.
static bool isUnaliased(func::FuncOp func, const stage5::Kernel &kernel,
                        IntegerAttr tensor) {
  uint64_t number = tensor.getValue().getZExtValue();
  if (number < kernel.args.size() && !kernel.args[number].isOutput)
    return true;
  unsigned uses = 0;
  for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i)
    if (auto other = func.getArgAttrOfType<IntegerAttr>(i, stage5::kTensorAttr))
      uses += other.getValue() == tensor.getValue();
  return uses == 1;
}

static void setPointerAttrs(func::FuncOp func, unsigned number,
                            int64_t alignment, bool noAlias, int64_t bytes) {
  Builder b(func.getContext());
  SmallVector<NamedAttribute> attrs;
  attrs.push_back(b.getNamedAttr(LLVM::LLVMDialect::getAlignAttrName(),
                                 b.getI64IntegerAttr(alignment)));
  if (noAlias)
    attrs.push_back(b.getNamedAttr(LLVM::LLVMDialect::getNoAliasAttrName(),
                                   b.getUnitAttr()));
  if (bytes > 0)
    attrs.push_back(
        b.getNamedAttr(LLVM::LLVMDialect::getDereferenceableAttrName(),
                       b.getI64IntegerAttr(bytes)));
  func.setArgAttrs(number, attrs);
}

static LaunchParams takeParams(func::FuncOp func,
                               const stage5::Kernel &kernel) {
  LaunchParams params;
  params.body = func.getSymNameAttr();
  unsigned count = func.getNumArguments();
  params.scratch = cast<MemRefType>(func.getArgumentTypes()[count - 2]);
  params.status = cast<MemRefType>(func.getArgumentTypes()[count - 1]);
  SmallVector<std::pair<IntegerAttr, bool>> tensors;
  for (unsigned i = 0; i < count - 3; ++i) {
    params.types.push_back(func.getArgumentTypes()[i]);
    auto tensor = func.getArgAttrOfType<IntegerAttr>(i, stage5::kTensorAttr);
    tensors.push_back({tensor, tensor && isUnaliased(func, kernel, tensor)});
  }
  for (unsigned i = 0; i < count; ++i)
    func.setArgAttrs(i, ArrayRef<NamedAttribute>());
  for (auto [i, tensor] : llvm::enumerate(tensors))
    if (tensor.first)
      setPointerAttrs(
          func, i,
          alignmentOf(kernel, tensor.first.getValue().getZExtValue()),
          tensor.second, 0);
  setPointerAttrs(func, count - 2, ATTNC_SCRATCH_ALIGNMENT, true,
                  params.scratch.getDimSize(0));
  setPointerAttrs(func, count - 1, 4, true, 4);
  func->removeAttr(stage5::kGridAttr);
  func.setPrivate();
  return params;
}

SmallVector<LaunchParams> attnc::takeLaunchParams(ModuleOp module) {
  FailureOr<stage5::Kernel> kernel = readKernelAttr(module);
  SmallVector<LaunchParams> launches;
  if (failed(kernel))
    return launches;
  for (func::FuncOp func : getLaunches(module))
    launches.push_back(takeParams(func, *kernel));
  module->removeAttr(stage5::kKernelAttr);
  return launches;
}

//===----------------------------------------------------------------------===//
// After lowering
//===----------------------------------------------------------------------===//

namespace {

/// Builds one wrapper's body.
class WrapperBuilder {
public:
  WrapperBuilder(OpBuilder &builder, Location loc, Value args)
      : b(builder), loc(loc), args(args),
        pointer(LLVM::LLVMPointerType::get(builder.getContext())) {}

  /// Operands of the body, in the order of an expanded memref descriptor.
  SmallVector<Value> operands;

  void addParam(Type type) {
    if (auto memref = dyn_cast<MemRefType>(type))
      addMemRef(memref, load(pointer));
    else
      operands.push_back(load(b.getI64Type()));
  }

  void addMemRef(MemRefType type, Value base) {
    SmallVector<int64_t> strides;
    int64_t offset;
    (void)type.getStridesAndOffset(strides, offset);
    operands.append({base, base, constant(0)});
    for (int64_t size : type.getShape())
      operands.push_back(ShapedType::isDynamic(size) ? load(b.getI64Type())
                                                     : constant(size));
    for (int64_t stride : strides)
      operands.push_back(ShapedType::isDynamic(stride) ? load(b.getI64Type())
                                                       : constant(stride));
  }

private:
  OpBuilder &b;
  Location loc;
  Value args;
  Type pointer;
  int64_t next = 0;

  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value load(Type type) {
    Value address = LLVM::GEPOp::create(
        b, loc, pointer, b.getI64Type(), args,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(next++)});
    return LLVM::LoadOp::create(b, loc, type, address, /*alignment=*/8);
  }
};

} // namespace

static LogicalResult addWrapper(ModuleOp module, size_t number,
                                const LaunchParams &params) {
  auto body = module.lookupSymbol<LLVM::LLVMFuncOp>(params.body);
  if (!body)
    return module.emitError() << "launch " << params.body << " was lost";
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = body.getLoc();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {pointer, b.getI64Type(), pointer, pointer});
  auto wrapper =
      LLVM::LLVMFuncOp::create(b, loc, entryName(number), type,
                               LLVM::Linkage::External, /*dsoLocal=*/true);
  b.setInsertionPointToStart(wrapper.addEntryBlock(b));
  WrapperBuilder operands(b, loc, wrapper.getArgument(0));
  for (Type param : params.types)
    operands.addParam(param);
  operands.operands.push_back(wrapper.getArgument(1));
  operands.addMemRef(params.scratch, wrapper.getArgument(2));
  operands.addMemRef(params.status, wrapper.getArgument(3));
  if (operands.operands.size() != body.getNumArguments())
    return body.emitError() << "has " << body.getNumArguments()
                            << " parameters instead of "
                            << operands.operands.size();
  LLVM::CallOp::create(b, loc, body, operands.operands);
  LLVM::ReturnOp::create(b, loc, ValueRange());
  return success();
}

LogicalResult attnc::addLaunchWrappers(ModuleOp module,
                                       ArrayRef<LaunchParams> launches) {
  for (auto [number, params] : llvm::enumerate(launches))
    if (failed(addWrapper(module, number, params)))
      return failure();
  return success();
}
