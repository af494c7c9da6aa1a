# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch FlexAttention, compiled; block masks are made before the time that counts."""

from .. import environment
from ..flex import Flex as Engine
from . import Formulation, Unsupported, ungrouped
from .sdpa import tensor


class Flex:
    name, title, needs = "flex", "PyTorch FlexAttention", "torch"

    def __init__(self):
        # Kept from run to run: compiling takes 10 s a row.
        self.engine = Engine(1, environment.cache_dir() / "bench-inductor")
        self.torch = self.engine.torch

    def versions(self):
        return self.engine.versions()

    def prepare(self, inputs, threads):
        c, torch = inputs.case, self.torch
        if not c.flex:
            raise Unsupported("not measured here: it compiles for 10 s and more a row")
        if c.paged or c.lengths:
            raise Unsupported("has neither pages nor ragged batches")
        torch.set_num_threads(threads)
        torch._dynamo.reset()
        q, k, v = (tensor(torch, x) for x in (inputs.q, inputs.k, inputs.v))
        options = {"block_mask": self._block_mask(c), "score_mod": self._score_mod(inputs),
                   "enable_gqa": c.group > 1}
        attend = torch.compile(self.engine.module.flex_attention, dynamic=False)
        last = []

        def call():
            with torch.inference_mode():
                last[:] = [attend(q, k, v, **options)]

        return [Formulation("compiled", call, lambda: ungrouped(inputs, last[0].float().numpy()))]

    def _block_mask(self, c):
        if not c.causal:
            return None
        shift, window = c.m - c.n, c.window

        def causal(b, h, i, j):
            kept = j <= i + shift
            return kept & (j > i + shift - window) if window else kept

        return self.engine.module.create_block_mask(causal, None, None, c.n, c.m, device="cpu")

    def _score_mod(self, inputs):
        c, torch = inputs.case, self.torch
        if c.softcap:
            cap = c.softcap
            return lambda s, b, h, i, j: cap * torch.tanh(s / cap)
        if c.alibi:
            slopes, shift = torch.from_numpy(inputs.slopes), c.m - c.n
            return lambda s, b, h, i, j: s - slopes[h] * (i + shift - j)
        if c.bias:
            bias = tensor(torch, inputs.bias)[0]
            return lambda s, b, h, i, j: s + bias[h, i, j]
        return None
