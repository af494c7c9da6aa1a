# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""llama.cpp's flash attention: ggml's operator, a graph of one node."""

import ctypes

import numpy as np

from ..floats import BFloat16, to_f32
from . import Formulation, Unsupported, grouped, grouped_mask, ungrouped

ALIBI_BIAS = 8.0  # its name for slopes of 2^(-8 (h + 1) / heads)
HALF = 4e-3  # an additive mask is f16


class Ggml:
    name, title, needs = "ggml", "llama.cpp (ggml)", "ggml"

    def __init__(self):
        import ggml
        self.lib = ggml
        ggml.ggml_cpu_init()

    def versions(self):
        from importlib.metadata import version
        return {"ggml-python": version("ggml-python")}

    def prepare(self, inputs, threads):
        c = inputs.case
        if c.paged:
            raise Unsupported("has no pages")
        kinds = [("f32", "f32")] if inputs.dtype == "f32" else [("bf16 K and V", "bf16"),
                                                                ("f16 K and V", "f16")]
        ways = []
        for label, kind in kinds:
            mask = self._mask(inputs)
            ways.append(self._formulation(inputs, label, inputs.q, mask, kind, threads))
            if c.group > 1 and c.n <= 64 and not (c.alibi or c.bias):
                rows = _half(grouped_mask(inputs)) if c.causal else None
                ways.append(self._formulation(inputs, f"{label}, groups as rows", grouped(inputs),
                                              rows, kind, threads))
        return ways

    def _mask(self, inputs):
        """f16, added to scores; with ALiBi the distance, which it multiplies by slopes."""
        c = inputs.case
        if c.alibi:
            i, j = np.arange(c.n)[:, None] + (c.m - c.n), np.arange(c.m)[None, :]
            return np.where(inputs.kept(), (j - i).astype(np.float16), np.float16(-np.inf))
        if c.bias:
            return inputs.additive().astype(np.float16)
        return _half(inputs.kept()) if c.causal else None

    def _formulation(self, inputs, label, q, mask, kind, threads):
        c, lib = inputs.case, self.lib
        arrays = [np.ascontiguousarray(to_f32(q)), _kind(inputs.k, kind), _kind(inputs.v, kind)]
        types = [lib.GGML_TYPE_F32] + 2 * [{"f32": lib.GGML_TYPE_F32, "f16": lib.GGML_TYPE_F16,
                                            "bf16": lib.GGML_TYPE_BF16}[kind]]
        if mask is not None:
            arrays.append(np.ascontiguousarray(mask))
            types.append(lib.GGML_TYPE_F16)
        context = lib.ggml_init(lib.ggml_init_params(mem_size=1 << 20, mem_buffer=None, no_alloc=True))
        tensors = [self._tensor(context, array, kind) for array, kind in zip(arrays, types)]
        scale = c.d ** -0.5
        result = lib.ggml_flash_attn_ext(context, *tensors[:3], tensors[3] if mask is not None else None,
                                         scale, ALIBI_BIAS if c.alibi else 0.0, c.softcap)
        batch, heads, rows = q.shape[:3]
        out = np.empty((batch, rows, heads, c.dv), np.float32)
        result.contents.data = out.ctypes.data
        graph = lib.ggml_new_graph(context)
        lib.ggml_build_forward_expand(graph, result)
        plan = lib.ggml_graph_plan(graph, threads, None)
        work = np.empty(plan.work_size + 64, np.uint8)
        plan.work_data = ctypes.cast(ctypes.c_void_p(work.ctypes.data), ctypes.POINTER(ctypes.c_uint8))
        keep = (arrays, tensors, work, context)

        def call():
            if lib.ggml_graph_compute(graph, ctypes.byref(plan)) != 0:
                raise RuntimeError("ggml_graph_compute failed")
            return keep

        return Formulation(label, call,
                           lambda: ungrouped(inputs, np.ascontiguousarray(out.transpose(0, 2, 1, 3))),
                           HALF if c.bias else None)

    def _tensor(self, context, array, kind):
        sizes = [*reversed(array.shape)]
        sizes += [1] * (4 - len(sizes))
        tensor = self.lib.ggml_new_tensor_4d(context, kind, *sizes)
        tensor.contents.data = array.ctypes.data
        return tensor


def _half(kept):
    return np.where(kept, np.float16(0), np.float16(-np.inf))


def _kind(array, kind):
    """K or V in the type that is stored; bit patterns for bf16."""
    if kind == "bf16":
        return np.ascontiguousarray(array.view(np.ndarray))
    values = to_f32(array) if isinstance(array, BFloat16) else array
    return np.ascontiguousarray(values, np.float16 if kind == "f16" else np.float32)
