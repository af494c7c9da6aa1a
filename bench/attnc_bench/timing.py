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
    """Keeps this process's threads, and those they will start, on the last `threads`
    CPUs: the first one serves most interrupts. Returns them."""
    if threads > len(CPUS):
        raise ValueError(f"{threads} threads, but only {len(CPUS)} CPUs")
    chosen = CPUS[-threads:]
    for thread in os.listdir("/proc/self/task"):  # pools of libraries keep theirs else
        try:
            os.sched_setaffinity(int(thread), chosen)
        except ProcessLookupError:
            pass  # it has ended
    return chosen


TURN = 0.02  # seconds of calls that a turn of several is worth
CALLS = 8


class Series:
    """The times of one function, in seconds, from the turns it had."""

    def __init__(self, turns):
        self.times = [time for turn in turns for time in turn]
        self.best = min(self.times)
        self.median = statistics.median(self.times)

    def as_dict(self):
        return {"best": self.best, "median": self.median, "runs": len(self.times)}


class Pair:
    """Two functions timed in turns. Ratios are second over first in rounds that have
    both: how many times faster the first is."""

    def __init__(self, first, second):
        """`first` and `second` are lists of turns, each a list of times."""
        self.first, self.second = Series(first), Series(second)
        self.ratios = sorted(statistics.median(b) / statistics.median(a)
                             for a, b in zip(first, second) if a and b)

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


def _turn(function, estimate, several):
    """The times of a turn's calls."""
    if estimate < REWARM_BELOW:
        function()
    calls = min(max(int(TURN / max(estimate, 1e-9)), 1), CALLS) if several else 1
    return [once(function) for _ in range(calls)]


def quiesce(most=0.1, step=0.01, idle=0.1):
    """Waits until no thread of this process computes: pools wait actively for more
    work, some of them for 40 ms, on CPUs that the next turn needs. Steps are longer
    than the ticks (up to 10 ms) that running threads are accounted at."""
    end = time.perf_counter() + most
    while time.perf_counter() < end:
        spent = time.process_time()
        time.sleep(step)
        if time.process_time() - spent < idle * step:
            return


def interleaved(functions, seconds=8.0, least=7, most=400, report=None, estimates=None,
                patience=None, few=3, settle=False, several=False):
    """Times functions in turns for about `seconds`; a list of turns for each, one a
    round, of one call or, with `several`, as many as fit into TURN. The order moves on by one every round, so that none is always the one
    that comes second. Functions over `patience` times slower than the fastest take
    part in the first `few` rounds alone, and have empty turns in the others. With
    `settle` each turn waits until the threads of the one before have gone to sleep."""
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
                times[side].append([])
                continue
            if settle:
                quiesce()
            times[side].append(_turn(functions[side], estimates[side], several))
        done += 1
    return times


def paired(first, second, seconds=8.0, least=7, most=400, report=None):
    """Times two functions in turns."""
    return Pair(*interleaved([first, second], seconds, least, most, report))


def alone(function, seconds=4.0, least=7, most=400, report=None):
    """The same without a peer."""
    return Series(*interleaved([function], seconds, least, most, report))
