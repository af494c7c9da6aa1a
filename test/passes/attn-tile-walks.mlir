// RUN: attnc-opt %s --attn-to-stage4 | FileCheck %s
// Stage 4 of plans that walk: classes of a lattice, lists of a row, blocks of
// keys, and launches chained by states.

// A tile has every 16th row; the first grid dim goes through the classes.
// CHECK-LABEL: func.func @lattice
// CHECK: scf.forall (%[[CLASS:[a-z0-9]+]], %[[TILE:[a-z0-9]+]]) in (16, %{{.*}})
// CHECK: %[[AT:[a-z0-9]+]] = affine.apply #{{map[0-9]*}}()[%[[TILE]], %[[CLASS]]]
// CHECK: %[[ROW:[a-z0-9]+]] = arith.minsi %[[AT]], %{{.*}} : index
// CHECK: attn.fold head(%{{.*}}) rows(%[[ROW]], %[[ROWS:[a-z0-9]+]]) step 16 keys(
// CHECK-SAME: walk = 1
// CHECK-SAME: atoms = [#attn.pairs<strided<16>>]
// CHECK-NOT: count {
// CHECK: tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%[[ROW]], 0] [%[[ROWS]], 8] [16, 1]
// CHECK-NOT: scf.forall (
func.func @lattice(%q: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal & strided<16>> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// Other tiles of queries go first and leave (rows, maximum and sum); the next
// launch begins there; the contiguous tiles finish the rows.
// CHECK-LABEL: func.func @chained
// CHECK: %[[FIRST:[a-z0-9]+]]:2 = scf.forall (%{{.*}}, %{{.*}}) in (16,
// CHECK-SAME: -> (tensor<?x8xf32>, tensor<?x2xf32>)
// CHECK: attn.fold partial head({{.*}} step 16
// CHECK-NOT: state {
// CHECK: %[[SECOND:[a-z0-9]+]]:2 = scf.forall
// CHECK: attn.fold partial head(
// CHECK-SAME: atoms = [#attn.pairs<strided<16>>, #attn.pairs<log>]
// CHECK: count {
// CHECK: math.ctlz
// CHECK: element {
// CHECK: state {
// CHECK: tensor.extract_slice %[[FIRST]]#0
// CHECK: tensor.extract %[[FIRST]]#1
// CHECK: %[[LAST:[a-z0-9]+]] = scf.forall
// CHECK: attn.fold head(
// CHECK-NOT: count {
// CHECK: state {
// CHECK: tensor.extract_slice %[[SECOND]]#0
// CHECK: return %[[LAST]]
func.func @chained(%q: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal & (local<15> | strided<16> | log)> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// A row's list lies between two offsets, which are kept inside the list and in
// order; columns that are no keys are reported and left out.
// CHECK-LABEL: func.func @csr
// CHECK-SAME: %[[PTR:[a-z0-9]+]]: tensor<?xi32>, %[[IDX:[a-z0-9]+]]: tensor<?xi32>
// CHECK-NOT: attn.check_order
// CHECK: attn.fold
// CHECK-SAME: schedule = <micro = row, query_tile = 1,
// CHECK: count {
// CHECK: %[[BEGIN:[a-z0-9]+]] = attn.checked %{{.*}} in(%c0, %[[SIZE:[a-z0-9_]+]]) status {{ *}}index
// CHECK: %[[INSIDE:[a-z0-9]+]] = attn.checked %{{.*}} in(%c0, %[[SIZE]]) status {{ *}}index
// CHECK: attn.checked %[[INSIDE]] in(%[[BEGIN]], %[[SIZE]]) status {{ *}}order
// CHECK: attn.yield %{{.*}}, %c1 : index, index
// CHECK: element {
// CHECK: tensor.extract %[[IDX]]
// CHECK: %[[KEY:[a-z0-9]+]] = attn.checked %[[J:[a-z0-9]+]] in(%c0, %{{.*}}) status {{ *}}index
// CHECK: %[[LIVE:[a-z0-9]+]] = arith.cmpi eq, %[[J]], %[[KEY]]
// CHECK: attn.yield %[[KEY]], %[[LIVE]] : index, i1
func.func @csr(%q: tensor<?x8xf32>, %ptr: tensor<?xi32>, %idx: tensor<?xi32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<csr(%ptr, %idx)> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// What is kept besides a list is not walked: its offsets are looked at by the
// first tile.
// CHECK-LABEL: func.func @not_csr
// CHECK: attn.check_order %{{[a-z0-9]+}}[] when(
// CHECK: attn.fold
// CHECK-SAME: tests = [-1]
// CHECK-NOT: count {
// CHECK: attn.listed
func.func @not_csr(%q: tensor<?x8xf32>, %ptr: tensor<?xi32>, %idx: tensor<?xi32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<!csr(%ptr, %idx)> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// A list of blocks serves all rows of a block; elements are first positions.
// CHECK-LABEL: func.func @bsr
// CHECK: attn.fold
// CHECK-SAME: schedule = <micro = block
// CHECK: count {
// CHECK: ^bb0(%{{[a-z0-9]+}}: index, %{{[a-z0-9]+}}: index, %[[R:[a-z0-9]+]]: index):
// CHECK: arith.divui %[[R]], %c32
// CHECK: attn.yield %{{.*}}, %c32{{[_0-9]*}} : index, index
// CHECK: element {
// CHECK: arith.muli %{{.*}}, %c32
// CHECK: attn.yield %{{.*}}, %{{.*}} : index, i1
func.func @bsr(%q: tensor<?x8xf32>, %ptr: tensor<?xi32>, %idx: tensor<?xi32>) -> tensor<?x8xf32> {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<bsr<32>(%ptr, %idx) & causal> : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}
