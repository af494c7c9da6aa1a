# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The problems, and each side's kernel for one."""

import json
import os
import re
import subprocess
from collections import namedtuple
from pathlib import Path

from .sass import SassError

Problem = namedtuple("Problem", "sm d")
# What a report needs of a kernel. `banks`: wavefronts of bank conflicts in a run of the
# PTX executor, None where it was not run; `note`: what to say beside it.
Candidate = namedtuple("Candidate", "side cubin name shared banks note")

PROBLEMS = [Problem(80, 128), Problem(80, 64), Problem(90, 128), Problem(90, 64)]
# Tiles that are worth trying: rows, keys, warps, stages.
SHAPES = {(80, 128): [(128, 32, 4, 3), (128, 64, 4, 2), (128, 64, 8, 3)],
          (80, 64): [(128, 64, 4, 3), (128, 64, 4, 2), (128, 128, 4, 2)],
          (90, 128): [(128, 128, 8, 2), (128, 64, 8, 3)],
          (90, 64): [(128, 128, 4, 3), (128, 128, 8, 3)]}
ROWS = 256  # of a run in the executor

SPEC = """func.func @causal(%q: tensor<?x8x?x{d}xf16>, %k: tensor<?x8x?x{d}xf16>,
                  %v: tensor<?x8x?x{d}xf16>) -> tensor<?x8x?x{d}xf16> {{
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
       : tensor<?x8x?x{d}xf16>, tensor<?x8x?x{d}xf16>, tensor<?x8x?x{d}xf16>
         -> tensor<?x8x?x{d}xf16>
  return %o : tensor<?x8x?x{d}xf16>
}}
"""


def run(command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise SassError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-400:]}")
    return done


def write_spec(folder, problem):
    path = Path(folder) / f"causal-d{problem.d}.mlir"
    path.write_text(SPEC.format(d=problem.d))
    return path


def attnc_candidate(attnc, folder, problem):
    """attnc's own choice for the chip; correct at ROWS rows by the executor."""
    spec, target = write_spec(folder, problem), f"--target=sm_{problem.sm}"
    cubin = Path(folder) / f"attnc-sm{problem.sm}-d{problem.d}.cubin"
    run([attnc, "compile", spec, target, "--no-tuned", "--emit=cubin", "-o", cubin])
    stage5 = run([attnc, "compile", spec, target, "--no-tuned", "--emit=stage5"]).stdout
    for number, launch in enumerate(re.findall(r"func\.func @launch_\d+\(.*?\{\n", stage5, re.S)):
        if "attn.threads" in launch:
            break
    else:
        raise SassError("attnc has no tensor-core kernel for this")
    shared = int(re.search(r"memref<(\d+)xi8> \{[^}]*attn\.scratch", launch)[1])
    shape = f"1x8x{ROWS}x{problem.d}"
    seen = run([attnc, "run", spec, target, "--no-tuned", "--device=ptx-sim", "--check",
                *(f"--shape={name}={shape}" for name in "qkv")])
    banks = int(re.search(r"(\d+) wavefronts of bank conflicts", seen.stderr)[1])
    return Candidate("attnc", cubin, f"attnc_launch_{number}", shared, banks, "checked, fp64")


def triton_candidates(python, attnc, folder, problem):
    """Triton's kernel in each shape; those that it refuses are left out."""
    shapes = [{"sm": problem.sm, "d": problem.d, "tile": tile, "block": block, "warps": warps,
               "stages": stages} for tile, block, warps, stages in SHAPES[problem]]
    home = Path(__file__).resolve().parent.parent
    done = run([python, "-m", "attnc_gpu.triton_kernel", folder, json.dumps(shapes)],
               env={**os.environ, "PYTHONPATH": str(home)})
    built = json.loads(done.stdout.strip().splitlines()[-1])
    result = []
    for shape, made in zip(shapes, built):
        if "error" in made:
            continue
        banks = triton_banks(attnc, folder, problem, shape, made)
        result.append(Candidate("Triton " + made["version"], made["cubin"], made["name"],
                                made["shared"], banks,
                                f"{shape['tile']}x{shape['block']}, {shape['warps']} warps, "
                                f"{shape['stages']} stages"))
    return result


def triton_banks(attnc, folder, problem, shape, made):
    """Runs one head in the executor; Triton appends two pointers to its parameters."""
    text = Path(made["ptx"]).read_text()
    parameters = len(re.findall(r"\.param \.[^\n]*_param_\d+", text.split("{")[0]))
    arrays = [f"bytes:{2 * ROWS * problem.d}"] * 4
    scalars = ["f32:0.125", f"i32:{ROWS * problem.d}", f"i32:{problem.d}", f"i32:{ROWS}"]
    arguments = (arrays + scalars + ["null", "null"])[:parameters]
    done = subprocess.run(
        [str(attnc), "ptx-sim", made["ptx"], "--grid", f"{ROWS // shape['tile']},1",
         "--shared", str(made["shared"]), *(f"--arg={a}" for a in arguments)],
        capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) of them bank conflicts", done.stdout)
    return int(found[1]) if found else None


def measure(attnc, folder, problem, device):
    """TFLOP/s of attnc on a CUDA device, causal work alone."""
    rows, heads = 8192, 8
    shape = f"1x{heads}x{rows}x{problem.d}"
    done = run([attnc, "run", write_spec(folder, problem), f"--device={device}", "--no-tuned",
                "--timing=json", *(f"--shape={name}={shape}" for name in "qkv")])
    timing = json.loads(done.stdout.strip().splitlines()[-1])
    return 4 * problem.d * heads * rows * (rows + 1) / 2 / timing["seconds"] / 1e12
