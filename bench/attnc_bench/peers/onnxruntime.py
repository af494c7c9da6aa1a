# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX Runtime: the Attention operator of opset 23 and two contributed operators,
each as a model of one node whose tensors are bound in place."""

import numpy as np

from . import Formulation, Unsupported, grouped, grouped_mask, ungrouped

OPSET = 23
MASKED = np.float32(np.finfo(np.float32).min)  # -inf has given NaN in some releases


class OnnxRuntime:
    name, title, needs = "onnxruntime", "ONNX Runtime", "onnxruntime"

    def __init__(self):
        import onnx
        import onnxruntime
        self.onnx, self.ort = onnx, onnxruntime

    def versions(self):
        return {"onnxruntime": self.ort.__version__, "onnx": self.onnx.__version__}

    def prepare(self, inputs, threads):
        c = inputs.case
        if inputs.dtype != "f32":
            raise Unsupported(f"has no {inputs.dtype} attention on CPUs")
        if c.paged:
            raise Unsupported("has no pages on CPUs")
        ways = [self._attention(inputs, threads)]
        if c.group > 1 and c.n <= 64:
            ways.append(self._attention_rows(inputs, threads))
        if c.group == 1 and c.n == c.m and not c.softcap and not c.window:
            ways.append(self._multi_head(inputs, threads))
        if (c.causal or c.n == 1) and c.d == c.dv and not c.bias:
            ways.append(self._grouped_query(inputs, threads))
        return ways

    def _session(self, node, given, out, threads):
        """A session of one node; `given` and `out` are names with arrays."""
        helper = self.onnx.helper
        info = [[helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype),
                                               array.shape) for name, array in tensors.items()]
                for tensors in (given, out)]
        graph = helper.make_graph([node], "attention", *info)
        model = helper.make_model(graph, ir_version=10, opset_imports=[
            helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)])
        options = self.ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        session = self.ort.InferenceSession(model.SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        values = {}  # Arrays that stand for one memory are one value.
        for name, array in [*given.items(), *out.items()]:
            if array.ctypes.data not in values or not array.size:
                values[array.ctypes.data] = self.ort.OrtValue.ortvalue_from_numpy(array)
            bind = binding.bind_ortvalue_input if name in given else binding.bind_ortvalue_output
            bind(name, values[array.ctypes.data])
        return lambda: session.run_with_iobinding(binding) or values

    def _formulation(self, label, node, given, out, threads, output):
        return Formulation(label, self._session(node, given, out, threads), output)

    def _attention(self, inputs, threads):
        c = inputs.case
        given = {"q": inputs.q, "k": inputs.k, "v": np.ascontiguousarray(inputs.v)}
        options = {"softcap": c.softcap} if c.softcap else {}
        if c.bias or c.alibi:
            given["mask"] = _finite(inputs.additive()).reshape(1, c.heads, c.n, c.m)
        elif c.window or (c.causal and c.n != c.m):
            given["mask"] = inputs.kept().copy()
        elif c.causal:
            options["is_causal"] = 1
        out = np.empty((c.batch, c.heads, c.n, c.dv), np.float32)
        node = self.onnx.helper.make_node("Attention", list(given), ["out"], **options)
        return self._formulation("Attention", node, given, {"out": out}, threads, lambda: out)

    def _attention_rows(self, inputs, threads):
        c = inputs.case
        given = {"q": grouped(inputs), "k": inputs.k, "v": np.ascontiguousarray(inputs.v)}
        if c.causal:
            given["mask"] = grouped_mask(inputs)
        options = {"softcap": c.softcap} if c.softcap else {}
        out = np.empty((c.batch, c.kv_heads, c.group * c.n, c.dv), np.float32)
        node = self.onnx.helper.make_node("Attention", list(given), ["out"], **options)
        return self._formulation("Attention, groups as rows", node, given, {"out": out}, threads,
                                 lambda: ungrouped(inputs, out))

    def _multi_head(self, inputs, threads):
        c = inputs.case
        given = {name: _packed(getattr(inputs, name)) for name in ("q", "k", "v")}
        names, options = ["q", "k", "v"], {}
        if c.bias or c.alibi:
            given["term"] = _finite(inputs.additive()).reshape(1, c.heads, c.n, c.m)
            names += ["", "", "term"]
        elif c.causal:
            options["unidirectional"] = 1
        out = np.empty((c.batch, c.n, c.heads * c.dv), np.float32)
        node = self.onnx.helper.make_node("MultiHeadAttention", names, ["out"],
                                          domain="com.microsoft", num_heads=c.heads, **options)
        return self._formulation("MultiHeadAttention", node, given, {"out": out}, threads,
                                 lambda: _unpacked(out, c.heads))

    def _grouped_query(self, inputs, threads):
        """The cache is written in place, as a server does: its last rows come anew."""
        c = inputs.case
        new = c.n if c.n != c.m else c.m
        caches = {name: (getattr(inputs, name).copy() if c.n != c.m else
                         np.zeros((c.batch, c.kv_heads, c.m, c.d), np.float32)) for name in ("k", "v")}
        given = {"q": _packed(inputs.q),
                 "k": _packed(inputs.k[:, :, c.m - new:]), "v": _packed(inputs.v[:, :, c.m - new:]),
                 "past_k": caches["k"], "past_v": caches["v"],
                 "last": np.full(c.batch, c.m - 1, np.int32), "total": np.array(c.m, np.int32)}
        names = list(given)
        if c.alibi:
            given["term"] = _finite(inputs.additive()).reshape(1, c.heads, c.n, c.m)
            names += ["", "", "", "term"]
        out = np.empty((c.batch, c.n, c.heads * c.d), np.float32)
        options = {"local_window_size": c.window} if c.window else {}
        options.update({"softcap": c.softcap} if c.softcap else {})
        node = self.onnx.helper.make_node(
            "GroupQueryAttention", names, ["out", "new_k", "new_v"], domain="com.microsoft",
            num_heads=c.heads, kv_num_heads=c.kv_heads, **options)
        results = {"out": out, "new_k": caches["k"], "new_v": caches["v"]}
        return self._formulation("GroupQueryAttention", node, given, results, threads,
                                 lambda: _unpacked(out, c.heads))


def _packed(tensor):
    """[batch, heads, n, d] as [batch, n, heads * d]."""
    batch, heads, n, d = tensor.shape
    return np.ascontiguousarray(tensor.transpose(0, 2, 1, 3)).reshape(batch, n, heads * d)


def _unpacked(tensor, heads):
    batch, n, width = tensor.shape
    return tensor.reshape(batch, n, heads, width // heads).transpose(0, 2, 1, 3)


def _finite(term):
    return np.maximum(term, MASKED)
