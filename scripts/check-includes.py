#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that includes between the rooms point one way only.

  tools -> codegen -> passes -> dialect   each may include those to its right
  runtime and codegen/kernelfile          plain C++: no room, no mlir/, no llvm/
  runtime/include/attnc/                  the only runtime headers that codegen,
                                          tools and examples may include
"""

import argparse
import os
import re
import sys

# What each room may include, by room; see the table above. "abi" stands for the
# headers in runtime/include, "llvm" for those of LLVM and MLIR.
ALLOWED = {
    "dialect": {"dialect", "llvm"},
    "passes": {"passes", "dialect", "llvm"},
    "codegen": {"codegen", "kernelfile", "passes", "dialect", "abi", "llvm"},
    "kernelfile": {"kernelfile", "abi"},
    "tools": {"tools", "codegen", "kernelfile", "passes", "dialect", "abi",
              "llvm"},
    "runtime": {"runtime", "abi"},
    "abi": {"abi"},
    "examples": {"examples", "abi"},
}
NAMES = {"abi": "runtime/include/attnc", "kernelfile": "codegen/kernelfile",
         "llvm": "LLVM or MLIR"}
SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".cc", ".inc", ".def", ".td")
INCLUDE = re.compile(r'^\s*#?\s*include\s*[<"]([^>"]+)[>"]')


def room_of(path):
    """The room of a path relative to the root, None outside all rooms."""
    path = path.replace(os.sep, "/")
    if path.startswith("runtime/include/"):
        return "abi"
    if path.startswith("codegen/kernelfile/"):
        return "kernelfile"
    first = path.split("/", 1)[0]
    return first if first in ALLOWED else None


def target_room(root, source, name):
    """The room that an include leads to, None for system headers."""
    folder = os.path.dirname(source)
    for base in (folder, "", "runtime/include"):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return room_of(candidate)
    if re.match(r"(mlir|llvm|mlir-c|llvm-c|clang|lld)/", name):
        return "llvm"
    if name.startswith("attnc/"):
        return "abi"
    # Generated files (*.inc) carry the name of their room.
    return room_of(name) if "/" in name else None


def check_file(root, source, problems):
    room = room_of(source)
    with open(os.path.join(root, source), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = target_room(root, source, match.group(1))
            if target is None or target in ALLOWED[room]:
                continue
            problems.append(
                f'{source}:{number}: error: {NAMES.get(room, room)} must not '
                f'include {NAMES.get(target, target)} ("{match.group(1)}")')


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default, help="the source tree to check")
    root = parser.parse_args().root

    problems = []
    count = 0
    for top in sorted({room for room in ALLOWED}):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(files):
                if name.endswith(SUFFIXES):
                    path = os.path.relpath(os.path.join(folder, name), root)
                    check_file(root, path, problems)
                    count += 1
    if count == 0:
        problems.append(f"{root}: error: no source file found in any room")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"check-includes: {count} files, includes point one way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
