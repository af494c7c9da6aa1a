// RUN: attnc-opt %s | attnc-opt | FileCheck %s
// RUN: attnc-opt %s --mlir-print-op-generic | attnc-opt | FileCheck %s
// What regions of a fold ask of set operands; checked once a launch: their
// order.

// CHECK-LABEL: func @reads
// CHECK: attn.check_order %{{.*}}[%{{.*}}] when(%{{.*}}) : tensor<4x?xi32>
// CHECK: %{{.*}}, %{{.*}}, %{{.*}} = attn.segment %{{.*}} of %{{.*}}[%{{.*}}] : tensor<4x?xi32>
// CHECK: attn.listed %{{.*}} of %{{.*}}[] from(%{{.*}}) to(%{{.*}}) : tensor<?xi64>
func.func @reads(%cu: tensor<4x?xi32>, %list: tensor<?xi64>, %b: index, %x: index, %when: i1) -> (index, i1) {
  attn.check_order %cu[%b] when(%when) : tensor<4x?xi32>
  %d, %begin, %end = attn.segment %x of %cu[%b] : tensor<4x?xi32>
  %t = attn.listed %x of %list[] from(%begin) to(%end) : tensor<?xi64>
  return %d, %t : index, i1
}

// CHECK-LABEL: func @random_keys
// CHECK: attn.random_key(%{{.*}}, %{{.*}}, %{{.*}}) from(%{{.*}}) to(%{{.*}}) seed -7
// CHECK: attn.is_random_key %{{.*}} of(%{{.*}}, %{{.*}}) from(%{{.*}}) to(%{{.*}}) count 3 seed -7
func.func @random_keys(%h: index, %i: index, %t: index, %b: index, %e: index) -> i1 {
  %j = attn.random_key(%h, %i, %t) from(%b) to(%e) seed -7
  %r = attn.is_random_key %j of(%h, %i) from(%b) to(%e) count 3 seed -7
  return %r : i1
}
