# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The machine's limits: loops of limits.c, compiled for the host and run between
the measured calls."""

import ctypes
import os
import shutil
import subprocess
from ctypes import POINTER, c_char_p, c_double, c_int, c_long, c_size_t, c_void_p
from pathlib import Path

from .terminal import BenchError

SOURCE = Path(__file__).with_name("limits.c")
BURST = 0.002  # seconds of an arithmetic loop, once a round


def _compiler():
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang", "clang-22"]
    for name in names:
        if shutil.which(name):
            return name
    raise BenchError(f"no C compiler among {', '.join(names)}: the machine's limits are "
                     "measured by compiled loops (Debian: apt-get install gcc)")


class Limits:
    """The compiled loops. Each call returns the seconds it took."""

    def __init__(self, folder):
        library = Path(folder) / "limits.so"
        done = subprocess.run([_compiler(), "-O3", "-march=native", "-ffp-contract=fast", "-shared",
                               "-fPIC", "-pthread", str(SOURCE), "-o", str(library)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"cannot compile {SOURCE.name}:\n{done.stderr.strip()}")
        self.lib = ctypes.CDLL(str(library))
        for name in ("limit_fma", "limit_bf16"):
            getattr(self.lib, name).argtypes = [c_int, c_long]
            getattr(self.lib, name).restype = c_double
            getattr(self.lib, f"{name}_flops").restype = c_double
        self.lib.limit_read.argtypes = [c_int, POINTER(c_char_p), POINTER(c_size_t), c_int]
        self.lib.limit_read.restype = c_double
        self.rounds = {}

    def has_bf16(self):
        """Whether the host multiplies bf16 pairs, which doubles the rate."""
        return self.lib.limit_bf16_flops() > 0

    def arithmetic(self, dtype, threads):
        """(callable, operations of one call) of the fastest arithmetic for a type."""
        name = "limit_bf16" if dtype == "bf16" and self.has_bf16() else "limit_fma"
        loop, flops = getattr(self.lib, name), getattr(self.lib, f"{name}_flops")()
        if name not in self.rounds:
            trial = 20000
            best = min(loop(1, trial) for _ in range(5))
            self.rounds[name] = max(int(trial * BURST / best), 1)
        rounds = self.rounds[name]
        return (lambda: loop(threads, rounds)), flops * rounds * threads

    def read(self, arrays, threads):
        """(callable, bytes of one call) that reads NumPy arrays, in memory order."""
        spans = [_span(array) for array in arrays]
        blocks = (c_char_p * len(spans))(*(ctypes.cast(c_void_p(start), c_char_p)
                                           for start, _ in spans))
        sizes = (c_size_t * len(spans))(*(size for _, size in spans))
        loop, count, keep = self.lib.limit_read, len(spans), list(arrays)

        def call():
            return loop(threads, blocks, sizes, count) if keep else 0.0

        return call, sum(size for _, size in spans)


def _span(array):
    if not array.flags.c_contiguous:
        raise BenchError("only contiguous arrays can be read in memory order")
    return array.ctypes.data, array.nbytes
