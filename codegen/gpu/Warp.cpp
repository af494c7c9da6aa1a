// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Instructions of tensor-core kernels in the arith, llvm and nvvm dialects.

#include "codegen/gpu/Warp.h"
#include "codegen/llvm/Stage5.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace attnc::gpu;
using mlir::arith::CmpIPredicate;

Values attnc::gpu::flat(ArrayRef<Quad> quads) {
  Values values;
  for (const Quad &quad : quads)
    values.append(quad.begin(), quad.end());
  return values;
}

void attnc::gpu::takeFront(ValueRange &values, MutableArrayRef<Value> single) {
  llvm::copy(values.take_front(single.size()), single.begin());
  values = values.drop_front(single.size());
}

void attnc::gpu::takeFront(ValueRange &values, std::vector<Quad> &quads) {
  for (Quad &quad : quads)
    takeFront(values, MutableArrayRef<Value>(quad));
}

Value Warp::i32(int64_t x) {
  return arith::ConstantOp::create(e.b, e.loc,
                                   e.b.getI32IntegerAttr(int32_t(x)));
}
Value Warp::toI32(Value index) { return e.toI32(index); }
Value Warp::toIndex(Value x) {
  return e.b.createOrFold<arith::IndexCastOp>(e.loc, e.b.getIndexType(), x);
}
Value Warp::toI64(Value index) {
  return e.b.createOrFold<arith::IndexCastOp>(e.loc, e.b.getI64Type(), index);
}
Value Warp::add(Value x, Value y) { return e.add(x, y); }
Value Warp::sub(Value x, Value y) { return e.sub(x, y); }
Value Warp::mul(Value x, int64_t y) { return y == 1 ? x : e.mul(x, i32(y)); }
Value Warp::andBits(Value x, int64_t y) { return andBits(x, i32(y)); }
Value Warp::andBits(Value x, Value y) {
  return e.b.createOrFold<arith::AndIOp>(e.loc, x, y);
}
Value Warp::orBits(Value x, Value y) {
  return e.b.createOrFold<arith::OrIOp>(e.loc, x, y);
}
Value Warp::xorBits(Value x, Value y) {
  return e.b.createOrFold<arith::XOrIOp>(e.loc, x, y);
}
Value Warp::shiftLeft(Value x, int64_t y) {
  return e.b.createOrFold<arith::ShLIOp>(e.loc, x, i32(y));
}
Value Warp::shiftRight(Value x, int64_t y) {
  return e.b.createOrFold<arith::ShRUIOp>(e.loc, x, i32(y));
}
Value Warp::less(Value x, Value y) { return e.cmp(CmpIPredicate::slt, x, y); }
Value Warp::atMost(Value x, Value y) { return e.cmp(CmpIPredicate::sle, x, y); }
Value Warp::minimum(Value x, Value y) { return e.min(x, y); }
Value Warp::maximum(Value x, Value y) { return e.max(x, y); }

Value Warp::call(Type result, StringRef intrinsic, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, result,
                                       e.b.getStringAttr(intrinsic), arguments)
      .getResult(0);
}

Value Warp::f32(double x) { return e.constant(e.b.getF32Type(), x); }
Value Warp::exp2(Value x) {
  return call(e.b.getF32Type(), "llvm.nvvm.ex2.approx.ftz.f32", x);
}
Value Warp::larger(Value x, Value y) {
  return arith::MaxNumFOp::create(e.b, e.loc, x, y);
}
Value Warp::pack(Value low, Value high) {
  bool isBf16 = element.isBF16();
  Value pair = call(VectorType::get({2}, element),
                    isBf16 ? "llvm.nvvm.ff2bf16x2.rn" : "llvm.nvvm.ff2f16x2.rn",
                    {high, low});
  return isBf16 ? Value(LLVM::BitcastOp::create(e.b, e.loc, i32Type(), pair))
                : pair;
}

Value Warp::threadId() {
  return NVVM::ThreadIdXOp::create(e.b, e.loc, i32Type());
}
Value Warp::shuffleXor(Value x, int64_t mask) {
  return NVVM::ShflOp::create(e.b, e.loc, x.getType(), i32(-1), x, i32(mask),
                              i32(31), NVVM::ShflKind::bfly, UnitAttr());
}
Value Warp::any(Value condition) {
  return NVVM::VoteSyncOp::create(e.b, e.loc, e.b.getI1Type(), i32(-1),
                                  condition, NVVM::VoteSyncKind::any);
}
void Warp::fence() { NVVM::SyncWarpOp::create(e.b, e.loc, i32(-1)); }

void Warp::barrier() { NVVM::BarrierOp::create(e.b, e.loc); }
Value Warp::barrierOr(Value condition) {
  Value bit = arith::ExtUIOp::create(e.b, e.loc, i32Type(), condition);
  auto reduction = NVVM::BarrierReductionAttr::get(e.b.getContext(),
                                                   NVVM::BarrierReduction::OR);
  Value some = NVVM::BarrierOp::create(e.b, e.loc, TypeRange(i32Type()),
                                       Value(), Value(), reduction, bit)
                   .getResult(0);
  return e.cmp(CmpIPredicate::ne, some, i32(0));
}

static Type pointerType(Emitter &e, unsigned space) {
  return LLVM::LLVMPointerType::get(e.b.getContext(), space);
}

Value Warp::sharedBase() {
  Value base = LLVM::AddressOfOp::create(e.b, e.loc, pointerType(e, 3),
                                         stage5::kSharedSymbol);
  return LLVM::PtrToIntOp::create(e.b, e.loc, i32Type(), base);
}

static Value pointer(Emitter &e, unsigned space, Value address,
                     int64_t offset) {
  Type type = pointerType(e, space);
  if (address.getType().isIndex())
    address = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), address);
  Value base = LLVM::IntToPtrOp::create(e.b, e.loc, type, address);
  if (offset == 0)
    return base;
  return LLVM::GEPOp::create(
      e.b, e.loc, type, e.b.getI8Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
}
Value Warp::sharedPointer(Value address, int64_t offset) {
  return pointer(e, 3, address, offset);
}
Value Warp::globalPointer(Value address, int64_t offset) {
  return pointer(e, 1, address, offset);
}
Value Warp::loadShared(Type type, Value address, int64_t offset,
                       int64_t alignment) {
  return LLVM::LoadOp::create(e.b, e.loc, type, sharedPointer(address, offset),
                              alignment);
}
void Warp::storeShared(Value value, Value address, int64_t offset) {
  LLVM::StoreOp::create(e.b, e.loc, value, sharedPointer(address, offset));
}

Value Warp::operand(Value x) {
  if (element.isBF16())
    return x;
  return LLVM::BitcastOp::create(e.b, e.loc, VectorType::get({2}, element), x);
}

Quad Warp::loadMatrices(Value address, int64_t offset, bool transposed) {
  MLIRContext *context = e.b.getContext();
  Type type = LLVM::LLVMStructType::getLiteral(context,
                                               SmallVector<Type>(4, i32Type()));
  Value all = NVVM::LdMatrixOp::create(
      e.b, e.loc, type, sharedPointer(address, offset), 4,
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(context, 8, 8),
      NVVM::LdStMatrixEltType::B16);
  Quad result;
  for (int64_t i = 0; i < 4; ++i)
    result[i] = operand(LLVM::ExtractValueOp::create(e.b, e.loc, all, i));
  return result;
}

Quad Warp::multiply(const Quad &a, Value b0, Value b1, const Quad &c) {
  Type f32 = e.b.getF32Type();
  Type type = LLVM::LLVMStructType::getLiteral(e.b.getContext(),
                                               SmallVector<Type>(4, f32));
  NVVM::MMATypes types =
      element.isBF16() ? NVVM::MMATypes::bf16 : NVVM::MMATypes::f16;
  Value b[] = {b0, b1};
  int64_t shape[] = {16, 8, 16};
  Value all = NVVM::MmaOp::create(
      e.b, e.loc, type, ValueRange(a), ValueRange(b), ValueRange(c), shape,
      std::nullopt, std::nullopt, std::array{types, types},
      std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Quad result;
  for (int64_t i = 0; i < 4; ++i)
    result[i] = LLVM::ExtractValueOp::create(e.b, e.loc, all, i);
  return result;
}

void Warp::copyAsync(Value address, int64_t offset, Value global, Value size) {
  NVVM::CpAsyncOp::create(e.b, e.loc, sharedPointer(address, offset),
                          globalPointer(global), 16,
                          NVVM::LoadCacheModifierKind::CG, size);
}
void Warp::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(e.b, e.loc); }
void Warp::waitCopies(int64_t groupsLeft) {
  NVVM::CpAsyncWaitGroupOp::create(e.b, e.loc, groupsLeft);
}

void attnc::gpu::declareShared(ModuleOp module) {
  if (module.lookupSymbol(stage5::kSharedSymbol))
    return;
  OpBuilder b(module.getContext());
  b.setInsertionPointToStart(module.getBody());
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  LLVM::GlobalOp::create(b, module.getLoc(), type, /*isConstant=*/false,
                         LLVM::Linkage::External, stage5::kSharedSymbol,
                         Attribute(),
                         /*alignment=*/1024, /*addrSpace=*/3);
}
