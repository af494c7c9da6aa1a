// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-plan-pairs -split-input-file -verify-diagnostics

!t = tensor<?x8xf32>
func.func @each_operation_is_refused(%q: !t) -> !t {
  // expected-error @+1 {{kernel #attn.relu is not compiled yet}}
  %o = attn.attention %q, %q, %q kernel = #attn.relu : !t, !t, !t -> !t
  // expected-error @+1 {{kernel #attn.none is not compiled yet}}
  %p = attn.attention %o, %q, %q kernel = #attn.none : !t, !t, !t -> !t
  return %p : !t
}

// -----

!t = tensor<?x8xf32>
func.func @kernel(%q: !t) -> !t {
  // expected-error @+1 {{kernel #attn.sigmoid is not compiled yet}}
  %o = attn.attention %q, %q, %q kernel = #attn.sigmoid : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<4x?x8xf32>
func.func @sink(%q: !t, %s: tensor<4xf32>) -> !t {
  // expected-error @+1 {{operand 'sink' is not compiled yet}}
  %o = attn.attention %q, %q, %q sink(%s) : !t, !t, !t, tensor<4xf32> -> !t
  return %o : !t
}

// -----

func.func @pages(%q: tensor<1x4x1x8xf32>, %k: tensor<9x4x16x8xf32>, %p: tensor<1x?xi32>, %l: i32) -> tensor<1x4x1x8xf32> {
  // expected-error @+1 {{operand 'pages' is not compiled yet}}
  %o = attn.attention %q, %k, %k pages(%p) lengths(%l)
      : tensor<1x4x1x8xf32>, tensor<9x4x16x8xf32>, tensor<9x4x16x8xf32>, tensor<1x?xi32>, i32 -> tensor<1x4x1x8xf32>
  return %o : tensor<1x4x1x8xf32>
}

// -----

!t = tensor<?x8xf32>
func.func @prob_mod(%q: !t) -> !t {
  // expected-error @+1 {{prob_mod is not compiled yet}}
  %o = attn.attention %q, %q, %q prob_mod {
  ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
    attn.yield %p : f32
  } : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
func.func @optional_result(%q: !t) -> !t {
  // expected-error @+1 {{result 'column_sums' is not compiled yet}}
  %o:3 = attn.attention %q, %q, %q returns = [lse, column_sums] : !t, !t, !t -> (!t, tensor<?xf32>, tensor<?xf32>)
  return %o#0 : !t
}

// -----

!t = tensor<?x8xf32>
// Nothing relates the operands to each other: no part is seen to be empty.
func.func @too_complex(%q: !t, %a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64) -> !t {
  // expected-error @+1 {{the pair set is too complex to be planned}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<
      !(window<%a, %b> & prefix(%c)) & !(window<%c, %d> & prefix(%e)) & !(window<%e, %f> & prefix(%g))
      & !(window<%g, %h> & prefix(%a)) & !(window<%b, %c> & prefix(%d)) & !(window<%d, %e> & prefix(%f))>
      : !t, !t, !t, i64, i64, i64, i64, i64, i64, i64, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Eight bands of distances times nine bands of keys.
func.func @too_many_components(%q: !t) -> !t {
  // expected-error @+1 {{the pair set needs 72 disjoint components, at most 64 are compiled}}
  %o = attn.attention %q, %q, %q
      mask = #attn.pairs<window<0, 3> & !window<0, 1> | window<0, 7> & !window<0, 5> | window<0, 11> & !window<0, 9> | window<0, 15> & !window<0, 13> | window<0, 19> & !window<0, 17> | window<0, 23> & !window<0, 21> | window<0, 27> & !window<0, 25> | window<0, 31> & !window<0, 29>>
      sparsity = #attn.pairs<first<3> & !first<0> | first<13> & !first<10> | first<23> & !first<20> | first<33> & !first<30> | first<43> & !first<40> | first<53> & !first<50> | first<63> & !first<60> | first<73> & !first<70> | first<83> & !first<80>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
func.func @plan_with_a_falling_bound(%q: !t) -> !t {
  // expected-error @+1 {{a bound of the plan does not rise by 0 or 1 with the query: affine_map<(d0)[s0, s1, s2, s3] -> (-d0)>}}
  %o = attn.attention %q, %q, %q plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (-d0), upper = (d0)[s0, s1, s2, s3] -> (s1), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
func.func @set_that_no_kernel_computes(%q: !t) -> !t {
  // expected-error @+1 {{an affine set divides by a number that is not positive}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal & affine<"(i, j)[n, m] : (i floordiv (-2) - j >= 0)">> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
func.func @atom_that_no_kernel_computes(%q: !t) -> !t {
  // expected-error @+1 {{an affine set divides by a number that is not positive}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<causal> plan = #attn.plan<atoms = [#attn.pairs<affine<"(i, j)[n, m] : (i mod 0 - j >= 0)">>]> : !t, !t, !t -> !t
  return %o : !t
}
