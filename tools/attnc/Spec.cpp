// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading spec files.

#include "tools/attnc/Spec.h"
#include "attnc/kernel_format.h"
#include "codegen/llvm/Stage5.h"
#include "dialect/Attn.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/AsmParser/AsmParserState.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

using namespace attnc;
using namespace mlir;

static constexpr StringRef nameAttr = "attn.name";

void attnc::printError(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "attnc") << message << '\n';
}
void attnc::printError(llvm::Error error) {
  printError(llvm::toString(std::move(error)));
}

bool attnc::isKernelFile(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFileSlice(path, ATTNC_FILE_MAGIC_BYTES, 0);
  if (path != "-" && file &&
      (*file)->getBuffer() ==
          StringRef(ATTNC_FILE_MAGIC, ATTNC_FILE_MAGIC_BYTES))
    return true;
  return path.ends_with(".attnc");
}

attnc_dtype attnc::elementDtype(Type type) {
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
  if (type.isIndex() || type.isSignlessInteger(64))
    return ATTNC_DTYPE_I64;
  if (type.isSignlessInteger(32))
    return ATTNC_DTYPE_I32;
  if (type.isSignlessInteger(16))
    return ATTNC_DTYPE_I16;
  if (type.isSignlessInteger(8))
    return ATTNC_DTYPE_I8;
  if (type.isUnsignedInteger(8))
    return ATTNC_DTYPE_U8;
  if (type.isSignlessInteger(1))
    return ATTNC_DTYPE_BOOL;
  return ATTNC_DTYPE_INVALID;
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

std::unique_ptr<Spec> Spec::load(MLIRContext &context, StringRef path,
                                 StringRef function) {
  if (path != "-" && llvm::sys::fs::is_directory(path)) {
    printError(path + ": it is a directory");
    return nullptr;
  }
  auto file = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (!file) {
    printError(path + ": " + file.getError().message());
    return nullptr;
  }
  return parse(context, std::move(*file), function);
}

std::unique_ptr<Spec> Spec::parse(MLIRContext &context,
                                  std::unique_ptr<llvm::MemoryBuffer> text,
                                  StringRef function) {
  std::unique_ptr<Spec> spec(new Spec(context));
  spec->sourceMgr.AddNewSourceBuffer(std::move(text), SMLoc());
  if (failed(spec->parseModule()))
    return nullptr;
  if (isStage5(*spec->module))
    return spec;
  if (failed(spec->chooseFunction(function)) || failed(spec->readSignature()))
    return nullptr;
  return spec;
}

StringRef Spec::getText() const {
  return sourceMgr.getMemoryBuffer(sourceMgr.getMainFileID())->getBuffer();
}

LogicalResult Spec::parseModule() {
  const llvm::MemoryBuffer &buffer =
      *sourceMgr.getMemoryBuffer(sourceMgr.getMainFileID());
  ParserConfig config(&context);
  if (isBytecode(buffer)) {
    // No text, hence no names but those in attn.name.
    module = parseSourceFile<ModuleOp>(sourceMgr, config);
    return success(static_cast<bool>(module));
  }
  Block block;
  AsmParserState state;
  if (failed(parseAsmSourceFile(sourceMgr, &block, config, &state)))
    return failure();
  Location loc = FileLineColLoc::get(&context, buffer.getBufferIdentifier(),
                                     /*line=*/0, /*column=*/0);
  module = detail::constructContainerOpForParserIfNecessary<ModuleOp>(
      &block, &context, loc);
  if (!module)
    return failure();

  // MLIR drops the names of values; the parser's notes for editors keep where
  // each argument is spelled out.
  for (const AsmParserState::BlockDefinition &definition :
       state.getBlockDefs()) {
    auto func = dyn_cast<func::FuncOp>(definition.block->getParentOp());
    if (!func || !definition.block->isEntryBlock())
      continue;
    for (auto [number, argument] : llvm::enumerate(definition.arguments)) {
      SMRange range = argument.loc;
      if (!range.isValid() || number >= func.getNumArguments() ||
          func.getArgAttr(number, nameAttr))
        continue;
      StringRef name(range.Start.getPointer(),
                     range.End.getPointer() - range.Start.getPointer());
      if (name.consume_front("%") && !name.empty())
        func.setArgAttr(number, nameAttr, StringAttr::get(&context, name));
    }
  }
  return success();
}

LogicalResult Spec::chooseFunction(StringRef wanted) {
  SmallVector<func::FuncOp> candidates;
  module->walk([&](func::FuncOp func) {
    if (!func.isExternal() && (wanted.empty() ? func.isPublic() : true))
      candidates.push_back(func);
  });
  if (!wanted.empty()) {
    llvm::erase_if(candidates,
                   [&](func::FuncOp f) { return f.getName() != wanted; });
    if (candidates.empty())
      return emitError(module->getLoc())
             << "there is no function '" << wanted << "'";
  }
  if (candidates.empty())
    return emitError(module->getLoc())
           << "there is no public function with a body";
  if (candidates.size() > 1) {
    InFlightDiagnostic diag =
        candidates[1].emitError("the file has several functions; choose one "
                                "with --function=: ");
    llvm::interleaveComma(candidates, diag,
                          [&](func::FuncOp f) { diag << f.getName(); });
    return diag;
  }
  function = candidates.front();
  return success();
}

/// Describes one argument or result; fails on types that have no place in an
/// array file.
static LogicalResult describe(Location loc, Type type, StringAttr name,
                              const std::string &fallback,
                              std::vector<Argument> &to) {
  Argument argument;
  argument.name = name ? name.str() : fallback;
  argument.loc = loc;
  Type element = type;
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    element = tensor.getElementType();
    for (int64_t size : tensor.getShape())
      argument.dims.push_back(ShapedType::isDynamic(size) ? -1 : size);
  }
  argument.dtype = elementDtype(element);
  if (argument.dtype == ATTNC_DTYPE_INVALID)
    return emitError(loc) << "'" << argument.name << "' of type " << type
                          << " cannot be passed: not a ranked tensor or number "
                             "of a known element type";
  if (argument.dims.size() > ATTNC_MAX_RANK)
    return emitError(loc) << "'" << argument.name << "' has more than "
                          << ATTNC_MAX_RANK << " dimensions";
  to.push_back(std::move(argument));
  return success();
}

/// The argument that a result updates: a cache that rows are appended to.
static std::optional<size_t> updatedArgument(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto append = dyn_cast<attn::AppendOp>(op))
      value = append.getCache();
    else if (auto cast = dyn_cast<tensor::CastOp>(op))
      value = cast.getSource();
    else if (auto forall = dyn_cast<scf::ForallOp>(op)) // stage 4
      value =
          forall.getOutputs()[llvm::cast<OpResult>(value).getResultNumber()];
    else
      return std::nullopt;
    if (auto argument = dyn_cast<BlockArgument>(value);
        argument && isa<func::FuncOp>(argument.getOwner()->getParentOp()))
      return argument.getArgNumber();
  }
  return std::nullopt;
}

LogicalResult Spec::readSignature() {
  signature.name = function.getName().str();
  Builder b(&context);
  llvm::StringSet<> seen;
  auto nameOnce = [&](Location loc, StringRef name) -> LogicalResult {
    if (name.empty() || name.contains('=') || !seen.insert(name).second)
      return emitError(loc)
             << "'" << name << "' is no name for an argument, or not unique";
    return success();
  };
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto name = function.getArgAttrOfType<StringAttr>(number, nameAttr);
    if (failed(describe(argument.getLoc(), argument.getType(), name,
                        "arg" + std::to_string(number), signature.inputs)) ||
        failed(nameOnce(argument.getLoc(), signature.inputs.back().name)))
      return failure();
    function.setArgAttr(number, nameAttr,
                        b.getStringAttr(signature.inputs.back().name));
  }
  unsigned results = function.getNumResults();
  if (results == 0)
    return function.emitError("the function has no result");
  for (unsigned number = 0; number < results; ++number) {
    auto name = function.getResultAttrOfType<StringAttr>(number, nameAttr);
    std::string fallback =
        results == 1 ? "out" : "out" + std::to_string(number);
    if (failed(describe(function.getLoc(), function.getResultTypes()[number],
                        name, fallback, signature.outputs)) ||
        failed(nameOnce(function.getLoc(), signature.outputs.back().name)))
      return failure();
    signature.outputs.back().updates =
        updatedArgument(function.front().getTerminator()->getOperand(number));
    function.setResultAttr(number, nameAttr,
                           b.getStringAttr(signature.outputs.back().name));
  }
  return success();
}
