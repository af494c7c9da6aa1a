# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What bench/run.py measures attnc beside. A peer prepares one or several ways to
ask for the same attention; each is checked, and the fastest is measured."""

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np


class Unsupported(Exception):
    """Why a peer has no row; the text is for the table's notes."""


@dataclass
class Formulation:
    """One way to ask a peer. `call` runs it; `output` gives f32 [batch, heads, n, dv]
    of the last call; `tolerance` replaces the usual one, relative to max |V|."""

    label: str
    call: Callable
    output: Callable
    tolerance: Optional[float] = None


def grouped(inputs, tensor=None):
    """Queries that share a key head as rows of one: [batch, kv heads, group * n, d].
    Without grouped heads of its own a library reads each key once this way."""
    c = inputs.case
    tensor = inputs.q if tensor is None else tensor
    return tensor.reshape(c.batch, c.kv_heads, c.group * c.n, tensor.shape[-1])


def grouped_mask(inputs):
    """The mask of grouped rows, [group * n, m]."""
    return np.tile(inputs.kept(), (inputs.case.group, 1))


def ungrouped(inputs, result):
    c = inputs.case
    return result.reshape(c.batch, c.heads, c.n, c.dv)


def each_sequence(inputs, prepare):
    """A ragged batch for a peer without one: a call a sequence. `prepare` gives the
    formulation of one sequence's inputs."""
    c = inputs.case
    parts = [prepare(inputs.sequence(b)) for b in range(c.batch)]

    def call():
        for part in parts:
            part.call()

    def output():
        out = np.zeros((c.batch, c.heads, c.n, c.dv), np.float32)
        for b, part in enumerate(parts):
            out[b, :, :c.sequences[b][0]] = part.output()[0]
        return out

    labels = sorted({part.label for part in parts})
    return Formulation(f"a call a sequence ({', '.join(labels)})", call, output)


def peers():
    """Every peer's class, in the order of the table."""
    from .ggml import Ggml
    from .flex import Flex
    from .onnxruntime import OnnxRuntime
    from .openvino import OpenVino
    from .sdpa import Sdpa
    return [Sdpa, Flex, OnnxRuntime, OpenVino, Ggml]
