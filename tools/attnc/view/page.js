// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The page around the drawing: zooming, pointing, choosing and the legend.
/* global sets, Plan, Drawing, palette */
'use strict';

const byId = (id) => document.getElementById(id);
const group = (x) => Math.round(x).toLocaleString('en-US');
const pretty = (text) => text.replaceAll('<=', '≤').replaceAll('>=', '≥');
function element(name, text, parent, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className)
    made.className = className;
  parent.append(made);
  return made;
}

class Page {
  constructor(attentions) {
    this.attentions = attentions;
    this.canvas = byId('canvas');
    this.cursor = byId('cursor');
    this.pointers = new Map();
    this.makeChoices();
    this.choose(0);
    this.listen();
  }

  // ---- what is shown ------------------------------------------------------
  makeChoices() {
    if (this.attentions.length < 2)
      return;
    this.makeChoice('attention', this.attentions.map(({title}) => title),
      (n) => this.choose(n));
  }

  makeChoice(name, texts, change) {
    const label = element('label', `${name} `, byId('choices'));
    label.dataset.name = name;
    const select = element('select', '', label);
    texts.forEach((text, n) => { element('option', text, select).value = n; });
    select.addEventListener('change', () => change(Number(select.value)));
  }

  choose(number) {
    const attention = this.attentions[number];
    this.plan = new Plan(attention);
    byId('words').textContent = attention.words;
    document.querySelectorAll('#choices [data-name=batch],[data-name=head]')
      .forEach((label) => label.remove());
    const numbers = (count) => Array.from({length: count}, (_, n) => `${n}`);
    let batch = 0, head = 0;
    const update = () => {
      this.plan.setBatchAndHead(batch, head);
      this.count();
      this.redraw();
    };
    if (attention.batches.length > 1)
      this.makeChoice('batch', numbers(attention.batches.length), (n) => {
        batch = n;
        update();
      });
    if (attention.byHead && attention.heads > 1)
      this.makeChoice('head', numbers(attention.heads), (n) => {
        head = n;
        update();
      });
    this.drawing = new Drawing(this.canvas, this.plan, this.theme());
    this.makeLegend();
    this.resize();
    this.fit();
    this.inspect(null);
    this.readAddress();
    this.count();
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => {
      const hex = style.getPropertyValue(name).trim();
      return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    };
    return {
      paper: color('--paper'), ink: color('--ink'), faint: color('--faint'),
      outside: color('--outside'),
    };
  }

  // ---- where it is shown --------------------------------------------------
  resize() {
    const ratio = window.devicePixelRatio || 1, {canvas, cursor} = this;
    const {clientWidth, clientHeight} = byId('stage');
    for (const c of [canvas, cursor]) {
      c.width = Math.round(clientWidth * ratio);
      c.height = Math.round(clientHeight * ratio);
    }
    this.ratio = ratio;
    const digits = group(Math.max(this.plan.attention.n, 1000)).length;
    this.margin = {
      left: Math.round((digits * 7 + 14) * ratio), top: Math.round(24 * ratio),
      end: Math.round(4 * ratio),
    };
    this.room = {
      width: Math.max(canvas.width - this.margin.left - this.margin.end, 1),
      height: Math.max(canvas.height - this.margin.top - this.margin.end, 1),
    };
  }

  /// Scales (rows a pixel) at which everything is seen: one for both, unless
  /// that would make a thread of it.
  fitScales() {
    const {n, m} = this.plan.attention, {width, height} = this.room;
    let sx = Math.max(m, 1) / width, sy = Math.max(n, 1) / height;
    const both = Math.max(sx, sy);
    if (m / both >= width / 6)
      sx = both;
    if (n / both >= height / 6)
      sy = both;
    const least = this.leastScale();
    return {sx: Math.max(sx, least), sy: Math.max(sy, least)};
  }
  leastScale() { return 1 / (48 * this.ratio); }

  fit() {
    this.scale = this.fitScales();
    this.origin = {x: 0, y: 0};
    this.redraw();
  }

  /// Keeps the set in sight.
  clamp() {
    const {n, m} = this.plan.attention, fit = this.fitScales();
    const {scale, origin, room} = this, least = this.leastScale();
    scale.sx = Math.min(Math.max(scale.sx, least), fit.sx);
    scale.sy = Math.min(Math.max(scale.sy, least), fit.sy);
    const hold = (at, count, shown) =>
      Math.min(Math.max(at, 0), Math.max(count - shown, 0));
    origin.x = hold(origin.x, m, room.width * scale.sx);
    origin.y = hold(origin.y, n, room.height * scale.sy);
  }

  redraw() {
    if (this.pending)
      return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  draw() {
    this.clamp();
    const {n, m} = this.plan.attention, {sx, sy} = this.scale, {x, y} = this.origin;
    const {left, top} = this.margin;
    this.view = {
      x, y, sx, sy, left, top, ratio: this.ratio,
      width: Math.min(this.room.width, Math.ceil((m - x) / sx)),
      height: Math.min(this.room.height, Math.ceil((n - y) / sy)),
    };
    this.drawing.draw(this.view);
    this.drawAxes();
    this.drawCursor();
    const rows = Math.max(sx, sy) * this.ratio; // of CSS pixels
    byId('where').textContent = rows >= 1
        ? `a pixel is ${rows < 10 ? rows.toFixed(1) : group(rows)} rows wide`
        : `a pair is ${(1 / rows).toFixed(1)} pixels wide`;
    if (sets.scalar.inexact && !this.saidInexact) {
      this.saidInexact = true;
      element('div', 'A predicate computes numbers beyond 2^53, which this ' +
        'page rounds: what it keeps may differ.', byId('legend'), 'note');
    }
  }

  drawAxes() {
    const ctx = this.canvas.getContext('2d'), {view, ratio} = this;
    const {qBegin, kBegin} = this.plan.context;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = `rgb(${this.drawing.theme.faint})`;
    const ticks = (first, scale, size, room, paint) => {
      const least = Math.max(room * scale, 1);
      const power = 10 ** Math.floor(Math.log10(least));
      const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= least);
      for (let at = Math.ceil(first / step) * step; ; at += step) {
        const pixel = (at - first + Math.min(0.5, 0.5 / scale * 0.5)) / scale;
        if (pixel > size - 3 * ratio)
          break;
        paint(Math.round(pixel), group(at));
      }
    };
    const offset = (s) => (s < 0.5 ? 0.5 / s : 0); // to the middle of a pair
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    ticks(qBegin + view.y, view.sy, view.height, 34 * ratio, (p, text) => {
      const at = view.top + p + (offset(view.sy) ? offset(view.sy) / 2 : 0);
      ctx.fillText(text, view.left - 6 * ratio, Math.max(at, view.top + 5 * ratio));
      ctx.fillRect(view.left - 4 * ratio, at, 3 * ratio, 1);
    });
    ctx.textBaseline = 'bottom';
    const digits = group(kBegin + this.plan.attention.m).length;
    ctx.textAlign = 'left';
    ticks(kBegin + view.x, view.sx, view.width, (digits * 7 + 24) * ratio,
      (p, text) => {
        const at = view.left + p + (offset(view.sx) ? offset(view.sx) / 2 : 0);
        const wide = ctx.measureText(text).width;
        if (at + wide > this.canvas.width)
          return;
        ctx.fillText(text, Math.max(at - (p ? wide / 2 : 0), view.left),
          view.top - 5 * ratio);
        ctx.fillRect(at, view.top - 4 * ratio, 1, 3 * ratio);
      });
    ctx.fillText('i \\ j', 2 * ratio, view.top - 5 * ratio);
  }

  // ---- zooming and moving -------------------------------------------------
  /// Scales by `factor` (below 1: closer) around a place on the canvas.
  zoom(factor, place) {
    const {view, scale, origin} = this;
    const at = place ||
        {x: view.left + view.width / 2, y: view.top + view.height / 2};
    const x = origin.x + (at.x - view.left) * scale.sx;
    const y = origin.y + (at.y - view.top) * scale.sy;
    const fit = this.fitScales(), least = this.leastScale();
    const next = (s, most) => Math.min(Math.max(s * factor, least), most);
    scale.sx = next(scale.sx, fit.sx);
    scale.sy = next(scale.sy, fit.sy);
    origin.x = x - (at.x - view.left) * scale.sx;
    origin.y = y - (at.y - view.top) * scale.sy;
    this.redraw();
  }

  /// Shows the middle (or what is pointed at) at these rows a pixel.
  zoomTo(rows) {
    const {view, scale, origin} = this, {qBegin, kBegin} = this.plan.context;
    const x = this.pair ? this.pair.j - kBegin
                        : origin.x + view.width / 2 * scale.sx;
    const y = this.pair ? this.pair.i - qBegin
                        : origin.y + view.height / 2 * scale.sy;
    this.scale = {sx: rows, sy: rows};
    this.clamp();
    this.origin = {
      x: x - this.room.width / 2 * this.scale.sx,
      y: y - this.room.height / 2 * this.scale.sy,
    };
    this.redraw();
  }
  zoomToTiles() {
    const {queries, keys} = this.plan.attention.tile;
    this.zoomTo(4 * Math.max(keys, queries) / Math.min(this.room.width,
      this.room.height));
  }
  zoomToPairs() { this.zoomTo(1 / (20 * this.ratio)); }

  move(dx, dy) {
    this.origin.x += dx * this.scale.sx;
    this.origin.y += dy * this.scale.sy;
    this.redraw();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: (event.clientX - box.left) * this.ratio,
      y: (event.clientY - box.top) * this.ratio,
    };
  }

  listen() {
    const {canvas} = this;
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(event.deltaY * lines * 0.002), this.place(event));
    }, {passive: false});
    canvas.addEventListener('dblclick', (event) =>
      this.zoom(0.25, this.place(event)));
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.place(event));
      this.point(this.place(event));
    });
    canvas.addEventListener('pointermove', (event) => this.onMove(event));
    for (const name of ['pointerup', 'pointercancel'])
      canvas.addEventListener(name,
        (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener('pointerleave', (event) => {
      if (event.pointerType === 'mouse' && !this.pointers.size)
        this.inspect(null);
    });
    canvas.addEventListener('keydown', (event) => this.onKey(event));
    byId('in').addEventListener('click', () => this.zoom(0.5));
    byId('out').addEventListener('click', () => this.zoom(2));
    byId('fit').addEventListener('click', () => this.fit());
    byId('tile').addEventListener('click', () => this.zoomToTiles());
    byId('pair').addEventListener('click', () => this.zoomToPairs());
    new ResizeObserver(() => {
      this.resize();
      this.redraw();
    }).observe(byId('stage'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.drawing.setTheme(this.theme());
      this.makeLegend();
      this.showCounts();
      this.redraw();
    });
    addEventListener('hashchange', () => this.readAddress());
  }

  onMove(event) {
    const here = this.place(event), before = this.pointers.get(event.pointerId);
    if (!before) {
      this.point(here);
      return;
    }
    this.pointers.set(event.pointerId, here);
    if (this.pointers.size === 1) {
      this.move(before.x - here.x, before.y - here.y);
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const distance = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
    this.zoom(distance(before) / distance(here), {
      x: (here.x + other.x) / 2, y: (here.y + other.y) / 2,
    });
    this.move((before.x - here.x) / 2, (before.y - here.y) / 2);
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey)
      return;
    const arrows = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    const commands = {
      '+': () => this.zoom(0.5), '=': () => this.zoom(0.5),
      '-': () => this.zoom(2), '0': () => this.fit(), 'Home': () => this.fit(),
      't': () => this.zoomToTiles(), 'p': () => this.zoomToPairs(),
      'Escape': () => this.inspect(null),
    };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey)
      this.step(...arrow);
    else if (arrow)
      this.move(arrow[0] * this.view.width / 8, arrow[1] * this.view.height / 8);
    else if (commands[event.key])
      commands[event.key]();
    else
      return;
    event.preventDefault();
  }

  /// "#i=100,j=200,cell=12": a pair in the middle, 12 pixels large.
  readAddress() {
    const parts = Object.fromEntries(location.hash.slice(1).split(',').map(
      (part) => part.split('=')));
    const {qBegin, kBegin} = this.plan.context;
    const i = Number(parts.i), j = Number(parts.j), cell = Number(parts.cell);
    if (!Number.isFinite(i) || !Number.isFinite(j) || !(cell > 0) || !parts.i)
      return;
    this.inspectAt(i - qBegin, j - kBegin);
    this.zoomTo(1 / (cell * this.ratio));
  }

  // ---- one pair -----------------------------------------------------------
  point(place) {
    const {view} = this;
    if (!view)
      return;
    const x = place.x - view.left, y = place.y - view.top;
    if (x < 0 || y < 0 || x >= view.width || y >= view.height)
      this.inspect(null);
    else
      this.inspectAt(Math.floor(view.y + y * view.sy),
        Math.floor(view.x + x * view.sx));
  }

  inspectAt(row, key) {
    const {n, m} = this.plan.attention, {qBegin, kBegin} = this.plan.context;
    if (n < 1 || m < 1)
      return;
    this.inspect({
      i: qBegin + Math.min(Math.max(row, 0), n - 1),
      j: kBegin + Math.min(Math.max(key, 0), m - 1),
    });
  }

  step(dx, dy) {
    const {qBegin, kBegin} = this.plan.context, {view} = this;
    const {i, j} = this.pair || {
      i: qBegin + Math.floor(view.y + view.height * view.sy / 2),
      j: kBegin + Math.floor(view.x + view.width * view.sx / 2),
    };
    this.inspectAt(i - qBegin + dy, j - kBegin + dx);
    const row = this.pair.i - qBegin, key = this.pair.j - kBegin;
    if (row < view.y || row >= view.y + view.height * view.sy ||
        key < view.x || key >= view.x + view.width * view.sx) {
      this.origin.x += dx * view.width * view.sx / 2;
      this.origin.y += dy * view.height * view.sy / 2;
      this.redraw();
    }
  }

  inspect(pair) {
    this.pair = pair;
    this.drawCursor();
    const box = byId('under');
    box.textContent = '';
    if (!pair) {
      element('div', 'Point at a pair to see who keeps it.', box, 'none');
      return;
    }
    const {i, j} = pair, {qBegin, qEnd, kBegin, kEnd} = this.plan.context;
    element('strong', `query i = ${group(i)}, key j = ${group(j)}`, box);
    const rows = qBegin || kBegin
        ? ` (query row ${group(i - qBegin)}, key row ${group(j - kBegin)})` : '';
    element('span', rows, box);
    if (i >= qEnd || j >= kEnd) {
      element('div', i >= qEnd ? 'No query: beyond its length.'
                               : 'No key: beyond its length.', box);
      return;
    }
    const lines = this.plan.components.map(
      (component, k) => this.verdict(component, k, i, j)).filter((x) => x);
    for (const text of lines)
      element('div', text, box);
    if (!lines.length)
      element('div', 'Not kept; no component visits it.', box);
  }

  verdict(component, k, i, j) {
    const {plan} = this, keeps = plan.keeps(k, i, j);
    const tile = plan.tileClass(k, i, j);
    if (keeps === false && !tile)
      return '';
    const kept = keeps === undefined ? 'decided at run time'
        : keeps ? 'kept' : 'not kept';
    return `${component.name}: ${kept}` +
        (tile ? `, in a ${tile} tile` : '') + ` — ${pretty(component.words)}`;
  }

  drawCursor() {
    const ctx = this.cursor.getContext('2d'), {view, pair, ratio} = this;
    ctx.clearRect(0, 0, this.cursor.width, this.cursor.height);
    if (!pair || !view)
      return;
    const {qBegin, kBegin} = this.plan.context;
    const x0 = view.left + (pair.j - kBegin - view.x) / view.sx;
    const y0 = view.top + (pair.i - qBegin - view.y) / view.sy;
    const w = Math.max(1 / view.sx, ratio), h = Math.max(1 / view.sy, ratio);
    ctx.save();
    ctx.beginPath();
    ctx.rect(view.left, view.top, view.width, view.height);
    ctx.clip();
    ctx.fillStyle = `rgba(${this.drawing.theme.ink}, 0.16)`;
    ctx.fillRect(view.left, y0, view.width, h);
    ctx.fillRect(x0, view.top, w, view.height);
    ctx.strokeStyle = `rgb(${this.drawing.theme.ink})`;
    ctx.lineWidth = 1.5 * ratio;
    ctx.strokeRect(x0, y0, w, h);
    ctx.restore();
  }

  // ---- legend -------------------------------------------------------------
  makeLegend() {
    const legend = byId('legend'), {attention} = this.plan;
    legend.textContent = '';
    for (const note of attention.notes)
      element('div', note, legend, 'note');
    this.total = element('section', '', legend);
    this.makeKey(element('section', '', legend));
    this.cells = attention.components.map((component, k) =>
      this.makeEntry(component, k, legend));
  }

  /// What the colours mean, those that can occur.
  makeKey(key) {
    const {attention, context} = this.plan, {tile, components} = attention;
    element('h2', 'Colours', key);
    const grid = element('div', '', key, 'keys');
    const color = (t) => {
      const {paper} = this.drawing.theme;
      return `rgb(${paper.map((x, n) =>
        Math.round(x + (palette[0][n] - x) * t))})`;
    };
    const add = (background, text) => {
      element('span', '', grid, 'swatch').style.background = background;
      element('span', text, grid);
    };
    const tiled = components.some(({tiles}) => tiles);
    add(color(1), 'kept pairs, paler where a pixel holds others too' +
        (tiled ? '; a full tile is solid and needs no masking' : ''));
    if (tiled)
      add(color(0.22), `visited, not kept: the rest of a partial tile of ${
        tile.queries} queries × ${tile.keys} keys (dashed)`);
    if (components.some((_, k) => this.plan.isUnknown(k)))
      add(`repeating-linear-gradient(135deg, ${color(0.22)} 0 4px, ${
        color(0.55)} 4px 8px)`, 'decided at run time');
    add('var(--paper)', tiled ? 'not visited' : 'not kept');
    if (context.qEnd - context.qBegin < attention.n ||
        context.kEnd - context.kBegin < attention.m)
      add('var(--outside)', 'beyond a length: no query or no key');
  }

  makeEntry(component, k, legend) {
    const section = element('section', '', legend);
    const label = element('label', '', section);
    const box = element('input', '', label);
    box.type = 'checkbox';
    box.checked = !this.drawing.hidden.has(k);
    box.addEventListener('change', () => {
      this.drawing.hidden[box.checked ? 'delete' : 'add'](k);
      this.redraw();
    });
    const swatch = element('span', '', label, 'swatch');
    swatch.style.background = `rgb(${palette[k % palette.length]})`;
    element('span', `component ${component.name}`, label);
    element('code', pretty(component.words), element('p', '', section));
    return element('table', '', section);
  }

  /// Counts what this batch and head keep, a little at a time.
  count() {
    const {plan} = this, run = {};
    this.counting = run;
    this.counts = plan.components.map(() => null);
    this.showCounts();
    // A plan of its own: counting must not disturb what drawing remembers.
    const counter = new Plan(plan.attention);
    counter.setBatchAndHead(plan.context.batch, plan.context.head);
    const steps = (function* all(counts) {
      for (let k = 0; k < counts.length; ++k)
        counts[k] = yield* counter.count(k);
    })(this.counts);
    const work = () => {
      if (this.counting !== run)
        return;
      const begun = performance.now();
      let done = false;
      while (!done && performance.now() - begun < 12)
        ({done} = steps.next());
      this.showCounts();
      if (!done)
        setTimeout(work, 0);
      else
        document.body.dataset.counted = 'yes';
    };
    setTimeout(work, 50);
  }

  showCounts() {
    const {attention} = this.plan, {batch} = this.plan.context;
    const sum = {
      kept: 0, visited: 0, full: 0, partial: 0, exact: true, visitedExact: true,
    };
    this.cells.forEach((table, k) => {
      const count = this.counts && this.counts[k];
      this.showCount(table, count);
      for (const what of ['kept', 'visited', 'full', 'partial'])
        sum[what] = count && sum[what] !== null && count[what] !== null
            ? sum[what] + count[what] : null;
      for (const what of ['exact', 'visitedExact'])
        sum[what] = sum[what] && !!count && count[what];
    });
    this.total.textContent = '';
    const {n, m} = attention;
    element('h2', attention.batches.length > 1
        ? `A head of batch ${batch}` : 'A head', this.total);
    if (!attention.components.length)
      element('p', 'No component: no pair is kept.', this.total);
    const table = element('table', '', this.total);
    this.row(table, 'queries × keys', `${group(n)} × ${group(m)}`);
    this.row(table, 'all pairs', group(n * m));
    if (sum.kept !== null)
      this.row(table, 'kept of all', this.percent(sum.kept, n * m));
    this.showCount(table, sum.full === null ? null : sum);
  }

  row(table, name, text) {
    const row = element('tr', '', table);
    element('td', name, row);
    element('td', text, row);
  }
  percent(part, whole) {
    const share = whole > 0 ? 100 * part / whole : 0;
    return `${share >= 10 ? share.toFixed(1) : share.toPrecision(3)}%`;
  }

  showCount(table, count) {
    if (table !== this.total.querySelector('table'))
      table.textContent = '';
    if (!count) {
      this.row(table, 'counting…', '');
      return;
    }
    const about = count.exact ? '' : '≈ ';
    this.row(table, 'kept pairs',
      count.kept === null ? 'known at run time' : about + group(count.kept));
    if (count.visited !== null) {
      this.row(table, 'visited pairs',
        (count.visitedExact ? '' : '≈ ') + group(count.visited));
      if (count.kept !== null)
        this.row(table, 'kept / visited', about +
            this.percent(count.kept, count.visited));
    }
    if (count.full || count.partial)
      this.row(table, 'tiles',
        `${group(count.full)} full, ${group(count.partial)} partial`);
  }
}
