# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""gpu_model.py BENCH: the throughput model on code that is written here, where the answer
is known."""

import sys

sys.path.insert(0, sys.argv[1])

from attnc_gpu import model, sass  # noqa: E402

A100 = model.CHIPS[80]


def code(text):
    """One instruction a line: NAME.MODIFIERS OPERANDS, stall behind a bar, 'wN'/'rN' the
    scoreboard that its result sets, 'mN' that it waits for, '>ADDRESS' a jump."""
    result = []
    for number, line in enumerate(text.strip().splitlines()):
        line, _, control = (line.strip() + " |").partition("|")
        words = line.split(None, 1)
        guard = words.pop(0) if words[0].startswith("@") else ""
        words = (guard and words[0].split(None, 1)) or words
        name, *modifiers = words[0].split(".")
        fields = control.replace("|", " ").split()
        stall = next((int(f) for f in fields if f.isdigit()), 1)
        board = next((int(f[1:]) for f in fields if f[0] == "w"), None)
        waits = [int(f[1:]) for f in fields if f[0] == "m"]
        target = next((int(f[1:]) for f in fields if f[0] == ">"), None)
        operands = words[1] if len(words) > 1 else ""
        result.append(sass.Instruction(number, guard, name, tuple(modifiers), operands, stall,
                                       board, None, waits, target))
    return result


def cycles(text, blocks=1, warps=1):
    return model.Simulation(code(text), A100, blocks, warps).cycles()


def check(what, holds):
    print(("ok      " if holds else "FAILED  ") + what)
    return holds


results = []
# 16 x 8 x 16 multiply-adds at 256 a cycle: 8 cycles.
mma = "HMMA.16816.F32 R0, R4, R8, R0"
results.append(check("a tensor core takes 8 cycles for an m16n8k16",
                     abs(cycles("\n".join([mma] * 16)) - 128) < 2))
results.append(check("stall counts bind one warp", abs(cycles("IADD3 R0 |6\nIADD3 R1 |6") - 12) < 1))
results.append(check("another warp fills them",
                     abs(cycles("IADD3 R0 |6\nIADD3 R1 |6", 1, 3) - 4) < 0.5))
load = "LDSM.M88.4 R0, [R1] |w0\nHMMA.16816.F32 R0, R4, R8, R0 |m0"
results.append(check("a scoreboard waits for ldmatrix", cycles(load) > 33))

# Two blocks of two warps. One warp of a block is held up before the barrier by a slow
# load; the barrier is its block's alone.
slow = "LDG.E R0, [R2] |w0\nIADD3 R1, R0 |m0\nBAR.SYNC 0x0\n" + "\n".join([mma] * 4)
together, apart = cycles(slow, 1, 4), cycles(slow, 4, 1)
results.append(check("barriers are a block's", apart < together))

body = code("VOTE.ANY P1, P2\nBRA P1, 4 |>4\nSHFL.BFLY R0, R1\nMUFU.EX2 R3, R0\n" + mma)
results.append(check("what a vote jumps over is rare", sass.rare_places(body) == {2, 3}))
body = code("ISETP.GE P1, R0, R1\nBRA P1, 4 |>4\nSHFL.BFLY R0, R1\nMUFU.EX2 R3, R0\n" + mma)
results.append(check("what a comparison jumps over is not", sass.rare_places(body) == set()))

loop = code("IADD3 R0\nHMMA.16816.F32 R0, R4, R8, R0\nISETP.GE P0, R0, R1\n@!P0 BRA 0x1 |>1\n"
            "EXIT")
results.append(check("a loop is found", model.main_loop(loop) == (1, 3)))
fast = "\n".join(["HGMMA.64x128x16.F32 R24, gdesc[UR4], R24, gsb0"] * 6
                 + ["WARPGROUP.DEPBAR.LE gsb0, 0x0"])
serial = "\n".join(["HGMMA.64x128x16.F32 R24, gdesc[UR4], R24, gsb0",
                    "WARPGROUP.DEPBAR.LE gsb0, 0x0"] * 6)
results.append(check("wgmma that is waited for at once is found",
                     model._serialised(code(serial)) and not model._serialised(code(fast))))
results.append(check("and costs more", cycles(serial) > cycles(fast) + 5 * model.DRAIN))
sys.exit(not all(results))
