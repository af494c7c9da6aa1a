// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loop over a thread's workgroups around a launch's body.

#include "codegen/gpu/PtxEntries.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attnc;

namespace {

class EntryBuilder {
public:
  EntryBuilder(ModuleOp module, const LaunchParams &launch,
               LLVM::LLVMFuncOp body)
      : b(OpBuilder::atBlockEnd(module.getBody())), loc(body.getLoc()),
        launch(launch), body(body), i32(b.getI32Type()), i64(b.getI64Type()),
        pointer(LLVM::LLVMPointerType::get(b.getContext())) {}

  LogicalResult run();

private:
  OpBuilder b;
  Location loc;
  const LaunchParams &launch;
  LLVM::LLVMFuncOp body, entry;
  Type i32, i64, pointer;

  void declare();
  Value constant(Type type, int64_t value) {
    return LLVM::ConstantOp::create(b, loc, type,
                                    b.getIntegerAttr(type, value));
  }
  Value wide(Value x) { return LLVM::ZExtOp::create(b, loc, i64, x); }
  Value mul(Value x, Value y) { return LLVM::MulOp::create(b, loc, x, y); }
  Value add(Value x, Value y) { return LLVM::AddOp::create(b, loc, x, y); }

  /// This thread's part of the launch's scratch.
  Value scratchOf(Value thread);
  LogicalResult callByThreads(Value status);
  LogicalResult callByBlock(Value status);
  void report(Value status);
};

} // namespace

void EntryBuilder::declare() {
  auto words =
      LLVM::LLVMArrayType::get(i64, std::max<int64_t>(countWords(launch), 1));
  SmallVector<Type> types(launch.threads ? 2 : 4, i64);
  types[0] = pointer;
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), types);
  entry = LLVM::LLVMFuncOp::create(b, loc, entryName(launch.number), type,
                                   LLVM::Linkage::External, /*dsoLocal=*/true);
  auto threads = static_cast<int32_t>(
      launch.threads ? launch.threads : int64_t(attnc::gpu::kThreads));
  entry->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  entry->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                 b.getDenseI32ArrayAttr({threads, 1, 1}));
  if (launch.minBlocks)
    entry->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                   b.getI32IntegerAttr(launch.minBlocks));
  entry.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(),
                   TypeAttr::get(words));
  entry.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                   b.getI64IntegerAttr(8));
  entry.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(),
                   b.getUnitAttr());
}

Value EntryBuilder::scratchOf(Value thread) {
  auto type = cast<MemRefType>(launch.params[launch.params.size() - 2].type);
  int64_t bytes = llvm::alignTo(type.getDimSize(0), ATTNC_SCRATCH_ALIGNMENT);
  Value address = add(entry.getArgument(3), mul(thread, constant(i64, bytes)));
  return LLVM::IntToPtrOp::create(b, loc, pointer, address);
}

/// Leaves the current block: an atomic OR only where there is something to say.
void EntryBuilder::report(Value status) {
  Block *some = entry.addBlock(), *end = entry.addBlock();
  Value isBad = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, status,
                                     constant(i32, 0));
  LLVM::CondBrOp::create(b, loc, isBad, some, end);
  b.setInsertionPointToStart(some);
  Value address =
      LLVM::IntToPtrOp::create(b, loc, pointer, entry.getArgument(1));
  LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::_or, address, status,
                            LLVM::AtomicOrdering::monotonic);
  LLVM::BrOp::create(b, loc, ValueRange(), end);
  b.setInsertionPointToStart(end);
  LLVM::ReturnOp::create(b, loc, ValueRange());
}

/// A loop over workgroups, each run by one thread.
LogicalResult EntryBuilder::callByThreads(Value status) {
  Value threads = wide(NVVM::BlockDimXOp::create(b, loc, i32));
  Value first = add(mul(wide(NVVM::BlockIdXOp::create(b, loc, i32)), threads),
                    wide(NVVM::ThreadIdXOp::create(b, loc, i32)));
  Value step = mul(wide(NVVM::GridDimXOp::create(b, loc, i32)), threads);
  Value scratch = scratchOf(first);

  Block *test = entry.addBlock(), *loop = entry.addBlock(),
        *done = entry.addBlock();
  Value workgroup = test->addArgument(i64, loc);
  LLVM::BrOp::create(b, loc, ValueRange(first), test);
  b.setInsertionPointToStart(test);
  Value more = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ult, workgroup,
                                    entry.getArgument(2));
  LLVM::CondBrOp::create(b, loc, more, loop, done);
  b.setInsertionPointToStart(loop);
  if (failed(callLaunchBody(b, body, launch, entry.getArgument(0), workgroup,
                            scratch, status)))
    return failure();
  LLVM::BrOp::create(b, loc, ValueRange(add(workgroup, step)), test);
  b.setInsertionPointToStart(done);
  return success();
}

/// One workgroup, run by the block.
LogicalResult EntryBuilder::callByBlock(Value status) {
  auto shared = body->getParentOfType<ModuleOp>().lookupSymbol<LLVM::GlobalOp>(
      stage5::kSharedSymbol);
  Value scratch;
  if (shared)
    scratch = LLVM::AddrSpaceCastOp::create(
        b, loc, pointer, LLVM::AddressOfOp::create(b, loc, shared));
  else
    scratch = LLVM::ZeroOp::create(b, loc, pointer);
  Value workgroup = wide(NVVM::BlockIdXOp::create(b, loc, i32));
  return callLaunchBody(b, body, launch, entry.getArgument(0), workgroup,
                        scratch, status);
}

LogicalResult EntryBuilder::run() {
  if (countWords(launch) > ATTNC_MAX_GPU_WORDS)
    return body.emitError()
           << "takes " << countWords(launch)
           << " words, more than the parameters of a GPU kernel hold";
  declare();
  body.setAlwaysInline(true);
  b.setInsertionPointToStart(entry.addEntryBlock(b));
  Value status = LLVM::AllocaOp::create(b, loc, pointer, i32, constant(i64, 1),
                                        /*alignment=*/4);
  LLVM::StoreOp::create(b, loc, constant(i32, 0), status);
  if (failed(launch.threads ? callByBlock(status) : callByThreads(status)))
    return failure();
  report(LLVM::LoadOp::create(b, loc, i32, status));
  return success();
}

LogicalResult attnc::gpu::addPtxEntries(ModuleOp module,
                                        ArrayRef<LaunchParams> launches) {
  for (const LaunchParams &launch : launches) {
    auto body = module.lookupSymbol<LLVM::LLVMFuncOp>(launch.body);
    if (!body)
      return module.emitError() << "launch " << launch.body << " was lost";
    if (failed(EntryBuilder(module, launch, body).run()))
      return failure();
  }
  return success();
}
