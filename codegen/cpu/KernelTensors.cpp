// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbering of a kernel's tensors and its signature attribute.

#include "codegen/cpu/KernelTensors.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/LaunchConstraints.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;

Value KernelTensors::strip(Value value) {
  while (auto cast = value.getDefiningOp<tensor::CastOp>())
    value = cast.getSource();
  return value;
}

Value KernelTensors::memoryOf(Value value) {
  value = strip(value);
  auto forall = value.getDefiningOp<scf::ForallOp>();
  if (!forall)
    return value;
  unsigned number = cast<OpResult>(value).getResultNumber();
  Value destination = memoryOf(forall.getOutputs()[number]);
  return isa<BlockArgument>(destination) ? destination : value;
}

FailureOr<KernelTensors> KernelTensors::create(func::FuncOp func) {
  KernelTensors result;
  result.func = func;
  if (func.isExternal() || !func.getBody().hasOneBlock())
    return func.emitError("needs a body of one block to become a kernel");
  for (BlockArgument arg : func.getArguments()) {
    if (!isa<RankedTensorType>(arg.getType()))
      return func.emitError("argument ")
             << arg.getArgNumber()
             << " must be a ranked tensor to become a kernel's (a scalar is a "
                "tensor<...> of rank 0), got "
             << arg.getType();
    result.entries[arg] = {Kind::Input, arg.getArgNumber()};
  }
  result.isWritten.assign(func.getNumArguments(), false);
  for (auto forall : func.front().getOps<scf::ForallOp>())
    for (Value value : forall.getResults())
      if (auto arg = dyn_cast<BlockArgument>(memoryOf(value)))
        result.isWritten[arg.getArgNumber()] = true;
  Operation *ret = func.front().getTerminator();
  int64_t number = func.getNumArguments();
  for (OpOperand &operand : ret->getOpOperands()) {
    Value value = strip(operand.get());
    if (!value.getDefiningOp<scf::ForallOp>())
      return ret->emitError("returns value ")
             << operand.getOperandNumber()
             << ", which no launch computes: a kernel returns results of "
                "attention or of operations around it";
    if (isa<BlockArgument>(memoryOf(value)))
      continue;
    if (!result.entries.insert({value, {Kind::Output, number++}}).second)
      return ret->emitError("returns one value twice");
    result.outputs.push_back(value);
    result.outputInfos.push_back(
        {operand.getOperandNumber(), operand.get().getType()});
  }
  for (Operation &op : func.front()) {
    auto forall = dyn_cast<scf::ForallOp>(op);
    if (!forall)
      continue;
    for (Value value : forall.getResults())
      // An unused result, too, has to be written somewhere.
      if (!isa<BlockArgument>(memoryOf(value)) &&
          result.entries.insert({value, {Kind::Temporary, number}}).second) {
        ++number;
        result.temporaries.push_back(value);
      }
  }
  return result;
}

std::optional<KernelTensors::Entry> KernelTensors::find(Value value) const {
  auto it = entries.find(memoryOf(value));
  if (it == entries.end())
    return std::nullopt;
  return it->second;
}

std::string KernelTensors::nameOf(bool isOutput, unsigned number) {
  StringAttr name =
      isOutput ? func.getResultAttrOfType<StringAttr>(number, "attn.name")
               : func.getArgAttrOfType<StringAttr>(number, "attn.name");
  if (name)
    return name.str();
  return (isOutput ? "out" : "arg") + std::to_string(number);
}

/// Bytes of an element in memory; bools are bytes.
static int64_t elementBytes(Type element) {
  if (element.isIndex())
    return 8;
  return std::max<int64_t>(element.getIntOrFloatBitWidth() / 8, 1);
}

tensor::ExtractSliceOp attnc::cpu::yieldedSlice(Region &loader) {
  Block &block = loader.front();
  auto slice = block.getTerminator()
                   ->getOperand(0)
                   .getDefiningOp<tensor::ExtractSliceOp>();
  bool isRow = slice && slice->getBlock() == &block && slice.hasUnitStride();
  return isRow ? slice : tensor::ExtractSliceOp();
}

/// Tensors that tensor-core folds read and write: rows go by 16 bytes.
DenseSet<Value> KernelTensors::copiedByChunks() {
  DenseSet<Value> result;
  for (auto forall : func.front().getOps<scf::ForallOp>())
    forall.walk([&](FoldOp fold) {
      if (!fold.getSchedule().getMma())
        return;
      for (Region *loader :
           {&fold.getLoadQ(), &fold.getLoadK(), &fold.getLoadV()})
        if (auto slice = loader->front()
                             .getTerminator()
                             ->getOperand(0)
                             .getDefiningOp<tensor::ExtractSliceOp>())
          result.insert(memoryOf(slice.getSource()));
      for (Value value : forall.getResults())
        if (getElementTypeOrSelf(value.getType()) ==
            FoldOp::getRowType(fold.getLoadQ()).getElementType())
          result.insert(memoryOf(value));
    });
  return result;
}

/// out.dim - size = 0, with out.dim as the last symbol.
static Attribute sizeConstraint(FormulaAttr size, int64_t tensor, int64_t dim,
                                const std::string &name) {
  Builder b(size.getContext());
  SmallVector<int64_t> dims;
  if (size.getDims())
    llvm::append_range(dims, size.getDims().asArrayRef());
  unsigned symbol = dims.size() / 2;
  dims.append({tensor, dim});
  AffineExpr expr = b.getAffineSymbolExpr(symbol) - size.getMap().getResult(0);
  auto formula =
      FormulaAttr::get(b.getContext(), AffineMap::get(0, symbol + 1, expr),
                       b.getDenseI64ArrayAttr(dims));
  return b.getDictionaryAttr(
      {b.getNamedAttr("formula", formula),
       b.getNamedAttr("message",
                      b.getStringAttr("dim " + Twine(dim) + " of " + name +
                                      " must be what the inputs give"))});
}

/// Bytes of a temporary; null where its sizes are no formula of arguments.
FormulaAttr KernelTensors::bytesOf(Value temporary) {
  Builder b(func.getContext());
  auto type = cast<RankedTensorType>(temporary.getType());
  SmallVector<int64_t> dims;
  AffineExpr bytes =
      b.getAffineConstantExpr(elementBytes(type.getElementType()));
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    FormulaAttr size = sizeFormula(temporary, dim);
    if (!size)
      return {};
    SmallVector<AffineExpr> symbols;
    ArrayRef<int64_t> sizeDims =
        size.getDims() ? size.getDims().asArrayRef() : ArrayRef<int64_t>();
    for (unsigned s = 0; s < size.getMap().getNumSymbols(); ++s) {
      symbols.push_back(b.getAffineSymbolExpr(dims.size() / 2));
      dims.append({sizeDims[2 * s], sizeDims[2 * s + 1]});
    }
    bytes = bytes * size.getMap().getResult(0).replaceSymbols(symbols);
  }
  return FormulaAttr::get(
      b.getContext(), AffineMap::get(0, dims.size() / 2, bytes),
      dims.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(dims));
}

FailureOr<DictionaryAttr> KernelTensors::kernelAttr() {
  constexpr int64_t kChunkBytes = 16;
  DenseSet<Value> copied = copiedByChunks();
  Builder b(func.getContext());
  SmallVector<Attribute> args, constraints, temps;
  auto addArg = [&](const std::string &name, StringRef role, Type type,
                    Value value) {
    int64_t alignment =
        elementBytes(cast<RankedTensorType>(type).getElementType());
    if (copied.contains(memoryOf(value)))
      alignment = std::max(alignment, kChunkBytes);
    args.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("name", b.getStringAttr(name)),
         b.getNamedAttr("role", b.getStringAttr(role)),
         b.getNamedAttr("type", TypeAttr::get(type)),
         b.getNamedAttr("alignment", b.getI64IntegerAttr(alignment))}));
  };
  for (BlockArgument arg : func.getArguments())
    addArg(nameOf(false, arg.getArgNumber()),
           isWritten[arg.getArgNumber()] ? "inout" : "input", arg.getType(),
           arg);
  if (auto recorded = func->getAttrOfType<ArrayAttr>(kConstraintsAttr))
    llvm::append_range(constraints, recorded);
  for (auto [i, value] : llvm::enumerate(outputs)) {
    std::string name = nameOf(true, outputInfos[i].result);
    addArg(name, "output", outputInfos[i].type, value);
    auto type = cast<RankedTensorType>(outputInfos[i].type);
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim))
        continue;
      FormulaAttr size = sizeFormula(value, dim);
      if (!size)
        return func.emitError("cannot derive dim ")
               << dim << " of result " << outputInfos[i].result
               << " from the arguments' sizes";
      constraints.push_back(sizeConstraint(
          size, static_cast<int64_t>(func.getNumArguments() + i), dim, name));
    }
  }
  for (Value value : temporaries) {
    FormulaAttr bytes = bytesOf(value);
    if (!bytes)
      return func.emitError("cannot derive the size of a temporary from the "
                            "arguments' sizes");
    temps.push_back(bytes);
  }
  return b.getDictionaryAttr(
      {b.getNamedAttr("name", b.getStringAttr(func.getName())),
       b.getNamedAttr("args", b.getArrayAttr(args)),
       b.getNamedAttr("constraints", b.getArrayAttr(constraints)),
       b.getNamedAttr("temps", b.getArrayAttr(temps))});
}
