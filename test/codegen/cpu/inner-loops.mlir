// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The block micro-kernel's accumulators stay in registers across a key block: in
// S^T = K Q^T and O^T += V^T P^T, a register tile of 4 keys (or value columns) x
// 24 queries with AVX2 and 8 x 48 with AVX-512, and in the edges' loops, 8 x one
// vector and two steps, no vector is on the stack. (Query rows are static: where they
// may be few, there is a row micro-kernel, too.)

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

!q64 = tensor<?x8x512x64xf32>
!t64 = tensor<?x8x?x64xf32>
func.func @d64(%q: !q64, %k: !t64, %v: !t64) -> !q64 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !q64, !t64, !t64 -> !q64
  return %o : !q64
}

!q128 = tensor<?x8x512x128xf32>
!t128 = tensor<?x8x?x128xf32>
func.func @d128(%q: !q128, %k: !t128, %v: !t128) -> !q128 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !q128, !t128, !t128 -> !q128
  return %o : !q128
}

!q72 = tensor<?x8x512x72xf32>
!t72 = tensor<?x8x?x72xf32>
func.func @d72(%q: !q72, %k: !t72, %v: !t72) -> !q72 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !q72, !t72, !t72 -> !q72
  return %o : !q72
}

func.func @full(%q: !q64, %k: !t64, %v: !t64) -> !q64 {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<full> : !q64, !t64, !t64 -> !q64
  return %o : !q64
}
