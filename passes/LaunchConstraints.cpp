// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes as formulas over the arguments' sizes, and the constraints on them.

#include "passes/LaunchConstraints.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Builds expressions over symbols, each bound to one (argument, dim).
class FormulaBuilder {
public:
  explicit FormulaBuilder(MLIRContext *context) : context(context) {}

  AffineExpr size(Value tensor, int64_t dim) {
    auto type = dyn_cast<RankedTensorType>(tensor.getType());
    if (!type || dim < 0 || dim >= type.getRank())
      return {};
    if (!type.isDynamicDim(dim))
      return getAffineConstantExpr(type.getDimSize(dim), context);
    if (auto arg = dyn_cast<BlockArgument>(tensor))
      return isa<func::FuncOp>(arg.getOwner()->getParentOp())
                 ? symbol(arg.getArgNumber(), dim)
                 : AffineExpr();
    return sizeOfResult(cast<OpResult>(tensor), dim);
  }

  AffineExpr value(OpFoldResult fold) {
    if (auto attr = dyn_cast<Attribute>(fold))
      return getAffineConstantExpr(cast<IntegerAttr>(attr).getInt(), context);
    Value v = cast<Value>(fold);
    APInt constant;
    if (matchPattern(v, m_ConstantInt(&constant)))
      return getAffineConstantExpr(constant.getSExtValue(), context);
    Operation *op = v.getDefiningOp();
    if (!op)
      return {};
    if (auto dim = dyn_cast<tensor::DimOp>(op)) {
      std::optional<int64_t> index = dim.getConstantIndex();
      return index ? size(dim.getSource(), *index) : AffineExpr();
    }
    if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
      return applied(apply);
    return arithmetic(op);
  }

  FormulaAttr build(AffineExpr expr) {
    if (!expr)
      return {};
    AffineMap map = AffineMap::get(0, dims.size() / 2, expr, context);
    return FormulaAttr::get(context, map,
                            dims.empty()
                                ? DenseI64ArrayAttr()
                                : DenseI64ArrayAttr::get(context, dims));
  }

private:
  MLIRContext *context;
  SmallVector<int64_t> dims; // (argument, dim) of each symbol

  AffineExpr symbol(int64_t argument, int64_t dim) {
    for (size_t s = 0; s < dims.size(); s += 2)
      if (dims[s] == argument && dims[s + 1] == dim)
        return getAffineSymbolExpr(s / 2, context);
    dims.append({argument, dim});
    return getAffineSymbolExpr(dims.size() / 2 - 1, context);
  }

  AffineExpr sizeOfResult(OpResult result, int64_t dim) {
    Operation *op = result.getOwner();
    unsigned number = result.getResultNumber();
    if (auto empty = dyn_cast<tensor::EmptyOp>(op))
      return value(empty.getMixedSizes()[dim]);
    if (auto cast = dyn_cast<tensor::CastOp>(op))
      return size(cast.getSource(), dim);
    if (auto forall = dyn_cast<scf::ForallOp>(op))
      return size(forall.getOutputs()[number], dim);
    if (auto style = dyn_cast<DestinationStyleOpInterface>(op))
      return size(style.getDpsInits()[number], dim);
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      llvm::SmallBitVector dropped = slice.getDroppedDims();
      int64_t d = 0;
      while (dropped.test(d) || dim-- > 0)
        ++d;
      return value(slice.getMixedSizes()[d]);
    }
    if (auto append = dyn_cast<AppendOp>(op))
      return size(append.getCache(), dim);
    if (auto attention = dyn_cast<AttentionOp>(op)) {
      if (number != 0)
        return {};
      return size(attention.getQuery(), dim);
    }
    return {};
  }

  AffineExpr applied(affine::AffineApplyOp apply) {
    SmallVector<AffineExpr> operands;
    for (Value operand : apply.getMapOperands()) {
      operands.push_back(value(operand));
      if (!operands.back())
        return {};
    }
    AffineMap map = apply.getAffineMap();
    ArrayRef<AffineExpr> all(operands);
    return map.getResult(0).replaceDimsAndSymbols(
        all.take_front(map.getNumDims()), all.drop_front(map.getNumDims()));
  }

  AffineExpr arithmetic(Operation *op) {
    if (op->getNumOperands() != 2 ||
        !isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivUIOp,
             arith::CeilDivSIOp, arith::FloorDivSIOp>(op))
      return {};
    AffineExpr lhs = value(op->getOperand(0)), rhs = value(op->getOperand(1));
    if (!lhs || !rhs)
      return {};
    if (isa<arith::AddIOp>(op))
      return lhs + rhs;
    if (isa<arith::SubIOp>(op))
      return lhs - rhs;
    if (isa<arith::MulIOp>(op))
      return lhs * rhs;
    if (isa<arith::CeilDivSIOp>(op))
      return lhs.ceilDiv(rhs);
    return lhs.floorDiv(rhs);
  }
};

/// Collects "formula must be 0" for one function.
class Collector {
public:
  explicit Collector(func::FuncOp func) : func(func), b(func.getContext()) {}

  LogicalResult run() {
    WalkResult walk = func.walk([&](Operation *op) {
      LogicalResult result = success();
      if (auto attention = dyn_cast<AttentionOp>(op))
        result = visit(attention);
      else if (auto append = dyn_cast<AppendOp>(op))
        result = visit(append);
      else if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
        result = visit(linalgOp);
      return failed(result) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return failure();
    if (!constraints.empty())
      func->setAttr(attnc::kConstraintsAttr, b.getArrayAttr(constraints));
    return success();
  }

private:
  func::FuncOp func;
  Builder b;
  SmallVector<Attribute> constraints;

  /// Records that an expression over sizes is 0. `make` returns null when a
  /// size cannot be derived from the arguments: then nothing at launch could
  /// protect the kernel, so it is an error here.
  LogicalResult zero(Operation *op,
                     function_ref<AffineExpr(FormulaBuilder &)> make,
                     const Twine &message) {
    FormulaBuilder builder(b.getContext());
    AffineExpr expr = make(builder);
    if (!expr)
      return op->emitError("cannot derive a size from the sizes of the "
                           "function's arguments: ")
             << message;
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      if (constant.getValue() != 0)
        return op->emitError() << message;
      return success();
    }
    NamedAttribute entries[] = {
        b.getNamedAttr("formula", builder.build(expr)),
        b.getNamedAttr("message", b.getStringAttr(message))};
    Attribute entry = b.getDictionaryAttr(entries);
    if (!llvm::is_contained(constraints, entry))
      constraints.push_back(entry);
    return success();
  }

  /// Two dims are the same; with `broadcast` the first may also be 1.
  LogicalResult same(Operation *op, Value x, int64_t xDim, Value y,
                     int64_t yDim, bool broadcast, const Twine &message) {
    auto size = [&](FormulaBuilder &f) { return f.size(y, yDim); };
    return same(op, x, xDim, size, broadcast, message);
  }
  LogicalResult same(Operation *op, Value x, int64_t xDim,
                     function_ref<AffineExpr(FormulaBuilder &)> y,
                     bool broadcast, const Twine &message) {
    return zero(
        op,
        [&](FormulaBuilder &f) -> AffineExpr {
          AffineExpr a = f.size(x, xDim), c = y(f);
          if (!a || !c)
            return {};
          if (auto k = dyn_cast<AffineConstantExpr>(a);
              k && k.getValue() == 1 && broadcast)
            return getAffineConstantExpr(0, b.getContext());
          return broadcast ? (a - c) * (a - 1) : a - c;
        },
        message);
  }

  LogicalResult visit(AttentionOp op) {
    Value q = op.getQuery(), k = op.getKey(), v = op.getValue();
    int64_t rank = op.getQueryType().getRank();
    if (op.getPages() &&
        (failed(
             same(op, k, 0, v, 0, false, "(C9) k and v need the same pages")) ||
         failed(visitPages(op, op.getPages(), op.getPageIndptr(), q, k, "C9"))))
      return failure();
    for (int64_t d = 0, e = op.getPages() ? 0 : op.getBatchRank(); d < e; ++d)
      for (Value other : {k, v})
        if (failed(same(op, other, d, q, d, false,
                        "(C3) q, k and v need the same batch dim " + Twine(d))))
          return failure();
    if (op.hasHeads()) {
      if (failed(same(op, k, rank - 3, v, rank - 3, false,
                      "(C4) k and v need the same heads")) ||
          failed(zero(
              op,
              [&](FormulaBuilder &f) -> AffineExpr {
                AffineExpr a = f.size(q, rank - 3), c = f.size(k, rank - 3);
                return a && c ? a % c : AffineExpr();
              },
              "(C4) key heads must divide query heads")))
        return failure();
    }
    if (failed(same(op, k, rank - 2, v, rank - 2, false,
                    "(C6) k and v need the same rows")))
      return failure();
    for (Value perBatch :
         {op.getLengths(), op.getQLengths(), op.getQStart(), op.getKStart()})
      if (perBatch && failed(visitPerBatch(op, perBatch, q)))
        return failure();
    if (op.getBias() && failed(visitRightAligned(op, op.getBias())))
      return failure();
    return visitSetOperands(op);
  }

  LogicalResult visit(AppendOp op) {
    Value rows = op.getRows(), cache = op.getCache();
    int64_t rank = op.getRowsType().getRank();
    for (int64_t d = op.getPages() ? 1 : 0; d < rank - 2; ++d)
      if (failed(same(op, cache, d, rows, d, false,
                      "(A1) rows and cache need the same dim " + Twine(d))))
        return failure();
    for (Value perBatch : {op.getLengths(), op.getRowLengths()})
      if (perBatch && failed(visitPerBatch(op, perBatch, rows)))
        return failure();
    if (!op.getPages())
      return success();
    return visitPages(op, op.getPages(), op.getPageIndptr(), rows, cache, "A3");
  }

  /// A page table for the batches of `rows` and the pages of `cache`.
  LogicalResult visitPages(Operation *op, Value pages, Value indptr, Value rows,
                           Value cache, StringRef number) {
    if (failed(notEmpty(op, cache, 2,
                        "(" + number + ") a page needs a row at least")))
      return failure();
    if (!indptr)
      return same(op, pages, 0, rows, 0, false,
                  "(" + number + ") pages needs a row for each batch");
    return zero(
        op,
        [&](FormulaBuilder &f) -> AffineExpr {
          AffineExpr size = f.size(indptr, 0), batches = f.size(rows, 0);
          return size && batches ? size - (batches + 1) : AffineExpr();
        },
        "(" + number + ") page_indptr needs one element more than batches");
  }

  LogicalResult notEmpty(Operation *op, Value tensor, int64_t dim,
                         const Twine &message) {
    return zero(
        op,
        [&](FormulaBuilder &f) -> AffineExpr {
          // 1 where the size is 0, 0 otherwise.
          AffineExpr size = f.size(tensor, dim);
          AffineExpr one = getAffineConstantExpr(1, b.getContext());
          return size ? one.floorDiv(size + 1) : AffineExpr();
        },
        message);
  }

  LogicalResult visitPerBatch(Operation *op, Value operand, Value rows) {
    if (isPerBatchUniform(operand.getType()))
      return success();
    int64_t batchRank = cast<RankedTensorType>(rows.getType()).getRank() - 3;
    for (int64_t d = 0; d < batchRank; ++d)
      if (failed(same(op, operand, d, rows, d, false,
                      "(C8) a per-batch operand needs the batch dims of q")))
        return failure();
    return success();
  }

  /// Size of dim `fromRight` from the right of [.., heads, n, m].
  AffineExpr scoreSize(FormulaBuilder &f, AttentionOp op, int64_t fromRight) {
    int64_t rank = op.getQueryType().getRank();
    if (fromRight != 0)
      return f.size(op.getQuery(), rank - 1 - fromRight);
    AffineExpr rows = f.size(op.getKey(), rank - 2);
    if (!op.getPages())
      return rows;
    AffineExpr entries = f.size(op.getPages(), 1);
    return rows && entries ? entries * rows : AffineExpr();
  }

  LogicalResult visitRightAligned(AttentionOp op, Value operand) {
    int64_t rank = cast<RankedTensorType>(operand.getType()).getRank();
    for (int64_t d = 0; d < rank; ++d) {
      auto size = [&](FormulaBuilder &f) {
        return scoreSize(f, op, rank - 1 - d);
      };
      if (failed(same(op, operand, d, size, true,
                      "(C10) bias must broadcast to [batch, heads, queries, "
                      "keys]")))
        return failure();
    }
    return success();
  }

  LogicalResult visitSetOperands(AttentionOp op) {
    return visitSet(op, op.getPairs(), /*inDocument=*/false);
  }

  LogicalResult visitSet(AttentionOp op, PairsAttr set, bool inDocument) {
    for (PairParam p : set.getParams()) {
      if (!p.isOperand)
        continue;
      Value operand = op.getSetOperands()[p.value];
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      bool perDocument = inDocument && type && type.getRank() == 1;
      if (!perDocument && failed(visitPerBatch(op, operand, op.getQuery())))
        return failure();
    }
    for (unsigned n = 0; n < set.getOperands().size(); ++n)
      if (failed(visitSetOperand(op, set, n)))
        return failure();
    inDocument |= set.getKind() == PairKind::PerDocument;
    for (PairsAttr child : set.getChildren())
      if (failed(visitSet(op, child, inDocument)))
        return failure();
    return success();
  }

  /// What a dim of a set operand counts.
  enum class Extent { Any, NotEmpty, Queries, QueriesAndEnd, Keys };

  static SmallVector<Extent> extentsOf(PairsAttr set, unsigned number) {
    switch (set.getKind()) {
    case PairKind::Keys:
      return {Extent::Keys};
    case PairKind::Dense:
      return {Extent::Queries, Extent::Keys};
    case PairKind::TopK:
      return {Extent::Queries, Extent::Any};
    case PairKind::Ranges:
      return {set.getParams()[0].value ? Extent::Queries : Extent::Keys};
    case PairKind::Csr:
      return {number == 0 ? Extent::QueriesAndEnd : Extent::Any};
    case PairKind::Bsr:
      return {number == 0 ? Extent::NotEmpty : Extent::Any};
    default:
      return {Extent::Any};
    }
  }

  LogicalResult visitSetOperand(AttentionOp op, PairsAttr set,
                                unsigned number) {
    Value operand = op.getSetOperands()[set.getOperands()[number]];
    SmallVector<Extent> tail = extentsOf(set, number);
    int64_t lead = cast<RankedTensorType>(operand.getType()).getRank() -
                   static_cast<int64_t>(tail.size());
    for (int64_t d = 0; d < lead; ++d)
      if (failed(same(op, operand, d, op.getQuery(), d, true,
                      "(C15) leading dims of a mask are 1 or those of q")))
        return failure();
    for (auto [d, extent] : llvm::enumerate(tail))
      if (failed(visitExtent(op, set, operand, lead + d, extent)))
        return failure();
    return success();
  }

  LogicalResult visitExtent(AttentionOp op, PairsAttr set, Value operand,
                            int64_t dim, Extent extent) {
    std::string name = getPairSetSpec(set.getKind()).name.str();
    bool isMask =
        set.getKind() == PairKind::Keys || set.getKind() == PairKind::Dense;
    auto rows = [&](FormulaBuilder &f) {
      return scoreSize(f, op, extent == Extent::Keys ? 0 : 1);
    };
    switch (extent) {
    case Extent::Any:
      return success();
    case Extent::NotEmpty:
      return notEmpty(op, operand, dim,
                      "(C15) '" + name + "' needs a row pointer at least");
    case Extent::QueriesAndEnd:
      return zero(
          op,
          [&](FormulaBuilder &f) -> AffineExpr {
            AffineExpr size = f.size(operand, dim), count = rows(f);
            return size && count ? size - (count + 1) : AffineExpr();
          },
          "(C15) '" + name + "' needs one row pointer more than queries");
    case Extent::Queries:
    case Extent::Keys:
      return same(op, operand, dim, rows, false,
                  isMask ? "(C15) a mask needs as many rows and columns as "
                           "there are queries and keys"
                         : "(C15) '" + name + "' needs one row for each " +
                               (extent == Extent::Keys ? "key" : "query"));
    }
    llvm_unreachable("every extent is handled");
  }

  LogicalResult visit(linalg::LinalgOp op) {
    SmallVector<std::pair<Value, int64_t>> loops(op.getNumLoops());
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
        auto loop = dyn_cast<AffineDimExpr>(expr);
        if (!loop)
          continue;
        auto &[value, valueDim] = loops[loop.getPosition()];
        if (!value)
          std::tie(value, valueDim) = std::pair(operand.get(), int64_t(dim));
        else if (failed(same(op, operand.get(), dim, value, valueDim, false,
                             "operands of a " + op->getName().getStringRef() +
                                 " need matching sizes")))
          return failure();
      }
    }
    return success();
  }
};
} // namespace

LogicalResult attnc::recordLaunchConstraints(func::FuncOp func) {
  return Collector(func).run();
}

FormulaAttr attnc::formulaOf(OpFoldResult value) {
  MLIRContext *context = isa<Value>(value)
                             ? cast<Value>(value).getContext()
                             : cast<Attribute>(value).getContext();
  FormulaBuilder builder(context);
  return builder.build(builder.value(value));
}

FormulaAttr attnc::sizeFormula(Value tensor, int64_t dim) {
  FormulaBuilder builder(tensor.getContext());
  return builder.build(builder.size(tensor, dim));
}
