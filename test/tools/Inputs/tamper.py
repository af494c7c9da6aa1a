#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""tamper.py KERNEL DIR: writes damaged copies of a kernel file into DIR.

tamper.py KERNEL --every ATTNC ARGS...: changes single bytes all over the file,
one at a time, runs ATTNC run COPY ARGS on each copy, and fails unless every one
is refused with exit code 1 and a message.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

kernel = Path(sys.argv[1]).read_bytes()


def changed(at, value):
    return kernel[:at] + bytes([value & 0xFF]) + kernel[at + 1:]


if sys.argv[2] == "--every":
    # All of the header and the section table, then a byte here and there.
    places = list(range(0, 112, 3)) + list(range(112, len(kernel), max(1, len(kernel) // 40)))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "k.attnc"
        for at in places:
            copy.write_bytes(changed(at, kernel[at] ^ 0x41))
            run = subprocess.run([sys.argv[3], "run", str(copy)] + sys.argv[4:],
                                 capture_output=True, text=True)
            if run.returncode != 1 or "error:" not in run.stderr:
                sys.exit(f"byte {at}: exit code {run.returncode}, {run.stderr!r}")
    print(f"{len(places)} altered copies refused")
    sys.exit(0)

folder = Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "empty.attnc").write_bytes(b"")
(folder / "short.attnc").write_bytes(kernel[:5])
(folder / "header.attnc").write_bytes(kernel[:40])
(folder / "cut.attnc").write_bytes(kernel[:-1])
(folder / "longer.attnc").write_bytes(kernel + b"\0")
(folder / "format.attnc").write_bytes(changed(16, kernel[16] + 1))
(folder / "abi.attnc").write_bytes(changed(20, kernel[20] + 1))
(folder / "text.attnc").write_bytes(b"func.func @f() { return }\n")
