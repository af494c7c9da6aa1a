# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py's rows: every case beside every peer that has it."""

import sys

from . import timing
from .attnc import Attnc
from .cases import spec
from .inputs import Inputs, output_like
from .floats import to_f32
from .kernel import AttncError
from .limits import Limits
from .peers import Unsupported, each_sequence, peers
from .terminal import BenchError, Status
from .timing import Pair, Series

PATIENCE, FEW = 2.5, 3  # sides that much slower than the fastest run three times
SUMMARY_BYTES = 256 << 20


class Failed(Exception):
    """No formulation of a peer works; the text says why."""


class Suite:
    """One run: both sides, and what a case leaves for its next type or thread count."""

    def __init__(self, args, folder):
        self.args, self.status = args, Status()
        self.attnc, self.limits = Attnc(args.build, folder), Limits(folder)
        self.peers, self.missing = [], {}
        self._ready = None, None, None  # (case, type), its inputs, its judge
        if args.no_peer:
            return
        from . import environment
        for kind in peers():
            reason = environment.why_missing(kind.needs)
            if reason is None:
                self.status.show(f"importing {kind.title}")
                try:
                    self.peers.append(kind())
                    continue
                except Exception as error:  # whatever an import raises
                    reason = f"cannot be loaded: {first_line(error)}"
            self.missing[kind.name] = reason

    def versions(self):
        return {name: version for peer in self.peers for name, version in peer.versions().items()}

    def describe_peers(self):
        return [{"name": kind.name, "title": kind.title, "missing": self.missing.get(kind.name)}
                for kind in peers()] if not self.args.no_peer else []

    def summary(self, threads):
        """The limits of this machine as a table shows them: best of some runs."""
        import numpy as np
        memory, found = np.ones(SUMMARY_BYTES // 8), []
        for count in threads:
            self._pin(count)
            read, size = self.limits.read([memory], count)
            entry = {"threads": count, "read_bytes_per_second": size / min(read() for _ in range(5))}
            for name, dtype in (("fma", "f32"), ("bf16", "bf16")):
                loop, flops = self.limits.arithmetic(dtype, count)
                entry[f"{name}_flops"] = flops / min(loop() for _ in range(20))
            if not self.limits.has_bf16():
                del entry["bf16_flops"]
            found.append(entry)
        return found

    @staticmethod
    def _pin(threads):
        try:
            timing.pin(threads)
        except ValueError as error:
            raise BenchError(str(error)) from error

    def _inputs(self, case, dtype):
        if self._ready[0] != (case.name, dtype):
            self._ready = None, None, None  # frees the memory first
            inputs = Inputs(case, dtype)
            self._ready = (case.name, dtype), inputs, inputs.judge()
        return self._ready[1:]

    def row(self, case, dtype, threads, share):
        """One row; `share` of all rows is done."""
        self._label, self._share = f"{case.name}, {dtype}, {threads} thr.", share
        self.status.show(f"{self._label}: reference", share, always=True)
        self._pin(threads)
        inputs, judge = self._inputs(case, dtype)
        row = {"name": case.name, "title": case.title, "dtype": dtype, "threads": threads,
               "flops": case.flops(), "bytes": case.bytes(dtype), "reason": reason(case, dtype),
               "peers": {}}
        sides = {}
        launch, output = self._prepare_attnc(row, case, inputs, judge, threads)
        if launch:
            sides["attnc"] = launch
        for peer in self.peers:
            self.status.show(f"{self._label}: {peer.title} prepares", share, always=True)
            row["peers"][peer.name] = result = {}
            chosen = self._prepare_peer(result, peer, inputs, judge, threads)
            if chosen:
                sides[peer.name] = chosen.call
                self._compare(row, judge, output, chosen)
        if row["attnc"]["status"] == "wrong":
            sides.pop("attnc", None)
        self._time(row, inputs, sides, threads)
        return row

    def _prepare_attnc(self, row, case, inputs, judge, threads):
        self.status.show(f"{self._label}: attnc compiles", self._share, always=True)
        try:
            kernel, seconds = self.attnc.compile(f"{case.name}-{inputs.dtype}",
                                                 spec(case, inputs.dtype))
            output = output_like(inputs)
            (name,) = (argument.name for argument in kernel.arguments if argument.is_output)
            launch = kernel.bind({**inputs.arguments, name: output}, threads)
            launch()
        except AttncError as error:
            row["attnc"] = {"status": "not compiled", "error": first_line(error)}
            return None, None
        row["attnc"] = {"status": "ok", "compile_seconds": seconds, "code_bytes": kernel.code_bytes,
                        "workspace_bytes": launch.workspace_bytes}
        values = to_f32(output)
        error = judge.error(values)
        row["attnc"].update(max_error=finite(error), bound=judge.bound)
        if not error <= judge.bound:
            row["attnc"].update(status="wrong",
                                error=f"off by {error:.2e} from fp64, allowed {judge.bound:.2e}")
        return launch, values

    def _prepare_peer(self, result, peer, inputs, judge, threads):
        """The fastest right formulation, or None with the reason in `result`."""
        try:
            if inputs.case.lengths:
                ways = [each_sequence(inputs, lambda part: self._fastest(
                    peer.prepare(part, threads), part.judge(), {}))]
            else:
                ways = peer.prepare(inputs, threads)
            chosen = self._fastest(ways, judge, result)
        except Unsupported as error:
            result.update(status="unsupported", error=str(error))
            return None
        except Failed as error:
            result.update(status="failed", error=str(error))
            return None
        except Exception as error:  # whatever a library raises is a result too
            result.update(status="failed", error=first_line(error))
            return None
        result.update(status="ok", formulation=chosen.label)
        return chosen

    @staticmethod
    def _fastest(ways, judge, result):
        best, result["formulations"] = None, {}
        for way in ways:
            try:
                way.call()
                error = judge.error(way.output())
            except Exception as raised:  # a formulation that a library refuses
                result["formulations"][way.label] = first_line(raised)
                continue
            bound = way.tolerance * judge.scale if way.tolerance else judge.peer_bound
            if not error <= bound:
                result["formulations"][way.label] = f"off by {error:.2e} from fp64"
                continue
            timing.quiesce()
            seconds = min(timing.once(way.call) for _ in range(2))
            result["formulations"][way.label] = seconds
            if best is None or seconds < best[0]:
                best, result["max_error"] = (seconds, way), error
        if best is None:
            raise Failed("; ".join(f"{label}: {text}" for label, text in
                                   result["formulations"].items()))
        return best[1]

    @staticmethod
    def _compare(row, judge, output, chosen):
        """Rows and heads that no reference was computed for."""
        if output is None or row["attnc"]["status"] != "ok":
            return
        difference = judge.disagreement(chosen.output(), output)
        allowed = 2 * max(judge.peer_bound, (chosen.tolerance or 0) * judge.scale)
        if not difference <= allowed:
            row["attnc"].update(status="wrong", error="differs from a peer that is right where "
                                f"sampled by {difference:.2e}")

    def _time(self, row, inputs, sides, threads):
        arithmetic, flops = self.limits.arithmetic(inputs.dtype, threads)
        read, size = self.limits.read(inputs.streamed(), threads)
        names = [*sides, "arithmetic", "read"]
        functions = [*sides.values(), arithmetic, read]
        # Warmed up and estimated here: a limit must not look like the fastest side.
        estimates = []
        for function in functions:
            timing.quiesce()
            estimates.append(min(timing.once(function) for _ in range(2)))
        patience = PATIENCE * min(estimates[:len(sides)], default=1.0) / min(estimates)
        times = dict(zip(names, timing.interleaved(
            functions, self.args.seconds, self.args.rounds, estimates=estimates, patience=patience,
            few=FEW, settle=threads > 1, several=True, report=lambda share:
            self.status.show(f"{self._label}: timing", self._share))))
        self._limit(row, Series(times["arithmetic"]), flops, Series(times["read"]), size)
        for name in sides:
            target = row["attnc"] if name == "attnc" else row["peers"][name]
            target["seconds"] = Series(times[name]).as_dict()
        if "attnc" in sides:
            self._judge_speed(row, times)

    @staticmethod
    def _limit(row, arithmetic, flops, read, size):
        """The time that the machine needs at least: for the operations or for the bytes."""
        limit = {"flops_per_second": flops / arithmetic.best, "bytes_per_second": size / read.best}
        needs = {"arithmetic": row["flops"] / limit["flops_per_second"],
                 "memory": row["bytes"] / limit["bytes_per_second"]}
        limit["by"] = max(needs, key=needs.get)
        limit["seconds"] = needs[limit["by"]]
        limit["seconds_median"] = max(row["flops"] / flops * arithmetic.median,
                                      row["bytes"] / size * read.median)
        row["limit"] = limit

    @staticmethod
    def _judge_speed(row, times):
        mine = row["attnc"]["seconds"]
        row["share_of_limit"] = row["limit"]["seconds"] / mine["best"]
        row["share_of_limit_median"] = row["limit"]["seconds_median"] / mine["median"]
        timed = {name: peer for name, peer in row["peers"].items() if peer.get("seconds")}
        if not timed:
            return
        row["best_peer"] = min(timed, key=lambda name: timed[name]["seconds"]["median"])
        for name, peer in timed.items():
            peer["ratio"] = Pair(times["attnc"], times[name]).as_dict()
        row["ratio"] = timed[row["best_peer"]]["ratio"]


def reason(case, dtype):
    return case.reasons.get(dtype) or case.reasons.get("")


def first_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]


def finite(value):
    return value if value < float("inf") else None


def progress(row):
    """A line as a row is done."""
    mine = row["attnc"].get("seconds")
    ratio = f", {row['ratio']['paired_median']:.2f}x {row['best_peer']}" if row.get("ratio") else ""
    text = (f"{1e3 * mine['best']:.3f} ms, {100 * row['share_of_limit']:.0f}% of the limit{ratio}"
            if mine else f"{row['attnc']['status']}: {row['attnc'].get('error', '')}")
    print(f"{row['name']}, {row['dtype']}, {row['threads']} thr.: {text}", file=sys.stderr, flush=True)
