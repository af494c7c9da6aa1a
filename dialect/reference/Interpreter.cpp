// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interpreter's frame, decoding and dispatch.

#include "dialect/reference/Interpreter.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc;
using namespace attnc::reference;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

std::string reference::shapeText(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(shape, os, "x");
  return text;
}

bool reference::shapeFits(ArrayRef<int64_t> shape, RankedTensorType type) {
  if (type.getRank() != static_cast<int64_t>(shape.size()))
    return false;
  for (auto [size, declared] : llvm::zip(shape, type.getShape()))
    if (!ShapedType::isDynamic(declared) && declared != size)
      return false;
  return true;
}

std::optional<int64_t> reference::evaluateAffine(AffineExpr expr,
                                                 ArrayRef<int64_t> dims,
                                                 ArrayRef<int64_t> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  std::optional<int64_t> lhs = evaluateAffine(binary.getLHS(), dims, symbols);
  std::optional<int64_t> rhs = evaluateAffine(binary.getRHS(), dims, symbols);
  if (!lhs || !rhs)
    return std::nullopt;
  int64_t result;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    if (llvm::AddOverflow(*lhs, *rhs, result))
      return std::nullopt;
    return result;
  case AffineExprKind::Mul:
    if (llvm::MulOverflow(*lhs, *rhs, result))
      return std::nullopt;
    return result;
  default:
    break;
  }
  if (*rhs <= 0) // undefined, by the affine dialect
    return std::nullopt;
  int64_t quotient = *lhs / *rhs, remainder = *lhs % *rhs;
  if (expr.getKind() == AffineExprKind::Mod)
    return remainder < 0 ? remainder + *rhs : remainder;
  if (expr.getKind() == AffineExprKind::FloorDiv)
    return remainder < 0 ? quotient - 1 : quotient;
  return remainder > 0 ? quotient + 1 : quotient;
}

//===----------------------------------------------------------------------===//
// Frame
//===----------------------------------------------------------------------===//

Interpreter::Interpreter(func::FuncOp function, const EvaluateOptions &options,
                         int depth)
    : function(function), options(options), depth(depth) {
  auto add = [&](Value value) { slots.try_emplace(value, slots.size()); };
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    llvm::for_each(op->getResults(), add);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), add);
  });
  frame.resize(slots.size());
}

int64_t Interpreter::getInt(OpFoldResult value) {
  if (auto attribute = dyn_cast<Attribute>(value))
    return cast<IntegerAttr>(attribute).getInt();
  return getInt(cast<Value>(value));
}

SmallVector<int64_t> Interpreter::getInts(ArrayRef<OpFoldResult> values) {
  return llvm::map_to_vector(values,
                             [&](OpFoldResult value) { return getInt(value); });
}

HostTensor Interpreter::asTensor(Value value) {
  if (isa<RankedTensorType>(value.getType()))
    return tensor(value);
  return HostTensor::fromScalar(value.getType(), scalar(value));
}

void Interpreter::assign(Value to, const HostTensor &value) {
  if (isa<RankedTensorType>(to.getType()))
    tensor(to) = value;
  else
    scalar(to) = value.get(0);
}

HostTensor Interpreter::take(Value value, Operation *user) {
  // One use, in the block that defines the value anew each time it runs.
  if (value.hasOneUse() && value.getParentBlock() == user->getBlock())
    return std::exchange(tensor(value), HostTensor());
  return tensor(value);
}

void Interpreter::move(Value from, Value to, Operation *user) {
  if (isa<RankedTensorType>(to.getType()))
    tensor(to) = take(from, user);
  else
    scalar(to) = scalar(from);
}

FailureOr<HostTensor> Interpreter::allocate(Location loc, Type element,
                                            ArrayRef<int64_t> shape) {
  if (!HostTensor::isSupported(element))
    return emitError(loc) << "the reference evaluator has no elements of type "
                          << element;
  std::optional<int64_t> count = HostTensor::countElements(shape);
  if (!count || *count > options.maxElements)
    return emitError(loc) << "a tensor of shape " << shapeText(shape)
                          << " is beyond the evaluator's limit of "
                          << options.maxElements << " elements";
  return HostTensor(element, shape);
}

LogicalResult Interpreter::setResult(const Instruction &ins, unsigned number,
                                     HostTensor value) {
  auto type = cast<RankedTensorType>(ins.op->getResult(number).getType());
  if (!shapeFits(value.getShape(), type))
    return ins.op->emitOpError("result has shape ")
           << shapeText(value.getShape()) << " at run time, but its type is "
           << type;
  tensor(ins.out[number]) = std::move(value);
  return success();
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

static LogicalResult runUnknown(Interpreter &, const Instruction &ins) {
  return ins.op->emitError("the reference evaluator does not know the "
                           "operation '")
         << ins.op->getName() << "'";
}

static LogicalResult runUnsupportedType(Interpreter &, const Instruction &ins) {
  return ins.op->emitError("the reference evaluator takes tensors and scalars "
                           "of f64, f32, f16, bf16, index and signless "
                           "integers up to 64 bits only");
}

static LogicalResult runNothing(Interpreter &, const Instruction &) {
  return success();
}

static const HandlerTable &getHandlers() {
  static const HandlerTable table = [] {
    HandlerTable t;
    registerScalarHandlers(t);
    registerTensorHandlers(t);
    registerReshapeHandlers(t);
    registerControlHandlers(t);
    registerLinalgHandlers(t);
    registerAttnHandlers(t);
    registerPairHandlers(t);
    // What these hand on is fetched by the operation around them.
    for (StringRef name : {"func.return", "scf.yield", "scf.forall.in_parallel",
                           "linalg.yield", "tensor.yield", "attn.yield"})
      t[name] = runNothing;
    return t;
  }();
  return table;
}

static bool isSupportedValue(Type type) {
  if (isa<ShapedType>(type) && !isa<RankedTensorType>(type))
    return false;
  return HostTensor::isSupported(getElementTypeOrSelf(type));
}

Instruction Interpreter::decode(Operation *op) {
  Instruction ins;
  ins.op = op;
  for (Value operand : op->getOperands())
    ins.in.push_back(slot(operand));
  for (Value result : op->getResults())
    ins.out.push_back(slot(result));
  ins.scalar = decodeScalarOp(op, options.precision);
  auto it = getHandlers().find(op->getName().getStringRef());
  if (it != getHandlers().end())
    ins.handler = it->second;
  else if (ins.scalar.fn)
    ins.handler = getHandlers().lookup("arith");
  else if (isa<linalg::LinalgOp>(op))
    ins.handler = runLinalg;
  else
    ins.handler = runUnknown;
  if (ins.handler != runUnknown &&
      !(llvm::all_of(op->getOperandTypes(), isSupportedValue) &&
        llvm::all_of(op->getResultTypes(), isSupportedValue)))
    ins.handler = runUnsupportedType;
  return ins;
}

const std::vector<Instruction> &Interpreter::getCode(Block &block) {
  std::unique_ptr<std::vector<Instruction>> &entry = code[&block];
  if (!entry) {
    auto decoded = std::make_unique<std::vector<Instruction>>();
    for (Operation &op : block)
      decoded->push_back(decode(&op));
    entry = std::move(decoded);
  }
  return *entry;
}

LogicalResult Interpreter::runBlock(Block &block) {
  for (const Instruction &ins : getCode(block))
    if (failed(ins.handler(*this, ins)))
      return failure();
  return success();
}

RegionRunner::RegionRunner(Interpreter &interpreter, Region &region)
    : interpreter(interpreter), block(&region.front()) {
  for (Value argument : block->getArguments())
    arguments.push_back(interpreter.slot(argument));
  for (Value yielded : block->getTerminator()->getOperands())
    yields.push_back(interpreter.slot(yielded));
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult Interpreter::bindArguments(ArrayRef<HostTensor> args) {
  if (args.size() != function.getNumArguments())
    return function.emitError("function '")
           << function.getName() << "' takes " << function.getNumArguments()
           << " arguments, got " << args.size();
  for (auto [i, arg] : llvm::enumerate(args)) {
    BlockArgument to = function.getArgument(i);
    auto type = dyn_cast<RankedTensorType>(to.getType());
    bool fits = arg && isSupportedValue(to.getType()) &&
                arg.getElementType() == getElementTypeOrSelf(to.getType()) &&
                (type ? shapeFits(arg.getShape(), type) : arg.getRank() == 0);
    if (!fits) {
      InFlightDiagnostic diag = emitError(to.getLoc())
                                << "argument " << i << " of function '"
                                << function.getName() << "' is "
                                << to.getType();
      if (arg)
        diag << ", but got " << arg.getType();
      return diag;
    }
    assign(to, arg);
  }
  return success();
}

FailureOr<SmallVector<HostTensor>> Interpreter::run(ArrayRef<HostTensor> args) {
  if (function.isExternal())
    return function.emitError("function '")
           << function.getName() << "' has no body to evaluate";
  if (!function.getBody().hasOneBlock())
    return function.emitError("the reference evaluator takes functions of one "
                              "block only");
  if (failed(bindArguments(args)) || failed(runBlock(function.front())))
    return failure();
  SmallVector<HostTensor> results;
  for (Value value : function.front().getTerminator()->getOperands())
    results.push_back(asTensor(value));
  return results;
}

LogicalResult Interpreter::evaluateSlice(ArrayRef<Value> values) {
  Block &entry = function.front();
  llvm::SmallPtrSet<Operation *, 16> needed;
  SmallVector<Value> work(values);
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    op = op ? entry.findAncestorOpInBlock(*op) : nullptr;
    if (!op || !needed.insert(op).second)
      continue;
    op->walk([&](Operation *inner) {
      llvm::append_range(work, inner->getOperands());
    });
  }
  for (const Instruction &ins : getCode(entry))
    if (needed.contains(ins.op) && failed(ins.handler(*this, ins)))
      return failure();
  return success();
}

FailureOr<SmallVector<HostTensor>>
attnc::evaluate(func::FuncOp function, ArrayRef<HostTensor> args,
                const EvaluateOptions &options) {
  return Interpreter(function, options).run(args);
}
