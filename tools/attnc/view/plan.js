// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plan at given sizes: the keys of a row, the tiles of its components, which
// pairs are kept, and counts of all of these. No page is needed.
/* global sets */
'use strict';

class Plan {
  constructor(attention) {
    this.attention = attention;
    this.components = attention.components;
    this.context = new sets.Context(attention);
    this.setBatchAndHead(0, 0);
  }

  setBatchAndHead(batch, head) {
    const c = this.context;
    c.setBatchAndHead(batch, head);
    this.lastRow = NaN;
    this.tileCache = this.components.map(() => new Map());
    this.rows = this.components.map(({rowLower, rowUpper}) => ({
      first: Math.max(rowLower(c.symbols), c.qBegin),
      last: Math.min(rowUpper(c.symbols), c.qEnd - 1),
    }));
  }

  /// The symbols at query position i, its values last.
  symbolsOf(i) {
    const c = this.context;
    if (i !== this.lastRow) {
      this.attention.values(c, i, c.symbols);
      this.lastRow = i;
    }
    return c.symbols;
  }

  /// The first and last key of component k at position i, in this.lo and
  /// this.hi; false where there is none. Tests come on top.
  span(k, i) {
    const {first, last} = this.rows[k], c = this.context;
    if (!(first <= i && i <= last))
      return false;
    const component = this.components[k], s = this.symbolsOf(i);
    if (component.guard && !component.guard(i, s))
      return false;
    this.lo = Math.max(component.lower(i, s), c.kBegin);
    this.hi = Math.min(component.upper(i, s), c.kEnd - 1);
    return this.lo <= this.hi;
  }

  /// Whether the tests of component k hold: true, false, or undefined where
  /// only a run can tell.
  holds(k, i, j) {
    const c = this.context;
    let known = true;
    for (const {atom, holds} of this.components[k].tests) {
      const {set} = this.attention.atoms[atom];
      if (!set)
        known = undefined;
      else if (set.test(c, c.top, i, j) !== holds)
        return false;
    }
    return known;
  }

  /// Whether component k keeps the pair, as `holds`.
  keeps(k, i, j) {
    return this.span(k, i) && this.lo <= j && j <= this.hi && this.holds(k, i, j);
  }

  /// Whether a test of component k cannot be made here.
  isUnknown(k) {
    return this.components[k].tests.some(
      ({atom}) => !this.attention.atoms[atom].set);
  }

  /// The set whose keys component k enumerates: its walk, or a sparse test.
  sparseTest(k) {
    const {tests, walk} = this.components[k], {atoms} = this.attention;
    if (this.isUnknown(k))
      return null;
    if (walk >= 0)
      return atoms[walk].set;
    const test = tests.find(
      ({atom, holds}) => holds && atoms[atom].set.sparse);
    return test ? atoms[test.atom].set : null;
  }

  /// The kept keys lo <= j <= hi (within the component's span) at i, at most
  /// `limit` of them; for components with a sparse test.
  keptKeys(k, i, lo, hi, limit) {
    const c = this.context, found = [];
    this.sparseTest(k).keys(c, c.top, i, lo, hi, found, limit);
    return this.components[k].tests.length > 1
        ? found.filter((j) => this.holds(k, i, j)) : found;
  }

  // ---- tiles --------------------------------------------------------------
  tileOfRow(i) {
    return Math.floor((i - this.context.qBegin) / this.attention.tile.queries);
  }
  numTiles() {
    const {qBegin, qEnd} = this.context;
    return Math.ceil(Math.max(qEnd - qBegin, 0) / this.attention.tile.queries);
  }

  /// What query tile t does for component k: rows, the keys that it visits, how
  /// many key tiles these are and which of them, [fullFrom, fullTo), every row
  /// keeps whole. Null where it visits none. `step` > 1 looks at some rows only.
  visit(k, t, step = 1) {
    const cache = this.tileCache[k], key = step > 1 ? -1 - t : t;
    let visit = cache.get(key);
    if (visit !== undefined)
      return visit;
    if (cache.size > 50000)
      cache.clear();
    visit = this.computeVisit(k, t, step);
    cache.set(key, visit);
    return visit;
  }

  computeVisit(k, t, step) {
    const component = this.components[k], {queries, keys} = this.attention.tile;
    if (!component.tiles)
      return null;
    const first = this.context.qBegin + t * queries;
    const last = Math.min(first + queries, this.context.qEnd) - 1;
    const from = Math.max(first, this.rows[k].first);
    const to = Math.min(last, this.rows[k].last);
    if (!(from <= to))
      return null;
    const corners = component.monotone
        ? this.monotoneCorners(k, from, to) : this.corners(k, from, to, step);
    if (!corners)
      return null;
    const {low, high, fullLow, fullHigh, whole} = corners;
    const visit = {
      first, last, low, high, tiles: Math.ceil((high - low + 1) / keys),
      fullFrom: 0, fullTo: 0,
    };
    const fullFirst = Math.max(fullLow, low), fullLast = Math.min(fullHigh, high);
    if (component.tests.length || !whole || from !== first || to !== last ||
        fullFirst > fullLast)
      return visit;
    visit.fullFrom = Math.ceil((fullFirst - low) / keys);
    visit.fullTo = Math.max(visit.fullFrom, fullLast === high
        ? visit.tiles : Math.floor((fullLast - low + 1) / keys));
    return visit;
  }

  /// Bounds that rise with the row: the first and last row say it all.
  monotoneCorners(k, from, to) {
    const {lower, upper} = this.components[k], c = this.context;
    const s = c.symbols;
    const low = Math.max(lower(from, s), c.kBegin);
    const high = Math.min(upper(to, s), c.kEnd - 1);
    return low <= high && {
      low, high, whole: true, fullLow: Math.max(lower(to, s), c.kBegin),
      fullHigh: Math.min(upper(from, s), c.kEnd - 1),
    };
  }

  corners(k, from, to, step) {
    let low = Infinity, high = -Infinity, fullLow = -Infinity,
      fullHigh = Infinity, whole = true;
    for (let i = from; ; i = Math.min(i + step, to)) {
      if (this.span(k, i)) {
        low = Math.min(low, this.lo);
        high = Math.max(high, this.hi);
        fullLow = Math.max(fullLow, this.lo);
        fullHigh = Math.min(fullHigh, this.hi);
      } else {
        whole = false;
      }
      if (i === to)
        break;
    }
    return low <= high && {low, high, fullLow, fullHigh, whole};
  }

  /// 'full', 'partial' or '' for the tile of component k that holds the pair.
  tileClass(k, i, j) {
    const visit = this.visit(k, this.tileOfRow(i));
    if (!visit || j < visit.low || j > visit.high)
      return '';
    const tile = Math.floor((j - visit.low) / this.attention.tile.keys);
    return visit.fullFrom <= tile && tile < visit.fullTo ? 'full' : 'partial';
  }

  // ---- counts -------------------------------------------------------------
  /// Counts component k, yielding from time to time; returns {full, partial,
  /// visited, visitedExact, kept, exact}. `visited` is null where nothing says
  /// what a kernel visits, `kept` where only a run can tell.
  * count(k) {
    const component = this.components[k], {first, last} = this.rows[k];
    const result = {
      full: 0, partial: 0, visited: 0, visitedExact: true, kept: 0, exact: true,
    };
    for (let t = 0, e = component.tiles ? this.numTiles() : 0; t < e; ++t) {
      const visit = this.computeVisit(k, t, 1);
      if (visit) {
        result.full += visit.fullTo - visit.fullFrom;
        result.partial += visit.tiles - (visit.fullTo - visit.fullFrom);
        result.visited += (visit.high - visit.low + 1) *
                          (visit.last - visit.first + 1);
      }
      if (t % 256 === 255)
        yield;
    }
    let pairs = 0, begun = performance.now();
    for (let i = first; i <= last; ++i) {
      pairs += this.span(k, i) ? this.hi - this.lo + 1 : 0;
      if (i % 1024 === 0 && performance.now() - begun > 8) {
        yield;
        begun = performance.now();
      }
    }
    result.kept = pairs;
    if (component.tests.length)
      yield* this.countTested(k, pairs, result);
    if (!component.tiles && component.walk < 0)
      result.visited = null;
    return result;
  }

  /// Kept keys of one row, and those that its walk enumerates.
  countRow(k, i) {
    if (!this.span(k, i))
      return [0, 0, 0];
    const {lo, hi} = this, c = this.context, sparse = this.sparseTest(k);
    if (sparse) {
      const found = [];
      sparse.keys(c, c.top, i, lo, hi, found, Infinity);
      const kept = found.filter((j) => this.holds(k, i, j));
      return [kept.length, found.length, found.length];
    }
    let kept = 0;
    for (let j = lo; j <= hi; ++j)
      kept += this.holds(k, i, j) ? 1 : 0;
    return [kept, 0, hi - lo + 1];
  }

  /// Tests every pair where that is soon done, else those of some rows.
  * countTested(k, pairs, result) {
    const {first, last} = this.rows[k];
    const rows = Math.max(last - first + 1, 0);
    if (this.isUnknown(k))
      result.kept = null;
    if (this.isUnknown(k) || !rows)
      return;
    const budget = 3e6, patience = 2000; // tests, milliseconds
    let cost = pairs, begun = performance.now(), time = 0;
    if (this.sparseTest(k)) { // what some rows list tells what all do
      const probes = Math.min(rows, 64);
      cost = 0;
      for (let p = 0; p < probes; ++p)
        cost += this.countRow(k, first + Math.floor(p * rows / probes))[2] + 1;
      cost *= rows / Math.max(probes, 1);
      time = (performance.now() - begun) * rows / Math.max(probes, 1);
    }
    const share = Math.min(budget / Math.max(cost, 1),
      rows > 1000 ? patience / Math.max(time, 1) : 1);
    const sampled = share >= 1 ? rows : Math.max(1, Math.floor(rows * share));
    let kept = 0, walked = 0;
    begun = performance.now();
    for (let r = 0; r < sampled; ++r) {
      const at = sampled === rows
          ? r : Math.floor((2 * r + 1) * rows / (2 * sampled));
      const [rowKept, rowWalked] = this.countRow(k, first + at);
      kept += rowKept;
      walked += rowWalked;
      if (performance.now() - begun > 8) {
        yield;
        begun = performance.now();
      }
    }
    const scale = sampled > 0 ? rows / sampled : 1;
    result.kept = Math.round(kept * scale);
    result.exact = sampled === rows;
    if (this.components[k].walk < 0)
      return;
    result.visited = Math.round(walked * scale);
    result.visitedExact = result.exact;
  }
}
