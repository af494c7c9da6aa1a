// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Grouped-query attention in bf16: 8 query heads on 2 key heads, each query
// reads itself and the 255 keys before it, and each sequence has its own length.

func.func @gqa_window(%q: tensor<?x8x?x128xbf16>, %k: tensor<?x2x?x128xbf16>,
                      %v: tensor<?x2x?x128xbf16>, %len: tensor<?xi32>)
    -> tensor<?x8x?x128xbf16> {
  %o = attn.attention %q, %k, %v lengths(%len)
         mask = #attn.pairs<window<255, 0>>
       : tensor<?x8x?x128xbf16>, tensor<?x2x?x128xbf16>, tensor<?x2x?x128xbf16>,
         tensor<?xi32> -> tensor<?x8x?x128xbf16>
  return %o : tensor<?x8x?x128xbf16>
}
