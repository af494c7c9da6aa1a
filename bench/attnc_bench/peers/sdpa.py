# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's scaled_dot_product_attention on the CPU."""

import numpy as np

from ..cases import PAGE
from ..floats import BFloat16
from . import Formulation, Unsupported, grouped, grouped_mask, ungrouped


def tensor(torch, array):
    """A PyTorch tensor over the array's memory."""
    if isinstance(array, BFloat16):
        return torch.from_numpy(array.view(np.ndarray).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.asarray(array))


class Sdpa:
    name, title, needs = "sdpa", "PyTorch SDPA", "torch"

    def __init__(self):
        import torch
        self.torch = torch

    def versions(self):
        return {"torch": self.torch.__version__,
                "peer vectors": self.torch.backends.cpu.get_cpu_capability()}

    def prepare(self, inputs, threads):
        self.torch.set_num_threads(threads)
        c = inputs.case
        if c.softcap:
            raise Unsupported("has no softcap")
        if c.paged:
            return [self._gathered(inputs)]
        q, k, v = (tensor(self.torch, x) for x in (inputs.q, inputs.k, inputs.v))
        found = [self._formulation(inputs, "as it is" if c.group == 1 else "enable_gqa", q, k, v,
                                   self._mask(inputs), enable_gqa=c.group > 1)]
        if c.group > 1 and c.n <= 64:
            rows = tensor(self.torch, grouped(inputs))
            mask = tensor(self.torch, grouped_mask(inputs)) if c.causal else None
            found.append(self._formulation(inputs, "groups as rows", rows, k, v,
                                           {"attn_mask": mask}))
        return found

    def _mask(self, inputs):
        """Arguments for the mask, which is made before the time that counts."""
        c = inputs.case
        if c.bias or c.alibi:
            dtype = self.torch.bfloat16 if inputs.dtype == "bf16" else self.torch.float32
            return {"attn_mask": tensor(self.torch, inputs.additive())[None].to(dtype)}
        if c.window or (c.causal and c.n != c.m):
            return {"attn_mask": tensor(self.torch, inputs.kept().copy())}
        return {"is_causal": c.causal}

    def _formulation(self, inputs, label, q, k, v, mask, **options):
        attend = self.torch.nn.functional.scaled_dot_product_attention
        last = []

        def call():
            with self.torch.inference_mode():
                last[:] = [attend(q, k, v, **mask, **options)]

        return Formulation(label, call, lambda: ungrouped(inputs, last[0].float().numpy()))

    def _gathered(self, inputs):
        """No paged kernel: pages are gathered into rows, then attended."""
        c, torch = inputs.case, self.torch
        rows = tensor(torch, grouped(inputs))
        pools = [tensor(torch, inputs.arguments[name]) for name in ("k", "v")]
        table = tensor(torch, inputs.arguments["pages"]).long()
        last = []

        def gather(pool):
            pages = pool[table].transpose(1, 2)  # [batch, kv heads, pages, PAGE, d]
            return pages.reshape(c.batch, c.kv_heads, -1, pool.shape[-1])[:, :, :c.m]

        def call():
            with torch.inference_mode():
                k, v = map(gather, pools)
                last[:] = [torch.nn.functional.scaled_dot_product_attention(rows, k, v)]

        assert c.n == 1 and c.m % PAGE == 0
        return Formulation("gather, groups as rows", call,
                           lambda: ungrouped(inputs, last[0].float().numpy()))
