// RUN: attnc-opt %s --split-input-file --attn-to-stage3 --attn-tile --attn-fuse --canonicalize --cse | FileCheck %s
// RUN: attnc-opt %s --split-input-file --attn-to-stage3=producers=materialize --attn-tile --attn-fuse --canonicalize --cse | FileCheck %s --check-prefix=MAT

// CHECK-LABEL: @a_cast_becomes_part_of_the_loader
// CHECK-NOT: attn.rows
// CHECK: load_k {
// CHECK: tensor.extract_slice %{{.*}} : tensor<?x64xf16> to tensor<1x64xf16>
// CHECK: linalg.generic
// CHECK: arith.extf
// CHECK: attn.yield %{{.*}} : tensor<1x64xf32>
// MAT-LABEL: @a_cast_becomes_part_of_the_loader
// MAT: scf.forall
// MAT: attn.rows
// MAT: arith.extf
// MAT: scf.forall
// MAT: attn.fold
// MAT-NOT: arith.extf
func.func @a_cast_becomes_part_of_the_loader(%q: tensor<?x64xf32>, %k: tensor<?x64xf16>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %k1 = arith.extf %k : tensor<?x64xf16> to tensor<?x64xf32>
  %o = attn.attention %q, %k1, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// A norm reduces the row: one launch fills a buffer of m x d, the fold reads it.
// CHECK-LABEL: @a_norm_is_materialized_once
// CHECK: %[[BUFFER:[a-z0-9_]+]] = scf.forall
// CHECK: attn.rows
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: math.sqrt
// CHECK: scf.forall
// CHECK: attn.fold
// CHECK: load_k {
// CHECK: tensor.extract_slice %[[BUFFER]]
func.func @a_norm_is_materialized_once(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %k, %c0 : tensor<?x64xf32>
  %z = arith.constant 0.0 : f32
  %e0 = tensor.empty(%m) : tensor<?xf32>
  %f0 = linalg.fill ins(%z : f32) outs(%e0 : tensor<?xf32>) -> tensor<?xf32>
  %ss = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r)>], iterator_types = ["parallel", "reduction"]}
      ins(%k : tensor<?x64xf32>) outs(%f0 : tensor<?xf32>) {
  ^bb0(%x: f32, %acc: f32):
    %a = arith.mulf %x, %x : f32
    %b = arith.addf %acc, %a : f32
    linalg.yield %b : f32
  } -> tensor<?xf32>
  %e1 = tensor.empty(%m) : tensor<?x64xf32>
  %k1 = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r)>, affine_map<(r, c) -> (r, c)>], iterator_types = ["parallel", "parallel"]}
      ins(%k, %ss : tensor<?x64xf32>, tensor<?xf32>) outs(%e1 : tensor<?x64xf32>) {
  ^bb0(%x: f32, %s: f32, %o: f32):
    %r = math.sqrt %s : f32
    %y = arith.divf %x, %r : f32
    linalg.yield %y : f32
  } -> tensor<?x64xf32>
  %o = attn.attention %q, %k1, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// Gate, residual and cast follow the row out; the result is stored as f16.
// CHECK-LABEL: @elementwise_consumers_become_the_epilogue
// CHECK: %[[OUT:[a-z0-9_]+]] = scf.forall {{.*}} -> (tensor<?x64xf16>)
// CHECK: epilogue {
// CHECK: ^bb0(%[[ROW:[a-z0-9]+]]: tensor<1x64xf32>, %{{.*}}: index, %[[R:[a-z0-9]+]]: index):
// CHECK: math.exp
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: arith.truncf
// CHECK: attn.yield %{{.*}} : tensor<1x64xf16>
// CHECK: : tensor<1x?x64xf16>
// CHECK-NOT: linalg
// CHECK: return %[[OUT]]
func.func @elementwise_consumers_become_the_epilogue(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %gate: tensor<?x64xf32>) -> tensor<?x64xf16> {
  %o = attn.attention %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  %g = math.exp %gate : tensor<?x64xf32>
  %a = arith.mulf %o, %g : tensor<?x64xf32>
  %b = arith.addf %a, %q : tensor<?x64xf32>
  %c = arith.truncf %b : tensor<?x64xf32> to tensor<?x64xf16>
  return %c : tensor<?x64xf16>
}

// -----

// Two readers: the result must exist, and what follows is a launch of its own.
// CHECK-LABEL: @a_result_read_twice_stays
// CHECK: attn.fold
// CHECK-NOT: epilogue
// CHECK: scf.forall.in_parallel
// CHECK: scf.forall
// CHECK: attn.rows
// CHECK: arith.negf
func.func @a_result_read_twice_stays(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %o = attn.attention %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  %n = arith.negf %o : tensor<?x64xf32>
  return %o, %n : tensor<?x64xf32>, tensor<?x64xf32>
}
