// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention: the numbered constraints of its documentation, in order.

#include "dialect/VerifierSupport.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// C1-C7: queries, keys, values, result
//===----------------------------------------------------------------------===//

static LogicalResult verifyTypes(AttentionOp op) {
  RankedTensorType q = op.getQueryType(), k = op.getKeyType(),
                   v = op.getValueType();
  if (q.getRank() < 2 || k.getRank() != q.getRank() ||
      v.getRank() != q.getRank() || (op.getPages() && q.getRank() != 4))
    return op.emitOpError("(C1) q, k and v need one rank >= 2 (4 when paged), "
                          "got ")
           << q.getRank() << ", " << k.getRank() << ", " << v.getRank();
  Type element = q.getElementType();
  if (!element.isF64() && !element.isF32() && !element.isF16() &&
      !element.isBF16())
    return op.emitOpError("(C2) q needs f64, f32, f16 or bf16 elements, got ")
           << element;
  if (k.getElementType() != element || v.getElementType() != element)
    return op.emitOpError("(C2) q, k and v need one element type, got ")
           << element << ", " << k.getElementType() << ", "
           << v.getElementType();
  if (op.getNumResults() == 0)
    return op.emitOpError("(C7) has no result");
  if (op.getOutputType().getElementType() != element)
    return op.emitOpError("(C2) the result needs q's element type, got ")
           << op.getOutputType().getElementType();
  return success();
}

static LogicalResult verifyShapes(AttentionOp op) {
  RankedTensorType q = op.getQueryType(), k = op.getKeyType(),
                   v = op.getValueType();
  for (int64_t d = 0, e = op.getPages() ? 0 : op.getBatchRank(); d < e; ++d)
    if (differ(q.getDimSize(d), k.getDimSize(d)) ||
        differ(q.getDimSize(d), v.getDimSize(d)))
      return op.emitOpError("(C3) batch dim ")
             << d << " differs: " << q.getDimSize(d) << ", " << k.getDimSize(d)
             << ", " << v.getDimSize(d);
  if (op.hasHeads()) {
    int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
    int64_t valueHeads = v.getDimSize(v.getRank() - 3);
    if (differ(keyHeads, valueHeads))
      return op.emitOpError("(C4) k has ")
             << keyHeads << " heads and v " << valueHeads;
    bool known =
        !ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads);
    if (keyHeads == 0 || (known && heads % keyHeads != 0))
      return op.emitOpError("(C4) key heads must divide query heads, got ")
             << keyHeads << " and " << heads;
  }
  int64_t d = q.getShape().back(), dv = v.getShape().back();
  if (ShapedType::isDynamic(d) || d < 1 || k.getShape().back() != d)
    return op.emitOpError("(C5) q and k need one static head size >= 1, got ")
           << q.getShape().back() << " and " << k.getShape().back();
  if (ShapedType::isDynamic(dv) || dv < 1)
    return op.emitOpError("(C5) v needs a static head size >= 1");
  if (differ(k.getDimSize(k.getRank() - 2), v.getDimSize(v.getRank() - 2)))
    return op.emitOpError("(C6) k has ")
           << k.getDimSize(k.getRank() - 2) << " rows and v "
           << v.getDimSize(v.getRank() - 2);
  return success();
}

/// [batch..., heads, tail...]; without heads as q has none.
static SmallVector<int64_t> withLead(AttentionOp op, ArrayRef<int64_t> tail) {
  RankedTensorType q = op.getQueryType();
  SmallVector<int64_t> dims(q.getShape().drop_back(2));
  llvm::append_range(dims, tail);
  return dims;
}

static LogicalResult verifyFirstResult(AttentionOp op) {
  SmallVector<int64_t> dims =
      withLead(op, {op.getQueryRows(), op.getValueDim()});
  if (!hasShape(op.getOutputType(), dims) ||
      op.getOutputType().getShape().back() != op.getValueDim())
    return op.emitOpError("(C7) the first result must be ")
           << shapeText(dims) << ", got " << op.getOutputType();
  return success();
}

//===----------------------------------------------------------------------===//
// C8-C10: lengths, pages, bias
//===----------------------------------------------------------------------===//

static LogicalResult verifyLengths(AttentionOp op) {
  std::pair<StringRef, Value> operands[] = {{"lengths", op.getLengths()},
                                            {"q_lengths", op.getQLengths()},
                                            {"q_start", op.getQStart()},
                                            {"k_start", op.getKStart()}};
  for (auto [name, value] : operands)
    if (value && !isPerBatch(op, value.getType()))
      return op.emitOpError("(C8) ")
             << name
             << " must be an integer, or an integer tensor with one value or "
                "one a batch, got "
             << value.getType();
  return success();
}

/// A packed page table leaves no number of key rows that batches share.
static LogicalResult verifyNoKeyRows(AttentionOp op) {
  auto refuse = [&](const Twine &what) {
    return op.emitOpError("(C9) with page_indptr ")
           << what << " cannot have a dim of key rows";
  };
  bool setHasKeys = false;
  for (PairsAttr set : {op.getMaskSet(), op.getSparsityAttr()})
    if (set)
      set.visit([&](PairsAttr node) {
        setHasKeys |=
            node.getKind() == PairKind::Keys ||
            node.getKind() == PairKind::Dense ||
            (node.getKind() == PairKind::Ranges && !node.getParams()[0].value);
      });
  if (setHasKeys)
    return refuse("a set");
  if (op.getBias() &&
      cast<RankedTensorType>(op.getBias().getType()).getShape().back() != 1)
    return refuse("bias");
  if (op.getDecay() &&
      cast<RankedTensorType>(op.getDecay().getType()).getRank() > 1)
    return refuse("decay");
  for (ResultKind kind : op.getReturnKinds())
    if (kind == ResultKind::Scores || kind == ResultKind::Probs ||
        kind == ResultKind::ColumnSums)
      return refuse("result '" + stringifyResultKind(kind) + "'");
  return success();
}

static LogicalResult verifyPages(AttentionOp op) {
  if (op.getPageIndptr() && !op.getPages())
    return op.emitOpError("(C9) page_indptr needs pages");
  if (!op.getPages())
    return success();
  if (failed(verifyPageTable(op, op.getPages(), op.getPageIndptr(),
                             op.getQueryType().getDimSize(0), op.getPageSize(),
                             "C9")))
    return failure();
  if (!op.getLengths())
    return op.emitOpError("(C9) pages need lengths");
  if (differ(op.getKeyType().getDimSize(0), op.getValueType().getDimSize(0)))
    return op.emitOpError("(C9) k has ")
           << op.getKeyType().getDimSize(0) << " pages and v "
           << op.getValueType().getDimSize(0);
  return op.getPageIndptr() ? verifyNoKeyRows(op) : success();
}

static LogicalResult verifyBias(AttentionOp op) {
  if (!op.getBias())
    return success();
  auto type = cast<RankedTensorType>(op.getBias().getType());
  SmallVector<int64_t> dims =
      withLead(op, {op.getQueryRows(), op.getKeyRows()});
  bool fits = isa<FloatType>(type.getElementType()) &&
              type.getRank() <= static_cast<int64_t>(dims.size());
  if (fits)
    for (auto [from, to] :
         llvm::zip(llvm::reverse(type.getShape()), llvm::reverse(dims)))
      fits &= broadcasts(from, to);
  if (!fits)
    return op.emitOpError("(C10) bias must be a float tensor broadcastable to ")
           << shapeText(dims) << ", got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// C11-C13: regions
//===----------------------------------------------------------------------===//

static LogicalResult verifySignature(AttentionOp op, Region &region,
                                     ArrayRef<Type> arguments, Type yielded,
                                     const Twine &name) {
  Block &block = region.front();
  if (block.getArgumentTypes() != TypeRange(arguments)) {
    InFlightDiagnostic diag = op.emitOpError() << name << " must take (";
    llvm::interleaveComma(arguments, diag);
    return diag << ')';
  }
  auto yield = dyn_cast_or_null<YieldOp>(
      block.mightHaveTerminator() ? block.getTerminator() : nullptr);
  if (!yield)
    return op.emitOpError() << name << " must end with attn.yield";
  if (yield.getNumOperands() != 1 || yield.getOperand(0).getType() != yielded)
    return yield.emitOpError() << name << " must yield one " << yielded;
  return success();
}

static LogicalResult verifyPurity(AttentionOp op, Region &region,
                                  OperandRange captures, const Twine &name) {
  WalkResult walk = region.walk([&](Operation *inner) {
    if (!isMemoryEffectFree(inner)) {
      inner->emitOpError() << "(C13) has side effects inside " << name
                           << " of attn.attention";
      return WalkResult::interrupt();
    }
    for (Value operand : inner->getOperands()) {
      if (region.isAncestor(operand.getParentRegion()) ||
          matchPattern(operand, m_Constant()) ||
          llvm::is_contained(captures, operand))
        continue;
      inner->emitOpError() << "(C13) uses a value from outside " << name
                           << " that is not among its captures";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult AttentionOp::verifyRegions() {
  Builder b(getContext());
  Type index = b.getIndexType(), scalar = getComputeType();
  SmallVector<Type> scoreArgs{scalar, index, index, index, index};
  std::pair<Region *, StringRef> mods[] = {{&getScoreMod(), "score_mod"},
                                           {&getProbMod(), "prob_mod"}};
  for (auto [i, mod] : llvm::enumerate(mods)) {
    auto [region, name] = mod;
    if (region->empty())
      continue;
    if (failed(verifySignature(*this, *region, scoreArgs, scalar,
                               "(C11) " + name)) ||
        failed(verifyPurity(*this, *region, getRegionCaptures(i), name)))
      return failure();
  }
  SmallVector<Type> indices(4, index);
  for (auto [r, region] : llvm::enumerate(getPredicates())) {
    std::string name = "predicate " + std::to_string(r);
    if (failed(verifySignature(*this, region, indices, b.getI1Type(),
                               "(C12) " + name)) ||
        failed(verifyPurity(*this, region, getRegionCaptures(2 + r), name)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// C16-C21: accumulators and results
//===----------------------------------------------------------------------===//

/// C17: an ordered set is causal, or causal inside per_document.
static bool isOrdered(PairsAttr set) {
  if (set.getKind() == PairKind::Causal)
    return true;
  return set.getKind() == PairKind::PerDocument &&
         set.getChildren()[0].getKind() == PairKind::Causal;
}

static LogicalResult verifyAccumulator(AttentionOp op) {
  Attribute kernel = op.getAccumulator();
  if (!isa<SoftmaxAttr, SigmoidAttr, ReluAttr, NoneAttr, LinearAttr>(kernel))
    return op.emitOpError("(C16) kernel must be #attn.softmax, #attn.sigmoid, "
                          "#attn.relu, #attn.none or #attn.linear, got ")
           << kernel;
  auto softmax = dyn_cast<SoftmaxAttr>(kernel);
  if (softmax && softmax.getSoftcap()) {
    double cap = softmax.getSoftcap().getValueAsDouble();
    if (!(cap > 0) || !std::isfinite(cap))
      return op.emitOpError("(C16) softcap must be a positive number, got ")
             << cap;
  }
  if (Value sink = op.getSink()) {
    auto type = cast<RankedTensorType>(sink.getType());
    if (!softmax || !isa<FloatType>(type.getElementType()) ||
        !hasShape(type, {op.getQueryHeads()}))
      return op.emitOpError("(C16) sink needs a softmax kernel and a float "
                            "tensor [heads], got ")
             << type;
  }
  if (op.getScale() && !op.getScale()->isFinite())
    return op.emitOpError("(C19) scale must be finite");
  if (!op.getProbMod().empty() && !softmax)
    return op.emitOpError("(C20) prob_mod needs a softmax kernel");
  if (op.getPositionsStart() && op.getQStart())
    return op.emitOpError("(C21) `positions = start` and q_start exclude each "
                          "other");
  return success();
}

static LogicalResult verifyLinearOperands(AttentionOp op) {
  auto linear = dyn_cast<LinearAttr>(op.getAccumulator());
  if (linear && (op.getBias() || !op.getScoreMod().empty()))
    return op.emitOpError("(C17) a linear kernel takes no bias and no "
                          "score_mod: its scores are products of features");
  bool returnsState =
      llvm::is_contained(op.getReturns(), int32_t(ResultKind::State));
  if (!op.getDecay() && !op.getState() && !(linear && returnsState))
    return success();
  if (!linear)
    return op.emitOpError("(C17) decay and state need #attn.linear");
  if (op.getSparsityAttr() || !isOrdered(op.getMaskSet()))
    return op.emitOpError("(C17) decay and state compose in order: the mask "
                          "must be causal, alone or inside per_document, and "
                          "sparsity absent");
  if (op.getState() && linear.getNorm() != Norm::None)
    return op.emitOpError("(C17) state needs norm = none: it does not hold the "
                          "normaliser's sum");
  int64_t heads = op.getQueryHeads(), m = op.getKeyRows();
  if (op.getDecay()) {
    Type type = op.getDecay().getType();
    if (!isa<FloatType>(getElementTypeOrSelf(type)) ||
        !(hasShape(type, {heads}) || hasShape(type, withLead(op, {m})) ||
          hasShape(type, withLead(op, {m, op.getHeadDim()}))))
      return op.emitOpError("(C17) decay must be a float tensor [heads], "
                            "[batch..., heads, keys] or [batch..., heads, "
                            "keys, d], got ")
             << type;
  }
  if (op.getState()) {
    SmallVector<int64_t> dims =
        withLead(op, {op.getHeadDim(), op.getValueDim()});
    Type type = op.getState().getType();
    if (!isa<FloatType>(getElementTypeOrSelf(type)) || !hasShape(type, dims))
      return op.emitOpError("(C17) state must be a float tensor ")
             << shapeText(dims) << ", got " << type;
  }
  return success();
}

static SmallVector<int64_t> expectedShape(AttentionOp op, ResultKind kind) {
  int64_t n = op.getQueryRows(), m = op.getKeyRows();
  switch (kind) {
  case ResultKind::State:
    return withLead(op, {op.getHeadDim(), op.getValueDim()});
  case ResultKind::Lse:
    return withLead(op, {n});
  case ResultKind::Scores:
  case ResultKind::Probs:
    return withLead(op, {n, m});
  case ResultKind::ColumnSums:
    return withLead(op, {m});
  case ResultKind::Statistics:
    return withLead(op, {n, 5});
  }
  llvm_unreachable("every kind has a shape");
}

static LogicalResult verifyResults(AttentionOp op) {
  ArrayRef<int32_t> returns = op.getReturns();
  for (auto [i, code] : llvm::enumerate(returns))
    if (!symbolizeResultKind(code) || (i > 0 && returns[i - 1] >= code))
      return op.emitOpError("(C18) returns must be distinct and in the order "
                            "state, lse, scores, probs, column_sums, "
                            "statistics");
  if (op.getNumResults() != 1 + returns.size())
    return op.emitOpError("(C18) expected ")
           << 1 + returns.size() << " results, got " << op.getNumResults();
  bool softmax = isa<SoftmaxAttr>(op.getAccumulator());
  bool linear = isa<LinearAttr>(op.getAccumulator());
  for (auto [i, kind] : llvm::enumerate(op.getReturnKinds())) {
    bool allowed = kind == ResultKind::State    ? linear
                   : kind == ResultKind::Scores ? !linear
                                                : softmax;
    if (!allowed)
      return op.emitOpError("(C18) result '")
             << stringifyResultKind(kind) << "' does not exist for "
             << op.getAccumulator();
    SmallVector<int64_t> dims = expectedShape(op, kind);
    Type type = op.getResult(i + 1).getType();
    if (!hasShape(type, dims) || !isa<FloatType>(getElementTypeOrSelf(type)) ||
        (kind != ResultKind::State && kind != ResultKind::Scores &&
         kind != ResultKind::Probs && !getElementTypeOrSelf(type).isF32()))
      return op.emitOpError("(C18) result '")
             << stringifyResultKind(kind) << "' must be a float tensor (f32 "
             << "for lse, column_sums, statistics) " << shapeText(dims)
             << ", got " << type;
  }
  if (op.getState() && !llvm::is_contained(returns, int32_t(ResultKind::State)))
    return op.emitOpError("(C18) with a state operand the new state is the "
                          "second result");
  return success();
}

//===----------------------------------------------------------------------===//
// C24: schedule
//===----------------------------------------------------------------------===//

/// A schedule that is written, as a plan is, must fit the operation.
static LogicalResult verifySchedule(AttentionOp op, ScheduleAttr schedule) {
  int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
  bool known = !ShapedType::isDynamic(heads) &&
               !ShapedType::isDynamic(keyHeads) && keyHeads > 0;
  int64_t group = known ? heads / keyHeads : 1, tile = schedule.getHeads();
  // Keys in pages: several key heads lie beside each other.
  bool isWhole = known && group > 0 && op.getPages() && tile % group == 0 &&
                 heads % tile == 0;
  if (tile != 1 && !isWhole && (group == 0 || group % tile != 0))
    return op.emitOpError("(C24) heads of a schedule is 1 or divides the query "
                          "heads of a key head (or, with pages, is those of "
                          "some key heads), which are ")
           << (known ? std::to_string(group) : "not static") << ", got "
           << tile;
  constexpr int64_t mostBytes = 64;
  int64_t width = op.getComputeType().getIntOrFloatBitWidth() / 8;
  if (schedule.getLanes() * width > mostBytes)
    return op.emitOpError("(C24) lanes of a schedule is at most ")
           << mostBytes / width << " for sums in " << op.getComputeType()
           << ", got " << schedule.getLanes();
  if (schedule.getLists())
    return verifySchedule(op, schedule.getListSchedule());
  return success();
}

LogicalResult AttentionOp::verify() {
  ArrayRef<int32_t> counts = getCaptureCounts();
  int64_t captures = 0;
  for (int32_t count : counts)
    captures += count < 0 ? int64_t(1) << 40 : count;
  if (captures != static_cast<int64_t>(getCaptures().size()) ||
      counts.size() > 2 + getPredicates().size())
    return emitOpError("capture_counts do not add up to the captures");
  if (failed(verifyTypes(*this)) || failed(verifyShapes(*this)) ||
      failed(verifyFirstResult(*this)) || failed(verifyLengths(*this)) ||
      failed(verifyPages(*this)) || failed(verifyBias(*this)) ||
      failed(verifyPairSets(*this)) || failed(verifyAccumulator(*this)) ||
      failed(verifyLinearOperands(*this)) || failed(verifyResults(*this)))
    return failure();
  return getScheduleAttr() ? verifySchedule(*this, getScheduleAttr())
                           : success();
}
