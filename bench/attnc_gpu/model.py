# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What share of a chip's tensor-core peak a kernel's main loop can reach, predicted from
its machine code.

Two figures, both per cent of the dense 16-bit peak at the same clock:

  bound      tensor cycles beside those of the busiest other resource
  predicted  tensor cycles beside those of a simulation: one scheduler of a
             multiprocessor, in order, with ptxas's own stall counts and scoreboards

Blocks of threads have barriers of their own, the rate is that of all warps, blocks of
code behind a vote are left out (`rare`: what the figure is when they run every time),
and a wgmma that is waited for at once pays for the drained pipe. Not seen: bank
conflicts, caches, memory, the kernel's beginning and end, masks.
"""

import re
from collections import Counter, namedtuple

from . import sass

# Per scheduler (a quarter of a multiprocessor): multiply-adds of the tensor core a
# cycle; the share of them that mma.sync reaches; cycles a warp's f32 instruction
# holds the FMA pipe; KiB of shared memory; most warps of a multiprocessor.
Chip = namedtuple("Chip", "name tensor sync_share fma shared warps")
CHIPS = {80: Chip("A100", 256, 1.0, 2, 164, 64), 86: Chip("GA10x", 128, 1.0, 1, 100, 48),
         89: Chip("AD10x", 128, 1.0, 1, 100, 48), 90: Chip("H100", 512, 0.62, 1, 228, 64),
         100: Chip("B200", 1024, 0.31, 1, 228, 64), 120: Chip("RTX 50", 128, 1.0, 1, 100, 48)}

INTEGER, SPECIAL = 2, 8      # cycles that one warp's instruction holds the pipe
SHARED_BYTES = 32            # a cycle and scheduler: a quarter of 128
LATENCY = {"special": 20, "ldmatrix": 33, "shared": 29, "shuffle": 24, "global": 400, "other": 20}
BACKLOG = {"tensor": 0, "fma": 0, "integer": 0, "special": 16, "shared": 32}  # queued cycles
OPERANDS_READ = 8            # cycles after which an instruction has read its operands
DRAIN = 60                   # of a warpgroup's pipe, before its result can be read

FLOAT = {"FFMA", "FMUL", "FADD", "FFMA2", "FMUL2", "FADD2"}
HALF = {"HFMA2", "HADD2", "HMUL2"}
MULTIPLY = {"IMAD", "IDP", "IMUL"}
SPECIALS = {"MUFU", "I2F", "F2I", "F2F", "FRND", "POPC", "FLO", "BREV"}
MEMORY = ("LD", "ST", "RED", "ATOM", "SHFL", "MOVM")
FREE = {"BRA", "EXIT", "BSSY", "BSYNC", "NOP", "WARPSYNC", "BAR", "DEPBAR", "LDGDEPBAR", "YIELD",
        "CALL", "RET", "WARPGROUP", "SYNCS", "FENCE", "MEMBAR", "NANOSLEEP", "ELECT", "CCTL",
        "ERRBAR", "BREAK", "BMOV", "JMP", "KILL", "USETMAXREG", "ARRIVES", "PLOP3"}

Cost = namedtuple("Cost", "pipe cycles latency shared")
Prediction = namedtuple(
    "Prediction", "chip sm registers shared threads blocks loop spills mix pipes bound predicted "
                  "rare serialised")


def tensor_work(i):
    """Multiply-adds of one scheduler for one issue."""
    if i.name in ("HMMA", "IMMA", "QMMA"):
        shape = re.match(r"(\d\d)(\d)(\d+)$", i.modifiers[0]) if i.modifiers else None
        return int(shape[1]) * int(shape[2]) * int(shape[3]) if shape else 2048
    if i.name in ("HGMMA", "QGMMA", "IGMMA"):
        m, n, k = map(int, i.modifiers[0].split("x"))
        return m * n * k // 4
    return 0


def shared_bytes(i):
    """Bytes of shared memory that a warp's instruction moves."""
    if i.name in ("LDSM", "STSM"):
        return 128 * int(i.modifiers[-1] if i.modifiers[-1:] and i.modifiers[-1] in "124" else 1)
    if i.name in ("LDS", "STS", "LDGSTS"):
        return 32 * (16 if "128" in i.modifiers else 8 if "64" in i.modifiers else 4)
    if i.name == "HGMMA":  # B is shared by the group's four warps; A may be in registers
        m, n, k = map(int, i.modifiers[0].split("x"))
        in_registers = re.match(r"R\d+, R\d+, gdesc", i.operands)
        return (2 * k * n + (0 if in_registers else 2 * m * k)) // 4
    return 128 if i.name == "SHFL" else 0


def cost(i, chip):
    """Which pipe an instruction holds, how long, and when its result is there."""
    work = tensor_work(i)
    if work:
        rate = chip.tensor * (1.0 if "GMMA" in i.name else chip.sync_share)
        traffic = shared_bytes(i) / SHARED_BYTES if "GMMA" in i.name else 0
        return Cost("tensor", work / rate, LATENCY["other"], traffic)
    if i.name in SPECIALS:
        return Cost("special", SPECIAL, LATENCY["special"], 0)
    if i.name in FLOAT:
        twice = 2 if i.name.endswith("2") and chip.fma == 1 else 1
        return Cost("fma", chip.fma * twice, LATENCY["other"], 0)
    if i.name in HALF or i.name in MULTIPLY:
        return Cost("fma", 1 if i.name in HALF else 2, LATENCY["other"], 0)
    if i.name in FREE or i.name.startswith(("U", "R2UR", "S2UR", "VOTEU", "CS2UR", "SYNC")):
        return Cost("", 0, LATENCY["other"], 0)
    if i.name.startswith(MEMORY) or i.name in ("LDSM", "STSM"):
        moved = shared_bytes(i)
        kind = ("ldmatrix" if i.name == "LDSM" else "shuffle" if i.name == "SHFL" else
                "shared" if i.name in ("LDS", "STS") else "global" if i.name.startswith("LD")
                else "other")
        return Cost("shared", moved / SHARED_BYTES if moved else 4, LATENCY[kind], 0)
    return Cost("integer", INTEGER, LATENCY["other"], 0)


def main_loop(code):
    """(first, last) of the innermost loop with most tensor work."""
    loops = [l for l in sass.natural_loops(code)
             if any(tensor_work(i) for i in code[l[0]:l[1] + 1])]
    inner = [l for l in loops
             if not any(o != l and l[0] <= o[0] and o[1] <= l[1] for o in loops)]
    if not inner:
        raise sass.SassError("no loop with work for tensor cores")
    return max(inner, key=lambda l: sum(tensor_work(i) for i in code[l[0]:l[1] + 1]))


def totals(body, chip):
    """Cycles by resource of one warp's iteration; `issue` is one a slot."""
    sums = Counter(issue=len(body))
    for i in body:
        c = cost(i, chip)
        if c.pipe:
            sums[c.pipe] += c.cycles
        if c.shared:
            sums["shared"] += c.shared
    return sums


class Warp:
    """Where one warp is."""

    def __init__(self, block, start):
        self.block, self.ready = block, start
        self.place = self.iterations = 0
        self.scoreboards = [0] * 6
        self.groups = []  # ends of the wgmma groups in flight

    def position(self):
        return self.iterations, self.place


class Simulation:
    """One scheduler. Blocks have the same number of warps on each of the four, so a
    barrier among a block's warps here stands for the whole block's."""

    def __init__(self, body, chip, blocks, warps_of_block):
        self.body = body
        self.costs = [cost(i, chip) for i in body]
        self.barrier = [i.name == "BAR" and "SYNC" in i.modifiers for i in body]
        self.drains = [self._kept(i) for i in body]
        self.warps = [Warp(b, 7 * (b * warps_of_block + w))
                      for b in range(blocks) for w in range(warps_of_block)]
        self.free = Counter()

    @staticmethod
    def _kept(i):
        """Groups that may stay in flight after a wait; None: it is no wait."""
        if i.name != "WARPGROUP" or "DEPBAR" not in i.modifiers:
            return None
        return int(re.search(r"0x([0-9a-f]+)\s*$", i.operands)[1], 16)

    def _ready(self, warp):
        i, c = self.body[warp.place], self.costs[warp.place]
        ready = max([warp.ready] + [warp.scoreboards[b] for b in i.waits])
        if c.pipe:
            ready = max(ready, self.free[c.pipe] - BACKLOG[c.pipe]
                        - (2 * c.cycles if "GMMA" in i.name else 0))
        kept = self.drains[warp.place]
        if kept is not None and len(warp.groups) > kept:
            ready = max(ready, warp.groups[len(warp.groups) - kept - 1])
        return ready

    def _blocked(self, warp):
        """Whether others of its block are still before the barrier."""
        return self.barrier[warp.place] and any(
            other.block == warp.block and other.position() < warp.position()
            for other in self.warps)

    def _issue(self, warp, now):
        i, c = self.body[warp.place], self.costs[warp.place]
        start = max(now, self.free[c.pipe]) if c.pipe else now
        if c.pipe:
            self.free[c.pipe] = start + c.cycles
        if c.shared:
            self.free["shared"] = max(self.free["shared"], start) + c.shared
        if "GMMA" in i.name and "gsb0" in i.operands:
            warp.groups = (warp.groups + [start + c.cycles + DRAIN])[-8:]
        for board, latency in ((i.result, c.latency), (i.read, OPERANDS_READ)):
            if board is not None:
                warp.scoreboards[board] = max(warp.scoreboards[board],
                                              start + c.cycles + latency)
        warp.ready = now + max(1, i.stall)
        warp.place += 1
        if warp.place == len(self.body):
            warp.place = 0
            warp.iterations += 1

    def cycles(self, iterations=8, warm=2):
        """Cycles that one warp's iteration takes of the scheduler, over all warps."""
        now, last, began, done = 0, 0, None, 0
        count = len(self.warps)
        while min(w.iterations for w in self.warps) < iterations and now < 4_000_000:
            nearest = None
            for k in [last] + [k for k in range(count) if k != last]:
                warp = self.warps[k]
                if self._blocked(warp):
                    continue
                ready = self._ready(warp)
                if ready > now:
                    nearest = ready if nearest is None else min(nearest, ready)
                    continue
                self._issue(warp, now)
                last, nearest = k, now + 1
                break
            now = max(now + 1, int(nearest) if nearest is not None else now + 1)
            finished = sum(w.iterations for w in self.warps)
            if began is None and min(w.iterations for w in self.warps) >= warm:
                began, done = now, finished
        finished = sum(w.iterations for w in self.warps)
        return (now - began) / (finished - done) if began and finished > done else float("inf")


def resident_blocks(kernel, shared, chip):
    """Blocks that a multiprocessor holds at once."""
    warps = max(1, kernel.threads // 32)
    of_warp = -(-kernel.registers * 32 // 256) * 256
    by_registers = 65536 // max(1, of_warp * warps)
    by_shared = chip.shared * 1024 // (shared + 1024)
    return max(1, min(by_registers, by_shared, chip.warps // warps, 32))


def _serialised(body):
    """Whether each wgmma of several is waited for before the next."""
    groups = sum("GMMA" in i.name and "gsb0" in i.operands for i in body)
    waits = sum(Simulation._kept(i) == 0 for i in body)
    issued = sum("GMMA" in i.name for i in body)
    return issued > 4 and groups >= issued and waits >= issued


def _share(body, chip, blocks, warps_of_block, scale):
    work = totals(body, chip)
    ideal = work["tensor"] * scale
    simulated = max(Simulation(body, chip, blocks, warps_of_block).cycles(), work["tensor"])
    return 100 * ideal / max(work.values()), 100 * ideal / simulated, work


def predict(path, name, dynamic_shared=0):
    """Judges one kernel of a cubin."""
    kernels = sass.read_kernels(path)
    if name not in kernels:
        raise sass.SassError(f"{path}: no kernel {name}; there are {', '.join(kernels)}")
    kernel = kernels[name]
    chip = CHIPS[max(sm for sm in CHIPS if sm <= max(kernel.sm, 80))]
    code = sass.disassemble(path, name)
    first, last = main_loop(code)
    body = code[first:last + 1]
    rare = sass.rare_places(body)
    usual = [i for n, i in enumerate(body) if n not in rare]
    shared = kernel.shared + dynamic_shared
    blocks = resident_blocks(kernel, shared, chip)
    warps_of_block = max(1, kernel.threads // 128)
    scale = chip.sync_share if any(i.name == "HMMA" for i in body) else 1.0
    bound, predicted, work = _share(usual, chip, blocks, warps_of_block, scale)
    always = _share(body, chip, blocks, warps_of_block, scale)[1] if rare else predicted
    mix = Counter(i.name + ("." + i.modifiers[0] if i.name == "MUFU" else "") for i in usual)
    spills = sum(i.name in ("LDL", "STL") for i in usual)
    return Prediction(chip.name, kernel.sm, kernel.registers, shared, kernel.threads, blocks,
                      len(usual), spills, mix, work, bound, predicted, always,
                      _serialised(body))
