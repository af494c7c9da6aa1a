# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The plot: a self-contained SVG, readable on light and on dark pages."""

import math
from xml.sax.saxutils import escape

from .terminal import duration

WIDTH, LEFT, RIGHT, ROW, TOP = 880, 250, 110, 34, 132
STYLE = """
  svg { --page: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d1d9e0;
        --attnc: #0a69da; --flex: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --grid: #3d444d;
          --attnc: #58a6ff; --flex: #f0883e; } }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
  .page { fill: var(--page); } .title { font-size: 17px; font-weight: 600; }
  .soft { fill: var(--soft); font-size: 12px; } .end { text-anchor: end; }
  .mid { text-anchor: middle; } .strong { font-weight: 600; }
  .grid { stroke: var(--grid); } .join { stroke: var(--grid); stroke-width: 3; }
  .minor { stroke: var(--grid); opacity: 0.35; }
  .attnc { fill: var(--attnc); } .flex { fill: var(--flex); }
  .mask { fill: var(--page); stroke: var(--flex); stroke-width: 2; }
"""


class Axis:
    """A logarithmic axis that ends at 1, 2 or 5 times a power of ten."""

    def __init__(self, values, left=LEFT, width=WIDTH - LEFT - RIGHT):
        self.left, self.width = left, width
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        steps = [step * 10.0 ** exponent for exponent in range(first, last + 1)
                 for step in (1, 2, 5)]
        low = max((s for s in steps if s <= min(values)), default=steps[0])
        high = min(s for s in steps if s >= max(values) and s > low)
        self.steps = [s for s in steps if low <= s <= high]
        self.low, self.span = math.log10(low), math.log10(high / low)

    def x(self, value):
        share = (math.log10(value) - self.low) / self.span
        return self.left + share * self.width

    def is_labelled(self, step):
        """Powers of ten, and on a short axis all steps."""
        return self.span < 1.5 or abs(math.log10(step) - round(math.log10(step))) < 1e-9


def _tick(seconds):
    """A step of the axis in its unit, without trailing zeros."""
    number, unit = duration(seconds).split()
    return f"{float(number):g} {unit}".replace("us", "µs")


def text(x, y, words, style=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(words)}</text>'


def circle(x, y, style, words, radius=6):
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{style}">'
            f"<title>{escape(words)}</title></circle>")


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def _marks(row):
    """(attnc, peer, peer with a new block mask), seconds or None."""
    attnc = (row["attnc"].get("seconds") or {}).get("median")
    flex = row.get("flex") or {}
    peer = (flex.get("seconds") or {}).get("median")
    again = (flex.get("block_mask") or {}).get("again")
    return attnc, peer, peer + again if peer and again else None


def _row(row, y, axis):
    attnc, peer, masked = _marks(row)
    parts = [text(LEFT - 16, y + 4, row["title"], "end")]
    there = [value for value in (attnc, peer, masked) if value]
    if len(there) > 1:
        parts.append(line(axis.x(min(there)), y, axis.x(max(there)), y, "join"))
    if masked:
        parts.append(circle(axis.x(masked), y, "mask",
                             f"FlexAttention with a new block mask: {duration(masked)}", 5))
    if peer:
        parts.append(circle(axis.x(peer), y, "flex", f"FlexAttention: {duration(peer)}"))
    if attnc:
        parts.append(circle(axis.x(attnc), y, "attnc", f"attnc: {duration(attnc)}"))
    ratio = row.get("ratio")
    if ratio:
        parts.append(text(WIDTH - 24, y + 4, f"{ratio['paired_median']:.1f}×", "end strong"))
    elif not attnc:
        parts.append(text(WIDTH - 24, y + 4, row["attnc"]["status"], "end soft"))
    return parts


def _legend(y):
    x, parts = LEFT, []
    for style, words, width in (("attnc", "attnc", 70), ("flex", "FlexAttention", 120),
                                ("mask", "FlexAttention and making its block mask", 0)):
        parts += [circle(x + 6, y - 4, style, words, 5 if style == "mask" else 6),
                  text(x + 18, y, words, "soft")]
        x += width
    return parts


def _grid(axis, bottom):
    parts = []
    for step in axis.steps:
        x, labelled = axis.x(step), axis.is_labelled(step)
        parts.append(line(x, TOP - 16, x, bottom, "grid" if labelled else "minor"))
        if labelled:
            parts.append(text(x, bottom + 18, _tick(step), "mid soft"))
    return parts


def pairs_svg(rows, title, subtitle):
    """Median times, a row a mask, lengths one below the other. None without times."""
    values = [value for row in rows for value in _marks(row) if value]
    if not values:
        return None
    axis, y, parts = Axis(values), TOP, []
    lengths = sorted({row["n"] for row in rows})
    for n in lengths:
        if len(lengths) > 1:
            y += 0 if n == lengths[0] else 14
            parts.append(text(24, y + 4, f"n = {n:,}", "strong"))
            y += ROW - 8
        for row in (row for row in rows if row["n"] == n):
            parts += _row(row, y, axis)
            y += ROW
    bottom = y - ROW + 18
    height = bottom + 54
    head = [text(24, 34, title, "title"), text(24, 56, subtitle, "soft"), *_legend(86),
            text(WIDTH - 24, 86, "times faster", "end soft"),
            text((LEFT + WIDTH - RIGHT) / 2, height - 12,
                  "median time of one attention call, logarithmic", "mid soft")]
    return page(WIDTH, height, title, [*head, *_grid(axis, bottom), *parts])


def page(width, height, title, parts, style=""):
    """A whole file; `style` is added to the common one."""
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
            f'width="{width}" height="{height:.0f}" role="img" aria-label="{escape(title)}">\n'
            f"<style>{STYLE}{style}</style>\n"
            f'<rect width="100%" height="100%" class="page"/>\n{body}\n</svg>\n')
