#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that what documentation shows is what the tools print.

A fenced block whose line before is `<!-- $ COMMAND -->` is compared with the
output of COMMAND (run from the repository's root, tools from --bin first in
PATH). Every line of the block must occur in the output, in order; leading
blanks do not count. A line `...` stands for any lines, `...` inside a line for
any part of it.
"""

import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys

SNIPPET = re.compile(
    r"^<!-- \$ (?P<command>.*?) -->\n```[a-z]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def matches(want, have):
    parts = [re.escape(part.strip()) for part in want.strip().split("...")]
    return re.fullmatch(r"\s*" + ".*".join(parts) + r"\s*", have) is not None


def first_missing(text, output):
    """The first line of `text` that `output` lacks, or None."""
    lines = iter(output.splitlines())
    for want in text.splitlines():
        if not want.strip() or want.strip() == "...":
            continue
        if not any(matches(want, have) for have in lines):
            return want
    return None


def check(path, root, environment):
    """Prints what is wrong in one document; returns (snippets, failures)."""
    content = path.read_text(encoding="utf-8")
    count = failures = 0
    for snippet in SNIPPET.finditer(content):
        count += 1
        line = content.count("\n", 0, snippet.start()) + 1
        command = snippet["command"]
        run = subprocess.run(
            shlex.split(command), cwd=root, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        where = f"{path}:{line}"
        if run.returncode != 0:
            print(f"{where}: `{command}` failed:\n{run.stdout}")
            failures += 1
            continue
        missing = first_missing(snippet["text"], run.stdout)
        if missing is not None:
            print(f"{where}: `{command}` does not print (any more):\n"
                  f"  {missing.strip()}")
            failures += 1
    return count, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True,
                        help="directory of the tools, build/bin")
    parser.add_argument("documents", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    environment = dict(os.environ, NO_COLOR="1")
    environment["PATH"] = os.path.abspath(options.bin) + os.pathsep + environment["PATH"]
    total = bad = 0
    for path in options.documents:
        count, failures = check(path, root, environment)
        if count == 0:
            print(f"{path}: has no snippet to check")
            failures += 1
        total, bad = total + count, bad + failures
    print(f"{total} snippets, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
