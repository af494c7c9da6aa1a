# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark's own virtual environment, outside the source tree."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .terminal import BenchError, Status

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
# What is installed for each module that peers need.
REQUIREMENTS = {"torch": BENCH / "requirements.txt",
                **{name: BENCH / f"requirements-{name}.txt"
                   for name in ("onnxruntime", "openvino", "ggml")}}
# What the installation writes, for its progress bar: downloads and their contents.
EXPECTED_BYTES = {"torch": 6.7e9, "onnxruntime": 0.25e9, "openvino": 0.35e9, "ggml": 0.2e9}
TIME_LIMIT = 900  # seconds for an optional peer
OLDEST, NEWEST = (3, 11), (3, 14)  # Pythons that the peers have wheels for

PROBE = """
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(sys.version_info[0], sys.version_info[1], int(os.path.exists(header)))
"""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "attnc"


def venv_dir():
    return cache_dir() / "bench-venv"


def venv_python():
    return venv_dir() / "bin" / "python"


def inside():
    """Whether this process runs in the environment already."""
    return Path(sys.prefix).resolve() == venv_dir().resolve()


def _digest(name, python):
    text = REQUIREMENTS[name].read_bytes() + str(python).encode()
    return hashlib.sha256(text).hexdigest()


def _find_python():
    """An interpreter that can make the environment and has its C header, which
    the peer's compiled code includes."""
    candidates = [getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"]
    candidates += [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    problems = []
    for candidate in candidates:
        path = shutil.which(candidate)
        if not path:
            continue
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True)
        if probe.returncode != 0:
            problems.append(f"{candidate} cannot make virtual environments (Debian: python3-venv)")
            continue
        major, minor, header = map(int, probe.stdout.split())
        if not OLDEST <= (major, minor) <= NEWEST:
            problems.append(f"{candidate} is Python {major}.{minor}, which the peer does not support")
        elif not header:
            problems.append(f"{candidate} has no Python.h (Debian: python3-dev)")
        else:
            return path
    raise BenchError("no Python for the peer:\n  " + "\n  ".join(problems))


def _bytes_below(folder):
    total = 0
    for name, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(name, file)).st_size
            except OSError:
                pass
    return total


def _pip_install(folder, name, status, limit=float("inf")):
    """pip in a child, with a bar that follows what has arrived on the disk."""
    downloads = tempfile.mkdtemp(prefix="download-", dir=folder)
    log, expected = folder / "install.log", EXPECTED_BYTES[name]
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-deps",
               "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off",
               "-r", str(REQUIREMENTS[name])]
    start, before = time.monotonic(), _bytes_below(folder)
    most = before
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 env={**os.environ, "TMPDIR": downloads})
        try:
            while child.poll() is None:
                spent, most = time.monotonic() - start, max(most, _bytes_below(folder))
                if spent > limit:
                    child.terminate()
                status.show(f"installing {name}: {(most - before) / 1e9:.1f} of about "
                            f"{expected / 1e9:.1f} GB, {spent:.0f} s",
                            share=(most - before) / expected)
                time.sleep(1 if status.enabled else 0.2)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            status.clear()
            shutil.rmtree(downloads, ignore_errors=True)
    if child.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        if time.monotonic() - start > limit:
            tail.append(f"stopped after {limit} s")
        raise BenchError(f"pip could not install {name}:\n  " + "\n  ".join(tail))


class _Locked:
    """The environment's folder, for this process alone."""

    def __enter__(self):
        folder = venv_dir()
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.lock = open(folder.with_suffix(".lock"), "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return folder

    def __exit__(self, *_):
        self.lock.close()


def _stamp(name, word="ready"):
    return venv_dir() / (word if name == "torch" else f"{word}-{name}")


def _stamped(name, word="ready"):
    """(whether the stamp is for these versions, what else it says)."""
    try:
        digest, _, rest = _stamp(name, word).read_text(encoding="utf-8").partition("\n")
    except OSError:
        return False, ""
    base, _, text = rest.partition("\n")
    return digest == _digest(name, base) and venv_python().exists(), text


def _make(folder, status):
    """An empty environment. Returns the interpreter that it is based on."""
    base = _find_python()
    shutil.rmtree(folder, ignore_errors=True)
    status.show("making a virtual environment")
    made = subprocess.run([base, "-m", "venv", str(folder)], capture_output=True, text=True)
    if made.returncode != 0:
        raise BenchError(f"'{base} -m venv' failed:\n{made.stdout}{made.stderr}")
    (folder / "base").write_text(base, encoding="utf-8")
    return base


def ensure():
    """Makes the environment with PyTorch if it is missing, unfinished or for other
    versions. Returns its interpreter."""
    with _Locked() as folder:
        if _stamped("torch")[0]:
            return venv_python()
        print(f"Installing PyTorch {_pinned('torch')} into {folder}\n"
              "  (about 2.5 GB to download, 4.2 GB on the disk; "
              "`bench/pairs.py --reset` removes it)", file=sys.stderr, flush=True)
        status = Status()
        base = _make(folder, status)
        _pip_install(folder, "torch", status)
        _stamp("torch").write_text(f"{_digest('torch', base)}\n{base}", encoding="utf-8")
    return venv_python()


def ensure_optional(name):
    """Installs what an optional peer needs. Returns None or why it is not there; what
    failed once is not tried again before the environment is reset."""
    with _Locked() as folder:
        if _stamped(name)[0]:
            return None
        failed, reason = _stamped(name, "failed")
        if failed:
            return f"{reason} (--reset tries again)"
        status = Status()
        made = folder / "base"
        # An environment of before this file was kept is PyTorch's.
        base = (made.read_text(encoding="utf-8") if made.is_file() else
                _base_of_torch() or _make(folder, status))
        print(f"Installing {name} {_pinned(REQUIRED_PACKAGE.get(name, name), name)} into {folder}",
              file=sys.stderr, flush=True)
        try:
            _pip_install(folder, name, status, TIME_LIMIT)
        except BenchError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            reason = next((line for line in reversed(lines) if "rror" in line), lines[-1])
            reason = reason.removeprefix("ERROR: ")
            _stamp(name, "failed").write_text(f"{_digest(name, base)}\n{base}\n{reason}",
                                              encoding="utf-8")
            return reason
        _stamp(name).write_text(f"{_digest(name, base)}\n{base}", encoding="utf-8")
    return None


def why_missing(name):
    """Why an optional peer is not installed, or None."""
    if _stamped(name)[0]:
        return None
    failed, reason = _stamped(name, "failed")
    return reason if failed else "not installed"


REQUIRED_PACKAGE = {"ggml": "ggml-python"}


def _base_of_torch():
    if not _stamped("torch")[0]:
        return None
    return _stamp("torch").read_text(encoding="utf-8").splitlines()[1]


def reset():
    """Removes the environment; returns whether there was one."""
    folder = venv_dir()
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    return there


def _pinned(package, name="torch"):
    for line in REQUIREMENTS[name].read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if name == package:
            return version.strip()
    raise BenchError(f"{REQUIREMENTS[name].name} does not name {package}")


OPENMP = "#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n"


def find_cxx():
    """A C++ compiler with OpenMP, which the peer's compiler calls."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else [
        "g++", "clang++", "clang++-22", "clang++-21", "clang++-20", "clang++-19", "c++"]
    for name in names:
        path = shutil.which(name)
        if not path:
            continue
        with tempfile.TemporaryDirectory() as tmp:
            built = subprocess.run([path, "-fopenmp", "-x", "c++", "-", "-o", f"{tmp}/a.out"],
                                   input=OPENMP, capture_output=True, text=True)
        if built.returncode == 0:
            return path
    raise BenchError(f"no C++ compiler with OpenMP among {', '.join(names)}: FlexAttention "
                     "is compiled with one (Debian: apt-get install g++)")


def enter(threads, argv):
    """Runs the program anew inside the environment with PyTorch; does not return."""
    ensure()
    find_cxx()
    exec_inside(threads, argv)


def exec_inside(threads, argv):
    """Runs the program anew in the environment as it is; does not return."""
    python = venv_python()
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                       OPENBLAS_NUM_THREADS="1", PYTHONNOUSERSITE="1")
    try:
        environment["CXX"] = find_cxx()
    except BenchError:
        pass  # only FlexAttention's compiler asks for it, and says so
    os.execve(python, [str(python), *argv], environment)


def has_numpy(python):
    try:
        return subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0
    except OSError:
        return False


def enter_numpy(argv):
    """Runs the program anew in an interpreter that has NumPy; does not return."""
    for python in (venv_python(), "/usr/bin/python3"):
        if has_numpy(python):
            os.execv(python, [str(python), *argv])
    raise BenchError(f"{sys.executable} has no NumPy, and neither has /usr/bin/python3 "
                     "(Debian: python3-numpy)")
