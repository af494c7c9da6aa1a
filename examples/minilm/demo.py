#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run the attention of a real sentence encoder through one compiled kernel.

minilm.npz holds Q, K, V, the key mask and the attention output of every layer of
all-MiniLM-L6-v2 (capture.py makes it). The spec is compiled once and runs every
layer; each result is compared with an fp64 evaluation and with the model's own
output. After that: one head over 65,536 tokens, causal, with its peak memory.

Exits with 1 when a result misses its bound. Needs Python 3 and NumPy.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MIB = 1 << 20
LONG_DIM = 64
LONG_MEMORY_LIMIT = 64 * 10**6  # bytes over the inputs and the output
SAMPLED_ROWS = 64

# Runs a command from a process that is itself small: a child's ru_maxrss starts
# at the memory of the process it was spawned from, and that must not hide it.
LAUNCHER = """
import os, resource, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
with open(sys.argv[1], "w") as f:
    f.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))
sys.exit(status if status >= 0 else 128 - status)
"""


class DemoError(Exception):
    """Something that stops the demo; its text is for the user."""


# --- running attnc ----------------------------------------------------------


def attnc_command(args, action, source, **options):
    """The one place that knows attnc's command line.

    compile: output. run: inputs {name: file}, shapes {name: shape}, seed, output.
    """
    command = [str(args.attnc), action, str(source)]
    for name, file in options.get("inputs", {}).items():
        command += ["--input", f"{name}={file}"]
    for name, shape in options.get("shapes", {}).items():
        command += ["--shape", f"{name}={'x'.join(map(str, shape))}"]
    if "seed" in options:
        command += ["--seed", str(options["seed"])]
    if "output" in options:
        command += ["-o" if action == "compile" else "--output", str(options["output"])]
    if action == "run":
        if args.threads:
            command += [f"--threads={args.threads}"]
        command += ["--timing=json"]
    return command


def parse_timing(text):
    """The object that --timing=json prints, on one line of its own."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            timing = json.loads(line)
            if not timing.get("seconds", 0) > 0:
                raise DemoError(f"attnc's timing has no positive 'seconds': {line}")
            return timing
    raise DemoError("attnc printed no timing")


def call(command):
    """Runs a command; returns its stdout and its peak resident bytes."""
    with tempfile.NamedTemporaryFile("r") as peak:
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, peak.name]
        done = subprocess.run(launcher + command, capture_output=True, text=True)
        if done.returncode != 0:
            raise DemoError(
                f"exit code {done.returncode} from: {' '.join(command)}\n{done.stderr.rstrip()}"
            )
        return done.stdout, int(peak.read())


# --- what the result should be ----------------------------------------------


def reference(q, k, v, kept):
    """softmax(Q K^T / sqrt(d)) V over the kept pairs, in fp64."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    s = np.where(kept, q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -np.inf)
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True) @ v


def naive_f32(q, k, v, kept):
    """The same in float32, every sum taken one term after the other."""
    f32 = np.float32
    s = np.zeros(q.shape[:-1] + k.shape[-2:-1], f32)
    for e in range(q.shape[-1]):
        s += q[..., :, None, e] * k[..., None, :, e]
    s = np.where(kept, s * f32(1 / np.sqrt(q.shape[-1])), f32(-np.inf))
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    total = np.zeros(p.shape[:-1] + (1,), f32)
    out = np.zeros(p.shape[:-1] + v.shape[-1:], f32)
    for j in range(p.shape[-1]):
        total += p[..., j, None]
        out += p[..., j, None] * v[..., None, j, :]
    return out / total


def largest(difference):
    """Largest magnitude; NaN anywhere counts as infinitely wrong."""
    worst = np.abs(difference).max()
    return float("inf") if np.isnan(worst) else float(worst)


def judge(out, q, k, v, kept):
    """(error against fp64, the bound it must keep)."""
    if out.shape != q.shape[:-1] + v.shape[-1:] or out.dtype != np.float32:
        raise DemoError(f"unexpected output: {out.dtype} {out.shape}")
    exact = reference(q, k, v, kept)
    ulp = float(np.spacing(np.abs(v).max()))
    bound = 2 * largest(naive_f32(q, k, v, kept) - exact) + 4 * ulp
    return largest(out - exact), bound


# --- printing ---------------------------------------------------------------


def paint(text, good):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{32 if good else 31}m{text}\x1b[0m"


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.2f} {unit}"


def mark(good):
    return paint("ok" if good else "TOO LARGE", good)


# --- the two parts ----------------------------------------------------------


def compile_kernel(args, spec, tmp):
    kernel = tmp / f"{spec.stem}.attnc"
    call(attnc_command(args, "compile", spec, output=kernel))
    print(f"compiled {spec.relative_to(ROOT)}: {kernel.stat().st_size:,} bytes")
    return kernel


def run_layer(args, kernel, data, layer, tmp):
    """Runs one layer; returns its output and the seconds it took."""
    inputs = {}
    for name in ("q", "k", "v", "keys"):
        inputs[name] = tmp / f"{name}{layer}.npy"
        np.save(inputs[name], data[name] if name == "keys" else data[name][layer])
    output = tmp / f"o{layer}.npy"
    command = attnc_command(args, "run", kernel, inputs=inputs, output=output)
    stdout, _ = call(command)
    return np.load(output, allow_pickle=False), parse_timing(stdout)["seconds"]


def run_model(args, tmp):
    with np.load(HERE / "minilm.npz", allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    layers, batch, heads, tokens, dim = data["q"].shape
    print(f"all-MiniLM-L6-v2: {layers} layers, {heads} heads of {dim}, {batch} sentences")
    for sentence, keys in zip(data["sentences"], data["keys"]):
        print(f"  {int(keys.sum()):2d} of {tokens} tokens: {sentence}")
    kernel = compile_kernel(args, HERE / "attention.mlir", tmp)

    kept = data["keys"][:, None, None, :]
    flops = 4 * dim * heads * tokens * int(data["keys"].sum())
    print(f"\n{'layer':>5}  {'vs fp64':>9}  {'bound':>9}  {'vs model':>9}  {'time':>10}  {'GFLOP/s':>8}")
    good = True
    for layer in range(layers):
        out, seconds = run_layer(args, kernel, data, layer, tmp)
        error, bound = judge(out, *(data[name][layer] for name in ("q", "k", "v")), kept)
        against_model = largest(out - data["out"][layer])
        within = error <= bound
        good &= within
        print(
            f"{layer:>5}  {error:9.2e}  {bound:9.2e}  {against_model:9.2e}  "
            f"{duration(seconds):>10}  {flops / seconds / 1e9:8.2f}  {mark(within)}"
        )
    return good


def check_long(args, kernel, n, tmp):
    """Runs given inputs of the same shape and compares sampled rows with fp64."""
    random = np.random.default_rng(1)
    q, k, v = random.standard_normal((3, 1, 1, n, LONG_DIM), np.float32)
    inputs = {}
    for name, array in (("q", q), ("k", k), ("v", v)):
        inputs[name] = tmp / f"long-{name}.npy"
        np.save(inputs[name], array)
    output = tmp / "long-o.npy"
    call(attnc_command(args, "run", kernel, inputs=inputs, output=output))
    rows = np.unique(np.linspace(0, n - 1, SAMPLED_ROWS).astype(int))
    out = np.load(output, allow_pickle=False)
    if out.shape != q.shape:
        raise DemoError(f"unexpected output: {out.dtype} {out.shape}")
    error, bound = judge(out[:, :, rows], q[:, :, rows], k, v, np.arange(n) <= rows[:, None])
    within = error <= bound
    print(f"  {len(rows)} sampled rows: vs fp64 {error:.2e}, bound {bound:.2e}  {mark(within)}")
    return within


def run_long(args, tmp):
    n = args.long_tokens
    print(f"\n{n:,} tokens, causal, one head of {LONG_DIM}, float32")
    kernel = compile_kernel(args, ROOT / "examples" / "long" / "causal64.mlir", tmp)

    def run(tokens):
        shapes = {name: (1, 1, tokens, LONG_DIM) for name in ("q", "k", "v")}
        stdout, peak = call(attnc_command(args, "run", kernel, shapes=shapes, seed=1))
        return parse_timing(stdout), peak

    _, idle = run(1)  # what the process takes without data
    timing, peak = run(n)
    flops = 4 * LONG_DIM * n * (n + 1) // 2
    operands = 4 * n * LONG_DIM * 4
    extra = peak - idle - operands
    seconds = timing["seconds"]
    print(f"  time {duration(seconds)}, {flops / seconds / 1e9:.1f} GFLOP/s at {n * (n + 1) // 2:,} pairs")
    print(f"  inputs and output {operands / MIB:.1f} MiB; the score matrix would be {n * n * 4 / MIB:,.0f} MiB")
    good = extra < LONG_MEMORY_LIMIT
    print(f"  peak memory over them: {extra / MIB:.1f} MiB by the system's count  {mark(good)}")
    own = timing.get("peak_extra_bytes")
    if own is not None:
        own_good = own < LONG_MEMORY_LIMIT
        good &= own_good
        print(f"  peak memory over them: {own / MIB:.1f} MiB by attnc's own count  {mark(own_good)}")
    if args.check_long:
        good &= check_long(args, kernel, n, tmp)
    return good


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--attnc", type=Path, default=ROOT / "build" / "bin" / "attnc", help="the attnc to run"
    )
    parser.add_argument("--threads", type=int, help="threads for attnc (default: attnc's own)")
    parser.add_argument(
        "--long-tokens", type=int, default=65536, metavar="N", help="0 leaves the long run out"
    )
    parser.add_argument(
        "--check-long",
        action="store_true",
        help="run the long case a second time on inputs made here and compare rows with fp64",
    )
    args = parser.parse_args()
    if args.long_tokens < 0 or (args.threads is not None and args.threads < 1):
        parser.error("--long-tokens must not be negative, --threads must be positive")
    return args


def main():
    args = parse_args()
    if not args.attnc.is_file():
        raise DemoError(f"{args.attnc} is not there: run 'make build' or give --attnc")
    args.attnc = args.attnc.resolve()
    with tempfile.TemporaryDirectory(prefix="attnc-minilm-") as tmp:
        good = run_model(args, Path(tmp))
        if args.long_tokens:
            good &= run_long(args, Path(tmp))
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DemoError, OSError, ValueError) as error:
        sys.exit(f"demo.py: {error}")
