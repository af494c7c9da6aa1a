// What cannot be written in place is refused.
//
// RUN: attnc-opt %s --split-input-file --verify-diagnostics --attn-tile

func.func @cache_is_computed(%k: tensor<1x16xf32>, %a: tensor<9x16xf32>, %len: i32) -> tensor<9x16xf32> {
  %c = arith.addf %a, %a : tensor<9x16xf32>
  // expected-error @+1 {{is not compiled: its cache is not an argument of the function, so that it cannot be written in place}}
  %0 = attn.append %k into %c lengths(%len) : (tensor<1x16xf32>, tensor<9x16xf32>, i32) -> tensor<9x16xf32>
  return %0 : tensor<9x16xf32>
}

// -----

func.func @old_cache_is_read(%k: tensor<1x16xf32>, %c: tensor<9x16xf32>, %len: i32) -> (tensor<9x16xf32>, tensor<9x16xf32>) {
  // expected-error @+1 {{is not compiled: it writes in place, and its cache is used elsewhere}}
  %0 = attn.append %k into %c lengths(%len) : (tensor<1x16xf32>, tensor<9x16xf32>, i32) -> tensor<9x16xf32>
  // expected-note @+1 {{here}}
  %1 = arith.addf %c, %c : tensor<9x16xf32>
  return %0, %1 : tensor<9x16xf32>, tensor<9x16xf32>
}

// -----

func.func @new_cache_is_no_result(%k: tensor<1x16xf32>, %c: tensor<9x16xf32>, %len: i32) -> tensor<9x16xf32> {
  // expected-error @+1 {{is not compiled: it writes into an argument, so its result must be one of the function's}}
  %0 = attn.append %k into %c lengths(%len) : (tensor<1x16xf32>, tensor<9x16xf32>, i32) -> tensor<9x16xf32>
  %1 = arith.addf %0, %0 : tensor<9x16xf32>
  return %1 : tensor<9x16xf32>
}
