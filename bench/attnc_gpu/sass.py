# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SASS: instructions of a cubin with ptxas's scheduling fields, and its loops."""

import os
import re
import shutil
import struct
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

# `stall`: cycles before the warp's next instruction. `result` and `read`: scoreboards that
# it sets, until its result is there and until its operands are read (None: no such);
# `waits`: those that it waits for.
Instruction = namedtuple("Instruction", "address guard name modifiers operands "
                                        "stall result read waits target")
Kernel = namedtuple("Kernel", "name registers shared threads sm")


class SassError(Exception):
    """What is missing, or wrong with a file."""


def find_tool(name):
    """A program of the CUDA Toolkit: from the environment, PATH or PyPI's wheels."""
    named = os.environ.get(name.upper())
    if named:
        return named
    for folder in sys.path:
        for found in sorted(Path(folder).glob(f"nvidia/*/bin/{name}")):
            return str(found)
    found = shutil.which(name)
    if found:
        return found
    raise SassError(f"{name} is not there: pip install nvidia-cuda-{name}, or set {name.upper()}")


def _sections(data):
    """(name, header) of each section of an ELF file."""
    if data[:4] != b"\x7fELF":
        raise SassError("not a cubin: it does not begin like an ELF file")
    table, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]

    def text(base, offset):
        start = headers[base][4] + offset
        return data[start:data.index(b"\0", start)].decode()

    symbols = next((h for h in headers if h[1] == 2), None)

    def symbol(number):
        offset, = struct.unpack_from("<I", data, symbols[4] + 24 * number)
        return text(symbols[6], offset)

    return [(text(names, h[0]), h) for h in headers], symbol


def _attributes(data, header):
    """(kind, payload) of an .nv.info section."""
    at, end = header[4], header[4] + header[5]
    while at + 4 <= end:
        form, kind, value = struct.unpack_from("<BBH", data, at)
        at += 4
        if form == 4:
            yield kind, data[at:at + value]
            at += value


def read_kernels(path):
    """The kernels of a cubin by name: registers, static shared bytes, threads."""
    data = Path(path).read_bytes()
    sections, symbol = _sections(data)
    flags, = struct.unpack_from("<I", data, 0x30)
    sm = (flags >> 8) & 0xFF if data[8] >= 8 else flags & 0xFF
    found = {name[6:]: dict(registers=0, shared=0, threads=0)
             for name, _ in sections if name.startswith(".text.")}
    for name, header in sections:
        if name == ".nv.info":
            for kind, payload in _attributes(data, header):
                if kind == 0x2F:  # register count of a symbol
                    number, registers = struct.unpack_from("<II", payload)
                    if symbol(number) in found:
                        found[symbol(number)]["registers"] = registers
        elif name.startswith(".nv.info.") and name[9:] in found:
            for kind, payload in _attributes(data, header):
                if kind in (0x05, 0x10):  # most, or required, threads
                    x, y, z = struct.unpack_from("<III", payload)
                    entry = found[name[9:]]
                    if kind == 0x10 or not entry["threads"]:
                        entry["threads"] = x * y * z
        elif name.startswith(".nv.shared.") and name[11:] in found:
            found[name[11:]]["shared"] = header[5]
    return {name: Kernel(name, f["registers"], f["shared"], f["threads"], sm)
            for name, f in found.items()}


LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;\s+/\* 0x[0-9a-f]{16} \*/")
HALF = re.compile(r"/\* 0x([0-9a-f]{16}) \*/")


def _parse(address, text, control):
    words = text.split(None, 1) if text.startswith("@") else ["", text]
    guard, rest = words[0], words[1]
    head, _, operands = rest.partition(" ")
    name, *modifiers = head.split(".")
    jump = re.search(r"(0x[0-9a-f]+)\s*$", operands) if name in ("BRA", "JMP") else None
    result, read = (board if board < 6 else None
                    for board in ((control >> 46) & 7, (control >> 49) & 7))
    waits = [b for b in range(6) if (control >> 52) & (1 << b)]
    return Instruction(address, guard, name, tuple(modifiers), operands, (control >> 41) & 15,
                       result, read, waits, int(jump[1], 16) if jump else None)


def disassemble(path, kernel):
    """The kernel's instructions in order."""
    output = subprocess.run([find_tool("cuobjdump"), "-sass", "-fun", kernel, str(path)],
                            capture_output=True, text=True, check=False)
    lines = output.stdout.splitlines()
    code = []
    for number, line in enumerate(lines):
        match = LINE.search(line)
        if match:
            control = int(HALF.search(lines[number + 1])[1], 16)
            code.append(_parse(int(match[1], 16), match[2], control))
    if not code:
        raise SassError(f"{path}: no code of {kernel}: {output.stderr.strip()[:200]}")
    return code


def _conditional(i):
    return bool(i.guard) or (i.name == "BRA" and re.match(r"!?UP\d|!?P\d", i.operands))


def natural_loops(code):
    """(first, last) of each loop whose head dominates the jump back to it."""
    place = {i.address: n for n, i in enumerate(code)}
    ends_flow = ("BRA", "EXIT", "RET", "JMP")
    heads = sorted({0} | {place[i.target] for i in code if i.target in place}
                   | {n + 1 for n, i in enumerate(code[:-1]) if i.name in ends_flow})
    block = {head: n for n, head in enumerate(heads)}
    last = [head - 1 for head in heads[1:]] + [len(code) - 1]
    successors = []
    for n, end in enumerate(last):
        to = {block[place[code[end].target]]} if code[end].target in place else set()
        if (code[end].name not in ends_flow or _conditional(code[end])) and n + 1 < len(heads):
            to.add(n + 1)
        successors.append(to)
    dominators = [None] * len(heads)
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for n in range(1, len(heads)):
            known = [dominators[p] for p in range(len(heads))
                     if n in successors[p] and dominators[p] is not None]
            if known:
                new = set.intersection(*known) | {n}
                changed |= new != dominators[n]
                dominators[n] = new
    loops = {}
    for n in range(len(heads)):
        for to in successors[n]:
            if dominators[n] is not None and to in dominators[n]:
                loops[heads[to]] = max(loops.get(heads[to], 0), last[n])
    return sorted(loops.items(), key=lambda loop: loop[1] - loop[0])


def rare_places(body):
    """Places that a vote of the warp jumps over: blocks that run now and then, such as
    the rescaling of an accumulator whose maximum has grown."""
    place = {i.address: n for n, i in enumerate(body)}
    rare = set()
    for n, i in enumerate(body):
        if i.name != "BRA" or i.target not in place or place[i.target] <= n + 1:
            continue
        predicate = re.search(r"U?P\d", i.guard + " " + i.operands)
        if not predicate:
            continue
        writer = next((w for w in reversed(body[:n])
                       if re.match(rf"(\w+, )?{predicate[0]}\b", w.operands)), None)
        if writer is not None and writer.name in ("VOTE", "VOTEU"):
            rare.update(range(n + 1, place[i.target]))
    return rare
