// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small spec for tests of the command line.
func.func @attend(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>,
                  %v: tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
       : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
         -> tensor<?x2x?x8xf32>
  return %o : tensor<?x2x?x8xf32>
}
