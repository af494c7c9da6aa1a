# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py --self-test: its own parts on tiny sizes, without peers but one made
up here. Prints a line for each check and exits with 1 when one fails."""

import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from . import benchmark, cases, chart, report, summary, timing
from .cases import Case
from .floats import BFloat16, rounded, to_bf16, to_f32
from .inputs import Inputs
from .peers import Formulation, Unsupported, each_sequence, grouped, ungrouped
from .reference import Judge, Problem
from .selftest import Checks
from .suite import Suite, reason

TINY = [
    Case("full", "full", 40, 16, 4),
    Case("causal", "causal", 33, 16, 4, 2, causal=True, batch=2),
    Case("window", "window", 70, 16, 2, causal=True, window=9),
    Case("chunk", "chunk", 8, 16, 4, 2, 50, causal=True),
    Case("capped", "capped", 40, 16, 2, softcap=2.0),
    Case("slopes", "ALiBi", 40, 16, 2, causal=True, alibi=True),
    Case("biased", "bias", 40, 16, 2, bias=True),
]
RAGGED = Case("ragged", "ragged", 20, 16, 4, 2, 64, causal=True, lengths=((20, 20), (1, 64), (1, 7)))
PAGED = Case("paged", "paged", 1, 16, 4, 2, 48, paged=True)


def reference(inputs):
    """The result of a whole case in NumPy, f32."""
    c = inputs.case
    q, k, v = (to_f32(x).astype(np.float64) for x in (inputs.q, inputs.k, inputs.v))
    out = np.zeros((c.batch, c.heads, c.n, c.dv), np.float32)
    i, j = np.arange(c.n)[:, None], np.arange(c.m)[None, :]
    for b in range(c.batch):
        kept = np.broadcast_to(c.keep(b, i, j), (c.n, c.m))
        for h in range(c.heads):
            s = q[b, h] @ k[b, h // c.group].T / np.sqrt(c.d)
            s = c.softcap * np.tanh(s / c.softcap) if c.softcap else s
            s = s + (inputs.term(b, h, i, j) if c.bias or c.alibi else 0)
            p = np.where(kept, np.exp(s), 0)
            total = p.sum(axis=1, keepdims=True)
            out[b, h] = p @ v[b, h // c.group] / np.where(total == 0, 1, total)
    return out


class MadeUp:
    """A peer: right results after a pause, or wrong ones."""

    name, title, needs = "sdpa", "made up", "nothing"

    def __init__(self, seconds, error=0.0):
        self.seconds, self.error = seconds, error

    def versions(self):
        return {"made up": "1"}

    def prepare(self, inputs, threads):
        if inputs.case.softcap:
            raise Unsupported("has no softcap")
        result = reference(inputs)
        slow = Formulation("slow", lambda: time.sleep(2 * self.seconds + 0.002), lambda: result)
        fast = Formulation("fast", lambda: time.sleep(self.seconds), lambda: result + self.error)
        return [slow, fast] if not self.error else [fast]


def _floats(check):
    values = np.array([1.0, 1.00390625, 1.01171875, -0.0, np.inf, np.nan, 3e38], np.float32)
    back = to_f32(to_bf16(values))
    check("bf16 rounds to even and keeps what is special", np.array_equal(
        back[:4], np.array([1, 1, 1.015625, 0], np.float32)) and np.isinf(back[4])
        and np.isnan(back[5]) and isinstance(to_bf16(values), BFloat16))


def _cases(check):
    names = [case.name for case in cases.ALL]
    check("workloads have names of their own", len(set(names)) == len(names))
    for case in [*TINY, RAGGED]:
        kept = sum(int(np.broadcast_to(case.keep(b, np.arange(case.n)[:, None],
                                                 np.arange(case.m)[None, :]), (case.n, case.m)).sum())
                   for b in range(case.batch))
        check(f"{case.name}: kept pairs", kept == case.pairs())
    inputs = Inputs(PAGED, "f32")
    table, pool = inputs.arguments["pages"], inputs.arguments["k"]
    rows = pool[table[0]].transpose(1, 0, 2, 3).reshape(2, 48, 16)
    check("pages hold the keys", np.array_equal(rows, inputs.k[0])
          and sorted(table.ravel()) == [0, 1, 2])
    inputs = Inputs(TINY[1], "f32")
    q = grouped(inputs)
    check("groups as rows and back", q.shape == (2, 2, 66, 16)
          and np.array_equal(ungrouped(inputs, q), inputs.q) and np.array_equal(q[0, 1, :33], inputs.q[0, 2]))


def _judges(check):
    for case in [*TINY, RAGGED]:
        for dtype in cases.DTYPES:
            inputs = Inputs(case, dtype)
            judge, right = inputs.judge(), reference(inputs)
            check(f"{case.name}, {dtype}: the judge agrees with a whole reference",
                  judge.error(rounded(right, dtype)) <= judge.bound)
            wrong = right.copy()
            wrong[-1, -1, 0, 0] += 3 * judge.bound + 1e-5
            check(f"{case.name}, {dtype}: a wrong element is noticed", not judge.error(wrong) <= judge.bound)
    few, many = (Judge(Problem(*(np.ones((1, 1, n, 4), np.float32),) * 3, keep=lambda b, i, j: j <= i))
                 for n in (300, 3000))
    check("long sequences are sampled, ends included", len(few.rows) == 300
          and len(many.rows) <= 64 and {0, 2999} <= set(many.rows))


def _suite(check, args, folder):
    suite = Suite(args, folder)
    for case in [*TINY, RAGGED]:
        for dtype in cases.DTYPES:
            row = suite.row(case, dtype, 1, 0.0)
            check(f"attnc: {case.name}, {dtype} is right and timed "
                  f"{row['attnc'].get('error') or ''}".strip(),
                  row["attnc"]["status"] == "ok" and row["attnc"]["seconds"]["best"] > 0
                  and 0 < row["share_of_limit"] and row["limit"]["by"] in ("arithmetic", "memory"))
    suite.peers = [MadeUp(0.0005)]
    row = suite.row(RAGGED, "f32", 1, 0.0)
    check("a ragged batch is a call a sequence for a peer without one",
          row["peers"]["sdpa"]["status"] == "ok"
          and row["peers"]["sdpa"]["formulation"].startswith("a call a sequence ("))
    suite.peers = [MadeUp(0.02)]
    row = suite.row(TINY[0], "f32", 1, 0.0)
    check("the fastest formulation is measured", row["peers"]["sdpa"]["formulation"] == "fast"
          and row["ratio"]["paired_median"] > 2 and not summary.is_slower(row))
    check("a peer without the feature says so", suite.row(TINY[4], "f32", 1, 0.0)["peers"]["sdpa"] == {
        "status": "unsupported", "error": "has no softcap"})
    known = Case("known", "known", 8, 16, 2, reasons={"bf16": "narrow", "": "small"})
    check("reasons stand beside the workload", [reason(known, t) for t in cases.DTYPES] ==
          ["small", "narrow"] and suite.row(known, "bf16", 1, 0.0)["reason"] == "narrow")
    suite.peers = [MadeUp(0.0, error=1.0)]
    row = suite.row(TINY[0], "f32", 1, 0.0)
    check("a wrong peer is not timed", row["peers"]["sdpa"]["status"] == "failed"
          and "seconds" not in row["peers"]["sdpa"] and "ratio" not in row)
    bad = Case("bad", "bad", 8, 16, 2, softcap=-1.0)
    row = suite.row(bad, "f32", 1, 0.0)
    check("what does not compile is a row", row["attnc"]["status"] == "not compiled"
          and "bad, f32, 1 thread: attnc: not compiled" in "\n".join(summary.problem_lines([row])))


def _timing(check):
    calls = []

    def side(name, seconds):
        return lambda: calls.append(name) or float(seconds)

    times = timing.interleaved([side("a", 1), side("b", 9), side("c", 2)], 1e-9, least=4, most=4,
                               patience=5, few=2)
    check("three sides take turns, and a slow one stops", "".join(calls) == "abc" + "abc" + "bca" + "ca" + "ac"
          and times == [[[1.0]] * 4, [[9.0], [9.0], [], []], [[2.0]] * 4])
    check("ratios are of rounds that have both", timing.Pair(times[0], times[1]).ratios == [9.0, 9.0])
    pair = timing.Pair([[1.0, 9.0, 2.0]], [[4.0]])
    check("a turn of several calls counts by its median, the best of all is the best",
          pair.ratios == [2.0] and pair.first.best == 1.0 and pair.as_dict()["best"] == 4.0)


def _made_row(name, mine, theirs, **more):
    def seconds(value):
        return {"best": 0.9 * value, "median": value, "runs": 9}

    row = {"name": name, "title": f"<{name}>", "dtype": "f32", "threads": 1, "flops": 10**9,
           "bytes": 10**6, "reason": None,
           "peers": {"sdpa": {"status": "ok", "seconds": seconds(theirs),
                              "ratio": {"paired_median": theirs / mine, "best": theirs / mine}},
                     "ggml": {"status": "failed", "error": "no such type"}},
           "attnc": {"status": "ok", "seconds": seconds(mine)}, "share_of_limit": 0.5,
           "limit": {"by": "arithmetic", "seconds": 0.01}, "best_peer": "sdpa",
           "ratio": {"paired_median": theirs / mine, "best": theirs / mine}}
    return {**row, **more}


def _document(rows):
    return {"schema": 1, "rows": rows, "jit": [{"name": "x", "dtype": "f32", "seconds": 0.1,
                                                "phases": {"parse": 0.1}, "code_bytes": 12345}],
            "peers": [{"name": "sdpa", "title": "SDPA", "missing": None},
                      {"name": "openvino", "title": "OpenVINO", "missing": "no wheel"},
                      {"name": "ggml", "title": "ggml", "missing": None}],
            "limits": [{"threads": 1, "fma_flops": 1e11, "read_bytes_per_second": 1e10},
                       {"threads": 2, "fma_flops": 1.9e11, "read_bytes_per_second": 1.5e10}],
            "machine": {"cpu": {"model": "a CPU", "vectors": "AVX2", "cpus": 2}, "load_before": 0.1,
                        "versions": {"attnc": "1"}}}


def _reports(check, folder):
    absent = _made_row("absent", 0.02, 0.03)
    absent.update(attnc={"status": "not compiled", "error": "not yet"}, ratio=None)
    rows = [_made_row("ahead", 0.02, 0.03), _made_row("behind", 0.02, 0.01, reason="its tiles are larger"),
            absent, _made_row("ahead", 0.011, 0.02, threads=2)]
    document = _document(rows)
    text = summary.text(document)
    print(text)
    check("a slower row is listed with its reason", "behind, f32, 1 thread: 0.50x SDPA (best runs 0.50x); "
          "its tiles are larger" in text and summary.slower_lines(rows[:1]) == [])
    check("what is not there is listed", all(line in text for line in (
        "absent, f32, 1 thread: attnc: not compiled: not yet", "OpenVINO: no wheel",
        "ahead, f32, 1 thread: llama.cpp: failed: no such type")))
    check("threads are compared", "2 threads  1.82x   1.82x" in text)
    path = Path(folder) / "new" / "run.json"
    report.write_json(path, document)
    again = [_made_row("behind", 0.005, 0.01), _made_row("other", 1, 2, dtype="bf16")]
    whole = benchmark.merged(json.loads(path.read_text(encoding="utf-8")),
                             {**_document(again), "jit": []})
    check("rows of an earlier run are kept, measured ones replaced",
          [(row["name"], row["attnc"].get("seconds", {}).get("median")) for row in whole["rows"]] ==
          [("ahead", 0.02), ("behind", 0.005), ("absent", None), ("other", 1), ("ahead", 0.011)]
          and whole["jit"] == document["jit"])
    picture = chart.svg(rows[:3], document["peers"], "a < b", "c")
    texts = [element.text for element in ElementTree.fromstring(picture).iter()
             if element.tag.endswith("text")]
    check("the plot has rows, ratios, shares and what is missing",
          {"<ahead>", "1.50×", "0.50×", "50%", "not compiled", "a < b"} <= set(texts))
    check("no times, no plot", chart.svg([absent], document["peers"], "", "") is None)


def run(args, folder):
    check = Checks()
    args.no_peer, args.seconds, args.rounds = True, 0.01, 3
    _floats(check)
    _cases(check)
    _judges(check)
    _suite(check, args, folder)
    _timing(check)
    _reports(check, folder)
    print(f"{check.failed} checks failed")
    return 1 if check.failed else 0
