// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One head of 64 over any number of tokens, causal. With 65,536 tokens the score
// matrix would be 16 GiB; the kernel takes a few KiB a thread.

func.func @causal64(%q: tensor<1x1x?x64xf32>, %k: tensor<1x1x?x64xf32>,
                    %v: tensor<1x1x?x64xf32>) -> tensor<1x1x?x64xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
       : tensor<1x1x?x64xf32>, tensor<1x1x?x64xf32>, tensor<1x1x?x64xf32>
         -> tensor<1x1x?x64xf32>
  return %o : tensor<1x1x?x64xf32>
}
