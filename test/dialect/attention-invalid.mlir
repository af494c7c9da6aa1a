// What the verifier of attn.attention refuses, by constraint.
//
// RUN: attnc-opt %s -split-input-file -verify-diagnostics

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c1_one_rank(%q: !q, %k: tensor<2x12x16xf32>, %v: !k) {
  // expected-error@+1 {{(C1) q, k and v need one rank >= 2 (4 when paged), got 4, 3, 4}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<2x12x16xf32>, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c1_at_least_rank_2(%q: tensor<16xf32>, %k: tensor<16xf32>, %v: tensor<16xf32>) {
  // expected-error@+1 {{(C1) q, k and v need one rank >= 2 (4 when paged), got 1, 1, 1}}
  %o = attn.attention %q, %k, %v
    : tensor<16xf32>, tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c1_paged_rank_4(%q: tensor<4x8x16xf32>, %k: tensor<4x8x16xf32>, %v: tensor<4x8x16xf32>, %p: tensor<2x3xi32>, %l: i32) {
  // expected-error@+1 {{(C1) q, k and v need one rank >= 2 (4 when paged), got 3, 3, 3}}
  %o = attn.attention %q, %k, %v pages(%p) lengths(%l)
    : tensor<4x8x16xf32>, tensor<4x8x16xf32>, tensor<4x8x16xf32>, tensor<2x3xi32>, i32 -> tensor<4x8x16xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c2_element_types_agree(%q: !q, %k: tensor<2x2x12x16xf16>, %v: !k) {
  // expected-error@+1 {{(C2) q, k and v need one element type, got 'f32', 'f16', 'f32'}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<2x2x12x16xf16>, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c2_floats_only(%q: tensor<8x16xi8>, %k: tensor<8x16xi8>, %v: tensor<8x16xi8>) {
  // expected-error@+1 {{(C2) q needs f64, f32, f16 or bf16 elements, got 'i8'}}
  %o = attn.attention %q, %k, %v
    : tensor<8x16xi8>, tensor<8x16xi8>, tensor<8x16xi8> -> tensor<8x16xi8>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c2_result_too(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C2) the result needs q's element type, got 'f16'}}
  %o = attn.attention %q, %k, %v
    : !q, !k, !k -> tensor<2x4x8x16xf16>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c3_batch_dims_agree(%q: !q, %k: tensor<3x2x12x16xf32>, %v: !k) {
  // expected-error@+1 {{(C3) batch dim 0 differs: 2, 3, 2}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<3x2x12x16xf32>, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c3_second_batch_dim(%q: tensor<?x2x4x8x16xf32>, %k: tensor<?x2x4x8x16xf32>, %v: tensor<?x5x4x8x16xf32>) {
  // expected-error@+1 {{(C3) batch dim 1 differs: 2, 2, 5}}
  %o = attn.attention %q, %k, %v
    : tensor<?x2x4x8x16xf32>, tensor<?x2x4x8x16xf32>, tensor<?x5x4x8x16xf32> -> tensor<?x2x4x8x16xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c4_key_heads_divide(%q: !q, %k: tensor<2x3x12x16xf32>, %v: tensor<2x3x12x16xf32>) {
  // expected-error@+1 {{(C4) key heads must divide query heads, got 3 and 4}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<2x3x12x16xf32>, tensor<2x3x12x16xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c4_k_and_v_have_the_same_heads(%q: !q, %k: !k, %v: tensor<2x4x12x16xf32>) {
  // expected-error@+1 {{(C4) k has 2 heads and v 4}}
  %o = attn.attention %q, %k, %v
    : !q, !k, tensor<2x4x12x16xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c4_some_key_heads(%q: !q, %k: tensor<2x0x12x16xf32>, %v: tensor<2x0x12x16xf32>) {
  // expected-error@+1 {{(C4) key heads must divide query heads, got 0 and 4}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<2x0x12x16xf32>, tensor<2x0x12x16xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c5_one_head_size(%q: !q, %k: tensor<2x2x12x8xf32>, %v: !k) {
  // expected-error@+1 {{(C5) q and k need one static head size >= 1, got 16 and 8}}
  %o = attn.attention %q, %k, %v
    : !q, tensor<2x2x12x8xf32>, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c5_static_head_size(%q: tensor<8x?xf32>, %k: tensor<8x?xf32>, %v: tensor<8x4xf32>) {
  // expected-error@+1 {{(C5) q and k need one static head size >= 1}}
  %o = attn.attention %q, %k, %v
    : tensor<8x?xf32>, tensor<8x?xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c5_head_size_of_v(%q: tensor<8x4xf32>, %k: tensor<8x4xf32>, %v: tensor<8x0xf32>) {
  // expected-error@+1 {{(C5) v needs a static head size >= 1}}
  %o = attn.attention %q, %k, %v
    : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x0xf32> -> tensor<8x0xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c6_same_key_rows(%q: !q, %k: !k, %v: tensor<2x2x13x16xf32>) {
  // expected-error@+1 {{(C6) k has 12 rows and v 13}}
  %o = attn.attention %q, %k, %v
    : !q, !k, tensor<2x2x13x16xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c7_first_result(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C7) the first result must be [2, 4, 8, 16], got 'tensor<2x4x9x16xf32>'}}
  %o = attn.attention %q, %k, %v
    : !q, !k, !k -> tensor<2x4x9x16xf32>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c7_head_size_of_v(%q: !q, %k: !k, %v: tensor<2x2x12x5xf32>) {
  // expected-error@+1 {{(C7) the first result must be [2, 4, 8, 5]}}
  %o = attn.attention %q, %k, %v
    : !q, !k, tensor<2x2x12x5xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c8_lengths_per_batch(%q: !q, %k: !k, %v: !k, %l: tensor<3xi32>) {
  // expected-error@+1 {{(C8) lengths must be an integer, or an integer tensor with one value or one a batch, got 'tensor<3xi32>'}}
  %o = attn.attention %q, %k, %v lengths(%l)
    : !q, !k, !k, tensor<3xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c8_q_lengths_are_integers(%q: !q, %k: !k, %v: !k, %l: tensor<2xf32>) {
  // expected-error@+1 {{(C8) q_lengths must be an integer}}
  %o = attn.attention %q, %k, %v q_lengths(%l)
    : !q, !k, !k, tensor<2xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c8_starts(%q: !q, %k: !k, %v: !k, %l: i1) {
  // expected-error@+1 {{(C8) k_start must be an integer}}
  %o = attn.attention %q, %k, %v k_start(%l)
    : !q, !k, !k, i1 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c8_one_a_batch(%q: !q, %k: !k, %v: !k, %l: tensor<2x1xi32>) {
  // expected-error@+1 {{(C8) q_start must be an integer}}
  %o = attn.attention %q, %k, %v q_start(%l)
    : !q, !k, !k, tensor<2x1xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c9_pages_need_lengths(%q: !q, %k: !k, %v: !k, %p: tensor<2x3xi32>) {
  // expected-error@+1 {{(C9) pages need lengths}}
  %o = attn.attention %q, %k, %v pages(%p)
    : !q, !k, !k, tensor<2x3xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c9_pages_by_batch(%q: !q, %k: !k, %v: !k, %p: tensor<3x3xi32>, %l: i32) {
  // expected-error@+1 {{(C9) pages must be an integer tensor [batch, max pages], got 'tensor<3x3xi32>'}}
  %o = attn.attention %q, %k, %v pages(%p) lengths(%l)
    : !q, !k, !k, tensor<3x3xi32>, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c9_page_without_rows(%q: !q, %k: tensor<5x2x0x16xf32>, %v: tensor<5x2x0x16xf32>, %p: tensor<2x3xi32>, %l: i32) {
  // expected-error@+1 {{(C9) a page needs a row at least}}
  %o = attn.attention %q, %k, %v pages(%p) lengths(%l)
    : !q, tensor<5x2x0x16xf32>, tensor<5x2x0x16xf32>, tensor<2x3xi32>, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<5x2x12x16xf32>
func.func @c9_packed_pages_are_a_list(%q: !q, %k: !k, %p: tensor<2x3xi32>, %i: tensor<3xi32>, %l: i32) {
  // expected-error@+1 {{(C9) beside page_indptr, pages must be an integer tensor [total], got 'tensor<2x3xi32>'}}
  %o = attn.attention %q, %k, %k pages(%p, %i) lengths(%l)
    : !q, !k, !k, tensor<2x3xi32>, tensor<3xi32>, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<5x2x12x16xf32>
func.func @c9_indptr_has_an_end(%q: !q, %k: !k, %p: tensor<6xi32>, %i: tensor<2xi32>, %l: i32) {
  // expected-error@+1 {{(C9) page_indptr must be an integer tensor [batch + 1], got 'tensor<2xi32>'}}
  %o = attn.attention %q, %k, %k pages(%p, %i) lengths(%l)
    : !q, !k, !k, tensor<6xi32>, tensor<2xi32>, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<5x2x12x16xf32>
func.func @c9_packed_pages_have_no_bias(%q: !q, %k: !k, %p: tensor<6xi32>, %i: tensor<3xi32>, %l: i32, %b: tensor<8x36xf32>) {
  // expected-error@+1 {{(C9) with page_indptr bias cannot have a dim of key rows}}
  %o = attn.attention %q, %k, %k pages(%p, %i) lengths(%l) bias(%b)
    : !q, !k, !k, tensor<6xi32>, tensor<3xi32>, i32, tensor<8x36xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<5x2x12x16xf32>
func.func @c9_packed_pages_have_no_key_mask(%q: !q, %k: !k, %p: tensor<6xi32>, %i: tensor<3xi32>, %l: i32, %m: tensor<36xi1>) {
  // expected-error@+1 {{(C9) with page_indptr a set cannot have a dim of key rows}}
  %o = attn.attention %q, %k, %k pages(%p, %i) lengths(%l) mask = #attn.pairs<causal & keys(%m)>
    : !q, !k, !k, tensor<6xi32>, tensor<3xi32>, i32, tensor<36xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<5x2x12x16xf32>
func.func @c9_packed_pages_have_no_probs(%q: !q, %k: !k, %p: tensor<6xi32>, %i: tensor<3xi32>, %l: i32) {
  // expected-error@+1 {{(C9) with page_indptr result 'column_sums' cannot have a dim of key rows}}
  %o, %c = attn.attention %q, %k, %k pages(%p, %i) lengths(%l) returns = [column_sums]
    : !q, !k, !k, tensor<6xi32>, tensor<3xi32>, i32 -> (!q, tensor<2x4x?xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c9_one_pool(%q: !q, %k: tensor<5x2x4x16xf32>, %v: tensor<6x2x4x16xf32>, %p: tensor<2x3xi32>, %l: i32) {
  // expected-error@+1 {{(C9) k has 5 pages and v 6}}
  %o = attn.attention %q, %k, %v pages(%p) lengths(%l)
    : !q, tensor<5x2x4x16xf32>, tensor<6x2x4x16xf32>, tensor<2x3xi32>, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c10_bias_broadcasts(%q: !q, %k: !k, %v: !k, %b: tensor<3x8x12xf32>) {
  // expected-error@+1 {{(C10) bias must be a float tensor broadcastable to [2, 4, 8, 12], got 'tensor<3x8x12xf32>'}}
  %o = attn.attention %q, %k, %v bias(%b)
    : !q, !k, !k, tensor<3x8x12xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c10_bias_is_float(%q: !q, %k: !k, %v: !k, %b: tensor<8x12xi32>) {
  // expected-error@+1 {{(C10) bias must be a float tensor}}
  %o = attn.attention %q, %k, %v bias(%b)
    : !q, !k, !k, tensor<8x12xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c10_bias_rank(%q: !q, %k: !k, %v: !k, %b: tensor<1x1x1x8x12xf32>) {
  // expected-error@+1 {{(C10) bias must be a float tensor}}
  %o = attn.attention %q, %k, %v bias(%b)
    : !q, !k, !k, tensor<1x1x1x8x12xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c11_score_mod_arguments(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C11) score_mod must take ('f32', 'index', 'index', 'index', 'index')}}
  %o = attn.attention %q, %k, %v score_mod {
    ^bb0(%s: f16, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f16
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c11_score_mod_yields_a_score(%q: !q, %k: !k, %v: !k) {
  %o = attn.attention %q, %k, %v score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{(C11) score_mod must yield one 'f32'}}
      attn.yield %i : index
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c11_f64_has_f64_scores(%q: tensor<8x4xf64>, %k: tensor<8x4xf64>, %v: tensor<8x4xf64>) {
  // expected-error@+1 {{(C11) score_mod must take ('f64', 'index', 'index', 'index', 'index')}}
  %o = attn.attention %q, %k, %v score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f32
    } : tensor<8x4xf64>, tensor<8x4xf64>, tensor<8x4xf64> -> tensor<8x4xf64>
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c11_prob_mod_arguments(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C11) prob_mod must take}}
  %o = attn.attention %q, %k, %v prob_mod {
    ^bb0(%p: f32):
      attn.yield %p : f32
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c11_ends_with_yield(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C11) score_mod must end with attn.yield}}
  %o = attn.attention %q, %k, %v score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      llvm.unreachable
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c12_predicate_arguments(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C12) predicate 0 must take ('index', 'index', 'index', 'index')}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<0>> predicate {
    ^bb0(%i: index, %j: index):
      %t = arith.cmpi sle, %j, %i : index
      attn.yield %t : i1
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c12_predicate_yields_a_bit(%q: !q, %k: !k, %v: !k) {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<0>> predicate {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{(C12) predicate 0 must yield one 'i1'}}
      attn.yield %i : index
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c12_an_existing_predicate(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C12) names predicate region 1 of 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<1>> predicate {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %t = arith.cmpi sle, %j, %i : index
      attn.yield %t : i1
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c13_captures(%q: !q, %k: !k, %v: !k, %f: f32) {
  %o = attn.attention %q, %k, %v score_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{(C13) uses a value from outside score_mod that is not among its captures}}
      %x = arith.addf %s, %f : f32
      attn.yield %x : f32
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c13_captures_of_another_region(%q: !q, %k: !k, %v: !k, %f: f32) {
  %o = attn.attention %q, %k, %v score_mod captures(%f : f32) { ^bb1(%s1: f32, %b1: index, %h1: index, %i1: index, %j1: index): attn.yield %f : f32 } prob_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{(C13) uses a value from outside prob_mod that is not among its captures}}
      attn.yield %f : f32
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c13_no_side_effects(%q: !q, %k: !k, %v: !k, %f: memref<8xi1>) {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<0>> predicate {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{(C13) has side effects inside predicate 0 of attn.attention}}
      %x = memref.load %f[%i] : memref<8xi1>
      attn.yield %x : i1
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_negative_window(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'left' of 'window' must be at least 0, got -1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<-1, 0>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_negative_prefix(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'length' of 'prefix' must be at least 0, got -2}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<prefix<-2>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_stride(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'stride' of 'strided' must be at least 1, got 0}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<strided<0>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_chunk(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'size' of 'chunk' must be at least 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<chunk<0>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_blocks(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'size' of 'blocks' must be at least 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<blocks<0> { causal }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_dilation(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) parameter 'dilation' of 'dilated' must be at least 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<dilated<3, 0>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_columns(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) 'columns' keeps more columns than its period}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<columns<4, 5>>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_extent(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) an extent of axes must be at least 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<axes<0 x 12> { full, full }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_heads_ascend(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) heads of by_head begin at 0 and ascend}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<by_head(0, 2, 2) { full, full, full }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c14_heads_begin_at_0(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C14) heads of by_head begin at 0 and ascend}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<by_head(1) { full }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_operand_shape(%q: !q, %k: !k, %v: !k, %m: tensor<11xi1>) {
  // expected-error@+1 {{(C15) 'keys' needs a tensor of i1, [batch..., heads] optional, then [12], got 'tensor<11xi1>'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%m)>
    : !q, !k, !k, tensor<11xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_operand_type(%q: !q, %k: !k, %v: !k, %m: tensor<12xi32>) {
  // expected-error@+1 {{(C15) 'keys' needs a tensor of i1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%m)>
    : !q, !k, !k, tensor<12xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_operand_lead(%q: !q, %k: !k, %v: !k, %m: tensor<3x12xi1>) {
  // expected-error@+1 {{(C15) 'keys' needs a tensor of i1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%m)>
    : !q, !k, !k, tensor<3x12xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_operand_count(%q: !q, %k: !k, %v: !k, %m: tensor<9xi32>) {
  // expected-error@+1 {{(C15) 'csr' takes 2 operands, got 1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<csr(%m)>
    : !q, !k, !k, tensor<9xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_ptr_has_rows_plus_1(%q: !q, %k: !k, %v: !k, %m: tensor<8xi32>) {
  // expected-error@+1 {{(C15) 'csr' needs a tensor of integers, [batch..., heads] optional, then [9], got 'tensor<8xi32>'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<csr(%m, %m)>
    : !q, !k, !k, tensor<8xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_topk_by_row(%q: !q, %k: !k, %v: !k, %m: tensor<7x3xi32>) {
  // expected-error@+1 {{(C15) 'topk' needs a tensor of integers, [batch..., heads] optional, then [8, ?]}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<topk(%m)>
    : !q, !k, !k, tensor<7x3xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_ranges_by_query(%q: !q, %k: !k, %v: !k, %m: tensor<12xi32>) {
  // expected-error@+1 {{(C15) 'ranges' needs a tensor of integers, [batch..., heads] optional, then [8]}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<ranges<by_query>(%m, %m)>
    : !q, !k, !k, tensor<12xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_parameter_per_batch(%q: !q, %k: !k, %v: !k, %m: tensor<3xi32>) {
  // expected-error@+1 {{(C15) 'window' needs an integer parameter, one value or one a batch, got 'tensor<3xi32>'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<%m, 0>>
    : !q, !k, !k, tensor<3xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_parameter_per_document(%q: !q, %k: !k, %v: !k, %m: tensor<4xi32>, %l: tensor<3x2xi32>) {
  // expected-error@+1 {{(C15) 'prefix' needs an integer parameter, one value or one a document, got 'tensor<3x2xi32>'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<per_document(%m) { prefix(%l) }>
    : !q, !k, !k, tensor<4xi32>, tensor<3x2xi32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_rows_in_a_scope(%q: !q, %k: !k, %v: !k, %m: tensor<12xi1>) {
  // expected-error@+1 {{(C15) 'keys' speaks of rows and cannot stand inside per_document, axes or blocks}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<blocks<2> { keys(%m) }>
    : !q, !k, !k, tensor<12xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_every_operand_is_used(%q: !q, %k: !k, %v: !k, %m: tensor<12xi1>) {
  // expected-error@+1 {{(C15) set operand 0 is used by no pair set}}
  %o = "attn.attention"(%q, %k, %v, %m) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0>}> ({}, {})
    : (!q, !k, !k, tensor<12xi1>) -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c15_operand_number(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C15) 'keys' names set operand 3 of 0}}
  %o = "attn.attention"(%q, %k, %v) <{mask = #attn.pairs<keys($3)>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {})
    : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c16_softcap(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C16) softcap must be a positive number}}
  %o = attn.attention %q, %k, %v kernel = #attn.softmax<softcap = 0.0>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c16_sink_needs_softmax(%q: !q, %k: !k, %v: !k, %s: tensor<4xf32>) {
  // expected-error@+1 {{(C16) sink needs a softmax kernel and a float tensor [heads]}}
  %o = attn.attention %q, %k, %v sink(%s) kernel = #attn.relu
    : !q, !k, !k, tensor<4xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c16_sink_by_head(%q: !q, %k: !k, %v: !k, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C16) sink needs a softmax kernel and a float tensor [heads]}}
  %o = attn.attention %q, %k, %v sink(%s)
    : !q, !k, !k, tensor<2xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c16_an_accumulator(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C16) kernel must be #attn.softmax, #attn.sigmoid, #attn.relu, #attn.none or #attn.linear}}
  %o = attn.attention %q, %k, %v kernel = unit
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_decay_needs_linear(%q: !q, %k: !k, %v: !k, %g: tensor<4xf32>) {
  // expected-error@+1 {{(C17) decay and state need #attn.linear}}
  %o = attn.attention %q, %k, %v decay(%g) mask = #attn.pairs<causal>
    : !q, !k, !k, tensor<4xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_ordered_sets(%q: !q, %k: !k, %v: !k, %g: tensor<4xf32>) {
  // expected-error@+1 {{(C17) decay and state compose in order}}
  %o = attn.attention %q, %k, %v decay(%g) mask = #attn.pairs<window<3, 0>> kernel = #attn.linear
    : !q, !k, !k, tensor<4xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_no_sparsity(%q: !q, %k: !k, %v: !k, %g: tensor<4xf32>) {
  // expected-error@+1 {{(C17) decay and state compose in order}}
  %o = attn.attention %q, %k, %v decay(%g) mask = #attn.pairs<causal> sparsity = #attn.pairs<log> kernel = #attn.linear
    : !q, !k, !k, tensor<4xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_state_result_is_ordered(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C17) decay and state compose in order}}
  %o:2 = attn.attention %q, %k, %v kernel = #attn.linear returns = [state]
    : !q, !k, !k -> (!q, tensor<2x4x16x16xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_decay_shape(%q: !q, %k: !k, %v: !k, %g: tensor<2xf32>) {
  // expected-error@+1 {{(C17) decay must be a float tensor [heads], [batch..., heads, keys] or [batch..., heads, keys, d], got 'tensor<2xf32>'}}
  %o = attn.attention %q, %k, %v decay(%g) mask = #attn.pairs<causal> kernel = #attn.linear
    : !q, !k, !k, tensor<2xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_state_shape(%q: !q, %k: !k, %v: !k, %s: tensor<2x2x16x16xf32>) {
  // expected-error@+1 {{(C17) state must be a float tensor [2, 4, 16, 16], got 'tensor<2x2x16x16xf32>'}}
  %o:2 = attn.attention %q, %k, %v state(%s) mask = #attn.pairs<causal> kernel = #attn.linear<norm = none>
    : !q, !k, !k, tensor<2x2x16x16xf32> -> (!q, tensor<2x4x16x16xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_state_without_normaliser(%q: !q, %k: !k, %v: !k, %s: tensor<2x4x16x16xf32>) {
  // expected-error@+1 {{(C17) state needs norm = none}}
  %o:2 = attn.attention %q, %k, %v state(%s) mask = #attn.pairs<causal> kernel = #attn.linear
    : !q, !k, !k, tensor<2x4x16x16xf32> -> (!q, tensor<2x4x16x16xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c17_linear_has_no_bias(%q: !q, %k: !k, %v: !k, %b: tensor<8x12xf32>) {
  // expected-error@+1 {{(C17) a linear kernel takes no bias and no score_mod}}
  %o = attn.attention %q, %k, %v bias(%b) kernel = #attn.linear
    : !q, !k, !k, tensor<8x12xf32> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_result_count(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) expected 2 results, got 1}}
  %o = attn.attention %q, %k, %v returns = [lse]
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_order(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) returns must be distinct and in the order state, lse, scores, probs, column_sums, statistics}}
  %o:3 = attn.attention %q, %k, %v returns = [probs, lse]
    : !q, !k, !k -> (!q, tensor<2x4x8x12xf32>, tensor<2x4x8xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_distinct(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) returns must be distinct}}
  %o:3 = attn.attention %q, %k, %v returns = [lse, lse]
    : !q, !k, !k -> (!q, tensor<2x4x8xf32>, tensor<2x4x8xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_lse_is_f32(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) result 'lse' must be a float tensor (f32 for lse, column_sums, statistics) [2, 4, 8], got 'tensor<2x4x8xf64>'}}
  %o:2 = attn.attention %q, %k, %v returns = [lse]
    : !q, !k, !k -> (!q, tensor<2x4x8xf64>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_shape(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) result 'statistics' must be a float tensor (f32 for lse, column_sums, statistics) [2, 4, 8, 5]}}
  %o:2 = attn.attention %q, %k, %v returns = [statistics]
    : !q, !k, !k -> (!q, tensor<2x4x8x4xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_lse_needs_softmax(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) result 'lse' does not exist for #attn.relu}}
  %o:2 = attn.attention %q, %k, %v kernel = #attn.relu returns = [lse]
    : !q, !k, !k -> (!q, tensor<2x4x8xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_state_needs_linear(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) result 'state' does not exist for #attn.softmax}}
  %o:2 = attn.attention %q, %k, %v returns = [state]
    : !q, !k, !k -> (!q, tensor<2x4x16x16xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c18_unknown_code(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C18) returns must be distinct}}
  %o:2 = "attn.attention"(%q, %k, %v) <{returns = array<i32: 77>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {})
    : (!q, !k, !k) -> (!q, tensor<2x4x8xf32>)
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c19_finite_scale(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C19) scale must be finite}}
  %o = attn.attention %q, %k, %v scale = 0x7FF0000000000000
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c20_prob_mod_needs_softmax(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C20) prob_mod needs a softmax kernel}}
  %o = attn.attention %q, %k, %v kernel = #attn.sigmoid prob_mod {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f32
    } : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c21_one_start(%q: !q, %k: !k, %v: !k, %s: i32) {
  // expected-error@+1 {{(C21) `positions = start` and q_start exclude each other}}
  %o = attn.attention %q, %k, %v positions = start q_start(%s)
    : !q, !k, !k, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c22_dense_by_rows(%q: !q, %k: !k, %v: !k, %m: tensor<12x8xi1>) {
  // expected-error@+1 {{(C22) 'dense' needs a tensor of i1, [batch..., heads] optional, then [8, 12], got 'tensor<12x8xi1>'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<dense(%m)>
    : !q, !k, !k, tensor<12x8xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c22_axes_cover_the_positions(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C22) 'axes' has 10 cells for 12 positions}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<axes<2 x 5> { full, full }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c22_cells_fit(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{(C22) 'axes' has more cells than 64 bits count}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<axes<4294967296 x 4294967296> { full, full }>
    : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c23_parameters(%q: !q, %k: !k, %v: !k, %l: i32) {
  // expected-error@+1 {{(C23) set operand 1 cannot be a parameter of the plan}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, 0>> plan = #attn.plan<parameters = [1]>
    : !q, !k, !k, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c23_symbols(%q: !q, %k: !k, %v: !k, %l: i32) {
  // expected-error@+1 {{(C23) a component takes 5 symbols, but 4 exist}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, 0>> plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3, s4] -> (d0), upper = (d0)[s0, s1, s2, s3, s4] -> (d0), row_lower = ()[s0, s1, s2, s3, s4] -> (), row_upper = ()[s0, s1, s2, s3, s4] -> ()>]>
    : !q, !k, !k, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c23_tests(%q: !q, %k: !k, %v: !k, %l: i32) {
  // expected-error@+1 {{(C23) a component tests atom -1 of 0}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, 0>> plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (d0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [-1]>]>
    : !q, !k, !k, i32 -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @c23_atoms(%q: !q, %k: !k, %v: !k, %l: i32) {
  // expected-error@+1 {{(C15) 'keys' needs a tensor of i1}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<%l, 0>> plan = #attn.plan<atoms = [#attn.pairs<keys($0)>]>
    : !q, !k, !k, i32 -> !q
  return
}

// -----

func.func @schedule_heads(%q: tensor<6x?x8xf32>, %k: tensor<3x?x8xf32>, %v: tensor<3x?x8xf32>) -> tensor<6x?x8xf32> {
  // expected-error @below {{(C24) heads of a schedule is 1 or divides the query heads of a key head (or, with pages, is those of some key heads), which are 2, got 3}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = row, query_tile = 1, heads = 3, key_block = 16, lanes = 8, register_keys = 2, register_vectors = 2, q = direct, k = direct, v = direct>
      : tensor<6x?x8xf32>, tensor<3x?x8xf32>, tensor<3x?x8xf32> -> tensor<6x?x8xf32>
  return %o : tensor<6x?x8xf32>
}

// -----

func.func @schedule_unknown_heads(%q: tensor<?x?x8xf32>, %k: tensor<?x?x8xf32>, %v: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // expected-error @below {{(C24) heads of a schedule is 1 or divides the query heads of a key head (or, with pages, is those of some key heads), which are not static, got 2}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = row, query_tile = 1, heads = 2, key_block = 16, lanes = 8, register_keys = 2, register_vectors = 2, q = direct, k = direct, v = direct>
      : tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %o : tensor<?x?x8xf32>
}

// -----

func.func @schedule_lanes(%q: tensor<?x8xf64>, %k: tensor<?x8xf64>, %v: tensor<?x8xf64>) -> tensor<?x8xf64> {
  // expected-error @below {{(C24) lanes of a schedule is at most 8 for sums in 'f64', got 16}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = row, query_tile = 1, heads = 1, key_block = 16, lanes = 16, register_keys = 2, register_vectors = 2, q = direct, k = direct, v = direct>
      : tensor<?x8xf64>, tensor<?x8xf64>, tensor<?x8xf64> -> tensor<?x8xf64>
  return %o : tensor<?x8xf64>
}
