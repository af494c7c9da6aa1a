// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention of one layer of all-MiniLM-L6-v2, as demo.py runs it: every
// query of a sentence reads the keys that are no padding. Queries of padding are
// computed too, against the same keys.

func.func @attention(%q: tensor<?x12x?x32xf32>, %k: tensor<?x12x?x32xf32>,
                     %v: tensor<?x12x?x32xf32>, %keys: tensor<?x?xi1>)
    -> tensor<?x12x?x32xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<keys(%keys)>
       : tensor<?x12x?x32xf32>, tensor<?x12x?x32xf32>, tensor<?x12x?x32xf32>,
         tensor<?x?xi1> -> tensor<?x12x?x32xf32>
  return %o : tensor<?x12x?x32xf32>
}
