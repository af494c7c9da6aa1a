// RUN: attnc-opt %s --split-input-file --attn-expand --attn-plan-pairs --attn-schedule --attn-tile --canonicalize --cse | FileCheck %s

// CHECK-LABEL: @grid_of_heads_and_query_tiles
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x8x?x64xf32>, %[[K:[a-z0-9]+]]: tensor<2x2x?x64xf32>
// CHECK: %[[TILES:[a-z0-9_]+]] = affine.apply #{{.*}}()[%{{.*}}]
// CHECK: scf.forall (%[[B:[a-z0-9]+]], %[[H:[a-z0-9]+]], %[[T:[a-z0-9]+]]) in (2, 2, %[[TILES]])
// CHECK: %[[FIRST:[a-z0-9_]+]] = affine.apply #{{.*}}()[%[[H]]]
// CHECK: %[[KH:[a-z0-9_]+]] = arith.divui %[[FIRST]], %c4
// CHECK: attn.fold head(%[[FIRST]])
// CHECK: load_q
// CHECK: ^bb0(%[[HQ:[a-z0-9]+]]: index, %[[R:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[Q]][%[[B]], %[[HQ]], %[[R]], 0] [1, 1, 1, 64]
// CHECK: load_k
// CHECK: ^bb0(%[[C:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[K]][%[[B]], %[[KH]], %[[C]], 0] [1, 1, 1, 64]
// CHECK-NOT: score
// CHECK: tensor.parallel_insert_slice
func.func @grid_of_heads_and_query_tiles(%q: tensor<2x8x?x64xf32>, %k: tensor<2x2x?x64xf32>, %v: tensor<2x2x?x64xf32>) -> tensor<2x8x?x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32> -> tensor<2x8x?x64xf32>
  return %o : tensor<2x8x?x64xf32>
}

// -----

// The sizes that the verifier cannot see are checked at launch.
// CHECK-LABEL: @dynamic_sizes_become_constraints
// CHECK-SAME: attn.constraints = [
// CHECK-SAME: (C3) q, k and v need the same batch dim 0
// CHECK-SAME: (C4) key heads must divide query heads
// CHECK-SAME: (C6) k and v need the same rows
func.func @dynamic_sizes_become_constraints(%q: tensor<?x?x?x8xf32>, %k: tensor<?x?x?x8xf32>, %v: tensor<?x?x?x8xf32>) -> tensor<?x?x?x8xf32> {
  %o = attn.attention %q, %k, %v : tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32> -> tensor<?x?x?x8xf32>
  return %o : tensor<?x?x?x8xf32>
}

// -----

// CHECK-LABEL: @lengths_are_checked_and_place_the_queries
// CHECK-SAME: %[[LEN:[a-z0-9]+]]: tensor<2xi32>
// CHECK: %[[X:[a-z0-9_]+]] = tensor.extract %[[LEN]][%[[B:[a-z0-9]+]]]
// CHECK: %[[I:[a-z0-9_]+]] = arith.index_cast %[[X]]
// CHECK: %[[L:[a-z0-9_]+]] = attn.checked %[[I]] in(%c0, %{{.*}}) status length
// CHECK: %[[START:[a-z0-9_]+]] = arith.subi %[[L]], %{{.*}}
// CHECK: keys(%[[L]]) symbols(%c0, %[[L]], %[[START]], %[[L]])
func.func @lengths_are_checked_and_place_the_queries(%q: tensor<2x1x?x8xf32>, %k: tensor<2x1x?x8xf32>, %v: tensor<2x1x?x8xf32>, %len: tensor<2xi32>) -> tensor<2x1x?x8xf32> {
  %o = attn.attention %q, %k, %v lengths(%len) : tensor<2x1x?x8xf32>, tensor<2x1x?x8xf32>, tensor<2x1x?x8xf32>, tensor<2xi32> -> tensor<2x1x?x8xf32>
  return %o : tensor<2x1x?x8xf32>
}

// -----

// softcap, then bias, then score_mod.
// CHECK-LABEL: @score_region_in_order
// CHECK: score {
// CHECK: arith.divf
// CHECK: math.tanh
// CHECK: arith.mulf
// CHECK: %[[B:[a-z0-9_]+]] = tensor.extract
// CHECK: arith.addf %{{.*}}, %[[B]]
// CHECK: arith.negf
func.func @score_region_in_order(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %bias: tensor<?x?xf32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %k, %v bias(%bias) kernel = #attn.softmax<softcap = 5.0>
    score_mod { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index): %t = arith.negf %s : f32 attn.yield %t : f32 }
    : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x?xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// No n x m tensor exists at any launch: masks and scores are regions.
// CHECK-LABEL: @masks_are_tests_not_tensors
// CHECK-SAME: %[[KEYS:[a-z0-9]+]]: tensor<3x?xi1>, %[[DENSE:[a-z0-9]+]]: tensor<3x2x?x?xi1>
// CHECK-NOT: tensor.empty{{.*}} : tensor<{{.*}}?x?x
// CHECK: tests {
// CHECK: tensor.extract %[[KEYS]]
// CHECK: tensor.extract %[[DENSE]]
// CHECK: attn.yield %{{.*}}, %{{.*}} : i1, i1
func.func @masks_are_tests_not_tensors(%q: tensor<3x2x?x8xf32>, %k: tensor<3x2x?x8xf32>, %v: tensor<3x2x?x8xf32>, %keys: tensor<3x?xi1>, %dense: tensor<3x2x?x?xi1>) -> tensor<3x2x?x8xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%keys) & dense(%dense)> : tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>, tensor<3x?xi1>, tensor<3x2x?x?xi1> -> tensor<3x2x?x8xf32>
  return %o : tensor<3x2x?x8xf32>
}

// -----

// CHECK-LABEL: @rank_two_collapses_the_head
// CHECK: scf.forall (%{{.*}}) in
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
func.func @rank_two_collapses_the_head(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %k, %v : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// A grid of one workgroup is still a launch: it stays a grid.
// CHECK-LABEL: @one_tile_stays_a_grid
// CHECK: %[[GRID:[a-z0-9_]+]] = scf.forall (%{{[a-z0-9]+}}) in (1)
// CHECK: attn.fold
// CHECK: tensor.parallel_insert_slice
// CHECK: return
func.func @one_tile_stays_a_grid(%q: tensor<5x8xf32>, %k: tensor<7x8xf32>, %v: tensor<7x8xf32>) -> tensor<5x8xf32> {
  %o = attn.attention %q, %k, %v : tensor<5x8xf32>, tensor<7x8xf32>, tensor<7x8xf32> -> tensor<5x8xf32>
  return %o : tensor<5x8xf32>
}

// -----

// A scope is one test: the document of the query, then the set by positions
// from its begin.
// CHECK-LABEL: @scopes_are_tests
// CHECK-SAME: %[[CU:[a-z0-9]+]]: tensor<3x?xi32>
// CHECK: attn.check_order %[[CU]][%{{.*}}] when(%{{.*}}) : tensor<3x?xi32>
// CHECK-NOT: attn.check_order
// CHECK: tests {
// CHECK: ^bb0(%{{[a-z0-9]+}}: index, %[[I:[a-z0-9]+]]: index, %[[J:[a-z0-9]+]]: index,
// CHECK: %{{.*}}, %[[BEGIN:[a-z0-9_]+]], %[[END:[a-z0-9_]+]] = attn.segment %[[I]] of %[[CU]][%{{.*}}]
// CHECK-DAG: %[[JN:[a-z0-9_]+]] = arith.subi %[[J]], %[[BEGIN]]
// CHECK-DAG: arith.cmpi sle, %[[BEGIN]], %[[J]]
// CHECK-DAG: arith.cmpi slt, %[[J]], %[[END]]
// CHECK: arith.andi %[[JN]], %c3
// CHECK: attn.yield %{{.*}} : i1
func.func @scopes_are_tests(%q: tensor<3x2x?x8xf32>, %cu: tensor<3x?xi32>) -> tensor<3x2x?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<per_document(%cu) { columns<4, 1> }> : tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>, tensor<3x2x?x8xf32>, tensor<3x?xi32> -> tensor<3x2x?x8xf32>
  return %o : tensor<3x2x?x8xf32>
}

// -----

// Sizes that only a launch knows: rows of operands, and that reading the first
// row pointer reads something.
// CHECK-LABEL: @sparse_operands_become_constraints
// CHECK-SAME: (C15) 'bsr' needs a row pointer at least
// CHECK-SAME: (C15) 'topk' needs one row for each query
// CHECK-SAME: (C15) 'csr' needs one row pointer more than queries
// CHECK-SAME: (C15) 'ranges' needs one row for each key
func.func @sparse_operands_become_constraints(%q: tensor<?x8xf32>, %ptr: tensor<?xi64>, %idx: tensor<?xi64>, %top: tensor<?x?xi32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<bsr(%ptr, %idx) | topk(%top) | csr(%ptr, %idx) | ranges(%ptr, %idx)> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi64>, tensor<?xi64>, tensor<?x?xi32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

// Keys in pages: the fold knows their size and number and asks for the page of
// a run of keys; loaders get the page and the row in it.
// CHECK-LABEL: @keys_in_pages
// CHECK-SAME: %[[K:[a-z0-9]+]]: tensor<?x2x?x64xf32>, %[[V:[a-z0-9]+]]: tensor<?x2x?x64xf32>, %[[TABLE:[a-z0-9]+]]: tensor<?x?xi32>
// CHECK-SAME: (C9) k and v need the same pages
// CHECK-SAME: (C9) a page needs a row at least
// CHECK-SAME: (C9) pages needs a row for each batch
// CHECK: scf.forall (%[[B:[a-z0-9]+]],
// CHECK-DAG: %[[SIZE:[a-z0-9_]+]] = tensor.dim %[[K]], %c2
// CHECK-DAG: %[[COUNT:[a-z0-9_]+]] = tensor.dim %[[K]], %c0
// CHECK-DAG: %[[ENTRIES:[a-z0-9_]+]] = tensor.dim %[[TABLE]], %c1
// CHECK: %[[M:[a-z0-9_]+]] = arith.muli %[[ENTRIES]], %[[SIZE]]
// CHECK: %[[KEYS:[a-z0-9_]+]] = attn.checked %{{.*}} in(%c0, %[[M]]) status {{.*}}length
// CHECK: attn.fold {{.*}} keys(%[[KEYS]]) pages(%[[SIZE]], %[[COUNT]])
// CHECK: load_k
// CHECK: ^bb0(%[[P:[a-z0-9]+]]: index, %[[R:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[K]][%[[P]], %{{.*}}, %[[R]], 0] [1, 1, 1, 64]
// CHECK: page {
// CHECK: ^bb0(%[[T:[a-z0-9]+]]: index):
// CHECK: tensor.extract %[[TABLE]][%[[B]], %[[T]]]
func.func @keys_in_pages(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>, %v: tensor<?x2x?x64xf32>, %table: tensor<?x?xi32>, %len: tensor<?xi32>) -> tensor<?x8x?x64xf32> {
  %o = attn.attention %q, %k, %v pages(%table) lengths(%len) : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x?xi32>, tensor<?xi32> -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}

// -----

// CHECK-LABEL: @packed_pages
// CHECK-SAME: (C9) page_indptr needs one element more than batches
// CHECK: %[[BEGIN:[a-z0-9_]+]] = attn.checked %{{.*}} in(%c0, %[[TOTAL:[a-z0-9_]+]]) status {{.*}}index
// CHECK: %[[END:[a-z0-9_]+]] = attn.checked %{{.*}} in(%[[BEGIN]], %[[TOTAL]]) status {{.*}}order
// CHECK: page {
// CHECK: ^bb0(%[[T:[a-z0-9]+]]: index):
// CHECK: %[[AT:[a-z0-9_]+]] = arith.addi %[[BEGIN]], %[[T]]
// CHECK: tensor.extract %{{.*}}[%[[AT]]]
func.func @packed_pages(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x16x64xf32>, %pages: tensor<?xi32>, %indptr: tensor<?xi32>, %len: tensor<?xi32>) -> tensor<?x8x?x64xf32> {
  %o = attn.attention %q, %k, %k pages(%pages, %indptr) lengths(%len) : tensor<?x8x?x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}

// -----

// V as columns of K, and both as parts of one packed tensor: slices are read
// where they lie.
// CHECK-LABEL: @slices_are_read_in_place
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x?x96xf32>
// CHECK: load_k
// CHECK: ^bb0(%[[C:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[X]][%[[B:[a-z0-9]+]], 1, %[[C]], 0] [1, 1, 1, 96] [1, 1, 1, 1]
// CHECK: load_v
// CHECK: ^bb0(%[[C:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[X]][%[[B]], 1, %[[C]], 32] [1, 1, 1, 64] [1, 1, 1, 1]
func.func @slices_are_read_in_place(%q: tensor<2x?x96xf32>, %x: tensor<2x3x?x96xf32>) -> tensor<2x?x64xf32> {
  %c2 = arith.constant 2 : index
  %m = tensor.dim %x, %c2 : tensor<2x3x?x96xf32>
  %k = tensor.extract_slice %x[0, 1, 0, 0] [2, 1, %m, 96] [1, 1, 1, 1] : tensor<2x3x?x96xf32> to tensor<2x?x96xf32>
  %c1 = arith.constant 1 : index
  %n = tensor.dim %k, %c1 : tensor<2x?x96xf32>
  %v = tensor.extract_slice %k[0, 0, 32] [2, %n, 64] [1, 1, 1] : tensor<2x?x96xf32> to tensor<2x?x64xf32>
  %o = attn.attention %q, %k, %v : tensor<2x?x96xf32>, tensor<2x?x96xf32>, tensor<2x?x64xf32> -> tensor<2x?x64xf32>
  return %o : tensor<2x?x64xf32>
}

// -----

// Keys of a row go to several tiles, each of which leaves a state; a fold of no
// component merges those of the splits that have keys.
// CHECK-DAG: #[[SPLITS:.*]] = affine_map<()[s0] -> (s0 ceildiv 4096)>
// CHECK-DAG: #[[BEGIN:.*]] = affine_map<()[s0] -> (s0 * 4096)>
// CHECK-DAG: #[[END:.*]] = affine_map<()[s0] -> (s0 * 4096 + 4096)>
// CHECK-LABEL: @keys_in_splits
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x8x1x64xf32>, %[[K:[a-z0-9]+]]: tensor<2x2x?x64xf32>
// CHECK: %[[M:[a-z0-9_]+]] = tensor.dim %[[K]], %c2
// CHECK: %[[N:[a-z0-9_]+]] = affine.apply #[[SPLITS]]()[%[[M]]]
// CHECK: %[[STATES:[a-z0-9_]+]]:2 = scf.forall (%[[B:[a-z0-9]+]], %[[H:[a-z0-9]+]], %{{[a-z0-9]+}}, %[[S:[a-z0-9]+]]) in (2, 2, 1, %[[N]])
// CHECK-SAME: (tensor<?x2x8x1x64xf32>, tensor<?x2x8x1x2xf32>)
// CHECK: %[[LEN:[a-z0-9_]+]] = attn.checked %{{.*}} in(%c0, %[[M]]) status length
// CHECK-DAG: %[[B0:[a-z0-9_]+]] = affine.apply #[[BEGIN]]()[%[[S]]]
// CHECK-DAG: %[[E0:[a-z0-9_]+]] = affine.apply #[[END]]()[%[[S]]]
// CHECK-DAG: %[[FROM:[a-z0-9_]+]] = arith.minsi %[[B0]], %[[LEN]]
// CHECK-DAG: %[[TO:[a-z0-9_]+]] = arith.minsi %[[E0]], %[[LEN]]
// CHECK: attn.fold partial head(%{{.*}}) rows(%c0, %c1) keys(%[[TO]]) from(%[[FROM]]) symbols(%c0, %[[LEN]],
// CHECK: tensor.parallel_insert_slice %{{.*}}[%[[S]], %[[B]], %{{.*}}, 0, 0] [1, 1, 4, 1, 64]
// CHECK: scf.forall (%[[B:[a-z0-9]+]], %{{[a-z0-9]+}}, %{{[a-z0-9]+}}) in (2, 2, 1)
// CHECK: %[[LEN:[a-z0-9_]+]] = attn.checked
// CHECK: %[[LIVE:[a-z0-9_]+]] = affine.apply #[[SPLITS]]()[%[[LEN]]]
// CHECK: attn.fold head(%{{.*}}) rows(%c0, %c1) keys(%[[LEN]]) states(%[[LIVE]]) symbols({{.*}}) plan = #attn.plan kernel
// CHECK: state {
// CHECK: ^bb0(%[[HQ:[a-z0-9]+]]: index, %[[R:[a-z0-9]+]]: index, %[[T:[a-z0-9]+]]: index):
// CHECK: tensor.extract_slice %[[STATES]]#0[%[[T]], %[[B]], %[[HQ]], %[[R]], 0]
// CHECK: tensor.extract %[[STATES]]#1[%[[T]], %[[B]], %[[HQ]], %[[R]], %c0]
func.func @keys_in_splits(%q: tensor<2x8x1x64xf32>, %k: tensor<2x2x?x64xf32>, %v: tensor<2x2x?x64xf32>, %len: tensor<2xi32>) -> (tensor<2x8x1x64xf32>, tensor<2x8x1xf32>) {
  %o, %l = attn.attention %q, %k, %v lengths(%len) returns = [lse] : tensor<2x8x1x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2xi32> -> (tensor<2x8x1x64xf32>, tensor<2x8x1xf32>)
  return %o, %l : tensor<2x8x1x64xf32>, tensor<2x8x1xf32>
}
