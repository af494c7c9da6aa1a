// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal attention over any batch and length, 8 heads of 64.

func.func @causal(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                  %v: tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
       : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>
         -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}
