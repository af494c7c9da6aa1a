# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the result should be, in fp64, and how far off it may be."""

import numpy as np

SAMPLED_ROWS = 64
ALL_ROWS_UP_TO = 512
# For a peer, whose accuracy is its own affair: what no rounding explains.
PEER_TOLERANCE = 1e-4


def sample_rows(n, seed=3):
    """All rows of short sequences; else the ends, and rows at random."""
    if n <= ALL_ROWS_UP_TO:
        return np.arange(n)
    chosen = np.random.default_rng(seed).choice(n, SAMPLED_ROWS - 4, replace=False)
    return np.unique(np.concatenate([[0, 1, n - 2, n - 1], chosen]))


def exact(q, k, v, kept):
    """softmax(Q K^T / sqrt(d)) V over the kept pairs, in fp64. Heads lead; a row
    that keeps nothing gives zeros."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    s = np.where(kept, q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -np.inf)
    top = s.max(axis=-1, keepdims=True)
    p = np.exp(s - np.where(np.isfinite(top), top, 0))
    total = p.sum(axis=-1, keepdims=True)
    return p @ v / np.where(total == 0, 1, total)


def sequential_f32(q, k, v, kept):
    """The same in f32, every sum taken one term after the other."""
    f32 = np.float32
    s = np.zeros(q.shape[:-1] + k.shape[-2:-1], f32)
    for e in range(q.shape[-1]):
        s += q[..., :, None, e] * k[..., None, :, e]
    s = np.where(kept, s * f32(1 / np.sqrt(q.shape[-1])), f32(-np.inf))
    top = s.max(axis=-1, keepdims=True)
    p = np.exp(s - np.where(np.isfinite(top), top, f32(0)))
    total = np.zeros(p.shape[:-1] + (1,), f32)
    out = np.zeros(p.shape[:-1] + v.shape[-1:], f32)
    for j in range(p.shape[-1]):
        total += p[..., j, None]
        out += p[..., j, None] * v[..., None, j, :]
    return out / np.where(total == 0, f32(1), total)


def largest(values):
    """Largest magnitude; NaN anywhere is infinitely wrong."""
    worst = float(np.abs(values).max(initial=0))
    return float("inf") if np.isnan(worst) else worst


class Judge:
    """Knows the sampled rows of one workload at one length."""

    def __init__(self, tensors, keep):
        q, k, v = (tensors[name][0] for name in ("q", "k", "v"))
        n, m = q.shape[-2], k.shape[-2]
        self.rows = sample_rows(n)
        kept = keep(self.rows[:, None], np.arange(m)[None, :])
        sampled = q[:, self.rows]
        self.exact = exact(sampled, k, v, kept)
        # The project's promise for f32: twice the error of a sequential evaluation,
        # and 4 ulp of the largest value.
        naive = largest(sequential_f32(sampled, k, v, kept) - self.exact)
        self.scale = float(np.abs(v).max())
        self.bound = 2 * naive + 4 * float(np.spacing(np.float32(self.scale)))
        self.peer_bound = PEER_TOLERANCE * self.scale

    def error(self, out):
        """Largest difference at the sampled rows; `out` is [1, heads, n, dim]."""
        return largest(out[0][:, self.rows] - self.exact)

    def disagreement(self, out, other):
        """Largest difference between two results, over all rows."""
        return largest(out.astype(np.float64) - other)
