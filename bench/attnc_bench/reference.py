# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the result should be, in fp64, and how far off it may be."""

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

from .floats import rounded

SAMPLED_ROWS = 64
ALL_ROWS_UP_TO = 512  # where their pairs are at most
ALL_PAIRS_UP_TO = 1 << 19
SAMPLED_HEADS, FEWER_HEADS = 8, 4  # fewer where their sampled pairs are more than
MANY_PAIRS = 1 << 17
# For a peer, whose accuracy is its own affair: what no rounding explains.
PEER_TOLERANCE = {"f32": 1e-4, "bf16": 2e-2}


@dataclass
class Problem:
    """One attention. q is [batch, heads, n, d]; k and v have heads that divide q's.
    `keep(b, i, j)` says which pairs are kept, `term(b, h, i, j)` what is added to
    their scores, both on row numbers that broadcast."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    keep: Callable
    term: Optional[Callable] = None
    scale: Optional[float] = None
    softcap: float = 0.0
    dtype: str = "f32"

    @property
    def factor(self):
        return self.scale or 1 / np.sqrt(self.q.shape[-1])

    def capped(self, s):
        return self.softcap * np.tanh(s / self.softcap) if self.softcap else s


def sample(count, most, seed=3):
    """All of `count` numbers if they are few; else both ends, and some at random."""
    if count <= most:
        return np.arange(count)
    chosen = np.random.default_rng(seed).choice(count, most - 2, replace=False)
    return np.unique(np.concatenate([[0, count - 1], chosen]))


def sample_rows(n, m):
    whole = n <= ALL_ROWS_UP_TO and n * m <= ALL_PAIRS_UP_TO
    return sample(n, n if whole else SAMPLED_ROWS)


def _softmax(s, kept):
    """Weights and their sum; a row that keeps nothing has neither."""
    s = np.where(kept, s, -np.inf)
    top = s.max(axis=-1, keepdims=True)
    p = np.exp(s - np.where(np.isfinite(top), top, s.dtype.type(0)))
    return p, p.sum(axis=-1, keepdims=True)


def exact(problem, q, k, v, kept, term):
    """softmax(score) V over the kept pairs of one head, in fp64. A row that keeps
    nothing gives zeros."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    p, total = _softmax(problem.capped(q @ k.T * problem.factor) + term, kept)
    return p @ v / np.where(total == 0, 1, total)


def sequential_f32(problem, q, k, v, kept, term):
    """The same in f32, every sum taken one term after the other."""
    f32 = np.float32
    s = np.zeros((len(q), len(k)), f32)
    for e in range(q.shape[1]):
        s += q[:, None, e] * k[None, :, e]
    s = problem.capped(s * f32(problem.factor)).astype(f32) + f32(1) * np.asarray(term, f32)
    s = np.where(kept, s, f32(-np.inf))
    top = s.max(axis=-1, keepdims=True)
    p = np.exp(s - np.where(np.isfinite(top), top, f32(0)))
    total = np.add.accumulate(p, axis=-1)[:, -1:]
    return _weighted_sum(p, v) / np.where(total == 0, f32(1), total)


def _weighted_sum(p, v):
    """p @ v with each sum taken in order: by rows of p where they are few."""
    if len(p) < 16:
        return np.stack([np.add.accumulate(row[:, None] * v, axis=0)[-1] for row in p])
    out = np.zeros((len(p), v.shape[1]), np.float32)
    for j in range(len(v)):
        out += p[:, j, None] * v[None, j]
    return out


def by_operation_bf16(problem, q, k, v, kept, term):
    """The same as four operations on bf16 tensors, each rounding its result."""
    s = rounded(q @ k.T, "bf16") * np.float32(problem.factor)
    s = rounded(problem.capped(rounded(s, "bf16")), "bf16") + np.asarray(term, np.float32)
    p, total = _softmax(rounded(s, "bf16"), kept)
    return rounded(rounded(p / np.where(total == 0, 1, total), "bf16") @ v, "bf16")


def largest(values):
    """Largest magnitude; NaN anywhere is infinitely wrong."""
    worst = float(np.abs(values).max(initial=0))
    return float("inf") if np.isnan(worst) else worst


class Judge:
    """Knows the sampled rows of sampled heads of one problem."""

    def __init__(self, problem):
        self.dtype, self.exact = problem.dtype, {}
        batch, heads, n = problem.q.shape[:3]
        group, columns = heads // problem.k.shape[1], np.arange(problem.k.shape[2])[None, :]
        self.rows, naive = sample_rows(n, columns.size), 0.0
        rows = self.rows[:, None]
        few = len(rows) * columns.size > MANY_PAIRS
        for which in sample(batch * heads, FEWER_HEADS if few else SAMPLED_HEADS):
            b, h = divmod(int(which), heads)
            term = problem.term(b, h, rows, columns) if problem.term else 0.0
            kept = np.broadcast_to(problem.keep(b, rows, columns), (len(rows), columns.size))
            head = (problem.q[b, h, self.rows], problem.k[b, h // group], problem.v[b, h // group],
                    kept, term)
            self.exact[b, h] = exact(problem, *head)
            rough = (by_operation_bf16 if self.dtype == "bf16" else sequential_f32)(problem, *head)
            naive = max(naive, largest(rough - self.exact[b, h]))
        self.scale = float(np.abs(problem.v).max())
        # The project's promise. f32: twice the error of a sequential evaluation and 4 ulp
        # of the largest value; bf16: 1.1 times that of bf16 operations one by one.
        self.bound = (1.1 * naive if self.dtype == "bf16" else
                      2 * naive + 4 * float(np.spacing(np.float32(self.scale))))
        self.peer_bound = PEER_TOLERANCE[self.dtype] * self.scale

    def error(self, out):
        """Largest difference at the sampled rows; `out` is [batch, heads, n, dim]."""
        return max(largest(out[b, h][self.rows] - right) for (b, h), right in self.exact.items())

    def disagreement(self, out, other):
        """Largest difference between two results, over all rows."""
        return largest(out.astype(np.float64) - other)
