# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Results for people and programs: tables and JSON."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

from .terminal import duration, paint

ESCAPE = re.compile(r"\x1b\[\d+m")
ABSENT = "-"


def table(headers, rows):
    """Text columns: the first to the left, numbers to the right. Cells may be
    painted already."""
    cells = [headers, *rows]
    widths = [max(len(ESCAPE.sub("", row[c])) for row in cells) for c in range(len(headers))]

    def line(row):
        padded = []
        for column, (text, width) in enumerate(zip(row, widths)):
            space = " " * (width - len(ESCAPE.sub("", text)))
            padded.append(text + space if column == 0 else space + text)
        return "  ".join(padded).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths).rstrip(),
                      *(line(row) for row in rows)])


def _ratio(row):
    ratio = row.get("ratio")
    if not ratio:
        return ABSENT, ABSENT
    text = f"{ratio['paired_median']:.2f}x"
    goal = row.get("goal")
    if not goal:
        return text, ABSENT
    return (paint(text, "green" if ratio["paired_median"] >= goal else "yellow"), f"{goal:g}x")


def _attnc_cells(row):
    attnc = row["attnc"]
    if attnc["status"] == "not compiled":
        return [paint("not compiled yet", "red"), ABSENT, ABSENT, ABSENT]
    seconds = attnc.get("seconds")
    if not seconds:
        return [paint(attnc["status"].upper(), "red"), ABSENT, ABSENT, ABSENT]
    peak = attnc.get("share_of_fma_peak")
    return [duration(seconds["best"]), duration(seconds["median"]),
            f"{attnc['gflops']:.1f}", f"{100 * peak:.0f}%" if peak else ABSENT]


def _peer_cells(row):
    peer = row.get("flex") or {}
    seconds = peer.get("seconds")
    if not seconds:
        return [paint(peer["status"].upper(), "red") if peer.get("status") else ABSENT, ABSENT]
    return [duration(seconds["best"]), duration(seconds["median"])]


def pairs_table(rows):
    """Attention alone, both sides."""
    headers = ["mask", "n", "kept", "attnc best", "median", "GFLOP/s", "of peak",
               "Flex best", "median", "ratio", "goal"]
    body = []
    for row in rows:
        share = row["kept_pairs"] / row["n"] ** 2
        body.append([row["title"], f"{row['n']:,}", f"{100 * share:.3g}%",
                     *_attnc_cells(row), *_peer_cells(row), *_ratio(row)])
    return table(headers, body)


def preparation_table(rows):
    """What is paid before: once a mask by attnc; by the peer again and again."""
    headers = ["mask", "n", "attnc compile", "Flex compile", "block mask: first",
               "again", "new length: first", "later", "uncompiled"]
    body = []
    for row in rows:
        compiled = row["attnc"].get("compile") or {}
        peer = row.get("flex") or {}
        mask = peer.get("block_mask") or {}
        values = [compiled.get("process_seconds"), peer.get("first_call_seconds"),
                  *(mask.get(key) for key in ("first", "again", "first_new_length",
                                              "later_new_length", "eager"))]
        body.append([row["title"], f"{row['n']:,}",
                     *(ABSENT if value is None else duration(value) for value in values)])
    return table(headers, body)


def problems(rows):
    """One line for each row that is not a result."""
    found = []
    for row in rows:
        for side in ("attnc", "flex"):
            result = row.get(side) or {}
            if result.get("status", "ok") != "ok":
                found.append(f"{row['name']}, n = {row['n']:,}: {side}: "
                             f"{result['status']}: {result.get('error', '')}".rstrip(": "))
    return found


def complain(line):
    """An error on stderr, after what stdout has to say."""
    sys.stdout.flush()
    print(f"error: {line}", file=sys.stderr)


def write(path, text):
    """Writes a file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path, document):
    write(path, json.dumps(document, indent=1, sort_keys=False, allow_nan=False) + "\n")
