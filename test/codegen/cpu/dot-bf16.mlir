// Both products of bf16 are dot products of pairs where the target has them:
// 24 accumulators, four pairs an iteration, and none of them spilled. Other
// targets convert a key block, and multiply f32.

// RUN: attnc compile %s --target=x86-64-v4+avx512bf16 --emit=asm -o %t.dot.s
// RUN: %python %S/Inputs/inner_loops.py vdpbf16ps 2 96 < %t.dot.s | FileCheck %s --check-prefix=LOOPS
// RUN: FileCheck %s --check-prefix=DOT < %t.dot.s
// RUN: attnc compile %s --target=x86-64-v4 --emit=asm | FileCheck %s --check-prefix=WIDE
// RUN: attnc compile %s --target=x86-64-v3 --emit=asm | FileCheck %s --check-prefix=NARROW

// LOOPS: 0 spills
// DOT: vcvtne2ps2bf16
// DOT: vpermw
// WIDE-NOT: vdpbf16ps
// NARROW-NOT: vdpbf16ps

func.func @attn(%q: tensor<8x?x64xbf16>, %k: tensor<8x?x64xbf16>, %v: tensor<8x?x64xbf16>) -> tensor<8x?x64xbf16> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : tensor<8x?x64xbf16>, tensor<8x?x64xbf16>, tensor<8x?x64xbf16> -> tensor<8x?x64xbf16>
  return %o : tensor<8x?x64xbf16>
}

// A machine that lacks the instruction refuses a schedule that asks for it.
// RUN: attnc compile %s --target=x86-64-v4+avx512bf16 --emit=stage4 -o %t.stage4.mlir
// RUN: not attnc compile %t.stage4.mlir --target=x86-64-v4 --emit=asm 2>&1 | FileCheck %s --check-prefix=REFUSED
// REFUSED: error: llvm.x86.avx512bf16.{{.*}} needs avx512bf16, which x86-64-v4 lacks
