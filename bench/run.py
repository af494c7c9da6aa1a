#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attnc beside its peers on the attention that models use: prefill, decode, and what
lies between.

Installs the peers into an environment of its own, checks every side against an fp64
reference, times them in turns on pinned threads between loops that measure the
machine's limits, and writes tables, a JSON file and plots.

Exits with 1 when one of attnc's results is wrong.
"""

import argparse
import fnmatch
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
# NumPy computes references only: its threads would wait actively beside what is timed.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from attnc_bench import cases, environment  # noqa: E402
from attnc_bench.terminal import BenchError, paint  # noqa: E402

PEERS = {"sdpa": "torch", "flex": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino",
         "ggml": "ggml"}


def threads(text):
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of thread counts")
    return sorted(set(counts))


def dtypes(text):
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in cases.DTYPES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no type '{unknown[0]}'; there are "
                                         f"{', '.join(cases.DTYPES)}")
    return chosen


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--list", action="store_true", help="name the workloads")
    mode.add_argument("--spec", action="store_true",
                      help="print the workloads' specs (with --only, --dtype)")
    mode.add_argument("--self-test", action="store_true",
                      help="check these scripts on small cases; needs NumPy only")
    mode.add_argument("--reset", action="store_true",
                      help=f"remove the environment ({environment.venv_dir()})")
    parser.add_argument("--build", type=Path, default=environment.ROOT / "build", metavar="DIR",
                        help="attnc's build directory (default: build)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where results go (default: bench/results; with --quick nowhere)")
    parser.add_argument("--only", default=None, metavar="GLOB,GLOB",
                        help="some workloads, for example 'prefill-*,decode-8192'")
    parser.add_argument("--dtype", type=dtypes, default=list(cases.DTYPES), metavar="T,T",
                        help=f"some of {', '.join(cases.DTYPES)}")
    parser.add_argument("--threads", type=threads, metavar="N,N",
                        default=[count for count in (1, 2) if count <= len(os.sched_getaffinity(0))],
                        help="thread counts (default 1,2)")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help="time for each row's rounds (default 1; 0.2 with --quick)")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="at least so many rounds (default 7; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="few rows and short: is all in order?")
    parser.add_argument("--merge", action="store_true",
                        help="keep the rows of an earlier run that this one does not measure")
    parser.add_argument("--no-jit", action="store_true", help="leave compile time out")
    parser.add_argument("--no-peer", action="store_true",
                        help="attnc alone; needs NumPy and installs nothing")
    args = parser.parse_args()
    if (args.seconds is not None and not args.seconds > 0) or (args.rounds or 1) < 1:
        parser.error("--seconds and --rounds must be positive")
    args.seconds = args.seconds or (0.2 if args.quick else 1.0)
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.cases = chosen_cases(parser, args)
    args.build = args.build.resolve()
    if args.out is None and not args.quick:
        args.out = environment.BENCH / "results"
    return args


def chosen_cases(parser, args):
    if args.only is None:
        return [case for case in cases.ALL if case.quick or not args.quick]
    globs = args.only.split(",")
    for glob in globs:
        if not any(fnmatch.fnmatch(case.name, glob) for case in cases.ALL):
            parser.error(f"--only: no workload is called '{glob}'; --list names them")
    return [case for case in cases.ALL if any(fnmatch.fnmatch(case.name, g) for g in globs)]


def install(args):
    """Every peer's packages; one that cannot be had is left out with its reason."""
    for name in dict.fromkeys(PEERS.values()):
        try:
            reason = environment.ensure_optional(name)
        except BenchError as error:
            reason = str(error)
        if reason:
            print(paint(f"note: without {name}: {reason}", "yellow", sys.stderr), file=sys.stderr)


def run(args):
    if args.reset:
        there = environment.reset()
        print(f"{'removed' if there else 'there was no'} {environment.venv_dir()}")
        return 0
    if args.list:
        for case in args.cases:
            print(f"{case.name:28}{case.title}")
        return 0
    if args.spec:
        print("\n".join(cases.spec(case, args.dtype[0]) for case in args.cases), end="")
        return 0
    if not (args.no_peer or args.self_test or environment.inside()):
        install(args)
        if environment.venv_python().exists():
            environment.exec_inside(max(args.threads), sys.argv)
    if not environment.has_numpy(sys.executable):
        environment.enter_numpy(sys.argv)
    with tempfile.TemporaryDirectory(prefix="attnc-bench-") as folder:
        if args.self_test:
            from attnc_bench import suitetest
            return suitetest.run(args, folder)
        from attnc_bench import benchmark
        return benchmark.run(args, folder)


if __name__ == "__main__":
    try:
        sys.exit(run(parse_args()))
    except BenchError as error:
        sys.exit(f"run.py: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
