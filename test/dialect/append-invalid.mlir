// What the verifier of attn.append refuses, by constraint.
//
// RUN: attnc-opt %s -split-input-file -verify-diagnostics

func.func @a1_rank(%k: tensor<4x1x16xf32>, %c: tensor<2x4x9x16xf32>, %l: i32) {
  // expected-error@+1 {{(A1) rows and cache need one rank >= 2 (4 when paged), got 3 and 4}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<4x1x16xf32>, tensor<2x4x9x16xf32>, i32) -> tensor<2x4x9x16xf32>
  return
}

// -----

func.func @a1_paged_rank(%k: tensor<4x1x16xf32>, %c: tensor<4x9x16xf32>, %l: i32, %t: tensor<1x2xi32>) {
  // expected-error@+1 {{(A1) rows and cache need one rank >= 2 (4 when paged), got 3 and 3}}
  %0 = attn.append %k into %c lengths(%l) pages(%t) : (tensor<4x1x16xf32>, tensor<4x9x16xf32>, i32, tensor<1x2xi32>) -> tensor<4x9x16xf32>
  return
}

// -----

func.func @a1_types(%k: tensor<1x16xf32>, %c: tensor<9x16xbf16>, %l: i32) {
  // expected-error@+1 {{(A1) rows and cache need one float type, got 'f32' and 'bf16'}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<1x16xf32>, tensor<9x16xbf16>, i32) -> tensor<9x16xbf16>
  return
}

// -----

func.func @a1_integers(%k: tensor<1x16xi32>, %c: tensor<9x16xi32>, %l: i32) {
  // expected-error@+1 {{(A1) rows and cache need one float type, got 'i32' and 'i32'}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<1x16xi32>, tensor<9x16xi32>, i32) -> tensor<9x16xi32>
  return
}

// -----

func.func @a1_row_size(%k: tensor<1x16xf32>, %c: tensor<9x8xf32>, %l: i32) {
  // expected-error@+1 {{(A1) rows and cache need one static row size >= 1, got 'tensor<1x16xf32>' and 'tensor<9x8xf32>'}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<1x16xf32>, tensor<9x8xf32>, i32) -> tensor<9x8xf32>
  return
}

// -----

func.func @a1_dynamic_row_size(%k: tensor<1x?xf32>, %c: tensor<9x?xf32>, %l: i32) {
  // expected-error@+1 {{(A1) rows and cache need one static row size >= 1}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<1x?xf32>, tensor<9x?xf32>, i32) -> tensor<9x?xf32>
  return
}

// -----

func.func @a1_heads(%k: tensor<2x4x1x16xf32>, %c: tensor<2x2x9x16xf32>, %l: i32) {
  // expected-error@+1 {{(A1) dim 1 differs: 4 and 2}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<2x4x1x16xf32>, tensor<2x2x9x16xf32>, i32) -> tensor<2x2x9x16xf32>
  return
}

// -----

func.func @a2_lengths(%k: tensor<2x4x1x16xf32>, %c: tensor<2x4x9x16xf32>, %l: tensor<3xi32>) {
  // expected-error@+1 {{(A2) lengths must be an integer, or an integer tensor with one value or one a batch, got 'tensor<3xi32>'}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<2x4x1x16xf32>, tensor<2x4x9x16xf32>, tensor<3xi32>) -> tensor<2x4x9x16xf32>
  return
}

// -----

func.func @a2_row_lengths(%k: tensor<2x4x1x16xf32>, %c: tensor<2x4x9x16xf32>, %l: i32, %n: tensor<2xf32>) {
  // expected-error@+1 {{(A2) row_lengths must be an integer}}
  %0 = attn.append %k into %c lengths(%l) row_lengths(%n) : (tensor<2x4x1x16xf32>, tensor<2x4x9x16xf32>, i32, tensor<2xf32>) -> tensor<2x4x9x16xf32>
  return
}

// -----

func.func @a3_table(%k: tensor<2x4x1x16xf32>, %c: tensor<7x4x9x16xf32>, %l: i32, %t: tensor<3x5xi32>) {
  // expected-error@+1 {{(A3) pages must be an integer tensor [batch, max pages], got 'tensor<3x5xi32>'}}
  %0 = attn.append %k into %c lengths(%l) pages(%t) : (tensor<2x4x1x16xf32>, tensor<7x4x9x16xf32>, i32, tensor<3x5xi32>) -> tensor<7x4x9x16xf32>
  return
}

// -----

func.func @a3_page_of_no_rows(%k: tensor<2x4x1x16xf32>, %c: tensor<7x4x0x16xf32>, %l: i32, %t: tensor<2x5xi32>) {
  // expected-error@+1 {{(A3) a page needs a row at least}}
  %0 = attn.append %k into %c lengths(%l) pages(%t) : (tensor<2x4x1x16xf32>, tensor<7x4x0x16xf32>, i32, tensor<2x5xi32>) -> tensor<7x4x0x16xf32>
  return
}

// -----

func.func @a3_indptr(%k: tensor<2x4x1x16xf32>, %c: tensor<7x4x9x16xf32>, %l: i32, %t: tensor<5xi32>, %i: tensor<2xi32>) {
  // expected-error@+1 {{(A3) page_indptr must be an integer tensor [batch + 1], got 'tensor<2xi32>'}}
  %0 = attn.append %k into %c lengths(%l) pages(%t, %i) : (tensor<2x4x1x16xf32>, tensor<7x4x9x16xf32>, i32, tensor<5xi32>, tensor<2xi32>) -> tensor<7x4x9x16xf32>
  return
}

// -----

func.func @result(%k: tensor<1x16xf32>, %c: tensor<9x16xf32>, %l: i32) {
  // expected-error@+1 {{the result is the cache}}
  %0 = attn.append %k into %c lengths(%l) : (tensor<1x16xf32>, tensor<9x16xf32>, i32) -> tensor<?x16xf32>
  return
}
