// RUN: attnc-opt %s --split-input-file --attn-to-stage3 --attn-tile --attn-fuse --verify-diagnostics

func.func @a_projection_behind_is_not_row_work(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %w: tensor<64x64xf32>, %e: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  // expected-error @below {{is not row-local work around attention and is not compiled yet}}
  %p = linalg.matmul ins(%o, %w : tensor<?x64xf32>, tensor<64x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %p : tensor<?x64xf32>
}
