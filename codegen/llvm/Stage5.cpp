// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading and verifying a stage-5 module's attributes and signatures. What its
// bodies may contain is in Stage5Ops.cpp.

#include "codegen/llvm/Stage5.h"
#include "codegen/llvm/Stage5Ops.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc;
using attn::FormulaAttr;

bool attnc::isStage5(ModuleOp module) {
  return module->hasAttr(stage5::kKernelAttr);
}

attnc_dtype attnc::dtypeOf(Type type) {
  if (type.isF64())
    return ATTNC_DTYPE_F64;
  if (type.isF32())
    return ATTNC_DTYPE_F32;
  if (type.isF16())
    return ATTNC_DTYPE_F16;
  if (type.isBF16())
    return ATTNC_DTYPE_BF16;
  if (isa<Float8E4M3FNType>(type))
    return ATTNC_DTYPE_F8E4M3;
  if (isa<Float8E5M2Type>(type))
    return ATTNC_DTYPE_F8E5M2;
  if (type.isIndex())
    return ATTNC_DTYPE_I64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return ATTNC_DTYPE_INVALID;
  if (integer.isUnsigned())
    return integer.getWidth() == 8 ? ATTNC_DTYPE_U8 : ATTNC_DTYPE_INVALID;
  switch (integer.getWidth()) {
  case 64:
    return ATTNC_DTYPE_I64;
  case 32:
    return ATTNC_DTYPE_I32;
  case 16:
    return ATTNC_DTYPE_I16;
  case 8:
    return ATTNC_DTYPE_I8;
  case 1:
    return ATTNC_DTYPE_BOOL;
  default:
    return ATTNC_DTYPE_INVALID;
  }
}

SmallVector<func::FuncOp> attnc::getLaunches(ModuleOp module) {
  SmallVector<func::FuncOp> launches;
  for (auto func : module.getOps<func::FuncOp>())
    if (func->hasAttr(stage5::kGridAttr))
      launches.push_back(func);
  return launches;
}

//===----------------------------------------------------------------------===//
// attn.kernel
//===----------------------------------------------------------------------===//

static LogicalResult readArg(ModuleOp module, unsigned number, Attribute attr,
                             stage5::Arg &arg) {
  auto error = [&]() {
    return module.emitError()
           << stage5::kKernelAttr << ": argument " << number << " ";
  };
  auto dict = dyn_cast<DictionaryAttr>(attr);
  if (!dict)
    return error() << "is not a dictionary";
  auto name = dict.getAs<StringAttr>("name");
  auto role = dict.getAs<StringAttr>("role");
  auto type = dict.getAs<TypeAttr>("type");
  if (!name || name.getValue().empty())
    return error() << "needs a name";
  std::optional<ArgRole> known;
  if (role)
    known = llvm::StringSwitch<std::optional<ArgRole>>(role.getValue())
                .Case("input", ArgRole::Input)
                .Case("output", ArgRole::Output)
                .Case("inout", ArgRole::InOut)
                .Default(std::nullopt);
  if (!known)
    return error() << "needs the role \"input\", \"output\" or \"inout\"";
  arg.type = type ? dyn_cast<RankedTensorType>(type.getValue()) : nullptr;
  if (!arg.type)
    return error() << "needs a ranked tensor type";
  if (dtypeOf(arg.type.getElementType()) == ATTNC_DTYPE_INVALID)
    return error() << "has the element type " << arg.type.getElementType()
                   << ", which kernels cannot take";
  if (arg.type.getRank() > ATTNC_MAX_RANK)
    return error() << "has more than " << int64_t(ATTNC_MAX_RANK)
                   << " dimensions";
  if (Attribute alignment = dict.get("alignment")) {
    auto value = dyn_cast<IntegerAttr>(alignment);
    if (!value || !value.getType().isSignlessInteger(64) ||
        value.getInt() < 0 || value.getInt() > ATTNC_MAX_ALIGNMENT ||
        (value.getInt() != 0 && !llvm::isPowerOf2_64(value.getInt())))
      return error() << "needs an alignment that is a power of two up to "
                     << int64_t(ATTNC_MAX_ALIGNMENT);
    arg.alignment = value.getInt();
  }
  arg.name = name.getValue();
  arg.role = *known;
  return success();
}

/// The entries of an optional array in `attn.kernel`.
static FailureOr<ArrayRef<Attribute>>
readArray(ModuleOp module, DictionaryAttr kernel, StringRef name) {
  Attribute attr = kernel.get(name);
  if (!attr)
    return ArrayRef<Attribute>();
  if (auto array = dyn_cast<ArrayAttr>(attr))
    return array.getValue();
  return module.emitError()
         << stage5::kKernelAttr << ": " << name << " is not an array";
}

FailureOr<stage5::Kernel> attnc::readKernelAttr(ModuleOp module) {
  auto dict = module->getAttrOfType<DictionaryAttr>(stage5::kKernelAttr);
  if (!dict)
    return module.emitError()
           << "a stage-5 module needs the dictionary " << stage5::kKernelAttr;
  stage5::Kernel kernel;
  auto name = dict.getAs<StringAttr>("name");
  if (!name || name.getValue().empty())
    return module.emitError() << stage5::kKernelAttr << " needs a name";
  kernel.name = name.getValue();

  auto args = readArray(module, dict, "args");
  auto constraints = readArray(module, dict, "constraints");
  auto temps = readArray(module, dict, "temps");
  if (failed(args) || failed(constraints) || failed(temps))
    return failure();
  llvm::StringSet<> names;
  for (auto [number, attr] : llvm::enumerate(*args)) {
    if (failed(readArg(module, number, attr, kernel.args.emplace_back())))
      return failure();
    if (!names.insert(kernel.args.back().name).second)
      return module.emitError() << stage5::kKernelAttr << ": two arguments are "
                                << "called '" << kernel.args.back().name << "'";
  }
  for (Attribute attr : *constraints) {
    auto entry = dyn_cast<DictionaryAttr>(attr);
    auto formula = entry ? entry.getAs<FormulaAttr>("formula") : nullptr;
    auto message = entry ? entry.getAs<StringAttr>("message") : nullptr;
    if (!formula || !message)
      return module.emitError() << stage5::kKernelAttr << ": a constraint "
                                << "needs a formula and a message";
    kernel.constraints.push_back({formula, message.getValue()});
  }
  for (Attribute attr : *temps) {
    auto formula = dyn_cast<FormulaAttr>(attr);
    if (!formula)
      return module.emitError()
             << stage5::kKernelAttr << ": a temporary is given by a formula, "
             << "not by " << attr;
    kernel.temps.push_back(formula);
  }
  return kernel;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

namespace {

class SignatureVerifier {
public:
  SignatureVerifier(ModuleOp module, const stage5::Kernel &kernel)
      : module(module), kernel(kernel) {}

  LogicalResult run();

private:
  ModuleOp module;
  const stage5::Kernel &kernel;

  LogicalResult verifyFormula(FormulaAttr formula,
                              function_ref<InFlightDiagnostic()> error);
  LogicalResult verifyFunc(func::FuncOp func);
  LogicalResult verifyLaunch(func::FuncOp func);
  LogicalResult verifyTail(func::FuncOp func);
  LogicalResult verifyTensor(func::FuncOp func, unsigned number);
  LogicalResult verifyArgTensor(func::FuncOp func, unsigned number,
                                MemRefType type, const stage5::Arg &arg);
  LogicalResult verifyTempTensor(func::FuncOp func, unsigned number,
                                 MemRefType type);

  static InFlightDiagnostic argError(func::FuncOp func, unsigned number) {
    return mlir::emitError(func.isExternal()
                               ? func.getLoc()
                               : func.getArgument(number).getLoc())
           << "'" << func.getSymName() << "' argument " << number << " ";
  }
};

} // namespace

LogicalResult
SignatureVerifier::verifyFormula(FormulaAttr formula,
                                 function_ref<InFlightDiagnostic()> error) {
  ArrayRef<int64_t> dims;
  if (DenseI64ArrayAttr attr = formula.getDims())
    dims = attr.asArrayRef();
  for (size_t i = 0; i + 1 < dims.size(); i += 2) {
    if (dims[i] >= static_cast<int64_t>(kernel.args.size()))
      return error() << "reads a size of argument " << dims[i]
                     << ", but the kernel has " << kernel.args.size();
    const stage5::Arg &arg = kernel.args[dims[i]];
    if (dims[i + 1] >= arg.type.getRank())
      return error() << "reads dimension " << dims[i + 1] << " of '" << arg.name
                     << "', which has " << arg.type.getRank();
  }
  FailureOr<Formula> program = toFormula(formula);
  if (failed(program))
    return error() << "cannot be evaluated at launch: " << formula;
  return success();
}

LogicalResult SignatureVerifier::verifyArgTensor(func::FuncOp func,
                                                 unsigned number,
                                                 MemRefType type,
                                                 const stage5::Arg &arg) {
  // Booleans are bytes in memory; signs are a matter of operations.
  Type element = arg.type.getElementType();
  if (element.isInteger(1))
    element = IntegerType::get(type.getContext(), 8);
  else if (auto integer = dyn_cast<IntegerType>(element))
    element = IntegerType::get(type.getContext(), integer.getWidth());
  bool bothIndex = element.isIndex() && type.getElementType().isInteger(64);
  if (type.getElementType() != element && !bothIndex)
    return argError(func, number)
           << "holds " << type.getElementType() << " instead of " << element
           << ", which '" << arg.name << "' has in memory";
  if (type.getRank() != arg.type.getRank())
    return argError(func, number)
           << "has " << type.getRank() << " dimensions, but '" << arg.name
           << "' has " << arg.type.getRank();
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (!type.isDynamicDim(d) && type.getDimSize(d) != arg.type.getDimSize(d))
      return argError(func, number)
             << "assumes the size " << type.getDimSize(d) << " of dimension "
             << d << ", which the type of '" << arg.name
             << "' does not promise";
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || offset != 0)
    return argError(func, number) << "needs a strided layout without offset";
  for (int64_t d = 0; d + 1 < type.getRank(); ++d)
    if (!ShapedType::isDynamic(strides[d]))
      return argError(func, number)
             << "assumes the stride " << strides[d] << " of dimension " << d
             << "; only the last stride may be static, as strided<[?, ..., 1]>";
  if (!strides.empty() && strides.back() != 1 &&
      !ShapedType::isDynamic(strides.back()))
    return argError(func, number) << "needs the last stride 1";
  return success();
}

LogicalResult SignatureVerifier::verifyTempTensor(func::FuncOp func,
                                                  unsigned number,
                                                  MemRefType type) {
  if (!type.getLayout().isIdentity())
    return argError(func, number) << "is a temporary: it has no layout";
  for (int64_t d = 1; d < type.getRank(); ++d)
    if (type.isDynamicDim(d))
      return argError(func, number)
             << "is a temporary: only its first size may be dynamic";
  if (type.getRank() == 0 || !type.isDynamicDim(0))
    return success();
  int64_t rowBytes = 8;
  for (int64_t size : type.getShape().drop_front())
    if (size == 0 || llvm::MulOverflow(rowBytes, size, rowBytes))
      return argError(func, number)
             << "is a temporary: its rows are empty or too long";
  return success();
}

LogicalResult SignatureVerifier::verifyTensor(func::FuncOp func,
                                              unsigned number) {
  auto attr = func.getArgAttrOfType<IntegerAttr>(number, stage5::kTensorAttr);
  auto type = dyn_cast<MemRefType>(func.getArgumentTypes()[number]);
  if (!attr || !type)
    return argError(func, number)
           << "needs a memref type and an integer " << stage5::kTensorAttr;
  int64_t args = kernel.args.size(), temps = kernel.temps.size();
  APInt value = attr.getValue();
  if (value.isNegative() || value.getActiveBits() > 62 ||
      value.getSExtValue() >= args + temps)
    return argError(func, number)
           << "names tensor " << llvm::toString(value, 10, /*Signed=*/true)
           << ", but the kernel has " << args << " arguments and " << temps
           << " temporaries";
  if (type.getMemorySpace())
    return argError(func, number) << "must not have a memory space";
  if (!type.getElementType().isIntOrIndexOrFloat())
    return argError(func, number) << "needs scalar elements";
  if (value.getSExtValue() < args)
    return verifyArgTensor(func, number, type,
                           kernel.args[value.getSExtValue()]);
  return verifyTempTensor(func, number, type);
}

/// The last three arguments.
LogicalResult SignatureVerifier::verifyTail(func::FuncOp func) {
  unsigned count = func.getNumArguments();
  ArrayRef<Type> types = func.getArgumentTypes();
  auto marked = [&](unsigned number, StringRef name) {
    return func.getArgAttr(number, name) != nullptr;
  };
  if (count < 3)
    return func.emitOpError()
           << "needs the arguments " << stage5::kWorkgroupAttr << ", "
           << stage5::kScratchAttr << " and " << stage5::kStatusAttr
           << " at the end";
  if (!marked(count - 3, stage5::kWorkgroupAttr) || !types[count - 3].isIndex())
    return argError(func, count - 3)
           << "must be an index with " << stage5::kWorkgroupAttr;
  auto scratch = dyn_cast<MemRefType>(types[count - 2]);
  if (!marked(count - 2, stage5::kScratchAttr) || !scratch ||
      !scratch.hasStaticShape() || scratch.getRank() != 1 ||
      !scratch.getElementType().isInteger(8) ||
      !scratch.getLayout().isIdentity() || scratch.getMemorySpace())
    return argError(func, count - 2)
           << "must be a memref<BYTESxi8> with " << stage5::kScratchAttr;
  if (static_cast<uint64_t>(scratch.getDimSize(0)) > ATTNC_MAX_SCRATCH_BYTES)
    return argError(func, count - 2)
           << "asks for " << scratch.getDimSize(0) << " bytes; at most "
           << ATTNC_MAX_SCRATCH_BYTES << " are allowed";
  if (!marked(count - 1, stage5::kStatusAttr) ||
      types[count - 1] !=
          MemRefType::get({1}, IntegerType::get(func.getContext(), 32)))
    return argError(func, count - 1)
           << "must be a memref<1xi32> with " << stage5::kStatusAttr;
  return success();
}

LogicalResult SignatureVerifier::verifyLaunch(func::FuncOp func) {
  if (func.isExternal())
    return func.emitOpError() << "is a launch: it needs a body";
  if (func.getNumResults() != 0)
    return func.emitOpError() << "is a launch: it cannot return anything";
  auto grid = func->getAttrOfType<ArrayAttr>(stage5::kGridAttr);
  if (!grid || grid.size() > ATTNC_MAX_GRID_RANK)
    return func.emitOpError()
           << stage5::kGridAttr << " must be an array of up "
           << "to " << int64_t(ATTNC_MAX_GRID_RANK) << " formulas";
  for (Attribute attr : grid) {
    auto size = dyn_cast<FormulaAttr>(attr);
    if (!size)
      return func.emitOpError()
             << stage5::kGridAttr << " holds " << attr << ", not a formula";
    if (failed(verifyFormula(size, [&] {
          return func.emitOpError() << stage5::kGridAttr << " ";
        })))
      return failure();
  }
  if (failed(verifyTail(func)))
    return failure();
  LogicalResult result = success();
  for (unsigned i = 0, e = func.getNumArguments() - 3; i < e; ++i) {
    if (!func.getArgumentTypes()[i].isIndex()) {
      if (failed(verifyTensor(func, i)))
        result = failure();
      continue;
    }
    auto value = func.getArgAttrOfType<FormulaAttr>(i, stage5::kValueAttr);
    if (!value)
      result = argError(func, i)
               << "needs " << stage5::kValueAttr << " = #attn.formula<...>";
    else if (failed(verifyFormula(value, [&] { return argError(func, i); })))
      result = failure();
  }
  return result;
}

LogicalResult SignatureVerifier::verifyFunc(func::FuncOp func) {
  if (func.getSymName().starts_with(stage5::kEntryPrefix))
    return func.emitOpError() << "must not begin with '" << stage5::kEntryPrefix
                              << "': these are the entry points' names";
  if (func->hasAttr(stage5::kGridAttr))
    return verifyLaunch(func);
  if (!func.isPrivate())
    return func.emitOpError()
           << "has no " << stage5::kGridAttr << ", so it must be private";
  if (func.isExternal())
    return func.emitOpError() << "is declared only: kernels have no external "
                              << "symbols";
  return success();
}

LogicalResult SignatureVerifier::run() {
  LogicalResult result = success();
  auto check = [&](LogicalResult step) {
    if (failed(step))
      result = failure();
  };
  for (auto &[formula, message] : kernel.constraints)
    check(verifyFormula(formula, [&, &text = message] {
      return module.emitError()
             << stage5::kKernelAttr << ": the constraint '" << text << "' ";
    }));
  for (FormulaAttr formula : kernel.temps)
    check(verifyFormula(formula, [&] {
      return module.emitError()
             << stage5::kKernelAttr << ": the size of a temporary ";
    }));
  for (auto func : module.getOps<func::FuncOp>())
    check(verifyFunc(func));
  if (getLaunches(module).empty())
    return module.emitError()
           << "a kernel needs a function with " << stage5::kGridAttr;
  return result;
}

LogicalResult attnc::verifyStage5(ModuleOp module) {
  FailureOr<stage5::Kernel> kernel = readKernelAttr(module);
  if (failed(kernel))
    return failure();
  LogicalResult signatures = SignatureVerifier(module, *kernel).run();
  LogicalResult bodies = verifyStage5Ops(module);
  return success(succeeded(signatures) && succeeded(bodies));
}
