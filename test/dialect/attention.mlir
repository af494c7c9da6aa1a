// Round trips: every clause of attn.attention and every pair set, in the custom
// and in the generic form.
//
// RUN: attnc-opt %s | FileCheck %s
// RUN: attnc-opt %s | attnc-opt | FileCheck %s
// RUN: attnc-opt %s -mlir-print-op-generic | attnc-opt | FileCheck %s

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
!w = tensor<2x4x8x12xf32>

// Defaults are not printed.
// CHECK-LABEL: func.func @defaults
// CHECK: %{{.*}} = attn.attention %arg0, %arg1, %arg2 : tensor<2x4x8x16xf32>, tensor<2x2x12x16xf32>, tensor<2x2x12x16xf32> -> tensor<2x4x8x16xf32>
func.func @defaults(%q: !q, %k: !k, %v: !k) -> !q {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<full> : !q, !k, !k -> !q
  return %o : !q
}

// Clauses come in any order and are printed in one.
// CHECK-LABEL: func.func @clauses
// CHECK: %{{.*}}:5 = attn.attention %arg0, %arg1, %arg2 lengths(%arg3) q_lengths(%arg4) q_start(%arg5) k_start(%arg6) bias(%arg7) sink(%arg8)
// CHECK-SAME: mask = #attn.pairs<causal & keys(%arg9)> sparsity = #attn.pairs<topk(%arg10)>
// CHECK-SAME: kernel = #attn.softmax<softcap = 3.000000e+01 : f64> scale = 1.250000e-01
// CHECK-SAME: returns = [lse, scores, probs, statistics]
// CHECK-SAME: : tensor<2x4x8x16xf32>, tensor<2x2x12x16xf32>, tensor<2x2x12x16xf32>, tensor<2xi32>, index, i64, tensor<i64>, tensor<4x1x12xf16>, tensor<4xf32>, tensor<2x12xi1>, tensor<8x3xi32>
// CHECK-SAME: -> (tensor<2x4x8x16xf32>, tensor<2x4x8xf32>, tensor<2x4x8x12xf32>, tensor<2x4x8x12xf32>, tensor<2x4x8x5xf32>)
func.func @clauses(%q: !q, %k: !k, %v: !k, %len: tensor<2xi32>, %qlen: index,
                   %qs: i64, %ks: tensor<i64>, %bias: tensor<4x1x12xf16>,
                   %sink: tensor<4xf32>, %m: tensor<2x12xi1>,
                   %top: tensor<8x3xi32>)
    -> (!q, tensor<2x4x8xf32>, !w, !w, tensor<2x4x8x5xf32>) {
  %o:5 = attn.attention %q, %k, %v
    returns = [lse, scores, probs, statistics] scale = 0.125
    kernel = #attn.softmax<softcap = 30.0> sink(%sink) bias(%bias)
    k_start(%ks) q_start(%qs) q_lengths(%qlen) lengths(%len)
    mask = #attn.pairs<causal & keys(%m)> sparsity = #attn.pairs<topk(%top)>
    : !q, !k, !k, tensor<2xi32>, index, i64, tensor<i64>, tensor<4x1x12xf16>,
      tensor<4xf32>, tensor<2x12xi1>, tensor<8x3xi32>
      -> (!q, tensor<2x4x8xf32>, !w, !w, tensor<2x4x8x5xf32>)
  return %o#0, %o#1, %o#2, %o#3, %o#4
    : !q, tensor<2x4x8xf32>, !w, !w, tensor<2x4x8x5xf32>
}

// CHECK-LABEL: func.func @start_and_columns
// CHECK: positions = start returns = [column_sums]
func.func @start_and_columns(%q: !q, %k: !k, %v: !k)
    -> (!q, tensor<2x4x12xf32>) {
  %o, %c = attn.attention %q, %k, %v positions = start returns = [column_sums]
    : !q, !k, !k -> (!q, tensor<2x4x12xf32>)
  return %o, %c : !q, tensor<2x4x12xf32>
}

// CHECK-LABEL: func.func @packed_pages
// CHECK: attn.attention %arg0, %arg1, %arg2 pages(%arg3, %arg4) lengths(%arg5) :
func.func @packed_pages(%q: tensor<2x4x?x16xbf16>, %k: tensor<?x2x?x16xbf16>,
                 %v: tensor<?x2x?x8xbf16>, %indices: tensor<?xi32>,
                 %indptr: tensor<3xi32>, %len: tensor<2xi64>) -> tensor<2x4x?x8xbf16> {
  %o = attn.attention %q, %k, %v lengths(%len) pages(%indices, %indptr)
    : tensor<2x4x?x16xbf16>, tensor<?x2x?x16xbf16>, tensor<?x2x?x8xbf16>,
      tensor<?xi32>, tensor<3xi32>, tensor<2xi64> -> tensor<2x4x?x8xbf16>
  return %o : tensor<2x4x?x8xbf16>
}

// CHECK-LABEL: func.func @pages
// CHECK: attn.attention %arg0, %arg1, %arg2 pages(%arg3) lengths(%arg4) :
func.func @pages(%q: tensor<2x4x?x16xbf16>, %k: tensor<?x2x32x16xbf16>,
                 %v: tensor<?x2x32x8xbf16>, %table: tensor<2x?xi64>,
                 %len: tensor<2xi64>) -> tensor<2x4x?x8xbf16> {
  %o = attn.attention %q, %k, %v pages(%table) lengths(%len)
    : tensor<2x4x?x16xbf16>, tensor<?x2x32x16xbf16>, tensor<?x2x32x8xbf16>,
      tensor<2x?xi64>, tensor<2xi64> -> tensor<2x4x?x8xbf16>
  return %o : tensor<2x4x?x8xbf16>
}

// CHECK-LABEL: func.func @regions
// CHECK: mask = #attn.pairs<predicate<0> & predicate<1>>
// CHECK-SAME: score_mod captures(%arg3 : tensor<4xf32>) {
// CHECK: prob_mod {
// CHECK: predicate captures(%arg4 : tensor<8x12xi1>, %arg3 : tensor<4xf32>) {
// CHECK: } predicate {
// CHECK: } attributes {note = "kept"} :
func.func @regions(%q: !q, %k: !k, %v: !k, %slope: tensor<4xf32>,
                   %table: tensor<8x12xi1>) -> !q {
  %c1 = arith.constant 1 : index
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<0> & predicate<1>>
    score_mod captures(%slope : tensor<4xf32>) {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %x = tensor.extract %slope[%h] : tensor<4xf32>
      %y = arith.addf %s, %x : f32
      attn.yield %y : f32
    }
    prob_mod {
    ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %p : f32
    }
    predicate captures(%table : tensor<8x12xi1>, %slope : tensor<4xf32>) {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = tensor.extract %table[%i, %j] : tensor<8x12xi1>
      attn.yield %x : i1
    }
    predicate {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // A constant from outside needs no capture.
      %x = arith.cmpi ne, %i, %c1 : index
      attn.yield %x : i1
    } attributes {note = "kept"} : !q, !k, !k -> !q
  return %o : !q
}

// CHECK-LABEL: func.func @accumulators
// CHECK: kernel = #attn.softmax :
// CHECK: kernel = #attn.sigmoid<bias = -1.000000e+00 : f64> :
// CHECK: kernel = #attn.sigmoid :
// CHECK: kernel = #attn.relu :
// CHECK: kernel = #attn.none :
// CHECK: kernel = #attn.linear :
// CHECK: kernel = #attn.linear<feature = relu> :
// CHECK: kernel = #attn.linear<norm = none> :
func.func @accumulators(%q: !q, %k: !k, %v: !k) {
  %0 = attn.attention %q, %k, %v kernel = #attn.softmax : !q, !k, !k -> !q
  %1 = attn.attention %q, %k, %v kernel = #attn.sigmoid<bias = -1.0> : !q, !k, !k -> !q
  %2 = attn.attention %q, %k, %v kernel = #attn.sigmoid : !q, !k, !k -> !q
  %3 = attn.attention %q, %k, %v kernel = #attn.relu : !q, !k, !k -> !q
  %4 = attn.attention %q, %k, %v kernel = #attn.none : !q, !k, !k -> !q
  %5 = attn.attention %q, %k, %v kernel = #attn.linear<feature = elu1, norm = sum> : !q, !k, !k -> !q
  %6 = attn.attention %q, %k, %v kernel = #attn.linear<feature = relu> : !q, !k, !k -> !q
  %7 = attn.attention %q, %k, %v kernel = #attn.linear<norm = none> : !q, !k, !k -> !q
  return
}

// `state(...)` implies the result; without it the result may be asked for.
// CHECK-LABEL: func.func @states
// CHECK: decay(%arg3) state(%arg4) mask = #attn.pairs<causal> kernel = #attn.linear<feature = identity, norm = none> :
// CHECK: mask = #attn.pairs<causal> kernel = #attn.linear returns = [state] :
func.func @states(%q: !q, %k: !k, %v: !k, %g: tensor<2x4x12x16xf32>,
                  %s: tensor<2x4x16x16xf32>) {
  %0:2 = attn.attention %q, %k, %v decay(%g) state(%s) mask = #attn.pairs<causal>
    kernel = #attn.linear<feature = identity, norm = none>
    : !q, !k, !k, tensor<2x4x12x16xf32>, tensor<2x4x16x16xf32>
      -> (!q, tensor<2x4x16x16xf32>)
  %1:2 = attn.attention %q, %k, %v mask = #attn.pairs<causal>
    kernel = #attn.linear returns = [state]
    : !q, !k, !k -> (!q, tensor<2x4x16x16xf32>)
  return
}

// CHECK-LABEL: func.func @ranks_and_types
// CHECK: : tensor<?x16xf64>, tensor<?x16xf64>, tensor<?x8xf64> -> tensor<?x8xf64>
// CHECK: : tensor<4x?x16xf16>, tensor<2x?x16xf16>, tensor<2x?x16xf16> -> tensor<4x?x16xf16>
// CHECK: : tensor<?x3x4x?x16xbf16>, tensor<?x3x1x?x16xbf16>, tensor<?x3x1x?x16xbf16> -> tensor<?x3x4x?x16xbf16>
func.func @ranks_and_types(%a: tensor<?x16xf64>, %b: tensor<?x8xf64>,
                           %c: tensor<4x?x16xf16>, %d: tensor<2x?x16xf16>,
                           %e: tensor<?x3x4x?x16xbf16>,
                           %f: tensor<?x3x1x?x16xbf16>) {
  %0 = attn.attention %a, %a, %b
    : tensor<?x16xf64>, tensor<?x16xf64>, tensor<?x8xf64> -> tensor<?x8xf64>
  %1 = attn.attention %c, %d, %d
    : tensor<4x?x16xf16>, tensor<2x?x16xf16>, tensor<2x?x16xf16> -> tensor<4x?x16xf16>
  %2 = attn.attention %e, %f, %f
    : tensor<?x3x4x?x16xbf16>, tensor<?x3x1x?x16xbf16>, tensor<?x3x1x?x16xbf16>
      -> tensor<?x3x4x?x16xbf16>
  return
}

// CHECK-LABEL: func.func @sets
// CHECK: #attn.pairs<empty>
// CHECK: #attn.pairs<window<1023, 0>>
// CHECK: #attn.pairs<window<3, 4, clamped>>
// CHECK: #attn.pairs<window<%arg3, %arg4>>
// CHECK: #attn.pairs<local<64>>
// CHECK: #attn.pairs<prefix<5> | prefix(%arg3)>
// CHECK: #attn.pairs<chunk<7> & chunk<7, offset = 3>>
// CHECK: #attn.pairs<strided<4> | columns<8, 2>>
// CHECK: #attn.pairs<first<1> | last<2> | global<3> | first<%arg4>>
// CHECK: #attn.pairs<dilated<3, 2> | log>
// CHECK: #attn.pairs<random<3> | random<3, seed = 7>>
// CHECK: #attn.pairs<affine<"(d0, d1)[s0, s1] : (d0 - d1 >= 0, -d1 + s1 - 1 >= 0)">>
func.func @sets(%q: !q, %k: !k, %v: !k, %l: index, %r: tensor<2xi32>) {
  %0 = attn.attention %q, %k, %v mask = #attn.pairs<empty> : !q, !k, !k -> !q
  %1 = attn.attention %q, %k, %v mask = #attn.pairs<window<1023, 0>> : !q, !k, !k -> !q
  %2 = attn.attention %q, %k, %v mask = #attn.pairs<window<3, 4, clamped>> : !q, !k, !k -> !q
  %3 = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, %r>> : !q, !k, !k, index, tensor<2xi32> -> !q
  %4 = attn.attention %q, %k, %v mask = #attn.pairs<local<64>> : !q, !k, !k -> !q
  %5 = attn.attention %q, %k, %v mask = #attn.pairs<prefix<5> | prefix(%l)> : !q, !k, !k, index -> !q
  %6 = attn.attention %q, %k, %v mask = #attn.pairs<chunk<7> & chunk<7, offset = 3>> : !q, !k, !k -> !q
  %7 = attn.attention %q, %k, %v mask = #attn.pairs<strided<4> | columns<8, 2>> : !q, !k, !k -> !q
  %8 = attn.attention %q, %k, %v mask = #attn.pairs<first<1> | last<2> | global<3> | first<%r>> : !q, !k, !k, tensor<2xi32> -> !q
  %9 = attn.attention %q, %k, %v mask = #attn.pairs<dilated<3, 2> | log> : !q, !k, !k -> !q
  %10 = attn.attention %q, %k, %v mask = #attn.pairs<random<3> | random<3, seed = 7>> : !q, !k, !k -> !q
  %11 = attn.attention %q, %k, %v mask = #attn.pairs<affine<"(i, j)[n, m] : (i - j >= 0, m - j - 1 >= 0)">> : !q, !k, !k -> !q
  return
}

// CHECK-LABEL: func.func @operand_sets
// CHECK: #attn.pairs<keys(%arg3) & documents(%arg4)>
// CHECK: #attn.pairs<ranges(%arg5, %arg5) | ranges<by_query>(%arg6, %arg6)>
// CHECK: #attn.pairs<csr(%arg7, %arg4) | bsr<16>(%arg4, %arg4) | bsr(%arg4, %arg4)>
// CHECK: #attn.pairs<dense(%arg8)>
// CHECK: #attn.pairs<per_document(%arg4) { causal | prefix(%arg9) }>
// CHECK: #attn.pairs<axes<2 x 6> { local<1>, causal } | axes<2 x 3 x 2> { full, full, log }>
// CHECK: #attn.pairs<blocks<4> { window<1, 1> | last<1> }>
// CHECK: #attn.pairs<by_head(0, 1, 3) { causal, blocks<2> { causal }, !causal }>
func.func @operand_sets(%q: !q, %k: !k, %v: !k, %m: tensor<2x1x12xi1>,
                        %cu: tensor<?xi32>, %x: tensor<12xi64>,
                        %y: tensor<2x4x8xi64>, %ptr: tensor<2x9xi32>,
                        %dense: tensor<1x4x8x12xi1>, %p: tensor<?xi32>) {
  %0 = attn.attention %q, %k, %v mask = #attn.pairs<keys(%m) & documents(%cu)> : !q, !k, !k, tensor<2x1x12xi1>, tensor<?xi32> -> !q
  %1 = attn.attention %q, %k, %v mask = #attn.pairs<ranges(%x, %x) | ranges<by_query>(%y, %y)> : !q, !k, !k, tensor<12xi64>, tensor<2x4x8xi64> -> !q
  %2 = attn.attention %q, %k, %v mask = #attn.pairs<csr(%ptr, %cu) | bsr<16>(%cu, %cu) | bsr(%cu, %cu)> : !q, !k, !k, tensor<2x9xi32>, tensor<?xi32> -> !q
  %3 = attn.attention %q, %k, %v mask = #attn.pairs<dense(%dense)> : !q, !k, !k, tensor<1x4x8x12xi1> -> !q
  %4 = attn.attention %q, %k, %v mask = #attn.pairs<per_document(%cu) { causal | prefix(%p) }> : !q, !k, !k, tensor<?xi32>, tensor<?xi32> -> !q
  %5 = attn.attention %q, %k, %v mask = #attn.pairs<axes<2 x 6> { local<1>, causal } | axes<2 x 3 x 2> { full, full, log }> : !q, !k, !k -> !q
  %6 = attn.attention %q, %k, %v mask = #attn.pairs<blocks<4> { window<1, 1> | last<1> }> : !q, !k, !k -> !q
  %7 = attn.attention %q, %k, %v mask = #attn.pairs<by_head(0, 1, 3) { causal, blocks<2> { causal }, !causal }> : !q, !k, !k -> !q
  return
}

// Trees keep their shape; comments and line breaks are space.
// CHECK-LABEL: func.func @trees
// CHECK: #attn.pairs<causal & (window<1, 0> | first<4>)>
// CHECK: #attn.pairs<causal & window<1, 0> | first<4>>
// CHECK: #attn.pairs<(causal | log) | first<4>>
// CHECK: #attn.pairs<!(causal & !log) | !!full>
func.func @trees(%q: !q, %k: !k, %v: !k) {
  %0 = attn.attention %q, %k, %v mask = #attn.pairs<
      causal // no later key
      & (window<1, 0> | first<4>)> : !q, !k, !k -> !q
  %1 = attn.attention %q, %k, %v mask = #attn.pairs<causal&window<1,0>|first<4>> : !q, !k, !k -> !q
  %2 = attn.attention %q, %k, %v mask = #attn.pairs<(causal | log) | first<4>> : !q, !k, !k -> !q
  %3 = attn.attention %q, %k, %v mask = #attn.pairs<!(causal & !log) | !!full> : !q, !k, !k -> !q
  return
}

// Stage 3: plan and schedule. An operand named twice stands once.
// CHECK-LABEL: func.func @stage3
// CHECK: mask = #attn.pairs<window<%arg3, 0> & keys(%arg4)>
// CHECK-SAME: plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3, s4] -> (d0 - s4, s0), upper = (d0)[s0, s1, s2, s3, s4] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3, s4] -> (s2), row_upper = ()[s0, s1, s2, s3, s4] -> (s3 - 1), tests = [1]>], atoms = [#attn.pairs<keys($1)>], parameters = [0]>
// CHECK-SAME: schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = fuse, v = materialize, why = ["because"]>
// CHECK: plan = #attn.plan :
func.func @stage3(%q: !q, %k: !k, %v: !k, %l: i64, %m: tensor<12xi1>) {
  %0 = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, 0> & keys(%m)>
    plan = #attn.plan<components = [#attn.component<
      lower = (d0)[s0, s1, s2, s3, s4] -> (d0 - s4, s0),
      upper = (d0)[s0, s1, s2, s3, s4] -> (d0, s1 - 1),
      row_lower = ()[s0, s1, s2, s3, s4] -> (s2),
      row_upper = ()[s0, s1, s2, s3, s4] -> (s3 - 1), tests = [1]>],
      atoms = [#attn.pairs<keys($1)>], parameters = [0]>
    schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1,
      key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3,
      q = direct, k = fuse, v = materialize, why = ["because"]>
    : !q, !k, !k, i64, tensor<12xi1> -> !q
  %1 = attn.attention %q, %k, %v mask = #attn.pairs<empty> plan = #attn.plan
    : !q, !k, !k -> !q
  return
}

// An operation's results can be set operands: `%r#1`.
// CHECK-LABEL: func.func @numbered_operands
// CHECK: mask = #attn.pairs<keys(%{{.*}}#1) & keys(%{{.*}}#0)>
func.func @numbered_operands(%q: !q, %k: !k, %v: !k, %c: i1,
                             %m: tensor<12xi1>) {
  %r:2 = scf.if %c -> (tensor<12xi1>, tensor<12xi1>) {
    scf.yield %m, %m : tensor<12xi1>, tensor<12xi1>
  } else {
    scf.yield %m, %m : tensor<12xi1>, tensor<12xi1>
  }
  %0 = attn.attention %q, %k, %v mask = #attn.pairs<keys(%r#1) & keys(%r#0)>
    : !q, !k, !k, tensor<12xi1>, tensor<12xi1> -> !q
  return
}

// CHECK-LABEL: module attributes {attn.outside = #attn.pairs<keys($0) & window<$1, 0>>}
module attributes {attn.outside = #attn.pairs<keys($0) & window<$1, 0>>} {}
