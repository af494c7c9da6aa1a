# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The peer: PyTorch FlexAttention, compiled, with compiled block masks, as its
documentation tells users to run it on a CPU."""

import logging
import os
import statistics
import tempfile
import time
import warnings

NEW_LENGTHS = 4  # lengths a block mask is made for, none of them seen before
EAGER_UP_TO = 8192  # uncompiled, it holds several n x n tensors of 8-byte numbers
GRANULE = 128  # FlexAttention's block: other lengths would only add padding


class Flex:
    """Imports PyTorch, for `threads` threads. Its compiler starts with an empty cache
    where none is given."""

    def __init__(self, threads, cache=None):
        if cache is None:
            self._cache = tempfile.TemporaryDirectory(prefix="attnc-bench-inductor-")
            cache = self._cache.name
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ["TRITON_CACHE_DIR"] = str(cache)
        warnings.filterwarnings("ignore", module="torch")
        import torch
        from torch.nn.attention import flex_attention

        # Neither CUDA nor Triton is there, which PyTorch mentions on every start.
        torch._logging.set_logs(all=logging.ERROR)
        torch.set_num_threads(threads)
        self.torch, self.module = torch, flex_attention

    def versions(self):
        return {"torch": self.torch.__version__,
                "peer vectors": self.torch.backends.cpu.get_cpu_capability()}

    def prepare(self, workload, tensors, n):
        """Everything up to the first call of the compiled attention."""
        return Prepared(self, workload, tensors, n)


class Prepared:
    """FlexAttention for one workload at one length; calling it runs the attention."""

    def __init__(self, flex, workload, tensors, n):
        self.torch, self.module, self.workload = flex.torch, flex.module, workload
        # Each workload starts as a new program would.
        self.torch._dynamo.reset()
        self.operands = [self.torch.from_numpy(tensors[name]) for name in ("q", "k", "v")]
        self.make = self.torch.compile(self.module.create_block_mask)
        self.block_mask, self.mask_times = None, None
        if workload.rule is not None:
            self.block_mask = self._time_masks(n)
        self.attend = self.torch.compile(self.module.flex_attention, dynamic=False)
        start = time.perf_counter()
        self.result = self()
        self.first_call = time.perf_counter() - start

    def __call__(self):
        with self.torch.inference_mode():
            return self.attend(*self.operands, block_mask=self.block_mask)

    def output(self):
        return self.result.numpy()

    def _mask(self, make, n, seed):
        """(block mask, seconds to make it) of a mask that is new: with other
        documents where there are documents."""
        ids = self.workload.ids(n, seed)
        mask_mod = self.workload.mask_mod(None if ids is None else self.torch.from_numpy(ids))
        start = time.perf_counter()
        made = make(mask_mod, None, None, n, n, device="cpu")
        return made, time.perf_counter() - start

    def _time_masks(self, n):
        """Times: the first one, with its compilation; one more of this length; one
        of a length not seen before, the first time and later; and uncompiled."""
        mask, first = self._mask(self.make, n, seed=1)
        again = [self._mask(self.make, n, seed)[1] for seed in range(2, 7)]
        lengths = [n + GRANULE * step for step in range(1, NEW_LENGTHS + 1)]
        new = [self._mask(self.make, length, seed=1)[1] for length in lengths]
        eager = (self._mask(self.module.create_block_mask, n, seed=1)[1]
                 if n <= EAGER_UP_TO else None)
        self.mask_times = {"first": first, "again": statistics.median(again),
                           "first_new_length": new[0],
                           "later_new_length": statistics.median(new[1:]), "eager": eager}
        return mask
