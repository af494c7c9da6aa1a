# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/pairs.py's main mode: every mask, both sides, one row each."""

import sys

from . import machine, plot, report, timing, workloads
from .attnc import Attnc
from .kernel import AttncError
from .reference import Judge, Problem
from .terminal import BenchError, Status, duration, paint

SCHEMA = 1


class Comparison:
    """One run: its settings, both sides, and the rows so far."""

    def __init__(self, args, folder):
        self.args, self.status = args, Status()
        try:
            self.cpus = timing.pin(args.threads)
        except ValueError as error:
            raise BenchError(str(error)) from error
        self.load = machine.load()
        self.attnc = Attnc(args.build, folder)
        self.flex = None
        if not args.no_peer:
            self.status.show("importing PyTorch")
            from .flex import Flex
            self.flex = Flex(args.threads)

    def row(self, workload, n):
        tensors = workloads.inputs(n)
        self.status.show(f"{workload.name}, n = {n:,}: reference")
        keep = workload.keep(n)
        row = {"name": workload.name, "title": workload.title, "mask": workload.mask,
               "n": n, "heads": workloads.HEADS, "dim": workloads.DIM, "dtype": "f32",
               "kept_pairs": workloads.count_pairs(keep, n), "goal": workload.goal}
        judge = Judge(Problem(**tensors, keep=lambda b, i, j: keep(i, j)))
        launch, ours = self._prepare_attnc(row, workload, tensors, n, judge)
        peer = self._prepare_flex(row, workload, tensors, n, judge)
        if launch and peer:
            difference = judge.disagreement(ours, peer.output())
            row["disagreement"] = difference if difference < float("inf") else None
            if not difference <= judge.peer_bound:
                row["attnc"].update(status="wrong", error="the two results differ by "
                                    f"{difference:.2e} somewhere")
        if all((row.get(side) or {}).get("status", "ok") == "ok" for side in ("attnc", "flex")):
            self._time(row, launch, peer)
        elif peer and row["flex"]["status"] == "ok":
            self._time_peer(row, peer)
        return row

    def _prepare_attnc(self, row, workload, tensors, n, judge):
        self.status.show(f"{workload.name}, n = {n:,}: attnc compiles")
        try:
            launch, output = self.attnc.launch(workload, tensors, n, self.args.threads)
        except AttncError as error:
            row["attnc"] = {"status": "not compiled", "error": str(error)}
            return None, None
        _, compiled = self.attnc.build(workload)
        row["attnc"] = {"compile": compiled, "workspace_bytes": launch.workspace_bytes}
        launch()
        self._verdict(row["attnc"], judge.error(output), judge.bound)
        return launch, output

    def _prepare_flex(self, row, workload, tensors, n, judge):
        if not self.flex:
            return None
        self.status.show(f"{workload.name}, n = {n:,}: FlexAttention compiles")
        try:
            peer = self.flex.prepare(workload, tensors, n)
        except Exception as error:  # whatever its compiler raises is a result too
            lines = str(error).strip().splitlines() or [type(error).__name__]
            row["flex"] = {"status": "failed", "error": lines[0]}
            return None
        row["flex"] = {"first_call_seconds": peer.first_call, "block_mask": peer.mask_times}
        self._verdict(row["flex"], judge.error(peer.output()), judge.peer_bound)
        return peer

    @staticmethod
    def _verdict(result, error, bound):
        result["status"] = "ok" if error <= bound else "wrong"
        result["max_error"] = error if error < float("inf") else None
        result["bound"] = bound
        if result["status"] != "ok":
            result["error"] = f"off by {error:.2e} from fp64, allowed {bound:.2e}"

    def _progress(self, row):
        return lambda share: self.status.show(f"{row['name']}, n = {row['n']:,}: timing", share)

    def _time(self, row, launch, peer):
        if peer:
            pair = timing.paired(launch, peer, self.args.seconds, report=self._progress(row))
            row["flex"]["seconds"] = pair.second.as_dict()
            row["ratio"] = pair.as_dict()
            series = pair.first
        else:
            series = timing.alone(launch, self.args.seconds / 2, report=self._progress(row))
        attnc = row["attnc"]
        attnc["seconds"] = series.as_dict()
        flops = 4 * row["dim"] * row["heads"] * row["kept_pairs"]
        attnc["gflops"] = flops / series.best / 1e9
        peak = attnc["compile"]["fma_peak_flops"]
        if peak:
            attnc["share_of_fma_peak"] = flops / series.best / (peak * self.args.threads)

    def _time_peer(self, row, peer):
        series = timing.alone(peer, self.args.seconds / 2, report=self._progress(row))
        row["flex"]["seconds"] = series.as_dict()

    def machine(self):
        found = machine.describe(self.attnc.compiler, self.flex.versions() if self.flex else {})
        return {**found, "load_before": self.load, "threads": self.args.threads}


def _title(args, lengths):
    size = f"{lengths[0]:,} tokens" if len(lengths) == 1 else "several lengths"
    threads = "1 thread" if args.threads == 1 else f"{args.threads} threads"
    peer = "" if args.no_peer else " beside PyTorch FlexAttention"
    return (f"attnc{peer}: {workloads.HEADS} heads of {workloads.DIM}, {size}, "
            f"f32, {threads}")


def _show(document, rows, lengths, args):
    print(f"{_title(args, lengths)}\n{machine.one_line(document['machine'])}; "
          f"load before the run {document['machine']['load_before']}\n")
    print("Attention alone. Ratio: median over rounds of Flex / attnc; GFLOP/s: best run, kept pairs.\n")
    print(report.pairs_table(rows))
    print("\nBefore it. attnc: once a mask, for all lengths. FlexAttention: its block mask again for "
          "each new mask, and each new length.\n")
    print(report.preparation_table(rows))
    checked = sum(side in row and row[side].get("max_error") is not None
                  for row in rows for side in ("attnc", "flex"))
    print(f"\n{checked} results compared with fp64"
          + (": all within their bounds." if document["complete"] else "; see the errors."))


def run(args, folder, chosen=None):
    comparison = Comparison(args, folder)
    lengths = sorted({args.n, *args.lengths})
    chosen = chosen or [w for w in workloads.ALL if w.name in args.only]
    if comparison.load > 0.5:
        print(paint(f"note: the machine is busy (load {comparison.load}); "
                    "timings will be worse than they could be", "yellow", sys.stderr), file=sys.stderr)
    rows = []
    for workload in chosen:
        for n in lengths:
            rows.append(comparison.row(workload, n))
            comparison.status.clear()
            _announce(rows[-1])
    wrong = report.problems(rows)
    document = {"schema": SCHEMA, "benchmark": "pairs", "machine": comparison.machine(),
                "seconds_per_row": args.seconds, "complete": not wrong, "rows": rows}
    _show(document, rows, lengths, args)
    _save(args, document, rows, lengths)
    for line in wrong:
        report.complain(line)
    return 1 if wrong else 0


def _announce(row):
    """A line as each row is done: the whole takes minutes."""
    seconds = row["attnc"].get("seconds")
    text = duration(seconds["median"]) if seconds else row["attnc"]["status"]
    ratio = f", {row['ratio']['paired_median']:.2f}x" if row.get("ratio") else ""
    print(f"{row['name']}, n = {row['n']:,}: {text}{ratio}", file=sys.stderr, flush=True)


def _save(args, document, rows, lengths):
    if args.out is None:
        return
    stem = "pairs" if args.threads == 1 else f"pairs-{args.threads}-threads"
    report.write_json(args.out / f"{stem}.json", document)
    print(f"\nwrote {args.out / stem}.json")
    svg = plot.pairs_svg(rows, _title(args, lengths), machine.one_line(document["machine"]))
    if svg:
        report.write(args.out / f"{stem}.svg", svg)
        print(f"wrote {args.out / stem}.svg")
