# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels for Triton, compiled to PTX without a GPU.

They judge the PTX executor: their PTX comes from a compiler that nobody here
wrote. `build(kernel, ...)` gives the PTX and what a launch needs.
"""

import re

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def softmax_rows(X, Y, stride, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    x = tl.load(X + row * stride + at, mask=inside, other=-float("inf"))
    e = tl.exp(x - tl.max(x, 0))
    tl.store(Y + row * stride + at, e / tl.sum(e, 0), mask=inside)


@triton.jit
def layer_norm(X, W, B, Y, stride, columns, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    x = tl.load(X + row * stride + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(x, 0) / columns
    centred = tl.where(inside, x - mean, 0.0)
    variance = tl.sum(centred * centred, 0) / columns
    w = tl.load(W + at, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(B + at, mask=inside, other=0.0).to(tl.float32)
    y = centred * tl.rsqrt(variance + eps) * w + b
    tl.store(Y + row * stride + at, y.to(Y.dtype.element_ty), mask=inside)


@triton.jit
def matmul(A, B, C, M, N, K, BM: tl.constexpr, BN: tl.constexpr,
           BK: tl.constexpr, ACC: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    a = A + rows[:, None] * K + inner[None, :]
    b = B + inner[:, None] * N + columns[None, :]
    sums = tl.zeros([BM, BN], ACC)
    for k in range(0, K, BK):
        left = tl.load(a, mask=(rows[:, None] < M) & (k + inner[None, :] < K),
                       other=0)
        right = tl.load(b, mask=(k + inner[:, None] < K) & (columns[None, :] < N),
                        other=0)
        sums = tl.dot(left, right, sums)
        a += BK
        b += BK * N
    inside = (rows[:, None] < M) & (columns[None, :] < N)
    tl.store(C + rows[:, None] * N + columns[None, :],
             sums.to(C.dtype.element_ty), mask=inside)


@triton.jit
def running_sum(X, Y, total, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(X + tl.program_id(0) * BLOCK + at)
    s = tl.cumsum(x, 0)
    tl.store(Y + tl.program_id(0) * BLOCK + at, s)
    tl.atomic_add(total, tl.sum(x, 0))


@triton.jit
def functions(X, Y, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(X + at, mask=inside, other=1.0)
    y = tl.sin(x) + tl.log(x) * tl.sqrt(x) - tl.erf(x) / (1 + tl.exp(-x))
    y += tl.floor(x) + tl.where(at % 3 == 1, x * x, tl.abs(x - 2))
    tl.store(Y + at, y, mask=inside)


@triton.jit
def attention_block(acc, total, top, q, k, v, scale, rows, columns,
                    MASK: tl.constexpr):
    s = tl.dot(q, tl.trans(k)) * scale
    if MASK:
        s = tl.where(rows[:, None] >= columns[None, :], s, -1.0e6)
    new_top = tl.maximum(top, tl.max(s, 1))
    p = tl.math.exp2(s - new_top[:, None])
    shrink = tl.math.exp2(top - new_top)
    total = total * shrink + tl.sum(p, 1)
    acc = tl.dot(p.to(v.dtype), v, acc * shrink[:, None])
    return acc, total, new_top


@triton.jit
def attention(Q, K, V, O, L, scale, length, BM: tl.constexpr, BN: tl.constexpr,
              D: tl.constexpr):
    first = tl.program_id(0) * BM
    head = tl.program_id(1) * length * D
    rows = first + tl.arange(0, BM)
    keys = tl.arange(0, BN)
    at = tl.arange(0, D)
    q = tl.load(Q + head + rows[:, None] * D + at[None, :])
    ks = K + head + keys[:, None] * D + at[None, :]
    vs = V + head + keys[:, None] * D + at[None, :]
    top = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    scale2 = scale * 1.4426950408889634
    for n in range(0, first, BN):
        acc, total, top = attention_block(acc, total, top, q,
                                          tl.load(ks + n * D), tl.load(vs + n * D),
                                          scale2, rows, n + keys, False)
    for n in range(first, first + BM, BN):
        acc, total, top = attention_block(acc, total, top, q,
                                          tl.load(ks + n * D), tl.load(vs + n * D),
                                          scale2, rows, n + keys, True)
    tl.store(L + tl.program_id(1) * length + rows, top + tl.log2(total))
    acc = acc / total[:, None]
    tl.store(O + head + rows[:, None] * D + at[None, :],
             acc.to(O.dtype.element_ty))


@triton.jit
def attention_tma(Q, K, V, O, L, scale, length, heads, BM: tl.constexpr,
                  BN: tl.constexpr, D: tl.constexpr):
    """The same through tensor descriptors that the kernel makes."""
    first = tl.program_id(0) * BM
    base = tl.program_id(1) * length
    q_rows = tl.make_tensor_descriptor(Q, [heads * length, D], [D, 1], [BM, D])
    k_rows = tl.make_tensor_descriptor(K, [heads * length, D], [D, 1], [BN, D])
    v_rows = tl.make_tensor_descriptor(V, [heads * length, D], [D, 1], [BN, D])
    o_rows = tl.make_tensor_descriptor(O, [heads * length, D], [D, 1], [BM, D])
    rows = first + tl.arange(0, BM)
    keys = tl.arange(0, BN)
    q = q_rows.load([base + first, 0])
    top = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    scale2 = scale * 1.4426950408889634
    for n in range(0, first, BN):
        acc, total, top = attention_block(acc, total, top, q,
                                          k_rows.load([base + n, 0]),
                                          v_rows.load([base + n, 0]), scale2,
                                          rows, n + keys, False)
    for n in range(first, first + BM, BN):
        acc, total, top = attention_block(acc, total, top, q,
                                          k_rows.load([base + n, 0]),
                                          v_rows.load([base + n, 0]), scale2,
                                          rows, n + keys, True)
    tl.store(L + base + rows, top + tl.log2(total))
    o_rows.store([base + first, 0], (acc / total[:, None]).to(O.dtype.element_ty))


class Compiled:
    """The PTX of a kernel, its shared memory and number of threads."""

    def __init__(self, compiled):
        self.ptx = compiled.asm["ptx"]
        self.name = compiled.metadata.name
        self.shared = compiled.metadata.shared
        self.threads = int(re.search(r"\.reqntid (\d+)", self.ptx).group(1))
        self.parameters = len(re.findall(r"^\s*\.param ", self.ptx, re.MULTILINE))


def build(kernel, arch, types, constants, warps=4, stages=3):
    """Compiles `kernel` for sm_`arch`; `types` are those of its arguments."""
    signature = dict(types)
    signature.update({name: "constexpr" for name in constants})
    aligned = {(i,): [["tt.divisibility", 16]]
               for i, t in enumerate(types.values()) if t not in ("fp32", "fp64")}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants,
                       attrs=aligned)
    return Compiled(triton.compile(
        source, target=GPUTarget("cuda", arch, 32),
        options=dict(num_warps=warps, num_stages=stages)))
