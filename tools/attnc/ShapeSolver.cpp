// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Union-find over the sizes of a function's values.

#include "tools/attnc/ShapeSolver.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

ShapeSolver::ShapeSolver(func::FuncOp function) {
  for (Value argument : function.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      for (int64_t d = 0; d < type.getRank(); ++d)
        node(argument, d);
  function.walk([&](Operation *op) {
    if (auto attention = dyn_cast<AttentionOp>(op))
      visit(attention);
    else if (auto append = dyn_cast<AppendOp>(op))
      visit(append);
    else if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
      visit(linalgOp);
    else
      visitOther(op);
  });
}

//===----------------------------------------------------------------------===//
// Classes
//===----------------------------------------------------------------------===//

unsigned ShapeSolver::node(Key key) {
  auto [it, isNew] = nodes.try_emplace(key, classes.size());
  if (isNew)
    classes.push_back({it->second, std::nullopt, ""});
  return it->second;
}

unsigned ShapeSolver::node(Value tensor, int64_t dim) {
  unsigned n = node(Key(tensor.getAsOpaquePointer(), dim));
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (type && !type.isDynamicDim(dim)) {
    Class &root = classes[find(n)];
    if (!root.size)
      root.size = type.getDimSize(dim);
  }
  return n;
}

unsigned ShapeSolver::find(unsigned n) {
  while (classes[n].parent != n)
    n = classes[n].parent = classes[classes[n].parent].parent;
  return n;
}

void ShapeSolver::unite(unsigned a, unsigned b) {
  a = find(a), b = find(b);
  if (a == b)
    return;
  // Static sizes that differ are the verifiers' business; keep both apart.
  if (classes[a].size && classes[b].size && classes[a].size != classes[b].size)
    return;
  classes[b].parent = a;
  if (!classes[a].size)
    classes[a].size = classes[b].size;
}

llvm::Error ShapeSolver::bind(Value tensor, unsigned dim, int64_t size,
                              const std::string &who) {
  Class &root = classes[find(node(tensor, dim))];
  if (root.size && *root.size != size)
    return llvm::createStringError(
        "dimension " + llvm::Twine(dim) + " of " + who + " is " +
        llvm::Twine(size) + ", but must be " + llvm::Twine(*root.size) +
        (root.who.empty() ? "" : " as in " + root.who));
  if (!root.size)
    root.who = who;
  root.size = size;
  return llvm::Error::success();
}

void ShapeSolver::bindChecked(Value tensor, ArrayRef<int64_t> shape) {
  for (auto [dim, size] : llvm::enumerate(shape))
    if (size >= 0)
      llvm::consumeError(bind(tensor, dim, size, ""));
}

void ShapeSolver::applyDefaults() {
  // A chain of broadcasts resolves in as many rounds as it has links.
  for (bool changed = true; changed;) {
    changed = false;
    for (auto [from, to] : broadcasts) {
      Class &a = classes[find(from)], &b = classes[find(to)];
      if (a.size || !b.size)
        continue;
      a.size = b.size;
      changed = true;
    }
  }
}

std::optional<int64_t> ShapeSolver::getSize(Value tensor, unsigned dim) {
  return classes[find(node(tensor, dim))].size;
}

std::optional<int64_t> ShapeSolver::getKeyRows(AttentionOp op) {
  return getKeyRows(op.getKey(), op.getPages(), op.getPageIndptr());
}
std::optional<int64_t> ShapeSolver::getKeyRows(AppendOp op) {
  return getKeyRows(op.getCache(), op.getPages(), op.getPageIndptr());
}

std::optional<int64_t> ShapeSolver::getKeyRows(Value cache, Value pages,
                                               Value indptr) {
  int64_t rank = cast<RankedTensorType>(cache.getType()).getRank();
  std::optional<int64_t> rows = getSize(cache, rank - 2);
  if (!rows || !pages)
    return rows;
  std::optional<int64_t> entries = getSize(pages, indptr ? 0 : 1);
  std::optional<int64_t> ends = indptr ? getSize(indptr, 0) : 2;
  if (!entries || !ends)
    return std::nullopt;
  return *entries / std::max<int64_t>(*ends - 1, 1) * *rows;
}

void ShapeSolver::tieEqualBroadcasts() {
  for (auto [from, to] : broadcasts) {
    std::optional<int64_t> size = classes[find(from)].size;
    if (size && *size != 1 && size == classes[find(to)].size)
      unite(from, to);
  }
}

bool ShapeSolver::broadcastsTo(Value a, unsigned aDim, Value b, unsigned bDim) {
  unsigned from = find(node(a, aDim)), to = find(node(b, bDim));
  return from == to || llvm::any_of(broadcasts, [&](auto pair) {
           return find(pair.first) == from && find(pair.second) == to;
         });
}

//===----------------------------------------------------------------------===//
// What ties sizes
//===----------------------------------------------------------------------===//

void ShapeSolver::tieBroadcast(Value from, ArrayRef<unsigned> to) {
  auto type = dyn_cast<RankedTensorType>(from.getType());
  if (!type)
    return;
  int64_t skip = static_cast<int64_t>(to.size()) - type.getRank();
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (skip + d >= 0)
      broadcasts.emplace_back(node(from, d), to[skip + d]);
}

unsigned ShapeSolver::keyRows(AttentionOp op) {
  // The rows of a page are no key rows: a node of their own that nothing gives.
  if (op.getPages())
    return node(Key(op.getOperation(), -1));
  return node(op.getKey(), op.getKeyType().getRank() - 2);
}

void ShapeSolver::visit(AttentionOp op) {
  Value q = op.getQuery(), k = op.getKey(), v = op.getValue();
  int64_t rank = op.getQueryType().getRank(), batchRank = op.getBatchRank();
  bool paged = static_cast<bool>(op.getPages());
  SmallVector<unsigned> lead; // batch..., heads
  for (int64_t d = 0; d < rank - 2; ++d)
    lead.push_back(node(q, d));
  tie(k, rank - 2, v, rank - 2);
  if (op.hasHeads())
    tie(k, rank - 3, v, rank - 3);
  for (int64_t d = 0; d < batchRank; ++d) {
    tie(k, d, v, d);
    if (!paged)
      tie(q, d, k, d);
  }
  if (paged && !op.getPageIndptr())
    tie(op.getPages(), 0, q, 0);

  for (Value perBatch :
       {op.getLengths(), op.getQLengths(), op.getQStart(), op.getKStart()})
    if (perBatch)
      tieBroadcast(perBatch, ArrayRef(lead).take_front(batchRank));
  unsigned n = node(q, rank - 2), m = keyRows(op);
  SmallVector<unsigned> scores(lead);
  scores.append({n, m});
  if (op.getBias())
    tieBroadcast(op.getBias(), scores);
  visitSets(op, lead);

  // The results: out, then the kinds that `returns` names.
  auto tieResult = [&](Value result, ArrayRef<unsigned> tail) {
    SmallVector<unsigned> dims(lead);
    llvm::append_range(dims, tail);
    for (auto [d, size] : llvm::enumerate(dims))
      unite(node(result, d), size);
  };
  tieResult(op.getResult(0), {n});
  for (auto [i, kind] : llvm::enumerate(op.getReturnKinds())) {
    Value result = op.getResult(i + 1);
    if (kind == ResultKind::Scores || kind == ResultKind::Probs)
      tieResult(result, {n, m});
    else if (kind == ResultKind::ColumnSums)
      tieResult(result, {m});
    else if (kind == ResultKind::State)
      tieResult(result, {});
    else
      tieResult(result, {n});
  }
}

void ShapeSolver::visit(AppendOp op) {
  Value rows = op.getRows(), cache = op.getCache();
  int64_t rank = op.getRowsType().getRank(), batchRank = op.getBatchRank();
  for (int64_t d = op.getPages() ? 1 : 0; d < rank - 2; ++d)
    tie(rows, d, cache, d);
  for (int64_t d = 0; d < rank; ++d)
    tie(op.getResult(), d, cache, d);
  SmallVector<unsigned> batch;
  for (int64_t d = 0; d < batchRank; ++d)
    batch.push_back(node(rows, d));
  for (Value perBatch : {op.getLengths(), op.getRowLengths()})
    if (perBatch)
      tieBroadcast(perBatch, batch);
  if (op.getPages() && !op.getPageIndptr())
    tie(op.getPages(), 0, rows, 0);
}

void ShapeSolver::visitSets(AttentionOp op, ArrayRef<unsigned> lead) {
  int64_t rank = op.getQueryType().getRank();
  unsigned n = node(op.getQuery(), rank - 2);
  unsigned m = keyRows(op);
  auto visitSet = [&](PairsAttr set) {
    for (auto [i, number] : llvm::enumerate(set.getOperands())) {
      Value operand = op.getSetOperands()[number];
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type)
        continue;
      SmallVector<unsigned> tail;
      int64_t tailRank = 1;
      switch (set.getKind()) {
      case PairKind::Keys:
        tail = {m};
        break;
      case PairKind::Dense:
        tail = {n, m};
        tailRank = 2;
        break;
      case PairKind::TopK:
        tail = {n};
        tailRank = 2;
        break;
      case PairKind::Ranges:
        tail = {set.getParams()[0].value ? n : m};
        break;
      default:
        break;
      }
      int64_t leadRank = type.getRank() - tailRank;
      for (auto [d, size] : llvm::enumerate(tail))
        unite(node(operand, leadRank + d), size);
      for (int64_t d = 0; d < leadRank; ++d)
        if (type.isDynamicDim(d) && d < static_cast<int64_t>(lead.size()))
          broadcasts.emplace_back(node(operand, d), lead[d]);
    }
    for (PairParam param : set.getParams())
      if (param.isOperand)
        tieBroadcast(op.getSetOperands()[param.value],
                     lead.take_front(op.getBatchRank()));
  };
  for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()})
    if (set)
      set.visit(visitSet);
}

void ShapeSolver::visit(linalg::LinalgOp op) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [d, expr] : llvm::enumerate(map.getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expr))
        unite(node(operand.get(), d),
              node(Key(op.getOperation(), loop.getPosition())));
    if (!op.isDpsInit(&operand))
      continue;
    Value result = op.getTiedOpResult(&operand);
    for (int64_t d = 0; d < map.getNumResults(); ++d)
      tie(result, d, operand.get(), d);
  }
}

void ShapeSolver::visitOther(Operation *op) {
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    if (std::optional<int64_t> index = dim.getConstantIndex())
      if (auto type = dyn_cast<RankedTensorType>(dim.getSource().getType());
          type && *index >= 0 && *index < type.getRank())
        unite(sizeNode(dim.getResult()), node(dim.getSource(), *index));
    return;
  }
  if (auto cast = dyn_cast<tensor::CastOp>(op)) {
    auto from = dyn_cast<RankedTensorType>(cast.getSource().getType());
    if (from && isa<RankedTensorType>(cast.getType()))
      for (int64_t d = 0; d < from.getRank(); ++d)
        tie(cast.getSource(), d, cast.getResult(), d);
    return;
  }
  if (auto forall = dyn_cast<scf::ForallOp>(op)) {
    for (auto [result, init] :
         llvm::zip(forall.getResults(), forall.getOutputs()))
      for (int64_t d = 0; d < cast<RankedTensorType>(init.getType()).getRank();
           ++d)
        tie(result, d, init, d);
    return;
  }
  if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1) {
    // Arithmetic on whole tensors.
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    for (Value operand : op->getOperands())
      if (type && isa<RankedTensorType>(operand.getType()))
        for (int64_t d = 0; d < type.getRank(); ++d)
          tie(operand, d, op->getResult(0), d);
    return;
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    tieSizes(empty, empty.getMixedSizes());
  else
    visitReshape(op);
}

/// Sizes that a reshape or a slice keeps. Those that it multiplies or divides
/// stay apart.
void ShapeSolver::visitReshape(Operation *op) {
  auto tieGroups = [&](Value expanded, Value collapsed, auto groups) {
    for (auto [d, group] : llvm::enumerate(groups))
      if (group.size() == 1)
        tie(expanded, group.front(), collapsed, d);
  };
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    tieGroups(expand.getResult(), expand.getSrc(),
              expand.getReassociationIndices());
    tieSizes(expand.getResult(), expand.getMixedOutputShape());
  } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    tieGroups(collapse.getSrc(), collapse.getResult(),
              collapse.getReassociationIndices());
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    SmallVector<OpFoldResult> sizes;
    for (auto [d, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(d))
        sizes.push_back(size);
    tieSizes(slice.getResult(), sizes);
  } else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    for (int64_t d = 0; d < insert.getDestType().getRank(); ++d)
      tie(insert.getResult(), d, insert.getDest(), d);
  }
}

void ShapeSolver::tieSizes(Value tensor, ArrayRef<OpFoldResult> sizes) {
  for (auto [d, size] : llvm::enumerate(sizes)) {
    auto value = dyn_cast<Value>(size);
    if (!value)
      continue;
    unsigned n = sizeNode(value);
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      classes[find(n)].size = constant.getSExtValue();
    unite(node(tensor, d), n);
  }
}
