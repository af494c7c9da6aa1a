// attn.append becomes a launch that writes runs of rows into the cache.
//
// RUN: attnc-opt %s --split-input-file --attn-tile --attn-fuse --canonicalize --cse | FileCheck %s

// CHECK-LABEL: @contiguous
// CHECK-SAME: %[[ROWS:[a-z0-9]+]]: tensor<?x4x?x16xf32>, %[[CACHE:[a-z0-9]+]]: tensor<?x4x?x16xf32>, %[[LEN:[a-z0-9]+]]: tensor<?xi32>
// CHECK-SAME: (A1) rows and cache need the same dim 0
// CHECK: %[[OUT:[a-z0-9_]+]] = scf.forall (%[[B:[a-z0-9]+]], %[[H:[a-z0-9]+]], %[[T:[a-z0-9]+]]) in {{.*}} shared_outs(%[[NEW:[a-z0-9]+]] = %[[CACHE]])
// CHECK: %[[LENGTH:[a-z0-9_]+]] = attn.checked {{.*}} status {{.*}}length
// CHECK: %[[TILE:[a-z0-9_]+]] = attn.rows(%[[FIRST:[a-z0-9_]+]], %[[COUNT:[a-z0-9_]+]])
// CHECK: ^bb0(%[[R:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[ROWS]][%[[B]], %[[H]], %[[R]], 0] [1, 1, 1, 16]
// CHECK: tensor.parallel_insert_slice %[[TILE]] into %[[NEW]][%[[B]], %[[H]], %{{.*}}, 0] [1, 1, %[[COUNT]], 16]
// CHECK: return %[[OUT]]
func.func @contiguous(%k: tensor<?x4x?x16xf32>, %cache: tensor<?x4x?x16xf32>, %len: tensor<?xi32>) -> tensor<?x4x?x16xf32> {
  %0 = attn.append %k into %cache lengths(%len) : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?xi32>) -> tensor<?x4x?x16xf32>
  return %0 : tensor<?x4x?x16xf32>
}

// -----

// One run a page; what computes the rows goes into it.
// CHECK-LABEL: @paged_and_rounded
// CHECK-SAME: %[[ROWS:[a-z0-9]+]]: tensor<2x4x1x16xf32>, %[[CACHE:[a-z0-9]+]]: tensor<?x4x32x16xbf16>, %{{.*}}, %[[TABLE:[a-z0-9]+]]: tensor<2x?xi32>
// CHECK-NOT: linalg.generic
// CHECK: scf.forall (%[[B:[a-z0-9]+]], %[[H:[a-z0-9]+]], %{{.*}}) in (2, 4, 2)
// CHECK: %[[ENTRY:[a-z0-9_]+]] = tensor.extract %[[TABLE]][%[[B]], %{{.*}}]
// CHECK: %[[PAGE:[a-z0-9_]+]] = attn.checked %{{.*}} status {{.*}}page
// CHECK: attn.rows
// CHECK: linalg.generic
// CHECK: arith.truncf
// CHECK: tensor.parallel_insert_slice %{{.*}}[%{{.*}}, %[[H]], %{{.*}}, 0] [1, 1, %{{.*}}, 16]
func.func @paged_and_rounded(%k: tensor<2x4x1x16xf32>, %cache: tensor<?x4x32x16xbf16>, %len: tensor<2xi32>, %t: tensor<2x?xi32>) -> tensor<?x4x32x16xbf16> {
  %e = tensor.empty() : tensor<2x4x1x16xbf16>
  %r = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%k : tensor<2x4x1x16xf32>) outs(%e : tensor<2x4x1x16xbf16>) {
    ^bb0(%x: f32, %u: bf16):
      %y = arith.truncf %x : f32 to bf16
      linalg.yield %y : bf16
  } -> tensor<2x4x1x16xbf16>
  %0 = attn.append %r into %cache lengths(%len) pages(%t) : (tensor<2x4x1x16xbf16>, tensor<?x4x32x16xbf16>, tensor<2xi32>, tensor<2x?xi32>) -> tensor<?x4x32x16xbf16>
  return %0 : tensor<?x4x32x16xbf16>
}
