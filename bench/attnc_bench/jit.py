# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/run.py's section on compile time: from a parsed spec to a kernel that can be
called, by phase, with its code bytes."""

from . import cases
from .kernel import AttncError
from .suite import first_line

# (case, type); the issue's own goal is for a causal f32 kernel.
SPECS = [("prefill-2048-d64-causal", "f32"), ("prefill-2048-d128-causal", "f32"),
         ("prefill-2048-d64-full", "f32"), ("prefill-2048-d64-causal", "bf16"), ("alibi", "f32"),
         ("window", "f32"), ("decode-8192", "f32"), ("decode-8192", "bf16")]
RUNS, QUICK_SPECS, QUICK_RUNS = 5, 3, 2
ROWS = 64  # of the run that reports the phases


def measure(attnc, status, quick):
    """The fastest of RUNS cold compilations of each spec, a process each."""
    rows, known = [], {case.name: case for case in cases.ALL}
    for name, dtype in SPECS[:QUICK_SPECS] if quick else SPECS:
        status.show(f"compile time: {name}, {dtype}")
        case, row = known[name], {"name": name, "dtype": dtype}
        rows.append(row)
        text = cases.spec(case, dtype)
        spec = attnc.folder / f"jit-{name}-{dtype}.mlir"
        spec.write_text(text, encoding="utf-8")
        shapes = {"q": [1, case.heads, min(case.n, ROWS), case.d],
                  **{name: [1, case.kv_heads, ROWS, case.d] for name in ("k", "v")}}
        try:
            kernel, _ = attnc.compile(f"jit-{name}-{dtype}", text)
            runs = [attnc.compiler.phases(spec, shapes, {})["compile_seconds"]
                    for _ in range(QUICK_RUNS if quick else RUNS)]
        except AttncError as error:
            row["error"] = first_line(error)
            continue
        phases = min(runs, key=lambda phases: sum(phases.values()))
        row.update(seconds=sum(phases.values()), phases=phases, code_bytes=kernel.code_bytes,
                   target=kernel.target)
    return rows
