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
REQUIREMENTS = BENCH / "requirements.txt"
# What the installation writes, for its progress bar: downloads and their contents.
EXPECTED_BYTES = 6.7e9
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


def _digest(python):
    text = REQUIREMENTS.read_bytes() + str(python).encode()
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


def _pip_install(folder, status):
    """pip in a child, with a bar that follows what has arrived on the disk."""
    downloads = tempfile.mkdtemp(prefix="download-", dir=folder)
    log = folder / "install.log"
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-deps",
               "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off",
               "-r", str(REQUIREMENTS)]
    start, most = time.monotonic(), 0
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 env={**os.environ, "TMPDIR": downloads})
        try:
            while child.poll() is None:
                most = max(most, _bytes_below(folder))
                status.show(f"installing the peer: {most / 1e9:.1f} of about "
                            f"{EXPECTED_BYTES / 1e9:.1f} GB, {time.monotonic() - start:.0f} s",
                            share=most / EXPECTED_BYTES)
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
        raise BenchError("pip could not install the peer:\n  " + "\n  ".join(tail))


def ensure():
    """Makes the environment if it is missing, unfinished or for other versions.
    Returns its interpreter."""
    folder = venv_dir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / "ready"
        base = None
        if ready.is_file():
            digest, _, base = ready.read_text(encoding="utf-8").partition("\n")
            if digest == _digest(base) and venv_python().exists():
                return venv_python()
        base = _find_python()
        print(f"Installing PyTorch {_pinned('torch')} into {folder}\n"
              "  (about 2.5 GB to download, 4.2 GB on the disk; "
              "`bench/pairs.py --reset` removes it)", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        status = Status()
        status.show("making a virtual environment")
        made = subprocess.run([base, "-m", "venv", str(folder)], capture_output=True, text=True)
        if made.returncode != 0:
            raise BenchError(f"'{base} -m venv' failed:\n{made.stdout}{made.stderr}")
        _pip_install(folder, status)
        ready.write_text(f"{_digest(base)}\n{base}", encoding="utf-8")
    return venv_python()


def reset():
    """Removes the environment; returns whether there was one."""
    folder = venv_dir()
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    return there


def _pinned(package):
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if name == package:
            return version.strip()
    raise BenchError(f"{REQUIREMENTS.name} does not name {package}")


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
    """Runs the program anew inside the environment; does not return."""
    python = ensure()
    environment = dict(os.environ, CXX=find_cxx(), OMP_NUM_THREADS=str(threads),
                       MKL_NUM_THREADS=str(threads), PYTHONNOUSERSITE="1")
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
