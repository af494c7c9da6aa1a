// attn.append parses, prints and round-trips.
//
// RUN: attnc-opt %s | FileCheck %s
// RUN: attnc-opt %s | attnc-opt | FileCheck %s
// RUN: attnc-opt %s --mlir-print-op-generic | attnc-opt | FileCheck %s

// CHECK-LABEL: func.func @contiguous
// CHECK: attn.append %arg0 into %arg1 lengths(%arg2) : (tensor<2x4x1x16xf32>, tensor<2x4x?x16xf32>, tensor<2xi32>) -> tensor<2x4x?x16xf32>
func.func @contiguous(%k: tensor<2x4x1x16xf32>, %cache: tensor<2x4x?x16xf32>, %len: tensor<2xi32>) -> tensor<2x4x?x16xf32> {
  %0 = attn.append %k into %cache lengths(%len) : (tensor<2x4x1x16xf32>, tensor<2x4x?x16xf32>, tensor<2xi32>) -> tensor<2x4x?x16xf32>
  return %0 : tensor<2x4x?x16xf32>
}

// CHECK-LABEL: func.func @without_batch
// CHECK: attn.append %arg0 into %arg1 lengths(%arg2) row_lengths(%arg3) :
func.func @without_batch(%k: tensor<?x16xf32>, %cache: tensor<?x16xf32>, %len: index, %n: i64) -> tensor<?x16xf32> {
  %0 = attn.append %k into %cache lengths(%len) row_lengths(%n) : (tensor<?x16xf32>, tensor<?x16xf32>, index, i64) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @paged
// CHECK: attn.append %arg0 into %arg1 lengths(%arg2) pages(%arg3) :
func.func @paged(%k: tensor<?x4x?x16xf32>, %cache: tensor<?x4x32x16xf32>, %len: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x4x32x16xf32> {
  %0 = attn.append %k into %cache lengths(%len) pages(%t) : (tensor<?x4x?x16xf32>, tensor<?x4x32x16xf32>, tensor<?xi32>, tensor<?x?xi32>) -> tensor<?x4x32x16xf32>
  return %0 : tensor<?x4x32x16xf32>
}

// CHECK-LABEL: func.func @packed
// CHECK: attn.append %arg0 into %arg1 lengths(%arg2) row_lengths(%arg3) pages(%arg4, %arg5) :
func.func @packed(%k: tensor<3x4x?x16xbf16>, %cache: tensor<?x4x?x16xbf16>, %len: tensor<3xi32>, %n: tensor<3xi32>, %t: tensor<?xi32>, %i: tensor<4xi32>) -> tensor<?x4x?x16xbf16> {
  %0 = attn.append %k into %cache lengths(%len) row_lengths(%n) pages(%t, %i) : (tensor<3x4x?x16xbf16>, tensor<?x4x?x16xbf16>, tensor<3xi32>, tensor<3xi32>, tensor<?xi32>, tensor<4xi32>) -> tensor<?x4x?x16xbf16>
  return %0 : tensor<?x4x?x16xbf16>
}
