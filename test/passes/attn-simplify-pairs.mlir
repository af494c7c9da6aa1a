// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-simplify-pairs -split-input-file | FileCheck %s
// Simplifying twice is simplifying once.
// RUN: attnc-opt %s -attn-simplify-pairs -split-input-file > %t.once
// RUN: attnc-opt %s -attn-simplify-pairs -attn-simplify-pairs -split-input-file > %t.twice
// RUN: diff %t.once %t.twice

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @chains_are_flat
// CHECK: mask = #attn.pairs<causal & keys(%arg1) & dense(%arg2)>
func.func @chains_are_flat(%q: !t, %m: tensor<?xi1>, %d: tensor<?x?xi1>) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<(causal & (keys(%m) & full)) & dense(%d) & keys(%m)>
      : !t, !t, !t, tensor<?xi1>, tensor<?x?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @not_moves_onto_single_sets
// CHECK: mask = #attn.pairs<!strided<4> & keys(%arg1) | columns<8, 2>>
func.func @not_moves_onto_single_sets(%q: !t, %m: tensor<?xi1>) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<!((strided<4> | !keys(%m)) & !!!columns<8, 2>)>
      : !t, !t, !t, tensor<?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @contradiction_is_empty
// CHECK: mask = #attn.pairs<empty>
func.func @contradiction_is_empty(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<!window<9, 9> & causal & window<4, 12>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Keys end where last<g> begins, so that nothing of it is left.
// CHECK-LABEL: func.func @bounds_of_the_keys_count
// CHECK: mask = #attn.pairs<empty>
func.func @bounds_of_the_keys_count(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<last<0>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// The last keys of all are no first keys, unless there are few: unknown here.
// CHECK-LABEL: func.func @nothing_is_known_of_sizes
// CHECK: mask = #attn.pairs<last<4> & first<4>>
func.func @nothing_is_known_of_sizes(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<last<4> & first<4>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @full_vanishes
// CHECK-NOT: mask
// CHECK-NOT: sparsity
// CHECK: return
func.func @full_vanishes(%q: !t, %m: tensor<?xi1>) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<full & (causal | !causal)>
      sparsity = #attn.pairs<keys(%m) | !keys(%m)> : !t, !t, !t, tensor<?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @implied_parts_vanish
// CHECK: mask = #attn.pairs<window<255, 0>>
// CHECK-SAME: sparsity = #attn.pairs<first<4> | last<2>>
func.func @implied_parts_vanish(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal & window<255, 0> & window<300, 300>>
      sparsity = #attn.pairs<first<3> | first<4> | last<2> & first<2> | last<2>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// x | x & y is x, x & (x | y) is x, whatever x is.
// CHECK-LABEL: func.func @absorption
// CHECK: mask = #attn.pairs<strided<4>>
// CHECK-SAME: sparsity = #attn.pairs<log>
func.func @absorption(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<strided<4> | strided<4> & causal>
      sparsity = #attn.pairs<log & (log | first<4>)> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @windows_merge
// CHECK: mask = #attn.pairs<window<5, 0> & first<9>>
// CHECK-SAME: sparsity = #attn.pairs<strided<4> & window<5, 7>>
func.func @windows_merge(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<window<5, 9> & first<9> & causal & window<7, 2>>
      sparsity = #attn.pairs<strided<4> & (window<5, 0> | window<1, 7>)> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// A clamped window is another set, and an operand may be anything.
// CHECK-LABEL: func.func @other_windows_stay
// CHECK: mask = #attn.pairs<window<5, 5, clamped> & window<3, 3> & window<%arg1, 2>>
func.func @other_windows_stay(%q: !t, %w: i64) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<window<5, 5, clamped> & window<3, 3> & window<%w, 2>>
      : !t, !t, !t, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @equal_operands_are_one_unknown
// CHECK: mask = #attn.pairs<window<%arg1, 0>>
func.func @equal_operands_are_one_unknown(%q: !t, %w: i64) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<window<%w, 3> & window<%w, 0> & causal>
      : !t, !t, !t, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @unused_operands_go
// CHECK: attn.attention %arg0, %arg0, %arg0 mask = #attn.pairs<prefix(%arg3) & keys(%arg2)> {{.*}} : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, i64, tensor<?xi1> ->
func.func @unused_operands_go(%q: !t, %d: tensor<?x?xi1>, %m: tensor<?xi1>, %p: i64) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<(dense(%d) & empty) | prefix(%p) & keys(%m)> attributes {test.x}
      : !t, !t, !t, tensor<?x?xi1>, i64, tensor<?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @unused_predicates_go
// CHECK: mask = #attn.pairs<causal | predicate<0>> predicate {
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.cmpi ult
// CHECK-NOT: predicate
// CHECK: return
func.func @unused_predicates_go(%q: !t, %u: tensor<4xi1>) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal | predicate<0> & empty | predicate<1>>
  predicate captures(%u : tensor<4xi1>) {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %x = tensor.extract %u[%i] : tensor<4xi1>
    attn.yield %x : i1
  } predicate {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %x = arith.cmpi ult, %i, %j : index
    attn.yield %x : i1
  } : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<4x?x8xf32>
// CHECK-LABEL: func.func @scopes_are_simplified_inside
// CHECK: mask = #attn.pairs<per_document(%arg1) { window<3, 0> } | by_head(0, 2) { causal, window<2, 2> }>
// CHECK-SAME: sparsity = #attn.pairs<blocks<8> { window<1, 1> }>
func.func @scopes_are_simplified_inside(%q: !t, %cu: tensor<?xi64>) -> !t {
  %o = attn.attention %q, %q, %q
      mask = #attn.pairs<per_document(%cu) { full } & per_document(%cu) { causal & window<3, 9> }
                         | by_head(0, 2) { causal & causal, window<2, 3> & window<3, 2> }>
      sparsity = #attn.pairs<blocks<8> { window<1, 1> } | blocks<4> { empty } | axes<8 x 8> { full, empty }>
      : !t, !t, !t, tensor<?xi64> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// What the mask excludes anyway is no approximation.
// CHECK-LABEL: func.func @sparsity_that_costs_nothing_goes
// CHECK-NOT: sparsity
// CHECK: return
func.func @sparsity_that_costs_nothing_goes(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<window<7, 0>> sparsity = #attn.pairs<window<15, 0> | strided<4>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// A plan names operands by number: its sets are not touched.
// CHECK-LABEL: func.func @planned_sets_stay
// CHECK: mask = #attn.pairs<full & causal>
func.func @planned_sets_stay(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<full & causal> plan = #attn.plan : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<4x2x?x8xf32>
// A predicate made of comparisons is a set; what is left of another is bounded
// by the part that is.
// CHECK-LABEL: func.func @predicates_are_recognized
// CHECK-SAME: %[[LEN:[a-z0-9]+]]: tensor<4xi32>, %[[ID:[a-z0-9]+]]: tensor<?xi32>
// CHECK: mask = #attn.pairs<affine<"(d0, d1) : (d0 - d1 >= 0)"> & prefix(%[[LEN]])>
// CHECK: mask = #attn.pairs<affine<"(d0, d1) : (d0 - d1 >= 0)"> & predicate<0>>
// CHECK: predicate captures(%[[ID]]
func.func @predicates_are_recognized(%q: !t, %len: tensor<4xi32>, %id: tensor<?xi32>) -> (!t, !t) {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<predicate<0>>
  predicate captures(%len : tensor<4xi32>) {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %causal = arith.cmpi sge, %i, %j : index
    %x = tensor.extract %len[%b] : tensor<4xi32>
    %n = arith.index_cast %x : i32 to index
    %inside = arith.cmpi slt, %j, %n : index
    %both = arith.andi %causal, %inside : i1
    attn.yield %both : i1
  } : !t, !t, !t -> !t
  %p = attn.attention %q, %q, %q mask = #attn.pairs<predicate<0>>
  predicate captures(%id : tensor<?xi32>) {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %causal = arith.cmpi sge, %i, %j : index
    %x = tensor.extract %id[%i] : tensor<?xi32>
    %y = tensor.extract %id[%j] : tensor<?xi32>
    %same = arith.cmpi eq, %x, %y : i32
    %both = arith.andi %causal, %same : i1
    attn.yield %both : i1
  } : !t, !t, !t -> !t
  return %o, %p : !t, !t
}
