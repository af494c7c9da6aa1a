// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What attnc explain says pair sets cost: formulas, and numbers at sizes that
// show how they grow.

// A window: O(n*w). Four times the rows, four times the pairs.
// RUN: attnc explain --measure=false --function=window %s --shape q=1x1024x64 --shape k=1x1024x64 | FileCheck %s --check-prefixes=WINDOW,WINDOW1K
// RUN: attnc explain --measure=false --function=window %s --shape q=1x4096x64 --shape k=1x4096x64 | FileCheck %s --check-prefixes=WINDOW,WINDOW4K
// WINDOW: kept pairs of a head: at most n*64
// WINDOW1K: {{^ +}}63.5 k pairs kept of 1.05 M (6.1%), 78.4 k visited
// WINDOW4K: {{^ +}}260 k pairs kept of 16.8 M (1.6%), 321 k visited

// Local, strided and global at s = sqrt(n): O(n*sqrt(n)). Four times the rows,
// eight times the pairs.
// RUN: attnc explain --measure=false --function=sparse32 %s --shape q=1x1024x64 --shape k=1x1024x64 | FileCheck %s --check-prefix=SPARSE1K
// RUN: attnc explain --measure=false --function=sparse64 %s --shape q=1x4096x64 --shape k=1x4096x64 | FileCheck %s --check-prefix=SPARSE4K
// SPARSE1K: walking keys a
// SPARSE1K-NEXT: multiple of 32 positions away
// SPARSE1K: at most about n*32 + n*32 + (n*m - n*(n -
// SPARSE1K-NEXT: 1)/2)/32
// SPARSE1K: {{^ +}}78.4 k pairs kept of 1.05 M (7.5%), 101 k visited
// SPARSE4K: at most about n*64 + n*64 + (n*m - n*(n -
// SPARSE4K-NEXT: 1)/2)/64
// SPARSE4K: {{^ +}}641 k pairs kept of 16.8 M (3.8%), 733 k visited

// Logarithmic: O(n*log(n)).
// RUN: attnc explain --measure=false --function=log %s --shape q=1x1024x64 --shape k=1x1024x64 | FileCheck %s --check-prefixes=LOG,LOG1K
// RUN: attnc explain --measure=false --function=log %s --shape q=1x4096x64 --shape k=1x4096x64 | FileCheck %s --check-prefixes=LOG,LOG4K
// LOG: kept pairs of a head: at most n*(log2(m) + 2)
// LOG1K: {{^ +}}10.2 k pairs kept of 1.05 M (1.0%), 10.2 k visited
// LOG1K: 1,024 rows walk a list
// LOG4K: {{^ +}}49.2 k pairs kept of 16.8 M (0.3%), 49.2 k visited

// Documents: the sum of their squares.
// RUN: attnc explain --measure=false --function=documents %s --shape q=1x1024x64 --shape k=1x1024x64 | FileCheck %s --check-prefix=DOCUMENTS
// RUN: attnc explain --measure=false --function=packed %s | FileCheck %s --check-prefix=PACKED
// DOCUMENTS: kept pairs of a head: sum of l^2 over the documents of cu for n = m
// DOCUMENTS: What is kept depends on operands
// PACKED: kept pairs of a head: sum of l*(l + 1)/2 over the documents of cu

// With their offsets at hand they are counted: 100^2 + 300^2 + 600^2 of 1000^2.
// RUN: %python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([0, 100, 400, 1000], dtype=numpy.int32))" %t.npy
// RUN: attnc explain --measure=false --function=documents %s --shape q=1x1000x64 --shape k=1x1000x64 --input cu=%t.npy | FileCheck %s --check-prefix=GIVEN
// RUN: not attnc explain --measure=false --function=documents %s --shape q=1x1000x64 --shape k=1x1000x64 --input cu=%t.none.npy 2>&1 | FileCheck %s --check-prefix=NONE
// GIVEN: {{^ +}}460 k pairs kept of 1.00 M (46.0%)
// NONE: explain-cost.mlir.tmp.none.npy

// Bounds that differ by head are counted head by head.
// RUN: attnc explain --measure=false --function=heads %s --shape q=2x1024x64 --shape k=2x1024x64 | FileCheck %s --check-prefix=HEADS
// HEADS: At n = 1,024, m = 1,024, 2 heads in all:
// HEADS-NEXT: 1.11 M pairs kept

// Sets that no bound says and no walk enumerates.
// RUN: attnc explain --measure=false --function=tested %s | FileCheck %s --check-prefix=TESTED
// TESTED: parts {{.*}}testing
// TESTED-SAME: tested pair
// TESTED-NEXT: by pair at run time

!t = tensor<?x?x64xf32>
func.func @window(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<63, 0>> : !t, !t, !t -> !t
  return %o : !t
}
func.func @sparse32(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & (local<31> | strided<32> | global<32>)> : !t, !t, !t -> !t
  return %o : !t
}
func.func @sparse64(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & (local<63> | strided<64> | global<64>)> : !t, !t, !t -> !t
  return %o : !t
}
func.func @log(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<log> : !t, !t, !t -> !t
  return %o : !t
}
func.func @documents(%q: !t, %k: !t, %v: !t, %cu: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<documents(%cu)> : !t, !t, !t, tensor<?xi32> -> !t
  return %o : !t
}
func.func @packed(%q: !t, %k: !t, %v: !t, %cu: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<documents(%cu) & causal> : !t, !t, !t, tensor<?xi32> -> !t
  return %o : !t
}
func.func @heads(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<by_head(0, 1) { window<63, 0>, full }> : !t, !t, !t -> !t
  return %o : !t
}
func.func @tested(%q: !t, %k: !t, %v: !t, %mask: tensor<?x?xi1>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<dense(%mask)> : !t, !t, !t, tensor<?x?xi1> -> !t
  return %o : !t
}
