// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The list of keys (or key blocks) that a fold's `count` and `element` regions
// enumerate for a query row, each of them once.

#ifndef ATTNC_CODEGEN_CPU_KEYLIST_H
#define ATTNC_CODEGEN_CPU_KEYLIST_H

#include "codegen/cpu/LaneEmitter.h"
#include "dialect/Attn.h"

namespace attnc::cpu {

class KeyList {
public:
  KeyList(Emitter &e, mlir::attn::FoldOp op, OuterValues &outer)
      : e(e), op(op), outer(outer) {}

  /// Goes to the list of a query row.
  llvm::LogicalResult open(Value head, Value qBegin, Value row);
  Value count() { return length; }
  Value blockSize() { return size; }

  struct Element {
    Value position; // of the first key
    Value isLive;   // i1
  };
  mlir::FailureOr<Element> element(Value t);

private:
  Emitter &e;
  mlir::attn::FoldOp op;
  OuterValues &outer;
  Values rowArguments; // head, position, row
  Value length, size;
};

/// Which numbers have come up: a bit each, for a window of numbers at a time.
class SeenSet {
public:
  static constexpr int64_t kWindow = 1 << 16;

  /// `bits` is memref<kWindow / 32 x i32>.
  SeenSet(Emitter &e, Value bits) : e(e), bits(bits) {}

  /// Emits `body` for each window of the numbers 0 .. `count` - 1.
  void eachWindow(Value count, llvm::function_ref<void()> body);
  /// Whether `number` is wanted, lies in the window and is new to it; it no
  /// longer is.
  Value insert(Value number, Value isWanted);

private:
  Emitter &e;
  Value bits;
  Value begin, end; // of the window
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_KEYLIST_H
