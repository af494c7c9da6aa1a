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


def _short(document):
    """Numbers to six digits: the file is kept with the sources."""
    return json.loads(json.dumps(document, allow_nan=False),
                      parse_float=lambda text: float(f"{float(text):.6g}"))


def _earlier(args):
    path = args.out / f"{STEM}.json" if args.out else None
    if not args.merge or not path or not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if found.get("schema") == SCHEMA else None


class Benchmark:
    """One run: what it knows before the rows, and the document with them."""

    def __init__(self, args, folder):
        self.args, self.load = args, machine.load()
        self.suite = Suite(args, folder)
        self.suite.status.show("the machine's limits")
        self.limits = self.suite.summary(args.threads)
        self.earlier = _earlier(args)

    def document(self, rows, compiled):
        args, suite = self.args, self.suite
        found = {"schema": SCHEMA, "benchmark": STEM,
                 "machine": {**machine.describe(suite.attnc.compiler, suite.versions()),
                             "load_before": self.load},
                 "seconds_per_row": args.seconds, "limits": self.limits,
                 "peers": suite.describe_peers(), "rows": _ordered(rows), "jit": compiled}
        return merged(self.earlier, found) if self.earlier else found

    def measure(self):
        """The rows, case by case: its tensors serve all types and thread counts. What is
        there is kept on the disk as each case is done."""
        args, rows = self.args, []
        each = len(args.dtype) * len(args.threads)
        for done, case in enumerate(args.cases):
            for dtype in args.dtype:
                for threads in args.threads:
                    share = (each * done + len(rows) % each) / (each * len(args.cases))
                    rows.append(self.suite.row(case, dtype, threads, share))
                    self.suite.status.clear()
                    progress(rows[-1])
            if args.out is not None:
                report.write_json(args.out / f"{STEM}.json", _short(self.document(rows, [])))
        return rows

    def save(self, document):
        out = self.args.out
        if out is None:
            return
        files = [out / f"{STEM}.json"]
        report.write_json(files[0], _short(document))
        for (dtype, threads), rows in summary.sections(document["rows"]).items():
            svg = chart.svg(rows, document["peers"],
                            f"attnc beside its peers: {dtype}, {summary.threads_text(threads)}",
                            machine.one_line(document["machine"]))
            if svg:
                files.append(out / f"{STEM}-{dtype}-{threads}.svg")
                report.write(files[-1], svg)
        print("\nwrote " + ", ".join(str(file) for file in files))


def run(args, folder):
    bench = Benchmark(args, folder)
    bench.suite.status.clear()
    if bench.load > 0.5:
        print(paint(f"note: the machine is busy (load {bench.load}); timings will be worse than "
                    "they could be", "yellow", sys.stderr), file=sys.stderr)
    rows = bench.measure()
    compiled = [] if args.no_jit else jit.measure(bench.suite.attnc, bench.suite.status,
                                                       args.quick)
    bench.suite.status.clear()
    document = bench.document(rows, compiled)
    print(summary.text(document))
    bench.save(document)
    wrong = summary.wrong_lines(rows)
    for line in wrong:
        report.complain(line)
    return 1 if wrong else 0
