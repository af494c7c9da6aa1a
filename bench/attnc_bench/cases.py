# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The workloads of bench/run.py as data: sizes and variant of each, and from them
attnc's spec. Heads are chosen so that a call takes 1 to 300 ms on one core."""

from dataclasses import dataclass, field

PAGE = 16  # keys a page, vLLM's default
DTYPES = {"f32": 4, "bf16": 2}  # bytes of an element


@dataclass(frozen=True)
class Case:
    """One workload. Rows of keys default to those of queries. Masks count positions
    so that the last query sits on the last key, in attnc and for every peer."""

    name: str
    title: str
    n: int  # queries; of a ragged batch the most of any sequence
    d: int
    heads: int
    kv_heads: int = 0
    m: int = 0  # keys; of a ragged batch the most of any sequence
    dv: int = 0
    batch: int = 1
    causal: bool = False
    window: int = 0  # with causal: keys that a query sees, its own included
    softcap: float = 0.0
    alibi: bool = False
    bias: bool = False  # additive, [1, heads, n, m]
    latent: bool = False  # MLA: one key head, V is the first dv columns of K
    paged: bool = False
    lengths: tuple = ()  # (queries, keys) of each sequence of a ragged batch
    quick: bool = False  # part of --quick
    flex: bool = False  # beside FlexAttention too, which compiles for 10 s a row
    # Why attnc may be slower than a peer here: dtype (or "") -> sentence.
    reasons: dict = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self):
        for name, value in (("kv_heads", self.kv_heads or self.heads), ("m", self.m or self.n),
                            ("dv", self.dv or self.d), ("batch", len(self.lengths) or self.batch)):
            object.__setattr__(self, name, value)

    @property
    def group(self):
        """Query heads that share a key head."""
        return self.heads // self.kv_heads

    @property
    def sequences(self):
        """(queries, keys) of each sequence of the batch."""
        return self.lengths or ((self.n, self.m),) * self.batch

    def keep(self, sequence, i, j):
        """Which pairs of a sequence are kept, for row numbers as arrays or scalars."""
        queries, keys = self.sequences[sequence]
        kept = (j < keys) & (i < queries)
        if self.causal:
            kept = kept & (j <= i + (keys - queries))
        if self.window:
            kept = kept & (j > i + (keys - queries) - self.window)
        return kept

    def pairs(self):
        """Kept pairs of one head, all sequences together."""
        total = 0
        for queries, keys in self.sequences:
            if not self.causal:
                total += queries * keys
                continue
            last = range(keys - queries + 1, keys + 1)  # keys up to a query's own
            total += sum(max(0, min(k, self.window or k)) for k in last)
        return total

    def flops(self):
        return 2 * (self.d + self.dv) * self.heads * self.pairs()

    def bytes(self, dtype):
        """What must be read and written once: the kept keys' rows, queries, results,
        the bias where there is one."""
        size = DTYPES[dtype]
        row = self.d if self.latent else self.d + self.dv
        total = sum(keys * self.kv_heads * row + queries * self.heads * (self.d + self.dv)
                    for queries, keys in self.sequences)
        return (total + (self.heads * self.n * self.m if self.bias else 0)) * size

    def max_pages(self):
        return -(-max(keys for _, keys in self.sequences) // PAGE)


ALIBI = """\
 score_mod captures(%slopes : tensor<{heads}xf32>) {{
       ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
         %slope = tensor.extract %slopes[%h] : tensor<{heads}xf32>
         %distance = arith.subi %i, %j : index
         %steps = arith.index_cast %distance : index to i32
         %far = arith.sitofp %steps : i32 to f32
         %penalty = arith.mulf %slope, %far : f32
         %t = arith.subf %s, %penalty : f32
         attn.yield %t : f32
       }}"""
SLICE = """\
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : {k}
  %rows = tensor.dim %k, %c2 : {k}
  %v = tensor.extract_slice %k[0, 0, 0, 0] [%batch, {kv_heads}, %rows, {dv}] [1, 1, 1, 1] : {k} to {v}
"""


def _mask(case):
    if case.window:
        return f"window<{case.window - 1}, 0>"
    return "causal" if case.causal else "full"


def spec(case, dtype):
    """attnc's spec: all lengths and the batch are dynamic."""
    rows = PAGE if case.paged else "?"
    types = {"q": f"tensor<?x{case.heads}x?x{case.d}x{dtype}>",
             "k": f"tensor<?x{case.kv_heads}x{rows}x{case.d}x{dtype}>",
             "v": f"tensor<?x{case.kv_heads}x{rows}x{case.dv}x{dtype}>",
             "o": f"tensor<?x{case.heads}x?x{case.dv}x{dtype}>"}
    extra = [(name, kind, f" {name}(%{name})") for name, kind, wanted in (
        ("pages", "tensor<?x?xi32>", case.paged),
        ("lengths", "tensor<?xi32>", case.paged or case.lengths),
        ("q_lengths", "tensor<?xi32>", case.lengths),
        ("bias", f"tensor<1x{case.heads}x?x?x{dtype}>", case.bias)) if wanted]
    arguments = [("q", types["q"]), ("k", types["k"])]
    arguments += [] if case.latent else [("v", types["v"])]
    arguments += [(name, kind) for name, kind, _ in extra]
    arguments += [("slopes", f"tensor<{case.heads}xf32>")] if case.alibi else []
    softcap = f" kernel = #attn.softmax<softcap = {case.softcap}>" if case.softcap else ""
    kinds = ", ".join([types["q"], types["k"], types["v"], *(kind for _, kind, _ in extra)])
    name = case.name.replace("-", "_")
    return (f"func.func @{name}({', '.join(f'%{a}: {t}' for a, t in arguments)}) -> {types['o']} {{\n"
            + (SLICE.format(k=types["k"], v=types["v"], kv_heads=case.kv_heads, dv=case.dv)
               if case.latent else "")
            + f"  %o = attn.attention %q, %k, %v{''.join(clause for _, _, clause in extra)} "
            f"mask = #attn.pairs<{_mask(case)}>{softcap}"
            + (ALIBI.format(heads=case.heads) if case.alibi else "")
            + f" : {kinds} -> {types['o']}\n  return %o : {types['o']}\n}}\n")


def _prefill():
    heads = {(512, 64): 16, (512, 128): 8, (2048, 64): 4, (2048, 128): 2}
    for n in (512, 2048, 8192):
        for d in (64, 128):
            for causal in (False, True):
                kind = "causal" if causal else "full"
                yield Case(f"prefill-{n}-d{d}-{kind}", f"prefill {n:,}, d {d}, {kind}", n, d,
                           heads.get((n, d), 1), causal=causal, quick=n == 512,
                           flex=(n, d) == (2048, 64))


def _odd():
    yield Case("odd-n197", "ViT-B: n 197, d 64", 197, 64, 12, batch=8)
    yield Case("odd-n257", "ViT-L: n 257, d 64", 257, 64, 16, batch=4)
    yield Case("odd-n521", "n 521, d 64", 521, 64, 12)
    yield Case("odd-d72", "SigLIP: n 729, d 72", 729, 72, 16)
    yield Case("odd-d80", "ViT-H: n 257, d 80", 257, 80, 16, batch=4)
    yield Case("odd-d96", "Phi-3: n 1,024, d 96, causal", 1024, 96, 8, causal=True)
    yield Case("odd-d15", "n 521, d 15", 521, 15, 16)
    yield Case("odd-d4", "n 521, d 4", 521, 4, 16)


def _variants():
    yield Case("batch-short", "batch of 64: n 128, 12 heads of 32", 128, 32, 12, batch=64,
               quick=True)
    yield Case("gqa", "GQA 32/8: n 1,024, d 128, causal", 1024, 128, 32, 8, causal=True,
               flex=True)
    yield Case("mqa", "MQA 32/1: n 1,024, d 64, causal", 1024, 64, 32, 1, causal=True)
    yield Case("mla-prefill", "MLA 576/512: n 512, 16 heads, causal", 512, 576, 16, 1,
               dv=512, latent=True, causal=True)
    yield Case("mla-decode", "MLA 576/512: 1 query, 16 heads, 8,192 keys", 1, 576, 16, 1, 8192,
               512, latent=True)
    yield Case("alibi", "ALiBi: n 2,048, d 64, causal", 2048, 64, 8, causal=True, alibi=True,
               flex=True)
    yield Case("softcap", "softcap 50: n 2,048, d 128, causal", 2048, 128, 4, causal=True,
               softcap=50.0, flex=True)
    yield Case("bias", "additive bias: n 1,024, d 64", 1024, 64, 8, bias=True, flex=True)
    yield Case("window", "window 256: n 8,192, d 64", 8192, 64, 4, causal=True, window=256,
               flex=True)


def _cached():
    for m in (512, 2048, 8192, 32768, 65536):
        for paged in (False, True):
            yield Case(f"decode-{m}{'-paged' * paged}",
                       f"decode, {m:,} keys{', paged' * paged}", 1, 128, 32, 8, m, paged=paged,
                       quick=m == 2048, flex=m == 8192 and not paged)
    for n in (4, 8):
        yield Case(f"speculative-{n}", f"speculative: {n} queries, 8,192 keys", n, 128, 32, 8,
                   8192, causal=True)
    yield Case("chunked-prefill", "chunked prefill: 512 queries, 8,192 keys", 512, 128, 8, 2,
               8192, causal=True)
    yield Case("ragged", "ragged batch: a prefill of 512, 7 decodes", 512, 128, 32, 8, 8192,
               causal=True, lengths=((512, 512), (1, 8192), (1, 5000), (1, 3001), (1, 1024),
                                     (1, 700), (1, 211), (1, 64)))


ALL = [*_prefill(), *_odd(), *_variants(), *_cached()]
