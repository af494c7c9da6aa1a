// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One step of decoding with a paged cache: the new key, rotated by its position
// and rounded to bf16, and the new value go into the cache in place; then the
// query reads all pages, the new row included. `len` counts it. In a kernel both
// caches are arguments that are updated (role inout), and nothing is allocated.

func.func @paged_decode(%q: tensor<?x8x1x64xbf16>, %k: tensor<?x2x1x64xf32>,
                        %v: tensor<?x2x1x64xf32>,
                        %angles: tensor<?x64xf32>,
                        %k_cache: tensor<?x2x16x64xbf16>,
                        %v_cache: tensor<?x2x16x64xbf16>,
                        %table: tensor<?x?xi32>, %len: tensor<?xi32>)
    -> (tensor<?x8x1x64xbf16> {attn.name = "out"},
        tensor<?x2x16x64xbf16> {attn.name = "k_after"},
        tensor<?x2x16x64xbf16> {attn.name = "v_after"}) {
  %c0 = arith.constant 0 : index
  %batches = tensor.dim %k, %c0 : tensor<?x2x1x64xf32>
  %rows = tensor.empty(%batches) : tensor<?x2x1x64xbf16>

  // x cos + rotate_half(x) sin, at the position of the new key.
  %k_rotated = linalg.generic {
      indexing_maps = [affine_map<(b, h, r, x) -> (b, h, r, x)>,
                       affine_map<(b, h, r, x) -> (b)>,
                       affine_map<(b, h, r, x) -> (b, h, r, x)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%k, %len : tensor<?x2x1x64xf32>, tensor<?xi32>)
      outs(%rows : tensor<?x2x1x64xbf16>) {
    ^bb0(%e: f32, %n: i32, %unused: bf16):
      %b = linalg.index 0 : index
      %h = linalg.index 1 : index
      %r = linalg.index 2 : index
      %x = linalg.index 3 : index
      %c1 = arith.constant 1 : index
      %half = arith.constant 32 : index
      %count = arith.index_cast %n : i32 to index
      %position = arith.subi %count, %c1 : index
      %angle = tensor.extract %angles[%position, %x] : tensor<?x64xf32>
      %cos = math.cos %angle : f32
      %sin = math.sin %angle : f32
      %isLow = arith.cmpi ult, %x, %half : index
      %up = arith.addi %x, %half : index
      %down = arith.subi %x, %half : index
      %other = arith.select %isLow, %up, %down : index
      %partner = tensor.extract %k[%b, %h, %r, %other] : tensor<?x2x1x64xf32>
      %negated = arith.negf %partner : f32
      %turned = arith.select %isLow, %negated, %partner : f32
      %s0 = arith.mulf %e, %cos : f32
      %s1 = arith.mulf %turned, %sin : f32
      %y = arith.addf %s0, %s1 : f32
      %t = arith.truncf %y : f32 to bf16
      linalg.yield %t : bf16
  } -> tensor<?x2x1x64xbf16>
  %v_rounded = linalg.generic {
      indexing_maps = [affine_map<(b, h, r, x) -> (b, h, r, x)>,
                       affine_map<(b, h, r, x) -> (b, h, r, x)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%v : tensor<?x2x1x64xf32>) outs(%rows : tensor<?x2x1x64xbf16>) {
    ^bb0(%e: f32, %unused: bf16):
      %t = arith.truncf %e : f32 to bf16
      linalg.yield %t : bf16
  } -> tensor<?x2x1x64xbf16>

  %k_all = attn.append %k_rotated into %k_cache lengths(%len) pages(%table)
      : (tensor<?x2x1x64xbf16>, tensor<?x2x16x64xbf16>, tensor<?xi32>, tensor<?x?xi32>)
        -> tensor<?x2x16x64xbf16>
  %v_all = attn.append %v_rounded into %v_cache lengths(%len) pages(%table)
      : (tensor<?x2x1x64xbf16>, tensor<?x2x16x64xbf16>, tensor<?xi32>, tensor<?x?xi32>)
        -> tensor<?x2x16x64xbf16>
  %o = attn.attention %q, %k_all, %v_all pages(%table) lengths(%len)
         mask = #attn.pairs<causal>
       : tensor<?x8x1x64xbf16>, tensor<?x2x16x64xbf16>, tensor<?x2x16x64xbf16>,
         tensor<?x?xi32>, tensor<?xi32> -> tensor<?x8x1x64xbf16>
  return %o, %k_all, %v_all : tensor<?x8x1x64xbf16>, tensor<?x2x16x64xbf16>,
                              tensor<?x2x16x64xbf16>
}
