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

func.func @slice_of_unknown_place(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %n: index) -> tensor<?x8xf32> {
  // expected-error @+1 {{is not compiled yet: attention reads a slice in place if its steps are 1 and it is whole in each dim that is dynamic}}
  %s = tensor.extract_slice %k[%n, 0] [%n, 8] [1, 1] : tensor<?x8xf32> to tensor<?x8xf32>
  %o = attn.attention %q, %s, %s : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
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
