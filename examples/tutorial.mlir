// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The spec that docs/tutorial.md follows through the compiler.

func.func @tutorial(%q: tensor<2x?x32xf32>, %k: tensor<1x?x32xf16>,
                    %v: tensor<1x?x32xf32>) -> tensor<2x?x32xf32> {
  %k32 = arith.extf %k : tensor<1x?x32xf16> to tensor<1x?x32xf32>
  %o = attn.attention %q, %k32, %v mask = #attn.pairs<causal & local<63>>
       : tensor<2x?x32xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>
         -> tensor<2x?x32xf32>
  return %o : tensor<2x?x32xf32>
}
