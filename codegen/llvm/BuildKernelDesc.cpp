// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the attributes of a stage-5 module to the description that kernel files
// and the runtime use.

#include "codegen/llvm/Stage5.h"

#include "attnc/formula_eval.h"
#include "codegen/kernelfile/KernelWriter.h"

#include "mlir/IR/AffineExpr.h"

using namespace mlir;
using namespace attnc;
using attn::FormulaAttr;

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// `a + b * -1` is how affine expressions spell a difference; the formula's own
/// subtraction is shorter and prints as people write it.
static std::optional<Formula> convertAdd(AffineBinaryOpExpr expr,
                                         ArrayRef<int64_t> dims);

static std::optional<Formula> convert(AffineExpr expr, ArrayRef<int64_t> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return Formula::constant(constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    size_t at = 2 * symbol.getPosition();
    if (at + 1 >= dims.size() || !llvm::isUInt<16>(dims[at + 1]) ||
        !llvm::isUInt<32>(dims[at]))
      return std::nullopt;
    return Formula::dim(dims[at], dims[at + 1]);
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return convertAdd(binary, dims);
  std::optional<Formula> lhs = convert(binary.getLHS(), dims);
  std::optional<Formula> rhs = convert(binary.getRHS(), dims);
  if (!lhs || !rhs)
    return std::nullopt;
  switch (expr.getKind()) {
  case AffineExprKind::Mul:
    return *lhs * *rhs;
  case AffineExprKind::Mod:
    return mod(*lhs, *rhs);
  case AffineExprKind::FloorDiv:
    return floorDiv(*lhs, *rhs);
  case AffineExprKind::CeilDiv:
    return ceilDiv(*lhs, *rhs);
  default:
    return std::nullopt;
  }
}

static std::optional<Formula> convertAdd(AffineBinaryOpExpr expr,
                                         ArrayRef<int64_t> dims) {
  std::optional<Formula> lhs = convert(expr.getLHS(), dims);
  bool subtract = false;
  AffineExpr right = expr.getRHS();
  int64_t factor;
  if (auto product = dyn_cast<AffineBinaryOpExpr>(right);
      product && product.getKind() == AffineExprKind::Mul) {
    auto constant = dyn_cast<AffineConstantExpr>(product.getRHS());
    if (constant && constant.getValue() == -1) {
      subtract = true;
      right = product.getLHS();
    }
  } else if (auto constant = dyn_cast<AffineConstantExpr>(right);
             constant && constant.getValue() < 0 &&
             !llvm::SubOverflow(int64_t(0), constant.getValue(), factor)) {
    subtract = true;
    right = getAffineConstantExpr(factor, expr.getContext());
  }
  std::optional<Formula> rhs = convert(right, dims);
  if (!lhs || !rhs)
    return std::nullopt;
  return subtract ? *lhs - *rhs : *lhs + *rhs;
}

FailureOr<Formula> attnc::toFormula(FormulaAttr attr) {
  AffineMap map = attr.getMap();
  if (map.getNumResults() != 1 || map.getNumDims() != 0)
    return failure();
  ArrayRef<int64_t> dims;
  if (DenseI64ArrayAttr array = attr.getDims())
    dims = array.asArrayRef();
  std::optional<Formula> formula = convert(map.getResult(0), dims);
  if (!formula)
    return failure();
  std::vector<attnc_formula_op> ops;
  for (const FormulaOp &op : formula->ops)
    ops.push_back({static_cast<uint16_t>(op.opcode),
                   static_cast<uint16_t>(op.dim), op.tensor, op.imm});
  if (attnc_formula_check(ops.data(), ops.size()) != ATTNC_FORMULA_OK)
    return failure();
  return *formula;
}

//===----------------------------------------------------------------------===//
// The description
//===----------------------------------------------------------------------===//

static ArgDesc buildArg(const stage5::Arg &arg) {
  ArgDesc desc;
  desc.name = arg.name.str();
  desc.role = arg.role;
  desc.dtype = dtypeOf(arg.type.getElementType());
  for (int64_t size : arg.type.getShape())
    desc.dims.push_back(ShapedType::isDynamic(size) ? kDynamicSize : size);
  desc.alignment = arg.alignment;
  return desc;
}

/// Words of a temporary: a base, and its first size if that is dynamic.
static void addTempWords(LaunchDesc &launch, uint32_t tensor, MemRefType type,
                         const Formula &bytes) {
  launch.words.push_back(WordDesc::base(tensor));
  if (type.getRank() == 0 || !type.isDynamicDim(0))
    return;
  Type element = type.getElementType();
  int64_t rowBytes =
      element.isIndex() ? 8 : (element.getIntOrFloatBitWidth() + 7) / 8;
  for (int64_t size : type.getShape().drop_front())
    rowBytes *= size;
  launch.words.push_back(WordDesc::formula(
      rowBytes == 1 ? bytes : floorDiv(bytes, Formula(rowBytes))));
}

/// Words of an argument: base, dynamic sizes, dynamic strides. Lowering loads
/// them in this order, see LaunchWrapper.cpp.
static void addTensorWords(LaunchDesc &launch, uint32_t tensor,
                           MemRefType type) {
  launch.words.push_back(WordDesc::base(tensor));
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (type.isDynamicDim(d))
      launch.words.push_back(WordDesc::size(tensor, d));
  SmallVector<int64_t> strides;
  int64_t offset;
  (void)type.getStridesAndOffset(strides, offset);
  for (auto [d, stride] : llvm::enumerate(strides))
    if (ShapedType::isDynamic(stride))
      launch.words.push_back(WordDesc::stride(tensor, d));
}

static FailureOr<LaunchDesc> buildLaunch(func::FuncOp func,
                                         const KernelDesc &kernel) {
  LaunchDesc launch;
  launch.name = func.getSymName().str();
  for (Attribute size : func->getAttrOfType<ArrayAttr>(stage5::kGridAttr)) {
    FailureOr<Formula> formula = toFormula(cast<FormulaAttr>(size));
    if (failed(formula))
      return failure();
    launch.grid.push_back(*formula);
  }
  unsigned count = func.getNumArguments();
  for (unsigned i = 0; i < count - 3; ++i) {
    if (auto value =
            func.getArgAttrOfType<FormulaAttr>(i, stage5::kValueAttr)) {
      FailureOr<Formula> formula = toFormula(value);
      if (failed(formula))
        return failure();
      launch.words.push_back(WordDesc::formula(*formula));
      continue;
    }
    auto number = func.getArgAttrOfType<IntegerAttr>(i, stage5::kTensorAttr);
    auto type = cast<MemRefType>(func.getArgumentTypes()[i]);
    uint32_t tensor = number.getValue().getZExtValue();
    if (tensor < kernel.args.size())
      addTensorWords(launch, tensor, type);
    else
      addTempWords(launch, tensor, type,
                   kernel.temps[tensor - kernel.args.size()].bytes);
  }
  // What the threads of a block share is the image's business.
  if (!func->hasAttr(stage5::kThreadsAttr))
    launch.scratchBytes =
        cast<MemRefType>(func.getArgumentTypes()[count - 2]).getDimSize(0);
  return launch;
}

FailureOr<KernelDesc> attnc::buildKernelDesc(ModuleOp module) {
  FailureOr<stage5::Kernel> read = readKernelAttr(module);
  if (failed(read))
    return failure();
  KernelDesc kernel;
  kernel.name = read->name.str();
  for (const stage5::Arg &arg : read->args)
    kernel.args.push_back(buildArg(arg));
  for (auto &[attr, message] : read->constraints) {
    FailureOr<Formula> formula = toFormula(attr);
    if (failed(formula))
      return module.emitError() << "malformed constraint '" << message << "'";
    kernel.constraints.push_back({*formula, message.str()});
  }
  for (FormulaAttr attr : read->temps) {
    FailureOr<Formula> formula = toFormula(attr);
    if (failed(formula))
      return module.emitError() << "malformed temporary " << attr;
    kernel.temps.push_back({*formula});
  }
  for (func::FuncOp func : getLaunches(module)) {
    FailureOr<LaunchDesc> launch = buildLaunch(func, kernel);
    if (failed(launch))
      return func.emitOpError() << "has a malformed formula";
    kernel.launches.push_back(*launch);
  }
  std::string error;
  if (!verifyKernel(kernel, error))
    return module.emitError() << "the kernel exceeds a limit: " << error;
  return kernel;
}
