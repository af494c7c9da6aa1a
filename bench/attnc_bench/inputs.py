# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tensors of a case: one set of values, in the layouts that each side wants."""

import copy
from dataclasses import replace

import numpy as np

from .cases import PAGE
from .floats import stored, to_f32
from .reference import Judge, Problem

BLOCK = 1 << 22  # numbers drawn; larger tensors repeat them, shifted


def _draw(shape, seed):
    size = int(np.prod(shape))
    block = np.random.default_rng(seed).standard_normal(min(size, BLOCK + 1), np.float32)
    return np.resize(block, size).reshape(shape)


class Inputs:
    """Tensors of one case in one type. `q`, `k`, `v` are [batch, heads, rows, dim] in
    the type; what a paged or latent case stores otherwise is in `arguments`."""

    def __init__(self, case, dtype, seed=0):
        self.case, self.dtype = case, dtype
        c = case
        values = {"q": _draw((c.batch, c.heads, c.n, c.d), seed),
                  "k": _draw((c.batch, c.kv_heads, c.m, c.d), seed + 1)}
        values["v"] = (values["k"][..., :c.dv] if c.latent else
                       _draw((c.batch, c.kv_heads, c.m, c.dv), seed + 2))
        self.q, self.k = (stored(values[name], dtype) for name in ("q", "k"))
        self.v = self.k[..., :c.dv] if c.latent else stored(values["v"], dtype)
        self.slopes = (2.0 ** (-8.0 * np.arange(1, c.heads + 1) / c.heads)).astype(np.float32)
        self.bias = stored(_draw((1, c.heads, c.n, c.m), seed + 3), dtype) if c.bias else None
        self.arguments = self._arguments()

    def sequence(self, b):
        """One sequence of a ragged batch as inputs of its own."""
        queries, keys = self.case.sequences[b]
        part = copy.copy(self)
        part.case = replace(self.case, n=queries, m=keys, batch=1, lengths=())
        part.q, part.k, part.v = (np.ascontiguousarray(x[b:b + 1, :, :rows]).view(type(x)) for x, rows
                                  in ((self.q, queries), (self.k, keys), (self.v, keys)))
        part.arguments = part._arguments()
        return part

    def _arguments(self):
        """attnc's arguments by name."""
        c, given = self.case, {"q": self.q, "k": self.k, "v": self.v}
        if c.paged:
            table, given["k"], given["v"] = self._pages()
            given["pages"] = table
        if c.latent:
            del given["v"]
        if c.paged or c.lengths:
            given["lengths"] = np.array([keys for _, keys in c.sequences], np.int32)
        if c.lengths:
            given["q_lengths"] = np.array([queries for queries, _ in c.sequences], np.int32)
        if c.bias:
            given["bias"] = self.bias
        if c.alibi:
            given["slopes"] = self.slopes
        return given

    def _pages(self):
        """A page table in random order, and the pages of K and V that it names."""
        c = self.case
        each = c.max_pages()
        table = np.random.default_rng(9).permutation(c.batch * each).astype(np.int32)
        table = table.reshape(c.batch, each)
        pools = []
        for tensor in (self.k, self.v):
            rows = np.zeros((c.batch, c.kv_heads, each * PAGE, tensor.shape[-1]), tensor.dtype)
            rows[:, :, :c.m] = tensor
            pages = rows.reshape(c.batch, c.kv_heads, each, PAGE, -1).transpose(0, 2, 1, 3, 4)
            pool = np.empty((c.batch * each, c.kv_heads, PAGE, tensor.shape[-1]), tensor.dtype)
            pool[table] = pages
            pools.append(pool.view(type(tensor)))
        return table, *pools

    def streamed(self):
        """Arrays of which every byte must be read, for the limit: K and V as stored."""
        names = ("k",) if self.case.latent else ("k", "v")
        if self.case.lengths:
            total = sum(keys for _, keys in self.case.sequences)
            return [_first(self.arguments[name], total * self.case.kv_heads) for name in names]
        return [self.arguments[name] for name in names]

    def term(self, b, h, i, j):
        """What is added to scores, in f32."""
        if self.case.bias:
            return to_f32(self.bias[0, h, i, j])
        return -self.slopes[h] * ((i + (self.case.m - self.case.n)) - j).astype(np.float32)

    def kept(self):
        """The mask of a batch without lengths: bool [n, m]."""
        c = self.case
        return np.broadcast_to(c.keep(0, np.arange(c.n)[:, None], np.arange(c.m)[None, :]), (c.n, c.m))

    def additive(self):
        """What is added to scores with -inf where nothing is kept, f32 [heads, n, m] or [n, m]."""
        c = self.case
        kept = self.kept()
        if not (c.bias or c.alibi):
            return np.where(kept, np.float32(0), np.float32(-np.inf))
        i, j = np.arange(c.n)[:, None], np.arange(c.m)[None, :]
        heads = [np.where(kept, self.term(0, h, i, j), np.float32(-np.inf)) for h in range(c.heads)]
        return np.stack(heads).astype(np.float32)

    def judge(self):
        c = self.case
        q, k = to_f32(self.q), to_f32(self.k)
        v = k[..., :c.dv] if c.latent else to_f32(self.v)
        return Judge(Problem(q, k, v, c.keep, self.term if c.bias or c.alibi else None,
                             softcap=c.softcap, dtype=self.dtype))


def _first(array, rows):
    """The memory of the first rows of a contiguous array."""
    return array.reshape(-1, array.shape[-1])[:rows]


def output_like(inputs):
    """An output that says where nothing was written."""
    c = inputs.case
    return stored(np.full((c.batch, c.heads, c.n, c.dv), np.nan, np.float32), inputs.dtype)


