// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-expand -split-input-file | FileCheck %s
// Expanding twice is expanding once.
// RUN: attnc-opt %s -attn-expand -attn-expand -split-input-file > %t.twice
// RUN: attnc-opt %s -attn-expand -split-input-file > %t.once
// RUN: diff %t.once %t.twice

// CHECK-LABEL: func.func @defaults_are_written
// CHECK: attn.attention
// CHECK-SAME: kernel = #attn.softmax scale = 1.250000e-01
func.func @defaults_are_written(%q: tensor<4x?x64xf32>, %k: tensor<4x?x64xf32>) -> tensor<4x?x64xf32> {
  %o = attn.attention %q, %k, %k : tensor<4x?x64xf32>, tensor<4x?x64xf32>, tensor<4x?x64xf32> -> tensor<4x?x64xf32>
  return %o : tensor<4x?x64xf32>
}

// -----

// CHECK-LABEL: func.func @what_is_written_stays
// CHECK: attn.attention
// CHECK-SAME: kernel = #attn.softmax<softcap = 5.000000e+01 : f64> scale = 1.000000e+00
func.func @what_is_written_stays(%q: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.attention %q, %q, %q kernel = #attn.softmax<softcap = 50.0> scale = 1.0
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// `local` is sugar at any depth, with constant and operand widths.
// CHECK-LABEL: func.func @local_is_window
// CHECK: mask = #attn.pairs<causal & !window<3, 3> | blocks<8> { window<1, 1> }>
// CHECK-SAME: sparsity = #attn.pairs<window<[[W:%.+]], [[W]]> | global<2>>
func.func @local_is_window(%q: tensor<?x64xf32>, %w: i64) -> tensor<?x64xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal & !local<3> | blocks<8> { local<1> }>
      sparsity = #attn.pairs<local<%w> | global<2>>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, i64 -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// Elementwise tensor code becomes linalg.generic; nothing but an empty tensor
// is written to, and sizes come from the arguments.
// CHECK-LABEL: func.func @elementwise_is_generic
// CHECK-SAME: (%[[Q:.+]]: tensor<?x64xf32>, %[[G:.+]]: tensor<?x64xf32>)
// CHECK: %[[N:.+]] = tensor.dim %[[Q]]
// CHECK: %[[E:.+]] = tensor.empty(%[[N]])
// CHECK: %[[S:.+]] = linalg.generic {{.+}} ins(%[[Q]] : tensor<?x64xf32>) outs(%[[E]] :
// CHECK: math.exp
// CHECK: %[[O:.+]] = attn.attention %[[S]]
// CHECK: linalg.generic {{.+}} ins(%[[O]], %[[G]] : {{.+}}) outs(%{{.+}} :
// CHECK: arith.mulf
func.func @elementwise_is_generic(%q: tensor<?x64xf32>, %g: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %s = math.exp %q : tensor<?x64xf32>
  %o = attn.attention %s, %q, %q : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  %r = arith.mulf %o, %g : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @splat_becomes_scalar
// CHECK: linalg.generic {{.+}} ins(%arg0 : tensor<8x64xbf16>)
// CHECK: %[[C:.+]] = arith.constant 2.000000e+00 : bf16
// CHECK: arith.mulf %{{.+}}, %[[C]] : bf16
func.func @splat_becomes_scalar(%q: tensor<8x64xbf16>) -> tensor<8x64xbf16> {
  %c = arith.constant dense<2.0> : tensor<8x64xbf16>
  %s = arith.mulf %q, %c : tensor<8x64xbf16>
  return %s : tensor<8x64xbf16>
}

// -----

// CHECK-LABEL: func.func @named_linalg_is_generic
// CHECK-NOT: linalg.add
// CHECK-NOT: linalg.broadcast
// CHECK: linalg.generic
// CHECK: linalg.generic
func.func @named_linalg_is_generic(%q: tensor<8x64xf32>, %b: tensor<64xf32>) -> tensor<8x64xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %x = linalg.broadcast ins(%b : tensor<64xf32>) outs(%e : tensor<8x64xf32>) dimensions = [0]
  %s = linalg.add ins(%q, %x : tensor<8x64xf32>, tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  return %s : tensor<8x64xf32>
}

// -----

// A sum that reads what it is added to keeps its destination.
// CHECK-LABEL: func.func @accumulation_keeps_its_destination
// CHECK: linalg.generic {{.+}} outs(%arg2 : tensor<8x8xf32>)
func.func @accumulation_keeps_its_destination(%a: tensor<8x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %s = linalg.matmul ins(%a, %b : tensor<8x4xf32>, tensor<4x8xf32>) outs(%c : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %s : tensor<8x8xf32>
}

// -----

// Scalar regions stay scalar.
// CHECK-LABEL: func.func @regions_are_left_alone
// CHECK: score_mod
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf {{.+}} : f32
// CHECK-NEXT: attn.yield
func.func @regions_are_left_alone(%q: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.attention %q, %q, %q score_mod {
  ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    %t = arith.addf %s, %s : f32
    attn.yield %t : f32
  } : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
