// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel's accumulators stay in registers across a key block: in
// S^T = K Q^T and O^T += V^T P^T, a register tile of 4 keys (or value columns) x
// 24 queries with AVX2 and 8 x 48 with AVX-512, and in the edges' loops, 8 x one
// vector and two steps, no vector is on the stack.

// RUN: attnc compile %s --function=d64 --emit=asm --target=x86-64-v3 | %python %S/Inputs/check-inner-loops.py 12 12 16 16
// RUN: attnc compile %s --function=d64 --emit=asm --target=x86-64-v4 | %python %S/Inputs/check-inner-loops.py 24 24 16 16
// RUN: attnc compile %s --function=d128 --emit=asm --target=x86-64-v3 | %python %S/Inputs/check-inner-loops.py 12 12 16 16
// RUN: attnc compile %s --function=d128 --emit=asm --target=x86-64-v4 | %python %S/Inputs/check-inner-loops.py 24 24 16 16
// RUN: attnc compile %s --function=d72 --emit=asm --target=x86-64-v3 | %python %S/Inputs/check-inner-loops.py 12 12 16 16
// RUN: attnc compile %s --function=d72 --emit=asm --target=x86-64-v4 | %python %S/Inputs/check-inner-loops.py 24 24 16 16
// RUN: attnc compile %s --function=full --emit=asm --target=x86-64-v3 | %python %S/Inputs/check-inner-loops.py 12 12 16 16
// RUN: attnc compile %s --function=full --emit=asm --target=x86-64-v4 | %python %S/Inputs/check-inner-loops.py 24 24 16 16

// The checker sees what it is for.
// RUN: %python %S/Inputs/check-inner-loops.py 3 < %S/Inputs/loops.s
// RUN: not %python %S/Inputs/check-inner-loops.py 3 2 < %S/Inputs/loops.s 2>&1 | FileCheck %s --check-prefix=SPILL
// SPILL: error: the loop at .LBB0_2: (2 multiply-adds) keeps vectors on the stack: vmovups %ymm3, 96(%rsp)
// RUN: not %python %S/Inputs/check-inner-loops.py 3 3 < %S/Inputs/loops.s 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: error: 1 innermost loops have 3 multiply-adds, 2 should

!t64 = tensor<?x8x?x64xf32>
func.func @d64(%q: !t64, %k: !t64, %v: !t64) -> !t64 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !t64, !t64, !t64 -> !t64
  return %o : !t64
}

!t128 = tensor<?x8x?x128xf32>
func.func @d128(%q: !t128, %k: !t128, %v: !t128) -> !t128 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !t128, !t128, !t128 -> !t128
  return %o : !t128
}

!t72 = tensor<?x8x?x72xf32>
func.func @d72(%q: !t72, %k: !t72, %v: !t72) -> !t72 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !t72, !t72, !t72 -> !t72
  return %o : !t72
}

func.func @full(%q: !t64, %k: !t64, %v: !t64) -> !t64 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<full> : !t64, !t64, !t64 -> !t64
  return %o : !t64
}
