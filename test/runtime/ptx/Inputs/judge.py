# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs Triton's PTX in the executor, and mutants of it.

usage: judge.py FOLDER [--attnc PROGRAM] [--mutants] [NAME ...]

Each problem is compiled, run by `attnc ptx-sim` and compared with NumPy in
fp64; no finding may be reported. With --mutants, attention's PTX is damaged in
one place after another; mutants are caught by a finding, an error or a wrong
result. Lines that turn out not to be needed are listed.
"""

import argparse
import os
import re
import subprocess
import sys

import numpy as np

import triton_kernels as kernels

FAILURES = []


def bf16_bits(x):
    """float32 rounded to bfloat16, as NumPy's V2."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return rounded.astype(np.uint16).view("V2")


def bf16_values(x):
    return (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


class Problem:
    """Arguments, grid and the expected results of one kernel."""

    def __init__(self, compiled, arguments, grid, expected, tolerance):
        self.compiled, self.arguments, self.grid = compiled, arguments, grid
        self.expected, self.tolerance = expected, tolerance

    def run(self, folder, attnc, ptx=None, seed=0):
        """(exit code, text of the executor, largest error)."""
        path = os.path.join(folder, "kernel.ptx")
        with open(path, "w", encoding="utf-8") as f:
            f.write(ptx or self.compiled.ptx)
        command = [attnc, "ptx-sim", path, "--grid", self.grid,
                   f"--shared={self.compiled.shared}", f"--seed={seed}",
                   # Mutants may loop for ever.
                   "--limit=20000000"]
        outputs = {}
        for i, argument in enumerate(self.arguments):
            if isinstance(argument, np.ndarray):
                name = os.path.join(folder, f"in{i}.npy")
                np.save(name, argument)
                command += ["--arg", f"in:{name}"]
            elif isinstance(argument, tuple):
                name = os.path.join(folder, f"out{i}.npy")
                outputs[i] = name
                if os.path.exists(name):
                    os.remove(name)
                kind = argument[0]
                if kind == "inout":
                    source = os.path.join(folder, f"in{i}.npy")
                    np.save(source, argument[1])
                    command += ["--arg", f"inout:{source}:{name}"]
                else:
                    shape = "x".join(map(str, argument[1]))
                    command += ["--arg", f"out:{name}:{kind}[{shape}]"]
            else:
                command += ["--arg", argument]
        given = len(self.arguments)
        # Triton appends scratch memory of the launch, and of the profiler.
        if given < self.compiled.parameters:
            command += ["--arg", "bytes:4194304"]
        for _ in range(given + 1, self.compiled.parameters):
            command += ["--arg", "null"]
        result = subprocess.run(command, capture_output=True, text=True)
        worst = 0.0
        for i, expected in self.expected.items():
            if not os.path.exists(outputs[i]):
                return result.returncode, result.stdout + result.stderr, np.inf
            got = np.load(outputs[i])
            got = bf16_values(got) if got.dtype.kind == "V" else got
            error = np.abs(got.astype(np.float64) - expected)
            error = error / np.maximum(1.0, np.abs(expected))
            worst = max(worst, float(np.nan_to_num(error, nan=np.inf).max()))
        return result.returncode, result.stdout + result.stderr, worst


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def softmax(arch):
    # Lengths are multiples of 16, as the signature promises.
    x = random(6, 800).astype(np.float32)
    compiled = kernels.build(
        kernels.softmax_rows, arch,
        dict(X="*fp32", Y="*fp32", stride="i32", columns="i32"),
        dict(BLOCK=1024))
    # Only 784 columns belong to a row; the others must stay as they are.
    z = x[:, :784].astype(np.float64)
    e = np.exp(z - z.max(1, keepdims=True))
    y = np.pad(e / e.sum(1, keepdims=True), ((0, 0), (0, 16)))
    return Problem(compiled, [x, ("inout", np.zeros_like(x)), "i32:800",
                              "i32:784"], "6", {1: y}, 1e-6)


def norm(arch):
    x = (random(5, 1296) * 3 + 1).astype(np.float16)
    w, b = (random(1296, seed=s).astype(np.float16) for s in (1, 2))
    compiled = kernels.build(
        kernels.layer_norm, arch,
        dict(X="*fp16", W="*fp16", B="*fp16", Y="*fp16", stride="i32",
             columns="i32", eps="fp32"), dict(BLOCK=2048), warps=8)
    z = x.astype(np.float64)
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    return Problem(compiled, [x, w, b, ("f16", x.shape), "i32:1296", "i32:1296",
                              "f32:1e-5"], "5",
                   {3: z * w.astype(np.float64) + b.astype(np.float64)}, 2e-3)


def product(arch, kind, stages=3, warps=4, tiles=(64, 64, 32)):
    m, n, k = 144, 112, 208
    a, b = random(m, k), random(k, n, seed=1)
    tolerance, out = 2e-2, "f32"
    if kind == "i8":
        a, b = (np.clip(x * 40, -127, 127).astype(np.int8) for x in (a, b))
        out, tolerance = "i32", 0
    elif kind == "bf16":
        a, b = bf16_bits(a), bf16_bits(b)
    else:
        a, b = (x.astype(dict(f16=np.float16, f32=np.float32)[kind])
                for x in (a, b))
    wide = [bf16_values(x).astype(np.float64) if kind == "bf16"
            else x.astype(np.float64) for x in (a, b)]
    names = dict(f16="fp16", bf16="bf16", f32="fp32", i8="i8", i32="i32")
    compiled = kernels.build(
        kernels.matmul, arch,
        dict(A="*" + names[kind], B="*" + names[kind], C="*" + names[out],
             M="i32", N="i32", K="i32"),
        dict(BM=tiles[0], BN=tiles[1], BK=tiles[2],
             ACC=kernels.tl.int32 if kind == "i8" else kernels.tl.float32),
        warps=warps, stages=stages)
    grid = f"{-(-m // tiles[0])},{-(-n // tiles[1])}"
    return Problem(compiled, [a, b, (out, (m, n)), f"i32:{m}", f"i32:{n}",
                              f"i32:{k}"], grid, {2: wide[0] @ wide[1]}, tolerance)


def scan(arch):
    x = random(4, 512).astype(np.float32)
    compiled = kernels.build(kernels.running_sum, arch,
                             dict(X="*fp32", Y="*fp32", total="*fp32"),
                             dict(BLOCK=512))
    wide = x.astype(np.float64)
    return Problem(compiled, [x, ("f32", x.shape),
                              ("inout", np.zeros(4, np.float32))], "4",
                   {1: wide.cumsum(1),
                    2: np.array([wide.sum(), 0, 0, 0])}, 1e-4)


def elementary(arch):
    from math import erf

    x = (np.abs(random(1008)) + 0.1).astype(np.float32)
    compiled = kernels.build(kernels.functions, arch,
                             dict(X="*fp32", Y="*fp32", count="i32"),
                             dict(BLOCK=256))
    z = x.astype(np.float64)
    y = (np.sin(z) + np.log(z) * np.sqrt(z)
         - np.array([erf(t) for t in z]) / (1 + np.exp(-z)))
    y += np.floor(z) + np.where(np.arange(1008) % 3 == 1, z * z, np.abs(z - 2))
    return Problem(compiled, [x, ("f32", x.shape), "i32:1008"], "4", {1: y}, 1e-4)


def attention(arch, d, bm, bn, warps, stages, tma=False, kind="f16", length=512):
    heads = 2
    q, k, v = (random(heads, length, d, seed=s) for s in range(3))
    pack = bf16_bits if kind == "bf16" else lambda x: x.astype(np.float16)
    wide = bf16_values if kind == "bf16" else lambda x: x
    q, k, v = pack(q), pack(k), pack(v)
    wq, wk, wv = (wide(x).astype(np.float64) for x in (q, k, v))
    pointer = "*bf16" if kind == "bf16" else "*fp16"
    types = dict(Q=pointer, K=pointer, V=pointer, O=pointer, L="*fp32",
                 scale="fp32", length="i32")
    if tma:
        types["heads"] = "i32"
    compiled = kernels.build(
        kernels.attention_tma if tma else kernels.attention, arch, types,
        dict(BM=bm, BN=bn, D=d), warps=warps, stages=stages)
    scale = d ** -0.5
    s = np.einsum("hnd,hmd->hnm", wq, wk) * scale
    s = np.where(np.tri(length, dtype=bool), s, -np.inf)
    top = s.max(-1, keepdims=True)
    e = np.exp(s - top)
    o = np.einsum("hnm,hmd->hnd", e / e.sum(-1, keepdims=True), wv)
    log_sum = (top[..., 0] + np.log(e.sum(-1))) / np.log(2)
    arguments = [q, k, v, (kind, q.shape), ("f32", (heads, length)),
                 f"f32:{scale}", f"i32:{length}"]
    if tma:
        arguments.append(f"i32:{heads}")
    return Problem(compiled, arguments, f"{length // bm},{heads}",
                   {3: o, 4: log_sum}, 2e-2 if kind == "bf16" else 3e-3)


PROBLEMS = {
    "softmax": lambda: softmax(80),
    "norm": lambda: norm(80),
    "scan": lambda: scan(80),
    "functions": lambda: elementary(80),
    "product-f16-sm80": lambda: product(80, "f16"),
    "product-bf16-sm80": lambda: product(80, "bf16"),
    "product-tf32-sm80": lambda: product(80, "f32"),
    "product-i8-sm80": lambda: product(80, "i8"),
    "product-f16-sm90": lambda: product(90, "f16", tiles=(64, 64, 64)),
    "product-tf32-sm90": lambda: product(90, "f32"),
    "product-i8-sm90": lambda: product(90, "i8", tiles=(64, 64, 64)),
    "attention-sm80-d64": lambda: attention(80, 64, 128, 64, 4, 3),
    "attention-sm80-d128": lambda: attention(80, 128, 128, 64, 8, 3),
    "attention-sm80-d32-bf16": lambda: attention(80, 32, 64, 32, 4, 2, kind="bf16"),
    "attention-sm90-d64": lambda: attention(90, 64, 128, 128, 8, 2),
    "attention-sm90-d128": lambda: attention(90, 128, 64, 64, 4, 3),
    "attention-tma-d64": lambda: attention(90, 64, 128, 64, 8, 3, tma=True),
    "attention-tma-d128": lambda: attention(90, 128, 128, 128, 8, 2, tma=True),
    "attention-tma-d64-bf16": lambda: attention(90, 64, 64, 64, 4, 3, tma=True,
                                                kind="bf16"),
}


def mutants(ptx):
    """Yields (what, line number, damaged text)."""
    lines = ptx.split("\n")

    def changed(i, line):
        return "\n".join(lines[:i] + [line] + lines[i + 1:])

    for i, line in enumerate(lines):
        if re.match(r"\s*bar\.sync\s", line):
            yield "barrier", i, changed(i, "")
        waits = r"(cp\.async\.wait_group|wgmma\.wait_group\.sync\.aligned)(\s+)(\d+)"
        if re.search(waits, line):
            yield "wait", i, changed(i, re.sub(
                waits, lambda m: m[1] + m[2] + str(int(m[3]) + 1), line))
        if "fence.proxy.async" in line:
            yield "proxy fence", i, changed(i, "")
        if "wgmma.fence" in line:
            yield "wgmma fence", i, changed(i, "")
        if "mbarrier.try_wait" in line:
            yield "mbarrier wait", i, changed(i, "setp.eq.b32 complete, 0, 0;")
        if "swizzle_mode" in line:
            yield "swizzle", i, changed(i, line.replace("0x3;", "0x2;"))
        if "expect_tx" in line:
            yield "bytes", i, changed(i, re.sub(
                r"(\d+);", lambda m: str(int(m[1]) // 2) + ";", line))
        if re.match(r"\s*cp\.async\.bulk\.wait_group\s", line):
            yield "bulk wait", i, changed(i, "")
        if re.match(r"\s*xor\.b32\s.*, (16|32|48|64|96|112);", line):
            yield "swizzle", i, changed(i, re.sub(r"xor\.b32", "or.b32", line))


def without(ptx, numbers):
    """The text without these lines."""
    return "\n".join("" if i in numbers else line
                     for i, line in enumerate(ptx.split("\n")))


def judge_mutants(name, problem, folder, attnc):
    """Of each kind of damage some must be caught, and those that change nothing
    are listed: Triton puts barriers beside barriers, and fences where the one
    before has done the work, so not every line is needed."""
    caught, survivors = {}, {}
    for what, line, text in mutants(problem.compiled.ptx):
        code, _, error = problem.run(folder, attnc, text, seed=line)
        if code or error > problem.tolerance:
            caught[what] = caught.get(what, 0) + 1
        else:
            survivors.setdefault(what, []).append(line)
    print(f"{name}: {sum(caught.values())} mutants caught:",
          ", ".join(f"{n} × {what}" for what, n in sorted(caught.items())))
    for what, numbers in survivors.items():
        lines = ", ".join(str(n + 1) for n in numbers)
        print(f"  {what}: lines {lines} alone change nothing")
        if what in caught:
            continue
        code, _, error = problem.run(
            folder, attnc, without(problem.compiled.ptx, set(numbers)))
        if not code and error <= problem.tolerance:
            FAILURES.append(f"{name}: no {what} was missed")
    if not caught:
        FAILURES.append(f"{name}: no mutant was caught")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--attnc", default="attnc")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_intermixed_args()
    os.makedirs(arguments.folder, exist_ok=True)
    for name in arguments.names or PROBLEMS:
        problem = PROBLEMS[name]()
        if arguments.mutants:
            judge_mutants(name, problem, arguments.folder, arguments.attnc)
            continue
        for seed in range(arguments.seeds):
            code, text, error = problem.run(arguments.folder, arguments.attnc,
                                            seed=seed)
            good = code == 0 and error <= problem.tolerance
            print(f"{name} seed {seed}: error {error:.2g}"
                  f"{'' if good else ' FAILED, exit code ' + str(code)}")
            if not good:
                print(text)
                FAILURES.append(name)
    for failure in FAILURES:
        print("failed:", failure)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
