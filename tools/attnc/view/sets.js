// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets in JavaScript: membership of a pair, and the keys of a query where
// a set can name them without being asked for every key. No page is needed.
'use strict';

const sets = (() => {
  // ---- integers -----------------------------------------------------------
  // Positions are numbers below 2^53; a divisor that is not positive gives NaN,
  // which no comparison holds for.
  const fdiv = (a, b) => (b > 0 ? Math.floor(a / b) : NaN);
  const cdiv = (a, b) => (b > 0 ? Math.ceil(a / b) : NaN);
  const mod = (a, b) => (b > 0 ? ((a % b) + b) % b : NaN);
  const value = (p, c, s) => (typeof p === 'number' ? p : p(c, s));

  // ---- operands -----------------------------------------------------------
  const types = {
    i8: Int8Array, i16: Int16Array, i32: Int32Array,
    f32: Float32Array, f64: Float64Array,
  };

  /// The elements of {type, count, data}: base64 of little-endian values, or of
  /// bits for type 'bit'.
  function decode({type, count, data}) {
    const text = atob(data), bytes = new Uint8Array(text.length);
    for (let n = 0; n < text.length; ++n)
      bytes[n] = text.charCodeAt(n);
    if (type !== 'bit')
      return new types[type](bytes.buffer);
    const bits = new Uint8Array(count);
    for (let n = 0; n < count; ++n)
      bits[n] = (bytes[n >> 3] >> (n & 7)) & 1;
    return bits;
  }

  /// One batch and head of an attention: what its sets are asked against.
  class Context {
    constructor(attention) {
      this.attention = attention;
      this.decoded = [];
      this.setBatchAndHead(0, 0);
    }

    setBatchAndHead(batch, head) {
      const a = this.attention;
      this.batch = batch;
      this.head = head;
      this.symbols = a.batches[batch].slice();
      [this.kBegin, this.kEnd, this.qBegin, this.qEnd] = this.symbols;
      this.top = {
        qEnd: this.qEnd, kBegin: this.kBegin, kEnd: this.kEnd, document: -1,
      };
      this.views = [];
      this.memory = new Map(); // what sets remember of rows
    }

    data(operand) {
      return this.decoded[operand] ||
          (this.decoded[operand] = decode(this.attention.operands[operand]));
    }

    /// An operand [lead..., tail...] as this batch and head sees it.
    view(operand, tailRank) {
      const known = this.views[operand];
      if (known)
        return known;
      const {shape} = this.attention.operands[operand];
      const {batchShape} = this.attention;
      const lead = shape.length - tailRank;
      const tail = shape.slice(lead);
      let rest = this.batch, stride = tail.reduce((a, b) => a * b, 1), base = 0;
      for (let d = lead; d-- > 0;) {
        let digit = this.head;
        if (d < batchShape.length) {
          digit = rest % batchShape[d];
          rest = Math.floor(rest / batchShape[d]);
        }
        base += shape[d] === 1 ? 0 : digit * stride;
        stride *= shape[d];
      }
      const view = {
        data: this.data(operand), base, size: tail[0], columns: tail[1],
      };
      this.views[operand] = view;
      return view;
    }

    /// The value of an operand that stands for a parameter.
    parameter(operand, scope) {
      const {shape, count} = this.attention.operands[operand];
      const data = this.data(operand);
      if (count === 1)
        return data[0];
      const perDocument = scope.document >= 0 && shape.length === 1;
      return data[perDocument ? scope.document : this.batch];
    }

    queryRow(i) { return i - this.qBegin; }
    keyRow(j) { return j - this.kBegin; }
  }

  // ---- documents ----------------------------------------------------------
  /// The number d with cu[d] <= x < cu[d + 1], or -1.
  function documentOf(cu, x) {
    let low = 0, high = cu.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cu.data[cu.base + middle] <= x)
        low = middle + 1;
      else
        high = middle;
    }
    return low === 0 || low === cu.size ? -1 : low - 1;
  }
  const boundary = (c, operand, x, end) => {
    const cu = c.view(operand, 1), d = documentOf(cu, x);
    return d < 0 ? 0 : cu.data[cu.base + d + end];
  };
  // The kinds of a plan's values that read operands.
  const begin = (c, operand, x) => boundary(c, operand, x, 0);
  const end = (c, operand, x) => boundary(c, operand, x, 1);
  const number = (c, operand, x) => documentOf(c.view(operand, 1), x);
  const load = (c, operand, x) => {
    const v = c.view(operand, 1);
    return v.size < 1 ? 0
                      : v.data[v.base + Math.min(Math.max(x, 0), v.size - 1)];
  };

  // ---- making sets --------------------------------------------------------
  // A set is {test(c, s, i, j), keys, sparse}: keys(c, s, i, lo, hi, out,
  // limit) appends its keys lo <= j <= hi to `out`, each once, until `out` has
  // `limit`. `sparse` says that this costs what it appends.
  function set(test, keys) {
    return {
      test,
      sparse: !!keys,
      keys: keys || ((c, s, i, lo, hi, out, limit) => {
        for (let j = lo; j <= hi && out.length < limit; ++j)
          if (test(c, s, i, j))
            out.push(j);
      }),
    };
  }
  const unique = (list) =>
    list.sort((a, b) => a - b).filter((x, n) => n === 0 || x !== list[n - 1]);
  /// A set that lists keys: appends those of the list that lie in the range.
  function listed(test, list) {
    return set(test, (c, s, i, lo, hi, out, limit) => {
      for (const j of list(c, s, i)) {
        if (out.length >= limit)
          break;
        if (lo <= j && j <= hi)
          out.push(j);
      }
    });
  }

  const full = () => set(() => true);
  const empty = () => set(() => false, () => {});
  const causal = () => set((c, s, i, j) => j <= i);
  function windowed(left, right, clamped) {
    if (!clamped)
      return set((c, s, i, j) => {
        const d = j - i;
        return -value(left, c, s) <= d && d <= value(right, c, s);
      });
    return set((c, s, i, j) => {
      const l = value(left, c, s), r = value(right, c, s);
      const first = Math.max(Math.min(i - l, s.kEnd - l - r - 1), s.kBegin);
      return first <= j && j <= first + l + r;
    });
  }
  const prefix = (p) => set((c, s, i, j) => j < value(p, c, s));
  const last = (g) => set((c, s, i, j) => j >= s.kEnd - value(g, c, s));
  const global = (g) => set((c, s, i, j) => {
    const count = value(g, c, s);
    return i < count || j < count;
  });
  const chunk = (size, offset) => set(
    (c, s, i, j) => fdiv(i - offset, size) === fdiv(j - offset, size));

  /// Appends first, first + step, ... up to hi, from lo on.
  function lattice(first, step, lo, hi, out, limit) {
    for (let j = lo + mod(first - lo, step); j <= hi && out.length < limit;
      j += step)
      out.push(j);
  }
  const strided = (size) => set(
    (c, s, i, j) => (i - j) % size === 0,
    (c, s, i, lo, hi, out, limit) => lattice(i, size, lo, hi, out, limit));
  const dilated = (width, step) => set(
    (c, s, i, j) => Math.abs(i - j) <= width * step && (i - j) % step === 0,
    (c, s, i, lo, hi, out, limit) => lattice(
      i, step, Math.max(lo, i - width * step), Math.min(hi, i + width * step),
      out, limit));
  const columns = (period, count) => set(
    (c, s, i, j) => mod(j, period) >= period - count,
    (c, s, i, lo, hi, out, limit) => {
      const kept = Math.min(count, period);
      for (let at = fdiv(lo, period) * period; at <= hi; at += period)
        for (let j = Math.max(at + period - kept, lo);
          j < at + period && j <= hi; ++j) {
          if (out.length >= limit)
            return;
          out.push(j);
        }
    });
  function isPowerOfTwo(x) {
    for (; x > 2 ** 30; x /= 2 ** 30)
      if (x % 2 ** 30 !== 0)
        return false;
    return x > 0 && (x & (x - 1)) === 0;
  }
  const log = () => listed(
    (c, s, i, j) => i === j || isPowerOfTwo(i - j),
    (c, s, i) => {
      const keys = [i];
      for (let back = 1; i - back >= s.kBegin; back *= 2)
        keys.push(i - back);
      return keys;
    });

  // ---- random -------------------------------------------------------------
  const word = (x) => BigInt.asUintN(64, x);
  function mix(x) {
    x = word(x + 0x9E3779B97F4A7C15n);
    x = word((x ^ (x >> 30n)) * 0xBF58476D1CE4E5B9n);
    x = word((x ^ (x >> 27n)) * 0x94D049BB133111EBn);
    return x ^ (x >> 31n);
  }
  function random(count, seed) {
    const self = listed(
      (c, s, i, j) => self.row(c, s, i).includes(j),
      (c, s, i) => self.row(c, s, i));
    self.row = (c, s, i) => {
      let rows = c.memory.get(self);
      if (!rows)
        c.memory.set(self, rows = new Map());
      let keys = rows.get(i); // it never stands in a scope
      if (keys)
        return keys;
      keys = [];
      if (s.kEnd > s.kBegin) {
        const row = mix(mix(mix(word(seed)) ^ BigInt(c.head)) ^
                        word(BigInt(i)));
        const length = BigInt(s.kEnd - s.kBegin);
        for (let t = 0; t < count; ++t)
          keys.push(s.kBegin + Number(mix(row ^ BigInt(t)) % length));
      }
      keys = unique(keys);
      if (rows.size > 20000)
        rows.clear();
      rows.set(i, keys);
      return keys;
    };
    return self;
  }

  // ---- sets of operands ---------------------------------------------------
  const keys = (mask) => set((c, s, i, j) => {
    const v = c.view(mask, 1);
    return v.data[v.base + c.keyRow(j)] !== 0;
  });
  const dense = (mask) => set((c, s, i, j) => {
    const v = c.view(mask, 2);
    return v.data[v.base + c.queryRow(i) * v.columns + c.keyRow(j)] !== 0;
  });
  const documents = (cu) => set((c, s, i, j) => {
    const v = c.view(cu, 1), d = documentOf(v, i);
    return d >= 0 && d === documentOf(v, j);
  });
  const ranges = (start, stop, byQuery) => set((c, s, i, j) => {
    const row = byQuery ? c.queryRow(i) : c.keyRow(j), x = byQuery ? j : i;
    const a = c.view(start, 1), b = c.view(stop, 1);
    return a.data[a.base + row] <= x && x < b.data[b.base + row];
  });
  /// The sorted entries of row `row`; none where the offsets make no sense.
  function entries(c, ptr, idx, row) {
    const p = c.view(ptr, 1), x = c.view(idx, 1);
    if (row < 0 || row + 1 >= p.size)
      return [];
    const from = p.data[p.base + row], to = p.data[p.base + row + 1];
    if (from < 0 || to < from || to > x.size)
      return [];
    return unique(Array.from(x.data.subarray(x.base + from, x.base + to)));
  }
  /// A set by rows of sorted lists, the last ones used being remembered.
  function rows(make) {
    const self = listed(
      (c, s, i, j) => self.row(c, i).includes(j), (c, s, i) => self.row(c, i));
    self.row = (c, i) => {
      let known = c.memory.get(self);
      if (!known)
        c.memory.set(self, known = new Map());
      let list = known.get(i);
      if (!list) {
        if (known.size > 4000)
          known.clear();
        known.set(i, list = make(c, i));
      }
      return list;
    };
    return self;
  }
  const csr = (ptr, idx) => rows((c, i) => entries(c, ptr, idx, c.queryRow(i)));
  function bsr(ptr, idx, size) {
    const block = (c) => size || Math.max(1, Math.ceil(
      c.attention.n / Math.max(1, c.view(ptr, 1).size - 1)));
    const blockRow = rows((c, row) => entries(c, ptr, idx, row));
    return set(
      (c, s, i, j) => blockRow.row(c, fdiv(c.queryRow(i), block(c)))
        .includes(fdiv(j, block(c))),
      (c, s, i, lo, hi, out, limit) => {
        const b = block(c);
        for (const column of blockRow.row(c, fdiv(c.queryRow(i), b)))
          for (let j = Math.max(lo, column * b);
            j <= Math.min(hi, column * b + b - 1) && out.length < limit; ++j)
            out.push(j);
      });
  }
  const topk = (idx) => rows((c, i) => {
    const v = c.view(idx, 2), at = v.base + c.queryRow(i) * v.columns;
    return unique(Array.from(v.data.subarray(at, at + v.columns)))
      .filter((j) => j !== -1);
  });

  // ---- scopes -------------------------------------------------------------
  function inDocument(cu, s, d) {
    const first = cu.data[cu.base + d], stop = cu.data[cu.base + d + 1];
    const from = Math.max(s.kBegin, first), to = Math.min(s.kEnd, stop);
    return {
      first, stop, qEnd: Math.min(s.qEnd, stop) - first, kBegin: from - first,
      kEnd: Math.max(from, to) - first, document: d,
    };
  }
  function perDocument(cu, child) {
    const test = (c, s, i, j) => {
      const v = c.view(cu, 1), d = documentOf(v, i);
      if (d < 0 || d !== documentOf(v, j))
        return false;
      const inner = inDocument(v, s, d);
      return child.test(c, inner, i - inner.first, j - inner.first);
    };
    return set(test, child.sparse && ((c, s, i, lo, hi, out, limit) => {
      const v = c.view(cu, 1), d = documentOf(v, i);
      if (d < 0)
        return;
      const inner = inDocument(v, s, d), from = out.length;
      child.keys(c, inner, i - inner.first,
        Math.max(lo, inner.first) - inner.first,
        Math.min(hi, inner.stop - 1) - inner.first, out, limit);
      for (let n = from; n < out.length; ++n)
        out[n] += inner.first;
    }));
  }

  function axes(extents, children) {
    const total = extents.reduce((a, b) => a * b, 1);
    const scope = (s, extent) =>
      ({qEnd: extent, kBegin: 0, kEnd: extent, document: s.document});
    const test = (c, s, i, j) => {
      if (i < 0 || j < 0 || i >= total || j >= total)
        return false;
      for (let axis = extents.length; axis-- > 0;) {
        const e = extents[axis];
        if (!children[axis].test(c, scope(s, e), i % e, j % e))
          return false;
        i = Math.floor(i / e);
        j = Math.floor(j / e);
      }
      return true;
    };
    return set(test, (c, s, i, lo, hi, out, limit) => {
      if (i < 0 || i >= total)
        return undefined;
      let list = [0], strides = total, rest = i;
      for (let axis = 0; axis < extents.length; ++axis) {
        strides /= extents[axis];
        const at = Math.floor(rest / strides), found = [];
        rest -= at * strides;
        children[axis].keys(c, scope(s, extents[axis]), at, 0,
          extents[axis] - 1, found, Infinity);
        const next = [];
        if (list.length * found.length > 1e6) // as dense as testing
          return set(test).keys(c, s, i, lo, hi, out, limit);
        for (const base of list)
          for (const x of found)
            next.push(base + x * strides);
        list = next;
      }
      for (const j of list)
        if (lo <= j && j <= hi && out.length < limit)
          out.push(j);
      return undefined;
    });
  }

  function blocks(size, child) {
    const ends = (x) => fdiv(x - 1, size) + 1;
    const inner = (s) => {
      const first = fdiv(s.kBegin, size);
      return {
        qEnd: ends(s.qEnd), kBegin: first,
        kEnd: s.kEnd <= s.kBegin ? first : ends(s.kEnd), document: s.document,
      };
    };
    const test = (c, s, i, j) =>
      child.test(c, inner(s), fdiv(i, size), fdiv(j, size));
    return set(test, child.sparse && ((c, s, i, lo, hi, out, limit) => {
      const found = [];
      child.keys(c, inner(s), fdiv(i, size), fdiv(lo, size), fdiv(hi, size),
        found, limit);
      for (const block of found)
        for (let j = Math.max(lo, block * size);
          j <= Math.min(hi, block * size + size - 1) && out.length < limit; ++j)
          out.push(j);
    }));
  }

  function byHead(firsts, children) {
    const child = (c) => {
      let range = 0;
      firsts.forEach((first, n) => { range = first <= c.head ? n : range; });
      return children[range];
    };
    const result = set(
      (c, s, i, j) => child(c).test(c, s, i, j),
      (c, s, i, lo, hi, out, limit) =>
        child(c).keys(c, s, i, lo, hi, out, limit));
    result.sparse = children.every((inner) => inner.sparse);
    return result;
  }

  // ---- operators ----------------------------------------------------------
  function and(...children) {
    const sparse = children.find((child) => child.sparse);
    const test = (c, s, i, j) => children.every(
      (child) => child.test(c, s, i, j));
    return set(test, sparse && ((c, s, i, lo, hi, out, limit) => {
      const found = [];
      sparse.keys(c, s, i, lo, hi, found, Infinity);
      for (const j of found)
        if (out.length < limit && test(c, s, i, j))
          out.push(j);
    }));
  }
  function or(...children) {
    const test = (c, s, i, j) => children.some(
      (child) => child.test(c, s, i, j));
    const sparse = children.every((child) => child.sparse);
    return set(test, sparse && ((c, s, i, lo, hi, out, limit) => {
      const found = [];
      for (const child of children)
        child.keys(c, s, i, lo, hi, found, found.length + limit);
      for (const j of unique(found))
        if (out.length < limit)
          out.push(j);
    }));
  }
  const not = (child) => set((c, s, i, j) => !child.test(c, s, i, j));
  /// A set whose test is a function of positions: an affine set, a region.
  const formula = (test) => set(test);
  /// A parameter that an operand holds.
  const parameter = (operand) => (c, s) => c.parameter(operand, s);

  // ---- integers of regions ------------------------------------------------
  // Values of `width` bits, sign-extended. Beyond 53 bits they are not exact,
  // which `scalar.inexact` remembers.
  const wrap = (x, width) => {
    if (width === 1)
      return x & 1;
    if (Math.abs(x) < 2 ** Math.min(width - 1, 53))
      return x;
    scalar.inexact = scalar.inexact || !Number.isSafeInteger(x);
    return Number(BigInt.asIntN(width, BigInt(x)));
  };
  const bits = (f) => (a, b, width) =>
    wrap(Number(BigInt.asIntN(64, f(BigInt(a), BigInt(b)))), width);
  const unsigned = (x, width) => (x < 0 ? x + 2 ** width : x);
  const scalar = {
    inexact: false, wrap, unsigned,
    and: bits((a, b) => a & b), or: bits((a, b) => a | b),
    xor: bits((a, b) => a ^ b), mul: bits((a, b) => a * b),
    shl: (a, b, width) =>
      (b < 0 || b >= width ? 0 : wrap(a * 2 ** b, width)),
    shr: (a, b, width) =>
      (b < 0 || b >= width ? (a < 0 ? -1 : 0) : Math.floor(a / 2 ** b)),
    shru: (a, b, width) =>
      (b < 0 || b >= width ? 0
                           : wrap(Math.floor(unsigned(a, width) / 2 ** b),
                             width)),
    /// An element of an operand, its indices clamped to it.
    at: (c, operand, ...index) => {
      const {shape} = c.attention.operands[operand];
      let linear = 0;
      for (let d = 0; d < shape.length; ++d)
        linear = linear * shape[d] +
                 Math.min(Math.max(index[d], 0), shape[d] - 1);
      return c.data(operand)[linear];
    },
  };

  return {
    Context, fdiv, cdiv, mod, begin, end, number, load, parameter, formula,
    scalar, full, empty, causal, windowed, prefix, last, global, chunk, strided,
    dilated, columns, log, random, keys, dense, documents, ranges, csr, bsr,
    topk, perDocument, axes, blocks, byHead, and, or, not,
  };
})();
