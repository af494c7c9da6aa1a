#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# RUN: %python %s --check
# REQUIRES: numpy
"""Attention computed with NumPy: what attnc-reference-tests compares with.

Each case names a function of test/unit/reference/Inputs/attention.mlir or of
test/dialect/design-examples.mlir, its arguments and its results. Nothing here
knows attnc: masks are dense arrays, softmax is the textbook's. Without options
the script writes test/unit/reference/Inputs/numpy_values.json; with --check it
compares the committed file with what it computes.
"""

import argparse
import json
import math
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE = os.path.join(ROOT, "test", "unit", "reference", "Inputs",
                    "numpy_values.json")
INF = float("inf")
CASES = []

# ---- pseudo-random inputs, made alike by the test ----------------------------

MASK = (1 << 64) - 1


def mix(x):
    """The SplitMix64 output function."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Random:
    """Values in [-scale, scale), exact with `bits` bits."""

    def __init__(self, seed, *shape, bits=24, scale=1.0):
        self.json = {"seed": seed, "bits": bits, "scale": scale}
        count = int(np.prod(shape))
        whole = [mix((seed << 32) + n) >> (64 - bits) for n in range(count)]
        values = (np.array(whole, np.float64) / 2.0 ** (bits - 1) - 1) * scale
        self.array = values.reshape(shape)


class Given:
    """Values written into the file."""

    def __init__(self, values):
        self.array = np.array(values)
        flat = self.array.reshape(-1).tolist()
        self.json = {"values": [int(x) if float(x).is_integer() else x
                                for x in flat]}


def number(x):
    x = float(x)
    if math.isfinite(x):
        return x
    return "nan" if math.isnan(x) else ("inf" if x > 0 else "-inf")


def case(name, args, results, precision="exact", tolerance=1e-12,
         file="attention.mlir", function=None):
    CASES.append({
        "name": name,
        "file": file,
        "function": function or name,
        "precision": precision,
        "tolerance": tolerance,
        "args": [a.json for a in args],
        "results": [[number(x) for x in np.asarray(r, np.float64).reshape(-1)]
                    for r in results],
    })


# ---- attention ---------------------------------------------------------------


def positions(n, m, q_start=None, k_start=0):
    """i as a column, j as a row; the last query sits on the last key."""
    q_start = k_start + m - n if q_start is None else q_start
    return (q_start + np.arange(n))[:, None], (k_start + np.arange(m))[None, :]


def repeat_heads(x, heads):
    return np.repeat(x, heads // x.shape[-3], axis=-3)


def scores_of(q, k, scale=None, softcap=None, bias=0.0):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    s = q @ np.swapaxes(repeat_heads(k, q.shape[-3]), -1, -2) * scale
    if softcap is not None:
        s = softcap * np.tanh(s / softcap)
    return s + bias


def softmax(s, keep, sink=None):
    """Probabilities and log-sum-exp; rows without a pair get 0 and -inf."""
    s = np.where(keep, s, -INF)
    top = s.max(-1, keepdims=True)
    if sink is not None:
        top = np.maximum(top, sink[:, None, None])
    empty = ~np.broadcast_to(keep, s.shape).any(-1, keepdims=True)
    top = np.where(empty, 0.0, top)
    e = np.exp(s - top)
    total = e.sum(-1, keepdims=True)
    if sink is not None:
        total = total + np.exp(sink[:, None, None] - top)
    total = np.where(empty, 1.0, total)
    lse = np.where(empty, -INF, top + np.log(total))
    return np.where(empty, 0.0, e / total), lse[..., 0]


def attend(q, k, v, keep, sink=None, **score):
    """Output, log-sum-exp, probabilities, scores."""
    heads = q.shape[-3]
    s = scores_of(q, k, **score)
    keep = np.broadcast_to(keep, s.shape)
    p, lse = softmax(s, keep, sink)
    return p @ repeat_heads(v, heads), lse, p, np.where(keep, s, -INF)


def weigh(q, k, v, keep, weight, **score):
    """Sums without a normaliser."""
    w = np.where(keep, weight(scores_of(q, k, **score)), 0.0)
    return w @ repeat_heads(v, q.shape[-3])


ALL = np.array(True)

# ---- the shapes most cases share -----------------------------------------------

Q, K, V = Random(1, 2, 4, 5, 4), Random(2, 2, 4, 7, 4), Random(3, 2, 4, 7, 6)
K2, V2 = Random(4, 2, 2, 7, 4), Random(5, 2, 2, 7, 6)
q, k, v, k2, v2 = (x.array for x in (Q, K, V, K2, V2))
I, J = positions(5, 7)
CAUSAL = J <= I


def basic_cases():
    case("full", [Q, K, V], attend(q, k, v, ALL)[:1])
    case("causal", [Q, K, V], attend(q, k, v, CAUSAL)[:1])
    i, j = positions(5, 7, q_start=0)
    case("causal_from_start", [Q, K, V], attend(q, k, v, j <= i)[:1])
    keep = (J - I >= -2) & (J - I <= 1)
    case("grouped_heads", [Q, K2, V2], attend(q, k2, v2, keep, scale=0.75)[:1])
    a, b, c = Random(6, 5, 4), Random(7, 7, 4), Random(8, 7, 3)
    out = attend(a.array[None], b.array[None], c.array[None], CAUSAL)[0]
    case("rank2", [a, b, c], [out[0]])

    a = Random(9, 2, 3, 2, 4, 4)
    b, c = Random(10, 2, 3, 1, 6, 4), Random(11, 2, 3, 1, 6, 4)
    lengths = Given([[6, 5, 4], [1, 0, 2]])
    mask = Given([[[[1, 0, 1, 1, 1, 1]]], [[[1, 1, 0, 1, 1, 1]]]])
    keep = np.zeros((2, 3, 2, 4, 6), bool)
    for x in range(2):
        for y in range(3):
            n = lengths.array[x, y]
            row, col = np.arange(4)[:, None] + n - 4, np.arange(6)[None]
            keep[x, y] = (col < n) & (col <= row) & (mask.array[x, 0, 0] == 1)
    case("two_batch_dims", [a, b, c, lengths, mask],
         attend(a.array, b.array, c.array, keep)[:1])


def score_cases():
    bias = Random(12, 4, 1, 7)
    case("bias_softcap", [Q, K, V, bias],
         attend(q, k, v, ALL, scale=1.5, softcap=0.5, bias=bias.array)[:1])
    bias = Random(13, 2, 4, 5, 7, scale=4.0)
    case("bias_whole", [Q, K, V, bias],
         attend(q, k, v, ALL, bias=bias.array)[:1])
    bias = Random(14, 2, 1, 5, 1)
    case("bias_by_batch", [Q, K, V, bias],
         [weigh(q, k, v, ALL, lambda s: s, bias=bias.array)])
    slopes = Given([0.5, 0.25, 0.125, 2.0])
    bias = slopes.array[:, None, None] * (J - I)
    case("alibi", [Q, K, V, slopes], attend(q, k, v, CAUSAL, bias=bias)[:1])
    _, lse, p, _ = attend(q, k, v, CAUSAL)
    batch = np.arange(2)[:, None, None, None]
    modified = np.where((I + J + batch) % 2, 0.0, 2 * p)
    case("prob_mod", [Q, K, V], [modified @ v, lse, p])


def position_cases():
    lengths, q_lengths, k_start = Given([6, 3]), Given([5, 2]), Given([10, -4])
    keep = np.zeros((2, 4, 5, 7), bool)
    for b in range(2):
        m, n, k0 = (x.array[b] for x in (lengths, q_lengths, k_start))
        i = (k0 + m - n + np.arange(5))[:, None]
        j = (k0 + np.arange(7))[None]
        keep[b] = ((j - k0 < m) & (np.arange(5)[:, None] < n) & (j <= i)
                   & (j - i >= -2))
    out, lse, _, s = attend(q, k, v, keep)
    case("lengths", [Q, K, V, lengths, q_lengths, k_start], [out, lse, s])

    at, start = Given([1, 4]), Given(2)
    keep = np.zeros((2, 4, 5, 7), bool)
    for b in range(2):
        i, j = positions(5, 7, at.array[b], 2)
        keep[b] = (j <= i) | (j < 4)
    case("q_start", [Q, K, V, at, start], attend(q, k, v, keep)[:1])

    pool_k, pool_v = Random(15, 6, 2, 3, 4), Random(16, 6, 2, 3, 6)
    table, lengths = Given([[4, 0, -1, 2], [5, 9, 1, 7]]), Given([11, 8])
    paged_k, paged_v = np.zeros((2, 2, 12, 4)), np.zeros((2, 2, 12, 6))
    keep = np.zeros((2, 4, 5, 12), bool)
    for b in range(2):
        m = lengths.array[b]
        i, j = positions(5, 12, m - 5)
        keep[b] = (j <= i) & (j < m)
        for n, page in enumerate(table.array[b]):
            rows = slice(3 * n, 3 * n + 3)
            if 0 <= page < 6:
                paged_k[b, :, rows] = pool_k.array[page]
                paged_v[b, :, rows] = pool_v.array[page]
            else:
                keep[b, :, :, rows] = False
    case("pages", [Q, pool_k, pool_v, table, lengths],
         attend(q, paged_k, paged_v, keep)[:1])


def accumulator_cases():
    sink = Given([0.5, -1.0, 2.0, -30.0])
    out, lse, p, _ = attend(q, k, v, CAUSAL, sink=sink.array)
    log = np.log(np.where(p > 0, p, 1))
    statistics = np.stack([
        -(p * log).sum(-1), p.max(-1), (p * np.abs(I - J)).sum(-1),
        np.where(J == I - 1, p, 0).sum(-1), p[..., 0]], -1)
    case("sink_statistics", [Q, K, V, sink],
         [out, lse, p, p.sum(-2), statistics])
    case("sigmoid", [Q, K, V],
         [weigh(q, k, v, CAUSAL, lambda s: 1 / (1 + np.exp(1.5 - s)))])
    case("relu", [Q, K, V],
         [weigh(q, k, v, np.abs(I - J) <= 2, lambda s: np.maximum(s, 0))])
    case("none", [Q, K, V],
         [weigh(q, k, v, ~CAUSAL, lambda s: s), attend(q, k, v, ~CAUSAL)[3]])


# ---- linear attention: the recurrence, a step a key ------------------------------

FEATURES = {
    "identity": lambda x: x,
    "elu1": lambda x: np.where(x > 0, x + 1, np.exp(x)),
    "relu": lambda x: np.maximum(x, 0),
    "exp": np.exp,
}


def recur(q, k, v, feature, norm, decay=None, state=None, starts=(), scale=None):
    """One head; queries and keys share positions. Returns rows and the state.

    decay is [m, d]; `starts` are positions whose document begins there.
    """
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    f = FEATURES[feature]
    s = np.zeros((k.shape[1], v.shape[1])) if state is None else state.copy()
    z = np.zeros(k.shape[1])
    rows = []
    for t in range(k.shape[0]):
        if t in starts and t > 0:
            s, z = np.zeros_like(s), np.zeros_like(z)
        if decay is not None:
            s, z = s * decay[t][:, None], z * decay[t]
        s, z = s + np.outer(f(k[t]), v[t]), z + f(k[t])
        out = f(scale * q[t]) @ s
        rows.append(out / (f(scale * q[t]) @ z) if norm else out)
    return np.array(rows), s


def recur_heads(q, k, v, decay=None, state=None, starts=None, **options):
    batches, heads = q.shape[:2]
    out = np.zeros(q.shape[:3] + v.shape[-1:])
    states = np.zeros((batches, heads, q.shape[-1], v.shape[-1]))
    k, v = repeat_heads(k, heads), repeat_heads(v, heads)
    for b in range(batches):
        for h in range(heads):
            out[b, h], states[b, h] = recur(
                q[b, h], k[b, h], v[b, h],
                decay=None if decay is None else decay[b, h],
                state=None if state is None else state[b, h],
                starts=() if starts is None else starts[b], **options)
    return out, states


def linear_cases():
    lq, lk, lv = Random(20, 2, 2, 6, 3), Random(21, 2, 1, 6, 3), Random(22, 2, 1, 6, 4)
    arrays = (lq.array, lk.array, lv.array)
    s0 = Random(23, 2, 2, 3, 4)
    f = FEATURES["exp"]
    w = f(lq.array / math.sqrt(3)) @ np.swapaxes(f(repeat_heads(lk.array, 2)), -1, -2)
    case("linear_full", [lq, lk, lv],
         [w @ repeat_heads(lv.array, 2) / w.sum(-1, keepdims=True)])
    lengths = Given([6, 4])
    keep = np.zeros((2, 2, 6, 6), bool)
    for b, m in enumerate(lengths.array):
        i, j = positions(6, 6, m - 6)
        keep[b] = (j <= i) & (j - i >= -3) & (j < m)
    f = FEATURES["relu"]
    w = f(lq.array) @ np.swapaxes(f(repeat_heads(lk.array, 2)), -1, -2)
    case("linear_relu", [lq, lk, lv, lengths],
         [np.where(keep, w, 0) @ repeat_heads(lv.array, 2)])

    g = Random(24, 2, 2, 6)
    wide = np.repeat(g.array[..., None], 3, -1)
    case("decay_by_key", [lq, lk, lv, g, s0],
         recur_heads(*arrays, decay=wide, state=s0.array, feature="elu1",
                     norm=False))
    g = Given(np.round(Random(25, 2, 2, 6, 3).array * 64 + 64) / 128)
    case("decay_by_channel", [lq, lk, lv, g],
         recur_heads(*arrays, decay=g.array, feature="elu1", norm=True))
    g = Given([0.5, 0.875])
    wide = np.broadcast_to(g.array[None, :, None, None], (2, 2, 6, 3))
    cu = Given([[0, 2, 2, 6], [0, 1, 4, 6]])
    case("document_states", [lq, lk, lv, g, s0, cu],
         recur_heads(*arrays, decay=wide, state=s0.array, starts=cu.array,
                     feature="identity", norm=False))


# ---- pair sets ---------------------------------------------------------------------

P = [Random(30, 2, 12, 4), Random(31, 2, 12, 4), Random(32, 2, 12, 4)]
PI, PJ = np.arange(12)[:, None], np.arange(12)[None, :]


def set_case(name, keep, *operands):
    a, b, c = (x.array for x in P)
    out, _, _, s = attend(a, b, c, keep)
    case(name, P + list(operands), [out, s])


def by_pair(fn, heads=2):
    """A mask from a function of (head, i, j)."""
    return np.array([[[bool(fn(h, i, j)) for j in range(12)] for i in range(12)]
                     for h in range(heads)])


def regular_sets():
    distance = PJ - PI
    lattice = ((np.abs(distance) <= 6) & (distance % 3 == 0)
               | (PJ % 5 >= 3) & (PJ <= PI))
    set_case("set_lattices", lattice & ~((distance % 4 == 0) & (PJ > PI)))
    powers = [0, 1, 2, 4, 8]
    set_case("set_log", by_pair(lambda h, i, j: i - j in powers))
    set_case("set_random", by_pair(lambda h, i, j: j in [
        mix(mix(mix(mix(17) ^ h) ^ i) ^ t) % 12 for t in range(3)]))
    chunk = (PI - 2) // 5 == (PJ - 2) // 5
    set_case("set_chunks", chunk & (PJ <= PI) | (PJ >= 12 - 2), Given(2))
    begin = np.clip(PI - 2, 0, 12 - 6)
    set_case("set_clamped", (PJ >= begin) & (PJ <= begin + 5))
    set_case("set_affine", (PI // 2 - PJ // 3 >= 0) & (12 - PJ - 2 >= 0))
    group = Given([0, 1, 2, 0, 1, 2, 3, 3, 0, 1, 1, 4])
    same = group.array[:, None] == group.array[None]
    set_case("set_predicate",
             same[None] | (np.arange(2)[:, None, None] == PJ[None]), group)
    distance = PI - PJ
    heads = np.stack([(distance >= 0) & (distance <= 3), (PI < 2) | (PJ < 2)])
    set_case("set_by_head", heads, Given([3]))
    last = (PJ // 5 == 2) | (PI // 5 == PJ // 5)
    set_case("set_blocks", last & ~(PJ < 1))

    def coordinates(x):
        return x // 6, x // 2 % 3, x % 2

    (_, iy, ix), (_, jy, jx) = coordinates(PI), coordinates(PJ)
    set_case("set_axes", (np.abs(iy - jy) <= 1) & (jx <= ix))


def operand_sets():
    cu = Given([1, 4, 4, 10])
    document = np.array([-1, 0, 0, 0, 2, 2, 2, 2, 2, 2, -1, -1])
    same = (document[:, None] == document[None]) & (document[:, None] >= 0)
    set_case("set_documents", same & (PJ <= PI), cu)
    a = Given([0, 2, 1, 5, 12, 3, 0, 0, 9, 4, 7, 11])
    b = Given([3, 9, 1, 12, 13, 2, 0, 12, 10, 6, 20, 12])
    by_key = (a.array[None] <= PI) & (PI < b.array[None])
    by_query = (b.array[:, None] <= PJ) & (PJ < a.array[:, None])
    set_case("set_ranges", by_key | by_query, a, b)
    ptr = Given([[0, 1, 1, 3, 4, 4, 6, 6, 6, 7, 8, 9, 9],
                 [0, 0, 2, 2, 2, 5, 6, 6, 7, 7, 7, 8, 9]])
    idx = Given([[3, 11, 0, 5, 5, 5, 2, -1, 40], [1, 0, 9, 8, 7, 6, 6, 11, 0]])
    set_case("set_csr", by_pair(lambda h, i, j: j in idx.array[
        h, ptr.array[h, i]:ptr.array[h, i + 1]]), ptr, idx)
    ptr, idx = Given([0, 2, 2, 5]), Given([2, 0, 1, 1, 7])
    set_case("set_bsr", by_pair(lambda h, i, j: j // 4 in idx.array[
        ptr.array[i // 4]:ptr.array[i // 4 + 1]]), ptr, idx)
    dense = Given((Random(33, 2, 12, 12).array > 0).astype(int))
    set_case("set_dense", dense.array == 1, dense)


# ---- the design's examples -------------------------------------------------------


def example(name, args, results):
    case("design/" + name, args, results, file="design-examples.mlir",
         function=name)


def design_examples():
    a = Random(40, 2, 4, 3, 8, bits=8)
    b, c = Random(41, 9, 2, 4, 8, bits=8), Random(42, 9, 2, 4, 8, bits=8)
    table, lengths = Given([[3, 8, 0, 5], [1, 2, 7, 4]]), Given([14, 7])
    k_of, v_of = (np.stack([np.concatenate([x.array[p] for p in row], 1)
                            for row in table.array]) for x in (b, c))
    keep = np.zeros((2, 4, 3, 16), bool)
    for batch, m in enumerate(lengths.array):
        i, j = positions(3, 16, m - 3)
        keep[batch] = (j < m) & (j <= i) & ((i - j <= 5) | (j < 2))
    example("mistral", [a, b, c, table, lengths],
            attend(a.array, k_of, v_of, keep)[:1])

    a, b, c = (Random(s, 2, 12, 4) for s in (43, 44, 45))
    cu, prefix = Given([0, 4, 9, 12]), Given([2, 3, 0])
    document = np.array([0] * 4 + [1] * 5 + [2] * 3)
    within = PJ - cu.array[document][None, :]
    keep = ((document[:, None] == document[None])
            & ((PJ <= PI) | (within < prefix.array[document][None, :])))
    example("pali", [a, b, c, cu, prefix],
            attend(a.array, b.array, c.array, keep)[:1])

    a, b, c = (Random(s, 1, 2, 17, 4) for s in (46, 47, 48))
    i, j = positions(17, 17)
    keep = ((j <= i)
            & ((np.abs(i - j) <= 2) | ((i - j) % 4 == 0) | (i < 2) | (j < 2)))
    example("sparse_transformer", [a, b, c],
            attend(a.array, b.array, c.array, keep)[:1])

    a, b, c = (Random(s, 1, 2, 24, 4) for s in (49, 50, 51))
    relative = Random(52, 2, 3, 3)
    i, j = positions(24, 24)
    iy, ix, jy, jx = i // 6, i % 6, j // 6, j % 6
    keep = ((iy - 1) // 2 == (jy - 1) // 2) & ((ix - 1) // 2 == (jx - 1) // 2)
    bias = relative.array[:, np.clip(iy - jy + 1, 0, 2),
                          np.clip(ix - jx + 1, 0, 2)]
    example("swin", [a, b, c, relative],
            attend(a.array, b.array, c.array, keep, bias=bias)[:1])

    a, b, c = (Random(s, 1, 2, 18, 4) for s in (53, 54, 55))
    ptr, idx = Given(list(range(7))), Given([3, 5, 0, 5, 1, 2])
    i, j = positions(18, 18)
    bi, bj = i // 3, j // 3
    keep = ((np.abs(bi - bj) <= 1) | (bj < 1) | (bj >= 5)
            | (bj == idx.array[bi]))
    example("bigbird", [a, b, c, ptr, idx],
            attend(a.array, b.array, c.array, keep)[:1])

    a = Random(56, 2, 2, 4, 4)
    b, c = Random(57, 2, 1, 9, 4), Random(58, 2, 1, 9, 4)
    idx = Given([[[[3, 3, -1, 0, 8], [5, 1, 2, 3, 4], [-1, -1, -1, -1, -1],
                   [8, 7, 7, 7, -1]]],
                 [[[0, -1, -1, -1, -1], [1, 0, 1, 0, 1], [6, 5, 4, 3, 2],
                   [2, -1, 2, -1, 2]]]])
    keep = np.zeros((2, 2, 4, 9), bool)
    for batch in range(2):
        for row in range(4):
            for key in idx.array[batch, 0, row]:
                if key >= 0:
                    keep[batch, :, row, key] = True
    example("selected_keys", [a, b, c, idx],
            attend(a.array, b.array, c.array, keep)[:1])

    a, b, c = Random(59, 2, 9, 4), Random(60, 2, 9, 4), Random(61, 2, 9, 5)
    out, _ = recur_heads(a.array[None], b.array[None], c.array[None],
                         feature="elu1", norm=True)
    example("linear", [a, b, c], [out])

    a, b = Random(62, 1, 2, 9, 4), Random(63, 1, 2, 9, 4)
    c, s0 = Random(64, 1, 2, 9, 5), Random(65, 1, 2, 4, 5)
    gamma = Given([0.96875, 0.75])
    decay = np.broadcast_to(gamma.array[None, :, None, None], (1, 2, 9, 4))
    example("retention", [a, b, c, gamma, s0],
            recur_heads(a.array, b.array, c.array, decay=decay, state=s0.array,
                        feature="identity", norm=False))


# ---- element types and precision ---------------------------------------------------


def naive(q, k, v, keep, t, a, scale=None, softcap=None, bias=None):
    """Loops at type t, sums in type a, one rounding an operation."""
    scale = a(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    out = np.zeros(q.shape[:-1] + v.shape[-1:])
    logs = np.full(q.shape[:-1], -INF)
    for index in np.ndindex(*q.shape[:-1]):
        lead, row = index[:-1], index[-1]
        scores, kept = [], [c for c in range(k.shape[-2]) if keep[row, c]]
        for c in kept:
            total = a(0)
            for x, y in zip(q[index], k[lead][c]):
                total = a(total + a(a(x) * a(y)))
            s = t(a(t(total)) * scale)
            if softcap is not None:
                s = t(t(np.tanh(t(s / t(softcap)))) * t(softcap))
            if bias is not None:
                s = t(s + t(bias[lead + (row, c)]))
            scores.append(s)
        if not kept:
            continue
        top = max(scores)
        weights = [t(np.exp(t(s - top))) for s in scores]
        total = a(0)
        for w in weights:
            total = a(total + a(w))
        logs[index] = a(a(top) + a(np.log(total)))
        sums = np.zeros(v.shape[-1], a)
        for w, c in zip(weights, kept):
            p = t(w / t(total))
            sums = (sums + (a(p) * v[lead][c].astype(a)).astype(a)).astype(a)
        out[index] = sums.astype(t)
    return out, logs


def precision_cases():
    a, b, c = (Random(s, 2, n, 4, bits=40) for s, n in ((70, 5), (71, 7), (72, 7)))
    out, lse, _, _ = attend(a.array, b.array, c.array, CAUSAL)
    case("f64", [a, b, c], [out, lse])
    case("f64/operand", [a, b, c], [out, lse.astype(np.float32)],
         precision="operand", function="f64")
    a, b, c = (Random(s, 2, n, 4, bits=8, scale=4.0)
               for s, n in ((73, 5), (74, 7), (75, 7)))
    bias = Random(76, 5, 7, bits=8)
    exact = attend(a.array, b.array, c.array, CAUSAL, bias=bias.array)
    case("f16", [a, b, c, bias], exact[:2])
    case("f16/operand", [a, b, c, bias],
         naive(a.array.astype(np.float16), b.array.astype(np.float16),
               c.array.astype(np.float16), CAUSAL, np.float16, np.float32,
               bias=np.broadcast_to(bias.array, (2, 5, 7))),
         precision="operand", tolerance=1e-9, function="f16")
    f = np.float32
    case("causal/operand", [Q, K, V],
         naive(q.astype(f), k.astype(f), v.astype(f), CAUSAL, f, f)[:1],
         precision="operand", tolerance=3e-7, function="causal")
    bias = Random(13, 2, 4, 5, 7, scale=4.0)
    case("bias_whole/operand", [Q, K, V, bias],
         naive(q.astype(f), k.astype(f), v.astype(f), np.broadcast_to(ALL, (5, 7)),
               f, f, bias=bias.array)[:1],
         precision="operand", tolerance=3e-7, function="bias_whole")


def differs(old, new):
    """Whether results differ by more than another NumPy's last digits."""
    if [c["name"] for c in old] != [c["name"] for c in new]:
        return "cases"
    for a, b in zip(old, new):
        if {**a, "results": 0} != {**b, "results": 0}:
            return a["name"] + " (description)"
        for x, y in zip(a["results"], b["results"]):
            x, y = np.array(x, np.float64), np.array(y, np.float64)
            slack = 1e-13 if a["precision"] == "exact" else 2e-3
            if x.shape != y.shape or not np.allclose(x, y, slack, slack,
                                                     equal_nan=True):
                return a["name"]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true",
                        help="compare with the committed file, do not write")
    check = parser.parse_args().check
    for group in (basic_cases, score_cases, position_cases, accumulator_cases,
                  linear_cases, regular_sets, operand_sets, design_examples,
                  precision_cases):
        group()
    if check:
        with open(FILE, encoding="utf-8") as f:
            what = differs(json.load(f), CASES)
        if what:
            print(f"{FILE}: error: out of date: {what}", file=sys.stderr)
        return 1 if what else 0
    with open(FILE, "w", encoding="utf-8") as f:
        f.write("[\n")
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES))
        f.write("\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
