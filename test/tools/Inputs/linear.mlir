// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear attention: parses, verifies and evaluates; no target compiles it yet.
func.func @linear(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %o =
    attn.attention %q, %q, %q mask = #attn.pairs<causal> kernel = #attn.linear
    : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
  return %o : tensor<?x4xf32>
}
