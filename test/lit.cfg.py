# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The lit suite of attnc.

Tools are found on the PATH, this build's first, then LLVM's and MLIR's: tests
write `attnc`, `attnc-opt`, `FileCheck`, `not`, `split-file`. Besides these:

  %python      a Python that has NumPy
  %triton      a Python that has Triton and NumPy (ATTNC_TRITON_PYTHON, or one
               of the others); tests that need it REQUIRE triton
  %ptxas       the CUDA Toolkit's assembler; tests that need it REQUIRE ptxas
  %src_root    the checkout            %build_root  the build directory
  %cc, %cxx    the compilers of the build, with its sanitizer flags
  REQUIRES:    x86_64, avx2, avx512, avx512_bf16, avx512_fp16, f16c, numpy,
               asan, tsan, clang-format, node
"""

import glob
import os
import platform
import shutil
import subprocess
import sys

import lit.formats

if not hasattr(config, "attnc_binary_dir"):
    lit_config.fatal("run lit on the build directory: `lit build/test`, "
                     "or `make test`")

config.name = "attnc"
config.suffixes = [".mlir", ".test", ".py"]
config.excludes = ["Inputs", "lit.cfg.py", "lit.site.cfg.py", "CMakeLists.txt"]
config.test_format = lit.formats.ShTest(execute_external=False)
config.test_source_root = os.path.dirname(os.path.abspath(__file__))
config.test_exec_root = os.path.join(config.attnc_binary_dir, "test")

# ---- environment ------------------------------------------------------------
config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.attnc_binary_dir, "bin"),
        config.llvm_tools_dir,
        config.mlir_tools_dir,
        os.environ.get("PATH", "/usr/bin:/bin"),
    ]
)
for name in ["ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
             "ASAN_SYMBOLIZER_PATH", "FILECHECK_OPTS"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]
# Output must not depend on who runs the suite, nor reach into their home.
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["NO_COLOR"] = "1"
home = os.path.join(config.test_exec_root, "home")
os.makedirs(home, exist_ok=True)
config.environment["HOME"] = home
config.environment["XDG_CACHE_HOME"] = os.path.join(home, ".cache")
config.environment["MLIR_DIR"] = os.path.join(
    os.path.dirname(config.mlir_tools_dir), "lib", "cmake", "mlir"
)

# ---- substitutions ----------------------------------------------------------


def has_numpy(python):
    """Whether this interpreter exists and imports NumPy."""
    try:
        return subprocess.run([python, "-c", "import numpy"],
                              capture_output=True).returncode == 0
    except OSError:
        return False


candidates = ["/usr/bin/python3",
              os.path.join(config.toolchain_dir, "venv", "bin", "python"),
              sys.executable]
python = next((p for p in candidates if has_numpy(p)), None)
if python:
    config.available_features.add("numpy")


def has_triton(python):
    """Whether this interpreter can compile Triton's kernels."""
    try:
        return subprocess.run([python, "-c", "import numpy, triton"],
                              capture_output=True).returncode == 0
    except OSError:
        return False


triton = next((p for p in [os.environ.get("ATTNC_TRITON_PYTHON"), *candidates]
               if p and has_triton(p)), None)
if triton:
    config.available_features.add("triton")
else:
    lit_config.note("no Triton: its kernels do not judge the PTX executor; "
                    "`pip install triton numpy` into a venv and name its python "
                    "in ATTNC_TRITON_PYTHON")


def find_ptxas():
    """ptxas as attnc would find it, without asking attnc."""
    for home in [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]:
        if home and os.access(os.path.join(home, "bin", "ptxas"), os.X_OK):
            return os.path.join(home, "bin", "ptxas")
    named = os.environ.get("ATTNC_PTXAS")
    found = named or shutil.which("ptxas")
    prefixes = [os.path.dirname(os.path.dirname(p)) for p in candidates]
    for prefix in prefixes:
        found = found or next(iter(sorted(glob.glob(os.path.join(
            prefix, "lib*", "python3*", "*-packages", "nvidia", "cu*", "bin",
            "ptxas")))), None)
    if not found and os.access("/usr/local/cuda/bin/ptxas", os.X_OK):
        found = "/usr/local/cuda/bin/ptxas"
    return found


ptxas = find_ptxas()
if ptxas:
    config.available_features.add("ptxas")
    config.environment["ATTNC_PTXAS"] = ptxas
else:
    lit_config.note("no ptxas: GPU code is not assembled; `pip install "
                    "nvidia-cuda-nvcc` brings it, or name it in ATTNC_PTXAS")
sanitize = {"address": " -fsanitize=address,undefined",
            "thread": " -fsanitize=thread"}
flags = sanitize.get(config.attnc_sanitize, "")
config.substitutions += [
    ("%python", python or sys.executable),
    ("%triton", triton or sys.executable),
    ("%ptxas", ptxas or "ptxas"),
    ("%src_root", config.attnc_source_dir),
    ("%build_root", config.attnc_binary_dir),
    ("%cxx", config.attnc_cxx + flags),
    ("%cc", config.attnc_cc + flags),
]

# ---- features ---------------------------------------------------------------


def cpu_flags():
    """The CPU's feature flags as the kernel names them."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("flags"):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


cpu = cpu_flags()
features = {
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512_bf16": {"avx512f", "avx512_bf16"},
    "avx512_fp16": {"avx512f", "avx512_fp16"},
    "f16c": {"f16c"},
}
for name, needed in features.items():
    if needed <= cpu:
        config.available_features.add(name)
if platform.machine() in ("x86_64", "AMD64"):
    config.available_features.add("x86_64")
if config.attnc_sanitize == "address":
    config.available_features.add("asan")
if config.attnc_sanitize == "thread":
    config.available_features.add("tsan")
if shutil.which("node", path=config.environment["PATH"]):  # Debian: nodejs
    config.available_features.add("node")
if shutil.which("clang-format-22", path=config.environment["PATH"]):
    config.available_features.add("clang-format")

# A hung kernel must not hang the run. lit needs psutil to end a test.
try:
    import psutil  # noqa: F401

    lit_config.maxIndividualTestTime = 1200 if config.attnc_sanitize else 600
except ImportError:
    lit_config.note("no psutil: tests run without a time limit")
