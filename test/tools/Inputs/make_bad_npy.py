#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""make_bad_npy.py DIR: writes .npy files that attnc must refuse, and good ones."""

import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
good = np.arange(2 * 3 * 8, dtype=np.float32).reshape(1, 2, 3, 8) / 8
np.save(folder / "good.npy", good)
whole = (folder / "good.npy").read_bytes()
data = good.tobytes()


def write(name, content):
    (folder / f"{name}.npy").write_bytes(content)


def header(text, version=b"\x01\x00", length=None):
    """A file with this dictionary and the good array's elements."""
    body = text.encode("latin1") + b"\n"
    size = len(body) if length is None else length
    return (b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little")
            + body + data)


FINE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 8), }"
write("v2", header(FINE, b"\x02\x00"))
write("v3", header(FINE, b"\x03\x00"))
write("reordered", header('{"shape":(1,2,3,8),"fortran_order":False,"descr":"<f4"}'))

write("empty", b"")
write("text", b"1 2 3 4\n")
write("magic-only", whole[:6])
write("cut-header", whole[:40])
write("truncated", whole[:-5])
write("trailing", whole + b"\0")
write("version", header(FINE, b"\x04\x00"))
write("long-header", header(FINE, length=60000))
write("huge-header", header(FINE, b"\x02\x00", length=0x7fffffff))
write("no-shape", header("{'descr': '<f4', 'fortran_order': False}"))
write("twice", header(FINE.replace("}", "'descr': '<f4'}")))
write("unknown-key", header(FINE.replace("}", "'x': 1}")))
write("after", header(FINE + " or __import__('os')"))
write("not-a-tuple", header(FINE.replace("(1, 2, 3, 8)", "(48)")))
write("expression", header(FINE.replace("(1, 2, 3, 8)", "(1, 2, 3*1, 8)")))
write("negative", header(FINE.replace("(1, 2, 3, 8)", "(1, 2, -3, 8)")))
write("overflow", header(FINE.replace("(1, 2, 3, 8)", "(4611686018427387904, 2, 3, 8)")))
write("overflow-zero", header(FINE.replace("(1, 2, 3, 8)",
                                           "(4611686018427387904, 4611686018427387904, 0, 8)")))
write("too-big-number", header(FINE.replace("(1, 2, 3, 8)", "(99999999999999999999, 2)")))
write("deep", header(FINE.replace("(1, 2, 3, 8)", "(" + "1, " * 40 + ")")))
write("large", header(FINE.replace("(1, 2, 3, 8)", "(1000000, 2, 1000000, 8)")))
write("order", header(FINE.replace("False", "0")))
write("quotes", header(FINE.replace("'<f4'", "'<f4")))

np.save(folder / "fortran.npy", np.asfortranarray(good))
np.save(folder / "big-endian.npy", good.astype(">f4"))
np.save(folder / "complex.npy", good.astype(np.complex64))
np.save(folder / "structured.npy", np.zeros(3, dtype=[("a", "<f4"), ("b", "<i4")]))
np.save(folder / "strings.npy", np.array(["a", "bc"]))
np.save(folder / "f64.npy", good.astype(np.float64))
np.save(folder / "f16.npy", good.astype(np.float16))
np.save(folder / "i64.npy", good.astype(np.int64))
np.save(folder / "three-dims.npy", good[0])
np.save(folder / "wrong-head.npy", good[..., :4].copy())
np.save(folder / "two-batches.npy", np.concatenate([good, good]))
np.save(folder / "five-keys.npy", np.zeros((1, 2, 5, 8), np.float32))
np.savez(folder / "archive.npz", a=good)
(folder / "archive.npz").rename(folder / "archive.npy")
