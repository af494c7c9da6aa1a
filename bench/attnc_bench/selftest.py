# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/pairs.py --self-test: the benchmark's own parts on small cases, without
the peer. Prints a line for each check and exits with 1 when one fails."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from . import bounds, compare, plot, report, timing, workloads
from .attnc import Attnc
from .kernel import AttncError
from .reference import Judge, Problem
from .terminal import BenchError, duration

N = 97  # no tile size divides it


class Checks:
    def __init__(self):
        self.failed = 0

    def __call__(self, what, holds):
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        self.failed += not holds

    def refuses(self, what, kind, function, words):
        try:
            function()
        except kind as error:
            self(f"{what}: {words}", words in str(error))
        else:
            self(f"{what} is refused", False)


def _strided(tensors):
    """The same values as [batch, n, heads, dim] in memory, with a gap a row."""
    views = {}
    for name, tensor in tensors.items():
        batch, heads, n, dim = tensor.shape
        memory = np.full((batch, n, heads, dim + 3), np.nan, np.float32)
        views[name] = memory[..., :dim].transpose(0, 2, 1, 3)
        views[name][...] = tensor
    return views


def _kernels(check, attnc):
    tensors = workloads.inputs(N)
    for workload in (w for w in workloads.ALL if w.name in ("full", "causal", "window")):
        judge = Judge(Problem(**tensors, keep=lambda b, i, j: workload.keep(N)(i, j)))
        for layout, given in (("dense", tensors), ("strided", _strided(tensors))):
            for threads in (1, 2):
                launch, output = attnc.launch(workload, given, N, threads)
                launch()
                check(f"{workload.name}, {layout}, {threads} threads agrees with fp64",
                      judge.error(output) <= judge.bound)
        moved = output.copy()
        moved[0, 0, N // 2, 0] += 1e-3
        check(f"{workload.name}: a wrong element is noticed", not judge.error(moved) <= judge.bound)
        moved[0, 0, N // 2, 0] = np.nan
        check(f"{workload.name}: NaN is noticed", not judge.error(moved) <= judge.bound)


def _errors(check, attnc, folder):
    (causal,) = (w for w in workloads.ALL if w.name == "causal")
    kernel, built = attnc.build(causal)
    tensors = workloads.inputs(N)
    check("compile phases are reported",
          built["seconds"] > 0 and built["process_seconds"] > 0 and built["code_bytes"] > 0)
    short = {**tensors, "v": tensors["v"][:, :, 1:]}
    check.refuses("other rows of v", AttncError, lambda: attnc.launch(causal, short, N, 1),
                  "k and v need the same rows")
    wide = {**tensors, "q": tensors["q"].astype(np.float64)}
    check.refuses("another element type", AttncError,
                  lambda: attnc.launch(causal, wide, N, 1), "ATTNC_ERROR_DTYPE")
    check.refuses("a missing tensor", BenchError, lambda: kernel.bind({"q": tensors["q"]}),
                  "the kernel takes q, k, v, out")
    check.refuses("no pair set", AttncError,
                  lambda: attnc.compile("bad", workloads.spec_text("bad", "strided<0>")),
                  "at least 1")
    (Path(folder) / "not.attnc").write_bytes(b"not a kernel")
    check.refuses("no kernel file", AttncError,
                  lambda: type(kernel)(attnc.runtime, Path(folder) / "not.attnc"),
                  "ATTNC_ERROR_NOT_A_KERNEL")


def _workloads(check):
    """Rules against counts that can be written down."""
    n = 300
    counts = {w.name: workloads.count_pairs(w.keep(n), n, block=64) for w in workloads.ALL}
    lengths = np.diff(workloads.document_offsets(n, 1)).astype(int)
    check("documents cover the sequence", lengths.sum() == n and lengths.min() > 0)
    window = sum(min(i + 1, 256) for i in range(n))
    sparse = sum(min(i, 63) + 1 + i // 64 for i in range(n))
    check("kept pairs", counts == {
        "full": n * n, "causal": n * (n + 1) // 2, "window": window, "sparse": sparse,
        "documents": int((lengths**2).sum()),
        "documents-causal": int((lengths * (lengths + 1) // 2).sum())})


def _bounds(check, args, folder):
    parts = bounds.Bounds(args, folder)
    (window,) = (w for w in workloads.ALL if w.name == "window")
    row = parts.tile(window, 512)
    check("bounds: the kernel takes longer than its bounds",
          0 <= row["bounds_seconds"] < row["seconds"]["best"])
    for case in bounds.SAME_PAIRS:
        parts.same_pairs(case, 300)
    check("bounds: results are right" + "".join(f"; {w}" for w in parts.wrong), not parts.wrong)


def _compare(check, args, folder):
    """The whole way without the peer: a right row, a wrong one, one not compiled."""
    def window(i, j, ids):
        return (j <= i) & (i - j <= 40)

    chosen = [workloads.Workload("right", "right", "window<40, 0>", window),
              workloads.Workload("wrong", "wrong on purpose", "causal", window),
              workloads.Workload("bad", "bad on purpose", "strided<0>", window)]
    args.n, args.lengths, args.no_peer, args.out = N, [150], True, Path(folder) / "out"
    check("a right row alone succeeds", compare.run(args, folder, chosen[:1]) == 0)
    check("a wrong row fails the run", compare.run(args, folder, chosen) == 1)
    document = json.loads((args.out / "pairs.json").read_text(encoding="utf-8"))
    check("rows say what happened", [row["attnc"]["status"] for row in document["rows"]] ==
          ["ok", "ok", "wrong", "wrong", "not compiled", "not compiled"])
    check("only right rows are timed",
          ["seconds" in row["attnc"] for row in document["rows"]] == [True] * 2 + [False] * 4)
    check("the plot is there", (args.out / "pairs.svg").is_file())


def _timing(check):
    pair = timing.Pair([[1.0], [2.0], [4.0]], [[3.0], [4.0], [4.0]])
    check("ratios are paired", pair.as_dict() == {
        "paired_median": 2.0, "quartiles": [1.0, 3.0], "best": 3.0})
    calls = []
    made = timing.paired(lambda: calls.append("a"), lambda: calls.append("b"), 1e-9, least=4)
    # One warm-up each, then an untimed and a timed call a side, in turns.
    check("rounds alternate", "".join(calls) == "ab" + "aabb" + "bbaa" + "aabb" + "bbaa"
          and len(made.first.times) == len(made.ratios) == 4)


def _row(name, ours, theirs, error=None):
    seconds = ours and {"best": ours * 0.9, "median": ours, "runs": 9}
    attnc = {"status": "not compiled" if error else "ok", "error": error, "seconds": seconds,
             "gflops": 50.0, "compile": {"process_seconds": 0.15}}
    flex = {"status": "ok", "seconds": {"best": theirs, "median": theirs, "runs": 9},
            "first_call_seconds": 12.0, "block_mask": dict.fromkeys(
                ("first", "again", "first_new_length", "later_new_length", "eager"), 0.2)}
    ratio = seconds and {"paired_median": theirs / ours, "quartiles": [1, 2], "best": 2.0}
    return {"name": name, "title": f"<{name}> & more", "n": 4096, "kept_pairs": 4096 * 41,
            "goal": 20, "attnc": attnc, "flex": flex, "ratio": ratio}


def _reports(check, folder):
    rows = [_row("fast", 0.004, 0.1), _row("missing", None, 0.3, error="not yet")]
    print(report.pairs_table(rows))
    print(report.preparation_table(rows))
    check("problems name the row", report.problems(rows) ==
          ["missing, n = 4,096: attnc: not compiled: not yet"])
    path = Path(folder) / "new" / "rows.json"
    report.write_json(path, {"rows": rows})
    check("JSON reads back", json.loads(path.read_text(encoding="utf-8")) == {"rows": rows})
    root = ElementTree.fromstring(plot.pairs_svg(rows, "a < b", "c & d"))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    check("SVG has the rows, the ratio and what is missing",
          {"<fast> & more", "<missing> & more", "25.0×", "not compiled", "a < b"} <= set(texts))
    check("SVG refers to nothing outside", "http" not in
          plot.pairs_svg(rows, "", "").replace("http://www.w3.org/2000/svg", ""))
    check("no times, no plot", plot.pairs_svg([], "", "") is None)
    check("durations", [duration(s) for s in (1.5, 0.0241, 7.31e-6, 0.3)] ==
          ["1.50 s", "24.1 ms", "7.31 us", "300 ms"])


def run(args, folder):
    check = Checks()
    args.threads, args.seconds = 1, 0.01
    attnc = Attnc(args.build, folder)
    _kernels(check, attnc)
    _errors(check, attnc, folder)
    _workloads(check)
    _bounds(check, args, folder)
    _compare(check, args, folder)
    _timing(check)
    _reports(check, folder)
    print(f"{check.failed} checks failed")
    return 1 if check.failed else 0
