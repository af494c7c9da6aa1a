// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.fold and attn.rows: accessors and verifiers (stage 4's border).

#include "dialect/Attn.h"

using namespace mlir;
using namespace mlir::attn;

/// The single yield of a region, or null.
static YieldOp getYield(Region &region) {
  if (region.empty() || !region.front().mightHaveTerminator())
    return {};
  return dyn_cast<YieldOp>(region.front().getTerminator());
}

RankedTensorType FoldOp::getRowType(Region &loader) {
  YieldOp yield = getYield(loader);
  if (!yield || yield.getNumOperands() != 1)
    return {};
  return dyn_cast<RankedTensorType>(yield.getOperand(0).getType());
}

FloatType FoldOp::getComputeType() {
  for (Region *loader : {&getLoadQ(), &getLoadK(), &getLoadV()})
    if (getRowType(*loader).getElementType().isF64())
      return Float64Type::get(getContext());
  return Float32Type::get(getContext());
}

int64_t FoldOp::getHeadDim() {
  return getRowType(getLoadQ()).getShape().back();
}
int64_t FoldOp::getValueDim() {
  return getRowType(getLoadV()).getShape().back();
}

/// One row: static, float, all dims but the last 1.
static bool isRow(RankedTensorType type) {
  return type && type.hasStaticShape() && type.getRank() >= 1 &&
         isa<FloatType>(type.getElementType()) &&
         type.getNumElements() == type.getShape().back() &&
         type.getShape().back() >= 1;
}

static LogicalResult verifyArguments(Operation *op, Region &region,
                                     ArrayRef<Type> types, StringRef name,
                                     StringRef constraint) {
  if (region.front().getArgumentTypes() == TypeRange(types) && getYield(region))
    return success();
  InFlightDiagnostic diag = op->emitOpError() << '(' << constraint << ") "
                                              << name << " must take (";
  llvm::interleaveComma(types, diag);
  return diag << ") and end with attn.yield";
}

/// F6, and the counts of computed pairs.
static LogicalResult verifyStateResults(FoldOp op) {
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  if (op.getPairs()) {
    auto pairs = cast<RankedTensorType>(op.getPairs().getType());
    if (pairs.getRank() != 2 || pairs.getDimSize(0) != tile.getDimSize(0) ||
        !pairs.getElementType().isInteger(64))
      return op.emitOpError("(F1) pairs must be an i64 tensor [heads, rows], "
                            "got ")
             << pairs;
  }
  if (!op.getPartial())
    return success();
  if (!op.getEpilogue().empty())
    return op.emitOpError("(F6) a partial fold has no epilogue");
  auto state = op.getLse() ? cast<RankedTensorType>(op.getLse().getType())
                           : RankedTensorType();
  Type ct = op.getComputeType();
  if (!state || state.getRank() != 3 ||
      state.getDimSize(0) != tile.getDimSize(0) || state.getDimSize(2) != 2 ||
      state.getElementType() != ct || tile.getElementType() != ct)
    return op.emitOpError("(F6) a partial fold yields [heads, rows, dv] and "
                          "[heads, rows, 2] of ")
           << ct;
  return success();
}

LogicalResult FoldOp::verify() {
  RankedTensorType tile = cast<RankedTensorType>(getTile().getType());
  if (tile.getRank() != 3 || tile.getDimSize(0) != getSchedule().getHeads() ||
      !isa<FloatType>(tile.getElementType()))
    return emitOpError("(F1) the tile must be [")
           << getSchedule().getHeads() << ", rows, dv], got " << tile;
  if (failed(verifyStateResults(*this)))
    return failure();
  if (getLse() && !getPartial()) {
    auto lse = cast<RankedTensorType>(getLse().getType());
    if (lse.getRank() != 2 || lse.getDimSize(0) != tile.getDimSize(0) ||
        !lse.getElementType().isF32())
      return emitOpError("(F1) lse must be an f32 tensor [heads, rows], got ")
             << lse;
  }
  if (getSymbols().size() != FirstParameter + getPlan().getParameters().size())
    return emitOpError("(F3) expected ")
           << FirstParameter + getPlan().getParameters().size()
           << " symbols, got " << getSymbols().size();
  int64_t atoms = getPlan().getAtoms().size();
  for (ComponentAttr component : getPlan().getComponents()) {
    if (component.getLower().getNumSymbols() > getPlan().getNumSymbols())
      return emitOpError("(F3) a component takes more symbols than are given");
    for (int64_t test : component.getTestNumbers())
      if (test < -atoms || test > atoms)
        return emitOpError("(F4) a component tests atom ")
               << test << " of " << atoms;
  }
  if ((atoms == 0) != getTests().empty())
    return emitOpError("(F4) a tests region goes with a plan that has atoms");
  if (getPlan().getValues().empty() != getValues().empty())
    return emitOpError("(F5) a values region goes with a plan that has values");
  if (!getPageSize() != getPage().empty() || !getPageSize() != !getPageCount())
    return emitOpError("(F7) pages goes with a page region");
  int64_t keyHeads = getKeyHeads();
  if (keyHeads < 1 || getSchedule().getHeads() % keyHeads != 0 ||
      (!getKeyHead() && keyHeads != 1) || (getKeyHead() && !getPageSize()))
    return emitOpError("(F7) key_heads goes with pages and divides the heads");
  if (getCount().empty() != getElement().empty())
    return emitOpError("(F5) count and element go with each other");
  if (getStates() && getState().empty())
    return emitOpError("(F8) states goes with a state region");
  if (getStep() < 1)
    return emitOpError("(F2) step must be at least 1, got ") << getStep();
  if (getRun() < 1 || getRun() > getStep())
    return emitOpError("(F2) run must be 1 to step, got ") << getRun();
  if (!isa<SoftmaxAttr, SigmoidAttr, ReluAttr, NoneAttr, LinearAttr>(
          getKernel()))
    return emitOpError("kernel is not an accumulator: ") << getKernel();
  return success();
}

/// F1: the tile's last dim is the size of the rows stored.
static LogicalResult verifyTileRow(FoldOp op, int64_t size) {
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  if (tile.getShape().back() == size)
    return success();
  return op.emitOpError("(F1) the tile stores rows of ")
         << size << " elements, got " << tile;
}

/// F5, F7: values, count, element, page, state.
static LogicalResult verifyPlanRegions(FoldOp op) {
  Type index = IndexType::get(op.getContext());
  Type bit = IntegerType::get(op.getContext(), 1), ct = op.getComputeType();
  auto verifyRegion = [&](Region &region, unsigned arguments,
                          ArrayRef<Type> yields,
                          StringRef name) -> LogicalResult {
    if (region.empty())
      return success();
    SmallVector<Type> types(arguments, index);
    if (failed(verifyArguments(op, region, types, name, "F5")))
      return failure();
    if (getYield(region).getOperandTypes() == TypeRange(yields))
      return success();
    InFlightDiagnostic diag = op.emitOpError("(F5) ")
                              << name << " must yield (";
    llvm::interleaveComma(yields, diag);
    return diag << ')';
  };
  SmallVector<Type> values(op.getPlan().getValues().size(), index);
  if (failed(verifyRegion(op.getValues(), 3, values, "values")) ||
      failed(verifyRegion(op.getCount(), 3, {index, index}, "count")) ||
      failed(verifyRegion(op.getElement(), 4, {index, bit}, "element")) ||
      failed(verifyRegion(op.getPage(), 1, {index}, "page")))
    return failure();
  if (op.getState().empty())
    return success();
  RankedTensorType row = FoldOp::getRowType(op.getLoadV());
  YieldOp yield = getYield(op.getState());
  auto state = yield && yield.getNumOperands() == 3
                   ? dyn_cast<RankedTensorType>(yield.getOperand(0).getType())
                   : RankedTensorType();
  SmallVector<Type> rest(2, ct), arguments(op.getStates() ? 3 : 2, index);
  if (op.getState().front().getArgumentTypes() != TypeRange(arguments) ||
      !isRow(state) || state.getElementType() != ct ||
      state.getShape().back() != row.getShape().back() ||
      yield.getOperands().drop_front().getTypes() != TypeRange(rest))
    return op.emitOpError("(F5) state must take ")
           << (op.getStates() ? "(index, index, index)" : "(index, index)")
           << " and yield a row of " << row.getShape().back()
           << " elements and two scalars, of " << ct;
  return success();
}

LogicalResult FoldOp::verifyRegions() {
  Type index = IndexType::get(getContext());
  SmallVector<Type> key(getPage().empty() ? 1 : getKeyHead() ? 3 : 2, index);
  if (failed(
          verifyArguments(*this, getLoadQ(), {index, index}, "load_q", "F2")) ||
      failed(verifyArguments(*this, getLoadK(), key, "load_k", "F2")) ||
      failed(verifyArguments(*this, getLoadV(), key, "load_v", "F2")))
    return failure();
  for (Region *loader : {&getLoadQ(), &getLoadK(), &getLoadV()})
    if (!isRow(getRowType(*loader)))
      return emitOpError("(F2) a loader must yield one static row of floats");
  if (getRowType(getLoadQ()).getShape().back() !=
      getRowType(getLoadK()).getShape().back())
    return emitOpError("(F2) load_q and load_k must yield rows of one size");
  if (getSchedule().getProducts() == Products::DotBf16)
    for (Region *loader : {&getLoadQ(), &getLoadK(), &getLoadV()})
      if (!getRowType(*loader).getElementType().isBF16())
        return emitOpError("(F2) products = dot_bf16 takes loaders that yield "
                           "bf16 rows");
  Type scalar = getComputeType();
  if (!getScore().empty()) {
    if (failed(verifyArguments(*this, getScore(),
                               {scalar, index, index, index, index, index},
                               "score", "F2")))
      return failure();
    if (getYield(getScore()).getOperandTypes() != TypeRange(scalar))
      return emitOpError("(F2) score must yield ") << scalar;
  }
  if (!getTests().empty()) {
    SmallVector<Type> indices(5, index);
    if (failed(verifyArguments(*this, getTests(), indices, "tests", "F2")))
      return failure();
    SmallVector<Type> bits(getPlan().getAtoms().size(),
                           IntegerType::get(getContext(), 1));
    if (getYield(getTests()).getOperandTypes() != TypeRange(bits))
      return emitOpError("(F4) tests must yield one i1 for each of the plan's ")
             << bits.size() << " atoms";
  }
  if (failed(verifyPlanRegions(*this)))
    return failure();
  if (getEpilogue().empty())
    return verifyTileRow(*this, getRowType(getLoadV()).getShape().back());
  Block &block = getEpilogue().front();
  auto row = block.getNumArguments() == 3
                 ? dyn_cast<RankedTensorType>(block.getArgument(0).getType())
                 : RankedTensorType();
  if (!isRow(row) || !block.getArgument(1).getType().isIndex() ||
      !block.getArgument(2).getType().isIndex() ||
      !isRow(getRowType(getEpilogue())))
    return emitOpError("(F2) epilogue must take (row, index, index) and yield "
                       "one row");
  if (row.getShape().back() != getValueDim())
    return emitOpError("(F2) epilogue must take a row of ")
           << getValueDim() << " elements, as load_v yields, got " << row;
  RankedTensorType finished = getRowType(getEpilogue());
  if (finished.getElementType() !=
      cast<RankedTensorType>(getTile().getType()).getElementType())
    return emitOpError("(F2) epilogue must yield rows of the tile's element "
                       "type, got ")
           << finished;
  return verifyTileRow(*this, finished.getShape().back());
}

/// A tensor of integers read at [lead..., x].
static LogicalResult verifyReading(Operation *op, Value tensor,
                                   OperandRange lead) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Type element = type.getElementType();
  if (type.getRank() == static_cast<int64_t>(lead.size()) + 1 &&
      (element.isIndex() || element.isSignlessInteger()))
    return success();
  return op->emitOpError("reads a tensor of integers with one dim more than "
                         "indices lead, got ")
         << type << " and " << lead.size();
}

LogicalResult SegmentOp::verify() {
  return verifyReading(*this, getBoundaries(), getLead());
}

LogicalResult CheckOrderOp::verify() {
  return verifyReading(*this, getOffsets(), getLead());
}

LogicalResult ListedOp::verify() {
  return verifyReading(*this, getList(), getLead());
}

LogicalResult RowsOp::verify() {
  if (cast<RankedTensorType>(getTile().getType()).getRank() != 2)
    return emitOpError("(R1) the tile must be [rows, columns]");
  return success();
}

LogicalResult RowsOp::verifyRegions() {
  Type index = IndexType::get(getContext());
  if (failed(verifyArguments(*this, getBody(), {index}, "the region", "R1")))
    return failure();
  RankedTensorType row = FoldOp::getRowType(getBody());
  auto tile = cast<RankedTensorType>(getTile().getType());
  if (!row || !row.hasStaticShape() ||
      row.getNumElements() != row.getShape().back() ||
      row.getShape().back() != tile.getShape().back() ||
      row.getElementType() != tile.getElementType())
    return emitOpError("(R1) the region must yield one row of ")
           << tile.getShape().back() << " " << tile.getElementType();
  return success();
}
