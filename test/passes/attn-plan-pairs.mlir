// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-plan-pairs -split-input-file | FileCheck %s
// Symbols: s0 = k_begin, s1 = k_end, s2 = q_begin, s3 = q_end, then parameters.

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @full_is_where_pairs_exist
// CHECK: plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]>
func.func @full_is_where_pairs_exist(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @empty_has_no_component
// CHECK: plan = #attn.plan :
func.func @empty_has_no_component(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<empty> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @causal
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (d0, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @causal(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal> : !t, !t, !t -> !t
  return %o : !t
}

// -----

// The last query sits on the last key: one query row sees all of them.
// CHECK-LABEL: func.func @causal_of_one_query_is_full
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (s1 - 1), row_lower
func.func @causal_of_one_query_is_full(%q: tensor<1x8xf32>, %k: tensor<?x8xf32>) -> tensor<1x8xf32> {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal> : tensor<1x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<1x8xf32>
  return %o : tensor<1x8xf32>
}

// -----

// With a start of its own it may sit anywhere.
// CHECK-LABEL: func.func @causal_of_one_placed_query_is_not
// CHECK: upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1)
func.func @causal_of_one_placed_query_is_not(%q: tensor<1x8xf32>, %k: tensor<?x8xf32>, %s: i64) -> tensor<1x8xf32> {
  %o = attn.attention %q, %k, %k q_start(%s) mask = #attn.pairs<causal> : tensor<1x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, i64 -> tensor<1x8xf32>
  return %o : tensor<1x8xf32>
}

// -----

// Static sizes prove prefix<100> to hold everywhere and last<3> & first<3> nowhere.
// CHECK-LABEL: func.func @static_sizes_are_used
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (d0, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @static_sizes_are_used(%q: tensor<16x8xf32>, %k: tensor<64x8xf32>) -> tensor<16x8xf32> {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal & prefix<100> | last<3> & first<3>>
      : tensor<16x8xf32>, tensor<64x8xf32>, tensor<64x8xf32> -> tensor<16x8xf32>
  return %o : tensor<16x8xf32>
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @window_with_parameters
// CHECK: components = [#attn.component<lower = (d0)[s0, s1, s2, s3, s4, s5] -> (d0 - s4, s0), upper = (d0)[s0, s1, s2, s3, s4, s5] -> (d0 + s5, s1 - 1)
// CHECK-SAME: parameters = [0, 1]
func.func @window_with_parameters(%q: !t, %k: !t, %l: i64, %r: tensor<1xi32>) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<window<%l, %r>> : !t, !t, !t, i64, tensor<1xi32> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Operand 0 bounds nothing once causal & !causal is gone; symbols close up.
// CHECK-LABEL: func.func @unused_parameters_take_no_symbol
// CHECK: upper = (d0)[s0, s1, s2, s3, s4] -> (s4 - 1, s1 - 1)
// CHECK-SAME: parameters = [1]
func.func @unused_parameters_take_no_symbol(%q: !t, %k: !t, %a: i64, %b: i64) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal & prefix(%a) & !causal | prefix(%b)> : !t, !t, !t, i64, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @first_and_last
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (1, s1 - 1), row_lower
// CHECK-SAME: #attn.component<lower = {{[^>]+}}> (s1 - 4, 2, s0), upper = {{[^>]+}}> (s1 - 1), row_lower
func.func @first_and_last(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<first<2> | last<4>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Rows below 4 keep every key, the others the first four.
// CHECK-LABEL: func.func @global_has_rows_of_its_own
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (3, s3 - 1)>,
// CHECK-SAME: #attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (3, s1 - 1), row_lower = {{[^>]+}}> (4, s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @global_has_rows_of_its_own(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<global<4>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// The first keys minus the window: distances of 1024 and more.
// CHECK-LABEL: func.func @parts_are_disjoint
// CHECK: lower = {{[^>]+}}> (d0 - 1023, s0), upper = {{[^>]+}}> (d0, s1 - 1)
// CHECK-SAME: lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (3, d0 - 1024, s1 - 1)
// CHECK-SAME: row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @parts_are_disjoint(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal & (window<1023, 0> | first<4>)> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @parts_that_meet_are_one
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (d0 - 7, s0), upper = {{[^>]+}}> (d0 + 5, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @parts_that_meet_are_one(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<window<7, 0> | !causal & window<0, 5>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @not_window_is_two_sides
// CHECK: lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (d0 - 3, s1 - 1)
// CHECK-SAME: lower = {{[^>]+}}> (d0 + 5, s0), upper = {{[^>]+}}> (s1 - 1)
func.func @not_window_is_two_sides(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<!window<2, 4>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @mask_and_sparsity_intersect
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (d0 - 63, s0), upper = {{[^>]+}}> (d0, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @mask_and_sparsity_intersect(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal> sparsity = #attn.pairs<local<63>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// What data decides is a test; parts without tests come first, and what they
// keep is not tested.
// CHECK-LABEL: func.func @data_is_tested
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (3, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>,
// CHECK-SAME: #attn.component<lower = {{[^>]+}}> (4, s0), upper = {{[^>]+}}> (d0, s1 - 1), {{.*}} tests = [-1, 2]>]
// CHECK-SAME: atoms = [#attn.pairs<dense($0)>, #attn.pairs<keys($1)>]
func.func @data_is_tested(%q: !t, %k: !t, %d: tensor<?x?xi1>, %m: tensor<?xi1>) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<!dense(%d) & causal & keys(%m) | first<4>> : !t, !t, !t, tensor<?x?xi1>, tensor<?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @opposite_tests_cancel
// CHECK: plan = #attn.plan<components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (d0, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]> :
func.func @opposite_tests_cancel(%q: !t, %k: !t, %m: tensor<?xi1>) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal & (keys(%m) | !keys(%m))> : !t, !t, !t, tensor<?xi1> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Beyond any position: no bound at all, and nothing outside.
// CHECK-LABEL: func.func @endless_windows_bound_nothing
// CHECK: components = [#attn.component<lower = {{[^>]+}}> (s0), upper = {{[^>]+}}> (d0, s1 - 1), row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)>]>
func.func @endless_windows_bound_nothing(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<window<9223372036854775807, 0> & first<9223372036854775807>
      | !window<9223372036854775807, 9223372036854775807> | !last<9223372036854775807>> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Padding of queries ends the rows, wherever they begin.
// CHECK-LABEL: func.func @query_lengths_end_the_rows
// CHECK: row_lower = {{[^>]+}}> (s2), row_upper = {{[^>]+}}> (s3 - 1)
func.func @query_lengths_end_the_rows(%q: !t, %k: !t, %n: i64, %l: i64) -> !t {
  %o = attn.attention %q, %k, %k lengths(%l) q_lengths(%n) : !t, !t, !t, i64, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// CHECK-LABEL: func.func @a_plan_of_the_input_is_kept
// CHECK: plan = #attn.plan<components = [#attn.component<lower = {{[^>]+}}> (d0 - 9, s0), upper = {{[^>]+}}> (d0, s1 - 1)
func.func @a_plan_of_the_input_is_kept(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask = #attn.pairs<causal>
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (d0 - 9, s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]> : !t, !t, !t -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Nothing relates the operands to each other: no part is seen to be empty.
// A set of too many parts is tested as a whole.
// CHECK-LABEL: @too_complex
// CHECK: components = [#attn.component<{{.*}}tests = [1]>], atoms = [#attn.pairs<
func.func @too_complex(%q: !t, %a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64) -> !t {
  %o = attn.attention %q, %q, %q mask = #attn.pairs<
      !(window<%a, %b> & prefix(%c)) & !(window<%c, %d> & prefix(%e)) & !(window<%e, %f> & prefix(%g))
      & !(window<%g, %h> & prefix(%a)) & !(window<%b, %c> & prefix(%d)) & !(window<%d, %e> & prefix(%f))>
      : !t, !t, !t, i64, i64, i64, i64, i64, i64, i64, i64 -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
// Eight bands of distances times nine bands of keys.
// A set of too many parts is tested as a whole.
// CHECK-LABEL: @too_many_components
// CHECK: components = [#attn.component<{{.*}}tests = [1]>], atoms = [#attn.pairs<
func.func @too_many_components(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q
      mask = #attn.pairs<window<0, 3> & !window<0, 1> | window<0, 7> & !window<0, 5> | window<0, 11> & !window<0, 9> | window<0, 15> & !window<0, 13> | window<0, 19> & !window<0, 17> | window<0, 23> & !window<0, 21> | window<0, 27> & !window<0, 25> | window<0, 31> & !window<0, 29>>
      sparsity = #attn.pairs<first<3> & !first<0> | first<13> & !first<10> | first<23> & !first<20> | first<33> & !first<30> | first<43> & !first<40> | first<53> & !first<50> | first<63> & !first<60> | first<73> & !first<70> | first<83> & !first<80>> : !t, !t, !t -> !t
  return %o : !t
}
