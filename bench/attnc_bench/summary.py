# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py's results as text: tables by type and threads, what is slower than a
peer or not there, and compile time."""

from . import machine
from .report import ABSENT, table
from .terminal import duration, paint

SHORT = {"sdpa": "SDPA", "flex": "Flex", "onnxruntime": "ORT", "openvino": "OpenVINO",
         "ggml": "llama.cpp"}
PHASES = ["parse", "passes", "to loops", "to LLVM dialect", "to LLVM IR", "LLVM passes",
          "code generation", "link"]
SLOWER = 1.0  # a paired ratio below is slower


def sections(rows):
    """Rows by (type, threads), in the order in which they first come."""
    found = {}
    for row in rows:
        found.setdefault((row["dtype"], row["threads"]), []).append(row)
    return found


def threads_text(count):
    return "1 thread" if count == 1 else f"{count} threads"


def is_slower(row):
    return bool(row.get("ratio")) and row["ratio"]["paired_median"] < SLOWER


def _rate(row):
    """What the row's limit is in: operations or bytes a second."""
    best = row["attnc"]["seconds"]["best"]
    if row["limit"]["by"] == "memory":
        return f"{row['bytes'] / best / 1e9:.1f} GB/s"
    return f"{row['flops'] / best / 1e9:.1f} GFLOP/s"


def _attnc_cells(row):
    mine = row["attnc"].get("seconds")
    if not mine:
        return [paint(row["attnc"]["status"], "red"), ABSENT, ABSENT, ABSENT]
    return [duration(mine["best"]), duration(mine["median"]), _rate(row),
            f"{100 * row['share_of_limit']:.0f}%"]


def _peer_cell(row, name):
    peer = row["peers"].get(name) or {}
    if peer.get("seconds"):
        return duration(peer["seconds"]["median"])
    return paint("failed", "red") if peer.get("status") == "failed" else ABSENT


def _ratio_cells(row):
    ratio = row.get("ratio")
    if not ratio:
        return [ABSENT, ABSENT, ""]
    text = f"{ratio['paired_median']:.2f}x"
    if is_slower(row):
        return [f"{ratio['best']:.2f}x", paint(text, "red"), "slower"]
    return [f"{ratio['best']:.2f}x", paint(text, "green"), ""]


def rows_table(rows, peers):
    names = [peer["name"] for peer in peers if not peer.get("missing")]
    headers = ["workload", "attnc best", "median", "rate", "of limit", *(SHORT[n] for n in names),
               "ratio: best", "paired", ""]
    return table(headers, [[row["title"], *_attnc_cells(row), *(_peer_cell(row, n) for n in names),
                            *_ratio_cells(row)] for row in rows])


def limits_table(limits):
    headers = ["limits", "f32 FMA", "bf16 dot", "reading memory", "FMA scaling"]
    body = []
    for entry in limits:
        bf16 = entry.get("bf16_flops")
        body.append([threads_text(entry["threads"]), f"{entry['fma_flops'] / 1e9:.1f} GFLOP/s",
                     f"{bf16 / 1e9:.1f} GFLOP/s" if bf16 else ABSENT,
                     f"{entry['read_bytes_per_second'] / 1e9:.1f} GB/s",
                     f"{entry['fma_flops'] / limits[0]['fma_flops']:.2f}x"])
    return table(headers, body)


def jit_table(rows):
    there = dict.fromkeys(phase for row in rows for phase in row.get("phases", {}))
    phases = sorted(there, key=lambda phase: PHASES.index(phase) if phase in PHASES else len(PHASES))
    body = []
    for row in rows:
        if "error" in row:
            body.append([f"{row['name']}, {row['dtype']}", paint("not compiled", "red"),
                         *[ABSENT] * (len(phases) + 1)])
            continue
        body.append([f"{row['name']}, {row['dtype']}", duration(row["seconds"]),
                     *(duration(row["phases"][phase]) if phase in row["phases"] else ABSENT
                       for phase in phases), f"{row['code_bytes']:,}"])
    return table(["cold compilation", "total", *phases, "code bytes"], body)


def scaling_table(rows):
    """How much faster each row is with more threads; None without such rows."""
    single = {(row["name"], row["dtype"]): row for row in rows if row["threads"] == 1}
    body = []
    for row in rows:
        one = single.get((row["name"], row["dtype"]))
        if row["threads"] == 1 or not one or not all("share_of_limit" in r for r in (row, one)):
            continue
        mine = [r["attnc"]["seconds"] for r in (one, row)]
        limit = one["limit"]["seconds"] / row["limit"]["seconds"]
        body.append([row["title"], row["dtype"], threads_text(row["threads"]),
                     f"{mine[0]['best'] / mine[1]['best']:.2f}x",
                     f"{mine[0]['median'] / mine[1]['median']:.2f}x", f"{limit:.2f}x"])
    headers = ["against one thread", "", "", "best", "median", "limit"]
    return table(headers, body) if body else None


def _which(row):
    return f"{row['name']}, {row['dtype']}, {threads_text(row['threads'])}"


def slower_lines(rows):
    """The rows that a peer wins, worst first."""
    lost = sorted(filter(is_slower, rows), key=lambda row: row["ratio"]["paired_median"])
    return [f"{_which(row)}: {row['ratio']['paired_median']:.2f}x {SHORT[row['best_peer']]}"
            f" (best runs {row['ratio']['best']:.2f}x); {row.get('reason') or 'no reason known'}"
            for row in lost]


def problem_lines(rows):
    """What is not a result, attnc's and the peers' that failed."""
    found = []
    for row in rows:
        sides = {"attnc": row["attnc"], **row["peers"]}
        found += [f"{_which(row)}: {SHORT.get(side, side)}: {result['status']}: {result['error']}"
                  for side, result in sides.items()
                  if result.get("status") in ("not compiled", "wrong", "failed")]
    return found


def wrong_lines(rows):
    return [f"{_which(row)}: {row['attnc']['error']}" for row in rows
            if row["attnc"]["status"] == "wrong"]


def _listing(title, lines):
    return [title, *(f"  {line}" for line in lines), ""] if lines else []


def text(document):
    """All of it."""
    rows, peers, about = document["rows"], document["peers"], document["machine"]
    lines = [f"attnc beside its peers. {machine.one_line(about)}; "
             f"load before the run {about['load_before']}",
             ", ".join(version if version.startswith(name) else f"{name} {version}"
                       for name, version in about["versions"].items()), "",
             limits_table(document["limits"]), ""]
    for (dtype, threads), some in sections(rows).items():
        lines += [f"{dtype}, {threads_text(threads)}. Peers: median times. Ratio: best peer / attnc, "
                  "of best runs and paired (median over rounds).", "", rows_table(some, peers), ""]
    scaling = scaling_table(rows)
    lines += [scaling, ""] if scaling else []
    lines += [jit_table(document["jit"]), ""] if document.get("jit") else []
    lines += _listing("Slower than the best peer:", slower_lines(rows))
    lines += _listing("Not there:", [f"{peer['title']}: {peer['missing']}" for peer in peers
                                     if peer.get("missing")] + problem_lines(rows))
    timed = sum("share_of_limit" in row for row in rows)
    faster = sum(bool(row.get("ratio")) and not is_slower(row) for row in rows)
    beside = sum(bool(row.get("ratio")) for row in rows)
    ahead = f"attnc is ahead in {faster} of the {beside} that a peer has. " if beside else ""
    lines.append(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}, {timed} timed. {ahead}"
                 "Every timed result was compared with fp64.")
    return "\n".join(lines)
