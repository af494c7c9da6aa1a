#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attnc's GPU kernels beside Triton's for the same problem, judged from machine code.

Causal f16 attention is compiled for each chip by both sides. Registers, spills and shared
memory are what ptxas says; the instruction mix and the predicted share of the chip's dense
16-bit tensor-core peak are of the main loop (bench/attnc_gpu/model.py); bank conflicts are
counted by the PTX executor. Nothing here is a measurement. Where there is a CUDA device,
attnc's kernels are also run on it, and that row says "measured".

The first run makes an environment with Triton and parts of the CUDA Toolkit.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from attnc_bench import environment  # noqa: E402
from attnc_gpu import model, problems, sass  # noqa: E402

REQUIREMENTS = Path(__file__).resolve().parent / "requirements-gpu.txt"


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=environment.ROOT / "build", metavar="DIR",
                        help="attnc's build directory (default: build)")
    parser.add_argument("--python", metavar="FILE",
                        help="an interpreter that has Triton, instead of an environment")
    parser.add_argument("--only", metavar="sm_80:128,...", help="these chips and head sizes alone")
    parser.add_argument("--no-peer", action="store_true", help="attnc alone; installs no Triton")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


def peer_python(args):
    """The interpreter with Triton; makes the environment where there is none."""
    if args.python:
        return args.python
    folder = environment.cache_dir() / "gpu-venv"
    python = folder / "bin" / "python"
    stamp, wanted = folder / "ready", REQUIREMENTS.read_text()
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"Installing Triton and parts of the CUDA Toolkit into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                        "-r", REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return str(python)


def use_tools(python):
    """Adds the environment's packages to where programs are looked for."""
    done = subprocess.run([python, "-c", "import sys; print('\\n'.join(sys.path))"],
                          capture_output=True, text=True, check=True)
    sys.path.extend(p for p in done.stdout.splitlines() if p.endswith("-packages"))
    if "ATTNC_PTXAS" not in os.environ:
        os.environ["ATTNC_PTXAS"] = sass.find_tool("ptxas")


def cuda_device():
    """Whether a CUDA device is here."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int()
        return (cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
                and count.value > 0)
    except OSError:
        return False


def chosen(args):
    if not args.only:
        return problems.PROBLEMS
    known = {f"sm_{p.sm}:{p.d}": p for p in problems.PROBLEMS}
    names = args.only.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"gpu.py: no problem '{unknown[0]}'; there are {', '.join(known)}")
    return [known[name] for name in names]


def judge(candidate):
    """A row of figures."""
    p = model.predict(candidate.cubin, candidate.name, candidate.shared)
    return {"side": candidate.side, "note": candidate.note, "registers": p.registers,
            "spills": p.spills, "shared": p.shared, "threads": p.threads, "blocks": p.blocks,
            "loop": p.loop, "mix": dict(p.mix.most_common(8)), "bound": p.bound,
            "predicted": p.predicted, "with_rare": p.rare, "serialised": p.serialised,
            "bank_conflicts": candidate.banks}


def show(row):
    banks = "not run" if row["bank_conflicts"] is None else row["bank_conflicts"]
    print(f"  {row['side']:<13} predicted {row['predicted']:3.0f}% of peak"
          f" ({row['with_rare']:.0f}% with rare blocks always), bound {row['bound']:.0f}%"
          f"{', wgmma serialised' if row['serialised'] else ''}   {row['note']}")
    print(f"{'':16}{row['registers']} registers, {row['spills']} spills in the loop, "
          f"{row['shared'] / 1024:.0f} KiB shared, {row['threads']} threads, "
          f"{row['blocks']} blocks a multiprocessor, bank conflicts {banks}")
    mix = ", ".join(f"{name} {count}" for name, count in row["mix"].items())
    print(f"{'':16}{row['loop']} instructions: {mix}")


def main():
    args = parse_args()
    attnc = args.build / "bin" / "attnc"
    if not attnc.is_file():
        sys.exit(f"gpu.py: {attnc} is not there: run 'make build' or give --build")
    wanted = chosen(args)
    python = sys.executable if args.no_peer and not args.python else peer_python(args)
    rows, device, failures = [], cuda_device(), 0
    try:
        use_tools(python)
    except sass.SassError as error:
        sys.exit(f"gpu.py: {error}")
    print("causal attention, f16. Predicted from machine code, per cent of the dense 16-bit "
          "tensor-core peak;\nnothing is measured"
          + (" but what says so." if device else ": there is no CUDA device here."))
    with tempfile.TemporaryDirectory() as folder:
        for problem in wanted:
            print(f"sm_{problem.sm}, head size {problem.d}")
            try:
                candidates = [problems.attnc_candidate(attnc, folder, problem)]
                found = [judge(c) for c in candidates]
                if not args.no_peer:
                    peers = [judge(c) for c in problems.triton_candidates(python, attnc, folder,
                                                                          problem)]
                    found += sorted(peers, key=lambda r: -r["predicted"])[:1]
                if device:
                    speed = problems.measure(attnc, folder, problem, "cuda")
                    print(f"  attnc         measured {speed:.1f} TFLOP/s on this machine's device")
                    found[0]["measured_tflops"] = speed
            except sass.SassError as error:
                failures += 1
                print(f"  {error}")
                continue
            for row in found:
                show(row)
            rows += [{"sm": problem.sm, "d": problem.d, **row} for row in found]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
