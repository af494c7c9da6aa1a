# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Interleaved timing of functions on pinned threads."""

import os
import statistics
import time

# Calls shorter than this get an untimed call before each timed one, so that each
# side finds in the caches what its own last call left there, not the other's.
REWARM_BELOW = 0.02


CPUS = sorted(os.sched_getaffinity(0))  # before anything is pinned


def pin(threads):
    """Keeps this thread, and those it will start, on the last `threads` CPUs: the
    first one serves most interrupts. Returns them."""
    if threads > len(CPUS):
        raise ValueError(f"{threads} threads, but only {len(CPUS)} CPUs")
    chosen = CPUS[-threads:]
    os.sched_setaffinity(0, chosen)
    return chosen


class Series:
    """The times of one function, in seconds."""

    def __init__(self, times):
        self.times = [time for time in times if time is not None]
        self.best = min(self.times)
        self.median = statistics.median(self.times)

    def as_dict(self):
        return {"best": self.best, "median": self.median, "runs": len(self.times)}


class Pair:
    """Two functions timed in turns. Ratios are second over first in rounds that have
    both: how many times faster the first is."""

    def __init__(self, first, second):
        self.first, self.second = Series(first), Series(second)
        self.ratios = sorted(b / a for a, b in zip(first, second)
                             if a is not None and b is not None)

    def as_dict(self):
        quarter = len(self.ratios) // 4
        return {"paired_median": statistics.median(self.ratios),
                "quartiles": [self.ratios[quarter], self.ratios[-1 - quarter]],
                "best": self.second.best / self.first.best}


def once(function):
    """Seconds of a call. A function that returns a float has timed itself."""
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    return result if isinstance(result, float) else seconds


def _timed(function, estimate):
    if estimate < REWARM_BELOW:
        function()
    return once(function)


def interleaved(functions, seconds=8.0, least=7, most=400, report=None, estimates=None,
                patience=None, few=3, settle=0.0):
    """Times functions in turns for about `seconds`; a list of times for each, one a
    round. The order moves on by one every round, so that none is always the one
    that comes second. Functions over `patience` times slower than the fastest take
    part in the first `few` rounds alone, and have None in the others. Before each
    turn the process sleeps for `settle`, in which threads of the turn before stop
    to wait actively for more work."""
    estimates = estimates or [once(function) for function in functions]  # the warm-up as well
    limit = patience * min(estimates) if patience else float("inf")
    times = [[] for _ in functions]
    start, done = time.perf_counter(), 0
    while done < most:
        spent = time.perf_counter() - start
        if done >= least and spent >= seconds:
            break
        if report:
            report(max(min(spent / seconds, done / least), done / most))
        for turn in range(len(functions)):
            side = (turn + done) % len(functions)
            if done >= few and estimates[side] > limit:
                times[side].append(None)
                continue
            if settle:
                time.sleep(settle)
            times[side].append(_timed(functions[side], estimates[side]))
        done += 1
    return times


def paired(first, second, seconds=8.0, least=7, most=400, report=None):
    """Times two functions in turns."""
    return Pair(*interleaved([first, second], seconds, least, most, report))


def alone(function, seconds=4.0, least=7, most=400, report=None):
    """The same without a peer."""
    return Series(*interleaved([function], seconds, least, most, report))
