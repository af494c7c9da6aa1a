// Round trips of attn.fold, attn.rows, attn.checked and their attributes.
//
// RUN: attnc-opt %s | FileCheck %s
// RUN: attnc-opt %s | attnc-opt | FileCheck %s
// RUN: attnc-opt %s -mlir-print-op-generic | attnc-opt | FileCheck %s

#schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2,
  key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1,
  q = direct, k = direct, v = direct>
#plan = #attn.plan<components = [#attn.component<
  lower = (d0)[s0, s1, s2, s3, s4] -> (d0 - s4, s0),
  upper = (d0)[s0, s1, s2, s3, s4] -> (d0),
  row_lower = ()[s0, s1, s2, s3, s4] -> (),
  row_upper = ()[s0, s1, s2, s3, s4] -> (), tests = [1]>],
  atoms = [#attn.pairs<keys($0)>], parameters = [1]>
#whole = #attn.plan<components = [#attn.component<
  lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (s1 - 1),
  row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>

// Every region and both results.
// CHECK-LABEL: func.func @every_region
// CHECK: %{{.*}}, %{{.*}} = attn.fold head(%arg4) rows(%arg4, %arg5) keys(%arg5) symbols(%arg4, %arg5, %arg4, %arg5, %arg5)
// CHECK-SAME: plan = <components = [#attn.component<lower = (d0)[s0, s1, s2, s3, s4] -> (d0 - s4, s0),
// CHECK-SAME: kernel = #attn.softmax scale = 1.250000e-01 schedule = <micro = row, query_tile = 4, heads = 2,
// CHECK-SAME: load_q {
// CHECK: load_k {
// CHECK: load_v {
// CHECK: score {
// CHECK: tests {
// CHECK: epilogue {
// CHECK: } : tensor<2x?x3xf16>, tensor<2x?xf32>
func.func @every_region(%q: tensor<4x?x8xf32>, %k: tensor<?x8xf32>,
                        %v: tensor<?x3xf32>, %m: tensor<?xi1>, %x: index,
                        %n: index) {
  %t, %l = attn.fold head(%x) rows(%x, %n) keys(%n) symbols(%x, %n, %x, %n, %n)
      plan = #plan kernel = #attn.softmax scale = 0.125 schedule = #schedule
    load_q {
    ^bb0(%h: index, %r: index):
      %row = tensor.extract_slice %q[%h, %r, 0] [1, 1, 8] [1, 1, 1]
        : tensor<4x?x8xf32> to tensor<1x1x8xf32>
      attn.yield %row : tensor<1x1x8xf32>
    }
    load_k {
    ^bb0(%c: index):
      %row = tensor.extract_slice %k[%c, 0] [1, 8] [1, 1]
        : tensor<?x8xf32> to tensor<1x8xf32>
      attn.yield %row : tensor<1x8xf32>
    }
    load_v {
    ^bb0(%c: index):
      %row = tensor.extract_slice %v[%c, 0] [1, 3] [1, 1]
        : tensor<?x3xf32> to tensor<3xf32>
      attn.yield %row : tensor<3xf32>
    }
    score {
    ^bb0(%s: f32, %h: index, %i: index, %j: index, %r: index, %c: index):
      %y = math.tanh %s : f32
      attn.yield %y : f32
    }
    tests {
    ^bb0(%h: index, %i: index, %j: index, %r: index, %c: index):
      %y = tensor.extract %m[%c] : tensor<?xi1>
      attn.yield %y : i1
    }
    epilogue {
    ^bb0(%y: tensor<3xf32>, %h: index, %r: index):
      %z = arith.truncf %y : tensor<3xf32> to tensor<3xf16>
      attn.yield %z : tensor<3xf16>
    } : tensor<2x?x3xf16>, tensor<2x?xf32>
  return
}

// CHECK-LABEL: func.func @loaders_only
// CHECK: %{{.*}} = attn.fold
// CHECK-NOT: score {
// CHECK-NOT: tests {
// CHECK-NOT: epilogue {
// CHECK: } : tensor<2x4x8xf64>
func.func @loaders_only(%q: tensor<4x8xf64>, %x: index, %n: index) {
  %t = attn.fold head(%x) rows(%x, %n) keys(%n) symbols(%x, %n, %x, %n)
      plan = #whole kernel = #attn.linear<feature = exp> scale = 1.0
      schedule = #schedule
    load_q {
    ^bb0(%h: index, %r: index):
      %row = tensor.extract_slice %q[%r, 0] [1, 8] [1, 1]
        : tensor<4x8xf64> to tensor<1x8xf64>
      attn.yield %row : tensor<1x8xf64>
    }
    load_k {
    ^bb0(%c: index):
      %row = tensor.extract_slice %q[%c, 0] [1, 8] [1, 1]
        : tensor<4x8xf64> to tensor<1x8xf64>
      attn.yield %row : tensor<1x8xf64>
    }
    load_v {
    ^bb0(%c: index):
      %row = tensor.extract_slice %q[%c, 0] [1, 8] [1, 1]
        : tensor<4x8xf64> to tensor<1x8xf64>
      attn.yield %row : tensor<1x8xf64>
    } : tensor<2x4x8xf64>
  return
}

// CHECK-LABEL: func.func @rows
// CHECK: %{{.*}} = attn.rows(%arg1, %arg2) {
// CHECK: attn.yield %{{.*}} : tensor<1x8xf32>
// CHECK: } : tensor<?x8xf32>
func.func @rows(%k: tensor<?x8xf32>, %r0: index, %n: index) -> tensor<?x8xf32> {
  %t = attn.rows(%r0, %n) {
  ^bb0(%r: index):
    %row = tensor.extract_slice %k[%r, 0] [1, 8] [1, 1]
      : tensor<?x8xf32> to tensor<1x8xf32>
    attn.yield %row : tensor<1x8xf32>
  } : tensor<?x8xf32>
  return %t : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @checked
// CHECK: attn.checked %arg0 in(%arg1, %arg2) status length
// CHECK: attn.checked %arg0 in(%arg1, %arg2) status page
func.func @checked(%x: index, %lo: index, %hi: index) -> (index, index) {
  %0 = attn.checked %x in(%lo, %hi) status length
  %1 = attn.checked %x in(%lo, %hi) status page
  return %0, %1 : index, index
}

// CHECK-LABEL: func.func private @formula
// CHECK-SAME: attn.size = #attn.formula<map = ()[s0, s1] -> (s0 * s1), dims = [0, 2, 1, 0]>
func.func private @formula() attributes {attn.size = #attn.formula<
  map = ()[s0, s1] -> (s0 * s1), dims = [0, 2, 1, 0]>}
