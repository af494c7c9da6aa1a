# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The masks that are measured: attnc's text, and the rule that says which pairs
are kept. The rule serves the reference (on NumPy arrays) and, as `mask_mod`, the
peer (on traced scalars), so both sides are asked for the same set."""

import numpy as np

SPEC = """\
!t = tensor<1x{heads}x?x{dim}xf32>
func.func @{name}(%q: !t, %k: !t, %v: !t{arguments}) -> !t {{
  %o = attn.attention %q, %k, %v{clauses} mask = #attn.pairs<{mask}>
       : !t, !t, !t{types} -> !t
  return %o : !t
}}
"""

HEADS, DIM = 4, 64
DOCUMENT_LENGTHS = (100, 500)  # drawn evenly, so 300 on average


def spec_text(name, mask, operands=(), clauses="", heads=HEADS, dim=DIM):
    """A spec whose operands are (name, type) pairs, those of `clauses` first."""
    return SPEC.format(
        name=name, mask=mask, heads=heads, dim=dim, clauses=clauses,
        arguments="".join(f", %{operand}: {kind}" for operand, kind in operands),
        types="".join(f", {kind}" for _, kind in operands))


def document_offsets(n, seed):
    """cu: where documents of random lengths begin in a packed sequence, and n."""
    lengths = np.random.default_rng(seed).integers(*DOCUMENT_LENGTHS, size=n, endpoint=True)
    ends = np.cumsum(lengths)
    ends = np.minimum(ends[: np.searchsorted(ends, n) + 1], n)
    return np.concatenate([[0], ends]).astype(np.int32)


def document_ids(cu):
    return np.repeat(np.arange(len(cu) - 1), np.diff(cu))


class Workload:
    """One mask. `rule(i, j, ids)` is true for kept pairs; `goal` is the ratio to
    the peer that the project set itself."""

    def __init__(self, name, title, mask, rule, goal=None, documents=False):
        self.name, self.title, self.mask = name, title, mask
        self.rule, self.goal, self.documents = rule, goal, documents

    @property
    def identifier(self):
        return self.name.replace("-", "_")

    def spec(self):
        operands = [("cu", "tensor<?xi32>")] if self.documents else []
        return spec_text(self.identifier, self.mask, operands)

    def operands(self, n, seed=1):
        """The set operands of attnc's kernel, by name."""
        return {"cu": document_offsets(n, seed)} if self.documents else {}

    def ids(self, n, seed=1):
        return document_ids(document_offsets(n, seed)) if self.documents else None

    def keep(self, n):
        """keep(rows, columns) in NumPy."""
        ids = self.ids(n)
        return lambda i, j: np.broadcast_to(self.rule(i, j, ids), np.broadcast(i, j).shape)

    def mask_mod(self, ids):
        """The peer's predicate; `ids` is a tensor of the peer, or None."""
        rule = self.rule

        def mask_mod(b, h, i, j):
            return rule(i, j, ids)

        return mask_mod


ALL = [
    Workload("full", "full", "full", None),
    Workload("causal", "causal", "causal", lambda i, j, ids: j <= i),
    Workload("window", "causal window of 256", "window<255, 0>",
             lambda i, j, ids: (j <= i) & (i - j <= 255), goal=3),
    Workload("sparse", "causal & (local 63 | strided 64)",
             "causal & (local<63> | strided<64>)",
             lambda i, j, ids: (j <= i) & ((i - j <= 63) | ((i - j) % 64 == 0)), goal=20),
    Workload("documents", "packed documents", "documents(%cu)",
             lambda i, j, ids: ids[i] == ids[j], goal=2, documents=True),
    Workload("documents-causal", "packed documents, causal", "documents(%cu) & causal",
             lambda i, j, ids: (j <= i) & (ids[i] == ids[j]), goal=2, documents=True),
]
# A rule of None is everything, without a mask on the peer's side either.
ALL[0].keep = lambda n: lambda i, j: np.ones(np.broadcast(i, j).shape, bool)


def count_pairs(keep, n, block=256):
    """Kept pairs by brute force, in O(n) memory."""
    columns = np.arange(n)[None, :]
    return sum(int(np.count_nonzero(keep(np.arange(begin, min(begin + block, n))[:, None], columns)))
               for begin in range(0, n, block))


def inputs(n, heads=HEADS, dim=DIM, seed=0):
    """q, k, v of [1, heads, n, dim] f32."""
    random = np.random.default_rng(seed)
    shape = (1, heads, n, dim)
    return {name: random.standard_normal(shape, np.float32) for name in ("q", "k", "v")}
