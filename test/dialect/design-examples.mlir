// The examples of docs/design.md, section 4, at small static sizes: they parse,
// print, parse again, also in generic form. attnc-reference-tests evaluates
// every function of this file against NumPy (test/reference/numpy_values.py).
//
// RUN: attnc-opt %s | FileCheck %s
// RUN: attnc-opt %s | attnc-opt | FileCheck %s
// RUN: attnc-opt %s -mlir-print-op-generic | attnc-opt | FileCheck %s

// Mistral: sliding window with sink keys, grouped heads, paged cache.
// CHECK-LABEL: func.func @mistral
// CHECK: attn.attention %arg0, %arg1, %arg2 pages(%arg3) lengths(%arg4)
// CHECK-SAME: mask = #attn.pairs<causal & (window<5, 0> | first<2>)>
// CHECK-SAME: : tensor<2x4x3x8xbf16>, tensor<9x2x4x8xbf16>, tensor<9x2x4x8xbf16>, tensor<2x4xi32>, tensor<2xi32> -> tensor<2x4x3x8xbf16>
func.func @mistral(%q: tensor<2x4x3x8xbf16>, %k: tensor<9x2x4x8xbf16>,
                   %v: tensor<9x2x4x8xbf16>, %table: tensor<2x4xi32>,
                   %len: tensor<2xi32>) -> tensor<2x4x3x8xbf16> {
  %o = attn.attention %q, %k, %v pages(%table) lengths(%len)
         mask = #attn.pairs<causal & (window<5, 0> | first<2>)>
         : tensor<2x4x3x8xbf16>, tensor<9x2x4x8xbf16>, tensor<9x2x4x8xbf16>,
           tensor<2x4xi32>, tensor<2xi32> -> tensor<2x4x3x8xbf16>
  return %o : tensor<2x4x3x8xbf16>
}

// Packed documents, each with its own bidirectional prefix (PaLI).
// CHECK-LABEL: func.func @pali
// CHECK: mask = #attn.pairs<per_document(%arg3) { causal | prefix(%arg4) }>
func.func @pali(%q: tensor<2x12x4xf32>, %k: tensor<2x12x4xf32>,
                %v: tensor<2x12x4xf32>, %cu: tensor<4xi32>,
                %p: tensor<3xi32>) -> tensor<2x12x4xf32> {
  %o = attn.attention %q, %k, %v
         mask = #attn.pairs<per_document(%cu) { causal | prefix(%p) }>
         : tensor<2x12x4xf32>, tensor<2x12x4xf32>, tensor<2x12x4xf32>,
           tensor<4xi32>, tensor<3xi32> -> tensor<2x12x4xf32>
  return %o : tensor<2x12x4xf32>
}

// The Sparse Transformer's pattern, O(n·√n).
// CHECK-LABEL: func.func @sparse_transformer
// CHECK: mask = #attn.pairs<causal> sparsity = #attn.pairs<local<2> | strided<4> | global<2>>
func.func @sparse_transformer(%q: tensor<1x2x17x4xf32>, %k: tensor<1x2x17x4xf32>,
                              %v: tensor<1x2x17x4xf32>) -> tensor<1x2x17x4xf32> {
  %o = attn.attention %q, %k, %v
         mask = #attn.pairs<causal>
         sparsity = #attn.pairs<local<2> | strided<4> | global<2>>
         : tensor<1x2x17x4xf32>, tensor<1x2x17x4xf32>, tensor<1x2x17x4xf32>
           -> tensor<1x2x17x4xf32>
  return %o : tensor<1x2x17x4xf32>
}

// Swin: windows of 2×2 shifted by 1 on a 4×6 grid, with a learned relative bias
// captured by the score region.
// CHECK-LABEL: func.func @swin
// CHECK: mask = #attn.pairs<axes<4 x 6> { chunk<2, offset = 1>, chunk<2, offset = 1> }>
// CHECK-SAME: score_mod captures(%arg3 : tensor<2x3x3xf32>) {
// CHECK: attn.yield %{{.*}} : f32
func.func @swin(%q: tensor<1x2x24x4xf32>, %k: tensor<1x2x24x4xf32>,
                %v: tensor<1x2x24x4xf32>, %relbias: tensor<2x3x3xf32>)
    -> tensor<1x2x24x4xf32> {
  %o = attn.attention %q, %k, %v
         mask = #attn.pairs<axes<4 x 6> { chunk<2, offset = 1>, chunk<2, offset = 1> }>
         score_mod captures(%relbias : tensor<2x3x3xf32>) {
         ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
           %one = arith.constant 1 : index
           %width = arith.constant 6 : index
           %iy = arith.divui %i, %width : index
           %ix = arith.remui %i, %width : index
           %jy = arith.divui %j, %width : index
           %jx = arith.remui %j, %width : index
           %dy = arith.subi %iy, %jy : index
           %dx = arith.subi %ix, %jx : index
           %y = arith.addi %dy, %one : index
           %x = arith.addi %dx, %one : index
           %r = tensor.extract %relbias[%h, %y, %x] : tensor<2x3x3xf32>
           %t = arith.addf %s, %r : f32
           attn.yield %t : f32
         }
         : tensor<1x2x24x4xf32>, tensor<1x2x24x4xf32>, tensor<1x2x24x4xf32>
           -> tensor<1x2x24x4xf32>
  return %o : tensor<1x2x24x4xf32>
}

// BigBird, by blocks, the random part as a checkpoint stores it.
// CHECK-LABEL: func.func @bigbird
// CHECK: sparsity = #attn.pairs<blocks<3> { window<1, 1> | first<1> | last<1> } | bsr(%arg3, %arg4)>
func.func @bigbird(%q: tensor<1x2x18x4xf32>, %k: tensor<1x2x18x4xf32>,
                   %v: tensor<1x2x18x4xf32>, %ptr: tensor<7xi32>,
                   %idx: tensor<6xi32>) -> tensor<1x2x18x4xf32> {
  %o = attn.attention %q, %k, %v
         sparsity = #attn.pairs<blocks<3> { window<1, 1> | first<1> | last<1> }
                                | bsr(%ptr, %idx)>
         : tensor<1x2x18x4xf32>, tensor<1x2x18x4xf32>, tensor<1x2x18x4xf32>,
           tensor<7xi32>, tensor<6xi32> -> tensor<1x2x18x4xf32>
  return %o : tensor<1x2x18x4xf32>
}

// Selected keys: -1 pads, any order, duplicates count once.
// CHECK-LABEL: func.func @selected_keys
// CHECK: sparsity = #attn.pairs<topk(%arg3)>
func.func @selected_keys(%q: tensor<2x2x4x4xf32>, %k: tensor<2x1x9x4xf32>,
                         %v: tensor<2x1x9x4xf32>, %idx: tensor<2x1x4x5xi32>)
    -> tensor<2x2x4x4xf32> {
  %o = attn.attention %q, %k, %v sparsity = #attn.pairs<topk(%idx)>
         : tensor<2x2x4x4xf32>, tensor<2x1x9x4xf32>, tensor<2x1x9x4xf32>,
           tensor<2x1x4x5xi32> -> tensor<2x2x4x4xf32>
  return %o : tensor<2x2x4x4xf32>
}

// Linear attention, O(n).
// CHECK-LABEL: func.func @linear
// CHECK: mask = #attn.pairs<causal> kernel = #attn.linear :
func.func @linear(%q: tensor<2x9x4xf32>, %k: tensor<2x9x4xf32>,
                  %v: tensor<2x9x5xf32>) -> tensor<2x9x5xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
         kernel = #attn.linear<feature = elu1>
         : tensor<2x9x4xf32>, tensor<2x9x4xf32>, tensor<2x9x5xf32>
           -> tensor<2x9x5xf32>
  return %o : tensor<2x9x5xf32>
}

// Retention with decay and a streamed state; the new state is the second result.
// CHECK-LABEL: func.func @retention
// CHECK: attn.attention %arg0, %arg1, %arg2 decay(%arg3) state(%arg4) mask = #attn.pairs<causal> kernel = #attn.linear<feature = identity, norm = none>
// CHECK-SAME: -> (tensor<1x2x9x5xf32>, tensor<1x2x4x5xf32>)
func.func @retention(%q: tensor<1x2x9x4xf32>, %k: tensor<1x2x9x4xf32>,
                     %v: tensor<1x2x9x5xf32>, %gamma: tensor<2xf32>,
                     %s0: tensor<1x2x4x5xf32>)
    -> (tensor<1x2x9x5xf32>, tensor<1x2x4x5xf32>) {
  %o, %s1 = attn.attention %q, %k, %v decay(%gamma) state(%s0)
         mask = #attn.pairs<causal>
         kernel = #attn.linear<feature = identity, norm = none>
         : tensor<1x2x9x4xf32>, tensor<1x2x9x4xf32>, tensor<1x2x9x5xf32>,
           tensor<2xf32>, tensor<1x2x4x5xf32>
           -> (tensor<1x2x9x5xf32>, tensor<1x2x4x5xf32>)
  return %o, %s1 : tensor<1x2x9x5xf32>, tensor<1x2x4x5xf32>
}
