# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what a view page's scripts keep with the reference evaluator.

With q = k = 0 and v the identity, the output of an attention is positive just
where a pair is kept, so `attnc run --stage=1` tells the reference's pairs. The
picture in the terminal is compared too: the pairs in upper case, and its counts
with the page's. The cases are every kind of set, plans written by hand, predicate regions, and
random combinations (--seed, --count).

  view-oracle.py NODE VIEW_PAIRS_JS [--seed N] [--count N]
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile

import numpy as np


class Case:
    """A pair set over operands at some sizes, perhaps with a plan."""

    def __init__(self, name, sets, operands=(), n=14, m=17, batch=1, heads=1,
                 clauses="", types=(), plan="", regions="", schedule=""):
        self.name, self.sets = name, sets
        self.operands = list(operands)  # (name, type, array)
        self.n, self.m, self.batch, self.heads = n, m, batch, heads
        self.clauses, self.types = clauses, list(types)
        self.plan, self.regions, self.schedule = plan, regions, schedule

    def spec(self):
        shape = f"{self.batch}x{self.heads}x"
        q = f"tensor<{shape}?x4xf32>"
        k = f"tensor<{shape}?x4xf32>"
        v = f"tensor<{shape}?x{self.m}xf32>"
        out = f"tensor<{shape}?x{self.m}xf32>"
        arguments = "".join(f", %{name}: {kind}"
                            for name, kind, _ in self.operands)
        types = "".join(f", {kind}" for kind in self.types)
        plan = f" plan = #attn.plan<{self.plan}>" if self.plan else ""
        if self.schedule:
            plan += f" schedule = #attn.schedule<{self.schedule}>"
        return (f"func.func @f(%q: {q}, %k: {k}, %v: {v}{arguments}) -> {out} {{\n"
                f"  %o = attn.attention %q, %k, %v {self.clauses} "
                f"mask = #attn.pairs<{self.sets}>{plan} {self.regions}\n"
                f"    : {q}, {k}, {v}{types} -> {out}\n"
                f"  return %o : {out}\n}}\n")


def arrays(case):
    shape = (case.batch, case.heads)
    eye = np.broadcast_to(np.eye(case.m, dtype=np.float32),
                          shape + (case.m, case.m))
    return {"q": np.zeros(shape + (case.n, 4), np.float32),
            "k": np.zeros(shape + (case.m, 4), np.float32),
            "v": np.ascontiguousarray(eye),
            **{name: array for name, _, array in case.operands}}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(" ".join(command) + "\n" + done.stderr)
    return done.stdout


def reference_lines(path):
    out = np.load(path)
    lines = []
    for b in range(out.shape[0]):
        for h in range(out.shape[1]):
            for a in range(out.shape[2]):
                keys = np.nonzero(out[b, h, a] > 0)[0]
                if len(keys):
                    lines.append(f"{b} {h} {a}: " + " ".join(map(str, keys)))
    return lines


PICTURE = re.compile(r"^ *-?[0-9,]*\|(.*)$")
COUNTS = re.compile(r"([0-9,]+) pairs kept(?: of ([0-9,]+) visited \([^)]*\); "
                    r"tiles of \d+ x \d+: ([0-9,]+) full, ([0-9,]+) partial)?")


def picture_lines(text):
    """The pairs of the first batch and head that the terminal shows."""
    rows = [m.group(1) for m in map(PICTURE.match, text.splitlines()) if m]
    kept = [[j for j, c in enumerate(row) if c.isupper()] for row in rows]
    return [f"0 0 {a}: " + " ".join(map(str, keys))
            for a, keys in enumerate(kept) if keys]


def picture_counts(text):
    return [" ".join(["#"] + [x.replace(",", "") for x in m if x])
            for m in COUNTS.findall(" ".join(text.split()))]


def compare(what, got, want, case):
    if sorted(got) != sorted(want):
        missing = sorted(set(want) - set(got))[:5]
        extra = sorted(set(got) - set(want))[:5]
        raise RuntimeError(f"{what}: missing {missing}\nbut has {extra}\n"
                           + case.spec())


def check(case, node, script, folder):
    spec = os.path.join(folder, "case.mlir")
    with open(spec, "w", encoding="utf-8") as f:
        f.write(case.spec())
    inputs = []
    for name, array in arrays(case).items():
        path = os.path.join(folder, name + ".npy")
        np.save(path, array)
        inputs += ["--input", f"{name}={path}"]
    page, out = os.path.join(folder, "page.html"), os.path.join(folder, "o.npy")
    run(["attnc", "explain", spec, "--view=" + page] + inputs)
    run(["attnc", "run", spec, "--stage=1", "--output", out] + inputs)
    picture = run(["attnc", "explain", spec, "--view"] + inputs)
    lines = run([node, script, page]).splitlines()
    want = reference_lines(out)
    compare("page", [x for x in lines if x[0] != "#"], want, case)
    compare("picture", picture_lines(picture),
            [x for x in want if x.startswith("0 0 ")], case)
    compare("counts", picture_counts(picture),
            [x.strip() for x in lines if x[0] == "#"], case)
    return len(want)


# ---- operands ---------------------------------------------------------------

def ints(*values):
    return np.array(values, np.int32)


def documents(rng, m):
    cuts = sorted(rng.sample(range(1, m), 3))
    return ints(0, *cuts, m)


def operands_of(rng, n, m):
    """One operand of each kind, by name."""
    count = [rng.randint(0, 4) for _ in range(n)]
    ptr = np.cumsum([0] + count).astype(np.int32)
    idx = np.array([rng.randrange(m) for _ in range(ptr[-1])] + [0], np.int32)
    rows = (n + 3) // 4
    bptr = np.arange(0, 2 * rows + 1, 2).astype(np.int32)
    bidx = np.array([rng.randrange((m + 3) // 4) for _ in range(2 * rows)],
                    np.int32)
    start = np.array([rng.randrange(n) for _ in range(m)], np.int32)
    begin = np.array([rng.randrange(m) for _ in range(n)], np.int32)
    return {
        "cu": ("tensor<5xi32>", documents(rng, m)),
        "keep": (f"tensor<{m}xi1>", np.array([rng.random() < .6 for _ in range(m)])),
        "mask": (f"tensor<{n}x{m}xi1>",
                 np.array([[rng.random() < .5 for _ in range(m)]
                           for _ in range(n)])),
        "ptr": (f"tensor<{n + 1}xi32>", ptr),
        "idx": (f"tensor<{len(idx)}xi32>", idx),
        "bptr": (f"tensor<{rows + 1}xi32>", bptr),
        "bidx": (f"tensor<{len(bidx)}xi32>", bidx),
        "top": (f"tensor<{n}x3xi64>",
                np.array([[rng.randrange(-1, m) for _ in range(3)]
                          for _ in range(n)], np.int64)),
        "start": (f"tensor<{m}xi32>", start),
        "stop": (f"tensor<{m}xi32>", start + ints(*[rng.randrange(6)] * m)),
        "begin": (f"tensor<{n}xi32>", begin),
        "end": (f"tensor<{n}xi32>", begin + 4),
        "w": ("i32", np.array(rng.randrange(6), np.int32)),
    }


LEAVES = [
    "full", "empty", "causal", "window<3, 2>", "window<2, 2, clamped>",
    "window<%w, 0>", "local<2>", "prefix<5>", "prefix(%w)", "chunk<4>",
    "chunk<5, offset = 2>", "strided<3>", "columns<4, 1>", "first<2>",
    "last<3>", "global<2>", "dilated<3, 2>", "log", "random<3, seed = 7>",
    "random<2, seed = 9000000000000000000>", 'affine<"(i, j)[n, m] : (i - 2 * j + 4 >= 0, n + m - j >= 0)">',
    'affine<"(i, j) : ((i + j) mod 3 == 0, i - j floordiv 2 >= 0)">',
    "keys(%keep)", "documents(%cu)", "ranges(%start, %stop)",
    "ranges<by_query>(%begin, %end)", "csr(%ptr, %idx)", "bsr<4>(%bptr, %bidx)",
    "bsr(%bptr, %bidx)", "topk(%top)", "dense(%mask)",
    "per_document(%cu) {causal}", "per_document(%cu) {strided<2> & causal}",
    "per_document(%cu) {dilated<2, 2> | first<1>}",
    "per_document(%cu) {last<2>}", "blocks<3> {log}",
    "blocks<4> {causal | last<1>}", "blocks<2> {chunk<2> & !causal}",
    "axes<4 x 5> {window<1, 1>, full}", "axes<5 x 4> {causal, strided<2>}",
    "axes<3 x 2 x 4> {local<1>, full, window<1, 1, clamped>}",
    "by_head(0, 1) {causal, strided<4>}",
]


def named(sets, rng, n, m):
    """The operands that a text mentions, with their types in that order."""
    have = operands_of(rng, n, m)
    names = []
    for word in sets.replace("%", " %").replace(",", " ").replace(")", " ") \
                    .replace(">", " ").split():
        if word.startswith("%") and word[1:] not in names:
            names.append(word[1:])
    return ([(name,) + have[name] for name in names],
            [have[name][0] for name in names])


def set_case(name, sets, rng, **more):
    sizes = {"n": 14, "m": 17, **{k: more[k] for k in ("n", "m") if k in more}}
    if "axes" in sets:  # positions must lie on the grid
        sizes = {"n": 12, "m": 16}
    operands, types = named(sets, rng, **sizes)
    more = {k: v for k, v in more.items() if k not in sizes}
    return Case(name, sets, operands, types=types, **sizes, **more)


def combination(rng, depth):
    if depth == 0 or rng.random() < .2:
        return rng.choice(LEAVES)
    sign = rng.choice([" & ", " | ", " & ", " | ", "!"])
    if sign == "!":
        return "!(" + combination(rng, depth - 1) + ")"
    return ("(" + combination(rng, depth - 1) + sign +
            combination(rng, depth - 1) + ")")


# Tiles so small that a few pairs have full and partial ones.
SMALL = ("micro = row, query_tile = 3, heads = 1, key_block = 4, lanes = 4, "
         "register_keys = 1, register_vectors = 1, q = direct, k = direct, "
         "v = direct")
TILED = [
    "full", "causal", "window<5, 1>", "causal & (window<4, 0> | first<2>)",
    "global<2>", "first<3> | last<3>", "causal & keys(%keep) | first<2>",
    "!causal & !last<4>", "prefix(%w) | dense(%mask)",
]

# ---- plans ------------------------------------------------------------------

def component(lower, upper, first="s2", last="s3 - 1", values=0, extra=""):
    symbols = "[" + ", ".join(f"s{n}" for n in range(4 + values)) + "]"
    return (f"#attn.component<lower = (d0){symbols} -> ({lower}), "
            f"upper = (d0){symbols} -> ({upper}), "
            f"row_lower = (){symbols} -> ({first}), "
            f"row_upper = (){symbols} -> ({last}){extra}>")


def value(kind, expr="", operand=None, before=0):
    symbols = "[" + ", ".join(f"s{n}" for n in range(4 + before)) + "]"
    text = f"#attn.value<kind = {kind}"
    if expr:
        text += f", map = (d0){symbols} -> ({expr})"
    return text + (f", operand = {operand}>" if operand is not None else ">")


def plan_cases(rng):
    guard = ", guard = (d0)[s0, s1, s2, s3, s4] -> ({})"
    heads = ("components = [" +
             component("s0", "d0, s1 - 1", values=1,
                       extra=guard.format("s4 - 1")) + ", " +
             component("d0 + 1, s0", "s1 - 1", values=1,
                       extra=guard.format("-s4")) +
             "], values = [" + value("head") + "]")
    documents_plan = (
        "components = [" + component("s4, s0", "d0, s5 - 1, s1 - 1", values=2) +
        "], values = [" + value("begin", "d0", 0) + ", " +
        value("end", "d0", 0, 1) + "]")
    lattice = ("components = [" +
               component("s0", "d0, s1 - 1", extra=", tests = [1, -2], walk = 1") +
               "], atoms = [#attn.pairs<strided<3>>, #attn.pairs<keys($0)>]")
    chunks = ("components = [" +
              component("s4, s0", "s5 - 1, s1 - 1", values=2) + "], values = [" +
              value("max", "(d0 floordiv 4) * 4, s0") + ", " +
              value("min", "(d0 floordiv 4) * 4 + 4, s1", before=1) + "]")
    ranges_plan = ("components = [" +
                   component("s4, s0", "s5 - 1, s1 - 1", values=2) +
                   "], values = [" + value("load", "d0 - s2", 0) + ", " +
                   value("load", "d0 - s2", 1, 1) + "]")
    listed = ("components = [" +
              component("s0", "s1 - 1", extra=", tests = [1], walk = 1") +
              "], atoms = [#attn.pairs<{}>]")
    square = {"n": 17, "m": 17}
    yield set_case("heads", "by_head(0, 1) {!causal, causal}", rng, heads=2,
                   plan=heads)
    yield set_case("documents", "per_document(%cu) {causal}", rng,
                   plan=documents_plan, **square)
    yield set_case("lattice", "causal & strided<3> & !keys(%keep)", rng,
                   plan=lattice, **square)
    yield set_case("chunks", "chunk<4>", rng, plan=chunks)
    yield set_case("ranges", "ranges<by_query>(%begin, %end)", rng,
                   plan=ranges_plan)
    for sets, atom in [("log", "log"), ("topk(%top)", "topk($0)"),
                       ("csr(%ptr, %idx)", "csr($0, $1)"),
                       ("bsr<4>(%bptr, %bidx)", "bsr<4>($0, $1)"),
                       ("random<3, seed = 7>", "random<3, seed = 7>"),
                       ("blocks<3> {log}", "blocks<3> {log}"),
                       ("dilated<3, 2>", "dilated<3, 2>"),
                       ("columns<4, 1>", "columns<4, 1>"),
                       ("per_document(%cu) {strided<2>}",
                        "per_document($0) {strided<2>}")]:
        yield set_case("walk " + sets, sets, rng, plan=listed.format(atom))


# ---- regions ----------------------------------------------------------------

REGIONS = [
    ("distance", """
      %d = arith.subi %i, %j : index
      %c = arith.constant 3 : index
      %t = arith.cmpi sle, %d, %c : index
      %u = arith.cmpi ult, %d, %c : index
      %x = arith.andi %t, %u : i1
      attn.yield %x : i1"""),
    ("integers", """
      %c7 = arith.constant 7 : i32
      %i32 = arith.index_cast %i : index to i32
      %j32 = arith.index_cast %j : index to i32
      %p = arith.muli %i32, %j32 : i32
      %s = arith.shli %p, %c7 : i32
      %x = arith.xori %s, %j32 : i32
      %r = arith.remui %x, %c7 : i32
      %w = arith.divsi %x, %c7 : i32
      %m = arith.minsi %r, %w : i32
      %c2 = arith.constant 2 : i32
      %t = arith.cmpi slt, %m, %c2 : i32
      attn.yield %t : i1"""),
    ("floats", """
      %i32 = arith.index_cast %i : index to i64
      %j32 = arith.index_cast %j : index to i64
      %x = arith.sitofp %i32 : i64 to f64
      %y = arith.sitofp %j32 : i64 to f64
      %a = math.sqrt %x : f64
      %z = arith.divf %y, %a : f64
      %f = math.floor %z : f64
      %c = arith.constant 2.5 : f64
      %t = arith.cmpf ole, %f, %c : f64
      %e = arith.cmpf une, %z, %z : f64
      %s = arith.select %e, %e, %t : i1
      attn.yield %s : i1"""),
]


def region_cases(rng):
    block = "predicate {{\n    ^bb0(%b: index, %h: index, %i: index, %j: index):{}\n    }}"
    for name, body in REGIONS:
        yield Case("region " + name, "predicate<0>", regions=block.format(body))
    _, mask = operands_of(rng, 14, 17)["mask"]
    body = """
      %c3 = arith.constant 3 : index
      %r = arith.subi %i, %c3 : index
      %t = tensor.extract %mask[%r, %j] : tensor<14x17xi1>
      attn.yield %t : i1"""
    captures = block.replace("predicate ", "predicate captures(%mask : "
                                           "tensor<14x17xi1>) ")
    yield Case("region captures", "predicate<0>",
               [("mask", "tensor<14x17xi1>", mask)],
               regions=captures.format(body))


def batch_cases(rng):
    lengths = ("len", "tensor<2xi32>", ints(9, 17))
    cu = ("cu", "tensor<2x1x4xi32>",
          np.array([[[0, 4, 9, 17]], [[1, 1, 12, 15]]], np.int32))
    yield Case("lengths", "causal & window<5, 0>", [lengths], batch=2, heads=2,
               clauses="lengths(%len)", types=["tensor<2xi32>"])
    yield Case("batched documents", "documents(%cu)", [cu], batch=2, heads=2,
               types=["tensor<2x1x4xi32>"])
    width = ("width", "tensor<2xi64>", np.array([1, 4], np.int64))
    start = ("start", "i64", np.array(3, np.int64))
    yield Case("parameters", "window<%width, 1>", [start, width], batch=2,
               clauses="q_start(%start)", types=["i64", "tensor<2xi64>"])
    yield Case("rows beyond", "full", [("ql", "i32", np.array(5, np.int32))],
               clauses="q_lengths(%ql)", types=["i32"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("node")
    parser.add_argument("script")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    cases = [set_case(sets, sets, rng, heads=2 if "by_head" in sets else 1)
             for sets in LEAVES]
    cases += [set_case("tiled " + sets, sets, rng, schedule=SMALL)
              for sets in TILED]
    for case in plan_cases(rng):
        cases.append(case)
        case.schedule = rng.choice(["", SMALL])
    cases += list(region_cases(rng))
    cases += list(batch_cases(rng))
    for number in range(args.count):
        sets = combination(rng, 3)
        cases.append(set_case(f"random {number}", sets, rng, heads=2))
    failures = rows = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            try:
                rows += check(case, args.node, args.script, folder)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failures += 1
                print(f"{case.name}: {error}\n")
    print(f"{len(cases)} cases, {rows} rows with pairs, {failures} failures, "
          f"seed {args.seed}")
    sys.exit(1 if failures else 0)


main()
