// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys and values cached in fp8 (E4M3), with one scale a key head, as inference
// engines store them; queries and results are bf16. The kernel reads one byte an
// element and dequantises rows as it loads them.

#x = affine_map<(b, h, r, e) -> (b, h, r, e)>
#scale = affine_map<(b, h, r, e) -> (h)>

func.func @fp8_cache(%q: tensor<?x8x?x128xbf16>,
                     %k: tensor<?x2x?x128xf8E4M3FN>, %kscale: tensor<2xf32>,
                     %v: tensor<?x2x?x128xf8E4M3FN>, %vscale: tensor<2xf32>,
                     %len: tensor<?xi32>) -> tensor<?x8x?x128xbf16> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x2x?x128xf8E4M3FN>
  %m = tensor.dim %k, %c2 : tensor<?x2x?x128xf8E4M3FN>
  %rows = tensor.empty(%batch, %m) : tensor<?x2x?x128xbf16>

  %kb = linalg.generic {indexing_maps = [#x, #scale, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%k, %kscale : tensor<?x2x?x128xf8E4M3FN>, tensor<2xf32>)
      outs(%rows : tensor<?x2x?x128xbf16>) {
      ^bb0(%a: f8E4M3FN, %s: f32, %init: bf16):
        %f = arith.extf %a : f8E4M3FN to f32
        %y = arith.mulf %f, %s : f32
        %z = arith.truncf %y : f32 to bf16
        linalg.yield %z : bf16
      } -> tensor<?x2x?x128xbf16>
  %vb = linalg.generic {indexing_maps = [#x, #scale, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%v, %vscale : tensor<?x2x?x128xf8E4M3FN>, tensor<2xf32>)
      outs(%rows : tensor<?x2x?x128xbf16>) {
      ^bb0(%a: f8E4M3FN, %s: f32, %init: bf16):
        %f = arith.extf %a : f8E4M3FN to f32
        %y = arith.mulf %f, %s : f32
        %z = arith.truncf %y : f32 to bf16
        linalg.yield %z : bf16
      } -> tensor<?x2x?x128xbf16>

  %o = attn.attention %q, %kb, %vb lengths(%len) mask = #attn.pairs<causal>
       : tensor<?x8x?x128xbf16>, tensor<?x2x?x128xbf16>, tensor<?x2x?x128xbf16>,
         tensor<?xi32> -> tensor<?x8x?x128xbf16>
  return %o : tensor<?x8x?x128xbf16>
}
