// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The keys that a component walks, numbered in the order they are walked:
// contiguous rows, or rows of a lattice or of columns that lie apart.

#ifndef ATTNC_CODEGEN_CPU_KEYWALK_H
#define ATTNC_CODEGEN_CPU_KEYWALK_H

#include "codegen/cpu/Emitter.h"

namespace attnc::cpu {

/// Keys first .. last (inclusive), by row or by number; empty when first >
/// last.
struct KeyInterval {
  Value first, last;
};

/// Contiguous rows: number and row are the same.
class KeyWalk {
public:
  explicit KeyWalk(Emitter &e) : e(e) {}
  virtual ~KeyWalk() = default;

  /// Numbers of the walked keys among rows first .. last of the operand.
  virtual KeyInterval numbersOf(KeyInterval rows) { return rows; }
  /// Row of key number `block` + `j`. `j` is a scalar or a vector of numbers in
  /// the block.
  virtual Value rowOf(Value block, Value j) { return add(block, j); }
  /// Comes before `rowOf` for keys `block` .. `block` + count - 1, and a few
  /// more, until it is called for another block.
  virtual void prepare(Value block, Value count) {}
  /// Whether number and row are the same.
  virtual bool isContiguous() const { return true; }

protected:
  Emitter &e;

  /// x + y where either may be a vector.
  Value add(Value x, Value y);
  Value widen(Value x, Value like);
};

/// Rows c with c = base mod `stride`.
class LatticeWalk : public KeyWalk {
public:
  LatticeWalk(Emitter &e, int64_t stride, Value base)
      : KeyWalk(e), stride(stride), base(base) {}
  KeyInterval numbersOf(KeyInterval rows) override;
  Value rowOf(Value block, Value j) override;
  bool isContiguous() const override { return false; }

private:
  int64_t stride;
  Value base; // 0 <= base < stride
};

/// The last `count` positions of every `period`.
class ColumnsWalk : public KeyWalk {
public:
  ColumnsWalk(Emitter &e, int64_t period, int64_t count, Value kBegin)
      : KeyWalk(e), period(period), count(count), kBegin(kBegin) {}
  KeyInterval numbersOf(KeyInterval rows) override;
  Value rowOf(Value block, Value j) override;
  bool isContiguous() const override { return false; }

private:
  int64_t period, count;
  Value kBegin;

  Value rank(Value position);
};

/// Neighbouring columns of each row of a grid.
class StripWalk : public KeyWalk {
public:
  struct Strip {
    int64_t extent;   // columns of the grid
    Value low, width; // the first that is walked, and how many
    Value kBegin;
  };
  /// `table`, memref<?xi64>, holds the rows of a block and of `extra` keys.
  StripWalk(Emitter &e, Strip strip, Value table, int64_t extra)
      : KeyWalk(e), strip(strip), table(table), extra(extra) {}
  KeyInterval numbersOf(KeyInterval rows) override;
  void prepare(Value block, Value count) override;
  Value rowOf(Value block, Value j) override;
  bool isContiguous() const override { return false; }

private:
  Strip strip;
  Value table;
  int64_t extra;

  Value rank(Value position);
};

/// Rows that stand in a table, numbered from 0.
class TableWalk : public KeyWalk {
public:
  TableWalk(Emitter &e, Value table) : KeyWalk(e), table(table) {}
  Value rowOf(Value block, Value j) override;
  bool isContiguous() const override { return false; }

private:
  Value table; // memref<?xi64>
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_KEYWALK_H
