#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Warns of long files and long functions in the C++ sources.

Warnings only, exit status 0, unless --strict is given. Functions are found by
their braces, which is exact enough for code that clang-format has laid out.
"""

import argparse
import os
import re
import sys

ROOMS = ["dialect", "passes", "codegen", "runtime", "tools", "test", "bench"]
SUFFIXES = (".h", ".c", ".cpp")
CONTAINER = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def blank(match):
    """Spaces instead of text, with the line breaks kept."""
    return re.sub(r"[^\n]", " ", match.group(0))


def strip(text):
    """The text without comments, strings, characters and preprocessor lines."""
    tokens = re.compile(
        r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
        r"|'(?:\\.|[^'\\\n])+'", re.DOTALL)
    # 1'000'000 is a number, not two character literals.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", " ", text)
    text = tokens.sub(blank, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.MULTILINE)


def functions(text):
    """Yields (first line, number of lines, header) of each outermost function."""
    text = strip(text)
    stack = []  # of (is it a container, line of its header, header)
    start = 0  # where the header of the next block begins
    for match in re.finditer(r"[{};]", text):
        token, at = match.group(0), match.start()
        if token == "{":
            header = text[start:at].strip()
            line = text.count("\n", 0, at) + 1 - header.count("\n")
            outer = all(container for container, _, _ in stack)
            is_function = "(" in header and not re.match(
                r"(template\s*<[^>]*>\s*)?(namespace|class|struct|union|enum)\b",
                header)
            container = outer and not is_function and bool(
                CONTAINER.search(header))
            stack.append((container, line, header if outer and is_function
                          else None))
        elif token == "}" and stack:
            _, line, header = stack.pop()
            if header:
                yield line, text.count("\n", 0, at) + 2 - line, header
        start = at + 1


def name_of(header):
    match = re.search(r"([~\w:]+)\s*\(", header)
    return match.group(1) if match else "function"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default, help="the source tree to check")
    parser.add_argument("--max-file", type=int, default=600, metavar="LINES")
    parser.add_argument("--max-function", type=int, default=80, metavar="LINES")
    parser.add_argument("--strict", action="store_true", help="warnings are errors")
    args = parser.parse_args()

    warnings = []
    count = 0
    for room in ROOMS:
        for folder, folders, files in os.walk(os.path.join(args.root, room)):
            folders.sort()
            for name in sorted(f for f in files if f.endswith(SUFFIXES)):
                path = os.path.join(folder, name)
                shown = os.path.relpath(path, args.root)
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                count += 1
                lines = text.count("\n")
                if lines > args.max_file:
                    warnings.append(f"{shown}:1: warning: {lines} lines, more than "
                                    f"{args.max_file}: split it")
                for line, length, header in functions(text):
                    if length > args.max_function:
                        warnings.append(
                            f"{shown}:{line}: warning: {name_of(header)} has "
                            f"{length} lines, more than {args.max_function}")
    for warning in warnings:
        print(warning, file=sys.stderr)
    print(f"check-sizes: {count} files, {len(warnings)} warnings")
    return 1 if count == 0 or (args.strict and warnings) else 0


if __name__ == "__main__":
    sys.exit(main())
