// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What pair sets cost, as formulas and for given sizes: attnc explain.

// RUN: attnc explain %s --function=strided --measure=false --shape q=1024x8 --shape k=1024x8 --shape v=1024x8 | FileCheck %s --check-prefixes=STRIDED,STRIDED1
// RUN: attnc explain %s --function=strided --measure=false --shape q=4096x8 --shape k=4096x8 --shape v=4096x8 | FileCheck %s --check-prefixes=STRIDED,STRIDED4
// The lattice thins the pairs by its stride.
// STRIDED: walking keys a multiple of 32
// STRIDED: kept pairs of a head: about (n*m - n*(n - 1)/2)/32 for n <= m
// STRIDED1: 16.9 k pairs kept of 1.05 M
// STRIDED4: 264 k pairs kept of 16.8 M

// RUN: attnc explain %s --function=log --measure=false --shape q=1024x8 --shape k=1024x8 --shape v=1024x8 | FileCheck %s --check-prefixes=LOG,LOG1
// RUN: attnc explain %s --function=log --measure=false --shape q=4096x8 --shape k=4096x8 --shape v=4096x8 | FileCheck %s --check-prefixes=LOG,LOG4
// n (log2 n + 1) of n^2.
// LOG: kept pairs of a head: at most n*(log2(m) + 2)
// LOG1: 10.2 k pairs kept of 1.05 M
// LOG4: 49.2 k pairs kept of 16.8 M

// RUN: attnc explain %s --function=documents --measure=false | FileCheck %s --check-prefix=DOCUMENTS
// DOCUMENTS: max(begin(i), k_begin) <= j <= min(end(i) - 1, i, k_end - 1)
// DOCUMENTS: kept pairs of a head: sum(max(0, min(

!t = tensor<?x8xf32>
func.func @strided(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & strided<32>> : !t, !t, !t -> !t
  return %o : !t
}
func.func @log(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v sparsity = #attn.pairs<log> : !t, !t, !t -> !t
  return %o : !t
}
func.func @documents(%q: !t, %k: !t, %v: !t, %cu: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<documents(%cu) & causal> : !t, !t, !t, tensor<?xi32> -> !t
  return %o : !t
}
