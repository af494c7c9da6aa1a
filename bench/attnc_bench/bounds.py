# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/pairs.py --bounds: what share of a kernel's time its loop bounds take.

Two measurements, since bounds are evaluated in two places.

Per query tile. The same kernel, launched a second time with its keys moved out of
every query's reach (k_start), evaluates the bounds of every tile and finds nothing
to visit. Less the time of a kernel for the empty set, which also walks all tiles
and writes the zeros, that is the time of the bounds. Both are timed at a head size
of 8, in query tiles of the same size: bounds do not depend on the head size, but the
states that join launches do, which such a kernel writes and reads as well. It is an
upper bound: what a tile does before it knows that it has no keys counts, too.

Per key block. Two specs that keep the same pairs, one of which has more bounds
that only run-time sizes make redundant, visit the same blocks; the paired
difference of their times is what the additional bounds cost, tests of whether a
block is whole included.
"""

import statistics

import numpy as np

from . import machine, report, timing, workloads
from .attnc import Attnc
from .kernel import AttncError
from .reference import Judge, Problem
from .terminal import BenchError, Status, duration, paint

LIMIT = 0.01
FAR = 1 << 40  # a key position that no mask below reaches from any query
WIDE = 1 << 20  # a window wider than any sequence measured here
NARROW = 8  # head size of kernels that visit nothing
ROWS = 4096  # query rows of the second measurement
START = [("q_start", "tensor<1xi64>"), ("k_start", "tensor<1xi64>")]
START_CLAUSES = " q_start(%q_start) k_start(%k_start)"
SAME_PAIRS = [
    ("full", "full", "a window", f"window<{WIDE}, {WIDE}>", lambda i, j: j == j),
    ("causal", "causal", "causal & a window", f"causal & window<{WIDE}, 0>",
     lambda i, j: j <= i),
]


def _outputs(kernel, shape):
    (name,) = (argument.name for argument in kernel.arguments if argument.is_output)
    return name, np.full(shape, np.nan, np.float32)


class Bounds:
    def __init__(self, args, folder):
        self.args, self.status = args, Status()
        try:
            timing.pin(args.threads)
        except ValueError as error:
            raise BenchError(str(error)) from error
        self.attnc = Attnc(args.build, folder)
        self.wrong = []

    def _bind(self, kernel, tensors, operands):
        name, output = _outputs(kernel, tensors["q"].shape)
        return kernel.bind({**tensors, **operands, name: output}, self.args.threads), output

    def _compile(self, name, mask, operands, clauses, dim=workloads.DIM):
        return self.attnc.compile(
            name, workloads.spec_text(name, mask, operands, clauses, heads=1, dim=dim))[0]

    def _judge(self, row, tensors, keep, output):
        judge = Judge(Problem(**tensors, keep=lambda b, i, j: keep(i, j)))
        error = judge.error(output)
        if not error <= judge.bound:
            self.wrong.append(f"{row}: off by {error:.2e} from fp64, allowed {judge.bound:.2e}")

    def _time(self, function, what, seconds):
        return timing.alone(function, seconds, least=3,
                            report=lambda share: self.status.show(what, share))

    def tile(self, workload, n):
        """One row of the first measurement."""
        self.status.show(f"{workload.title}: kernel")
        operands = START + ([("cu", "tensor<?xi32>")] if workload.documents else [])
        name = workload.identifier
        kernel = self._compile(name, workload.mask, operands, START_CLAUSES)
        reaching = self._compile(f"{name}_narrow", workload.mask, operands, START_CLAUSES, NARROW)
        nothing = self._compile(f"{name}_empty", "empty", START, START_CLAUSES, NARROW)
        tensors = workloads.inputs(n, heads=1)
        narrow = workloads.inputs(n, heads=1, dim=NARROW)
        start = {"q_start": np.zeros(1, np.int64), "k_start": np.zeros(1, np.int64)}
        far = {**start, "k_start": np.full(1, FAR, np.int64)}
        extra = workload.operands(n)
        whole, output = self._bind(kernel, tensors, {**start, **extra})
        idle, idle_output = self._bind(reaching, narrow, {**far, **extra})
        empty, _ = self._bind(nothing, narrow, far)
        kernel_time = self._time(whole, f"{workload.title}: kernel", self.args.seconds)
        self._judge(workload.title, tensors, workload.keep(n), output)
        pair = timing.paired(empty, idle, self.args.seconds / 4, least=15)
        if idle_output.any():  # NaN counts as well
            self.wrong.append(f"{workload.title}: keys out of reach were visited")
        bounds = max(pair.second.best - pair.first.best, 0.0)
        return {"mask": workload.mask, "title": workload.title, "n": n,
                "launches": kernel.num_launches, "seconds": kernel_time.as_dict(),
                "idle_seconds": pair.second.as_dict(), "empty_seconds": pair.first.as_dict(),
                "bounds_seconds": bounds, "share": bounds / kernel_time.best}

    def same_pairs(self, case, n):
        """One row of the second measurement: at most ROWS queries on n keys."""
        plain_title, plain_mask, title, mask, rule = case
        rows = min(ROWS, n)
        plain = self._compile("plain", plain_mask, [], "")
        bounded = self._compile("bounded", mask, [], "")
        tensors = workloads.inputs(n, heads=1)
        tensors["q"] = np.ascontiguousarray(tensors["q"][:, :, n - rows:])
        first, first_output = self._bind(plain, tensors, {})
        second, second_output = self._bind(bounded, tensors, {})
        pair = timing.paired(first, second, self.args.seconds, report=lambda share:
                             self.status.show(f"{plain_title}, {title}", share))
        for name, output in ((plain_title, first_output), (title, second_output)):
            self._judge(name, tensors, lambda i, j: rule(i + (n - rows), j), output)
        ratios = [ratio - 1 for ratio in pair.ratios]
        return {"masks": [plain_mask, mask], "title": f"{title} for {plain_title}",
                "queries": rows, "keys": n, "plain_seconds": pair.first.as_dict(),
                "seconds": pair.second.as_dict(), "excess": statistics.median(ratios),
                "excess_of_best": pair.second.best / pair.first.best - 1,
                "quartiles": [ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]]}


def _verdict(share, least=None):
    """`least`, the lower quartile, tells an excess from noise."""
    if share < LIMIT:
        return paint("below 1%", "green")
    noisy = least is not None and least < LIMIT
    return paint("too noisy to tell" if noisy else "not below 1%", "yellow")


def _show(document):
    print(f"Bounds: one head of {workloads.DIM}, f32. {machine.one_line(document['machine'])}; "
          f"load before the run {document['machine']['load_before']}\n")
    print("Per query tile: the kernel with all keys out of reach, less the empty set's kernel\n"
          f"(both with a head size of {NARROW}; best runs; an upper bound).\n")
    print(report.table(
        ["mask", "n", "kernel", "no key in reach", "empty set", "bounds", "share", ""],
        [[row["title"], f"{row['n']:,}", duration(row["seconds"]["best"]),
          duration(row["idle_seconds"]["best"]), duration(row["empty_seconds"]["best"]),
          duration(row["bounds_seconds"]), f"{100 * row['share']:.3f}%", _verdict(row["share"])]
         for row in document["tiles"]]))
    print("\nPer key block: the same pairs with more bounds (paired; quartiles tell the noise).\n")
    print(report.table(
        ["masks", "queries", "keys", "without", "with", "excess", "quartiles", ""],
        [[row["title"], f"{row['queries']:,}", f"{row['keys']:,}",
          duration(row["plain_seconds"]["median"]), duration(row["seconds"]["median"]),
          f"{100 * row['excess']:+.2f}%",
          " to ".join(f"{100 * quartile:+.2f}%" for quartile in row["quartiles"]),
          _verdict(row["excess"], row["quartiles"][0])] for row in document["same_pairs"]]))


def run(args, folder):
    load, bounds = machine.load(), Bounds(args, folder)
    tiles, pairs, failed = [], [], []
    for workload in workloads.ALL:
        if workload.name == "full" or workload.name not in args.only:
            continue
        try:
            tiles.append(bounds.tile(workload, args.n))
        except AttncError as error:
            failed.append(f"{workload.title}: not compiled yet: {error}")
    for case in SAME_PAIRS:
        pairs.append(bounds.same_pairs(case, args.n))
    bounds.status.clear()
    wrong = failed + bounds.wrong
    document = {"schema": 1, "benchmark": "bounds", "complete": not wrong,
                "machine": {**machine.describe(bounds.attnc.compiler, {}), "load_before": load,
                            "threads": args.threads},
                "tiles": tiles, "same_pairs": pairs}
    _show(document)
    if args.out is not None:
        report.write_json(args.out / "bounds.json", document)
        print(f"\nwrote {args.out / 'bounds.json'}")
    for line in wrong:
        report.complain(line)
    return 1 if wrong else 0
