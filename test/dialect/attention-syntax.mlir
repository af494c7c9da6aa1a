// What the parser of attn.attention and of pair sets refuses.
//
// RUN: attnc-opt %s -split-input-file -verify-diagnostics

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_clause(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{unknown clause 'heads' of attn.attention}}
  %o = attn.attention %q, %k, %v heads(%q) : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @clause_twice(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{clause 'mask' is given twice}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<full> mask = #attn.pairs<full> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @operand_clause_twice(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{clause 'bias' is given twice}}
  %o = attn.attention %q, %k, %v bias(%q) bias(%q) : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_set(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{unknown pair set 'casual'; known are full, empty, causal,}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<casual> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @wrong_attribute(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{wrong kind of attribute for this clause}}
  %o = attn.attention %q, %k, %v mask = #attn.softmax : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_attribute(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{unknown attribute 'softmaxx' in dialect 'attn'}}
  %o = attn.attention %q, %k, %v kernel = #attn.softmaxx : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_result(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{unknown result 'max'; known are state, lse, scores, probs, column_sums, statistics}}
  %o = attn.attention %q, %k, %v returns = [max] : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @positions_start_only(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{expected 'start' after `positions =`}}
  %o = attn.attention %q, %k, %v positions = end : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @missing_parameter(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'window' needs its parameter 'right'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<3>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @missing_parameters(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'strided' needs its parameter 'stride' in `<...>`}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<strided> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @too_many_parameters(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{too many parameters for 'local'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<local<1, 2>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @no_parameters(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'causal' takes no parameters}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal<1>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_parameter(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'chunk' has no parameter 'shift'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<chunk<4, shift = 1>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @parameter_twice(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{parameter 'seed' is given twice}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<random<4, seed = 1, seed = 2>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @constant_parameter(%q: !q, %k: !k, %v: !k, %l: index) {
  // expected-error@+1 {{parameter 'stride' of 'strided' must be a constant}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<strided<%l>> : !q, !k, !k, index -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @too_large(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'99999999999999999999' does not fit 64 bits}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<local<99999999999999999999>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @no_operands(%q: !q, %k: !k, %v: !k, %l: index) {
  // expected-error@+1 {{expected `&`, `|` or the end of the pair set}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal(%l)> : !q, !k, !k, index -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @missing_operands(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{expected `(` and the operands of 'keys'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @prefix_twice(%q: !q, %k: !k, %v: !k, %l: index) {
  // expected-error@+1 {{the length of 'prefix' is given twice}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<prefix<3>(%l)> : !q, !k, !k, index -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @prefix_without_length(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{'prefix' needs a length}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<prefix> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @missing_children(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{expected `{` and the sets inside 'blocks'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<blocks<4>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @too_many_children(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{wrong number of sets inside 'blocks'}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<blocks<4> { full, full }> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @axes_and_sets(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{axes needs one set for each extent}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<axes<3 x 4> { full, full, full }> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @by_head_and_sets(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{by_head needs one first head for each set}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<by_head(0, 2) { full }> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @nothing(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{expected a pair set}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @dangling_operator(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{expected a pair set}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal &> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unbalanced(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{unbalanced '(' character in pretty dialect name}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<(causal | first<1>> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @numbers_instead_of_names(%q: !q, %k: !k, %v: !k, %m: tensor<12xi1>) {
  // expected-error@+1 {{operands of a pair set are written by name here}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys($0)> : !q, !k, !k, tensor<12xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @affine_text(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{invalid affine set: expected affine expression}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<affine<"(i, j) : (i >= )">> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @affine_dims(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{an affine pair set has two dims (i, j) and at most two symbols [n, m]}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<affine<"(i) : (i >= 0)">> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @operand_types(%q: !q, %k: !k, %v: !k, %l: index) {
  // expected-error@+1 {{expected 4 operand types (q, k, v, clause operands, set operands), got 3}}
  %o = attn.attention %q, %k, %v lengths(%l) : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @too_deep(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{pair set nests too deeply}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!full> : !q, !k, !k -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @unknown_operand(%q: !q, %k: !k, %v: !k) {
  // expected-error@+1 {{use of undeclared SSA value name}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%nothing)> : !q, !k, !k, tensor<12xi1> -> !q
  return
}

// -----

!q = tensor<2x4x8x16xf32>
!k = tensor<2x2x12x16xf32>
func.func @capture_counts(%q: !q, %k: !k, %v: !k, %f: f32) {
  // expected-error@+1 {{capture_counts do not add up to the captures}}
  %o = "attn.attention"(%q, %k, %v, %f) <{capture_counts = array<i32: 2>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1>}> ({}, {})
    : (!q, !k, !k, f32) -> !q
  return
}
