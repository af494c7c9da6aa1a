// RUN: attnc-opt %s --split-input-file --attn-expand --attn-schedule --verify-diagnostics
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file --attn-schedule=micro=warp 2>&1 | FileCheck %s
// CHECK: attn-schedule: micro must be auto, block or row, got 'warp'

func.func @a_projection_is_not_row_work(%q: tensor<?x64xf32>, %x: tensor<?x32xf32>, %w: tensor<32x64xf32>, %v: tensor<?x64xf32>, %e: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{is not row-local work in front of attention and is not compiled yet}}
  %k = linalg.matmul ins(%x, %w : tensor<?x32xf32>, tensor<32x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %o = attn.attention %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @tile_must_fit_registers(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{query_tile must be a multiple of lanes * register_vectors}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = block, query_tile = 50, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
