// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluating a spec, whole or by blocks of query rows.
//
// A block is evaluated as a spec of its own: a clone whose query rows are few,
// with explicit q_start and q_lengths that put them where they were.

#include "tools/attnc/Reference.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

#include <cmath>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

static Type elementOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getElementType() : type;
}

HostTensor attnc::toHostTensor(Type type, const Tensor &tensor) {
  return *HostTensor::fromBytes(elementOf(type), tensor.shape,
                                tensor.getData());
}

llvm::Expected<Tensor> attnc::fromHostTensor(const HostTensor &host) {
  llvm::Expected<Tensor> tensor =
      Tensor::create(elementDtype(host.getElementType()), host.getShape());
  if (tensor)
    host.toBytes(tensor->getData());
  return tensor;
}

Reference::Reference(Spec &spec, const std::vector<Tensor> &inputs)
    : spec(spec), inputs(inputs), sizes(spec.getFunction()) {
  func::FuncOp function = spec.getFunction();
  for (auto [argument, tensor] : llvm::zip(function.getArguments(), inputs))
    sizes.bindChecked(argument, tensor.shape);
  sizes.applyDefaults();
  sizes.tieEqualBroadcasts();
  function.walk([&](AttentionOp op) { ops.push_back(op); });
  findRows();
  whole.resize(inputs.size());
}

//===----------------------------------------------------------------------===//
// Query rows
//===----------------------------------------------------------------------===//

bool Reference::isRowDim(Value value, int64_t dim) {
  if (ops.empty())
    return false;
  Value q = ops.front().getQuery();
  return sizes.isSame(value, dim, q, ops.front().getQueryType().getRank() - 2);
}

std::vector<bool> Reference::getRowDims(size_t number) {
  Operation *end = spec.getFunction().getBody().back().getTerminator();
  Value result = end->getOperand(number);
  std::vector<bool> dims;
  if (auto type = dyn_cast<RankedTensorType>(result.getType()))
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      dims.push_back(isRowDim(result, dim));
  return dims;
}

void Reference::findRows() {
  for (AttentionOp op : ops) {
    int64_t rank = op.getQueryType().getRank();
    int64_t n = sizes.getSize(op.getQuery(), rank - 2).value_or(0);
    double m = sizes.getKeyRows(op).value_or(0);
    double lead = 1;
    for (int64_t d = 0; d < rank - 2; ++d)
      lead *= sizes.getSize(op.getQuery(), d).value_or(1);
    cost += lead * n * m * (op.getHeadDim() + op.getValueDim());
    rows = n;
    if (notSampled.empty())
      notSampled = whyNotSampled(op);
  }
  if (ops.empty())
    notSampled = "there is no attention in the function";
  spec.getFunction().walk([&](Operation *op) {
    if (notSampled.empty())
      notSampled = whyNotSampled(op);
  });
}

bool Reference::hasRowDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  for (int64_t dim = 0; type && dim < type.getRank(); ++dim)
    if (isRowDim(value, dim))
      return true;
  return false;
}

/// Only what surely means the same on a part of the rows is let through.
std::string Reference::whyNotSampled(Operation *op) {
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    auto loops = index->getParentOfType<linalg::LinalgOp>();
    Value q = ops.front().getQuery();
    if (sizes.isSameLoop(loops, index.getDim(), q,
                         ops.front().getQueryType().getRank() - 2))
      return "something is computed from row numbers";
    return "";
  }
  if (isa<tensor::DimOp>(op)) {
    if (llvm::all_of(op->getUsers(), llvm::IsaPred<tensor::EmptyOp>))
      return "";
  } else if (isa<AttentionOp, linalg::LinalgOp, tensor::EmptyOp, tensor::CastOp,
                 func::ReturnOp>(op) ||
             op->hasTrait<OpTrait::Elementwise>()) {
    return "";
  }
  if (llvm::any_of(op->getOperands(), [&](Value v) { return hasRowDim(v); }))
    return "query rows go through " + op->getName().getStringRef().str();
  return "";
}

std::string Reference::whyNotSampled(AttentionOp op) {
  int64_t rank = op.getQueryType().getRank();
  if (!isRowDim(op.getQuery(), rank - 2))
    return "attentions with different query rows";
  if (!op.getPages() && isRowDim(op.getKey(), rank - 2))
    return "queries and keys are computed from the same rows";
  for (ResultKind kind : op.getReturnKinds())
    if (kind == ResultKind::ColumnSums || kind == ResultKind::State)
      return "a result that depends on all query rows";
  std::string why;
  for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()})
    if (set)
      set.visit([&](PairsAttr node) {
        // Their meaning depends on the number of rows.
        if (llvm::is_contained({PairKind::Affine, PairKind::Csr, PairKind::Bsr},
                               node.getKind()))
          why = "the set '" + getPairSetSpec(node.getKind()).name.str() +
                "' depends on all query rows";
      });
  for (Value operand :
       {op.getLengths(), op.getQLengths(), op.getQStart(), op.getKStart()})
    if (operand && !isa<BlockArgument>(operand))
      why = "computed lengths or positions";
  return why;
}

HostTensor Reference::sliceInput(size_t number, RowBlock block) {
  Value argument = spec.getFunction().getArgument(number);
  const Tensor &tensor = inputs[number];
  SmallVector<int64_t> shape(ArrayRef<int64_t>(tensor.shape));
  SmallVector<int64_t> strides = rowMajorStrides(shape);
  int64_t bytes = attnc_dtype_size(tensor.dtype), offset = 0;
  bool sliced = false;
  for (auto [dim, stride] : llvm::enumerate(strides)) {
    stride *= bytes;
    if (!block.count || !isRowDim(argument, dim))
      continue;
    sliced = true;
    offset += stride * block.begin;
    shape[dim] = *block.count;
  }
  if (sliced)
    return *HostTensor::fromBytes(elementOf(argument.getType()), shape,
                                  tensor.getData() + offset, strides);
  // Copies share their values, so K and V are converted once.
  if (!whole[number])
    whole[number] = toHostTensor(argument.getType(), tensor);
  return whole[number];
}

/// `type` with `count` in these dims where it was static.
static Type withRows(RankedTensorType type, ArrayRef<bool> rowDims,
                     int64_t count) {
  SmallVector<int64_t> shape(type.getShape());
  for (auto [size, isRow] : llvm::zip(shape, rowDims))
    if (isRow && !ShapedType::isDynamic(size))
      size = count;
  return RankedTensorType::get(shape, type.getElementType(),
                               type.getEncoding());
}

LogicalResult Reference::shrinkTypes(IRMapping &mapping, int64_t count) {
  func::FuncOp function = spec.getFunction();
  auto shrink = [&](Value value) -> LogicalResult {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return success();
    SmallVector<bool> rowDims;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      rowDims.push_back(isRowDim(value, dim));
    Type shrunk = withRows(type, rowDims, count);
    if (shrunk != type && value.getDefiningOp() &&
        value.getDefiningOp()->hasTrait<OpTrait::ConstantLike>())
      return emitError(value.getLoc(), "the constant has one value for each "
                                       "query row, so rows cannot be checked "
                                       "by sampling");
    mapping.lookup(value).setType(shrunk);
    return success();
  };
  for (Value argument : function.getArguments())
    if (failed(shrink(argument)))
      return failure();
  WalkResult walk = function.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (failed(shrink(result)))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Positions of a block
//===----------------------------------------------------------------------===//

std::vector<int64_t> Reference::perBatch(Value operand, int64_t batches,
                                         int64_t otherwise) {
  std::vector<int64_t> values(batches, otherwise);
  if (!operand)
    return values;
  const Tensor &tensor = inputs[cast<BlockArgument>(operand).getArgNumber()];
  for (int64_t b = 0; b < batches; ++b)
    values[b] = tensor.getInteger(tensor.getNumElements() == 1 ? 0 : b);
  return values;
}

void Reference::setPositions(func::FuncOp clone, IRMapping &mapping,
                             RowBlock block,
                             SmallVectorImpl<HostTensor> &args) {
  Builder b(clone.getContext());
  Type integer = b.getI64Type();
  Block &entry = clone.getBody().front();
  for (AttentionOp op : ops) {
    int64_t batches = 1;
    SmallVector<int64_t> batchShape;
    for (int64_t d = 0; d < op.getBatchRank(); ++d) {
      batchShape.push_back(sizes.getSize(op.getQuery(), d).value_or(1));
      batches *= batchShape.back();
    }
    int64_t m = sizes.getKeyRows(op).value_or(0);
    std::vector<int64_t> lengths = perBatch(op.getLengths(), batches, m);
    std::vector<int64_t> qLengths = perBatch(op.getQLengths(), batches, rows);
    std::vector<int64_t> kStart = perBatch(op.getKStart(), batches, 0);
    std::vector<int64_t> qStart = perBatch(op.getQStart(), batches, 0);
    for (int64_t i = 0; i < batches; ++i) {
      if (!op.getQStart() && !op.getPositionsStart())
        qStart[i] = kStart[i] + lengths[i] - qLengths[i];
      qStart[i] += block.begin;
      qLengths[i] =
          std::clamp<int64_t>(qLengths[i] - block.begin, 0, *block.count);
    }
    Type type = batchShape.empty() ? integer
                                   : RankedTensorType::get(batchShape, integer);
    auto copy =
        cast<AttentionOp>(mapping.lookup(op.getResult(0)).getDefiningOp());
    auto addOperand = [&](MutableOperandRange operand,
                          const std::vector<int64_t> &values) {
      operand.assign(entry.addArgument(type, op.getLoc()));
      args.push_back(HostTensor::fromInts(integer, batchShape, values));
    };
    // One after the other: an assignment moves the ranges behind it.
    addOperand(copy.getQStartMutable(), qStart);
    addOperand(copy.getQLengthsMutable(), qLengths);
    copy.setPositionsStart(false);
  }
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

bool Reference::hasSparsity() const {
  return llvm::any_of(
      ops, [](AttentionOp op) { return op.getSparsityAttr() != nullptr; });
}

static double largestFinite(const HostTensor &tensor) {
  double largest = 0;
  if (tensor.isFloat())
    for (Scalar value : tensor.values())
      if (std::isfinite(value.f))
        largest = std::max(largest, std::abs(value.f));
  return largest;
}

FailureOr<ReferenceValues> Reference::evaluate(const ReferenceOptions &options,
                                               RowBlock block) {
  IRMapping mapping;
  func::FuncOp function = spec.getFunction();
  OwningOpRef<ModuleOp> module =
      cast<ModuleOp>(spec.getModule()->clone(mapping));
  auto clone = module->lookupSymbol<func::FuncOp>(function.getName());
  SmallVector<HostTensor> args;
  for (size_t number = 0; number < inputs.size(); ++number)
    args.push_back(sliceInput(number, block));
  if (block.count) {
    if (failed(shrinkTypes(mapping, *block.count)))
      return failure();
    setPositions(clone, mapping, block, args);
  }
  // The values that attention reads become results too.
  Operation *end = clone.getBody().back().getTerminator();
  for (AttentionOp op : ops) {
    Value copy = mapping.lookup(op.getResult(0));
    auto attention = cast<AttentionOp>(copy.getDefiningOp());
    if (options.withoutSparsity)
      attention.removeSparsityAttr();
    if (!attention->getParentOfType<func::FuncOp>()->isProperAncestor(end) ||
        attention->getBlock() != end->getBlock())
      continue;
    end->insertOperands(end->getNumOperands(), attention.getValue());
  }
  clone.setFunctionType(FunctionType::get(
      clone.getContext(), clone.getBody().front().getArgumentTypes(),
      end->getOperandTypes()));
  EvaluateOptions how;
  how.precision = options.precision;
  FailureOr<SmallVector<HostTensor>> all = attnc::evaluate(clone, args, how);
  if (failed(all))
    return failure();
  ReferenceValues values;
  size_t results = function.getNumResults();
  values.results.assign(all->begin(), all->begin() + results);
  for (const HostTensor &value : llvm::drop_begin(*all, results))
    values.largestValue = std::max(values.largestValue, largestFinite(value));
  return values;
}
