# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attnc's side of a measurement: from a workload to a launch that can be timed."""

from pathlib import Path

import numpy as np

from .kernel import Compiler, Kernel, Runtime

SMALL = 64  # rows of the run that reports compile phases


class Attnc:
    """Compiler and runtime of one build; kernels live as long as this object."""

    def __init__(self, build, folder):
        self.compiler, self.runtime = Compiler(build), Runtime(build)
        self.folder, self.built, self.compiled = Path(folder), {}, {}

    def compile(self, name, text):
        """The kernel of a spec, and the seconds its compilation took. A text is
        compiled once."""
        if text not in self.compiled:
            spec, output = self.folder / f"{name}.mlir", self.folder / f"{name}.attnc"
            spec.write_text(text, encoding="utf-8")
            seconds = self.compiler.compile(spec, output)
            self.compiled[text] = Kernel(self.runtime, output), seconds
        return self.compiled[text]

    def build(self, workload):
        """The workload's kernel with what its compilation took: once for all lengths."""
        if workload.name not in self.built:
            kernel, seconds = self.compile(workload.name, workload.spec())
            self.built[workload.name] = kernel, self._report(workload, kernel, seconds)
        return self.built[workload.name]

    def launch(self, workload, tensors, n, threads):
        """A call on these tensors, and the output it writes."""
        kernel, _ = self.build(workload)
        output = np.full(tensors["q"].shape, np.nan, np.float32)
        (name,) = (argument.name for argument in kernel.arguments if argument.is_output)
        every = {**tensors, **workload.operands(n), name: output}
        return kernel.bind(every, threads), output

    def _report(self, workload, kernel, seconds):
        inputs = {}
        for name, array in workload.operands(SMALL).items():
            inputs[name] = self.folder / f"{workload.name}-{name}.npy"
            np.save(inputs[name], array)
        shape = [max(size, 1) if size >= 0 else SMALL for size in kernel.arguments[0].dims]
        timing = self.compiler.phases(self.folder / f"{workload.name}.mlir",
                                      {name: shape for name in ("q", "k", "v")}, inputs)
        phases = timing.get("compile_seconds", {})
        return {"process_seconds": seconds, "seconds": sum(phases.values()), "phases": phases,
                "target": kernel.target, "code_bytes": kernel.code_bytes,
                "launches": kernel.num_launches,
                "fma_peak_flops": timing.get("fma_peak_flops")}
