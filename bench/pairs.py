#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attnc beside PyTorch FlexAttention on masks that leave most pairs out.

Installs the peer into an environment of its own, checks both sides against an
fp64 reference, times them in turns on pinned threads, and writes a table, a JSON
file and a plot. The time to make FlexAttention's block mask, which it needs again
for each new mask and length, is reported beside the attention, not in it.

--bounds measures instead what the evaluation of loop bounds costs at n = 65,536.

Exits with 1 when a result is wrong or a mask cannot be compiled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from attnc_bench import environment  # noqa: E402
from attnc_bench.terminal import BenchError  # noqa: E402

NAMES = ["full", "causal", "window", "sparse", "documents", "documents-causal"]


def numbers(text):
    try:
        values = [int(part) for part in text.replace("_", "").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers") from None
    if min(values) < 1:
        raise argparse.ArgumentTypeError("lengths are at least 1")
    return values


def names(text):
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no workload '{unknown[0]}'; there are {', '.join(NAMES)}")
    return chosen


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--bounds", action="store_true", help="measure the cost of bounds instead")
    mode.add_argument("--self-test", action="store_true",
                      help="check these scripts on small cases; needs NumPy only")
    mode.add_argument("--reset", action="store_true",
                      help=f"remove the environment ({environment.venv_dir()})")
    parser.add_argument("--build", type=Path, default=environment.ROOT / "build", metavar="DIR",
                        help="attnc's build directory (default: build)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where results go (default: bench/results; with --quick nowhere)")
    parser.add_argument("--n", type=int, metavar="N",
                        help="sequence length (default 4096; 512 with --quick; 65536 with --bounds)")
    parser.add_argument("--lengths", type=numbers, default=[], metavar="N,N",
                        help="more lengths, for example 1024,16384")
    parser.add_argument("--only", type=names, default=NAMES, metavar="NAME,NAME",
                        help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--threads", type=int, default=1, help="threads of either side (default 1)")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help="time for each row's rounds (default 8; 0.5 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small and short: is all in order?")
    parser.add_argument("--no-peer", action="store_true",
                        help="attnc alone; needs NumPy and installs nothing")
    args = parser.parse_args()
    if args.threads < 1 or (args.n is not None and args.n < 2):
        parser.error("--threads must be at least 1 and --n at least 2")
    if args.seconds is not None and not args.seconds > 0:
        parser.error("--seconds must be positive")
    args.build = args.build.resolve()
    if args.out is None and not args.quick:
        args.out = environment.BENCH / "results"
    return args


def set_defaults(args):
    usual = 65536 if args.bounds else 4096
    if args.n is None:
        args.n = (2048 if args.bounds else 512) if args.quick else usual
    if args.seconds is None:
        args.seconds = 0.5 if args.quick else 8.0


def needs_environment(args):
    """Whether this run wants PyTorch, or a NumPy that this interpreter lacks."""
    if environment.inside():
        return False
    return not (args.no_peer or args.bounds or args.self_test)


def run(args):
    if args.reset:
        there = environment.reset()
        print(f"{'removed' if there else 'there was no'} {environment.venv_dir()}")
        return 0
    if needs_environment(args):
        environment.enter(args.threads, sys.argv)
    if not environment.has_numpy(sys.executable):
        environment.enter_numpy(sys.argv)
    set_defaults(args)
    with tempfile.TemporaryDirectory(prefix="attnc-bench-") as folder:
        if args.self_test:
            from attnc_bench import selftest
            return selftest.run(args, folder)
        if args.bounds:
            from attnc_bench import bounds
            return bounds.run(args, folder)
        from attnc_bench import compare
        return compare.run(args, folder)


if __name__ == "__main__":
    try:
        sys.exit(run(parse_args()))
    except BenchError as error:
        sys.exit(f"pairs.py: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
