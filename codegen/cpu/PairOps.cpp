// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Searches are scalar, one lane after another; hashes are vectors.

#include "codegen/cpu/PairOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace attnc::cpu;
using Predicate = arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Lanes and elements
//===----------------------------------------------------------------------===//

/// Runs a scalar body once, or once a lane where an input varies. The body's
/// results are indices.
Values PairOps::perLane(ArrayRef<Value> inputs, unsigned numResults,
                        function_ref<Values(ArrayRef<Value>)> body) {
  if (llvm::none_of(inputs, isVarying))
    return body(inputs);
  Values inits(numResults, e.splat(e.idx(0), lanes));
  return e.loop(
      e.idx(0), e.idx(lanes), 1, inits, [&](Value lane, ValueRange vectors) {
        Values scalars;
        for (Value input : inputs)
          scalars.push_back(isVarying(input)
                                ? Value(vector::ExtractOp::create(
                                      e.b, e.loc, input, OpFoldResult(lane)))
                                : input);
        Values results;
        for (auto [vector, x] : llvm::zip_equal(vectors, body(scalars)))
          results.push_back(vector::InsertOp::create(e.b, e.loc, x, vector,
                                                     OpFoldResult(lane)));
        return results;
      });
}

Value PairOps::loadIndex(const Row &row, ArrayRef<Value> lead, Value at) {
  Values indices(lead);
  indices.push_back(at);
  Value x = memref::LoadOp::create(e.b, e.loc, row.memref, indices);
  if (row.element.isInteger(1))
    return e.b.createOrFold<arith::IndexCastUIOp>(e.loc, e.b.getIndexType(),
                                                  e.nonZero(x));
  return e.b.createOrFold<arith::IndexCastOp>(e.loc, e.b.getIndexType(), x);
}

Value PairOps::size(const Row &row) {
  int64_t last = cast<MemRefType>(row.memref.getType()).getRank() - 1;
  return e.b.createOrFold<memref::DimOp>(e.loc, row.memref, last);
}

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

/// Halves [low, high) around the first boundary above x. The boundaries next to
/// it come along as they are read, so that the end of the search reads nothing.
Values PairOps::segmentScalar(const Row &boundaries, ArrayRef<Value> lead,
                              Value x) {
  Value zero = e.idx(0), count = size(boundaries);
  Values inits{zero, count, zero, zero}; // low, high, begin, end
  SmallVector<Type> types(inits.size(), e.b.getIndexType());
  auto search = scf::WhileOp::create(
      e.b, e.loc, types, inits,
      [&](OpBuilder &b, Location loc, ValueRange state) {
        scf::ConditionOp::create(
            b, loc, e.cmp(Predicate::slt, state[0], state[1]), state);
      },
      [&](OpBuilder &b, Location loc, ValueRange state) {
        Value middle = b.createOrFold<arith::ShRUIOp>(
            loc, e.add(state[0], state[1]), e.idx(1));
        Value boundary = loadIndex(boundaries, lead, middle);
        Value below = e.cmp(Predicate::sle, boundary, x);
        Values next{e.select(below, e.add(middle, 1), state[0]),
                    e.select(below, state[1], middle),
                    e.select(below, boundary, state[2]),
                    e.select(below, state[3], boundary)};
        scf::YieldOp::create(b, loc, next);
      });
  Value low = search.getResult(0);
  Value inside = e.both(e.cmp(Predicate::sgt, low, zero),
                        e.cmp(Predicate::slt, low, count));
  return {e.select(inside, e.sub(low, e.idx(1)), e.idx(-1)),
          e.select(inside, search.getResult(2), zero),
          e.select(inside, search.getResult(3), zero)};
}

std::array<Value, 3> PairOps::segment(const Row &boundaries, Value x) {
  Values inputs(boundaries.lead);
  inputs.push_back(x);
  Values results = perLane(inputs, 3, [&](ArrayRef<Value> scalars) {
    return segmentScalar(boundaries, scalars.drop_back(), scalars.back());
  });
  return {results[0], results[1], results[2]};
}

Value PairOps::decreases(const Row &offsets) {
  Value none = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(false));
  return e.loop(
      e.idx(1), size(offsets), 1, none, [&](Value t, ValueRange state) {
        Value last = loadIndex(offsets, offsets.lead, e.sub(t, e.idx(1)));
        Value less =
            e.cmp(Predicate::slt, loadIndex(offsets, offsets.lead, t), last);
        return Values{arith::OrIOp::create(e.b, e.loc, state[0], less)};
      })[0];
}

//===----------------------------------------------------------------------===//
// Lists
//===----------------------------------------------------------------------===//

/// 1 or 0. Ends at the first element that is x.
Value PairOps::listedScalar(const Row &list, ArrayRef<Value> lead, Value x,
                            Value begin, Value end) {
  auto search = scf::WhileOp::create(
      e.b, e.loc, TypeRange(e.b.getIndexType()), ValueRange(begin),
      [&](OpBuilder &b, Location loc, ValueRange state) {
        auto goes = scf::IfOp::create(
            b, loc, e.cmp(Predicate::slt, state[0], end),
            [&](OpBuilder &b, Location loc) {
              Value other =
                  e.cmp(Predicate::ne, loadIndex(list, lead, state[0]), x);
              scf::YieldOp::create(b, loc, other);
            },
            [&](OpBuilder &b, Location loc) {
              Value no =
                  arith::ConstantOp::create(b, loc, b.getBoolAttr(false));
              scf::YieldOp::create(b, loc, no);
            });
        scf::ConditionOp::create(b, loc, goes.getResult(0), state);
      },
      [&](OpBuilder &b, Location loc, ValueRange state) {
        scf::YieldOp::create(b, loc, e.add(state[0], 1));
      });
  Value found = e.cmp(Predicate::slt, search.getResult(0), end);
  return e.select(found, e.idx(1), e.idx(0));
}

/// One list for all lanes: each element is compared with all of them.
Value PairOps::listedInOne(const Row &list, Value x, Value begin, Value end) {
  Value one = e.splat(e.idx(1), lanes), none = e.splat(e.idx(0), lanes);
  return e.loop(begin, end, 1, none, [&](Value t, ValueRange state) {
    Value element = e.splat(loadIndex(list, list.lead, t), lanes);
    return Values{e.select(e.cmp(Predicate::eq, element, x), one, state[0])};
  })[0];
}

Value PairOps::listed(const Row &list, Value x, Value begin, Value end) {
  Value zero = e.idx(0), count = size(list);
  auto like = [&](Value scalar, Value x) {
    return isVarying(x) ? widen(scalar) : scalar;
  };
  begin = e.max(begin, like(zero, begin));
  end = e.min(end, like(count, end));
  Values inputs(list.lead);
  inputs.append({begin, end});
  Value found;
  if (isVarying(x) && llvm::none_of(inputs, isVarying)) {
    found = listedInOne(list, x, begin, end);
  } else {
    inputs.push_back(x);
    found = perLane(inputs, 1, [&](ArrayRef<Value> scalars) {
      size_t rank = list.lead.size();
      return Values{listedScalar(list, scalars.take_front(rank),
                                 scalars[rank + 2], scalars[rank],
                                 scalars[rank + 1])};
    })[0];
  }
  return e.cmp(Predicate::ne, found, like(zero, found));
}

//===----------------------------------------------------------------------===//
// Pseudo-random keys
//===----------------------------------------------------------------------===//

/// The SplitMix64 output function.
Value PairOps::mix(Value x) {
  auto like = [&](uint64_t constant) {
    Value c = e.idx(static_cast<int64_t>(constant));
    return isVarying(x) ? e.splat(c, lanes) : c;
  };
  auto fold = [&](unsigned shift) {
    Value high = e.b.createOrFold<arith::ShRUIOp>(e.loc, x, like(shift));
    x = e.b.createOrFold<arith::XOrIOp>(e.loc, x, high);
  };
  x = e.add(x, like(0x9E3779B97F4A7C15u));
  fold(30);
  x = e.mul(x, like(0xBF58476D1CE4E5B9u));
  fold(27);
  x = e.mul(x, like(0x94D049BB133111EBu));
  fold(31);
  return x;
}

/// What all keys of a row share: the hash of seed, head and position.
Value PairOps::hashRow(const RandomRow &row) {
  auto combine = [&](Value hash, Value part) {
    if (isVarying(hash) || isVarying(part)) {
      hash = widen(hash);
      part = widen(part);
    }
    return mix(e.b.createOrFold<arith::XOrIOp>(e.loc, hash, part));
  };
  return combine(combine(mix(e.idx(row.seed)), row.head), row.i);
}

Value PairOps::keyOf(const RandomRow &row, Value hash, Value t) {
  // Where there are no keys the divisor must not be 0 all the same.
  Value count = e.max(e.sub(row.end, row.begin), e.idx(1)), begin = row.begin;
  if (isVarying(hash) || isVarying(t)) {
    hash = widen(hash);
    t = widen(t);
    count = widen(count);
    begin = widen(begin);
  }
  hash = mix(e.b.createOrFold<arith::XOrIOp>(e.loc, hash, t));
  Value rest = e.b.createOrFold<arith::RemUIOp>(e.loc, hash, count);
  return e.add(begin, rest);
}

Value PairOps::randomKey(const RandomRow &row, Value t) {
  Value key = keyOf(row, hashRow(row), t);
  Value none = e.sub(row.begin, e.idx(1));
  Value any = e.cmp(Predicate::slt, row.begin, row.end);
  if (isVarying(key))
    none = widen(none);
  return e.select(any, key, none);
}

Value PairOps::isRandomKey(const RandomRow &row, Value j, int64_t count) {
  Value hash = hashRow(row);
  bool varying = isVarying(hash) || isVarying(j);
  auto like = [&](Value scalar) { return varying ? widen(scalar) : scalar; };
  Value one = like(e.idx(1)), none = like(e.idx(0));
  j = like(j);
  Value any = e.cmp(Predicate::slt, row.begin, row.end);
  Value last = e.select(any, e.idx(count), e.idx(0));
  Value found = e.loop(e.idx(0), last, 1, none, [&](Value t, ValueRange state) {
    Value same = e.cmp(Predicate::eq, like(keyOf(row, hash, t)), j);
    return Values{e.select(same, one, state[0])};
  })[0];
  return e.cmp(Predicate::ne, found, none);
}
