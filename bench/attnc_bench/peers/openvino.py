# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""OpenVINO's ScaledDotProductAttention on the CPU, as a model of one operation."""

import os

import numpy as np

from ..floats import BFloat16, stored, to_f32
from . import Formulation, Unsupported, grouped, grouped_mask, ungrouped


class OpenVino:
    name, title, needs = "openvino", "OpenVINO", "openvino"

    def __init__(self):
        import openvino
        from openvino import opset13
        self.ov, self.opset = openvino, opset13
        self.core = openvino.Core()
        # Its plugin counts the CPUs, and its pool's threads inherit where they may run, at
        # the first use, which must not be while this thread is pinned to one CPU.
        kind, warm = openvino.Type.f32, np.zeros((1, 16, 256, 64), np.float32)
        request = self._compile([(warm, kind)] * 3, "f32", os.cpu_count(), False).create_infer_request()
        for index in range(3):
            request.set_input_tensor(index, _tensor(openvino, warm, kind)[0])
        for _ in range(5):
            request.infer()

    def versions(self):
        return {"openvino": self.ov.__version__.split("-")[0]}

    def prepare(self, inputs, threads):
        c = inputs.case
        if c.softcap:
            raise Unsupported("has no softcap")
        if c.paged:
            raise Unsupported("its paged operator is not reachable without a model")
        if inputs.dtype == "bf16" and "BF16" not in self.core.get_property(
                "CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Unsupported("computes in f32 on this CPU")
        k, v = inputs.k, np.ascontiguousarray(inputs.v).view(type(inputs.v))
        ways = []
        if c.group > 1:
            mask = grouped_mask(inputs) if c.causal else None
            ways.append(self._formulation(inputs, "groups as rows", grouped(inputs), k, v, mask,
                                          threads))
            if c.n == 1:
                return ways
            k, v = (np.repeat(x, c.group, axis=1).view(type(x)) for x in (k, v))
        mask = None
        if c.bias or c.alibi:
            mask = inputs.additive().reshape(1, c.heads, c.n, c.m)
        elif c.window or (c.causal and c.n != c.m):
            mask = inputs.kept().copy()
        label = "as it is" if c.group == 1 else "heads repeated beforehand"
        ways.append(self._formulation(inputs, label, inputs.q, k, v, mask, threads,
                                      causal=c.causal and mask is None))
        return ways

    def _formulation(self, inputs, label, q, k, v, mask, threads, causal=False):
        ov = self.ov
        kind = {"f32": ov.Type.f32, "bf16": ov.Type.bf16}[inputs.dtype]
        arrays = [(q, kind), (k, kind), (v, kind)]
        if mask is not None and mask.dtype == np.bool_:
            arrays.append((mask, ov.Type.boolean))
        elif mask is not None:
            arrays.append((stored(np.maximum(mask, np.float32(-1e30)), inputs.dtype), kind))
        compiled = self._compile(arrays, inputs.dtype, threads, causal)
        request = compiled.create_infer_request()
        tensors = [_tensor(ov, array, kind) for array, kind in arrays]
        for index, tensor in enumerate(tensors):
            request.set_input_tensor(index, tensor[0])

        def call():
            return request.infer() and tensors  # which hold the memory that it reads

        def output():
            data = request.get_output_tensor(0).data
            if inputs.dtype == "bf16":
                data = to_f32(np.asarray(data).view(np.uint16).view(BFloat16))
            return ungrouped(inputs, np.array(data, np.float32))

        return Formulation(label, call, output)

    def _compile(self, arrays, precision, threads, causal):
        """The model of Q, K, V and perhaps a mask, for the shapes of arrays."""
        ov, opset = self.ov, self.opset
        parameters = [opset.parameter(ov.PartialShape(list(array.shape)), kind)
                      for array, kind in arrays]
        extra = {"attention_mask": parameters[3]} if len(arrays) > 3 else {}
        out = opset.scaled_dot_product_attention(*parameters[:3], causal=causal, **extra)
        return self.core.compile_model(ov.Model([out], parameters, "attention"), "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": precision})


def _tensor(ov, array, kind):
    """A tensor over an array's memory, and the array, which the tensor does not keep."""
    plain = np.ascontiguousarray(array).view(np.ndarray)
    made = (ov.Tensor(plain, ov.Shape(list(array.shape)), kind) if isinstance(array, BFloat16) else
            ov.Tensor(plain, shared_memory=True))
    return made, plain
