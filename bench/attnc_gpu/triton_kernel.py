# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The peer: FlashAttention-2's forward pass as one writes it in Triton, compiled without a
GPU. `python -m attnc_gpu.triton_kernel FOLDER JSON` with a list of configurations."""

import json
import sys
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def fold(total, norm, top, q, k_at, v_at, k_step, v_step, begin, end, factor, rows, keys,
         masked: tl.constexpr, block: tl.constexpr):
    for first in tl.range(begin, end, block):
        scores = tl.dot(q, tl.load(k_at + first * k_step)) * factor
        if masked:
            scores = tl.where(rows[:, None] >= first + keys[None, :], scores, float("-inf"))
        new_top = tl.maximum(top, tl.max(scores, 1))
        weights = tl.math.exp2(scores - new_top[:, None])
        rescale = tl.math.exp2(top - new_top)
        norm = norm * rescale + tl.sum(weights, 1)
        total = total * rescale[:, None]
        v = tl.load(v_at + first * v_step)
        total = tl.dot(weights.to(v.dtype), v, total)
        top = new_top
    return total, norm, top


@triton.jit
def causal_attention(q_ptr, k_ptr, v_ptr, o_ptr, factor, head_step, row_step, length,
                     tile: tl.constexpr, block: tl.constexpr, d: tl.constexpr):
    first_row = tl.program_id(0) * tile
    offset = tl.program_id(1) * head_step
    rows = first_row + tl.arange(0, tile)
    keys = tl.arange(0, block)
    columns = tl.arange(0, d)
    place = offset + rows[:, None] * row_step + columns[None, :]
    q = tl.load(q_ptr + place)
    k_at = k_ptr + offset + keys[None, :] * row_step + columns[:, None]
    v_at = v_ptr + offset + keys[:, None] * row_step + columns[None, :]
    top = tl.full([tile], float("-inf"), tl.float32)
    norm = tl.zeros([tile], tl.float32)
    total = tl.zeros([tile, d], tl.float32)
    total, norm, top = fold(total, norm, top, q, k_at, v_at, row_step, row_step, 0, first_row,
                            factor, rows, keys, False, block)
    total, norm, top = fold(total, norm, top, q, k_at, v_at, row_step, row_step, first_row,
                            first_row + tile, factor, rows, keys, True, block)
    total = total / norm[:, None]
    tl.store(o_ptr + place, total.to(o_ptr.dtype.element_ty))


def build(folder, sm, d, tile, block, warps, stages, dtype="fp16"):
    """Writes NAME.cubin and NAME.ptx; returns what a report needs."""
    names = ["q_ptr", "k_ptr", "v_ptr", "o_ptr", "factor", "head_step", "row_step", "length"]
    types = [f"*{dtype}"] * 4 + ["fp32"] + ["i32"] * 3
    constants = {"tile": tile, "block": block, "d": d}
    signature = {**dict(zip(names, types)), **{name: "constexpr" for name in constants}}
    aligned = {(n,): [["tt.divisibility", 16]] for n, t in enumerate(types) if t != "fp32"}
    source = ASTSource(fn=causal_attention, signature=signature, constexprs=constants,
                       attrs=aligned)
    compiled = triton.compile(source, target=GPUTarget("cuda", sm, 32),
                              options={"num_warps": warps, "num_stages": stages})
    stem = Path(folder) / f"triton-sm{sm}-d{d}-{tile}x{block}-w{warps}s{stages}"
    stem.with_suffix(".cubin").write_bytes(compiled.asm["cubin"])
    stem.with_suffix(".ptx").write_text(compiled.asm["ptx"])
    return {"cubin": str(stem) + ".cubin", "ptx": str(stem) + ".ptx",
            "name": compiled.metadata.name, "shared": compiled.metadata.shared,
            "warps": warps, "version": triton.__version__}


def main():
    results = []
    for configuration in json.loads(sys.argv[2]):
        try:
            results.append(build(sys.argv[1], **configuration))
        except Exception as error:  # a shape that Triton refuses is a row without numbers
            results.append({"error": f"{type(error).__name__}: {error}"[:200]})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
