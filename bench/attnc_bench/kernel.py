# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attnc from Python: compiles a spec, loads the kernel file, launches it on NumPy
or PyTorch tensors without copying them. A binding of attnc/runtime.h by ctypes.
"""

import ctypes
import json
import subprocess
import time
from ctypes import (POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_size_t,
                    c_uint32, c_uint64, c_void_p)
from pathlib import Path

from .floats import BFloat16
from .terminal import BenchError

# attnc_dtype by the names that NumPy and PyTorch use.
DTYPES = {"float64": 1, "float32": 2, "float16": 3, "bfloat16": 4, "int64": 5,
          "int32": 6, "int16": 7, "int8": 8, "uint8": 9, "bool": 10}
ROLE_OUTPUT = 1
# The workspace is asked for at this alignment, so that runs are alike.
PAGE = 4096


class _Error(Structure):
    _fields_ = [("struct_size", c_size_t), ("code", c_int32),
                ("message", ctypes.c_char * 1012)]


class _KernelInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("producer", c_char_p),
                ("num_args", c_uint32), ("num_launches", c_uint32),
                ("num_images", c_uint32), ("num_metadata", c_uint32), ("image", c_int32)]


class _ArgInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("role", c_uint32),
                ("dtype", c_uint32), ("rank", c_uint32), ("dims", POINTER(c_int64)),
                ("alignment", c_uint64)]


class _ImageInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("target", c_char_p), ("features", c_char_p),
                ("missing", c_char_p), ("code_bytes", c_uint64)]


class _Tensor(Structure):
    _fields_ = [("struct_size", c_size_t), ("dtype", c_uint32), ("rank", c_uint32),
                ("data", c_void_p), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64))]


class _LaunchOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("threads", c_uint32), ("reserved", c_uint32),
                ("parallel_for", c_void_p), ("parallel_for_user", c_void_p),
                ("workspace", c_void_p), ("workspace_size", c_size_t),
                ("status_out", POINTER(c_uint32))]


def _sized(kind, **values):
    """A struct that knows its own size, as the interface wants it."""
    return kind(struct_size=ctypes.sizeof(kind), **values)


class AttncError(BenchError):
    """The compiler's or the runtime's message."""


class Runtime:
    """libattnc_runtime, loaded from a build directory."""

    def __init__(self, build):
        path = Path(build) / "lib" / "libattnc_runtime.so"
        try:
            self.lib = ctypes.CDLL(str(path))
        except OSError as error:
            raise BenchError(f"cannot load {path}: {error}; run 'make build' "
                             "or give --build") from error
        error = POINTER(_Error)
        signatures = {
            "attnc_kernel_load_file": [c_char_p, c_void_p, POINTER(c_void_p), error],
            "attnc_kernel_get_info": [c_void_p, POINTER(_KernelInfo)],
            "attnc_kernel_get_arg": [c_void_p, c_uint32, POINTER(_ArgInfo)],
            "attnc_kernel_get_image": [c_void_p, c_uint32, POINTER(_ImageInfo)],
            "attnc_workspace_size": [c_void_p, POINTER(_Tensor), c_size_t, c_uint32,
                                     POINTER(c_size_t), error],
            "attnc_launch": [c_void_p, POINTER(_Tensor), c_size_t,
                             POINTER(_LaunchOptions), error],
        }
        for name, types in signatures.items():
            function = getattr(self.lib, name)
            function.argtypes, function.restype = types, c_int32
        self.lib.attnc_kernel_destroy.argtypes = [c_void_p]
        self.lib.attnc_kernel_destroy.restype = None
        self.lib.attnc_result_name.argtypes = [c_int32]
        self.lib.attnc_result_name.restype = c_char_p

    def check(self, result, error=None):
        if result != 0:
            name = self.lib.attnc_result_name(result).decode()
            text = error.message.decode(errors="replace") if error else ""
            raise AttncError(f"{name}: {text}" if text else name)


class Argument:
    """What a kernel wants: name, element type number, sizes (-1: any), direction."""

    def __init__(self, info):
        self.name = info.name.decode()
        self.dtype = info.dtype
        self.dims = [info.dims[d] for d in range(info.rank)]
        self.is_output = info.role == ROLE_OUTPUT


class Kernel:
    """A loaded kernel file."""

    def __init__(self, runtime, path):
        self.runtime, self.handle = runtime, c_void_p()
        lib, error = runtime.lib, _sized(_Error)
        runtime.check(lib.attnc_kernel_load_file(str(path).encode(), None,
                                                 byref(self.handle), byref(error)), error)
        info = _sized(_KernelInfo)
        runtime.check(lib.attnc_kernel_get_info(self.handle, byref(info)))
        self.num_launches = info.num_launches
        self.arguments = []
        for index in range(info.num_args):
            arg = _sized(_ArgInfo)
            runtime.check(lib.attnc_kernel_get_arg(self.handle, index, byref(arg)))
            self.arguments.append(Argument(arg))
        image = _sized(_ImageInfo)
        runtime.check(lib.attnc_kernel_get_image(self.handle, info.image, byref(image)))
        self.target, self.code_bytes = image.target.decode(), image.code_bytes

    def close(self):
        if self.handle:
            self.runtime.lib.attnc_kernel_destroy(self.handle)
            self.handle = c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def bind(self, tensors, threads=1):
        """A call of the kernel on these tensors, by argument name, outputs too.
        They are read and written in place, at the strides they have."""
        names = [argument.name for argument in self.arguments]
        if set(names) != set(tensors):
            raise BenchError(f"the kernel takes {', '.join(names)}; "
                             f"given: {', '.join(tensors) or 'nothing'}")
        return Launch(self, [tensors[name] for name in names], threads)


def _describe(tensor, keep):
    """The C view of a NumPy or PyTorch tensor; what it points to goes to `keep`."""
    if hasattr(tensor, "data_ptr"):
        data, strides = tensor.data_ptr(), tensor.stride()
    else:
        data, size = tensor.ctypes.data, tensor.itemsize
        if any(stride % size for stride in tensor.strides):
            raise BenchError("strides must be whole elements")
        strides = [stride // size for stride in tensor.strides]
    name = ("bfloat16" if isinstance(tensor, BFloat16) else
            str(tensor.dtype).replace("torch.", ""))
    if name not in DTYPES:
        raise BenchError(f"attnc has no element type '{name}'")
    rank = len(tensor.shape)
    shape, steps = (c_int64 * rank)(*tensor.shape), (c_int64 * rank)(*strides)
    keep += [tensor, shape, steps]
    return _sized(_Tensor, dtype=DTYPES[name], rank=rank, data=data, shape=shape, strides=steps)


class Launch:
    """A kernel with its tensors and a workspace of ours; calling it runs it."""

    def __init__(self, kernel, tensors, threads):
        self._kernel, self._keep = kernel, []
        self._check, self._launch = kernel.runtime.check, kernel.runtime.lib.attnc_launch
        self._error, self.status = _sized(_Error), c_uint32(0)
        count = len(tensors)
        self._tensors = (_Tensor * count)(*(_describe(t, self._keep) for t in tensors))
        need = c_size_t()
        self._check(kernel.runtime.lib.attnc_workspace_size(
            kernel.handle, self._tensors, count, threads, byref(need), byref(self._error)),
            self._error)
        self.workspace_bytes = need.value
        self._memory = ctypes.create_string_buffer(need.value + PAGE)
        start = -(-ctypes.addressof(self._memory) // PAGE) * PAGE
        self._options = _sized(_LaunchOptions, threads=threads, workspace=start,
                               workspace_size=need.value, status_out=ctypes.pointer(self.status))
        self._call = (kernel.handle, self._tensors, count, byref(self._options),
                      byref(self._error))

    def __call__(self):
        result = self._launch(*self._call)
        if result != 0:
            self._check(result, self._error)


class Compiler:
    """The attnc program of a build directory."""

    def __init__(self, build):
        self.program = Path(build) / "bin" / "attnc"
        if not self.program.is_file():
            raise BenchError(f"{self.program} is not there: run 'make build' or give --build")

    def _run(self, *arguments):
        done = subprocess.run([str(self.program), *map(str, arguments)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error:" in line]
            text = lines[0].split("error:", 1)[1] if lines else done.stderr.strip()[-400:]
            raise AttncError(text.strip() or f"exit code {done.returncode}")
        return done.stdout

    def version(self):
        return self._run("--version").strip().splitlines()[0]

    def compile(self, spec, output):
        """Writes a kernel file for this machine; the seconds of the whole process."""
        start = time.perf_counter()
        self._run("compile", spec, "-o", output)
        return time.perf_counter() - start

    def phases(self, spec, shapes, inputs):
        """What `attnc run --timing=json` reports of a small run: the phases of a
        compilation in memory, and the machine's FMA peak on one thread."""
        arguments = ["--timing=json", "--repeat=1", "--threads=1"]
        for name, shape in shapes.items():
            arguments += ["--shape", f"{name}={'x'.join(map(str, shape))}"]
        for name, file in inputs.items():
            arguments += ["--input", f"{name}={file}"]
        out = self._run("run", spec, *arguments)
        for line in reversed(out.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        raise BenchError("attnc run --timing=json printed no JSON")
