#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the innermost loops of x86-64 assembly (AT&T syntax, from stdin).

  inner_loops.py MNEMONIC LOOPS COUNT

There must be at least LOOPS innermost loops with COUNT or more of MNEMONIC (a
regular expression), and none of them may spill: no vector register may be
written to the stack, nor be read from where one was.
"""

import re
import sys

LABEL = re.compile(r"^(\.?\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.?\w+)")
STACK = re.compile(r"%[xyz]mm.*\(%r[sb]p|\(%r[sb]p.*%[xyz]mm")


def innermost_loops(lines):
    """Runs of lines from a label to the jump back to it, with no loop inside."""
    labels, loops = {}, []
    for number, line in enumerate(lines):
        if label := LABEL.match(line):
            labels[label.group(1)] = number
        elif (jump := JUMP.match(line)) and jump.group(1) in labels:
            loops.append((labels[jump.group(1)], number))
    return [(a, b) for a, b in loops
            if not any(a <= c and d <= b and (a, b) != (c, d)
                       for c, d in loops)]


def main():
    mnemonic = re.compile(r"^\s+(?:%s)\s" % sys.argv[1])
    wanted, count = int(sys.argv[2]), int(sys.argv[3])
    lines = sys.stdin.read().splitlines()
    found, spills = 0, []
    for begin, end in innermost_loops(lines):
        body = lines[begin:end + 1]
        if sum(bool(mnemonic.match(line)) for line in body) < count:
            continue
        found += 1
        spills += [line.strip() for line in body if STACK.search(line)]
    print(f"{found} innermost loops with {count} or more of {sys.argv[1]}, "
          f"{len(spills)} spills")
    for line in spills:
        print("  " + line)
    return 0 if found >= wanted and not spills else 1


if __name__ == "__main__":
    sys.exit(main())
