// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What kernels really compute: attnc run --count.

// A list a row is computed as it is: n (log2 n + 1) pairs and no more.
// RUN: attnc run %s --function=log --shape q=256x16 --shape k=256x16 --shape v=256x16 --count | FileCheck %s --check-prefix=LOG
// LOG: count    2049 pairs computed, 2049 of them kept (1.00 computed a kept one)

// A window costs its width, whatever n is.
// RUN: attnc run %s --function=window --target=x86-64-v3 --shape q=4096x16 --shape k=4096x16 --shape v=4096x16 --count | FileCheck %s --check-prefix=WINDOW
// WINDOW: count    {{[0-9]+}} pairs computed, 260128 of them kept (1.{{[0-4][0-9]}} computed a kept one)

// Every 32nd key: a class of the lattice is dense.
// RUN: attnc run %s --function=strided --shape q=4096x16 --shape k=4096x16 --shape v=4096x16 --count | FileCheck %s --check-prefix=STRIDED
// STRIDED: count    {{[0-9]+}} pairs computed, 264192 of them kept (1.{{[0-9]+}} computed a kept one)

// Causal does half the work.
// RUN: attnc run %s --function=causal --shape q=4096x16 --shape k=4096x16 --shape v=4096x16 --count | FileCheck %s --check-prefix=CAUSAL
// CAUSAL: count    {{[0-9]+}} pairs computed, 8390656 of them kept (1.0{{[0-2]}} computed a kept one)

// Keys in splits: those of a row are counted together.
// RUN: attnc run %s --function=decode --shape k=2x10000x64 --shape v=2x10000x64 --count | FileCheck %s --check-prefix=DECODE
// DECODE: count    80000 pairs computed, 80000 of them kept

// RUN: not attnc run %s --function=log --stage=3 --shape q=16x16 --shape k=16x16 --shape v=16x16 --count 2>&1 | FileCheck %s --check-prefix=STAGE
// STAGE: --count needs a spec and code to run

!t = tensor<?x16xf32>
func.func @log(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v sparsity = #attn.pairs<log> : !t, !t, !t -> !t
  return %o : !t
}
func.func @window(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<63, 0>> : !t, !t, !t -> !t
  return %o : !t
}
func.func @strided(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & strided<32>> : !t, !t, !t -> !t
  return %o : !t
}
func.func @causal(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !t, !t, !t -> !t
  return %o : !t
}
func.func @decode(%q: tensor<8x1x64xf32>, %k: tensor<2x?x64xf32>, %v: tensor<2x?x64xf32>) -> tensor<8x1x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<8x1x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32> -> tensor<8x1x64xf32>
  return %o : tensor<8x1x64xf32>
}
