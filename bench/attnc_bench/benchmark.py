# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py's main mode: all chosen rows, the document of them, and its files."""

import json
import sys

from . import chart, jit, machine, report, summary
from .suite import Suite, progress
from .terminal import paint

SCHEMA = 1
STEM = "run"


def _key(row):
    return row["name"], row["dtype"], row["threads"]


def _ordered(rows):
    """By type and threads, then as the table of cases has them."""
    from . import cases
    order = {case.name: index for index, case in enumerate(cases.ALL)}
    types = list(cases.DTYPES)
    return sorted(rows, key=lambda row: (row["threads"], types.index(row["dtype"]),
                                         order.get(row["name"], len(order))))


def merged(old, new):
    """The new document with what only the old one has: rows, and compile times."""
    kept = {_key(row): row for row in old["rows"]}
    kept.update((_key(row), row) for row in new["rows"])
    peers = {peer["name"]: peer for peer in old["peers"]}
    peers.update((peer["name"], peer) for peer in new["peers"])
    limits = {entry["threads"]: entry for entry in [*old["limits"], *new["limits"]]}
    return {**new, "rows": _ordered(kept.values()), "jit": new["jit"] or old["jit"],
            "peers": list(peers.values()), "limits": [limits[t] for t in sorted(limits)]}


def _earlier(args):
    path = args.out / f"{STEM}.json" if args.out else None
    if not args.merge or not path or not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if found.get("schema") == SCHEMA else None


def measure(args, suite):
    """The rows, case by case: its tensors serve all types and thread counts."""
    plan = [(case, dtype, threads) for case in args.cases for dtype in args.dtype
            for threads in args.threads]
    rows = []
    for done, (case, dtype, threads) in enumerate(plan):
        rows.append(suite.row(case, dtype, threads, done / len(plan)))
        suite.status.clear()
        progress(rows[-1])
    return _ordered(rows)


def _save(args, document):
    if args.out is None:
        return
    report.write_json(args.out / f"{STEM}.json", document)
    files = [args.out / f"{STEM}.json"]
    for (dtype, threads), rows in summary.sections(document["rows"]).items():
        svg = chart.svg(rows, document["peers"],
                        f"attnc beside its peers: {dtype}, {summary.threads_text(threads)}",
                        machine.one_line(document["machine"]))
        if svg:
            files.append(args.out / f"{STEM}-{dtype}-{threads}.svg")
            report.write(files[-1], svg)
    print("\nwrote " + ", ".join(str(file) for file in files))


def run(args, folder):
    load, suite = machine.load(), Suite(args, folder)
    if load > 0.5:
        print(paint(f"note: the machine is busy (load {load}); timings will be worse than they "
                    "could be", "yellow", sys.stderr), file=sys.stderr)
    suite.status.show("the machine's limits")
    limits = suite.summary(args.threads)
    rows = measure(args, suite)
    compiled = [] if args.no_jit else jit.measure(suite.attnc, suite.status)
    suite.status.clear()
    document = {"schema": SCHEMA, "benchmark": STEM,
                "machine": {**machine.describe(suite.attnc.compiler, suite.versions()),
                            "load_before": load},
                "seconds_per_row": args.seconds, "limits": limits,
                "peers": suite.describe_peers(), "rows": rows, "jit": compiled}
    wrong = summary.wrong_lines(rows)
    earlier = _earlier(args)
    if earlier:
        document = merged(earlier, document)
    print(summary.text(document))
    _save(args, document)
    for line in wrong:
        report.complain(line)
    return 1 if wrong else 0
