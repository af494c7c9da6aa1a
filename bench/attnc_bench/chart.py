# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py's plot: how many times longer than attnc each peer takes, a row a
workload, and the share of the machine's limit that attnc reaches."""

from . import plot
from .summary import SHORT, is_slower
from .terminal import duration

WIDTH, LEFT, RIGHT, ROW, TOP = 940, 330, 190, 21, 134
STYLE = """
  svg { --c0: #bc4c00; --c1: #8250df; --c2: #1a7f37; --c3: #bf3989; --c4: #9a6700; }
  @media (prefers-color-scheme: dark) {
    svg { --c0: #f0883e; --c1: #bc8cff; --c2: #3fb950; --c3: #f778ba; --c4: #d29922; } }
  .c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); }
  .c3 { fill: var(--c3); } .c4 { fill: var(--c4); }
  .one { stroke: var(--attnc); stroke-width: 2; } .lost { fill: #cf222e; font-weight: 600; }
"""
LABELLED = 3.3  # powers of ten on which 2 and 5 have labels too
FARTHEST = 100.0  # beyond, a dot stands at the edge


def _ratios(row):
    """(peer, times longer than attnc) of those that were timed."""
    found = [(name, peer["ratio"]["paired_median"]) for name, peer in row["peers"].items()
             if peer.get("ratio")]
    return [(name, min(ratio, FARTHEST)) for name, ratio in found]


def _row(row, y, axis, styles):
    parts = [plot.text(LEFT - 14, y + 4, row["title"], "end")]
    mine = row["attnc"].get("seconds")
    if not mine:
        return [*parts, plot.text(axis.x(1) + 8, y + 4, row["attnc"]["status"], "soft")]
    ratios = _ratios(row)
    for name, ratio in sorted(ratios, key=lambda pair: -pair[1]):
        seconds = row["peers"][name]["seconds"]["median"]
        parts.append(plot.circle(axis.x(ratio), y, styles[name],
                                 f"{SHORT[name]}: {duration(seconds)}", 5))
    if row.get("ratio"):
        parts.append(plot.text(WIDTH - 100, y + 4, f"{row['ratio']['paired_median']:.2f}×",
                               "end lost" if is_slower(row) else "end strong"))
    parts.append(plot.text(WIDTH - 24, y + 4, f"{100 * row['share_of_limit']:.0f}%", "end"))
    return parts


def _legend(names, styles, y):
    x, parts = LEFT, [
        plot.line(28, y - 10, 28, y + 2, "one"),
                plot.text(38, y, "attnc", "soft")]
    for name in names:
        parts += [plot.circle(x + 5, y - 4, styles[name], SHORT[name], 5),
                  plot.text(x + 16, y, SHORT[name], "soft")]
        x += 34 + 8 * len(SHORT[name])
    return parts


def _grid(axis, bottom):
    parts = []
    for step in axis.steps:
        x, labelled = axis.x(step), axis.span < LABELLED or axis.is_labelled(step)
        parts.append(plot.line(x, TOP - 14, x, bottom, "one" if step == 1 else
                               "grid" if labelled else "minor"))
        if labelled:
            parts += [plot.text(x, y, f"{step:g}×", "mid soft") for y in (TOP - 18, bottom + 18)]
    return parts


def svg(rows, peers, title, subtitle):
    """None where no row was timed."""
    if not any(row["attnc"].get("seconds") for row in rows):
        return None
    names = [peer["name"] for peer in peers]
    styles = {name: f"c{index}" for index, name in enumerate(names)}
    there = [name for name in names if any((row["peers"].get(name) or {}).get("ratio")
                                           for row in rows)]
    values = [1.0, 0.5, 2.0] + [ratio for row in rows for _, ratio in _ratios(row)]
    axis = plot.Axis(values, LEFT, WIDTH - LEFT - RIGHT)
    y, parts = TOP, []
    for row in rows:
        parts += _row(row, y, axis, styles)
        y += ROW
    bottom = y - ROW + 12
    head = [plot.text(24, 34, title, "title"), plot.text(24, 56, subtitle, "soft"),
            *_legend(there, styles, 86), plot.text(WIDTH - 100, 86, "best peer", "end soft"),
            plot.text(WIDTH - 24, 86, "of limit", "end soft"),
            plot.text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40,
                      "times longer than attnc, paired medians, logarithmic", "mid soft")]
    return plot.page(WIDTH, bottom + 54, title, [*head, *_grid(axis, bottom), *parts], STYLE)
