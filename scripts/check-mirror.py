#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that passes, their files and their tests mirror each other.

For every pass `attn-plan-pairs` in passes/Passes.td there must be
  passes/PlanPairs.cpp                     which defines it, one pass a file
  test/passes/plan-pairs.mlir              what it does
  test/passes/plan-pairs-invalid.mlir      what it refuses
and the tests must run the pass. The tests' names may also carry the `attn-`.
"""

import argparse
import os
import re
import sys

PASS = re.compile(r'^\s*def\s+(\w+)\s*:\s*(?:Interface)?Pass\s*<\s*"([^"]+)"',
                  re.MULTILINE)
DEFINES = re.compile(r"^\s*#\s*define\s+GEN_PASS_DEF_(\w+)", re.MULTILINE)


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError:
        return None


def camel(name):
    return "".join(part.capitalize() for part in name.split("-"))


def check_source(root, definition, stem, problems):
    """The pass has a file of its own that defines it."""
    source = f"passes/{camel(stem)}.cpp"
    text = read(os.path.join(root, source))
    if text is None:
        problems.append(f"{source}: error: missing; it should define the pass "
                        f"'attn-{stem}' of passes/Passes.td")
    elif definition.upper() not in DEFINES.findall(text):
        problems.append(f"{source}: error: does not define GEN_PASS_DEF_"
                        f"{definition.upper()}, the pass 'attn-{stem}'")


def check_test(root, stem, suffix, problems):
    """The pass has this test, and the test runs the pass."""
    names = [f"test/passes/{stem}{suffix}.mlir",
             f"test/passes/attn-{stem}{suffix}.mlir"]
    for name in names:
        text = read(os.path.join(root, name))
        if text is None:
            continue
        runs = [line for line in text.splitlines() if "RUN:" in line]
        pattern = rf"attn-{re.escape(stem)}(?![\w-])"
        if not any(re.search(pattern, line) for line in runs):
            problems.append(f"{name}:1: error: no RUN line runs the pass "
                            f"'attn-{stem}'")
        return
    problems.append(f"{names[0]}: error: missing; it should test the pass "
                    f"'attn-{stem}'")


def check_one_pass_a_file(root, definitions, problems):
    folder = os.path.join(root, "passes")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".cpp"):
            continue
        found = DEFINES.findall(read(os.path.join(folder, name)) or "")
        if len(found) > 1:
            problems.append(f"passes/{name}: error: defines {len(found)} passes "
                            f"({', '.join(found)}); one pass a file")
        for macro in found:
            if macro not in definitions:
                problems.append(f"passes/{name}: error: GEN_PASS_DEF_{macro} has "
                                "no entry in passes/Passes.td")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default, help="the source tree to check")
    root = parser.parse_args().root

    text = read(os.path.join(root, "passes", "Passes.td"))
    problems = []
    passes = PASS.findall(text or "")
    if not passes:
        problems.append("passes/Passes.td: error: missing, or defines no pass")
    else:
        check_one_pass_a_file(root, {d.upper() for d, _ in passes}, problems)
    for definition, name in passes:
        if not name.startswith("attn-"):
            problems.append(f"passes/Passes.td: error: the pass '{name}' should be "
                            "called attn-…")
            continue
        stem = name[len("attn-"):]
        check_source(root, definition, stem, problems)
        check_test(root, stem, "", problems)
        check_test(root, stem, "-invalid", problems)

    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"check-mirror: {len(passes)} passes, each with its file and tests")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
