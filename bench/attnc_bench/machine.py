# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a result needs to be read: the machine and the versions, and nothing that
tells whose machine it is."""

import os
import platform
import re
import subprocess
from pathlib import Path

from .environment import ROOT

LEVELS = [("AVX-512", {"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
          ("AVX2", {"avx2", "fma"}), ("AVX", {"avx"}), ("SSE4.2", {"sse4_2"})]
NOTABLE = ["sse4_2", "avx", "fma", "f16c", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512dq",
           "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"]


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu():
    text = _read("/proc/cpuinfo")
    fields = dict(re.findall(r"^([\w ]+?)\s*:\s*(.*)$", text, re.MULTILINE))
    flags = set(fields.get("flags", "").split())
    vectors = next((name for name, need in LEVELS if need <= flags), "baseline")
    return {"model": fields.get("model name", platform.machine()),
            "family": f"{fields.get('vendor_id', '?')} family {fields.get('cpu family', '?')} "
                      f"model {fields.get('model', '?')}",
            "cpus": os.cpu_count(), "vectors": vectors, "bf16": "avx512_bf16" in flags,
            "flags": [flag for flag in NOTABLE if flag in flags]}


def _caches():
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(folder / name).strip() for name in ("level", "type", "size"))
        if kind != "Instruction" and level:
            found[f"L{level}"] = size.replace("K", " KiB")
    return found


def _memory_gib():
    match = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return round(int(match.group(1)) / 2**20, 1) if match else None


def _system():
    fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', _read("/etc/os-release"), re.MULTILINE))
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    return f"{fields.get('PRETTY_NAME', platform.system())}, Linux {release}"


def _commit():
    def git(*arguments):
        return subprocess.run(["git", "-C", str(ROOT), *arguments],
                              capture_output=True, text=True)

    head = git("rev-parse", "--short=12", "HEAD")
    if head.returncode != 0:
        return None
    # Results of an earlier run do not make the tree another one.
    changed = git("status", "--porcelain", "--", ".", ":!bench/results").stdout.strip()
    return head.stdout.strip() + (" with changes" if changed else "")


def load():
    return round(os.getloadavg()[0], 2)


def describe(compiler, peer_versions):
    return {"cpu": _cpu(), "caches": _caches(), "memory_gib": _memory_gib(),
            "system": _system(), "load_before": load(), "commit": _commit(),
            "versions": {"attnc": compiler.version(), "python": platform.python_version(),
                         **peer_versions}}


def one_line(machine):
    cpu = machine["cpu"]
    return f"{cpu['model']}, {cpu['vectors']}, {cpu['cpus']} CPUs"
