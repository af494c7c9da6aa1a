# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Interleaved timing of two functions on pinned threads."""

import os
import statistics
import time

# Calls shorter than this get an untimed call before each timed one, so that each
# side finds in the caches what its own last call left there, not the other's.
REWARM_BELOW = 0.02


def pin(threads):
    """Keeps the process, and the threads it will start, on its last `threads`
    CPUs: the first one serves most interrupts. Returns them."""
    cpus = sorted(os.sched_getaffinity(0))
    if threads > len(cpus):
        raise ValueError(f"{threads} threads, but only {len(cpus)} CPUs")
    chosen = cpus[-threads:]
    os.sched_setaffinity(0, chosen)
    return chosen


class Series:
    """The times of one function, in seconds."""

    def __init__(self, times):
        self.times = list(times)
        self.best = min(self.times)
        self.median = statistics.median(self.times)

    def as_dict(self):
        return {"best": self.best, "median": self.median, "runs": len(self.times)}


class Pair:
    """Two functions timed in turns. Ratios are second over first: how many times
    faster the first is."""

    def __init__(self, first, second):
        self.first, self.second = Series(first), Series(second)
        self.ratios = sorted(b / a for a, b in zip(first, second))

    def as_dict(self):
        quarter = len(self.ratios) // 4
        return {"paired_median": statistics.median(self.ratios),
                "quartiles": [self.ratios[quarter], self.ratios[-1 - quarter]],
                "best": self.second.best / self.first.best}


def once(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _timed(function, estimate):
    if estimate < REWARM_BELOW:
        function()
    return once(function)


def paired(first, second, seconds=8.0, least=7, most=400, report=None):
    """Times both in turns for about `seconds`, swapping the order every round so
    that neither is always the one that comes second."""
    estimates = [once(first), once(second)]  # the warm-up as well
    times = ([], [])
    start = time.perf_counter()
    while len(times[0]) < most:
        spent = time.perf_counter() - start
        if len(times[0]) >= least and spent >= seconds:
            break
        if report:
            report(max(spent / seconds, len(times[0]) / most))
        order = (0, 1) if len(times[0]) % 2 == 0 else (1, 0)
        for side in order:
            times[side].append(_timed((first, second)[side], estimates[side]))
    return Pair(*times)


def alone(function, seconds=4.0, least=7, most=400, report=None):
    """The same without a peer."""
    estimate = once(function)
    times = []
    start = time.perf_counter()
    while len(times) < most:
        spent = time.perf_counter() - start
        if len(times) >= least and spent >= seconds:
            break
        if report:
            report(max(spent / seconds, len(times) / most))
        times.append(_timed(function, estimate))
    return Series(times)
