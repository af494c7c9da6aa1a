// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Draws a plan on a canvas in time that depends on the pixels, not on the
// pairs: each row of pixels asks the plan for the keys of one query.
/* global Plan */
'use strict';

/// Colours that stay apart for every kind of colour vision, with names.
const palette = [
  [0, 114, 178], [230, 159, 0], [0, 158, 115], [213, 94, 0], [86, 180, 233],
  [204, 121, 167], [140, 130, 0], [128, 128, 140],
];

class Drawing {
  constructor(canvas, plan, theme) {
    this.canvas = canvas;
    this.plan = plan;
    this.hidden = new Set();
    this.setTheme(theme);
  }

  /// theme: {paper, ink, faint, outside}, each [r, g, b].
  setTheme(theme) {
    const pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
    const blend = (a, b, t) => a.map((x, n) => Math.round(x + (b[n] - x) * t));
    this.theme = theme;
    this.paper = pack(theme.paper);
    this.padding = pack(theme.outside);
    // 17 steps each: of visited pairs that are kept, and of kept pairs on paper.
    this.ramps = this.plan.components.map((_, k) => {
      const solid = palette[k % palette.length];
      const light = blend(theme.paper, solid, 0.22);
      const steps = (from) => Array.from(
        {length: 17}, (__, n) => pack(blend(from, solid, n / 16)));
      return {visited: steps(light), bare: steps(theme.paper)};
    });
  }

  /// view: {x, y, sx, sy, left, top, width, height}: key and query rows at the
  /// corner, rows a pixel, and where on the canvas (in its pixels) to draw.
  draw(view) {
    const begun = performance.now();
    const ctx = this.canvas.getContext('2d');
    const {left, top, width, height} = view;
    this.view = view;
    ctx.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (width > 0 && height > 0) {
      const image = ctx.createImageData(width, height);
      this.pixels = new Uint32Array(image.data.buffer);
      this.budget = 4e6; // keys that sparse sets may list in one redraw
      this.drawRows();
      ctx.putImageData(image, left, top);
      this.drawGrid(ctx);
      this.drawTiles(ctx);
      ctx.strokeStyle = `rgb(${this.theme.faint})`;
      ctx.lineWidth = view.ratio;
      ctx.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
    }
    this.milliseconds = performance.now() - begun;
  }

  drawRows() {
    const {y, sy, width, height} = this.view, {n} = this.plan.attention;
    let before = -1;
    for (let py = 0; py < height; ++py) {
      const first = Math.max(Math.floor(y + py * sy), 0);
      const last = sy <= 1
          ? first : Math.max(first, Math.ceil(y + (py + 1) * sy) - 1);
      const at = py * width;
      if (sy <= 1 && first === before) {
        this.pixels.copyWithin(at, at - width, at);
      } else if (first < n) {
        this.drawRow(at, first, Math.min(last, n - 1));
        before = first;
      }
    }
  }

  /// The pixels from key position lo up to hi (exclusive): [first, end).
  pixelsOf(lo, hi) {
    const {x, sx, width} = this.view, {kBegin} = this.plan.context;
    const from = (lo - kBegin - x) / sx, to = (hi - kBegin - x) / sx;
    const first = Math.floor(from);
    return [Math.max(first, 0),
      Math.min(Math.max(Math.floor(to), first + 1), width)];
  }

  /// One row of pixels, which stands for query rows first .. last.
  drawRow(at, first, last) {
    const {width} = this.view, {plan} = this;
    const {qBegin, kBegin, qEnd, kEnd} = plan.context;
    this.pixels.fill(this.paper, at, at + width);
    this.at = at;
    if (qBegin + first >= qEnd) {
      this.pixels.fill(this.padding, at, at + width);
      return;
    }
    if (kEnd - kBegin < plan.attention.m)
      this.fill(kEnd, kBegin + plan.attention.m, this.padding);
    // A component with few rows shows where the sampled one is not among them.
    const middle = qBegin + Math.floor((first + last) / 2);
    const rowOf = (k) => {
      const {first: from, last: to} = plan.rows[k];
      return from > qBegin + last || to < qBegin + first
          ? middle : Math.min(Math.max(middle, from), to);
    };
    const count = plan.components.length;
    for (let k = 0; k < count; ++k)
      if (!this.hidden.has(k))
        this.drawVisited(k, rowOf(k));
    for (let k = 0; k < count; ++k)
      if (!this.hidden.has(k))
        this.drawKept(k, rowOf(k));
  }

  fill(lo, hi, color) {
    const [from, to] = this.pixelsOf(lo, hi);
    if (from < to)
      this.pixels.fill(color, this.at + from, this.at + to);
  }

  drawVisited(k, i) {
    const {plan} = this, {queries} = plan.attention.tile;
    // Where a tile is a pixel, some of its rows tell enough of its extent.
    const step = queries / this.view.sy < 3 ? Math.ceil(queries / 6) : 1;
    const visit = plan.visit(k, plan.tileOfRow(i), step);
    if (visit)
      this.fill(visit.low, visit.high + 1, this.ramps[k].visited[0]);
  }

  drawKept(k, i) {
    const {plan} = this;
    if (!plan.span(k, i))
      return;
    const {lo, hi} = plan, {ramps} = this;
    if (!plan.components[k].tests.length) {
      this.fill(lo, hi + 1, ramps[k].visited[16]);
      return;
    }
    const ramp = plan.components[k].tiles ? ramps[k].visited : ramps[k].bare;
    const [from, to] = this.pixelsOf(lo, hi + 1);
    if (from >= to)
      return;
    if (plan.isUnknown(k))
      this.drawUnknown(from, to, ramps[k].visited);
    else if (plan.sparseTest(k) && this.budget > 0)
      this.drawListed(k, i, lo, hi, from, to, ramp);
    else if (this.view.sx <= 1)
      this.drawCells(k, i, lo, hi, from, to, ramp);
    else
      this.drawSampled(k, i, lo, hi, from, to, ramp);
  }

  /// Stripes: only a run can tell.
  drawUnknown(from, to, ramp) {
    const row = Math.floor(this.at / this.view.width);
    for (let p = from; p < to; ++p)
      this.pixels[this.at + p] = ramp[((p + row) >> 2) & 1 ? 7 : 0];
  }

  /// The first and last key of the span that can be seen.
  visible(lo, hi, from, to) {
    const {x, sx} = this.view, {kBegin} = this.plan.context;
    return [Math.max(lo, Math.floor(kBegin + x + from * sx)),
      Math.min(hi, Math.ceil(kBegin + x + to * sx))];
  }

  drawListed(k, i, lo, hi, from, to, ramp) {
    const [first, last] = this.visible(lo, hi, from, to);
    const limit = Math.min(this.budget, 1 << 16);
    const keys = this.plan.keptKeys(k, i, first, last, limit);
    this.budget -= keys.length + 1;
    if (keys.length >= limit) {
      this.drawSampled(k, i, lo, hi, from, to, ramp);
      return;
    }
    const {sx} = this.view;
    if (sx <= 1) {
      for (const j of keys)
        this.fill(j, j + 1, ramp[16]);
      return;
    }
    const counts = new Float64Array(to - from);
    const begin = this.plan.context.kBegin + this.view.x;
    for (const j of keys) {
      const p = Math.floor((j - begin) / sx);
      if (p >= from && p < to)
        ++counts[p - from];
    }
    for (let p = from; p < to; ++p)
      if (counts[p - from])
        this.pixels[this.at + p] = this.shade(counts[p - from] / sx, ramp);
  }

  /// A colour for the kept share of a pixel; a single pair can be seen.
  shade(share, ramp) {
    return ramp[Math.max(6, Math.min(16, Math.round(share * 16)))];
  }

  drawCells(k, i, lo, hi, from, to, ramp) {
    const [first, last] = this.visible(lo, hi, from, to);
    for (let j = first; j <= last; ++j)
      if (this.plan.holds(k, i, j))
        this.fill(j, j + 1, ramp[16]);
  }

  /// A few keys a pixel, at places without a period that a set could match.
  drawSampled(k, i, lo, hi, from, to, ramp) {
    const {x, sx} = this.view, {kBegin} = this.plan.context, tries = 3;
    for (let p = from; p < to; ++p) {
      let hits = 0;
      for (let t = 0; t < tries; ++t) {
        const mixed = Math.imul((this.at + p) * tries + t, 0x9E3779B1) >>> 0;
        const j = Math.floor(kBegin + x + (p + mixed / 2 ** 32) * sx);
        hits += this.plan.holds(k, i, Math.min(Math.max(j, lo), hi)) ? 1 : 0;
      }
      if (hits)
        this.pixels[this.at + p] = this.shade(hits / tries, ramp);
    }
  }

  // ---- lines over the pixels ----------------------------------------------
  /// Lines between pairs where they are large.
  drawGrid(ctx) {
    const {x, y, sx, sy, left, top, width, height, ratio} = this.view;
    const lines = (scale, begin, size, line) => {
      if (1 / scale < 8 * ratio)
        return;
      for (let c = Math.ceil(begin); (c - begin) / scale <= size; ++c)
        line(Math.round((c - begin) / scale));
    };
    ctx.fillStyle = `rgba(${this.theme.paper}, 0.7)`;
    lines(sx, x, width, (p) => ctx.fillRect(left + p, top, 1, height));
    lines(sy, y, height, (p) => ctx.fillRect(left, top + p, width, 1));
  }

  /// Outlines of tiles: full ones solid, partial ones dashed.
  drawTiles(ctx) {
    const {y, sx, sy, left, top, width, height, ratio} = this.view;
    const {plan} = this, {queries, keys} = plan.attention.tile;
    if (queries / sy < 14 * ratio || keys / sx < 14 * ratio)
      return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const first = Math.max(0, Math.floor(y / queries));
    const last = Math.min(plan.numTiles() - 1,
      Math.floor((y + height * sy) / queries));
    plan.components.forEach((_, k) => {
      for (let t = first; t <= last && !this.hidden.has(k); ++t)
        this.outlineTiles(ctx, k, plan.visit(k, t));
    });
    ctx.restore();
  }

  outlineTiles(ctx, k, visit) {
    if (!visit)
      return;
    const {x, y, sx, sy, left, top, width, ratio} = this.view;
    const {kBegin, qBegin} = this.plan.context, {keys} = this.plan.attention.tile;
    const column = (j) => left + Math.round((j - kBegin - x) / sx);
    const row = (i) => top + Math.round((i - qBegin - y) / sy);
    const firstTile = Math.max(
      0, Math.floor((kBegin + x - visit.low) / keys));
    const lastTile = Math.min(visit.tiles - 1,
      Math.floor((kBegin + x + width * sx - visit.low) / keys));
    const y0 = row(visit.first), y1 = row(visit.last + 1);
    const solid = palette[k % palette.length];
    for (let n = firstTile; n <= lastTile; ++n) {
      const full = visit.fullFrom <= n && n < visit.fullTo;
      const x0 = column(visit.low + n * keys);
      const x1 = column(Math.min(visit.low + (n + 1) * keys, visit.high + 1));
      ctx.lineWidth = ratio;
      ctx.setLineDash(full ? [] : [4 * ratio, 3 * ratio]);
      ctx.strokeStyle = full ? `rgb(${this.theme.paper})` : `rgb(${solid})`;
      ctx.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0 - 1, y1 - y0 - 1);
    }
  }
}
