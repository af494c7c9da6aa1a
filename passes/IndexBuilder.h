// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms for index arithmetic, for what builds regions of attn.fold.

#ifndef ATTNC_PASSES_INDEXBUILDER_H
#define ATTNC_PASSES_INDEXBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace attnc {

/// Index arithmetic that folds where it can.
class IndexBuilder {
public:
  IndexBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

protected:
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value idx(int64_t x) {
    return mlir::arith::ConstantIndexOp::create(b, loc, x);
  }
  mlir::Value bit(bool x) {
    return mlir::arith::ConstantOp::create(b, loc, b.getBoolAttr(x));
  }
  mlir::Value add(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::AddIOp>(loc, x, y);
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::SubIOp>(loc, x, y);
  }
  mlir::Value mul(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::MulIOp>(loc, x, y);
  }
  mlir::Value min(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::MinSIOp>(loc, x, y);
  }
  mlir::Value max(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::MaxSIOp>(loc, x, y);
  }
  mlir::Value cmp(mlir::arith::CmpIPredicate p, mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::CmpIOp>(loc, p, x, y);
  }
  mlir::Value both(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::AndIOp>(loc, x, y);
  }
  mlir::Value either(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::OrIOp>(loc, x, y);
  }
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::SelectOp>(loc, c, x, y);
  }

  /// floor(x / y) for y >= 1.
  mlir::Value floorDiv(mlir::Value x, int64_t y) {
    if (y == 1)
      return x;
    if (llvm::isPowerOf2_64(y))
      return b.createOrFold<mlir::arith::ShRSIOp>(loc, x,
                                                  idx(llvm::Log2_64(y)));
    return floorDiv(x, idx(y));
  }
  mlir::Value floorDiv(mlir::Value x, mlir::Value y) {
    return b.createOrFold<mlir::arith::FloorDivSIOp>(loc, x, y);
  }
  /// x - y floor(x / y) for y >= 1.
  mlir::Value floorMod(mlir::Value x, int64_t y) {
    if (llvm::isPowerOf2_64(y))
      return both(x, idx(y - 1));
    return sub(x, mul(floorDiv(x, y), idx(y)));
  }
  mlir::Value isMultiple(mlir::Value x, int64_t y) {
    mlir::Value rest =
        llvm::isPowerOf2_64(y)
            ? both(x, idx(y - 1))
            : b.createOrFold<mlir::arith::RemSIOp>(loc, x, idx(y));
    return cmp(mlir::arith::CmpIPredicate::eq, rest, idx(0));
  }
};

} // namespace attnc

#endif // ATTNC_PASSES_INDEXBUILDER_H
