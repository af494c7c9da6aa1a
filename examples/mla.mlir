// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Multi-head latent attention as it is decoded: all query heads share one latent
// row a key, 512 columns of content behind which 64 are rotated for positions.
// Keys are the whole row and values its first 512 columns: a slice, which the
// kernel reads where it lies. The cache is paged, and lengths are dynamic.

func.func @mla(%q: tensor<?x16x?x576xf32>, %latent: tensor<?x1x64x576xf32>,
               %table: tensor<?x?xi32>, %len: tensor<?xi32>)
    -> tensor<?x16x?x512xf32> {
  %c0 = arith.constant 0 : index
  %pages = tensor.dim %latent, %c0 : tensor<?x1x64x576xf32>
  %values = tensor.extract_slice %latent[0, 0, 0, 0] [%pages, 1, 64, 512] [1, 1, 1, 1]
      : tensor<?x1x64x576xf32> to tensor<?x1x64x512xf32>
  // The scale is that of the head size before it was absorbed: 128 + 64.
  %o = attn.attention %q, %latent, %values pages(%table) lengths(%len)
         mask = #attn.pairs<causal> scale = 0.07216878364870322
       : tensor<?x16x?x576xf32>, tensor<?x1x64x576xf32>, tensor<?x1x64x512xf32>,
         tensor<?x?xi32>, tensor<?xi32> -> tensor<?x16x?x512xf32>
  return %o : tensor<?x16x?x512xf32>
}
