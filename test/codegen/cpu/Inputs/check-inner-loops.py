#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the innermost loops of x86-64 assembly (stdin): that those with the given
numbers of fused multiply-adds are there, each as often as it is given, and that
none of them keeps vectors on the stack.

  check-inner-loops.py 48 48 16 16 < kernel.s

A loop runs from a label to the last jump back to it. FileCheck cannot say where
one ends, nor that something occurs in it an exact number of times.
"""

import argparse
import re
import sys

LABEL = re.compile(r"^(\.L\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.L\w+)")
MULTIPLY_ADD = re.compile(r"^\s+vfmadd\w*p[sd]\s")
FRAME = re.compile(r"^\s+movq\s+%rsp, %rbp")
# Accesses of vector instructions: the stack pointer, and the frame's where
# there is a frame.
STACK = re.compile(r"^\s+v\w+.*\(%rsp\b")
STACK_OR_FRAME = re.compile(r"^\s+v\w+.*\(%r[sb]p\b")


def innermost_loops(lines):
    """(first, last) line numbers."""
    begin, end = {}, {}
    for number, line in enumerate(lines):
        if label := LABEL.match(line):
            begin[label.group(1)] = number
        elif (jump := JUMP.match(line)) and jump.group(1) in begin:
            end[jump.group(1)] = number
    loops = [(begin[label], last) for label, last in end.items()]
    return [loop for loop in loops
            if not any(loop != other and loop[0] <= other[0] and other[1] <= loop[1]
                       for other in loops)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="+")
    wanted = parser.parse_args().counts
    lines = sys.stdin.read().splitlines()
    stack = STACK_OR_FRAME if any(FRAME.match(line) for line in lines) else STACK
    found, problems = [], []
    for first, last in innermost_loops(lines):
        body = lines[first:last + 1]
        count = sum(bool(MULTIPLY_ADD.match(line)) for line in body)
        found.append(count)
        if count not in wanted:
            continue
        spills = [line.strip() for line in body if stack.match(line)]
        if spills:
            problems.append(f"the loop at {lines[first]} ({count} multiply-adds) keeps "
                            f"vectors on the stack: {spills[0]}")
    for count in sorted(set(wanted)):
        if found.count(count) != wanted.count(count):
            problems.append(f"{found.count(count)} innermost loops have {count} "
                            f"multiply-adds, {wanted.count(count)} should")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    counts = ", ".join(str(count) for count in sorted(found) if count)
    print(f"innermost loops with multiply-adds: {counts or 'none'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
